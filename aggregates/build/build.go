// Package build decides about builds: their life from BUILDING on, their rpms and signatures, and who bears which name-version-release.
// Rules and fault codes are those of kojihub.kojihub of Koji 1.35 (new_build, recycle_build, import_build, cancel_build and others).
package build

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"moromi/events"
	"moromi/internal/fault"
	"moromi/internal/koji"
)

// Stream is the stream of a build.
func Stream(id int64) string { return fmt.Sprintf("build-%d", id) }

// ErrVoided says that the id will never be a build: its name went to another one meanwhile. Claim the name again.
var ErrVoided = errors.New("build id was voided")

// Build is the folded state of a build. The zero value is an id that is no build yet.
type Build struct {
	exists, voided bool
	id             int64
	draft          bool
	state          koji.BuildState
	task           *int64
	volume         int64
	owner          int64
	types          []int64
	generator      *int64 // the content generator that made or reserved it
	maven          *events.MavenInfo
	platform       *string          // of a Windows build
	archives       map[string]int64 // ids by place
	rpms           map[nvra]*rpm
	byID           map[int64]*rpm
	partial        bool // an import of several appends is under way, or ended before its last
}

// Apply takes an event of the stream.
func (b *Build) Apply(e events.Event) {
	switch e := e.(type) {
	case events.BuildCreated:
		b.start(e.BuildStart)
	case events.BuildRecycled:
		b.start(e.BuildStart)
	case events.BuildVoided:
		b.voided = true
	case events.BuildTyped:
		b.types = append(b.types, e.Type)
	case events.BuildCompleted:
		b.state, b.volume, b.partial = koji.BuildComplete, e.VolumeID, false
	case events.BuildFailed:
		b.state = koji.BuildFailed
	case events.BuildCanceled:
		b.state = koji.BuildCanceled
	case events.BuildDeleted:
		b.state = koji.BuildDeleted
		for _, r := range b.byID {
			r.sigs = nil
		}
	case events.BuildReset:
		b.state, b.task, b.volume, b.types, b.maven, b.platform = koji.BuildCanceled, nil, 0, nil, nil, nil
		b.forget()
	case events.BuildOwnerSet:
		b.owner = e.Owner
	case events.BuildMoved:
		b.volume = e.VolumeID
	case events.BuildPromoted:
		b.draft = false
	default:
		b.applyRPM(e)
		b.applyArchive(e)
	}
}

func (b *Build) start(s events.BuildStart) {
	generator := s.ContentGeneratorID
	if generator == nil {
		generator = b.generator // a build that is started again by somebody else stays the generator's, as in Koji
	}
	*b = Build{exists: true, id: s.ID, draft: s.Draft, state: koji.BuildState(s.State), task: s.TaskID, volume: s.VolumeID, owner: s.Owner,
		types: slices.Clone(s.Types), generator: generator}
}

// Exists tells whether the id is a build.
func (b *Build) Exists() bool { return b.exists }

// History is what stands against giving a build's id to a new attempt, as the read models know it.
type History struct{ Tagged bool }

// Start makes the build, or starts it again when it failed or was canceled before anything came of it. The same task may start it twice: it
// was restarted, and goes on. Name is for messages.
func (b *Build) Start(in events.BuildStart, name string, h History) ([]events.Event, error) {
	switch {
	case b.voided:
		return nil, ErrVoided
	case !b.exists:
		return []events.Event{events.BuildCreated{BuildStart: in}}, nil
	case b.state == koji.BuildBuilding && koji.BuildState(in.State) == b.state && same(in.TaskID, b.task):
		return nil, nil
	case b.state == koji.BuildBuilding:
		return nil, fault.New(fault.Generic, "Build already in progress (task %s)", number(b.task))
	case b.state != koji.BuildFailed && b.state != koji.BuildCanceled:
		return nil, fault.New(fault.Generic, "Build already exists (id=%d, state=%s): %s", b.id, b.state, name)
	case h.Tagged:
		return nil, fault.New(fault.Generic, "Build already exists. Unable to recycle, has tag history")
	case len(b.rpms) > 0 && !b.partial:
		return nil, fault.New(fault.Generic, "Build already exists. Unable to recycle, has rpm data")
	case len(b.archives) > 0 && !b.partial:
		return nil, fault.New(fault.Generic, "Build already exists. Unable to recycle, has archive data")
	}
	evs := []events.Event{}
	if b.partial {
		evs = append(evs, events.ImportUndone{BuildID: b.id})
	}
	return append(evs, events.BuildRecycled{BuildStart: in}), nil
}

func same(a, b *int64) bool { return a == nil && b == nil || a != nil && b != nil && *a == *b }

func number(n *int64) string {
	if n == nil {
		return "none"
	}
	return fmt.Sprint(*n)
}

// Void makes sure that the id never becomes a build, so that its name can go to another.
func (b *Build) Void(id int64, name string) ([]events.Event, error) {
	switch {
	case b.exists:
		return nil, fault.New(fault.Generic, "Target build exists: %s(#%d)", name, id)
	case b.voided:
		return nil, nil
	}
	return []events.Event{events.BuildVoided{ID: id}}, nil
}

func (b *Build) known() error {
	if !b.exists {
		return fault.New(fault.Generic, "No such build: %d", b.id)
	}
	return nil
}

// SetType gives the build a type, if it has not got it.
func (b *Build) SetType(btype int64) ([]events.Event, error) {
	if err := b.known(); err != nil || slices.Contains(b.types, btype) {
		return nil, err
	}
	return []events.Event{events.BuildTyped{ID: b.id, Type: btype}}, nil
}

// Fail ends the build without a result.
func (b *Build) Fail() ([]events.Event, error) {
	if err := b.known(); err != nil {
		return nil, err
	}
	if b.state != koji.BuildBuilding {
		return nil, fault.New(fault.Generic, "cannot update build %d, state: %s", b.id, b.state)
	}
	return []events.Event{events.BuildFailed{ID: b.id}}, nil
}

// Cancel stops the build; nothing happens if it is not under way.
func (b *Build) Cancel() ([]events.Event, error) {
	if err := b.known(); err != nil || b.state != koji.BuildBuilding {
		return nil, err
	}
	return []events.Event{events.BuildCanceled{ID: b.id}}, nil
}

// Delete marks the build deleted; nothing happens if it is.
func (b *Build) Delete() ([]events.Event, error) {
	if err := b.known(); err != nil || b.state == koji.BuildDeleted {
		return nil, err
	}
	return []events.Event{events.BuildDeleted{ID: b.id}}, nil
}

// Reset takes everything back that was imported; the build counts as canceled then.
func (b *Build) Reset() ([]events.Event, error) {
	if err := b.known(); err != nil {
		return nil, err
	}
	return []events.Event{events.BuildReset{ID: b.id}}, nil
}

// SetOwner gives the build another owner.
func (b *Build) SetOwner(owner int64) ([]events.Event, error) {
	if err := b.known(); err != nil || b.owner == owner {
		return nil, err
	}
	return []events.Event{events.BuildOwnerSet{ID: b.id, Owner: owner}}, nil
}

// SetTimestamp sets when the build counts as completed.
func (b *Build) SetTimestamp(at time.Time) ([]events.Event, error) {
	if err := b.known(); err != nil {
		return nil, err
	}
	return []events.Event{events.BuildTimestampSet{ID: b.id, Time: at.UTC()}}, nil
}

// Move records that the files are on another volume.
func (b *Build) Move(volume int64) ([]events.Event, error) {
	if err := b.known(); err != nil {
		return nil, err
	}
	if b.state != koji.BuildComplete && b.state != koji.BuildDeleted {
		return nil, fault.New(fault.Generic, "Build %d is %s", b.id, b.state)
	}
	if b.volume == volume {
		return nil, nil
	}
	return []events.Event{events.BuildMoved{ID: b.id, VolumeID: volume}}, nil
}

// Promote makes a complete draft a regular build.
func (b *Build) Promote(release string, promoter int64) ([]events.Event, error) {
	if err := b.Promotable(); err != nil {
		return nil, err
	}
	return []events.Event{events.BuildPromoted{ID: b.id, Release: release, Promoter: promoter}}, nil
}

// Promotable tells why the build cannot be promoted.
func (b *Build) Promotable() error {
	switch {
	case !b.exists:
		return b.known()
	case !b.draft:
		return fault.New(fault.Generic, "Cannot promote build %d. Reason: Not a draft build", b.id)
	case b.state != koji.BuildComplete:
		return fault.New(fault.Generic, "Cannot promote build %d. Reason: state (%s) is not COMPLETE.", b.id, b.state)
	}
	return nil
}
