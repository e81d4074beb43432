package projections_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"moromi/commands/commandtest"
	"moromi/events"
	"moromi/events/pgledger"
	"moromi/internal/pgtest"
	"moromi/migrations"
	"moromi/projections"
	"moromi/projections/readmodel"
)

// patience bounds how long a test waits for something that normally takes milliseconds.
const patience = time.Minute

func setup(t *testing.T) (context.Context, *pgxpool.Pool, *pgledger.Ledger) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	pool := pgtest.DB(t)
	l, err := pgledger.Open(ctx, pgledger.Config{Pool: pool, Readers: 4})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return ctx, pool, l
}

func engine(t *testing.T, pool *pgxpool.Pool, l events.Store, ps ...projections.Projection) *projections.Engine {
	t.Helper()
	e, err := projections.NewEngine(l, pool, migrations.ReadModelSchema(), slog.New(slog.DiscardHandler), ps...)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// run starts an engine and gives a function that stops it and says how it ended.
func run(ctx context.Context, e *projections.Engine) (stop func() error) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	return func() error { cancel(); return <-ended }
}

func appendEvents(t *testing.T, ctx context.Context, l events.Store, stream string, at events.Revision, evs ...events.Event) events.Appended {
	t.Helper()
	ids := make([]uuid.UUID, len(evs))
	for i := range ids {
		ids[i] = uuid.Must(uuid.NewV7())
	}
	recs, err := events.Encode(events.Meta{Actor: 1, Command: "test"}, ids, evs...)
	if err != nil {
		t.Fatal(err)
	}
	done, err := l.Append(ctx, stream, at, recs...)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

func count(t *testing.T, ctx context.Context, pool *pgxpool.Pool, sql string) (n int) {
	t.Helper()
	if err := pool.QueryRow(ctx, sql).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestEngineAppliesOnceAcrossRestarts(t *testing.T) {
	t.Parallel()
	ctx, pool, l := setup(t)
	for i := range int64(30) {
		done := appendEvents(t, ctx, l, "user-"+string(rune('a'+i)), events.NoStream, events.UserCreated{ID: i + 1, Name: "u" + string(rune('a'+i))},
			events.PermissionGranted{UserID: i + 1, PermissionID: 1})
		if i%10 != 0 {
			continue
		}
		e := engine(t, pool, l, readmodel.All()...)
		stop := run(ctx, e)
		if err := e.Wait(ctx, done.Position); err != nil {
			t.Fatal(err)
		}
		if err := stop(); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	e := engine(t, pool, l, readmodel.All()...)
	stop := run(ctx, e)
	defer func() { _ = stop() }()
	if err := e.CatchUp(ctx); err != nil {
		t.Fatal(err)
	}
	if n := count(t, ctx, pool, `select count(*) from users`); n != 30 {
		t.Errorf("%d users, want 30", n)
	}
	// both events of an append are stamped with the position of the second
	if n := count(t, ctx, pool, `select count(*) from user_perms p join events e on e.id = p.create_event where p.create_event % 2 = 0`); n != 30 {
		t.Errorf("%d grants stamped with the last position of their append, want 30", n)
	}
}

func TestEngineStopsAtWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	ctx, pool, l := setup(t)
	appendEvents(t, ctx, l, "user-1", events.NoStream, events.UserCreated{ID: 1, Name: "alice"})
	newer := events.New{ID: uuid.Must(uuid.NewV7()), Type: "user.teleported", Data: []byte(`{}`), Meta: []byte(`{"i":0,"n":1}`)}
	done, err := l.Append(ctx, "user-1", 0, newer)
	if err != nil {
		t.Fatal(err)
	}
	e := engine(t, pool, l, readmodel.All()...)
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	if err := e.Wait(ctx, done.Position); !errors.Is(err, projections.ErrStopped) || !strings.Contains(err.Error(), "user.teleported") {
		t.Errorf("wait: %v", err)
	}
	if err := <-ended; !errors.Is(err, events.ErrUnknownType) {
		t.Errorf("run: %v", err)
	}
	if n := count(t, ctx, pool, `select count(*) from users`); n != 1 {
		t.Errorf("%d users: what came before the unknown event must be applied", n)
	}
}

func TestEngineStopsAtWhatBreaksItsRules(t *testing.T) {
	t.Parallel()
	ctx, pool, l := setup(t)
	appendEvents(t, ctx, l, "user-1", events.NoStream, events.UserCreated{ID: 1, Name: "alice"})
	twin := appendEvents(t, ctx, l, "user-2", events.NoStream, events.UserCreated{ID: 2, Name: "alice"})
	e := engine(t, pool, l, readmodel.All()...)
	stop := run(ctx, e)
	if err := e.Wait(ctx, twin.Position); !errors.Is(err, projections.ErrStopped) {
		t.Errorf("wait: %v", err)
	}
	if err := stop(); !errors.Is(err, projections.ErrStopped) {
		t.Errorf("run: %v", err)
	}
}

func TestEngineWantsEveryEventHandled(t *testing.T) {
	t.Parallel()
	_, pool, l := setup(t)
	if _, err := projections.NewEngine(l, pool, "x", slog.New(slog.DiscardHandler), readmodel.All()[:1]...); err == nil {
		t.Error("an engine without projections for most events was made")
	}
}

func TestVerifyFindsWhatIsDifferent(t *testing.T) {
	t.Parallel()
	s := commandtest.New(t)
	ctx := context.Background()
	verify := func() *projections.Verification {
		v, err := projections.Verify(ctx, s.Ledger, s.DB, migrations.ReadModelSchema(), slog.New(slog.DiscardHandler), nil, readmodel.All()...)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	if v := verify(); len(v.Differences) != 0 || v.Rows == 0 || v.Position == 0 {
		t.Fatalf("a fresh site: %+v", v)
	}
	if _, err := s.DB.Exec(ctx, `update users set name = 'mallory' where id = 1`); err != nil {
		t.Fatal(err)
	}
	v := verify()
	if len(v.Differences) != 1 || v.Differences[0] != (projections.Difference{Table: "users", OnlyLive: 1, OnlyNew: 1}) {
		t.Errorf("after a row was changed by hand: %+v", v.Differences)
	}
	if n := count(t, ctx, s.DB, `select count(*) from pg_namespace where nspname like 'verify_%'`); n != 0 {
		t.Errorf("%d schemas left behind", n)
	}
}

func TestFsck(t *testing.T) {
	t.Parallel()
	s := commandtest.New(t)
	in, err := events.Fsck(context.Background(), s.Ledger, true, nil)
	if err != nil || len(in.Problems) != 0 || in.Events == 0 || int64(in.Head) != in.Events {
		t.Errorf("%+v %v", in, err)
	}
}
