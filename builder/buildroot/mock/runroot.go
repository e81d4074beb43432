package mock

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"moromi/builder/buildroot"
)

// Install is mock --install.
func (r *root) Install(ctx context.Context, packages []string) error {
	for _, p := range packages {
		if p == "" || strings.HasPrefix(p, "-") { // mock would take it for an option
			return &buildroot.PhaseError{Phase: "installing packages", Tool: "mock", Exit: 1, Log: "root.log", Detail: "No matching package to install: '" + p + "'"}
		}
	}
	return r.mock(ctx, "installing packages", "root.log", append([]string{"--install"}, packages...)...)
}

// runLog is where a command's output is written in the root.
const runLog = "builddir/" + buildroot.RunLog

// Run is mock --chroot, with the command's output in a file of its own.
func (r *root) Run(ctx context.Context, c buildroot.Command) (err error) {
	text := c.Shell
	if text == "" {
		words := make([]string, len(c.Argv))
		for i, w := range c.Argv {
			words[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
		text = strings.Join(words, " ")
	}
	undo, err := r.mountAll(ctx, c.Mounts)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, undo()) }()
	var args []string
	if c.NewChroot != nil {
		args = append(args, map[bool]string{true: "--new-chroot", false: "--old-chroot"}[*c.NewChroot])
	}
	if c.Arch != "" {
		args = append(args, "--arch", c.Arch)
	}
	// the line break ends a comment that the command may end with
	shell := "{ " + text + "\n} < /dev/null 2>&1 | /usr/bin/tee /" + runLog + "; exit ${PIPESTATUS[0]}"
	err = r.mock(ctx, "running the command", buildroot.RunLog, append(args, "--chroot", "--", "/bin/sh", "-c", shell)...)
	return errors.Join(err, r.keepRunLog(ctx))
}

// keepRunLog copies the command's output to the other logs. There is none if the command did not begin.
func (r *root) keepRunLog(ctx context.Context) error {
	f, err := os.Create(filepath.Join(r.ResultDir(), buildroot.RunLog))
	if err != nil {
		return fmt.Errorf("keep the command's output: %w", err)
	}
	err = r.CopyOut(ctx, f, runLog)
	if errors.Is(err, buildroot.ErrNotThere) {
		err = nil
	}
	return errors.Join(err, f.Close())
}

// mountAll mounts below the root, as kojid does for mock: mock itself knows nothing of these mounts. undo takes them away.
func (r *root) mountAll(ctx context.Context, mounts []buildroot.Mount) (undo func() error, err error) {
	undo = func() error {
		if len(mounts) == 0 {
			return nil
		}
		return unmountBelow(r.rootDir())
	}
	for _, m := range mounts {
		if err := r.mountOne(ctx, m); err != nil {
			return nil, errors.Join(err, undo())
		}
	}
	return undo, nil
}

func (r *root) mountOne(ctx context.Context, m buildroot.Mount) error {
	in, err := os.OpenRoot(r.rootDir())
	if err != nil {
		return fmt.Errorf("open the root: %w", err)
	}
	defer in.Close()
	point := strings.TrimPrefix(filepath.Clean(m.Point), "/")
	if err := in.MkdirAll(point, 0o755); err != nil {
		return fmt.Errorf("make the mount point %s: %w", m.Point, err)
	}
	dir, err := in.Open(point) // no link in the root leads the mount elsewhere
	if err != nil {
		return fmt.Errorf("open the mount point %s: %w", m.Point, err)
	}
	defer dir.Close()
	kind := m.Type
	if m.Bind() {
		kind = "none"
	}
	cmd := exec.CommandContext(ctx, "mount", "-t", kind, "-o", strings.Join(m.Options, ","), "--", m.Source, "/proc/self/fd/3")
	cmd.ExtraFiles = []*os.File{dir}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("mount %s: %w: %s", m.Point, err, strings.TrimSpace(string(out)))
	}
	return nil
}

// CopyOut writes a file of the root.
func (r *root) CopyOut(_ context.Context, w io.Writer, name string) error {
	in, err := os.OpenRoot(r.rootDir())
	if err != nil {
		return fmt.Errorf("open the root: %w", err)
	}
	defer in.Close()
	return buildroot.CopyOut(w, in, strings.TrimPrefix(filepath.Clean("/"+name), "/"))
}

// Pack writes a part of the root as tar.gz.
func (r *root) Pack(_ context.Context, w io.Writer, o buildroot.PackOptions) error {
	in, err := os.OpenRoot(r.rootDir())
	if err != nil {
		return errors.Join(buildroot.ErrNotThere, err)
	}
	defer in.Close()
	return buildroot.Pack(w, in, o)
}
