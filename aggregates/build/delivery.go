package build

import (
	"strings"

	"moromi/events"
	"moromi/internal/fault"
	"moromi/internal/koji"
)

// Delivery is what a builder delivers at the end of a build that has archives: those, the rpms that wrap them, and the volume for it all.
type Delivery struct {
	Archives []events.Archive
	RPMs     []events.RPM
	Volume   int64
	Open     bool // leaves the build under way
}

// Deliverable tells why the task cannot complete the build.
func (b *Build) Deliverable(task int64) error {
	if err := b.Completable(); err != nil {
		return err
	}
	if b.task == nil || *b.task != task {
		return fault.New(fault.Generic, "Unable to complete build: it is not the build of task %d", task)
	}
	return b.NoDraft()
}

// Deliver decides what a task delivers: everything that comes, and at the end the completion. What an earlier attempt left is taken back first.
// The events may be more than one append takes; see Appends.
func (b *Build) Deliver(task int64, in Delivery) ([]events.Event, error) {
	if err := b.Deliverable(task); err != nil {
		return nil, err
	}
	var evs []events.Event
	next := b.clone()
	if b.partial {
		evs = append(evs, events.ImportUndone{BuildID: b.id})
		next.forget()
	}
	if len(in.Archives) > 0 {
		more, err := next.AddArchives(in.Archives...)
		if err != nil {
			return nil, err
		}
		evs = append(evs, more...)
	}
	wrapped, err := next.importAll(in.RPMs)
	if err != nil {
		return nil, err
	}
	if in.Open {
		return append(evs, wrapped...), nil
	}
	return append(append(evs, wrapped...), events.BuildCompleted{ID: b.id, VolumeID: in.Volume}), nil
}

// Wrappable tells why rpms that wrap what the build made cannot be imported: it must be complete and have none yet. Name is for messages.
func (b *Build) Wrappable(name string) error {
	switch {
	case !b.exists:
		return b.known()
	case b.state != koji.BuildComplete:
		return fault.New(fault.Generic, "cannot import wrapper rpms for %s: build state is %s, not complete", name, strings.ToLower(b.state.String()))
	case len(b.rpms) > 0:
		return fault.New(fault.Generic, "wrapper rpms for %s have already been imported", name)
	}
	return nil
}

// Wrap decides the import of such rpms. They must fit one append: that is some two thousand.
func (b *Build) Wrap(name string, rpms []events.RPM) ([]events.Event, error) {
	if err := b.Wrappable(name); err != nil {
		return nil, err
	}
	if len(Batches(rpms)) > 1 {
		return nil, fault.New(fault.Generic, "%d wrapper rpms are too many for one build", len(rpms))
	}
	return b.clone().importAll(rpms)
}

// importAll decides the import of rpms, as many at a time as fit an event.
func (b *Build) importAll(rpms []events.RPM) ([]events.Event, error) {
	var evs []events.Event
	if len(rpms) == 0 {
		return nil, nil
	}
	for _, batch := range Batches(rpms) {
		more, err := b.Import(TypeRPM, batch...)
		if err != nil {
			return nil, err
		}
		for _, e := range more {
			b.Apply(e)
		}
		evs = append(evs, more...)
	}
	return evs, nil
}
