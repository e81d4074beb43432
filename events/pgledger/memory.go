package pgledger

import (
	"time"

	"github.com/google/uuid"

	"moromi/events"
)

// maxTails bounds how many streams' last revisions a writer remembers, about 100 bytes each. Past it they are looked up as they are needed.
const maxTails = 1 << 16

// memory is what a writer knows of the ledger without asking: all of it holds as long as the head is the one that it knows, which the
// insertion itself makes sure of. It is what makes a group commit one round trip where nobody else writes.
type memory struct {
	head  events.Position
	at    time.Time // of the head
	tails map[string]events.Revision
}

// plan decides a batch from memory. It gives none if the database must be asked: when a stream's end is not known, or an append would not be
// accepted, since a refusal is given only of what is seen. That a stream which is to begin is not there, and that ids are new, is taken
// for granted: the table's unique keys refuse the batch otherwise.
func (m *memory) plan(batch []*request, clock func() time.Time) (*plan, *facts) {
	if m.tails == nil {
		return nil, nil
	}
	f := &facts{head: m.head, at: m.at, tails: make(map[string]events.Revision, len(batch)), seen: map[uuid.UUID]place{}}
	for w := range writesOf(batch) {
		if _, ok := f.tails[w.Stream]; ok {
			continue
		}
		tail, known := m.tails[w.Stream]
		if !known {
			if w.Expected != events.NoStream {
				return nil, nil
			}
			tail = events.NoStream
		}
		f.tails[w.Stream] = tail
	}
	p := decide(batch, f, timeAfter(f.at, clock))
	for _, a := range p.answers {
		if a.err != nil {
			return nil, nil
		}
	}
	return p, f
}

// learn takes in what holds after a commit that began at the head before.
func (m *memory) learn(before events.Position, f *facts, at time.Time) {
	if m.tails == nil || m.head != before || len(m.tails)+len(f.tails) > maxTails {
		m.tails = make(map[string]events.Revision, len(f.tails))
	}
	m.head, m.at = f.head, at
	for stream, tail := range f.tails {
		m.tails[stream] = tail
	}
}

func (m *memory) forget() { *m = memory{} }
