package hub

import (
	"container/list"
	"crypto/sha256"
	"log/slog"
	"sync"

	"moromi/events"
)

// Bounds of the cache of answers.
const (
	cachedRequest = 64 << 10  // the longest request whose answer is kept: a multicall of some hundred entries
	cachedAnswer  = 256 << 20 // the longest answer that is kept at all
	cacheMemory   = 128 << 20 // bytes of all answers in memory
	cacheDisk     = 2 << 30   // bytes of all answers in files
	cacheEntries  = 200_000   // and how many there may be: each costs some memory, however short it is
)

// Changes tells when the read models changed last. projections.Engine does.
type Changes interface {
	// Position is how far the read models are.
	Position() events.Position
	// LastChange is the position of the last event of any of the families.
	LastChange(families ...string) events.Position
}

// answerKey is the digest of a request's body.
type answerKey [sha256.Size]byte

// cached is an answer that was given: the document as it was sent, and from which events it was made.
type cached struct {
	key      answerKey
	method   *Method
	at       events.Position // the read models were at least so far when it was made
	families []string
	document

	users int // who sends it now; guarded by the cache's mutex
	gone  bool
}

// answerCache keeps answers of methods that are made from the read models alone, and gives them again until an event of those families comes
// from which they were made. It is safe for concurrent use.
type answerCache struct {
	changes Changes
	log     *slog.Logger

	mu           sync.Mutex
	entries      map[answerKey]*list.Element
	recent       *list.List // of *cached, the one used last in front
	memory, disk int64
}

func newAnswerCache(changes Changes, log *slog.Logger) *answerCache {
	return &answerCache{changes: changes, log: log, entries: map[answerKey]*list.Element{}, recent: list.New()}
}

// find gives the answer to a request if it is still true. Whoever got one lets go of it.
func (c *answerCache) find(key answerKey) *cached {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[key]
	if e == nil {
		return nil
	}
	a := e.Value.(*cached)
	if c.changes.LastChange(a.families...) > a.at {
		c.drop(e)
		return nil
	}
	c.recent.MoveToFront(e)
	a.users++
	return a
}

// letGo ends the use of an answer.
func (c *answerCache) letGo(a *cached) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a.users--
	c.closeUnused(a)
}

// keep takes an answer that is being sent, and drops those that were not used for longest.
func (c *answerCache) keep(a *cached) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.entries[a.key]; e != nil {
		c.drop(e)
	}
	a.users = 1
	c.entries[a.key] = c.recent.PushFront(a)
	c.count(a, 1)
	for c.memory > cacheMemory || c.disk > cacheDisk || len(c.entries) > cacheEntries {
		c.drop(c.recent.Back())
	}
}

func (c *answerCache) drop(e *list.Element) {
	a := c.recent.Remove(e).(*cached)
	delete(c.entries, a.key)
	c.count(a, -1)
	a.gone = true
	c.closeUnused(a)
}

func (c *answerCache) count(a *cached, sign int64) {
	if a.file != nil {
		c.disk += sign * a.size
	} else {
		c.memory += sign * a.size
	}
}

func (c *answerCache) closeUnused(a *cached) {
	if a.gone && a.users == 0 && a.file != nil {
		a.close(c.log)
	}
}
