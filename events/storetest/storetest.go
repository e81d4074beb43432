// Package storetest is the one contract of events.Store, as tests. Every ledger runs it: what one of them allows, all allow.
//
// The suite tolerates strangers: it uses stream names of its own and looks only at what it wrote, so it can also run on a
// server that has other events in it and is used by others meanwhile.
package storetest

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"moromi/events"
)

// patience bounds each test. It is far more than any needs, so that a slow machine is not taken for a hanging ledger.
const patience = 2 * time.Minute

// Opener gives a ledger that is ready for use. What it starts for it, it stops through t.Cleanup; the suite closes the ledger itself.
type Opener func(t testing.TB) events.Store

// Run checks the whole contract but outages (see Outage), each part on a ledger of its own.
func Run(t *testing.T, open func(t testing.TB) events.Store) {
	for _, c := range []struct {
		name string
		test func(*testing.T, context.Context, events.Store)
	}{
		{"Expectations", testExpectations},
		{"Conflicts", testConflicts},
		{"Retries", testRetries},
		{"RetriesAtOnce", testRetriesAtOnce},
		{"Chain", testChain},
		{"Pipeline", testPipeline},
		{"PartlyKnown", testPartlyKnown},
		{"Bytes", testBytes},
		{"TooLarge", testTooLarge},
		{"LargestAllowed", testLargestAllowed},
		{"Invalid", testInvalid},
		{"Names", testNames},
		{"AbsentStream", testAbsentStream},
		{"Read", testRead},
		{"ReadInside", testReadInside},
		{"ReadAll", testReadAll},
		{"ReadLarge", testReadLarge},
		{"Head", testHead},
		{"Race", testRace},
		{"LateCommit", testLateCommit},
		{"SubscribeResume", testSubscribeResume},
		{"SubscribeHandlerError", testSubscribeHandlerError},
		{"SubscribeLive", testSubscribeLive},
		{"Cancelled", testCancelled},
		{"CancelledSubscribe", testCancelledSubscribe},
		{"Close", testClose},
		{"CloseUnderLoad", testCloseUnderLoad},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t, bounded(t), start(t, open))
		})
	}
}

func bounded(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func start(t testing.TB, open Opener) events.Store {
	t.Helper()
	s := open(t)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// name makes a stream name that no other test has.
func name(category string) string { return category + "-" + uuid.NewString() }

func newEvent(typ string) events.New {
	return events.New{ID: uuid.Must(uuid.NewV7()), Type: typ, Data: []byte(`{"task_id": 17}`), Meta: []byte(`{"by": "storetest"}`)}
}

func newEvents(n int) []events.New {
	evs := make([]events.New, n)
	for i := range evs {
		evs[i] = newEvent(fmt.Sprintf("test.number_%d", i))
	}
	return evs
}

func mustAppend(t testing.TB, ctx context.Context, s events.Store, stream string, expected events.Revision, evs ...events.New) events.Appended {
	t.Helper()
	a, err := s.Append(ctx, stream, expected, evs...)
	if err != nil {
		t.Fatalf("append %d events to %s at %d: %v", len(evs), stream, expected, err)
	}
	return a
}

func mustHead(t testing.TB, ctx context.Context, s events.Store) events.Position {
	t.Helper()
	p, err := s.Head(ctx)
	if err != nil {
		t.Fatalf("head: %v", err)
	}
	return p
}

func collect(t testing.TB, seq iter.Seq2[events.Recorded, error]) []events.Recorded {
	t.Helper()
	var out []events.Recorded
	for r, err := range seq {
		if err != nil {
			t.Fatalf("after %d events: %v", len(out), err)
		}
		out = append(out, r)
	}
	return out
}

func readStream(t testing.TB, ctx context.Context, s events.Store, stream string) []events.Recorded {
	t.Helper()
	return collect(t, s.Read(ctx, stream, 0, 0))
}

// wantStream checks that a stream holds exactly these events, from revision 0.
func wantStream(t testing.TB, ctx context.Context, s events.Store, stream string, want ...events.New) {
	t.Helper()
	got := readStream(t, ctx, s, stream)
	if len(got) != len(want) {
		t.Fatalf("stream %.40s: %d events, want %d", stream, len(got), len(want))
	}
	for i, r := range got {
		if r.Stream != stream || r.Revision != events.Revision(i) || !same(r.New, want[i]) {
			t.Errorf("stream %.40s, event %d: got %v, want %v", stream, i, describe(r), want[i])
		}
	}
	wantOrder(t, got)
}

// wantOrder checks what holds for every run of events: positions grow, times never go back, times are UTC.
func wantOrder(t testing.TB, rs []events.Recorded) {
	t.Helper()
	var o order
	for _, r := range rs {
		if err := o.next(r); err != nil {
			t.Fatal(err)
		}
	}
}

// order follows a run of events, of one stream or of all.
type order struct {
	last    events.Recorded
	started bool
}

func (o *order) next(r events.Recorded) error {
	defer func() { o.last, o.started = r, true }()
	switch {
	case r.Position <= 0:
		return fmt.Errorf("%v: position is not above 0", describe(r))
	case r.At.IsZero() || r.At.Location() != time.UTC:
		return fmt.Errorf("%v: time %v is not set, or not in UTC", describe(r), r.At)
	case o.started && r.Position <= o.last.Position:
		return fmt.Errorf("%v comes after %v", describe(r), describe(o.last))
	case o.started && r.At.Before(o.last.At):
		return fmt.Errorf("%v: time %v is before %v of %v", describe(r), r.At, o.last.At, describe(o.last))
	}
	return nil
}

func same(a, b events.New) bool {
	return a.ID == b.ID && a.Type == b.Type && bytes.Equal(a.Data, b.Data) && bytes.Equal(a.Meta, b.Meta)
}

func describe(r events.Recorded) string {
	return fmt.Sprintf("%.40s@%d (position %d, %s %s, %d+%d bytes)", r.Stream, r.Revision, r.Position, r.Type, r.ID, len(r.Data), len(r.Meta))
}

// ours filters what a test wrote: its streams all end in the mark.
func ours(rs []events.Recorded, mark string) []events.Recorded {
	var out []events.Recorded
	for _, r := range rs {
		if strings.HasSuffix(r.Stream, mark) {
			out = append(out, r)
		}
	}
	return out
}
