package storetest

import (
	"context"
	"errors"
	"testing"

	"moromi/events"
)

// testPipeline: appends are made in the order in which they are started, and what builds on one that was not made is not made.
func testPipeline(t *testing.T, ctx context.Context, s events.Store) {
	p, ok := s.(events.Pipeline)
	if !ok {
		t.Skip("this ledger takes one append of a stream after the other")
	}
	stream, taken := name("task"), name("tag")
	evs := newEvents(12)
	mustAppend(t, ctx, s, taken, events.NoStream, evs[0])
	write := func(stream string, expected events.Revision, e events.New) events.Write {
		return events.Write{Stream: stream, Expected: expected, Events: []events.New{e}}
	}
	want := func(what string, st events.Started, revision events.Revision) {
		t.Helper()
		if at, err := st.Wait(ctx); err != nil || len(at) != 1 || at[0].Revision != revision {
			t.Errorf("%s: %+v, %v, want revision %d", what, at, err, revision)
		}
	}

	var row []events.Started
	for i := range 5 { // each on top of the one before, of which nothing is known yet
		var after []events.Started
		if i > 0 {
			after = row[i-1:]
		}
		row = append(row, p.Start(ctx, after, write(stream, events.Revision(i-1), evs[1+i])))
	}
	for i := len(row) - 1; i >= 0; i-- { // they may be waited for in any order
		want("in a row", row[i], events.Revision(i))
	}

	refused := p.Start(ctx, nil, write(taken, events.NoStream, evs[6]))
	onTop := p.Start(ctx, []events.Started{row[4], refused}, write(stream, 4, evs[7])) // would fit, but rests on what was refused
	above := p.Start(ctx, []events.Started{onTop}, write(name("task"), events.NoStream, evs[8]))
	beside := p.Start(ctx, []events.Started{row[4]}, write(stream, 4, evs[9]))
	var conflict *events.Conflict
	if _, err := refused.Wait(ctx); !errors.As(err, &conflict) {
		t.Errorf("refused: %v", err)
	}
	for what, st := range map[string]events.Started{"on top": onTop, "above": above} {
		if _, err := st.Wait(ctx); !errors.Is(err, events.ErrBefore) {
			t.Errorf("%s of a refused append: %v, want ErrBefore", what, err)
		}
	}
	want("beside", beside, 5)
	late := p.Start(ctx, []events.Started{refused}, write(stream, 5, evs[10])) // long after the refusal
	if _, err := late.Wait(ctx); !errors.Is(err, events.ErrBefore) {
		t.Errorf("long after a refused append: %v, want ErrBefore", err)
	}

	gone, leave := context.WithCancel(ctx)
	leave()
	left := p.Start(gone, nil, write(stream, 5, evs[10]))
	if _, err := p.Start(ctx, []events.Started{left}, write(stream, 5, evs[11])).Wait(ctx); !errors.Is(err, events.ErrBefore) {
		t.Errorf("after a caller that had gone: %v, want ErrBefore", err)
	}
	if _, err := left.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that had gone: %v", err)
	}
	if _, err := p.Start(ctx, []events.Started{stranger{}}, write(stream, 5, evs[11])).Wait(ctx); !errors.Is(err, events.ErrInvalid) {
		t.Errorf("after an append of another ledger: %v, want ErrInvalid", err)
	}
	wantStream(t, ctx, s, stream, evs[1], evs[2], evs[3], evs[4], evs[5], evs[9])
	wantStream(t, ctx, s, taken, evs[0])
}

// stranger is an append that no ledger started.
type stranger struct{}

func (stranger) Wait(context.Context) ([]events.Appended, error) { return nil, nil }
