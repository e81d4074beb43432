package projections

import (
	"sync"

	"moromi/events"
)

// Changes tells when the read models changed last. Engine does.
type Changes interface {
	// Position is how far the read models are.
	Position() events.Position
	// LastChange is the position of the last event of any of the families.
	LastChange(families ...string) events.Position
}

// maxMemories bounds what a memo remembers: the users and hosts of a large site, some hundred bytes each. Past it it begins anew.
const maxMemories = 50_000

// Memo remembers what was read from the read models until an event of the families comes from which it was made. It is safe for concurrent
// use; what it gives is everybody's, and not to be changed.
type Memo[K comparable, V any] struct {
	changes  Changes
	families []string

	mu      sync.Mutex
	entries map[K]memory[V]
}

// memory is something that was read when the read models were at least at a position.
type memory[V any] struct {
	value V
	at    events.Position
}

// NewMemo makes a memo of what is made from the families, the first words of events' names.
func NewMemo[K comparable, V any](changes Changes, families ...string) *Memo[K, V] {
	return &Memo[K, V]{changes: changes, families: families, entries: map[K]memory[V]{}}
}

// Get gives what is remembered of key, and reads it if nothing is. An error is not remembered.
func (m *Memo[K, V]) Get(key K, read func() (V, error)) (V, error) {
	last := m.changes.LastChange(m.families...)
	m.mu.Lock()
	known, ok := m.entries[key]
	m.mu.Unlock()
	if ok && known.at >= last {
		return known.value, nil
	}
	at := m.changes.Position() // before the reading: what comes in between is taken for a change
	value, err := read()
	if err != nil {
		return value, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.entries) >= maxMemories {
		clear(m.entries)
	}
	m.entries[key] = memory[V]{value, at}
	return value, nil
}
