package build

import (
	"fmt"

	"moromi/events"
)

// ExternalStream is the stream of the rpms of an external repository.
func ExternalStream(repo int64) string { return fmt.Sprintf("external-rpms-%d", repo) }

// External counts what was added to an external repository. It does not hold the rpms, which may be hundreds of thousands: who adds asks the
// read models, caught up, and the stream's revision makes sure that nothing was added meanwhile.
type External struct{ count int }

// Apply takes an event of the stream.
func (x *External) Apply(e events.Event) {
	if a, ok := e.(events.ExternalRPMsAdded); ok {
		x.count += len(a.RPMs)
	}
}

// Count is how many rpms were added so far.
func (x *External) Count() int { return x.count }

// Add makes rpms known, none of which may be known yet.
func (x *External) Add(repo int64, rpms []events.ExternalRPM) []events.Event {
	if len(rpms) == 0 {
		return nil
	}
	return []events.Event{events.ExternalRPMsAdded{ExternalRepoID: repo, RPMs: rpms}}
}
