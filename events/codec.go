package events

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// Event is what every event struct is. Wire names are "aggregate.past_participle", given once and never changed or reused;
// fields may be added (missing ones read as zero), never renamed or given another meaning.
type Event interface{ EventType() string }

// Meta is the envelope that travels beside every event's data.
// Index and Count say which one of how many it is in its append, so that readers can take appends whole.
type Meta struct {
	Actor   int64  `json:"actor,omitempty"`   // user id on whose behalf, 0 for the system
	Command string `json:"command,omitempty"` // the use case, for auditors
	Cause   string `json:"cause,omitempty"`   // id of the event that a process manager answered
	Index   int    `json:"i"`
	Count   int    `json:"n"`
}

// Commit is one append as readers see it: all of its events, stamped with the position of the last.
type Commit struct {
	Stream   string
	Revision Revision // of the last event
	Position Position // of the last event; what rows are stamped with and what clients know as the event id
	At       time.Time
	Actor    int64
	Command  string
	Events   []Event
}

// ErrUnknownType is what Decode says about a type that this program does not know: a newer one wrote it. Readers stop.
var ErrUnknownType = errors.New("unknown event type")

// Encode makes the events of one append ready for Store.Append. ids are the caller's, one per event, and the same in every retry.
func Encode(meta Meta, ids []uuid.UUID, evs ...Event) ([]New, error) {
	if len(ids) != len(evs) {
		return nil, fmt.Errorf("%w: %d ids for %d events", ErrInvalid, len(ids), len(evs))
	}
	out := make([]New, len(evs))
	for i, e := range evs {
		if registry[e.EventType()] == nil {
			return nil, fmt.Errorf("encode %T: %w %q", e, ErrUnknownType, e.EventType())
		}
		data, err := json.Marshal(e)
		if err != nil {
			return nil, fmt.Errorf("encode %s: %w", e.EventType(), err)
		}
		meta.Index, meta.Count = i, len(evs)
		m, err := json.Marshal(meta)
		if err != nil {
			return nil, fmt.Errorf("encode %s: %w", e.EventType(), err)
		}
		out[i] = New{ID: ids[i], Type: e.EventType(), Data: data, Meta: m}
	}
	return out, nil
}

// Decode gives the struct (as a value, not a pointer) and the envelope of a recorded event.
func Decode(r Recorded) (Event, Meta, error) {
	var m Meta
	if err := json.Unmarshal(r.Meta, &m); err != nil {
		return nil, m, fmt.Errorf("decode event %d: metadata: %w", r.Position, err)
	}
	dec := registry[r.Type]
	if dec == nil {
		return nil, m, fmt.Errorf("decode event %d: %w %q", r.Position, ErrUnknownType, r.Type)
	}
	e, err := dec(r.Data)
	if err != nil {
		return nil, m, fmt.Errorf("decode event %d (%s): %w", r.Position, r.Type, err)
	}
	return e, m, nil
}

// Assembler puts the events of a subscription together into commits. It is for one goroutine.
type Assembler struct{ open Commit }

// Add takes the next event; the commit is non-nil when the event was the last of its append.
func (a *Assembler) Add(r Recorded) (*Commit, error) {
	e, m, err := Decode(r)
	if err != nil {
		return nil, err
	}
	if m.Index != len(a.open.Events) || m.Index > 0 && r.Stream != a.open.Stream {
		return nil, fmt.Errorf("assemble event %d: %s is number %d of its append, but %d came before it", r.Position, r.Type, m.Index, len(a.open.Events))
	}
	a.open.Events = append(a.open.Events, e)
	a.open.Stream = r.Stream
	if m.Index+1 < m.Count {
		return nil, nil
	}
	c := a.open
	c.Revision, c.Position, c.At, c.Actor, c.Command = r.Revision, r.Position, r.At, m.Actor, m.Command
	a.open = Commit{}
	return &c, nil
}

type decoder func([]byte) (Event, error)

// registration is one line of an aggregate's vocabulary.
type registration struct {
	name   string
	decode decoder
}

func of[E Event]() registration {
	var zero E
	return registration{zero.EventType(), func(data []byte) (Event, error) {
		var e E
		err := json.Unmarshal(data, &e)
		return e, err
	}}
}

// registry has every event type by its wire name. It is filled once and only read.
var registry = register(nameEvents, userEvents, tagEvents, targetEvents, externalRepoEvents, hostEvents, channelEvents,
	taskEvents, buildEvents, archiveEvents, buildrootEvents, repoEvents, catalogEvents, notificationEvents, policyEvents)

func register(lists ...func() []registration) map[string]decoder {
	m := map[string]decoder{}
	for _, l := range lists {
		for _, r := range l() {
			if m[r.name] != nil {
				panic("event type registered twice: " + r.name)
			}
			m[r.name] = r.decode
		}
	}
	return m
}

// Types lists the wire names of all event types, in no order.
func Types() []string {
	out := make([]string, 0, len(registry))
	for t := range registry {
		out = append(out, t)
	}
	return out
}
