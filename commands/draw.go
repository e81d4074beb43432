package commands

import (
	"context"
	"sync"
	"time"
)

const (
	// drawWindow is the time over which the demand for ids is measured, and in which ids that were drawn ahead are given away or not at all: so much
	// may ids of several hubs be out of the order in which they were given away.
	drawWindow = 100 * time.Millisecond
	// drawBusy is how many ids of a kind are asked for in a window before the next are drawn together. Below it every id is drawn by itself, and
	// none is left out.
	drawBusy = 16
	// drawAhead is how many are then drawn together.
	drawAhead = 32
)

// ahead are the ids of one kind that were drawn before somebody asked, since many are asking. The zero value is ready to use.
type ahead struct {
	mu     sync.Mutex
	ids    []int64
	until  time.Time // when they are too old
	began  time.Time // of the window
	asked  int       // in it
	before int       // in the one before
}

// ask counts one more who asks, and tells whether many do.
func (a *ahead) ask(now time.Time) (busy bool) {
	if since := now.Sub(a.began); since > drawWindow {
		a.before = a.asked
		if since > 2*drawWindow {
			a.before = 0
		}
		a.began, a.asked = now, 0
	}
	a.asked++
	return max(a.asked, a.before) > drawBusy
}

// next gives an id; draw draws so many of the kind. Who asks while ids are drawn together waits for them.
func (a *ahead) next(ctx context.Context, now time.Time, draw func(ctx context.Context, n int) ([]int64, error)) (int64, error) {
	a.mu.Lock()
	busy := a.ask(now)
	if now.After(a.until) {
		a.ids = nil
	}
	if !busy && len(a.ids) == 0 {
		a.mu.Unlock()
		ids, err := draw(ctx, 1)
		if err != nil {
			return 0, err
		}
		return ids[0], nil
	}
	defer a.mu.Unlock()
	if len(a.ids) == 0 {
		ids, err := draw(ctx, drawAhead)
		if err != nil {
			return 0, err
		}
		a.ids, a.until = ids, now.Add(drawWindow)
	}
	id := a.ids[0]
	a.ids = a.ids[1:]
	return id, nil
}

// newAhead gives a place for each kind.
func newAhead() map[string]*ahead {
	out := make(map[string]*ahead, len(counters))
	for kind := range counters {
		out[kind] = &ahead{}
	}
	return out
}
