package storage

import (
	"fmt"
	"path"
	"strconv"
	"strings"
	"unicode/utf8"

	"moromi/internal/fault"
)

// Path is a file or directory under the topdir: relative, clean, slash separated, without "..". Only this package makes one,
// so a Path that exists names nothing outside the topdir and no dot file.
type Path struct{ rel string }

// String is the path relative to the topdir, "packages/foo/1.0/1" for example. It is what clients may see.
func (p Path) String() string { return p.rel }

// IsZero tells whether the path was never made.
func (p Path) IsZero() bool { return p.rel == "" }

// Dir is the directory that holds p. The directory of a top-level entry is the zero Path, which no operation accepts.
func (p Path) Dir() Path {
	d := path.Dir(p.rel)
	if d == "." || d == "/" {
		return Path{}
	}
	return Path{d}
}

// Base is the last element of p.
func (p Path) Base() string { return path.Base(p.rel) }

// Join appends elements to p; each must be one path element as CheckElement wants it.
func (p Path) Join(elem ...string) (Path, error) {
	return join(p.rel, elem...)
}

// Limits of what the file systems under a topdir take.
const (
	maxElement = 255  // NAME_MAX of every common Linux file system
	maxPath    = 3000 // PATH_MAX is 4096, less room for the topdir's own name
)

// CheckElement tells whether s can be one element of a path: not empty, not hidden, no separator, no control characters, valid UTF-8, at
// most 255 bytes. The error is a fault for the client.
func CheckElement(s string) error {
	switch {
	case s == "":
		return fault.New(fault.Generic, "Invalid path: an element is empty")
	case s[0] == '.':
		return fault.New(fault.Generic, "Invalid path element: %q starts with a dot", clip(s))
	case len(s) > maxElement:
		return fault.New(fault.Generic, "Invalid path element: %q is longer than %d bytes", clip(s), maxElement)
	case !utf8.ValidString(s):
		return fault.New(fault.Generic, "Invalid path element: %q is not UTF-8", clip(s))
	case strings.ContainsFunc(s, func(r rune) bool { return r == '/' || r < ' ' || r == 0x7f }):
		return fault.New(fault.Generic, "Invalid path element: %q has a separator or control character", clip(s))
	}
	return nil
}

// Parse makes a Path of a relative, slash separated path. It is normalised first; "..", absolute paths and hidden elements are refused.
func Parse(rel string) (Path, error) {
	if rel == "" || path.IsAbs(rel) {
		return Path{}, fault.New(fault.Generic, "Invalid path: %q", clip(rel))
	}
	return join("", strings.Split(path.Clean(rel), "/")...)
}

func join(base string, elem ...string) (Path, error) {
	for _, e := range elem {
		if err := CheckElement(e); err != nil {
			return Path{}, err
		}
	}
	p := path.Join(base, path.Join(elem...))
	if len(p) > maxPath {
		return Path{}, fault.New(fault.Generic, "Invalid path: longer than %d bytes", maxPath)
	}
	return Path{p}, nil
}

// clip keeps a refused name short in messages.
func clip(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return s[:most] + "…"
}

// DefaultVolume is the volume whose files lie directly under the topdir.
const DefaultVolume = "DEFAULT"

// volume gives the elements that lead to a volume's base; both "" and DEFAULT are the topdir itself.
func volume(name string) []string {
	if name == "" || name == DefaultVolume {
		return nil
	}
	return []string{"vol", name}
}

func under(vol string, elem ...string) (Path, error) {
	return join("", append(volume(vol), elem...)...)
}

// VolumeDir is the base directory of a volume other than DEFAULT: vol/NAME.
func VolumeDir(name string) (Path, error) {
	if len(volume(name)) == 0 {
		return Path{}, fault.New(fault.Generic, "The volume %s has no directory of its own", DefaultVolume)
	}
	return under(name)
}

// Build names a build's place in the tree. Release is as in the tree: a draft's is "REL,draft_ID".
type Build struct{ Volume, Name, Version, Release string }

// Dir is packages/NAME/VERSION/RELEASE on the build's volume.
func (b Build) Dir() (Path, error) {
	return under(b.Volume, "packages", b.Name, b.Version, b.Release)
}

// Link is where the main tree has a symlink to a build on another volume.
func (b Build) Link() (Path, error) {
	b.Volume = DefaultVolume
	return b.Dir()
}

func (b Build) in(elem ...string) (Path, error) {
	d, err := b.Dir()
	if err != nil {
		return Path{}, err
	}
	return d.Join(elem...)
}

// RPM is ARCH/FILE in the build; arch is the rpm's own ("src" for a source rpm).
func (b Build) RPM(arch, file string) (Path, error) { return b.in(arch, file) }

// Logs is data/logs/LABEL: the logs of one architecture's task.
func (b Build) Logs(label string) (Path, error) { return b.in("data", "logs", label) }

// SigHeader is the detached signature header of an rpm; key is "" for the header of the unsigned rpm.
func (b Build) SigHeader(key, arch, file string) (Path, error) {
	if key == "" {
		return b.in("data", "sigcache", arch, file+".sig")
	}
	return b.in("data", "sigcache", key, arch, file+".sig")
}

// Signed is the signed copy of an rpm.
func (b Build) Signed(key, arch, file string) (Path, error) {
	return b.in("data", "signed", key, arch, file)
}

// AllLogs is data/logs, where logs that belong to no architecture lie.
func (b Build) AllLogs() (Path, error) { return b.in("data", "logs") }

// TypeDir is the directory of the files of a build type: maven, win, images, or files/TYPE for the others.
func (b Build) TypeDir(btype string) (Path, error) {
	switch btype {
	case "maven", "win":
		return b.in(btype)
	case "image":
		return b.in("images")
	}
	return b.in("files", btype)
}

// Under is a path below dir; rel is slash separated and "" for dir itself. It is normalised first; "..", absolute paths and hidden elements are
// refused.
func Under(dir Path, rel string) (Path, error) {
	if rel == "" {
		return dir, nil
	}
	p, err := Parse(rel)
	if err != nil {
		return Path{}, err
	}
	return Parse(dir.rel + "/" + p.rel)
}

// Metadata is metadata.json, which content generators deliver.
func (b Build) Metadata() (Path, error) { return b.in("metadata.json") }

// WorkDir is the work directory of a volume: where uploads land.
func WorkDir(vol string) (Path, error) { return under(vol, "work") }

// TaskDir is work/tasks/(ID mod 10000)/ID: a task's output.
func TaskDir(vol string, task int64) (Path, error) {
	if task <= 0 {
		return Path{}, fault.New(fault.Generic, "Invalid task id: %d", task)
	}
	return under(vol, "work", "tasks", strconv.FormatInt(task%10000, 10), strconv.FormatInt(task, 10))
}

// ScratchDir is where a scratch build's files are kept: scratch/USER/task_ID. A user name with slashes (a Kerberos instance) spreads over
// several directories, as Koji has it.
func ScratchDir(vol, user string, task int64) (Path, error) {
	if task <= 0 {
		return Path{}, fault.New(fault.Generic, "Invalid task id: %d", task)
	}
	elem := append([]string{"scratch"}, strings.Split(user, "/")...)
	return under(vol, append(elem, fmt.Sprintf("task_%d", task))...)
}

// Repo names a repository generation. Dist tells a dist repo (repos-dist) from a build repo.
type Repo struct {
	Volume string // only dist repos may lie on another volume
	Tag    string
	ID     int64
	Dist   bool
}

func (r Repo) top() string {
	if r.Dist {
		return "repos-dist"
	}
	return "repos"
}

// Dir is repos/TAG/ID or repos-dist/TAG/ID.
func (r Repo) Dir() (Path, error) {
	if r.ID <= 0 {
		return Path{}, fault.New(fault.Generic, "Invalid repo id: %d", r.ID)
	}
	return under(r.Volume, r.top(), r.Tag, strconv.FormatInt(r.ID, 10))
}

// Arch is the directory of one architecture (canonical name, or "src").
func (r Repo) Arch(arch string) (Path, error) {
	d, err := r.Dir()
	if err != nil {
		return Path{}, err
	}
	return d.Join(arch)
}

// Latest is the symlink to the newest generation: repos/TAG/latest.
func (r Repo) Latest() (Path, error) { return under(r.Volume, r.top(), r.Tag, "latest") }
