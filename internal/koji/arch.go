package koji

import (
	"path"
	"regexp"
	"strings"

	"moromi/internal/fault"
)

// CanonArch gives the architecture under which repositories have the rpms of arch: i386 for i686, for example (koji.canonArch).
func CanonArch(arch string) string {
	for _, c := range [...]struct{ pattern, canonical string }{
		{"i?86", "i386"}, {"athlon", "i386"}, {"ia32e", "x86_64"}, {"ppc64le", "ppc64le"}, {"ppc64*", "ppc64"}, {"sparc64*", "sparc64"},
		{"sparc*", "sparc"}, {"alpha*", "alpha"}, {"arm*h*", "armhfp"}, {"arm*", "arm"},
	} {
		if ok, _ := path.Match(c.pattern, arch); ok {
			return c.canonical
		}
	}
	return arch
}

// IsDebuginfo tells by an rpm's name whether it holds debugging information (koji.is_debuginfo).
func IsDebuginfo(name string) bool {
	return strings.HasSuffix(name, "-debuginfo") || strings.HasSuffix(name, "-debugsource") || strings.Contains(name, "-debuginfo-")
}

// archForm is what an architecture's name may look like.
var archForm = regexp.MustCompile(`^[a-zA-Z0-9_-]*$`)

// ParseArches checks a list of arches that are separated by blanks and gives it with single blanks (koji.parse_arches, strict).
func ParseArches(arches string) (string, error) {
	list := strings.Fields(arches)
	for _, a := range list {
		if !archForm.MatchString(a) {
			return "", fault.New(fault.Generic, "Architecture can be only [a-zA-Z0-9_-], not %q", a)
		}
	}
	return strings.Join(list, " "), nil
}
