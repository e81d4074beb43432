package createrepo

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// errPlace says that a listed rpm is not below the directory: clients could not find it there.
var errPlace = errors.New("not a place below the directory (a symbolic link may lead out of it)")

// list gives the places of the packages, relative to the directory and in no order. A place may be there twice.
func (r *run) list() ([]string, error) {
	if r.PkgList == "" && len(r.Include) == 0 {
		return r.walk()
	}
	var names []string
	for _, name := range r.Include {
		names = r.listed(names, name)
	}
	if r.PkgList == "" {
		return names, nil
	}
	raw, err := os.ReadFile(r.PkgList)
	if err != nil {
		return nil, fmt.Errorf("read package list: %w", err)
	}
	names = slices.Grow(names, len(raw)/64)
	for line := range strings.Lines(string(raw)) {
		names = r.listed(names, strings.TrimRight(line, "\r\n"))
	}
	return names, nil
}

// listed appends a name of the caller's.
func (r *run) listed(names []string, name string) []string {
	if name == "" || r.excluded(name) {
		return names
	}
	if plain(name) {
		return append(names, name)
	}
	if !filepath.IsLocal(name) || strings.IndexByte(name, 0) >= 0 {
		r.problem(name, errPlace)
		return names
	}
	return append(names, path.Clean(name))
}

// plain tells of nearly all names that they lead down and are as short as they can be.
func plain(name string) bool {
	return name[0] != '/' && name[0] != '.' && name[len(name)-1] != '/' && !strings.Contains(name, "//") && !strings.Contains(name, "/.") &&
		strings.IndexByte(name, 0) < 0
}

func (r *run) excluded(name string) bool {
	return slices.ContainsFunc(r.Excludes, func(pattern string) bool { return match(pattern, name) })
}

// walk finds the rpms below the directory. As createrepo_c, it follows symbolic links to directories; unlike it, not
// in circles. What cannot be looked at is a problem.
func (r *run) walk() ([]string, error) {
	w := walker{run: r}
	info, err := os.Stat(r.Dir)
	if err == nil {
		err = w.dir("", info)
	}
	if err != nil {
		return nil, fmt.Errorf("look for rpms: %w", err)
	}
	return w.names, nil
}

type walker struct {
	*run
	names []string
	above []os.FileInfo // the directories that are being walked
}

func (w *walker) dir(dir string, info os.FileInfo) error {
	for _, x := range w.above {
		if os.SameFile(x, info) {
			return nil
		}
	}
	w.above = append(w.above, info)
	defer func() { w.above = w.above[:len(w.above)-1] }()
	entries, err := os.ReadDir(filepath.Join(w.Dir, dir))
	if err != nil {
		return err
	}
	for _, e := range entries {
		w.entry(dir, e)
	}
	return nil
}

func (w *walker) entry(dir string, e fs.DirEntry) {
	name := path.Join(dir, e.Name())
	if w.excluded(e.Name()) {
		return
	}
	mode := e.Type()
	isRPM := strings.HasSuffix(name, ".rpm") && !w.excluded(name)
	if mode.IsRegular() {
		if isRPM {
			w.names = append(w.names, name)
		}
		return
	}
	if !mode.IsDir() && mode&fs.ModeSymlink == 0 {
		return
	}
	info, err := os.Stat(filepath.Join(w.Dir, name))
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ELOOP): // a link to nowhere
	case err != nil:
		w.problem(name, err)
	case info.IsDir():
		if err := w.dir(name, info); err != nil {
			w.problem(name, err)
		}
	case info.Mode().IsRegular() && isRPM && !w.SkipSymlinks:
		w.names = append(w.names, name)
	}
}
