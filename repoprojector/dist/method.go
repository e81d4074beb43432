package dist

import (
	"path"
	"slices"
	"strings"

	"gopkg.in/ini.v1"

	"moromi/internal/fault"
	"moromi/internal/rpm"
)

// method tells of 64-bit packages whether the 32-bit ones of the same name belong beside them: python-multilib's method "devel", which kojid uses, with the lists of its
// configuration file. It takes libraries and what loads them at run time (its method "runtime"), and what is developed with them.
type method struct {
	runtime, devel lists
}

// lists are names of packages that are always taken, or never.
type lists struct{ white, black []string }

// parseMethod reads a configuration file: sections runtime and devel with lists white and black of names, separated by white space.
func parseMethod(text []byte) (*method, error) {
	f, err := ini.LoadSources(ini.LoadOptions{AllowPythonMultilineValues: true, IgnoreInlineComment: true, SkipUnrecognizableLines: false}, text)
	if err != nil {
		return nil, fault.New(fault.Generic, "The multilib configuration cannot be read: %v", err)
	}
	m := &method{}
	for name, to := range map[string]*lists{"runtime": &m.runtime, "devel": &m.devel} {
		if !f.HasSection(name) {
			return nil, fault.New(fault.Generic, "The multilib configuration has no section [%s]", name)
		}
		s := f.Section(name)
		to.white, to.black = strings.Fields(s.Key("white").String()), strings.Fields(s.Key("black").String())
	}
	return m, nil
}

// takes decides about a package.
func (m *method) takes(h *rpm.Header) (bool, error) {
	name := h.Name()
	switch {
	case slices.Contains(m.devel.black, name):
		return false, nil
	case slices.Contains(m.devel.white, name):
		return true, nil
	}
	if yes, err := m.takesAtRuntime(h); yes || err != nil {
		return yes, err
	}
	if strings.HasPrefix(name, "ghc-") {
		return false, nil
	}
	if strings.HasPrefix(name, "kernel") {
		for _, p := range h.Dependencies(rpm.DepProvide) {
			switch {
			case p.Name == "kernel-devel":
				return false, nil
			case isDevel(p.Name):
				return true, nil
			}
		}
	}
	return isDevel(name), nil
}

func isDevel(name string) bool {
	return strings.HasSuffix(name, "-devel") || strings.HasSuffix(name, "-static")
}

// takesAtRuntime is the method "runtime".
func (m *method) takesAtRuntime(h *rpm.Header) (bool, error) {
	name := h.Name()
	switch {
	case slices.Contains(m.runtime.black, name):
		return false, nil
	case slices.Contains(m.runtime.white, name), prefers64(h):
		return true, nil
	case providesKernel(h, "kernel"):
		return false, nil
	}
	paths, err := h.Paths()
	if err != nil {
		return false, fault.Wrap(err, fault.Generic, "the rpm %s is corrupt: %v", h.NEVRA(), err)
	}
	return slices.ContainsFunc(paths, func(p []byte) bool { return loads(string(p)) }), nil
}

// prefers64 tells of what is of use on 64-bit machines only in its 64-bit form, which is why users get both.
func prefers64(h *rpm.Header) bool {
	return strings.Contains(h.Arch(), "64") &&
		(slices.Contains([]string{"gdb", "frysk", "systemtap", "systemtap-runtime", "ltrace", "strace"}, h.Name()) || providesKernel(h, "kernel", "kernel-devel"))
}

func providesKernel(h *rpm.Header, names ...string) bool {
	return strings.HasPrefix(h.Name(), "kernel") && slices.ContainsFunc(h.Dependencies(rpm.DepProvide), func(d rpm.Dependency) bool { return slices.Contains(names, d.Name) })
}

// loads tells whether a file is one that programs load: a library in a standard directory, or a module of something that has modules.
func loads(file string) bool {
	dir, name := path.Split(file)
	dir = strings.TrimSuffix(dir, "/")
	root, usr := dir == "/lib" || dir == "/lib64", dir == "/usr/lib" || dir == "/usr/lib64"
	switch {
	case (root || usr) && like("*.so.*", name):
		return true
	case moduleDir(dir):
		return true
	case dir == "/etc/ld.so.conf.d" && strings.HasSuffix(name, ".conf"):
		return true
	case root && (strings.HasPrefix(name, "libnss_") || strings.HasPrefix(name, "libdb-")):
		return true
	}
	below, ok := strings.CutPrefix(dir, "/usr/lib")
	if !ok {
		return false
	}
	if rest, ok := cutLib(below); ok && strings.HasPrefix(rest, "gtk-2.0") {
		return slices.ContainsFunc([]string{"engines", "modules", "immodules", "loaders", "printbackends", "filesystems"}, func(d string) bool { return like("/usr/lib*/gtk-2.0/*/"+d, dir) })
	} else if ok {
		switch {
		case strings.HasPrefix(rest, "gstreamer-"), rest == "oprofile" && like("*.so.*", name), rest == "wine" && strings.HasSuffix(name, ".so"),
			rest == "sane" && strings.HasPrefix(name, "libsane-"):
			return true
		}
	}
	return slices.ContainsFunc([]string{"qt*/plugins/*", "kde*/plugins/*", "qt5/qml/*", "gdk-pixbuf-2.0/*/loaders", "xine/plugins/*"},
		func(p string) bool { return like("/usr/lib*/"+p, dir) })
}

// moduleDir tells whether all files of a directory are modules.
func moduleDir(dir string) bool {
	if slices.Contains([]string{"/lib/security", "/lib64/security", "/etc/lsb-release.d"}, dir) {
		return true
	}
	below, ok := strings.CutPrefix(dir, "/usr/lib")
	if !ok {
		return false
	}
	rest, ok := cutLib(below)
	return ok && slices.Contains([]string{"alsa-lib", "dri", "gtk-2.0/modules", "gtk-2.0/immodules", "krb5/plugins", "sasl2", "vdpau"}, rest)
}

// cutLib takes what is behind /usr/lib apart from what is behind it or /usr/lib64.
func cutLib(below string) (string, bool) {
	return strings.CutPrefix(strings.TrimPrefix(below, "64"), "/")
}

// like is fnmatch for patterns whose only wildcard is *, which stands for slashes, too.
func like(pattern, s string) bool {
	parts := strings.Split(pattern, "*")
	if !strings.HasPrefix(s, parts[0]) {
		return false
	}
	s = s[len(parts[0]):]
	last := len(parts) - 1
	if last == 0 {
		return s == ""
	}
	for _, p := range parts[1:last] {
		i := strings.Index(s, p)
		if i < 0 {
			return false
		}
		s = s[i+len(p):]
	}
	return strings.HasSuffix(s, parts[last])
}
