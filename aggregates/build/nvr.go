package build

import (
	"fmt"

	"moromi/events"
)

// NVRStream is the stream of the names of a package's builds.
func NVRStream(pkg int64) string { return fmt.Sprintf("nvr-%d", pkg) }

// Names is the folded state of a package's build names. The zero value has none.
type Names struct{ taken map[versionRelease]int64 }

type versionRelease struct{ version, release string }

// Apply takes an event of the stream.
func (n *Names) Apply(e events.Event) {
	if c, ok := e.(events.NVRClaimed); ok {
		if n.taken == nil {
			n.taken = map[versionRelease]int64{}
		}
		n.taken[versionRelease{c.Version, c.Release}] = c.BuildID
	}
}

// ID is the build id that bears a version and release, 0 if none does.
func (n *Names) ID(version, release string) int64 { return n.taken[versionRelease{version, release}] }

// Claim gives a version and release to id, unless another id than voided has them. It answers who has them afterwards.
func (n *Names) Claim(pkg int64, version, release string, id, voided int64) (int64, []events.Event) {
	if has := n.ID(version, release); has != 0 && has != voided {
		return has, nil
	}
	return id, []events.Event{events.NVRClaimed{PackageID: pkg, Version: version, Release: release, BuildID: id}}
}
