package commands

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"
)

// sequence stands in for a database's sequence.
type sequence struct {
	mu    sync.Mutex
	last  int64
	draws []int
	err   error
}

func (s *sequence) draw(_ context.Context, n int) (ids []int64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return nil, s.err
	}
	s.draws = append(s.draws, n)
	for range n {
		s.last++
		ids = append(ids, s.last)
	}
	return ids, nil
}

func TestDrawAhead(t *testing.T) {
	t.Parallel()
	var a ahead
	seq := &sequence{}
	now := time.Unix(1000, 0)
	take := func(n int) (ids []int64) {
		t.Helper()
		for range n {
			id, err := a.next(t.Context(), now, seq.draw)
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, id)
		}
		return ids
	}
	for i := range int64(3 * drawBusy) { // a few a second: no id is left out
		if got := take(1); got[0] != i+1 {
			t.Fatalf("id %d instead of %d", got[0], i+1)
		}
		now = now.Add(drawWindow / 4)
	}
	if slices.Max(seq.draws) != 1 {
		t.Errorf("drawn ahead without need: %v", seq.draws)
	}
	seq.draws = nil
	ids := take(drawBusy + 3*drawAhead)
	if !slices.IsSorted(ids) || ids[len(ids)-1]-ids[0] != int64(len(ids)-1) {
		t.Errorf("a burst's ids are not in a row: %v", ids)
	}
	if len(seq.draws) > drawBusy+3 {
		t.Errorf("a burst drew %d times", len(seq.draws))
	}
	now = now.Add(drawWindow) // the next window of the same burst
	seq.draws = nil
	if take(drawAhead); slices.Contains(seq.draws, 1) {
		t.Errorf("the burst goes on, and draws were %v", seq.draws)
	}
	take(1) // leaves some
	left := seq.last
	now = now.Add(3 * drawWindow)
	if got := take(1); got[0] <= left {
		t.Errorf("id %d is as old as the burst, which ended at %d", got[0], left)
	}
	seq.err = errors.New("no database")
	now = now.Add(time.Second)
	if _, err := a.next(t.Context(), now, seq.draw); !errors.Is(err, seq.err) {
		t.Errorf("error %v", err)
	}
}

func TestDrawAtOnce(t *testing.T) {
	t.Parallel()
	var a ahead
	seq := &sequence{}
	now := time.Unix(1000, 0)
	var mu sync.Mutex
	seen := map[int64]bool{}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 500 {
				id, err := a.next(t.Context(), now, seq.draw)
				mu.Lock()
				if err != nil || seen[id] {
					t.Errorf("id %d twice, or %v", id, err)
				}
				seen[id] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}
