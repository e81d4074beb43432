package repoprojector

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"moromi/commands"
	"moromi/events"
	"moromi/internal/storage"
	"moromi/projections/event"
	"moromi/repoprojector/format"
	"moromi/repoprojector/repodata"
)

// repoJSON is the name of the file that says what a repository is.
const repoJSON = "repo.json"

// repoInfo is what is in it.
type repoInfo struct {
	ID              int64            `json:"id"`
	Tag             string           `json:"tag"`
	TagID           int64            `json:"tag_id"`
	TaskID          *int64           `json:"task_id"`
	EventID         int64            `json:"event_id"`
	Opts            map[string]bool  `json:"opts"`
	CustomOpts      map[string]bool  `json:"custom_opts"`
	WithSrc         bool             `json:"with_src"`
	WithSeparateSrc bool             `json:"with_separate_src"`
	WithDebuginfo   bool             `json:"with_debuginfo"`
	External        []taken          `json:"external_repos,omitempty"`
	Format          *format.Recorded `json:"metadata_format,omitempty"`
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

// build is a repository that is being made.
type build struct {
	*Projector
	repo   commands.StartedRepo
	task   *int64
	state  *state
	layout layout
	asOf   time.Time // of the event: made again, it has the same revision
	format repodata.Format
	dirs   map[string]repodata.Packages
	root   *os.Root // the repository's directory
	// merging is what the directories are merged with; nil if the tag has no external repositories.
	merging *merging
}

// newBuild makes a build of a tag's state with the options of a repository.
func (p *Projector) newBuild(ctx context.Context, repo commands.StartedRepo, x *state, task *int64) (*build, error) {
	f, err := format.Of(x.content.Extra, p.Format)
	if err != nil {
		return nil, err
	}
	asOf, err := event.Time(ctx, p.DB, repo.Event)
	if err != nil {
		return nil, err
	}
	opts := optMap(repo.Opts)
	b := &build{Projector: p, repo: repo, task: task, state: x, asOf: asOf, format: f, layout: layout{opts["src"], opts["debuginfo"], opts["separate_src"], f.Order}}
	b.dirs, err = x.dirsFor(b.layout)
	return b, err
}

// rpms is how many rpms there are in all directories.
func (b *build) rpms() (n int) {
	for _, list := range b.dirs {
		n += list.Len()
	}
	return n
}

// compose makes the metadata of each directory and keeps it under a key, so that it can be served.
func (b *build) compose(ctx context.Context, key string) error {
	if b.merging == nil { // it was made before
		var err error
		if b.merging, err = b.recallExternal(ctx); err != nil {
			return err
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	for dir, list := range b.dirs {
		g.Go(func() error {
			v, err := b.composeDir(ctx, dir, repodata.Content{Packages: list, Format: b.format, Comps: b.state.comps, Revision: b.asOf})
			if err != nil {
				return err
			}
			return b.store.PutVersion(key+"/"+dir, v)
		})
	}
	return g.Wait()
}

// key is where the versions of the repository's directories are kept.
func (b *build) key() string { return strconv.FormatInt(b.repo.ID, 10) }

// begin makes the repository's directory with what is small and wanted at once. It is durable when begin returns.
func (b *build) begin() (err error) {
	dir, err := b.open(true)
	if err != nil {
		return err
	}
	defer b.root.Close()
	var g errgroup.Group
	g.Go(b.writeInfo)
	g.Go(func() error { return b.writeFile("groups/comps.xml", b.state.comps) })
	var blocklist bytes.Buffer
	for _, name := range b.state.content.Blocked {
		blocklist.WriteString(name + "\n")
	}
	for arch := range b.dirs {
		if err := b.root.Mkdir(arch, 0o755); err != nil {
			return err
		}
		g.Go(func() error {
			if err := b.root.Symlink("../../../..", path.Join(arch, "toplink")); err != nil {
				return err
			}
			return b.writeFile(path.Join(arch, "blocklist"), blocklist.Bytes())
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return b.syncAll(dir)
}

// finish writes the rest: the metadata and the lists of rpms. It is durable when finish returns.
func (b *build) finish(ctx context.Context) error {
	dir, err := b.open(false)
	if err != nil {
		return err
	}
	defer b.root.Close()
	g, ctx := errgroup.WithContext(ctx)
	for arch, list := range b.dirs {
		g.Go(func() error { return b.writeLists(arch) })
		g.Go(func() error { return b.writeMetadata(ctx, arch, list.Len()) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return b.syncAll(dir)
}

// open opens the repository's directory, which is made if it is to be.
func (b *build) open(create bool) (storage.Path, error) {
	dir, err := storage.Repo{Tag: b.state.content.Tag, ID: b.repo.ID}.Dir()
	if err != nil {
		return dir, err
	}
	if create {
		if err := b.Storage.MkdirAll(dir); err != nil {
			return dir, err
		}
	}
	b.root, err = b.Storage.OpenRoot(dir)
	return dir, err
}

func (b *build) writeInfo() error {
	opts := optMap(b.repo.Opts)
	info := repoInfo{ID: b.repo.ID, Tag: b.state.content.Tag, TagID: b.state.tag, TaskID: b.task, EventID: b.repo.Event, Opts: opts,
		CustomOpts: optMap(b.repo.Custom), WithSrc: opts["src"], WithSeparateSrc: opts["separate_src"], WithDebuginfo: opts["debuginfo"]}
	if b.format != (repodata.Format{}) { // without it, it is createrepo_c's
		info.Format = format.Record(b.format)
	}
	if b.merging != nil {
		info.External = b.merging.taken
	}
	raw, err := json.MarshalIndent(info, "", "  ")
	if err != nil {
		return err
	}
	return b.writeFile(repoJSON, raw)
}

// readInfo reads what a repository's repo.json says of it.
func (b *build) readInfo() (info repoInfo, err error) {
	dir, err := b.open(false)
	if err != nil {
		return info, err
	}
	defer b.root.Close()
	raw, err := b.root.ReadFile(repoJSON)
	if err == nil {
		err = json.Unmarshal(raw, &info)
	}
	if err != nil {
		return info, fmt.Errorf("%s of %s: %w", repoJSON, dir, err)
	}
	return info, nil
}

// lists makes the lists of a directory's rpms: their places, and what is known of them.
func (b *build) lists(dir string) (pkglist, rpmlist []byte) {
	for e := range b.state.entries(b.layout, dir) {
		pkglist = append(append(pkglist, e.file.Href...), '\n')
		rpmlist = append(rpmlist, e.line...)
	}
	return pkglist, rpmlist
}

func (b *build) writeLists(arch string) error {
	pkglist, rpmlist := b.lists(arch)
	for name, content := range map[string][]byte{pkglistName: pkglist, rpmlistName: rpmlist} {
		if err := b.writeFile(path.Join(arch, name), content); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}

// The lists' names.
const (
	pkglistName = "pkglist"
	rpmlistName = "rpmlist.jsonl"
)

// emptyRepo marks a repository without packages, as kojid does.
const emptyRepo = "EMPTY_REPO"

// writeMetadata writes the files of what compose kept.
func (b *build) writeMetadata(ctx context.Context, arch string, packages int) error {
	if _, err := b.root.Lstat(path.Join(arch, "repodata", repodata.RepomdName)); err == nil {
		return nil // the process died after this one
	}
	v, err := b.store.Version(b.key() + "/" + arch)
	if err == nil {
		v.Signature, err = b.signature(ctx, v)
	}
	if err == nil {
		err = b.store.WriteFiles(ctx, b.root, arch, v)
	}
	if err != nil || packages > 0 || len(b.state.content.External) > 0 {
		return err
	}
	return b.writeFile(path.Join(arch, "repodata", emptyRepo), nil)
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
func (b *build) syncAll(dir storage.Path) error {
	names := []string{".", "groups"}
	for arch, list := range b.dirs {
		names = append(names, arch)
		if _, err := b.root.Lstat(path.Join(arch, "repodata")); err == nil && list.Len() == 0 {
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
