package projections_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/google/uuid"

	"moromi/events"
	"moromi/projections"
	"moromi/projections/readmodel"
)

// seen notes the positions of commits that watchers are told of.
type seen struct {
	mu sync.Mutex
	at []events.Position
}

func (s *seen) watch(commits []*events.Commit) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range commits {
		s.at = append(s.at, c.Position)
	}
}

func (s *seen) positions() []events.Position {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.at)
}

// TestJoin: rows that are written with their events and rows that follow come once each, in order, and watchers hear of all.
func TestJoin(t *testing.T) {
	t.Parallel()
	ctx, pool, l := setup(t)
	e := engine(t, pool, l, readmodel.All()...)
	var told seen
	e.OnCommit(told.watch)
	stop := run(ctx, e)
	defer func() { _ = stop() }()
	l.SetFollower(e)
	if err := e.CatchUp(ctx); err != nil {
		t.Fatal(err)
	}
	joined := 0
	id := int64(0)
	user := func() events.Event {
		id++
		return events.UserCreated{ID: id, Name: fmt.Sprintf("u%d", id)}
	}
	for range 200 {
		done := appendEvents(t, ctx, l, fmt.Sprintf("user-%d", id+1), events.NoStream, user())
		if e.Position() == done.Position {
			joined++ // nobody has waited for them, though they may just have followed fast
			if n := count(t, ctx, pool, `select count(*) from users`); n != int(id) {
				t.Fatalf("%d rows behind event %d, want %d", n, done.Position, id)
			}
		}
		if err := e.Wait(ctx, done.Position); err != nil { // rows can be written with the next only when they are there up to it
			t.Fatal(err)
		}
	}
	if joined < 100 {
		t.Errorf("of 200 lone events the rows of %d were there with them", joined)
	}
	var many []events.Event // more than is written with the ledger's commit
	for range 100 {
		many = append(many, user())
	}
	appendEvents(t, ctx, l, "crowd", events.NoStream, many...)
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 50 {
				n := int64(1000 + 50*w + i)
				appendEvents(t, ctx, l, fmt.Sprintf("user-%d", n), events.NoStream, events.UserCreated{ID: n, Name: fmt.Sprintf("u%d", n)})
			}
		})
	}
	wg.Wait()
	if err := e.CatchUp(ctx); err != nil {
		t.Fatal(err)
	}
	if n := count(t, ctx, pool, `select count(*) from users`); n != 700 {
		t.Errorf("%d users, want 700", n)
	}
	at := told.positions()
	if len(at) != 601 || !slices.IsSorted(at) || len(slices.Compact(at)) != 601 {
		t.Errorf("watchers were told of %d commits, sorted %v", len(at), slices.IsSorted(at))
	}
}

// TestJoinIsRefused: what cannot be written with an event does not keep the event from being committed, and is written behind it.
func TestJoinIsRefused(t *testing.T) {
	t.Parallel()
	ctx, pool, l := setup(t)
	e := engine(t, pool, l, readmodel.All()...)
	stop := run(ctx, e)
	defer func() { _ = stop() }()
	l.SetFollower(e)
	appendEvents(t, ctx, l, "user-1", events.NoStream, events.UserCreated{ID: 1, Name: "alice"})
	appendEvents(t, ctx, l, "user-2", events.NoStream, events.UserCreated{ID: 2, Name: "bob"})
	if err := e.CatchUp(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(ctx, `update checkpoint set position = position - 1`); err != nil { // not where the engine thinks
		t.Fatal(err)
	}
	done := appendEvents(t, ctx, l, "user-3", events.NoStream, events.UserCreated{ID: 3, Name: "carol"})
	if err := e.Wait(ctx, done.Position); err != nil {
		t.Fatal(err)
	}
	done = appendEvents(t, ctx, l, "user-4", events.NoStream, events.UserCreated{ID: 1, Name: "alice"}) // the id is used: no row can be made
	if err := e.Wait(ctx, done.Position); !errors.Is(err, projections.ErrStopped) {
		t.Errorf("wait: %v", err)
	}
	done = appendEvents(t, ctx, l, "user-5", events.NoStream, events.UserCreated{ID: 5, Name: "eve"})
	if head, err := l.Head(ctx); err != nil || head != done.Position {
		t.Errorf("head %d, %v, want %d", head, err, done.Position)
	}
	if n := count(t, ctx, pool, `select count(*) from users`); n != 3 {
		t.Errorf("%d users, want 3", n)
	}
}

// TestJoinOfUnknownOutcome: rows that were written although the engine was told that they were not are not written again.
func TestJoinOfUnknownOutcome(t *testing.T) {
	t.Parallel()
	ctx, pool, l := setup(t)
	e := engine(t, pool, l, readmodel.All()...)
	var told seen
	e.OnCommit(told.watch)
	stop := run(ctx, e)
	defer func() { _ = stop() }()
	first := appendEvents(t, ctx, l, "user-1", events.NoStream, events.UserCreated{ID: 1, Name: "alice"})
	if err := e.Wait(ctx, first.Position); err != nil {
		t.Fatal(err)
	}
	news, err := events.Encode(events.Meta{Actor: 1, Command: "test"}, []uuid.UUID{uuid.Must(uuid.NewV7())}, events.UserCreated{ID: 2, Name: "bob"})
	if err != nil {
		t.Fatal(err)
	}
	tx, err := pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.WithoutCancel(ctx)) //nolint:errcheck // it was committed, or the test has failed
	var done func(bool)
	for done == nil { // the engine may be busy with having nothing to do
		done = e.Join(first.Position, []events.Recorded{{New: news[0], Stream: "user-2", Position: first.Position + 1}}, func(sql string, args ...any) {
			if _, err := tx.Exec(ctx, sql, args...); err != nil {
				t.Error(err)
			}
		})
	}
	if err := tx.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	done(false)
	at, err := l.Append(ctx, "user-2", events.NoStream, news...)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Wait(ctx, at.Position); err != nil {
		t.Fatal(err)
	}
	last := appendEvents(t, ctx, l, "user-3", events.NoStream, events.UserCreated{ID: 3, Name: "carol"})
	if err := e.Wait(ctx, last.Position); err != nil {
		t.Fatal(err)
	}
	if at := told.positions(); !slices.Equal(at, []events.Position{1, 2, 3}) {
		t.Errorf("watchers were told of %v, want 1, 2 and 3", at)
	}
	if n := count(t, ctx, pool, `select count(*) from users`); n != 3 {
		t.Errorf("%d users, want 3", n)
	}
}
