package koji

import (
	"strconv"
	"strings"

	"moromi/internal/fault"
)

// NVR is a build's name, version and release. Epoch is what stood before a colon in front of the name ("1:foo-1-1"), else "".
type NVR struct{ Name, Version, Release, Epoch string }

// String is name-version-release.
func (n NVR) String() string { return n.Name + "-" + n.Version + "-" + n.Release }

// ParseNVR takes name-version-release apart (koji.parse_NVR). Name may hold dashes, version and release cannot.
func ParseNVR(s string) (NVR, error) {
	r := strings.LastIndexByte(s, '-')
	if r < 0 || r == len(s)-1 {
		return NVR{}, fault.New(fault.Generic, "invalid format: %s", s)
	}
	v := strings.LastIndexByte(s[:r], '-')
	if v < 0 || v == r-1 {
		return NVR{}, fault.New(fault.Generic, "invalid format: %s", s)
	}
	n := NVR{Name: s[:v], Version: s[v+1 : r], Release: s[r+1:]}
	if epoch, name, ok := strings.Cut(n.Name, ":"); ok {
		n.Epoch, n.Name = epoch, name
	}
	return n, nil
}

// NVRA is an rpm's name. Location is the external repository it is in, "" when none was named.
type NVRA struct {
	NVR
	Arch, Location string
}

// String is name-version-release.arch, with @location if there is one.
func (n NVRA) String() string {
	s := n.NVR.String() + "." + n.Arch
	if n.Location != "" {
		s += "@" + n.Location
	}
	return s
}

// ParseNVRA takes name-version-release.arch apart, with or without ".rpm" and @location behind (koji.parse_NVRA).
func ParseNVRA(s string) (NVRA, error) {
	nvra, location, _ := strings.Cut(s, "@")
	nvra = strings.TrimSuffix(nvra, ".rpm")
	a := strings.LastIndexByte(nvra, '.')
	if a < 0 || a == len(nvra)-1 {
		return NVRA{}, fault.New(fault.Generic, "invalid format: %s", nvra)
	}
	n, err := ParseNVR(nvra[:a])
	return NVRA{NVR: n, Arch: nvra[a+1:], Location: location}, err
}

// draftMark separates a draft's release from what makes it a draft's (koji.DRAFT_RELEASE_FORMAT).
const draftMark = ",draft_"

// DraftRelease is the release of a draft build of this id.
func DraftRelease(target string, id int64) string {
	return target + draftMark + strconv.FormatInt(id, 10)
}

// TargetRelease is the release that a draft's rpms have, and that it will have when it is promoted.
func TargetRelease(draft string) (string, error) {
	target, rest, ok := strings.Cut(draft, ",")
	if !ok || !strings.HasPrefix(rest, draftMark[1:]) {
		return "", fault.New(fault.Generic, "draft release: %s is not in valid format", draft)
	}
	return target, nil
}
