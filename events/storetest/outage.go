package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"moromi/events"
)

func testClose(t *testing.T, ctx context.Context, s events.Store) {
	stream := name("task")
	base := mustHead(t, ctx, s)
	mustAppend(t, ctx, s, stream, events.NoStream, newEvent("test.first"))
	seen, done := make(chan struct{}, 1000), make(chan error, 1)
	go func() {
		done <- s.Subscribe(ctx, base, func(context.Context, []events.Recorded) error { seen <- struct{}{}; return nil })
	}()
	<-seen
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if err := <-done; !errors.Is(err, events.ErrUnavailable) {
		t.Errorf("subscription under way: %v, want ErrUnavailable", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("close again: %v", err)
	}
	if _, err := s.Append(ctx, stream, 0, newEvent("test.late")); !errors.Is(err, events.ErrUnavailable) {
		t.Errorf("append: %v, want ErrUnavailable", err)
	}
	if _, err := s.Head(ctx); !errors.Is(err, events.ErrUnavailable) {
		t.Errorf("head: %v, want ErrUnavailable", err)
	}
	n := 0
	for _, err := range s.Read(ctx, stream, 0, 0) {
		if n++; !errors.Is(err, events.ErrUnavailable) {
			t.Errorf("read: %v, want ErrUnavailable", err)
		}
	}
	for _, err := range s.ReadAll(ctx, 0, 0) {
		if n++; !errors.Is(err, events.ErrUnavailable) {
			t.Errorf("read all: %v, want ErrUnavailable", err)
		}
	}
	if n != 2 {
		t.Errorf("the two reads yielded %d times, want one error each", n)
	}
	if err := s.Subscribe(ctx, 0, func(context.Context, []events.Recorded) error { return nil }); !errors.Is(err, events.ErrUnavailable) {
		t.Errorf("subscribe: %v, want ErrUnavailable", err)
	}
}

// testCloseUnderLoad closes while writers and readers are busy. Each of them must come back, with an answer or with ErrUnavailable.
func testCloseUnderLoad(t *testing.T, ctx context.Context, s events.Store) {
	const writers = 32
	base := mustHead(t, ctx, s)
	mustAppend(t, ctx, s, name("task"), events.NoStream, newEvents(100)...)
	var wg sync.WaitGroup
	busy := make(chan struct{}, writers)
	for range writers {
		wg.Go(func() {
			stream, at := name("task"), events.NoStream
			for n := 0; ; n++ {
				a, err := s.Append(ctx, stream, at, newEvent("test.load"))
				if errors.Is(err, events.ErrUnavailable) {
					return
				}
				if err != nil {
					t.Errorf("append: %v", err)
					return
				}
				if at = a.Revision; n == 2 {
					busy <- struct{}{}
				}
			}
		})
		wg.Go(func() {
			for {
				for _, err := range s.ReadAll(ctx, base, 200) {
					if errors.Is(err, events.ErrUnavailable) {
						return
					}
					if err != nil {
						t.Errorf("read all: %v", err)
						return
					}
				}
			}
		})
	}
	for range writers {
		<-busy
	}
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	wg.Wait()
}

// Breakable is a ledger whose server a test can take away and bring back.
type Breakable struct {
	events.Store
	// Down makes the server unreachable and cuts what is connected; Up undoes it.
	Down, Up func()
}

const (
	// attempt bounds one call during an outage: an adapter may wait for the server as long as the context lets it.
	attempt = 300 * time.Millisecond
	backoff = 10 * time.Millisecond
)

// insist appends with the same ids until the ledger gives an answer, and tells how often it did not.
func insist(ctx context.Context, s events.Store, stream string, expected events.Revision, failed func(), evs ...events.New) (events.Appended, error) {
	for {
		actx, cancel := context.WithTimeout(ctx, attempt)
		a, err := s.Append(actx, stream, expected, evs...)
		cancel()
		if !errors.Is(err, events.ErrUnavailable) {
			return a, err
		}
		failed()
		select {
		case <-ctx.Done():
			return a, fmt.Errorf("still failing at the end: %w", err)
		case <-time.After(backoff):
		}
	}
}

// Outage checks what the contract says about a server that goes away: errors, retries with the same ids, subscriptions that ride it out.
func Outage(t *testing.T, open func(t testing.TB) Breakable) {
	t.Run("Errors", func(t *testing.T) {
		t.Parallel()
		testOutageErrors(t, bounded(t), breakable(t, open))
	})
	t.Run("Writers", func(t *testing.T) {
		t.Parallel()
		testOutageWriters(t, bounded(t), breakable(t, open))
	})
	t.Run("Close", func(t *testing.T) {
		t.Parallel()
		testOutageClose(t, bounded(t), open(t))
	})
}

func breakable(t testing.TB, open func(t testing.TB) Breakable) Breakable {
	b := open(t)
	t.Cleanup(func() {
		b.Up()
		if err := b.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return b
}

func testOutageErrors(t *testing.T, ctx context.Context, b Breakable) {
	stream, first, second := name("task"), newEvent("test.first"), newEvent("test.second")
	mustAppend(t, ctx, b, stream, events.NoStream, first)
	b.Down()
	short := func() context.Context {
		c, cancel := context.WithTimeout(ctx, attempt)
		t.Cleanup(cancel)
		return c
	}
	if _, err := b.Append(short(), stream, 0, second); !errors.Is(err, events.ErrUnavailable) {
		t.Errorf("append: %v, want ErrUnavailable", err)
	}
	if _, err := b.Head(short()); !errors.Is(err, events.ErrUnavailable) {
		t.Errorf("head: %v, want ErrUnavailable", err)
	}
	for _, err := range b.Read(short(), stream, 0, 0) {
		if !errors.Is(err, events.ErrUnavailable) {
			t.Errorf("read: %v, want ErrUnavailable", err)
		}
	}
	for _, err := range b.ReadAll(short(), 0, 0) {
		if !errors.Is(err, events.ErrUnavailable) {
			t.Errorf("read all: %v, want ErrUnavailable", err)
		}
	}
	b.Up()
	a, err := insist(ctx, b, stream, 0, func() {}, second)
	if err != nil || a.Revision != 1 {
		t.Fatalf("append after the outage: %+v, %v", a, err)
	}
	if again := mustAppend(t, ctx, b, stream, 0, second); again != a {
		t.Errorf("again: %+v, want %+v", again, a)
	}
	wantStream(t, ctx, b, stream, first, second)
}

// testOutageWriters cuts the ledger off three times under writers that retry with the same ids: everything is there once, and a
// subscription that was there all the time has seen it.
func testOutageWriters(t *testing.T, ctx context.Context, b Breakable) {
	const writers, each, outages = 8, 60, 3
	mark := uuid.NewString()
	base := mustHead(t, ctx, b)
	f := follow(mark, writers*each)
	seen, done := 0, make(chan error, 1)
	go func() {
		done <- b.Subscribe(ctx, base, func(ctx context.Context, rs []events.Recorded) error {
			fresh := rs[:0:0] // at least once: what comes again must be what was there, in the same place
			for _, r := range rs {
				if r.Position > f.order.last.Position {
					fresh = append(fresh, r)
				} else {
					seen++
				}
			}
			if len(fresh) == 0 {
				return nil
			}
			return f.handle(ctx, fresh)
		})
	}()
	failed, progress, broken := make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
	var once sync.Once
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			stream := fmt.Sprintf("task-%d-%s", w, mark)
			for i := range each {
				a, err := insist(ctx, b, stream, events.Revision(i-1), func() {
					select {
					case failed <- struct{}{}:
					default:
					}
				}, newEvent("test.outage"))
				if err != nil || a.Revision != events.Revision(i) {
					t.Errorf("writer %d, event %d: %+v, %v", w, i, a, err)
					once.Do(func() { close(broken) })
					return
				}
				select {
				case progress <- struct{}{}:
				case <-broken:
					return
				}
			}
		})
	}
	for range outages {
		for range writers * each / (outages + 1) {
			select {
			case <-progress:
			case <-broken:
				wg.Wait()
				return // a writer said why
			}
		}
		select { // of an earlier outage
		case <-failed:
		default:
		}
		b.Down()
		for down := true; down; {
			select {
			case <-failed:
				down = false
			case <-progress: // of an append that was answered before; its writer must go on to meet the outage
			case <-ctx.Done():
				t.Error("no append failed although the server was gone")
				down = false
			}
		}
		b.Up()
	}
	go func() { wg.Wait(); close(progress) }()
	for range progress { // writers go in step with this loop, so that none is done before the last outage
	}
	if t.Failed() {
		return
	}
	if err := <-done; !errors.Is(err, errEnough) {
		t.Fatalf("the subscription stopped after %d events: %v", len(f.got), err)
	}
	if all := ours(collect(t, b.ReadAll(ctx, base, 0)), mark); len(all) != writers*each {
		t.Errorf("%d events stored, want %d", len(all), writers*each)
	}
	t.Logf("%d events through %d outages, %d delivered again", len(f.got), outages, seen)
}

// testOutageClose closes a ledger whose server is gone: callers that wait for it come back, and Close does.
func testOutageClose(t *testing.T, ctx context.Context, b Breakable) {
	mustAppend(t, ctx, b, name("task"), events.NoStream, newEvent("test.first"))
	b.Down()
	const callers = 8
	errs := make(chan error, callers)
	var started sync.WaitGroup
	for range callers {
		started.Add(1)
		go func() {
			started.Done()
			_, err := b.Append(ctx, name("task"), events.NoStream, newEvent("test.lost"))
			errs <- err
		}()
	}
	started.Wait()
	if err := b.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	for range callers {
		if err := <-errs; !errors.Is(err, events.ErrUnavailable) {
			t.Errorf("append: %v, want ErrUnavailable", err)
		}
	}
	b.Up() // what the adapter had to leave open can end now
}
