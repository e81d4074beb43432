package task

import (
	"log/slog"
	"sync"
	"time"

	"moromi/builder/buildroot"
)

// Shelf keeps the roots of failed tasks for a while, so that saveFailedTree can pack them. It is safe for concurrent use.
type Shelf struct {
	lifetime time.Duration
	most     int
	now      func() time.Time
	log      *slog.Logger

	mu   sync.Mutex
	kept []*keptRoot // the oldest first

	tidying sync.WaitGroup
}

// keptRoot is a root on the shelf.
type keptRoot struct {
	id     int64
	name   string // TAG-ID-REPOID
	root   buildroot.Root
	remove func() // the directory it is in
	since  time.Time
	inUse  bool
}

// NewShelf makes a shelf for at most that many roots, each of which is kept for lifetime. If either is zero, nothing is kept.
func NewShelf(lifetime time.Duration, most int, now func() time.Time, log *slog.Logger) *Shelf {
	return &Shelf{lifetime: lifetime, most: most, now: now, log: log}
}

// put keeps a root and answers whether it does. The oldest makes room.
func (s *Shelf) put(k *keptRoot) bool {
	if s == nil || s.lifetime <= 0 || s.most <= 0 {
		return false
	}
	s.mu.Lock()
	k.since = s.now()
	s.kept = append(s.kept, k)
	over := len(s.kept) - s.most
	s.mu.Unlock()
	s.drop(func(i int, _ *keptRoot) bool { return i < over })
	return true
}

// take gives a root for use. It stays on the shelf, and is not removed until it is given back.
func (s *Shelf) take(id int64) (k *keptRoot, giveBack func()) {
	if s == nil {
		return nil, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.kept {
		if k.id == id && !k.inUse {
			k.inUse = true
			return k, func() {
				s.mu.Lock()
				defer s.mu.Unlock()
				k.inUse = false
			}
		}
	}
	return nil, nil
}

// Tidy removes the roots whose time is over; with scarce, when the disk is too full, the oldest one too. It does not wait until they are gone.
func (s *Shelf) Tidy(scarce bool) {
	s.mu.Lock()
	empty := len(s.kept) == 0
	s.mu.Unlock()
	if empty {
		return
	}
	now := s.now()
	s.tidying.Go(func() {
		s.drop(func(i int, k *keptRoot) bool { return now.Sub(k.since) >= s.lifetime || scarce && i == 0 })
	})
}

// Clear removes all roots. No task may be running any more.
func (s *Shelf) Clear() {
	s.tidying.Wait()
	s.drop(func(int, *keptRoot) bool { return true })
}

// drop removes the roots that are chosen by their place and are not in use.
func (s *Shelf) drop(choose func(i int, k *keptRoot) bool) {
	var stay, gone []*keptRoot
	s.mu.Lock()
	for i, k := range s.kept {
		if choose(i, k) && !k.inUse {
			gone = append(gone, k)
		} else {
			stay = append(stay, k)
		}
	}
	s.kept = stay
	s.mu.Unlock()
	for _, k := range gone { // removing takes time: nobody waits for it with the lock
		s.log.Info("removing the root of a failed task", "buildroot", k.id)
		if err := k.root.Destroy(); err != nil {
			s.log.Error("buildroot not removed", "buildroot", k.id, "err", err)
		}
		k.remove()
	}
}
