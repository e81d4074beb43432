// Package buildroot decides about buildroots: their states, what was installed in them, and the content-addressed lists of that.
// Rules are those of kojihub.kojihub.BuildRoot of Koji 1.35.
package buildroot

import (
	"fmt"
	"slices"

	"moromi/events"
	"moromi/internal/fault"
	"moromi/internal/koji"
)

// Stream is the stream of a buildroot.
func Stream(id int64) string { return fmt.Sprintf("buildroot-%d", id) }

// Buildroot is the folded state of a buildroot. The zero value is an id that is no buildroot yet.
type Buildroot struct {
	exists, external bool
	id               int64
	host             int64
	task             *int64
	state            koji.BuildrootState
	content          []string // digests
	archives         map[int64]bool
}

// Apply takes an event of the stream.
func (b *Buildroot) Apply(e events.Event) {
	switch e := e.(type) {
	case events.BuildrootCreated:
		*b = Buildroot{exists: true, id: e.ID, host: e.HostID, task: e.TaskID}
	case events.ExternalBuildrootCreated:
		*b = Buildroot{exists: true, external: true, id: e.ID}
	case events.BuildrootStateSet:
		b.state = koji.BuildrootState(e.State)
	case events.BuildrootListed:
		b.content = append(b.content, e.Digest)
	case events.BuildrootArchivesListed:
		if b.archives == nil {
			b.archives = map[int64]bool{}
		}
		for _, id := range e.Archives {
			b.archives[id] = true
		}
	}
}

// By is who changes a buildroot: a host, and the task that it says it does it for (nil: none).
type By struct {
	Host int64
	Task *int64
}

// Owned refuses everyone but the buildroot's host and, if one is named, its task.
func (b *Buildroot) Owned(id int64, by By) error {
	switch {
	case !b.exists:
		return fault.New(fault.Generic, "no buildroot with ID: %d", id)
	case b.external:
		return fault.New(fault.Generic, "Not a standard buildroot: %d", id)
	case b.host != by.Host:
		return fault.New(fault.ActionNotAllowed, "Host %d not owner of buildroot %d", by.Host, id)
	case by.Task != nil && (b.task == nil || *b.task != *by.Task):
		return fault.New(fault.ActionNotAllowed, "Task %d does not have lock on buildroot %d", *by.Task, id)
	}
	return nil
}

// SetState takes the buildroot to another state. An expired one stays so.
func (b *Buildroot) SetState(id int64, by By, to koji.BuildrootState) ([]events.Event, error) {
	if err := b.Owned(id, by); err != nil {
		return nil, err
	}
	switch {
	case to == koji.BuildrootInit:
		return nil, fault.New(fault.Generic, "Cannot change buildroot state to INIT")
	case b.state == koji.BuildrootExpired && to == koji.BuildrootExpired:
		return nil, nil
	case b.state == koji.BuildrootExpired:
		return nil, fault.New(fault.Generic, "buildroot %d is EXPIRED", id)
	}
	return []events.Event{events.BuildrootStateSet{ID: id, State: int(to)}}, nil
}

// Listable tells why the buildroot's list cannot be set (update false: while it is INIT) or added to (while it is BUILDING).
func (b *Buildroot) Listable(id int64, by By, update bool) error {
	if err := b.Owned(id, by); err != nil {
		return err
	}
	want := koji.BuildrootInit
	if update {
		want = koji.BuildrootBuilding
	}
	if b.state != want {
		return fault.New(fault.Generic, "buildroot %d in wrong state %d", id, b.state)
	}
	return nil
}

// Content gives the digests of the lists that the buildroot has so far.
func (b *Buildroot) Content() []string { return b.content }

// List names a list of rpms as the buildroot's. known are the digests that the caller took into account: if there are others by now, moved is
// true and the caller must look again.
func (b *Buildroot) List(id int64, by By, digest string, count int, update bool, known int) (evs []events.Event, moved bool, err error) {
	if err := b.Listable(id, by, update); err != nil {
		return nil, false, err
	}
	if len(b.content) != known {
		return nil, true, nil
	}
	return []events.Event{events.BuildrootListed{ID: id, Digest: digest, Count: count, IsUpdate: update}}, false, nil
}

// maxListedArchives bounds the archives in one event: each takes up to twenty bytes, and an append has room for a megabyte.
const maxListedArchives = 40_000

// ArchivesListable tells why archives cannot be listed: they are while the build goes on.
func (b *Buildroot) ArchivesListable(id int64, by By) error { return b.Listable(id, by, true) }

// ListArchives adds archives to what was in the buildroot: those that are there already stay as they are. Project tells that the build itself asked
// for them. The ids are ascending, none twice.
func (b *Buildroot) ListArchives(id int64, by By, archives []int64, project bool) ([]events.Event, error) {
	if err := b.ArchivesListable(id, by); err != nil {
		return nil, err
	}
	fresh := slices.DeleteFunc(slices.Clone(archives), func(id int64) bool { return b.archives[id] })
	var evs []events.Event
	for part := range slices.Chunk(fresh, maxListedArchives) {
		evs = append(evs, events.BuildrootArchivesListed{ID: id, Archives: part, Project: project})
	}
	if len(evs) > 1 {
		return nil, fault.New(fault.Generic, "%d archives at once are too many for buildroot %d; list them in parts", len(fresh), id)
	}
	return evs, nil
}
