package hub

import (
	"container/list"
	"crypto/sha256"
	"log/slog"
	"sync"

	"moromi/events"
	"moromi/projections"
)

// Bounds of the cache of answers.
const (
	cachedRequest = 64 << 10  // the longest request whose answer is kept: a multicall of some hundred entries
	cachedAnswer  = 256 << 20 // the longest answer that is kept at all
	cacheMemory   = 128 << 20 // bytes of all answers in memory
	cacheDisk     = 2 << 30   // bytes of all answers in files
	cacheEntries  = 200_000   // and how many may be in memory: each costs some, however short it is
	cacheFiles    = 256       // and how many in files, which stay open
)

// Changes tells when the read models changed last. projections.Engine does.
type Changes = projections.Changes

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

	mu      sync.Mutex
	entries map[answerKey]*list.Element
	memory  shelf
	disk    shelf
}

// shelf has the answers of one kind. It lets go of those that were not used for longest when they are too many or too long together.
type shelf struct {
	recent    *list.List // of *cached, the one used last in front
	bytes     int64
	most      int
	mostBytes int64
}

func (s *shelf) full() bool { return s.recent.Len() > s.most || s.bytes > s.mostBytes }

func newAnswerCache(changes Changes, log *slog.Logger) *answerCache {
	return &answerCache{changes: changes, log: log, entries: map[answerKey]*list.Element{},
		memory: shelf{recent: list.New(), most: cacheEntries, mostBytes: cacheMemory}, disk: shelf{recent: list.New(), most: cacheFiles, mostBytes: cacheDisk}}
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
	c.shelf(a).recent.MoveToFront(e)
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
	s := c.shelf(a)
	c.entries[a.key] = s.recent.PushFront(a)
	for s.bytes += a.size; s.full(); {
		c.drop(s.recent.Back())
	}
}

func (c *answerCache) drop(e *list.Element) {
	a := e.Value.(*cached)
	s := c.shelf(a)
	s.recent.Remove(e)
	s.bytes -= a.size
	delete(c.entries, a.key)
	a.gone = true
	c.closeUnused(a)
}

// shelf is where an answer belongs. An answer in the cache has its file.
func (c *answerCache) shelf(a *cached) *shelf {
	if a.file != nil {
		return &c.disk
	}
	return &c.memory
}

func (c *answerCache) closeUnused(a *cached) {
	if a.gone && a.users == 0 && a.file != nil {
		a.close(c.log)
	}
}
