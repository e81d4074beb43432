package commands

import (
	"container/list"
	"sync"

	"moromi/events"
)

// streamCacheSize bounds how many folded streams a process keeps. A task's or build's fold is about a kilobyte, a big tag's a few megabytes.
const streamCacheSize = 20000

// streamCache keeps folded streams with the revision they are at, the most recently used ones. An entry is locked while a command
// decides on it, and is not thrown out meanwhile.
type streamCache struct {
	mu    *sync.Mutex
	size  int
	byKey map[string]*streamEntry
	used  *list.List // of *streamEntry, most recent in front; entries in use are not in it
}

type streamEntry struct {
	key      string
	mu       sync.Mutex // held by the command that decides
	waiters  int        // who holds or waits for mu; guarded by the cache's mu
	place    *list.Element
	state    any
	revision events.Revision
	loaded   bool
}

func newStreamCache(size int) streamCache {
	return streamCache{mu: &sync.Mutex{}, size: size, byKey: map[string]*streamEntry{}, used: list.New()}
}

// lock gives the stream's entry to the caller alone, a fresh one made with zero if it is not cached.
func (c streamCache) lock(key string, zero func() any) *streamEntry {
	c.mu.Lock()
	e := c.byKey[key]
	if e == nil {
		e = &streamEntry{key: key, state: zero(), revision: events.NoStream}
		c.byKey[key] = e
	}
	if e.place != nil {
		c.used.Remove(e.place)
		e.place = nil
	}
	e.waiters++
	c.mu.Unlock()
	e.mu.Lock()
	return e
}

func (c streamCache) unlock(e *streamEntry) {
	e.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	e.waiters--
	if e.waiters > 0 {
		return
	}
	e.place = c.used.PushFront(e)
	for c.used.Len() > c.size {
		old := c.used.Remove(c.used.Back()).(*streamEntry)
		delete(c.byKey, old.key)
	}
}

// follow takes events that were appended to the stream into its state.
func (e *streamEntry) follow(apply func(events.Event, events.Position), evs []events.Event, done events.Appended) {
	for _, ev := range evs {
		apply(ev, done.Position)
	}
	e.revision = done.Revision
}
