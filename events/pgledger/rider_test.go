package pgledger_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"moromi/events"
	"moromi/events/pgledger"
)

// rideOn takes a ticket of a table that has each once; another of the same is refused.
const rideOn = `with taken as (update ticket set used = used + 1 where id = $1 and used = 0 returning id) select 1 / count(*) from taken`

// tickets makes the table with ids 1 to n.
func tickets(t testing.TB, db *pgxpool.Pool, n int) {
	t.Helper()
	if _, err := db.Exec(t.Context(), fmt.Sprintf(`create table ticket (id bigint primary key, used int not null default 0); insert into ticket select generate_series(1, %d)`, n)); err != nil {
		t.Fatal(err)
	}
}

func used(t testing.TB, db *pgxpool.Pool, id int64) (n int) {
	t.Helper()
	if err := db.QueryRow(t.Context(), `select used from ticket where id = $1`, id).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func ride(ctx context.Context, id int64) (context.Context, *events.Rider) {
	r := &events.Rider{SQL: rideOn, Args: []any{id}, Order: id}
	return events.WithRider(ctx, r), r
}

// What rides with an append is made with it, or neither is: by a ledger that remembers, and by one that has to look.
func TestRider(t *testing.T) {
	t.Parallel()
	db := database(t)
	tickets(t, db, 5)
	ctx := bounded(t)
	first, second := openAt(t, pgledger.Config{Pool: db}), openAt(t, pgledger.Config{Pool: db})
	want := func(what string, r *events.Rider, made, refused bool) {
		t.Helper()
		if r.Made() != made || r.Refused() != refused {
			t.Errorf("%s: made %v, refused %v", what, r.Made(), r.Refused())
		}
	}
	for i, l := range []*pgledger.Ledger{first, first, second} {
		with, r := ride(ctx, int64(i+1))
		want("before", r, false, false)
		for range 2 { // the second goes without
			if _, err := l.Append(with, fmt.Sprintf("tag-%d", i), events.Any, event("a")); err != nil {
				t.Fatal(err)
			}
			want("after", r, true, false)
		}
		if n := used(t, db, int64(i+1)); n != 1 {
			t.Errorf("made %d times", n)
		}
	}
	for _, l := range []*pgledger.Ledger{second, second, first} {
		with, r := ride(ctx, 4)
		var conflict *events.Conflict
		if _, err := l.Append(with, "tag-0", events.NoStream, event("b")); !errors.As(err, &conflict) {
			t.Errorf("in conflict: %v", err)
		}
		want("in conflict", r, false, false)
		with, r = ride(ctx, 1)
		if _, err := l.Append(with, "tag-0", 1, event("b")); !errors.Is(err, events.ErrRefused) {
			t.Errorf("refused: %v", err)
		}
		want("refused", r, false, true)
	}
	if n := used(t, db, 4); n != 0 {
		t.Errorf("made %d times with an append that was not made", n)
	}
	if a, err := second.Append(ctx, "tag-0", 1, event("b")); err != nil || a.Revision != 2 {
		t.Errorf("after refusals: %+v, %v", a, err)
	}
}

// A refused rider keeps back its own append and those that are to follow it, nobody else's.
func TestRidersApart(t *testing.T) {
	t.Parallel()
	db := database(t)
	const askers, rounds = 12, 10
	tickets(t, db, askers*rounds+1)
	ctx := bounded(t)
	l := openAt(t, pgledger.Config{Pool: db})
	last := int64(askers*rounds + 1)
	with, _ := ride(ctx, last)
	if _, err := l.Append(with, "tag-0", events.NoStream, event("a")); err != nil {
		t.Fatal(err)
	}
	for round := range rounds {
		var wg sync.WaitGroup
		for i := range askers {
			id := int64(round*askers + i + 1)
			bad := i%4 == 1
			wg.Go(func() {
				ticket := id
				if bad {
					ticket = last
				}
				with, r := ride(ctx, ticket)
				st := l.Start(with, nil, events.Write{Stream: fmt.Sprintf("task-%d", id), Expected: events.NoStream, Events: []events.New{event("a")}})
				onTop := l.Start(ctx, []events.Started{st}, events.Write{Stream: fmt.Sprintf("build-%d", id), Expected: events.NoStream, Events: []events.New{event("a")}})
				_, err := st.Wait(ctx)
				_, above := onTop.Wait(ctx)
				switch {
				case bad && (!errors.Is(err, events.ErrRefused) || !errors.Is(above, events.ErrBefore) || !r.Refused()):
					t.Errorf("%d: %v, %v on top", id, err, above)
				case !bad && (err != nil || above != nil || !r.Made()):
					t.Errorf("%d: %v, %v on top", id, err, above)
				case !bad && used(t, db, id) != 1:
					t.Errorf("%d: not made", id)
				}
			})
		}
		wg.Wait()
	}
	head, err := l.Head(ctx)
	if want := events.Position(1 + rounds*askers*3/4*2); err != nil || head != want {
		t.Errorf("%d events, %v, want %d", head, err, want)
	}
}

// What a context appends at the same time follows the append that takes the rider along.
func TestRiderFollowed(t *testing.T) {
	t.Parallel()
	db := database(t)
	tickets(t, db, 2)
	ctx := bounded(t)
	l := openAt(t, pgledger.Config{Pool: db})
	for id, stream := range []string{"tag-1", "tag-2"} {
		with, _ := ride(ctx, int64(id+1))
		if _, err := l.Append(with, stream, events.NoStream, event("a")); err != nil {
			t.Fatal(err)
		}
	}
	with, r := ride(ctx, 1)
	one := l.Start(with, nil, events.Write{Stream: "tag-3", Expected: events.NoStream, Events: []events.New{event("a")}})
	two := l.Start(with, nil, events.Write{Stream: "tag-4", Expected: events.NoStream, Events: []events.New{event("a")}})
	_, err := one.Wait(ctx)
	_, second := two.Wait(ctx)
	// the second began before the first was known to be refused, or after: then it asked for itself
	if !errors.Is(err, events.ErrRefused) || !errors.Is(second, events.ErrBefore) && !errors.Is(second, events.ErrRefused) || r.Made() {
		t.Errorf("%v, then %v", err, second)
	}
}

// A commit whose answer was lost is found, and what rode with it is not made again.
func TestRiderLostAnswer(t *testing.T) {
	t.Parallel()
	db := database(t)
	tickets(t, db, 20)
	for of := range 4 {
		k := &link{}
		l := openAt(t, pgledger.Config{Pool: k.plug(t, db.Config().ConnString())})
		stream := fmt.Sprintf("tag-%d", of)
		mustAppend(t, l, stream, events.NoStream, event("a"))
		k.loseAnswer(of + 1)
		with, r := ride(bounded(t), int64(of+1))
		e := event("b")
		a, err := l.Append(with, stream, 0, e)
		for errors.Is(err, events.ErrUnavailable) {
			a, err = l.Append(with, stream, 0, e)
		}
		if err != nil || a.Revision != 1 || !r.Made() || used(t, db, int64(of+1)) != 1 {
			t.Errorf("answer %d lost: %+v, %v, made %v, %d times", of+1, a, err, r.Made(), used(t, db, int64(of+1)))
		}
	}
}

// A ledger that is closed leaves no rider on its way.
func TestRiderClosed(t *testing.T) {
	t.Parallel()
	db := database(t)
	tickets(t, db, 1)
	l, err := pgledger.Open(t.Context(), pgledger.Config{Pool: db})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	with, r := ride(bounded(t), 1)
	if _, err := l.Append(with, "tag-1", events.NoStream, event("a")); !errors.Is(err, events.ErrUnavailable) || r.Made() || r.Refused() {
		t.Errorf("%v, made %v", err, r.Made())
	}
	again := openAt(t, pgledger.Config{Pool: db})
	if _, err := again.Append(with, "tag-1", events.NoStream, event("a")); err != nil || !r.Made() {
		t.Errorf("over another ledger: %v, made %v", err, r.Made())
	}
}
