package repoprojector

import (
	"context"
	"errors"
	"fmt"
	"testing"
)

// TestRemakes: few are made at once, some wait, and who asks for many keeps nobody out.
func TestRemakes(t *testing.T) {
	t.Parallel()
	r := newRemakes()
	var leaves []func()
	enter := func(asker string) {
		t.Helper()
		leave, err := r.enter(WithAsker(t.Context(), asker))
		if err != nil {
			t.Fatal(err)
		}
		leaves = append(leaves, leave)
	}
	for range maxRemakes {
		enter("greedy")
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	wait := func(asker string) {
		before := r.count()
		go func() {
			_, err := r.enter(WithAsker(ctx, asker))
			ended <- err
		}()
		for r.count() == before { // until it waits
		}
	}
	for range maxOfOne - maxRemakes {
		wait("greedy")
	}
	if _, err := r.enter(WithAsker(t.Context(), "greedy")); !errors.Is(err, ErrBusy) {
		t.Errorf("more than %d of one: %v", maxOfOne, err)
	}
	waiting := maxOfOne - maxRemakes
	for ; waiting < maxWaiting; waiting++ {
		wait(fmt.Sprint(waiting))
	}
	if _, err := r.enter(WithAsker(t.Context(), "late")); !errors.Is(err, ErrBusy) {
		t.Errorf("more than %d waiting: %v", maxWaiting, err)
	}
	cancel()
	for range waiting {
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("one that waited: %v", err)
		}
	}
	for _, leave := range leaves {
		leave()
	}
	if n := r.count(); n != 0 || len(r.of) != 0 {
		t.Errorf("%d are left of %v", n, r.of)
	}
	enter("late")
}

func (r *remakes) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.inside
}
