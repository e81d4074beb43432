package repoprojector

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"sync"
	"time"

	"moromi/internal/storage"
	"moromi/repoprojector/repodata"
)

// files writes the files of repositories that are READY and served already, for who reads the topdir itself. Of a tag only the newest is written: one
// that another follows before its turn comes is never. Safe for concurrent use.
type files struct {
	mu     sync.Mutex
	wanted map[int64]unwritten // by tag
	wake   chan struct{}
	// written are the repositories whose files were written, by tag, as far as they are there: of the goroutine that writes.
	written map[int64][]int64
}

// headStart is how long those who waited for a repository have it to themselves before its files are written, which takes all processors for a moment.
const headStart = 200 * time.Millisecond

// keptFiles is of how many repositories of a tag the files stay that were written: the one behind "latest", and those that somebody may just be reading.
const keptFiles = 3

// unwritten is a repository whose files are wanted.
type unwritten struct {
	repo int64
	get  func(context.Context) (*build, error)
}

func newFiles() *files {
	return &files{wanted: map[int64]unwritten{}, wake: make(chan struct{}, 1), written: map[int64][]int64{}}
}

func (f *files) want(tag int64, u unwritten) {
	f.mu.Lock()
	if f.wanted[tag].repo < u.repo {
		f.wanted[tag] = u
	}
	f.mu.Unlock()
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

func (f *files) take() (u unwritten, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for tag, u := range f.wanted {
		delete(f.wanted, tag)
		return u, true
	}
	return u, false
}

// run writes one repository after the other until ctx ends.
func (f *files) run(ctx context.Context, p *Projector) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.wake:
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(headStart):
		}
		for u, ok := f.take(); ok && ctx.Err() == nil; u, ok = f.take() {
			if err := p.writeFiles(ctx, u); err != nil && ctx.Err() == nil {
				p.Log.Error("the files of a repository could not be written; it is served without them", "repo", u.repo, "error", err)
			}
		}
	}
}

// writeFiles writes what is missing of a READY repository's files and lets "latest" lead to it.
func (p *Projector) writeFiles(ctx context.Context, u unwritten) error {
	b, err := u.get(ctx)
	if err == nil {
		err = b.finish(ctx)
	}
	if repodata.Lost(err) { // of what was composed
		p.writer.Forget()
		if err = b.compose(ctx, b.key(), p.Clock()); err == nil {
			err = b.finish(ctx)
		}
	}
	if err != nil {
		return err
	}
	p.link(b.state.content.Tag, b.repo.ID)
	return p.thin(b)
}

// thin takes the files of metadata away again from those of the tag's repositories whose files were written before, but for the last few: they are served
// as those are whose files never were. Repositories that were merged with others keep them, for of those what they were made from may be gone one day.
func (p *Projector) thin(b *build) error {
	if len(b.state.content.External) > 0 {
		return nil
	}
	list := append(slices.DeleteFunc(p.files.written[b.state.tag], func(id int64) bool { return id == b.repo.ID }), b.repo.ID)
	for ; len(list) > keptFiles; list = list[1:] {
		dir, err := storage.Repo{Tag: b.state.content.Tag, ID: list[0]}.Dir()
		if err != nil {
			return err
		}
		if err := p.removeMetadata(dir); err != nil {
			return fmt.Errorf("files of repository %d: %w", list[0], err)
		}
	}
	p.files.written[b.state.tag] = list
	return nil
}

// removeMetadata removes what finish wrote.
func (p *Projector) removeMetadata(dir storage.Path) error {
	root, err := p.Storage.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) { // the repository was deleted, or its tag has another name
		return nil
	}
	if err != nil {
		return err
	}
	defer root.Close()
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		for _, name := range []string{"repodata", pkglistName, rpmlistName} {
			if err := root.RemoveAll(path.Join(e.Name(), name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// written tells whether a repository's directory has all its metadata.
func (p *Projector) written(dir storage.Path) bool {
	entries, err := fs.ReadDir(p.Storage.FS(), dir.String())
	if err != nil {
		return false
	}
	for _, e := range entries {
		if !e.IsDir() || e.Name() == "groups" {
			continue
		}
		at, err := storage.Parse(path.Join(dir.String(), e.Name(), "repodata", repodata.RepomdName))
		if err != nil || !p.there(at) {
			return false
		}
	}
	return true
}
