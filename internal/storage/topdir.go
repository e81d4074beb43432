package storage

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// Modes of what the hub makes: readable to the web server of a site that serves the tree itself.
const (
	dirMode  = 0o755
	fileMode = 0o644
)

// tempPrefix starts the names of files that are being written. They are hidden: no Path can name them and no listing shows them.
const tempPrefix = ".tmp-"

// Topdir is an open topdir.
type Topdir struct {
	root *os.Root
	dir  string
}

// Open opens the topdir, making it and its main directories where they are missing.
func Open(dir string) (*Topdir, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open topdir: %w", err)
	}
	if err := os.MkdirAll(abs, dirMode); err != nil {
		return nil, fmt.Errorf("open topdir: %w", err)
	}
	root, err := os.OpenRoot(abs)
	if err != nil {
		return nil, fmt.Errorf("open topdir: %w", err)
	}
	for _, d := range []string{"packages", "repos", "repos-dist", "scratch", "vol", "work"} {
		if err := root.MkdirAll(d, dirMode); err != nil {
			return nil, errors.Join(fmt.Errorf("open topdir: %w", err), root.Close())
		}
	}
	return &Topdir{root: root, dir: abs}, nil
}

// Close releases the topdir. Files opened through it stay usable.
func (t *Topdir) Close() error { return t.root.Close() }

// Abs is p's absolute name, for programs that are started on it (createrepo_c, rpm). It grants no way around the checks of this package:
// never build on it a name to open.
func (t *Topdir) Abs(p Path) string { return filepath.Join(t.dir, filepath.FromSlash(p.rel)) }

// FS is the topdir as a read-only fs.FS.
func (t *Topdir) FS() fs.FS { return t.root.FS() }

// errNoPath is the error for the zero Path.
var errNoPath = errors.New("no path given")

func check(ps ...Path) error {
	for _, p := range ps {
		if p.rel == "" {
			return errNoPath
		}
	}
	return nil
}

// Open opens a file or directory for reading. Symlinks inside the topdir are followed.
func (t *Topdir) Open(p Path) (*os.File, error) {
	if err := check(p); err != nil {
		return nil, err
	}
	return t.root.Open(p.rel)
}

// Stat describes what p leads to, Lstat what p is.
func (t *Topdir) Stat(p Path) (fs.FileInfo, error) {
	if err := check(p); err != nil {
		return nil, err
	}
	return t.root.Stat(p.rel)
}

// Lstat describes p itself, even if it is a symlink.
func (t *Topdir) Lstat(p Path) (fs.FileInfo, error) {
	if err := check(p); err != nil {
		return nil, err
	}
	return t.root.Lstat(p.rel)
}

// ReadFile reads at most limit bytes of a file; a longer one is an error. It is for small files such as repo.json.
func (t *Topdir) ReadFile(p Path, limit int64) ([]byte, error) {
	f, err := t.Open(p)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", p, err)
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("read %s: longer than %d bytes", p, limit)
	}
	return b, nil
}

// MkdirAll makes p and its parents.
func (t *Topdir) MkdirAll(p Path) error {
	if err := check(p); err != nil {
		return err
	}
	return t.root.MkdirAll(p.rel, dirMode)
}

// Remove removes a file, a symlink or an empty directory.
func (t *Topdir) Remove(p Path) error {
	if err := check(p); err != nil {
		return err
	}
	return t.root.Remove(p.rel)
}

// RemoveAll removes a tree; symlinks in it are removed, not followed. The main directories of the layout are refused.
func (t *Topdir) RemoveAll(p Path) error {
	if err := check(p, p.Dir()); err != nil {
		return fmt.Errorf("remove %s: a main directory is never removed: %w", p, err)
	}
	return t.root.RemoveAll(p.rel)
}

// Walk calls fn for each regular file and symlink under p in name order, with its path relative to p. Hidden entries are left out.
// A missing p is an empty tree.
func (t *Topdir) Walk(p Path, fn func(rel string, e fs.DirEntry) error) error {
	if err := check(p); err != nil {
		return err
	}
	err := fs.WalkDir(t.root.FS(), p.rel, func(name string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case name != p.rel && strings.HasPrefix(e.Name(), "."):
			if e.IsDir() {
				return fs.SkipDir
			}
			return nil
		case e.IsDir(), !e.Type().IsRegular() && e.Type()&fs.ModeSymlink == 0:
			return nil
		}
		return fn(strings.TrimPrefix(name, p.rel+"/"), e)
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Writer is a file being written under a hidden name. Nothing is visible until Commit; Abort (or a crash) leaves the old file, if any.
type Writer struct {
	*os.File
	t    *Topdir
	temp string
	to   Path
	done bool
}

// Create starts a new file that Commit puts in place of p. The directory is made if it is missing.
func (t *Topdir) Create(p Path) (*Writer, error) {
	if err := check(p, p.Dir()); err != nil {
		return nil, err
	}
	if err := t.MkdirAll(p.Dir()); err != nil {
		return nil, fmt.Errorf("create %s: %w", p, err)
	}
	temp := path.Join(path.Dir(p.rel), tempName())
	f, err := t.root.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", p, err)
	}
	return &Writer{File: f, t: t, temp: temp, to: p}, nil
}

// Commit syncs the file, gives it its name and syncs the directory. After an error nothing is at the new name.
func (w *Writer) Commit() error {
	if w.done {
		return nil
	}
	w.done = true
	err := w.File.Sync()
	if cerr := w.File.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = w.t.root.Rename(w.temp, w.to.rel)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", w.to, errors.Join(err, w.t.root.Remove(w.temp)))
	}
	return w.t.syncDirs(w.to.rel)
}

// Abort throws the file away. It does nothing after Commit, so it can be deferred.
func (w *Writer) Abort() {
	if w.done {
		return
	}
	w.done = true
	// Neither error matters: the hidden file harms nobody and the caller has an error of its own to report.
	_ = w.File.Close()
	_ = w.t.root.Remove(w.temp)
}

// WriteFile puts data at p, whole or not at all.
func (t *Topdir) WriteFile(p Path, data []byte) error {
	w, err := t.Create(p)
	if err != nil {
		return err
	}
	defer w.Abort()
	if _, err := w.Write(data); err != nil {
		return fmt.Errorf("write %s: %w", p, err)
	}
	return w.Commit()
}

func tempName() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return tempPrefix + hex.EncodeToString(b[:])
}

// syncDirs makes the entry rel durable: it syncs its directory and every directory above it, for each may be new.
func (t *Topdir) syncDirs(rel string) error {
	for d := path.Dir(rel); ; d = path.Dir(d) {
		f, err := t.root.Open(d)
		if err != nil {
			return fmt.Errorf("sync directory %s: %w", d, err)
		}
		err = errors.Join(f.Sync(), f.Close())
		if err != nil {
			return fmt.Errorf("sync directory %s: %w", d, err)
		}
		if d == "." {
			return nil
		}
	}
}

// OpenRoot opens a directory for work on many files in it, as a root of its own: nothing outside of it is reached through it.
// What is written there is not synced here.
func (t *Topdir) OpenRoot(p Path) (*os.Root, error) {
	if err := check(p); err != nil {
		return nil, err
	}
	return t.root.OpenRoot(p.rel)
}
