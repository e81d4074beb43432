package repoprojector

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path"
	"slices"

	"golang.org/x/sync/errgroup"

	"moromi/commands"
	"moromi/events"
	"moromi/internal/storage"
	"moromi/repoprojector/repodata"
)

// repoInfo is repo.json.
type repoInfo struct {
	ID              int64           `json:"id"`
	Tag             string          `json:"tag"`
	TagID           int64           `json:"tag_id"`
	TaskID          *int64          `json:"task_id"`
	EventID         int64           `json:"event_id"`
	Opts            map[string]bool `json:"opts"`
	CustomOpts      map[string]bool `json:"custom_opts"`
	WithSrc         bool            `json:"with_src"`
	WithSeparateSrc bool            `json:"with_separate_src"`
	WithDebuginfo   bool            `json:"with_debuginfo"`
}

// optNames are the options in the order of events.RepoOpts.List.
var optNames = [...]string{"src", "debuginfo", "separate_src", "maven"}

func optMap(o events.RepoOpts) map[string]bool {
	out := map[string]bool{}
	for i, v := range o.List() {
		if v != nil {
			out[optNames[i]] = *v
		}
	}
	return out
}

// build is a repository that is being written.
type build struct {
	*Projector
	repo    commands.StartedRepo
	tag     int64
	task    *int64
	content *Content
	root    *os.Root // the repository's directory
}

// write makes the repository's directory with all that is in it. It is durable when write returns.
func (b *build) write(ctx context.Context) (rpms int, err error) {
	packages, err := b.examine(ctx, b.content.RPMs)
	if err != nil {
		return 0, err
	}
	dir, err := storage.Repo{Tag: b.content.Tag, ID: b.repo.ID}.Dir()
	if err != nil {
		return 0, err
	}
	if err := b.Storage.MkdirAll(dir); err != nil {
		return 0, err
	}
	if b.root, err = b.Storage.OpenRoot(dir); err != nil {
		return 0, err
	}
	defer b.root.Close()
	opts := optMap(b.repo.Opts)
	dirs := share(b.content, opts["src"], opts["debuginfo"], opts["separate_src"])
	comps := repodata.Comps(b.content.Groups, true)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return b.writeInfo(opts) })
	g.Go(func() error { return b.writeFile("groups/comps.xml", comps) })
	for arch, list := range dirs {
		if err := b.root.Mkdir(arch, 0o755); err != nil {
			return 0, err
		}
		g.Go(func() error { return b.writeLists(arch, list, packages) })
		g.Go(func() error { return b.writeMetadata(ctx, arch, list, packages, comps) })
		rpms += len(list)
	}
	if err := g.Wait(); err != nil {
		return 0, err
	}
	return rpms, b.syncAll(dir, dirs)
}

func (b *build) writeInfo(opts map[string]bool) error {
	raw, err := json.MarshalIndent(repoInfo{ID: b.repo.ID, Tag: b.content.Tag, TagID: b.tag, TaskID: b.task, EventID: b.repo.Event, Opts: opts,
		CustomOpts: optMap(b.repo.Custom), WithSrc: opts["src"], WithSeparateSrc: opts["separate_src"], WithDebuginfo: opts["debuginfo"]}, "", "  ")
	if err != nil {
		return err
	}
	return b.writeFile("repo.json", raw)
}

// writeLists writes what is beside the metadata in an architecture's directory.
func (b *build) writeLists(arch string, list []int, packages []repodata.Package) error {
	var pkglist, rpmlist, blocklist bytes.Buffer
	for _, i := range list {
		pkglist.WriteString(packages[i].Href + "\n")
		raw, err := json.Marshal(&b.content.RPMs[i])
		if err != nil {
			return err
		}
		rpmlist.Write(append(raw, '\n'))
	}
	for _, name := range b.content.Blocked {
		blocklist.WriteString(name + "\n")
	}
	if err := b.root.Symlink("../../../..", path.Join(arch, "toplink")); err != nil {
		return err
	}
	var g errgroup.Group
	for name, content := range map[string]*bytes.Buffer{"pkglist": &pkglist, "rpmlist.jsonl": &rpmlist, "blocklist": &blocklist} {
		g.Go(func() error { return b.writeFile(path.Join(arch, name), content.Bytes()) })
	}
	return g.Wait()
}

// emptyRepo marks a repository without packages, as kojid does.
const emptyRepo = "repodata/EMPTY_REPO"

func (b *build) writeMetadata(ctx context.Context, arch string, list []int, packages []repodata.Package, comps []byte) error {
	own := make([]repodata.Package, len(list))
	for n, i := range list {
		own[n] = packages[i]
	}
	sorted, err := repodata.NewPackages(own)
	if err != nil {
		return err
	}
	if _, err := b.writer.Write(ctx, b.root, arch, repodata.Content{Packages: sorted, Comps: comps, Revision: b.Clock()}); err != nil {
		return err
	}
	if len(list) == 0 {
		return b.writeFile(path.Join(arch, emptyRepo), nil)
	}
	return nil
}

// writeFile writes and syncs a file; its directory is made if need be and is synced by syncAll.
func (b *build) writeFile(name string, content []byte) error {
	if dir := path.Dir(name); dir != "." {
		if err := b.root.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	f, err := b.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Sync(), f.Close())
}

// syncAll makes the directories' entries durable, from the repository's own up to those above it.
func (b *build) syncAll(dir storage.Path, arches map[string][]int) error {
	names := []string{".", "groups"}
	for arch, list := range arches {
		names = append(names, arch)
		if len(list) == 0 {
			names = append(names, path.Join(arch, "repodata"))
		}
	}
	slices.Sort(names)
	var g errgroup.Group
	for _, n := range names {
		g.Go(func() error {
			d, err := b.root.Open(n)
			if err != nil {
				return err
			}
			return errors.Join(d.Sync(), d.Close())
		})
	}
	for up := dir.Dir(); !up.IsZero(); up = up.Dir() {
		g.Go(func() error {
			d, err := b.Storage.Open(up)
			if err != nil {
				return err
			}
			return errors.Join(d.Sync(), d.Close())
		})
	}
	return g.Wait()
}
