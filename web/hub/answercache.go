package hub

import (
	"container/list"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"

	"moromi/events"
)

// Bounds of the cache of answers.
const (
	cachedRequest = 64 << 10  // the longest request whose answer is kept: a multicall of some hundred entries
	cachedInPlace = 256 << 10 // the longest answer that is kept in memory; longer ones are files
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
	body     []byte
	file     *os.File // in place of body: has no name any more, so the disk has its room again when it is closed
	size     int64

	users int // who reads the file now; guarded by the cache's mutex
	gone  bool
}

// answerCache keeps answers of methods that are made from the read models alone, and gives them again until an event of those families comes
// from which they were made. It is safe for concurrent use.
type answerCache struct {
	changes Changes
	dir     string // for long answers; empty: they are not kept
	log     *slog.Logger

	mu           sync.Mutex
	entries      map[answerKey]*list.Element
	recent       *list.List // of *cached, the one used last in front
	memory, disk int64
}

// newAnswerCache makes the cache, and the directory if it is not there. Several processes may share it.
func newAnswerCache(changes Changes, dir string, log *slog.Logger) (*answerCache, error) {
	if dir != "" {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("make cache of answers: %w", err)
		}
	}
	return &answerCache{changes: changes, dir: dir, log: log, entries: map[answerKey]*list.Element{}, recent: list.New()}, nil
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

// keep takes an answer, and drops those that were not used for longest.
func (c *answerCache) keep(a *cached) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.entries[a.key]; e != nil {
		c.drop(e)
	}
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
		if err := a.file.Close(); err != nil {
			c.log.Warn("close kept answer", "error", err)
		}
		a.file = nil
	}
}

// recording collects an answer while it is sent.
type recording struct {
	cache *answerCache
	body  []byte
	file  *os.File
	size  int64
	err   error // it cannot be kept
}

var errTooLong = errors.New("the answer is too long to be kept")

// Write never fails: what cannot be kept is sent all the same.
func (r *recording) Write(p []byte) (int, error) {
	if r.err != nil {
		return len(p), nil
	}
	if r.size += int64(len(p)); r.size > cachedAnswer || r.size > cachedInPlace && r.cache.dir == "" {
		r.err = errTooLong
		return len(p), nil
	}
	if r.file == nil && r.size <= cachedInPlace {
		r.body = append(r.body, p...)
		return len(p), nil
	}
	if r.file == nil {
		r.err = r.open()
	}
	if r.err == nil {
		_, r.err = r.file.Write(p)
	}
	return len(p), nil
}

// open goes on in a file that loses its name at once: nothing is left of it however this process ends.
func (r *recording) open() (err error) {
	if r.file, err = os.CreateTemp(r.cache.dir, "answer-"); err != nil {
		return err
	}
	if err := os.Remove(r.file.Name()); err != nil {
		return err
	}
	_, err = r.file.Write(r.body)
	r.body = nil
	return err
}

// end keeps what was recorded as a, if the whole answer was.
func (r *recording) end(a *cached, whole bool) {
	if r.err == nil && whole {
		a.body, a.file, a.size = r.body, r.file, r.size
		r.cache.keep(a)
		return
	}
	if r.file != nil {
		r.err = errors.Join(r.err, r.file.Close())
	}
	if r.err != nil && !errors.Is(r.err, errTooLong) {
		r.cache.log.Warn("answer not kept", "error", r.err)
	}
}
