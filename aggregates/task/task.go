// Package task decides about one task: who may run it, and what it comes to.
package task

import (
	"fmt"
	"slices"

	"moromi/events"
	"moromi/internal/fault"
	"moromi/internal/koji"
)

// Stream is the stream of a task.
func Stream(id int64) string { return fmt.Sprintf("task-%d", id) }

// Task is the folded state of one task. The zero value does not exist.
type Task struct {
	ID       int64
	Method   string
	State    koji.TaskState
	HostID   int64
	Owner    int64
	Parent   int64
	Channel  int64
	Arch     string
	Priority int64
	Waiting  bool
	Refused  map[int64]bool
	labels   map[string]int64
	awaited  map[int64]bool
}

// Exists tells whether the task was created.
func (t *Task) Exists() bool { return t.ID != 0 }

// Apply takes an event of the stream.
func (t *Task) Apply(e events.Event) {
	switch e := e.(type) {
	case events.TaskCreated:
		t.ID, t.Method, t.Owner, t.Parent, t.Channel, t.Arch, t.Priority = e.ID, e.Method, e.Owner, e.Parent, e.ChannelID, e.Arch, e.Priority
		t.State, t.HostID = koji.TaskFree, e.HostID
		if e.HostID != 0 {
			t.State = koji.TaskAssigned
		}
	case events.TaskChildLabeled:
		if t.labels == nil {
			t.labels = map[string]int64{}
		}
		t.labels[e.Label] = e.Child
	case events.TaskAssigned:
		t.State, t.HostID = koji.TaskAssigned, e.HostID
	case events.TaskOpened:
		t.State, t.HostID = koji.TaskOpen, e.HostID
	case events.TaskFreed:
		t.State, t.HostID = koji.TaskFree, 0
	case events.TaskRefused:
		if t.Refused == nil {
			t.Refused = map[int64]bool{}
		}
		t.Refused[e.HostID] = true
	case events.TaskClosed:
		t.State = koji.TaskClosed
	case events.TaskFailed:
		t.State = koji.TaskFailed
	case events.TaskCanceled:
		t.State = koji.TaskCanceled
	case events.TaskPrioritySet:
		t.Priority = e.Priority
	case events.TaskWaitStarted, events.TaskChildrenSeen, events.TaskWaitEnded:
		t.applyWait(e)
	}
}

func (t *Task) applyWait(e events.Event) {
	switch e := e.(type) {
	case events.TaskWaitStarted:
		t.Waiting = true
		if !e.All && len(e.Children) == 0 {
			return
		}
		t.awaited = map[int64]bool{}
		for _, c := range e.Children {
			t.awaited[c] = true
		}
	case events.TaskChildrenSeen:
		for _, c := range e.Children {
			delete(t.awaited, c)
		}
	case events.TaskWaitEnded:
		t.Waiting, t.awaited = false, nil
	}
}

// Missing is Koji's fault for a task that is not there.
func Missing(id int64) error { return fault.New(fault.Generic, "No such task: %d", id) }

// NotOwner is Koji's fault for a host that does not run the task.
func NotOwner(host, id int64) error {
	return fault.New(fault.ActionNotAllowed, "host %d does not own task %d", host, id)
}

// RunBy tells whether the host has the task open.
func (t *Task) RunBy(host int64) bool { return t.State == koji.TaskOpen && t.HostID == host }

// Child is the id that a label names already, 0 if none.
func (t *Task) Child(label string) int64 { return t.labels[label] }

// LabelChild names a child.
func (t *Task) LabelChild(label string, child int64) []events.Event {
	return []events.Event{events.TaskChildLabeled{ID: t.ID, Label: label, Child: child}}
}

// HubMethods are the methods of tasks that the hub alone carries out; a host gets them only from an administrator. The hub opens and finishes tasks as
// host 0.
func HubMethods() []string { return []string{NewRepo} }

// Methods of tasks that the hub carries out. DistRepo is builders' as well, and which of them has it is the site's choice; createdistrepo is part of it.
const (
	NewRepo        = "newRepo"
	DistRepo       = "distRepo"
	CreateDistRepo = "createdistrepo"
)

// RunByHub tells whether the hub alone carries out tasks of the method.
func RunByHub(method string) bool { return slices.Contains(HubMethods(), method) }

// mayRunByHub tells whether the hub can carry out tasks of the method.
func mayRunByHub(method string) bool {
	return RunByHub(method) || method == DistRepo || method == CreateDistRepo
}

// Assign gives the task to a host. It answers no events and false when the task is not to be had; force takes it from wherever it is.
func (t *Task) Assign(host int64, force, override bool) ([]events.Event, bool) {
	switch {
	case RunByHub(t.Method) && !force:
		return nil, false
	case force && !t.State.Finished(), t.State == koji.TaskFree:
		return []events.Event{events.TaskAssigned{ID: t.ID, HostID: host, Override: override}}, true
	case t.State == koji.TaskAssigned && t.HostID == host:
		return nil, true
	}
	return nil, false
}

// Open lets a host begin, or the hub (0) what it carries out itself. It answers no events when the task is not to be had: another host has it,
// it is open, or it is finished.
func (t *Task) Open(host int64) []events.Event {
	mine := t.State == koji.TaskAssigned && t.HostID == host
	switch {
	case host == 0 && !mayRunByHub(t.Method), host != 0 && RunByHub(t.Method) && !mine: // an administrator may give a builder what the hub would do
		return nil
	}
	if t.State == koji.TaskFree || mine {
		return []events.Event{events.TaskOpened{ID: t.ID, HostID: host}}
	}
	return nil
}

// Free puts the task back among those that wait for a host.
func (t *Task) Free(reason string) ([]events.Event, error) {
	switch {
	case !t.Exists():
		return nil, Missing(t.ID)
	case t.State.Finished():
		return nil, fault.New(fault.Generic, "Cannot free task %d, state is %s", t.ID, t.State)
	case t.State == koji.TaskFree:
		return nil, fault.New(fault.Generic, "Task %d is free already", t.ID)
	}
	return []events.Event{events.TaskFreed{ID: t.ID, Reason: reason}}, nil
}

// Refuse notes that the host will not take the task and frees it if the host had it.
func (t *Task) Refuse(host int64, soft, byHost bool, message string) []events.Event {
	if t.State.Finished() {
		return nil
	}
	evs := []events.Event{events.TaskRefused{ID: t.ID, HostID: host, Soft: soft, ByHost: byHost, Message: message}}
	if t.HostID == host && t.State != koji.TaskFree {
		evs = append(evs, events.TaskFreed{ID: t.ID, Reason: message})
	}
	return evs
}

// Finish ends the task that the host runs, with a result or a fault document.
func (t *Task) Finish(host int64, result string, failed bool) ([]events.Event, error) {
	if !t.Exists() {
		return nil, Missing(t.ID)
	}
	if !t.RunBy(host) {
		return nil, NotOwner(host, t.ID)
	}
	if failed {
		return []events.Event{events.TaskFailed{ID: t.ID, Result: result}}, nil
	}
	return []events.Event{events.TaskClosed{ID: t.ID, Result: result}}, nil
}

// Cancel ends the task unless it is finished. It answers whether the task is canceled in the end.
func (t *Task) Cancel() ([]events.Event, bool) {
	if t.State.Finished() {
		return nil, t.State == koji.TaskCanceled
	}
	return []events.Event{events.TaskCanceled{ID: t.ID}}, true
}

// SetWeight says what the task costs the host that runs it.
func (t *Task) SetWeight(host int64, w float64) ([]events.Event, error) {
	if !t.RunBy(host) {
		return nil, NotOwner(host, t.ID)
	}
	if w < 0 {
		return nil, fault.New(fault.Generic, "task weight must not be negative: %g", w)
	}
	return []events.Event{events.TaskWeightSet{ID: t.ID, Weight: w}}, nil
}

// SetPriority changes the task's urgency.
func (t *Task) SetPriority(p int64) []events.Event {
	if !t.Exists() || t.Priority == p {
		return nil
	}
	return []events.Event{events.TaskPrioritySet{ID: t.ID, Priority: p}}
}

// Wait marks the task as waiting for children; children nil waits for all.
func (t *Task) Wait(children []int64, all bool) []events.Event {
	if !t.Exists() {
		return nil
	}
	return []events.Event{events.TaskWaitStarted{ID: t.ID, Children: children, All: all}}
}

// See notes that the host knows of these finished children.
func (t *Task) See(children []int64) []events.Event {
	if len(children) == 0 {
		return nil
	}
	return []events.Event{events.TaskChildrenSeen{ID: t.ID, Children: children}}
}

// EndWait lets the task go on.
func (t *Task) EndWait() []events.Event {
	if !t.Exists() || !t.Waiting && len(t.awaited) == 0 {
		return nil
	}
	return []events.Event{events.TaskWaitEnded{ID: t.ID}}
}
