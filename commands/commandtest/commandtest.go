// Package commandtest gives tests a command service on a database of their own: a PostgreSQL ledger, read models that follow it, and the rows of
// a fresh site.
package commandtest

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"moromi/commands"
	"moromi/events"
	"moromi/events/pgledger"
	"moromi/internal/pgtest"
	"moromi/migrations"
	"moromi/projections"
	"moromi/projections/readmodel"
)

// patience bounds how long a test waits for its site to start; it is only reached when something hangs.
const patience = time.Minute

// Admin is the name of the administrator that New makes; its user id is 1.
const Admin = "kojiadmin"

// New gives a service on an empty site in its bootstrap state. All of it ends with the test.
func New(t testing.TB) *commands.Service {
	t.Helper()
	pool := pgtest.DB(t)
	ctx, cancel := context.WithCancel(context.Background())
	ledger, err := pgledger.Open(ctx, pgledger.Config{Pool: pool, Readers: 4})
	if err != nil {
		t.Fatalf("open ledger: %v", err)
	}
	s := Over(t, ctx, ledger, pool)
	t.Cleanup(func() {
		cancel()
		if err := ledger.Close(); err != nil {
			t.Errorf("close ledger: %v", err)
		}
	})
	return s
}

// log drops what a service says, unless the test fails: then it is shown.
func log(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	defer func() { _ = recover() }() // the test may be over: nobody is interested then
	w.t.Logf("%s", p)
	return len(p), nil
}

// Over gives a service over any ledger, with its read models in the pool's database.
func Over(t testing.TB, ctx context.Context, ledger events.Store, pool *pgxpool.Pool) *commands.Service {
	t.Helper()
	engine, err := projections.NewEngine(ledger, pool, migrations.ReadModelSchema(), log(t), readmodel.All()...)
	if err != nil {
		t.Fatalf("make engine: %v", err)
	}
	if l, ok := ledger.(interface{ SetFollower(pgledger.Follower) }); ok {
		l.SetFollower(engine)
	}
	s := commands.NewService(ledger, engine, pool, log(t), time.Now)
	engine.OnCommit(s.Scheduler.Watch)
	ended := make(chan error, 1)
	run, stop := context.WithCancel(ctx)
	go func() { ended <- engine.Run(run) }()
	kept := make(chan error, 1)
	go func() { kept <- s.Decisions.Run(run) }()
	t.Cleanup(func() {
		stop()
		<-kept
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("engine ended: %v", err)
		}
	})
	wait, done := context.WithTimeout(ctx, patience)
	defer done()
	if err := errors.Join(s.BootstrapCatalog(wait), s.BootstrapAdmin(wait, Admin, nil)); err != nil {
		t.Fatalf("bootstrap: %v", err)
	}
	return s
}
