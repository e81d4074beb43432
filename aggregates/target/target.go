// Package target decides about one build target.
package target

import (
	"fmt"

	"moromi/events"
	"moromi/internal/fault"
)

// Stream is the stream of a target.
func Stream(id int64) string { return fmt.Sprintf("target-%d", id) }

// Target is the folded state of one target. The zero value does not exist.
type Target struct{ set *events.TargetSet }

// Exists tells whether the target is there.
func (t *Target) Exists() bool { return t.set != nil }

// Apply takes an event of the stream.
func (t *Target) Apply(e events.Event) {
	switch e := e.(type) {
	case events.TargetSet:
		t.set = &e
	case events.TargetRemoved:
		t.set = nil
	}
}

// Create makes the target.
func (t *Target) Create(id int64, name string, buildTag, destTag int64) ([]events.Event, error) {
	if t.Exists() {
		return nil, fault.New(fault.Generic, "A build target with the name '%s' already exists", name)
	}
	return []events.Event{events.TargetSet{ID: id, BuildTag: buildTag, DestTag: destTag}}, nil
}

// Edit changes the target's tags.
func (t *Target) Edit(buildTag, destTag int64) ([]events.Event, error) {
	if !t.Exists() {
		return nil, fault.New(fault.Generic, "No such build target")
	}
	return []events.Event{events.TargetSet{ID: t.set.ID, BuildTag: buildTag, DestTag: destTag}}, nil
}

// Delete ends the target.
func (t *Target) Delete() ([]events.Event, error) {
	if !t.Exists() {
		return nil, fault.New(fault.Generic, "No such build target")
	}
	return []events.Event{events.TargetRemoved{ID: t.set.ID}}, nil
}
