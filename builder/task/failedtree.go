package task

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"moromi/builder/buildroot"
	"moromi/internal/fault"
)

// runSaveFailedTree packs the root of a failed task that this builder still has, or its build directory, and uploads it as broot-ID.tar.gz
// (Koji's plugin save_failed_tree).
func runSaveFailedTree(ctx context.Context, j *Job) (any, error) {
	id, full := asInt(j.Args["buildrootID"]), asBool(j.Args["full"])
	info, err := j.Hub.Call(ctx, "getBuildroot", id)
	if err != nil {
		return nil, err
	}
	if asMap(info) == nil {
		return nil, fault.New(fault.Generic, "Nonexistent buildroot: %d", id)
	}
	if asInt(asMap(info)["host_id"]) != j.HostID {
		return nil, fault.New(fault.Generic, "Task is run on wrong builder")
	}
	kept, giveBack := j.Settings.Shelf.take(id)
	if kept == nil {
		return nil, fault.New(fault.Generic, "Buildroot directory is missing: this builder does not have the root of buildroot %d any more; it keeps %d of failed tasks for %s",
			id, j.Settings.FailedTrees, j.Settings.FailedTreeLife)
	}
	defer giveBack()
	o := buildroot.PackOptions{Dir: "builddir", Prefix: kept.name, Omit: j.Settings.FailedTreeOmit}
	if full {
		o.Dir = "."
	}
	path := filepath.Join(j.Dir, fmt.Sprintf("broot-%d.tar.gz", id))
	if err := j.packTo(ctx, path, kept.root, o); err != nil {
		return nil, err
	}
	return nil, j.upload(ctx, path)
}

// packTo packs into a file of a limited size.
func (j *Job) packTo(ctx context.Context, path string, root buildroot.Root, o buildroot.PackOptions) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("pack the buildroot: %w", err)
	}
	w := &buildroot.LimitWriter{W: cancelWriter{ctx, f}, Left: j.Settings.FailedTreeSize}
	err = root.Pack(ctx, w, o)
	switch {
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case w.Full:
		err = fault.New(fault.Generic, "the buildroot is larger than %d MiB when it is packed, which is this builder's limit", j.Settings.FailedTreeSize>>20)
	case errors.Is(err, buildroot.ErrNotThere):
		err = fault.New(fault.Generic, "Buildroot directory is missing: /%s", o.Dir)
	}
	return errors.Join(err, f.Close())
}

// cancelWriter refuses to write when ctx has ended: packing looks at nothing else.
type cancelWriter struct {
	ctx context.Context
	w   io.Writer
}

func (c cancelWriter) Write(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.w.Write(p)
}
