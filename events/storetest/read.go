package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"moromi/events"
)

func testAbsentStream(t *testing.T, ctx context.Context, s events.Store) {
	mustAppend(t, ctx, s, name("task"), events.NoStream, newEvent("test.other"))
	for _, from := range []events.Revision{0, 5} {
		for _, limit := range []int{0, 1, 100} {
			if got := collect(t, s.Read(ctx, name("absent"), from, limit)); len(got) != 0 {
				t.Errorf("from %d, limit %d: %d events", from, limit, len(got))
			}
		}
	}
}

func testRead(t *testing.T, ctx context.Context, s events.Store) {
	stream, evs := name("task"), newEvents(25)
	for i := 0; i < len(evs); i += 5 {
		mustAppend(t, ctx, s, stream, events.Revision(i-1), evs[i:i+5]...)
		mustAppend(t, ctx, s, name("task"), events.NoStream, newEvent("test.between"))
	}
	wantStream(t, ctx, s, stream, evs...)
	for _, c := range []struct {
		from        events.Revision
		limit       int
		first, last events.Revision
	}{
		{0, 0, 0, 24}, {0, 1, 0, 0}, {0, 25, 0, 24}, {0, 26, 0, 24}, {3, 4, 3, 6}, {20, 0, 20, 24}, {24, 10, 24, 24}, {25, 0, 25, 24}, {1000, 3, 25, 24},
	} {
		var want, got []events.Revision
		for r := c.first; r <= c.last; r++ {
			want = append(want, r)
		}
		for _, r := range collect(t, s.Read(ctx, stream, c.from, c.limit)) {
			if !same(r.New, evs[r.Revision]) {
				t.Errorf("from %d: %s is not what was written", c.from, describe(r))
			}
			got = append(got, r.Revision)
		}
		if !slices.Equal(got, want) {
			t.Errorf("from %d, limit %d: revisions %v, want %v", c.from, c.limit, got, want)
		}
	}
	seq := s.Read(ctx, stream, 0, 0)
	for range seq {
		break
	}
	if again := collect(t, seq); len(again) != len(evs) {
		t.Errorf("the same sequence a second time: %d events, want %d", len(again), len(evs))
	}
}

// testReadInside uses the ledger from inside a read: a reader must not hold what others need.
func testReadInside(t *testing.T, ctx context.Context, s events.Store) {
	const n = 40
	stream, copies := name("task"), name("copy")
	mustAppend(t, ctx, s, stream, events.NoStream, newEvents(n)...)
	var nest func(depth int, from events.Revision)
	nest = func(depth int, from events.Revision) {
		for r, err := range s.Read(ctx, stream, from, 0) {
			if err != nil {
				t.Fatal(err)
			}
			mustAppend(t, ctx, s, copies, events.Any, newEvent("test.copied"))
			if depth > 0 {
				nest(depth-1, r.Revision)
			}
			return
		}
	}
	nest(n-1, 0)
	if got := len(readStream(t, ctx, s, copies)); got != n {
		t.Errorf("%d copies, want %d", got, n)
	}
}

func testReadAll(t *testing.T, ctx context.Context, s events.Store) {
	mark := uuid.NewString()
	base := mustHead(t, ctx, s)
	var wrote []events.Appended
	for i := range 30 {
		wrote = append(wrote, mustAppend(t, ctx, s, fmt.Sprintf("task-%d-%s", i%3, mark), events.Any, newEvent("test.any")))
	}
	all := collect(t, s.ReadAll(ctx, base, 0))
	wantOrder(t, all)
	mine := ours(all, mark)
	if len(mine) != len(wrote) {
		t.Fatalf("%d events, want %d", len(mine), len(wrote))
	}
	for i, r := range mine {
		if r.Position != wrote[i].Position || r.Revision != wrote[i].Revision {
			t.Errorf("event %d: %s, want %+v", i, describe(r), wrote[i])
		}
	}
	positions := func(rs []events.Recorded) (out []events.Position) {
		for _, r := range rs {
			out = append(out, r.Position)
		}
		return out
	}
	for _, limit := range []int{1, 2, 7, 30} {
		got := collect(t, s.ReadAll(ctx, base, limit))
		if !slices.Equal(positions(got), positions(all[:limit])) {
			t.Errorf("limit %d: positions %v, want %v", limit, positions(got), positions(all[:limit]))
		}
	}
	for _, i := range []int{0, 11, 28} {
		got := collect(t, s.ReadAll(ctx, wrote[i].Position, 0))
		if len(got) == 0 || got[0].Position <= wrote[i].Position || len(ours(got, mark)) != len(wrote)-1-i {
			t.Errorf("after event %d: %d of ours, want %d, none before %d", i, len(ours(got, mark)), len(wrote)-1-i, wrote[i].Position)
		}
	}
	if got := ours(collect(t, s.ReadAll(ctx, wrote[29].Position, 0)), mark); len(got) != 0 {
		t.Errorf("after the last: %d events", len(got))
	}
	for r, err := range s.ReadAll(ctx, base, 0) {
		if err != nil || r.Position != all[0].Position {
			t.Errorf("first of a broken-off read: %s, %v", describe(r), err)
		}
		break
	}
}

// testReadLarge reads more than fits a page of any ledger, in number and in bytes.
func testReadLarge(t *testing.T, ctx context.Context, s events.Store) {
	const many, heavy = 5, 12
	mark := uuid.NewString()
	base := mustHead(t, ctx, s)
	small, large := "small-"+mark, "large-"+mark
	var wantSmall, wantLarge []events.New
	for range many {
		evs := newEvents(events.MaxAppendEvents)
		mustAppend(t, ctx, s, small, events.Revision(len(wantSmall)-1), evs...)
		wantSmall = append(wantSmall, evs...)
	}
	for range heavy {
		e := newEvent("test.heavy")
		e.Data = fmt.Appendf(nil, "%q", strings.Repeat("x", events.MaxAppendBytes*9/10))
		mustAppend(t, ctx, s, large, events.Revision(len(wantLarge)-1), e)
		wantLarge = append(wantLarge, e)
	}
	wantStream(t, ctx, s, small, wantSmall...)
	wantStream(t, ctx, s, large, wantLarge...)
	mine := ours(collect(t, s.ReadAll(ctx, base, 0)), mark)
	wantOrder(t, mine)
	want := append(slices.Clip(wantSmall), wantLarge...)
	if len(mine) != len(want) {
		t.Fatalf("all: %d events, want %d", len(mine), len(want))
	}
	for i, r := range mine {
		if !same(r.New, want[i]) {
			t.Fatalf("all, event %d: %s is not what was written", i, describe(r))
		}
	}
}

func testHead(t *testing.T, ctx context.Context, s events.Store) {
	before := mustHead(t, ctx, s)
	for i := range 3 {
		a := mustAppend(t, ctx, s, name("task"), events.NoStream, newEvents(i+1)...)
		head := mustHead(t, ctx, s)
		if head < a.Position || head <= before {
			t.Errorf("head %d after an append to %d, before it was %d", head, a.Position, before)
		}
		before = head
	}
	if got := collect(t, s.ReadAll(ctx, before, 1)); len(got) == 1 && got[0].Position <= before {
		t.Errorf("head was %d, yet %s follows", before, describe(got[0]))
	}
}

func testCancelled(t *testing.T, ctx context.Context, s events.Store) {
	stream := name("task")
	mustAppend(t, ctx, s, stream, events.NoStream, newEvents(10)...)
	base := mustHead(t, ctx, s)
	done, cancel := context.WithCancel(ctx)
	cancel()
	refused := name("task")
	if _, err := s.Append(done, refused, events.NoStream, newEvent("test.late")); !errors.Is(err, context.Canceled) {
		t.Errorf("append: %v, want context.Canceled", err)
	}
	if _, err := s.Head(done); !errors.Is(err, context.Canceled) {
		t.Errorf("head: %v, want context.Canceled", err)
	}
	for _, err := range s.Read(done, stream, 0, 0) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("read: %v, want context.Canceled", err)
		}
	}
	n := 0
	for _, err := range s.ReadAll(done, 0, 0) {
		n++
		if !errors.Is(err, context.Canceled) {
			t.Errorf("read all: %v, want context.Canceled", err)
		}
	}
	if n != 1 {
		t.Errorf("read all: %d yields, want the error alone", n)
	}
	if err := s.Subscribe(done, 0, func(context.Context, []events.Recorded) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("subscribe: %v, want context.Canceled", err)
	}
	wantStream(t, ctx, s, refused)
	mustAppend(t, ctx, s, refused, events.NoStream, newEvent("test.in_time"))
	if head := mustHead(t, ctx, s); head <= base {
		t.Errorf("head %d did not move from %d", head, base)
	}
}
