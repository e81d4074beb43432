package repoprojector

import (
	"context"
	"errors"
	"io/fs"
	"sync"
)

// files writes the files of repositories that are READY and served already, for who reads the topdir itself. Of a tag only the newest is written: one
// that another follows before its turn comes is never. Safe for concurrent use.
type files struct {
	mu     sync.Mutex
	wanted map[int64]*build // by tag
	wake   chan struct{}
}

func newFiles() *files { return &files{wanted: map[int64]*build{}, wake: make(chan struct{}, 1)} }

func (f *files) want(b *build) {
	f.mu.Lock()
	if old := f.wanted[b.state.tag]; old == nil || old.repo.ID < b.repo.ID {
		f.wanted[b.state.tag] = b
	}
	f.mu.Unlock()
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

func (f *files) take() *build {
	f.mu.Lock()
	defer f.mu.Unlock()
	for tag, b := range f.wanted {
		delete(f.wanted, tag)
		return b
	}
	return nil
}

// run writes one repository after the other until ctx ends.
func (f *files) run(ctx context.Context, p *Projector) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.wake:
		}
		for b := f.take(); b != nil && ctx.Err() == nil; b = f.take() {
			err := b.finish(ctx)
			switch {
			case err == nil || errors.Is(err, fs.ErrExist): // as it is: written before
				p.link(b.state.content.Tag, b.repo.ID)
			case ctx.Err() == nil:
				p.Log.Error("the files of a repository could not be written; it is served without them", "tag", b.state.content.Tag, "repo", b.repo.ID, "error", err)
			}
		}
	}
}
