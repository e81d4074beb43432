package esdbledger_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"moromi/events"
	"moromi/events/esdbledger"
	"moromi/events/esdbledger/testnode"
)

var errEnough = errors.New("enough")

func event(typ string) events.New {
	return events.New{ID: uuid.Must(uuid.NewV7()), Type: typ, Data: []byte(`{}`), Meta: []byte(`{}`)}
}

func bounded(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func mustAppend(t testing.TB, l *esdbledger.Ledger, stream string, at events.Revision, evs ...events.New) events.Appended {
	t.Helper()
	a, err := l.Append(bounded(t), stream, at, evs...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestSystemEvents: the server's own events are between ours, before them, and at the end, more than a page of them.
func TestSystemEvents(t *testing.T) {
	t.Parallel()
	const many = 2100 // more than a page
	ctx, n := bounded(t), testnode.Start(t)
	l := openAt(t, n.URL())
	if head, err := l.Head(ctx); head != 0 || err != nil {
		t.Errorf("head of a ledger without events: %d, %v, want 0", head, err)
	}
	var want []events.Position
	for i := range 3 {
		n.WriteSystemEvents(many)
		want = append(want, mustAppend(t, l, fmt.Sprintf("task-%d", i), events.NoStream, event("a")).Position)
	}
	n.WriteSystemEvents(many)
	fresh := openAt(t, n.URL()) // has seen nothing yet, so it must search
	for what, l := range map[string]*esdbledger.Ledger{"writer": l, "fresh": fresh} {
		if head, err := l.Head(ctx); head != want[2] || err != nil {
			t.Errorf("%s: head %d, %v, want %d", what, head, err, want[2])
		}
		for limit, count := range map[int]int{0: 3, 2: 2, 10: 3} {
			var got []events.Position
			for r, err := range l.ReadAll(ctx, 0, limit) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, r.Position)
			}
			if fmt.Sprint(got) != fmt.Sprint(want[:count]) {
				t.Errorf("%s: read all, limit %d: %v, want %v", what, limit, got, want[:count])
			}
		}
	}
	got := 0
	err := fresh.Subscribe(ctx, 0, func(_ context.Context, rs []events.Recorded) error {
		for _, r := range rs {
			if r.Position != want[got] {
				return fmt.Errorf("delivered %d, want %d", r.Position, want[got])
			}
			if got++; got == len(want) {
				return errEnough
			}
		}
		return nil
	})
	if !errors.Is(err, errEnough) {
		t.Error(err)
	}
}

// TestDropped: the server drops subscribers that are too slow. Nothing is lost, nothing comes twice.
func TestDropped(t *testing.T) {
	t.Parallel()
	const drops, each = 5, 40
	ctx, n := bounded(t), testnode.Start(t)
	l := openAt(t, n.URL())
	seen, done := make(chan events.Revision, drops*each), make(chan error, 1)
	go func() {
		next := events.Revision(0)
		done <- l.Subscribe(ctx, 0, func(_ context.Context, rs []events.Recorded) error {
			for _, r := range rs {
				if r.Revision != next {
					return fmt.Errorf("revision %d, want %d", r.Revision, next)
				}
				next++
				seen <- r.Revision
			}
			if next == drops*each {
				return errEnough
			}
			return nil
		})
	}()
	for i := range drops * each {
		mustAppend(t, l, "task-1", events.Revision(i-1), event("a"))
		if i%each == each/2 {
			<-seen // the subscription stands
			n.DropSubscriptions()
		}
	}
	if err := <-done; !errors.Is(err, errEnough) {
		t.Error(err)
	}
}

// TestSlowHandler: the handler is slower than the writers; what waits comes together.
func TestSlowHandler(t *testing.T) {
	t.Parallel()
	const total = 6000 // more than the buffer holds
	ctx := bounded(t)
	l := openAt(t, testnode.Start(t).URL())
	var got, calls int
	written, done := make(chan struct{}), make(chan error, 1)
	go func() {
		done <- l.Subscribe(ctx, 0, func(_ context.Context, rs []events.Recorded) error {
			if calls++; calls == 1 {
				<-written
			}
			if got += len(rs); got == total {
				return errEnough
			}
			return nil
		})
	}()
	for i := range total / 500 {
		evs := make([]events.New, 500)
		for j := range evs {
			evs[j] = event("a")
		}
		mustAppend(t, l, "task-1", events.Revision(i*500-1), evs...)
	}
	close(written)
	if err := <-done; !errors.Is(err, errEnough) {
		t.Error(err)
	}
	if calls > total/10 {
		t.Errorf("%d deliveries for %d events: what waits should come together", calls, total)
	}
}

func TestOpenErrors(t *testing.T) {
	t.Parallel()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		url         string
		unavailable bool
		text        string
	}{
		"scheme":      {"http://127.0.0.1:2113", false, "esdb"},
		"no host":     {"esdb://", false, "host"},
		"unparsable":  {"esdb://admin:secret@[::1", false, "open ledger"},
		"credentials": {"esdb://admin:secret@127.0.0.1:2113?tls=false", false, "TLS"},
		"nobody":      {"esdb://" + nobody + "?tls=false", true, "deadline"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
			defer cancel()
			l, err := esdbledger.Open(ctx, c.url, esdbledger.Config{})
			if err == nil {
				_ = l.Close()
				t.Fatal("opened")
			}
			if errors.Is(err, events.ErrUnavailable) != c.unavailable || !strings.Contains(err.Error(), c.text) || strings.Contains(err.Error(), "secret") {
				t.Error(err)
			}
		})
	}
}

// impatient is how a site may have it: the client would give up at once and be dead for good, if it were let.
const impatient = "&maxDiscoverAttempts=1&discoveryInterval=1"

// stick takes the server away and leaves calls inside the client, which wait there past their contexts.
func stick(t *testing.T, n *testnode.Node, l *esdbledger.Ledger) {
	t.Helper()
	mustAppend(t, l, "task-1", events.NoStream, event("a"))
	n.Down()
	for stuck := 0; stuck < 20; {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		_, err := l.Append(ctx, "task-1", events.Any, event("stuck"))
		if !errors.Is(err, events.ErrUnavailable) {
			t.Errorf("append: %v, want ErrUnavailable", err)
		}
		if ctx.Err() != nil {
			stuck++
		}
		cancel()
	}
}

// TestStuckCalls: when the server comes back the ledger works again, and nothing of the calls that were given up is written.
func TestStuckCalls(t *testing.T) {
	t.Parallel()
	n := testnode.Start(t)
	l := openAt(t, n.URL()+impatient)
	stick(t, n, l)
	n.Up()
	ctx := bounded(t)
	for e := event("b"); ; {
		_, err := l.Append(ctx, "task-1", 0, e)
		if err == nil {
			break
		}
		if !errors.Is(err, events.ErrUnavailable) || ctx.Err() != nil {
			t.Fatal(err)
		}
	}
	var types []string
	for r, err := range l.Read(ctx, "task-1", 0, 0) {
		if err != nil {
			t.Fatal(err)
		}
		types = append(types, r.Type)
	}
	if fmt.Sprint(types) != "[a b]" {
		t.Errorf("stream has %v, want [a b]", types)
	}
}

// TestCloseWhileStuck: to close the client now would panic the process, in a goroutine of the client's.
func TestCloseWhileStuck(t *testing.T) {
	t.Parallel()
	n := testnode.Start(t)
	l := openAt(t, n.URL()+impatient)
	stick(t, n, l)
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	n.Up() // the calls come out
	other := openAt(t, n.URL())
	var types []string
	for r, err := range other.Read(bounded(t), "task-1", 0, 0) {
		if err != nil {
			t.Fatal(err)
		}
		types = append(types, r.Type)
	}
	if fmt.Sprint(types) != "[a]" {
		t.Errorf("stream has %v, want [a]", types)
	}
}

func TestCloseLeavesNothing(t *testing.T) { // not parallel: it counts goroutines
	n := testnode.Start(t)
	before := goleak.IgnoreCurrent()
	l, err := esdbledger.Open(bounded(t), n.URL(), esdbledger.Config{})
	if err != nil {
		t.Fatal(err)
	}
	mustAppend(t, l, "task-1", events.NoStream, event("a"))
	if err := l.Subscribe(bounded(t), 0, func(context.Context, []events.Recorded) error { return errEnough }); !errors.Is(err, errEnough) {
		t.Error(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	n.Down() // the node's goroutines for the connection
	goleak.VerifyNone(t, before)
}
