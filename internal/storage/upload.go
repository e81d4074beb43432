package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"

	"moromi/internal/fault"
	"moromi/internal/flock"
)

// Upload is the checked destination of an upload: a file below a volume's work directory.
type Upload struct {
	volume string
	dir    []string // elements below work/, never empty
	name   string
}

// ParseUpload checks the three names a client gives for an upload. dir is normalised as POSIX does and must lie below work/ itself; Koji
// takes the work directory too, whose first uploader then owns it. The errors are faults.
func ParseUpload(vol, dir, name string) (Upload, error) {
	if err := CheckElement(name); err != nil {
		return Upload{}, fault.New(fault.Generic, "Invalid upload filename: %q", clip(name))
	}
	badDir := fault.New(fault.Generic, "Invalid upload directory: %q", clip(dir))
	if len(dir) > maxPath || path.IsAbs(dir) {
		return Upload{}, badDir
	}
	u := Upload{volume: vol, dir: strings.Split(path.Clean(dir), "/"), name: name}
	for _, e := range u.dir {
		if CheckElement(e) != nil {
			return Upload{}, badDir
		}
	}
	if vol != "" && vol != DefaultVolume && CheckElement(vol) != nil {
		return Upload{}, fault.New(fault.Generic, "Invalid volume: %q", clip(vol))
	}
	return u, nil
}

// String is the destination relative to the topdir.
func (u Upload) String() string {
	return path.Join(path.Join(u.base()...), path.Join(u.dir...), u.name)
}

// Path is the destination as a Path, for reading what was uploaded.
func (u Upload) Path() (Path, error) {
	return join("", append(append(u.base(), u.dir...), u.name)...)
}

// Dir is the destination's directory.
func (u Upload) Dir() (Path, error) { return join("", append(u.base(), u.dir...)...) }

func (u Upload) base() []string { return append(volume(u.volume), "work") }

// Task tells whether the destination belongs to a task, and which. A malformed task directory is a fault: it must be
// tasks/(ID mod 10000)/ID or below (Koji looks at the ID only).
func (u Upload) Task() (id int64, ok bool, err error) {
	if u.dir[0] != "tasks" {
		return 0, false, nil
	}
	bad := fault.New(fault.Generic, "Invalid task upload directory: %q", clip(path.Join(u.dir...)))
	if len(u.dir) < 3 {
		return 0, false, bad
	}
	id, perr := strconv.ParseInt(u.dir[2], 10, 64)
	if perr != nil || id <= 0 || u.dir[2] != strconv.FormatInt(id, 10) || u.dir[1] != strconv.FormatInt(id%10000, 10) {
		return 0, false, bad
	}
	return id, true, nil
}

// userFile holds the id of the user who may write in an upload directory; the name is Koji's.
const userFile = ".user"

// openDir opens the upload's directory, one element at a time and through no symlink, and makes what is missing.
func (t *Topdir) openDir(u Upload) (*os.Root, error) {
	if u.volume != "" && u.volume != DefaultVolume {
		// The volume must be there: an upload does not make volumes.
		v, err := VolumeDir(u.volume)
		if err != nil {
			return nil, err
		}
		if _, err := t.Stat(v); err != nil {
			return nil, fault.Wrap(err, fault.Generic, "The volume %s has no directory", clip(u.volume))
		}
	}
	cur := t.root
	for _, e := range append(u.base(), u.dir...) {
		next, err := enter(cur, e)
		if cur != t.root {
			err = errors.Join(err, cur.Close())
		}
		if err != nil {
			return nil, fmt.Errorf("open upload directory: %w", err)
		}
		cur = next
	}
	return cur, nil
}

// enter opens a real sub-directory of dir, making it if needed. That it is the one that was looked at is checked after opening.
func enter(dir *os.Root, name string) (*os.Root, error) {
	if err := dir.Mkdir(name, dirMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	before, err := dir.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !before.IsDir() {
		return nil, fault.New(fault.Generic, "Invalid upload directory: %q is not a directory", clip(name))
	}
	sub, err := dir.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	after, err := sub.Stat(".")
	if err == nil && !os.SameFile(before, after) {
		err = fault.New(fault.Generic, "Invalid upload directory: %q was replaced meanwhile", clip(name))
	}
	if err != nil {
		return nil, errors.Join(err, sub.Close())
	}
	return sub, nil
}

// claim makes the user the owner of the directory, or tells that someone else is: the first writer owns it.
func claim(dir *os.Root, user int64, u Upload) error {
	want := strconv.FormatInt(user, 10)
	for range 2 { // a second look after losing the race to be first
		b, err := dir.ReadFile(userFile)
		if err == nil {
			if strings.TrimSpace(string(b)) != want {
				return fault.New(fault.Generic, "Invalid upload directory, not owner: %s", path.Join(u.dir...))
			}
			return nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("read owner of upload directory: %w", err)
		}
		temp := tempName() // written aside and linked, so that nobody reads half an id
		if err := dir.WriteFile(temp, []byte(want), fileMode); err != nil {
			return fmt.Errorf("claim upload directory: %w", err)
		}
		err = dir.Link(temp, userFile)
		if rerr := dir.Remove(temp); rerr != nil {
			return fmt.Errorf("claim upload directory: %w", rerr)
		}
		if err == nil {
			return nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("claim upload directory: %w", err)
		}
	}
	return fault.New(fault.Lock, "The upload directory %s is being claimed; try again", path.Join(u.dir...))
}

// OpenUpload opens the destination for reading and writing, locked against other writers in this and other hub processes (a contended lock
// is a LockError fault), and makes it if missing. user is who must own the directory, or 0 for a task directory, whose right the caller has
// checked. existed tells whether the file was there. Symlinks and anything but regular files are refused.
func (t *Topdir) OpenUpload(u Upload, user int64) (_ *flock.File, existed bool, err error) {
	dir, err := t.openDir(u)
	if err != nil {
		return nil, false, err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	if user != 0 {
		if err := claim(dir, user, u); err != nil {
			return nil, false, err
		}
	}
	var f *os.File
	before, err := dir.Lstat(u.name)
	switch {
	case err == nil && before.Mode()&fs.ModeSymlink != 0:
		return nil, true, fault.New(fault.Generic, "destination is a symlink: %s", u)
	case err == nil && !before.Mode().IsRegular():
		return nil, true, fault.New(fault.Generic, "destination not a file: %s", u)
	case err == nil:
		f, err = dir.OpenFile(u.name, os.O_RDWR|syscall.O_NONBLOCK, 0)
		existed = true
	case errors.Is(err, fs.ErrNotExist):
		f, err = dir.OpenFile(u.name, os.O_RDWR|os.O_CREATE|os.O_EXCL, fileMode)
		if errors.Is(err, fs.ErrExist) {
			return nil, true, fault.New(fault.Lock, "%s is being uploaded by another call", u)
		}
	}
	if err != nil {
		return nil, existed, fmt.Errorf("open upload: %w", err)
	}
	held, err := lock(f, flock.Exclusive, u.String())
	if err != nil {
		return nil, existed, errors.Join(err, f.Close())
	}
	if existed {
		if after, err := f.Stat(); err != nil || !os.SameFile(before, after) {
			return nil, existed, errors.Join(fault.New(fault.Generic, "destination was replaced meanwhile: %s", u), err, held.Close())
		}
	}
	return held, existed, nil
}

// OpenUploaded opens an uploaded file for reading, locked against writers, or gives fs.ErrNotExist. Symlinks are followed inside the topdir
// (a scratch build leaves them behind).
func (t *Topdir) OpenUploaded(u Upload) (*flock.File, error) {
	p, err := u.Path()
	if err != nil {
		return nil, err
	}
	st, err := t.Stat(p)
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, fault.New(fault.Generic, "Not a regular file: %s", u)
	}
	f, err := t.root.OpenFile(p.rel, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	held, err := lock(f, flock.Shared, u.String())
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return held, nil
}

func lock(f *os.File, how int, name string) (*flock.File, error) {
	held, err := flock.Take(f, how|flock.NoWait)
	switch {
	case err == nil:
		return held, nil
	case errors.Is(err, flock.ErrHeld):
		return nil, fault.New(fault.Lock, "%s is being written by another call", name)
	}
	return nil, fmt.Errorf("lock %s: %w", name, err)
}
