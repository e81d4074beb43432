package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"
)

// Stage is a hidden directory that is filled beside the entries of another one and then put in place as one of them, whole. It is for one goroutine, but
// for Link.
type Stage struct {
	// Root is the stage itself, for files of its own.
	Root *os.Root

	top *Topdir
	dir Path
	rel string
}

// stagePrefix starts the names of stages, so that what a process that died has left can be told from what others are writing.
const stagePrefix = tempPrefix + "stage-"

// Stage makes a stage in a directory, which must be there. Place or Discard ends it.
func (t *Topdir) Stage(dir Path) (*Stage, error) {
	if err := check(dir); err != nil {
		return nil, err
	}
	s := &Stage{top: t, dir: dir, rel: path.Join(dir.rel, stagePrefix+strings.TrimPrefix(tempName(), tempPrefix))}
	if err := t.root.Mkdir(s.rel, dirMode); err != nil {
		return nil, fmt.Errorf("stage in %s: %w", dir, err)
	}
	var err error
	if s.Root, err = t.root.OpenRoot(s.rel); err != nil {
		return nil, fmt.Errorf("stage in %s: %w", dir, errors.Join(err, t.root.RemoveAll(s.rel)))
	}
	return s, nil
}

// Link gives a file of the topdir a second name in the stage, in a directory that is there. Where the file system has no links to the place it copies, with the
// time of the file. It may be called by several goroutines. The names are durable when Place returns.
func (s *Stage) Link(from Path, name string) error {
	if err := check(from); err != nil {
		return err
	}
	to := path.Join(s.rel, name)
	if !strings.HasPrefix(to, s.rel+"/") {
		return fmt.Errorf("link %s to %s: %w", from, name, fs.ErrInvalid)
	}
	err := s.top.root.Link(from.rel, to)
	if errors.Is(err, syscall.EXDEV) || errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EMLINK) {
		err = s.top.copyFile(from.rel, to)
	}
	if err != nil {
		return fmt.Errorf("link %s: %w", from, err)
	}
	return nil
}

// Place puts the stage in its place under a name, durably. A directory that is there makes way as a whole. Files that Root wrote must be synced already.
func (s *Stage) Place(name string) error {
	final, err := s.dir.Join(name)
	if err != nil {
		return err
	}
	if err := s.sync(); err != nil {
		return fmt.Errorf("put %s in place: %w", final, err)
	}
	t := s.top
	err = t.root.Rename(s.rel, final.rel) // over an empty directory, too
	if errors.Is(err, syscall.ENOTEMPTY) || errors.Is(err, fs.ErrExist) {
		old := path.Join(s.dir.rel, stagePrefix+strings.TrimPrefix(tempName(), tempPrefix))
		if err = t.root.Rename(final.rel, old); err == nil {
			err = t.root.Rename(s.rel, final.rel)
		}
		err = errors.Join(err, t.root.RemoveAll(old))
	}
	if err != nil {
		return fmt.Errorf("put %s in place: %w", final, err)
	}
	return errors.Join(s.Root.Close(), t.syncDirs(final.rel))
}

// sync makes the entries of all directories of the stage durable.
func (s *Stage) sync() error {
	return fs.WalkDir(s.Root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || !e.IsDir() {
			return err
		}
		d, err := s.Root.Open(name)
		if err != nil {
			return err
		}
		return errors.Join(d.Sync(), d.Close())
	})
}

// Discard removes the stage, if it was not put in place.
func (s *Stage) Discard() error {
	return errors.Join(s.Root.Close(), s.top.root.RemoveAll(s.rel))
}

// RemoveStages removes what processes that died have left in a directory; nobody may be writing there.
func (t *Topdir) RemoveStages(dir Path) error {
	if err := check(dir); err != nil {
		return err
	}
	entries, err := fs.ReadDir(t.root.FS(), dir.rel)
	if err != nil {
		return fmt.Errorf("remove stages of %s: %w", dir, err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), stagePrefix) {
			err = errors.Join(err, t.root.RemoveAll(path.Join(dir.rel, e.Name())))
		}
	}
	return err
}
