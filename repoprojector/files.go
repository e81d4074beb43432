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
	rested map[int64]time.Time // by tag: not to be written before
	wake   chan struct{}
	// written are the repositories whose files were written, by tag, as far as they are there: of the goroutine that writes.
	written map[int64][]int64
}

const (
	// keptFiles is of how many repositories of a tag the files stay that were written: the one behind "latest", and those that somebody may just be reading.
	keptFiles = 3
	// headStart is how long those who waited for a repository have it to themselves before its files are written, which takes all processors for a moment.
	headStart = 200 * time.Millisecond
	// leisure is how many times as long as it was written a tag then is left alone: the files of one with 60,000 rpms take a second, and one that changes
	// all the time must not be written all the time.
	leisure = 8
)

// unwritten is a repository whose files are wanted.
type unwritten struct {
	repo int64
	get  func(context.Context) (*build, error)
	due  time.Time
}

func newFiles() *files {
	return &files{wanted: map[int64]unwritten{}, rested: map[int64]time.Time{}, wake: make(chan struct{}, 1), written: map[int64][]int64{}}
}

// want has a repository of a tag written when its time comes.
func (f *files) want(tag, repo int64, get func(context.Context) (*build, error)) {
	f.mu.Lock()
	if f.wanted[tag].repo < repo {
		f.wanted[tag] = unwritten{repo, get, later(time.Now().Add(headStart), f.rested[tag])}
	}
	f.mu.Unlock()
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// take gives one whose time has come; or when that of the next one comes, the zero time if there is none.
func (f *files) take(now time.Time) (tag int64, u unwritten, ok bool, next time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for tag, u := range f.wanted {
		if !u.due.After(now) {
			delete(f.wanted, tag)
			return tag, u, true, next
		}
		if next.IsZero() || u.due.Before(next) {
			next = u.due
		}
	}
	return 0, u, false, next
}

// rest leaves a tag alone for a while after it was written.
func (f *files) rest(tag int64, took time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	for t, until := range f.rested {
		if until.Before(now) {
			delete(f.rested, t)
		}
	}
	f.rested[tag] = now.Add(leisure * took)
	if u, ok := f.wanted[tag]; ok {
		u.due = later(u.due, f.rested[tag])
		f.wanted[tag] = u
	}
}

// run writes one repository after the other until ctx ends.
func (f *files) run(ctx context.Context, p *Projector) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.wake:
		case <-timer.C:
		}
		for {
			begin := time.Now()
			tag, u, ok, next := f.take(begin)
			if !ok {
				if !next.IsZero() {
					timer.Reset(next.Sub(begin))
				}
				break
			}
			if err := p.writeFiles(ctx, u); err != nil && ctx.Err() == nil {
				p.Log.Error("the files of a repository could not be written; it is served without them", "repo", u.repo, "error", err)
			}
			if ctx.Err() != nil {
				return
			}
			f.rest(tag, time.Since(begin))
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
		if err = b.compose(ctx, b.key()); err == nil {
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
