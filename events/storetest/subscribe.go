package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"moromi/events"
)

// errEnough ends a subscription from inside its handler.
var errEnough = errors.New("enough")

// follower checks every delivery and keeps what is the test's.
type follower struct {
	mark  string
	want  int // ends with errEnough when it has so many; 0: never
	order order
	seen  map[uuid.UUID]bool
	revs  map[string]events.Revision
	got   []events.Recorded
}

func follow(mark string, want int) *follower {
	return &follower{mark: mark, want: want, seen: map[uuid.UUID]bool{}, revs: map[string]events.Revision{}}
}

func (f *follower) take(r events.Recorded) error {
	if err := f.order.next(r); err != nil {
		return err
	}
	if !strings.HasSuffix(r.Stream, f.mark) {
		return nil
	}
	if f.seen[r.ID] {
		return fmt.Errorf("%s came twice", describe(r))
	}
	if next, ok := f.revs[r.Stream]; ok && r.Revision != next {
		return fmt.Errorf("%s: want revision %d", describe(r), next)
	} else if !ok && r.Revision != 0 && f.want > 0 {
		return fmt.Errorf("%s: the stream should start at 0", describe(r))
	}
	f.seen[r.ID], f.revs[r.Stream] = true, r.Revision+1
	f.got = append(f.got, r)
	return nil
}

func (f *follower) handle(_ context.Context, rs []events.Recorded) error {
	if len(rs) == 0 {
		return errors.New("empty delivery")
	}
	for _, r := range rs {
		if err := f.take(r); err != nil {
			return err
		}
	}
	if f.want > 0 && len(f.got) >= f.want {
		return errEnough
	}
	return nil
}

const (
	racers     = 64
	ownAppends = 6 // of two events each, on a stream of the writer's own
	hotAppends = 4 // of one event each, on the stream that all want
)

// writeRace lets all writers loose and returns every event that was accepted. Each writer insists: a conflict is answered with the
// revision it carries.
func writeRace(t *testing.T, ctx context.Context, s events.Store, mark string) (wrote map[uuid.UUID]events.Position, conflicts int) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	wrote = map[uuid.UUID]events.Position{}
	for w := range racers {
		wg.Go(func() {
			own, at, hot := fmt.Sprintf("task-%d-%s", w, mark), events.NoStream, events.NoStream
			for i := range ownAppends {
				evs := newEvents(2)
				a, err := s.Append(ctx, own, at, evs...)
				if err != nil {
					t.Errorf("writer %d: %v", w, err)
					return
				}
				at = a.Revision
				mu.Lock()
				wrote[evs[0].ID], wrote[evs[1].ID] = 0, a.Position
				mu.Unlock()
				for e := newEvent("test.hot"); i < hotAppends; {
					a, err := s.Append(ctx, "hot-"+mark, hot, e)
					var c *events.Conflict
					if errors.As(err, &c) {
						hot = c.Current
						mu.Lock()
						conflicts++
						mu.Unlock()
						continue
					}
					if err != nil {
						t.Errorf("writer %d, hot: %v", w, err)
						return
					}
					hot = a.Revision
					mu.Lock()
					wrote[e.ID] = a.Position
					mu.Unlock()
					break
				}
			}
		})
	}
	wg.Wait()
	return wrote, conflicts
}

const raceTotal = racers * (2*ownAppends + hotAppends)

// testRace: 64 writers on own streams and on one hot stream, while a reader crosses from history to live.
func testRace(t *testing.T, ctx context.Context, s events.Store) {
	const history = 700
	mark := uuid.NewString()
	base := mustHead(t, ctx, s)
	for i := range history / 7 {
		mustAppend(t, ctx, s, fmt.Sprintf("old-%d-%s", i, mark), events.NoStream, newEvents(7)...)
	}
	f := follow(mark, history+raceTotal)
	crossing := make(chan error, 1)
	go func() { crossing <- s.Subscribe(ctx, base, f.handle) }()
	wrote, conflicts := writeRace(t, ctx, s, mark)
	if len(wrote) != raceTotal {
		t.Fatalf("%d events accepted, want %d", len(wrote), raceTotal)
	}
	if err := <-crossing; !errors.Is(err, errEnough) {
		t.Fatalf("the reader stopped after %d events: %v", len(f.got), err)
	}
	for id, at := range wrote {
		if !f.seen[id] {
			t.Errorf("event %s (position %d) was never delivered", id, at)
		}
	}
	for _, r := range f.got {
		if at := wrote[r.ID]; at != 0 && at != r.Position {
			t.Errorf("%s: the append had answered position %d", describe(r), at)
		}
	}
	hot := readStream(t, ctx, s, "hot-"+mark)
	if len(hot) != racers*hotAppends {
		t.Errorf("hot stream: %d events, want %d", len(hot), racers*hotAppends)
	}
	wantOrder(t, hot)
	again := ours(collect(t, s.ReadAll(ctx, base, 0)), mark)
	if len(again) != len(f.got) {
		t.Fatalf("read again: %d events, delivered were %d", len(again), len(f.got))
	}
	for i, r := range again {
		if r.Position != f.got[i].Position || r.ID != f.got[i].ID || !r.At.Equal(f.got[i].At) {
			t.Fatalf("read again, event %d: %s, delivered was %s", i, describe(r), describe(f.got[i]))
		}
	}
	t.Logf("%d events, %d conflicts on the hot stream", len(f.got), conflicts)
}

// testLateCommit reads page after page from the last position seen, as fast as it can, while writers commit: a writer that got its
// position early and committed late must never be passed by.
func testLateCommit(t *testing.T, ctx context.Context, s events.Store) {
	mark := uuid.NewString()
	last := mustHead(t, ctx, s)
	f := follow(mark, raceTotal)
	done := make(chan error, 1)
	go func() {
		for len(f.got) < raceTotal {
			for r, err := range s.ReadAll(ctx, last, 50) {
				if err == nil {
					err = f.take(r)
				}
				if err != nil {
					done <- err
					return
				}
				last = r.Position
			}
		}
		done <- nil
	}()
	wrote, _ := writeRace(t, ctx, s, mark)
	if err := <-done; err != nil {
		t.Fatalf("after %d events: %v", len(f.got), err)
	}
	for id := range wrote {
		if !f.seen[id] {
			t.Errorf("event %s was passed by", id)
		}
	}
}

func testSubscribeResume(t *testing.T, ctx context.Context, s events.Store) {
	const n = 60
	mark := uuid.NewString()
	base := mustHead(t, ctx, s)
	evs := newEvents(n)
	mustAppend(t, ctx, s, "task-"+mark, events.NoStream, evs[:n/2]...)
	for i := n / 2; i < n; i++ {
		mustAppend(t, ctx, s, "task-"+mark, events.Revision(i-1), evs[i])
	}
	all := ours(collect(t, s.ReadAll(ctx, base, 0)), mark)
	for _, i := range []int{0, 1, n/2 - 1, n - 2} {
		var got []events.Recorded
		err := s.Subscribe(ctx, all[i].Position, func(_ context.Context, rs []events.Recorded) error {
			got = append(got, ours(rs, mark)...)
			if len(got) >= n-1-i {
				return errEnough
			}
			return nil
		})
		if !errors.Is(err, errEnough) || len(got) != n-1-i || got[0].ID != evs[i+1].ID {
			t.Fatalf("after event %d: %d events, %v, want %d", i, len(got), err, n-1-i)
		}
		wantOrder(t, got)
	}
}

func testSubscribeHandlerError(t *testing.T, ctx context.Context, s events.Store) {
	mark := uuid.NewString()
	base := mustHead(t, ctx, s)
	mustAppend(t, ctx, s, "task-"+mark, events.NoStream, newEvents(3)...)
	poison, calls := errors.New("poison"), 0
	err := s.Subscribe(ctx, base, func(context.Context, []events.Recorded) error { calls++; return poison })
	if !errors.Is(err, poison) || calls != 1 {
		t.Errorf("%d calls, %v, want the handler's error after one", calls, err)
	}
}

// testSubscribeLive starts several readers at the end and checks that each gets what comes, and nothing of before.
func testSubscribeLive(t *testing.T, ctx context.Context, s events.Store) {
	const readers, n = 5, 20
	mark := uuid.NewString()
	last := mustAppend(t, ctx, s, "old-"+mark, events.NoStream, newEvents(5)...)
	followers, done := make([]*follower, readers), make(chan error, readers)
	for i := range readers {
		followers[i] = follow(mark, n)
		go func() { done <- s.Subscribe(ctx, last.Position, followers[i].handle) }()
	}
	evs := newEvents(n)
	for i, e := range evs {
		mustAppend(t, ctx, s, "task-"+mark, events.Revision(i-1), e)
	}
	for range readers {
		if err := <-done; !errors.Is(err, errEnough) {
			t.Fatal(err)
		}
	}
	for i, f := range followers {
		for j, r := range f.got {
			if !same(r.New, evs[j]) {
				t.Errorf("reader %d, event %d: %s", i, j, describe(r))
			}
		}
	}
}

// testCancelledSubscribe ends the context while the reader is live, and while it is inside its handler.
func testCancelledSubscribe(t *testing.T, ctx context.Context, s events.Store) {
	base := mustHead(t, ctx, s)
	for _, inside := range []bool{false, true} {
		sctx, cancel := context.WithCancel(ctx)
		seen, done := make(chan struct{}, 1000), make(chan error, 1)
		go func() {
			done <- s.Subscribe(sctx, base, func(ctx context.Context, rs []events.Recorded) error {
				seen <- struct{}{}
				if inside {
					<-ctx.Done()
				}
				return nil
			})
		}()
		mustAppend(t, ctx, s, name("task"), events.NoStream, newEvent("test.seen"))
		<-seen
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("inside the handler %v: %v, want context.Canceled", inside, err)
		}
	}
}
