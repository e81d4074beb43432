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

func testExpectations(t *testing.T, ctx context.Context, s events.Store) {
	stream, evs := name("task"), newEvents(6)
	var last events.Appended
	for _, step := range []struct {
		expected events.Revision
		evs      []events.New
		want     events.Revision
	}{
		{events.NoStream, evs[:2], 1},
		{1, evs[2:3], 2},
		{events.Any, evs[3:5], 4},
		{4, evs[5:], 5},
	} {
		a := mustAppend(t, ctx, s, stream, step.expected, step.evs...)
		if a.Revision != step.want {
			t.Errorf("append at %d: revision %d, want %d", step.expected, a.Revision, step.want)
		}
		if a.Position <= last.Position {
			t.Errorf("append at %d: position %d after %d", step.expected, a.Position, last.Position)
		}
		last = a
		if got := collect(t, s.Read(ctx, stream, a.Revision, 1)); len(got) != 1 || got[0].Position != a.Position {
			t.Errorf("append at %d answered %+v, the ledger has %+v", step.expected, a, got)
		}
	}
	wantStream(t, ctx, s, stream, evs...)
	if a := mustAppend(t, ctx, s, name("task"), events.Any, newEvent("test.first")); a.Revision != 0 {
		t.Errorf("Any on an absent stream: revision %d, want 0", a.Revision)
	}
}

func testConflicts(t *testing.T, ctx context.Context, s events.Store) {
	stream, absent, evs := name("task"), name("task"), newEvents(3)
	mustAppend(t, ctx, s, stream, events.NoStream, evs...)
	for _, c := range []struct {
		stream            string
		expected, current events.Revision
	}{
		{stream, events.NoStream, 2},
		{stream, 0, 2},
		{stream, 1, 2},
		{stream, 3, 2},
		{stream, 1 << 40, 2},
		{absent, 0, events.NoStream},
		{absent, 7, events.NoStream},
	} {
		_, err := s.Append(ctx, c.stream, c.expected, newEvent("test.late"), newEvent("test.later"))
		var conflict *events.Conflict
		if !errors.As(err, &conflict) {
			t.Errorf("expected %d at %d: %v, want a conflict", c.expected, c.current, err)
			continue
		}
		if want := (events.Conflict{Stream: c.stream, Expected: c.expected, Current: c.current}); *conflict != want {
			t.Errorf("conflict %+v, want %+v", *conflict, want)
		}
	}
	wantStream(t, ctx, s, stream, evs...)
	wantStream(t, ctx, s, absent)
}

func testRetries(t *testing.T, ctx context.Context, s events.Store) {
	stream, evs, more := name("task"), newEvents(3), newEvents(2)
	first := mustAppend(t, ctx, s, stream, events.NoStream, evs...)
	head := collect(t, s.Read(ctx, stream, 0, 0))
	retry := func(what string, expected events.Revision, want events.Appended, evs ...events.New) {
		t.Helper()
		if got, err := s.Append(ctx, stream, expected, evs...); err != nil || got != want {
			t.Errorf("%s: %+v, %v, want %+v", what, got, err, want)
		}
	}
	retry("again", events.NoStream, first, evs...)
	retry("again, any", events.Any, first, evs...)
	second := mustAppend(t, ctx, s, stream, first.Revision, more...)
	mustAppend(t, ctx, s, name("task"), events.NoStream, newEvent("test.elsewhere"))
	retry("after others followed", events.NoStream, first, evs...)
	retry("the tail of an append", 0, first, evs[1:]...)
	retry("the start of an append", events.NoStream, events.Appended{Revision: 1, Position: head[1].Position}, evs[:2]...)
	retry("two appends as one", events.NoStream, second, append(evs[:3:3], more...)...)
	retry("the last append", first.Revision, second, more...)
	wantStream(t, ctx, s, stream, append(evs[:3:3], more...)...)
}

func testRetriesAtOnce(t *testing.T, ctx context.Context, s events.Store) {
	const callers = 16
	stream, evs := name("task"), newEvents(2)
	answers, errs := make([]events.Appended, callers), make([]error, callers)
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() { answers[i], errs[i] = s.Append(ctx, stream, events.NoStream, evs...) })
	}
	wg.Wait()
	for i := range callers {
		if errs[i] != nil || answers[i] != answers[0] {
			t.Errorf("caller %d: %+v, %v, want %+v as the others", i, answers[i], errs[i], answers[0])
		}
	}
	wantStream(t, ctx, s, stream, evs...)
}

func testPartlyKnown(t *testing.T, ctx context.Context, s events.Store) {
	stream, evs := name("task"), newEvents(2)
	mustAppend(t, ctx, s, stream, events.NoStream, evs...)
	for _, mixed := range [][]events.New{
		{evs[0], evs[1], newEvent("test.more")},
		{evs[0], newEvent("test.other")},
		{evs[1], evs[0]},
	} {
		var conflict *events.Conflict
		if _, err := s.Append(ctx, stream, events.NoStream, mixed...); !errors.As(err, &conflict) || conflict.Current != 1 {
			t.Errorf("partly known, exact: %v, want a conflict at 1", err)
		}
	}
	if _, err := s.Append(ctx, stream, events.Any, evs[0], newEvent("test.more")); !errors.Is(err, events.ErrInvalid) {
		t.Errorf("partly known, any: %v, want ErrInvalid", err)
	}
	wantStream(t, ctx, s, stream, evs...)
}

func testBytes(t *testing.T, ctx context.Context, s events.Store) {
	stream := name("odd")
	var evs []events.New
	for _, data := range []string{
		`{}`, `null`, `""`, `[]`,
		`{"z": 1.00, "a": 2, "m": {"y":1,"x":2}}`,
		`{"same":1,"same":2}`,
		`{"log":"a\u0000b\u001b[0m"}`,
		`{"big":12345678901234567890123,"tiny":1e-400}`,
		" {\n\t\"space\" : [ 1 , 2 ]\r\n} \n",
		`{"text":"žluťoučký kůň, 麹, 🍶, \ud83c\udf76, \/ \"quoted\" \\n"}`,
		`{"pad":"` + strings.Repeat("x", 100_000) + `"}`,
	} {
		e := newEvent("test.odd_麹")
		e.Data, e.Meta = []byte(data), []byte(data)
		evs = append(evs, e)
	}
	bare := newEvent("test.without_meta")
	bare.Meta = nil
	empty := newEvent("test.without_data")
	empty.Data = []byte{}
	evs = append(evs, bare, empty)
	mustAppend(t, ctx, s, stream, events.NoStream, evs...)
	wantStream(t, ctx, s, stream, evs...)
}

func testTooLarge(t *testing.T, ctx context.Context, s events.Store) {
	sized := func(n int) events.New {
		e := newEvent("test.large")
		e.Data = fmt.Appendf(nil, "%q", strings.Repeat("x", n-2))
		return e
	}
	spread := make([]events.New, 20)
	for i := range spread {
		spread[i] = sized(events.MaxAppendBytes / 19)
	}
	heavyMeta := newEvent("test.meta")
	heavyMeta.Meta = sized(events.MaxAppendBytes).Data
	for what, evs := range map[string][]events.New{
		"one big event":            {sized(events.MaxAppendBytes + 1)},
		"a big one after a small":  {sized(20), sized(events.MaxAppendBytes)},
		"big metadata":             {heavyMeta},
		"many events of some size": spread,
		"too many small events":    newEvents(events.MaxAppendEvents + 1),
	} {
		stream := name("large")
		if _, err := s.Append(ctx, stream, events.NoStream, evs...); !errors.Is(err, events.ErrTooLarge) {
			t.Errorf("%s: %v, want ErrTooLarge", what, err)
		}
		wantStream(t, ctx, s, stream)
		after := newEvent("test.after")
		mustAppend(t, ctx, s, stream, events.NoStream, after)
		wantStream(t, ctx, s, stream, after)
	}
}

func testLargestAllowed(t *testing.T, ctx context.Context, s events.Store) {
	one := newEvent("test.large")
	one.Data = fmt.Appendf(nil, "%q", strings.Repeat("x", events.MaxAppendBytes-len(one.Meta)-2*len(one.Type)-2))
	for what, evs := range map[string][]events.New{"bytes": {one}, "events": newEvents(events.MaxAppendEvents)} {
		stream := name("large")
		a, err := s.Append(ctx, stream, events.NoStream, evs...)
		if err != nil || a.Revision != events.Revision(len(evs)-1) {
			t.Errorf("%s: %+v, %v", what, a, err)
		}
		if again, err := s.Append(ctx, stream, events.NoStream, evs...); err != nil || again != a {
			t.Errorf("%s, again: %+v, %v, want %+v", what, again, err, a)
		}
		wantStream(t, ctx, s, stream, evs...)
	}
}

func testInvalid(t *testing.T, ctx context.Context, s events.Store) {
	good, twice := newEvent("test.good"), newEvent("test.twice")
	with := func(f func(*events.New)) events.New { e := newEvent("test.bad"); f(&e); return e }
	for what, c := range map[string]struct {
		stream string
		evs    []events.New
	}{
		"no events":            {name("task"), nil},
		"no name":              {"", []events.New{good}},
		"system stream":        {"$settings", []events.New{good}},
		"long name":            {strings.Repeat("n", events.MaxStreamName+1), []events.New{good}},
		"NUL in the name":      {name("ta\x00sk"), []events.New{good}},
		"name not UTF-8":       {name("ta\xffsk"), []events.New{good}},
		"no id":                {name("task"), []events.New{with(func(e *events.New) { e.ID = uuid.Nil })}},
		"no type":              {name("task"), []events.New{with(func(e *events.New) { e.Type = "" })}},
		"system type":          {name("task"), []events.New{with(func(e *events.New) { e.Type = "$>" })}},
		"NUL in the type":      {name("task"), []events.New{with(func(e *events.New) { e.Type = "a\x00" })}},
		"type not UTF-8":       {name("task"), []events.New{with(func(e *events.New) { e.Type = "\xc3" })}},
		"the same id twice":    {name("task"), []events.New{twice, good, twice}},
		"a bad one at the end": {name("task"), []events.New{good, with(func(e *events.New) { e.Type = "" })}},
	} {
		if _, err := s.Append(ctx, c.stream, events.Any, c.evs...); !errors.Is(err, events.ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", what, err)
		}
	}
	stream := name("task")
	mustAppend(t, ctx, s, stream, events.NoStream, good)
	wantStream(t, ctx, s, stream, good)
}

func testNames(t *testing.T, ctx context.Context, s events.Store) {
	mark := uuid.NewString()
	names := []string{
		"a" + mark, "task-1$" + mark, "tag-f42 candidate/" + mark, `quo"te'%_\` + mark, "žlutý-麹-" + mark, "A" + mark,
		strings.Repeat("n", events.MaxStreamName-len(mark)) + mark,
	}
	evs := newEvents(len(names))
	for i, n := range names {
		mustAppend(t, ctx, s, n, events.NoStream, evs[i])
	}
	for i, n := range names {
		wantStream(t, ctx, s, n, evs[i])
	}
}

// testChain: the appends of a chain are made in order, and the first that is refused ends it.
func testChain(t *testing.T, ctx context.Context, s events.Store) {
	names, thing, taken := name("names"), name("tag"), name("tag")
	evs := newEvents(8)
	mustAppend(t, ctx, s, taken, events.NoStream, evs[0])
	write := func(stream string, expected events.Revision, evs ...events.New) events.Write {
		return events.Write{Stream: stream, Expected: expected, Events: evs}
	}
	whole := []events.Write{write(names, events.NoStream, evs[1:3]...), write(thing, events.NoStream, evs[3])}
	for range 2 { // and again, as a retry would
		made, err := s.AppendChain(ctx, whole...)
		if err != nil || len(made) != 2 || made[0].Revision != 1 || made[1].Revision != 0 || made[1].Position <= made[0].Position {
			t.Fatalf("chain: %+v, %v", made, err)
		}
	}
	var conflict *events.Conflict
	made, err := s.AppendChain(ctx, write(names, 1, evs[4]), write(taken, events.NoStream, evs[5]), write(thing, 0, evs[6]))
	if !errors.As(err, &conflict) || conflict.Stream != taken || conflict.Current != 0 || len(made) != 1 || made[0].Revision != 2 {
		t.Errorf("a chain whose second append is refused: %+v, %v", made, err)
	}
	if _, err := s.AppendChain(ctx, write(thing, 0, evs[7]), write(names, 2)); !errors.Is(err, events.ErrInvalid) {
		t.Errorf("a chain with an append of nothing: %v", err)
	}
	wantStream(t, ctx, s, names, evs[1], evs[2], evs[4])
	wantStream(t, ctx, s, taken, evs[0])
	wantStream(t, ctx, s, thing, evs[3])
}
