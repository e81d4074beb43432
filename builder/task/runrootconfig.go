package task

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/ini.v1"

	"moromi/builder/buildroot"
	"moromi/internal/fault"
)

// RunRootConfig says what runroot tasks may have of the host. The zero value gives them nothing.
type RunRootConfig struct {
	// Network lets commands reach the host's network.
	Network bool
	// InternalDevSetup is mock's option of that name; nil leaves it to mock.
	InternalDevSetup *bool
	// DefaultMounts are the paths in the root that every task sees mounted.
	DefaultMounts []string
	// SafeRoots are the directories below which a task may ask for a mount that it can write to.
	SafeRoots []string
	// Substitutions replace parts of paths that a task asks for, in order: what, and by what.
	Substitutions [][2]string
	// Paths are where mounts come from, the best fit first.
	Paths []RunRootPath
}

// RunRootPath is a path in the root and what is mounted there.
type RunRootPath struct {
	Point, Source, Type string
	Options             []string
}

// ParseRunRoot reads a file in the form of Koji's runroot.conf: [paths] with default_mounts, safe_roots and path_subs, and [path0], [path1], … with
// mountpoint, path, fstype and options.
func ParseRunRoot(data []byte) (RunRootConfig, error) {
	var c RunRootConfig
	f, err := ini.LoadSources(ini.LoadOptions{IgnoreInlineComment: true, AllowPythonMultilineValues: true, IgnoreContinuation: true}, data)
	if err != nil {
		return c, err
	}
	paths := map[int]RunRootPath{}
	for _, s := range f.Sections() {
		number, isPath := strings.CutPrefix(s.Name(), "path")
		switch n, err := strconv.Atoi(number); {
		case s.Name() == "paths":
			if err := c.readPaths(s); err != nil {
				return c, err
			}
		case isPath && err == nil && n >= 0:
			if paths[n], err = readPath(s); err != nil {
				return c, err
			}
		case s.Name() == "runroot":
			if c.InternalDevSetup, err = readInternalDev(s); err != nil {
				return c, err
			}
		case s.Name() == ini.DefaultSection && len(s.Keys()) == 0:
		default:
			return c, fmt.Errorf("[%s]: there are [runroot], [paths] and [path0], [path1] … here", s.Name())
		}
	}
	var order []int
	for n := range paths {
		order = append(order, n)
	}
	slices.Sort(order)
	for _, n := range order {
		c.Paths = append(c.Paths, paths[n])
	}
	return c, c.check()
}

func readInternalDev(s *ini.Section) (*bool, error) {
	for _, k := range s.Keys() {
		if k.Name() != "internal_dev_setup" {
			return nil, fmt.Errorf("unknown setting %q in [runroot]", k.Name())
		}
		on, err := k.Bool()
		if err != nil {
			return nil, fmt.Errorf("internal_dev_setup in [runroot]: %q is neither yes nor no", k.Value())
		}
		return &on, nil
	}
	return nil, nil
}

func (c *RunRootConfig) readPaths(s *ini.Section) error {
	for _, k := range s.Keys() {
		switch k.Name() {
		case "default_mounts":
			c.DefaultMounts = commaList(k.Value())
		case "safe_roots":
			c.SafeRoots = commaList(k.Value())
		case "path_subs":
			for line := range strings.Lines(k.Value()) {
				if line = strings.TrimSpace(line); line == "" {
					continue
				}
				from, to, ok := strings.Cut(line, ",")
				if !ok || strings.Contains(to, ",") {
					return fmt.Errorf("bad runroot substitution: %s", line)
				}
				c.Substitutions = append(c.Substitutions, [2]string{strings.TrimSpace(from), strings.TrimSpace(to)})
			}
		default:
			return fmt.Errorf("unknown setting %q in [paths]", k.Name())
		}
	}
	return nil
}

func readPath(s *ini.Section) (RunRootPath, error) {
	for _, name := range []string{"mountpoint", "path", "fstype", "options"} {
		if !s.HasKey(name) {
			return RunRootPath{}, fmt.Errorf("[%s] lacks %s", s.Name(), name)
		}
	}
	return RunRootPath{Point: path.Clean(s.Key("mountpoint").Value()), Source: s.Key("path").Value(), Type: s.Key("fstype").Value(),
		Options: commaList(s.Key("options").Value())}, nil
}

func commaList(text string) []string {
	var out []string
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

// check tells what cannot work.
func (c *RunRootConfig) check() error {
	all := append(slices.Clone(c.DefaultMounts), c.SafeRoots...)
	for _, s := range c.Substitutions {
		all = append(all, s[0])
	}
	for _, p := range c.Paths {
		all = append(all, p.Point)
		if slices.Contains(p.Options, "bg") {
			return fmt.Errorf("%s: a mount cannot be made in the background", p.Point)
		}
	}
	for _, p := range all {
		if !strings.HasPrefix(p, "/") {
			return fmt.Errorf("all paths must be absolute: %s", p)
		}
	}
	for _, p := range c.DefaultMounts {
		if _, err := c.mount(p, false); err != nil {
			return err
		}
	}
	return nil
}

// mounts are those of a task that asks for more, which it can write to.
func (c *RunRootConfig) mounts(asked []string) ([]buildroot.Mount, error) {
	var out []buildroot.Mount
	for _, p := range c.DefaultMounts {
		m, err := c.mount(p, false)
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	for _, p := range asked {
		p = path.Clean(p)
		if !slices.ContainsFunc(c.SafeRoots, func(safe string) bool { return below(p, safe) }) {
			return nil, fault.New(fault.Generic, "read-write mount point is not safe: %s", p)
		}
		for _, s := range c.Substitutions {
			p = strings.ReplaceAll(p, s[0], s[1])
		}
		m, err := c.mount(path.Clean(p), true)
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

// mount is what is mounted at a path in the root: the part of the first fitting path that lies there.
func (c *RunRootConfig) mount(p string, writable bool) (buildroot.Mount, error) {
	for _, from := range c.Paths {
		if !below(p, from.Point) {
			continue
		}
		m := buildroot.Mount{Source: path.Join(from.Source, strings.TrimPrefix(p, from.Point)), Point: p, Type: from.Type, Options: slices.Clone(from.Options)}
		for i, o := range m.Options {
			if writable && o == "ro" {
				m.Options[i] = "rw"
			}
		}
		return m, nil
	}
	return buildroot.Mount{}, fault.New(fault.Generic, "bad config: missing corresponding mountpoint: no path of the builder's leads to %s", p)
}

// below tells whether a clean path is dir or lies in it.
func below(p, dir string) bool {
	dir = strings.TrimRight(dir, "/")
	return p == dir || strings.HasPrefix(p, dir+"/")
}
