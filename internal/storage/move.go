package storage

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"syscall"
)

// Rename moves from to to within one file system, replacing a file that is there; the directory is made if it is missing.
// The content is synced first when it is a file, so a crash leaves either name whole.
func (t *Topdir) Rename(from, to Path) error {
	if err := check(from, to, to.Dir()); err != nil {
		return err
	}
	if err := t.syncFile(from.rel); err != nil {
		return fmt.Errorf("rename %s: %w", from, err)
	}
	if err := t.MkdirAll(to.Dir()); err != nil {
		return fmt.Errorf("rename %s to %s: %w", from, to, err)
	}
	if err := t.root.Rename(from.rel, to.rel); err != nil {
		return fmt.Errorf("rename %s to %s: %w", from, to, err)
	}
	return errors.Join(t.syncDirs(to.rel), t.syncDirs(from.rel))
}

// Move is Rename that also crosses file systems (a volume of its own): there the tree is copied under a hidden name, synced, put in place,
// and only then the source removed. to must not exist.
func (t *Topdir) Move(from, to Path) error {
	if err := check(from, to, to.Dir()); err != nil {
		return err
	}
	if _, err := t.root.Lstat(to.rel); err == nil {
		return fmt.Errorf("move %s to %s: %w", from, to, fs.ErrExist)
	}
	err := t.Rename(from, to)
	if !errors.Is(err, syscall.EXDEV) {
		return err
	}
	if err := t.Copy(from, to); err != nil {
		return fmt.Errorf("move %s to %s: %w", from, to, err)
	}
	return t.root.RemoveAll(from.rel)
}

// Copy copies a file or tree, durably, under a hidden name that becomes to at the end. Symlinks are copied as they are.
func (t *Topdir) Copy(from, to Path) error {
	if err := check(from, to, to.Dir()); err != nil {
		return err
	}
	if err := t.MkdirAll(to.Dir()); err != nil {
		return fmt.Errorf("copy %s: %w", from, err)
	}
	temp := path.Join(path.Dir(to.rel), tempName())
	if err := t.copyTree(from.rel, temp); err != nil {
		return fmt.Errorf("copy %s: %w", from, errors.Join(err, t.root.RemoveAll(temp)))
	}
	if err := t.root.Rename(temp, to.rel); err != nil {
		return fmt.Errorf("copy %s: %w", from, errors.Join(err, t.root.RemoveAll(temp)))
	}
	return t.syncDirs(to.rel)
}

func (t *Topdir) copyTree(from, to string) error {
	return fs.WalkDir(t.root.FS(), from, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		dst := path.Join(to, filepath.ToSlash(rel))
		switch {
		case e.IsDir():
			return t.root.Mkdir(dst, dirMode)
		case e.Type()&fs.ModeSymlink != 0:
			target, err := t.root.Readlink(name)
			if err != nil {
				return err
			}
			return t.root.Symlink(target, dst)
		case e.Type().IsRegular():
			return t.copyFile(name, dst)
		}
		return fmt.Errorf("%s is neither file, directory nor symlink", name)
	})
}

func (t *Topdir) copyFile(from, to string) error {
	src, err := t.root.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	st, err := src.Stat()
	if err != nil {
		return err
	}
	dst, err := t.root.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return err
	}
	if _, err := io.Copy(dst, src); err != nil {
		return errors.Join(err, dst.Close())
	}
	if err := errors.Join(dst.Sync(), dst.Close()); err != nil {
		return err
	}
	return t.root.Chtimes(to, st.ModTime(), st.ModTime())
}

// syncFile syncs a regular file; directories and symlinks have nothing to sync here.
func (t *Topdir) syncFile(rel string) error {
	st, err := t.root.Lstat(rel)
	if err != nil || !st.Mode().IsRegular() {
		return err
	}
	f, err := t.root.Open(rel)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Symlink makes p a relative symlink to the target, replacing a symlink that is there in one step (repos/TAG/latest).
// Anything else at p is left alone and is an error.
func (t *Topdir) Symlink(target, p Path) error {
	if err := check(target, p, p.Dir()); err != nil {
		return err
	}
	if st, err := t.root.Lstat(p.rel); err == nil && st.Mode()&fs.ModeSymlink == 0 {
		return fmt.Errorf("symlink %s: %w", p, fs.ErrExist)
	}
	if err := t.MkdirAll(p.Dir()); err != nil {
		return fmt.Errorf("symlink %s: %w", p, err)
	}
	rel, err := filepath.Rel(path.Dir(p.rel), target.rel)
	if err != nil {
		return fmt.Errorf("symlink %s: %w", p, err)
	}
	temp := path.Join(path.Dir(p.rel), tempName())
	if err := t.root.Symlink(filepath.ToSlash(rel), temp); err != nil {
		return fmt.Errorf("symlink %s: %w", p, err)
	}
	if err := t.root.Rename(temp, p.rel); err != nil {
		return fmt.Errorf("symlink %s: %w", p, errors.Join(err, t.root.Remove(temp)))
	}
	return t.syncDirs(p.rel)
}

// TopLink makes p a relative symlink to the topdir itself: the "toplink" of repositories and volumes.
func (t *Topdir) TopLink(p Path) error {
	if err := check(p, p.Dir()); err != nil {
		return err
	}
	rel, err := filepath.Rel(path.Dir(p.rel), ".")
	if err != nil {
		return fmt.Errorf("symlink %s: %w", p, err)
	}
	if have, err := t.root.Readlink(p.rel); err == nil && have == rel {
		return nil
	}
	if err := t.MkdirAll(p.Dir()); err != nil {
		return fmt.Errorf("symlink %s: %w", p, err)
	}
	if err := t.root.Symlink(rel, p.rel); err != nil {
		return fmt.Errorf("symlink %s: %w", p, err)
	}
	return t.syncDirs(p.rel)
}

// Readlink gives a symlink's text.
func (t *Topdir) Readlink(p Path) (string, error) {
	if err := check(p); err != nil {
		return "", err
	}
	return t.root.Readlink(p.rel)
}

// Link gives the file at from a second name, to, which must not exist. Both must be on one file system.
func (t *Topdir) Link(from, to Path) error {
	if err := check(from, to, to.Dir()); err != nil {
		return err
	}
	if err := t.MkdirAll(to.Dir()); err != nil {
		return fmt.Errorf("link %s: %w", to, err)
	}
	if err := t.root.Link(from.rel, to.rel); err != nil {
		return fmt.Errorf("link %s: %w", to, err)
	}
	return t.syncDirs(to.rel)
}
