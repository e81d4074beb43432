package native

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const cgroupFS = "/sys/fs/cgroup"

// controlGroup bounds the memory and processes of one root. The zero value bounds nothing.
type controlGroup struct {
	dirs  []string
	files []string // where a process writes 0 to join
}

// newControlGroup makes the groups that the configuration asks for. A limit that the kernel cannot hold is an error: a builder that was
// told to limit memory must not build without.
func (b *Backend) newControlGroup(name string) (controlGroup, error) {
	var g controlGroup
	limits := []struct {
		controller, v1File, v2File string
		value                      int64
	}{
		{"memory", "memory.limit_in_bytes", "memory.max", b.cfg.MemoryLimit},
		{"pids", "pids.max", "pids.max", b.cfg.PIDLimit},
	}
	name = "moromi-" + strings.ReplaceAll(name, "/", "_")
	_, v2 := os.Stat(filepath.Join(cgroupFS, "cgroup.controllers"))
	for _, l := range limits {
		if l.value <= 0 {
			continue
		}
		dir, file, join := filepath.Join(cgroupFS, l.controller, name), l.v1File, "tasks"
		if v2 == nil {
			dir, file, join = filepath.Join(cgroupFS, name), l.v2File, "cgroup.procs"
		}
		if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
			return g, errors.Join(fmt.Errorf("limit %s: %w", l.controller, err), g.remove())
		}
		g.dirs = append(g.dirs, dir)
		if err := os.WriteFile(filepath.Join(dir, file), []byte(strconv.FormatInt(l.value, 10)), 0); err != nil {
			return g, errors.Join(fmt.Errorf("limit %s: %w", l.controller, err), g.remove())
		}
		if path := filepath.Join(dir, join); len(g.files) == 0 || g.files[len(g.files)-1] != path {
			g.files = append(g.files, path)
		}
	}
	return g, nil
}

// remove ends the groups; their processes are gone by then.
func (g controlGroup) remove() error {
	var errs []error
	for _, d := range g.dirs {
		if err := os.Remove(d); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, fmt.Errorf("remove control group: %w", err))
		}
	}
	return errors.Join(errs...)
}
