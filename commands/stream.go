package commands

import (
	"container/list"
	"sync"
	"sync/atomic"

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
	zero     func() any
	state    any
	revision events.Revision
	loaded   bool
	// last is the last commit whose events the state took before they were known to be in the ledger; nil for none.
	last *flight
	// broken is set when such events did not get there: the state is to be made anew. Each new state has a flag of its own.
	broken *atomic.Bool
	// exact is how many commits are still to wait for their outcome before the next is decided; see exactAfterConflict.
	exact atomic.Int64
}

func newStreamCache(size int) streamCache {
	return streamCache{mu: &sync.Mutex{}, size: size, byKey: map[string]*streamEntry{}, used: list.New()}
}

// lock gives the stream's entry to the caller alone, a fresh one made with zero if it is not cached.
func (c streamCache) lock(key string, zero func() any) *streamEntry {
	c.mu.Lock()
	e := c.byKey[key]
	if e == nil {
		e = &streamEntry{key: key, zero: zero, state: zero(), revision: events.NoStream, broken: new(atomic.Bool)}
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

// outdate has the next command read on what others have written.
func (c streamCache) outdate(e *streamEntry) {
	now := c.lock(e.key, e.zero)
	now.loaded = false
	c.unlock(now)
}

// renew makes the state anew if it has events that did not get into the ledger. The entry is locked.
func (e *streamEntry) renew() {
	if e.broken.Load() {
		e.state, e.revision, e.loaded, e.last, e.broken = e.zero(), events.NoStream, false, nil, new(atomic.Bool)
	}
}
