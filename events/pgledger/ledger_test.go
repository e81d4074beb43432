package pgledger_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"moromi/events"
	"moromi/events/pgledger"
	"moromi/internal/pgtest"
)

// writersLock is pgledger's advisory lock: other programs that write must know it, so a change here is a change of protocol.
const writersLock = 0x6d6f726f6d69206c

var errEnough = errors.New("enough")

func event(typ string) events.New {
	return events.New{ID: uuid.Must(uuid.NewV7()), Type: typ, Data: []byte(`{}`), Meta: []byte(`{}`)}
}

func bounded(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func mustAppend(t testing.TB, l *pgledger.Ledger, stream string, at events.Revision, evs ...events.New) events.Appended {
	t.Helper()
	a, err := l.Append(bounded(t), stream, at, evs...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func mustExec(t testing.TB, db interface {
	Exec(context.Context, string, ...any) (pgconn.CommandTag, error)
}, sql string, args ...any) {
	t.Helper()
	if _, err := db.Exec(bounded(t), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func scalar[T any](t testing.TB, db *pgxpool.Pool, sql string, args ...any) (v T) {
	t.Helper()
	if err := db.QueryRow(bounded(t), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// holdLock takes the writers' lock as another process would and gives the transaction that has it.
func holdLock(t testing.TB, db *pgxpool.Pool) pgx.Tx {
	t.Helper()
	tx, err := db.Begin(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	mustExec(t, tx, "select pg_advisory_xact_lock($1)", int64(writersLock))
	return tx
}

// waitForWaiter returns when a writer waits for the lock.
func waitForWaiter(t testing.TB, db *pgxpool.Pool) {
	t.Helper()
	ctx := bounded(t)
	for waiting := false; !waiting; {
		err := db.QueryRow(ctx, `select exists (select from pg_locks where locktype = 'advisory' and not granted
			and database = (select oid from pg_database where datname = current_database()))`).Scan(&waiting)
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestOneBatch(t *testing.T) {
	t.Parallel()
	ctx, db := bounded(t), database(t)
	l := openAt(t, pgledger.Config{Pool: db})
	mustAppend(t, l, "task-1", events.NoStream, event("a"), event("b"))
	used := event("used")
	mustAppend(t, l, "task-0", events.NoStream, used)

	tx := holdLock(t, db)
	type outcome struct {
		at  events.Appended
		err error
	}
	results := map[string]chan outcome{}
	send := func(what, stream string, at events.Revision, evs ...events.New) {
		c := make(chan outcome, 1)
		results[what] = c
		queued := l.Queued()
		go func() {
			a, err := l.Append(ctx, stream, at, evs...)
			c <- outcome{a, err}
		}()
		if what != "blocker" { // wait until it stands in the queue, so that the order is what it says here
			for l.Queued() == queued {
				if ctx.Err() != nil {
					t.Fatal(ctx.Err())
				}
			}
		}
	}
	send("blocker", "task-9", events.NoStream, event("z"))
	waitForWaiter(t, db)
	twice := event("twice")
	send("first", "task-1", 1, event("c"))
	send("second", "task-1", 2, event("d"), event("e"))
	send("late", "task-1", 2, event("x"))
	send("third", "task-1", 4, event("f"))
	send("other", "task-2", events.NoStream, twice)
	send("again", "task-2", events.NoStream, twice)
	send("stolen id", "task-3", events.NoStream, event("y"), used)
	send("any", "task-1", events.Any, event("g"))
	if err := tx.Rollback(ctx); err != nil {
		t.Fatal(err)
	}
	got := map[string]outcome{}
	for what, c := range results {
		got[what] = <-c
	}
	for what, want := range map[string]events.Appended{
		"blocker": {Revision: 0, Position: 4},
		"first":   {Revision: 2, Position: 5},
		"second":  {Revision: 4, Position: 7},
		"third":   {Revision: 5, Position: 8},
		"other":   {Revision: 0, Position: 9},
		"again":   {Revision: 0, Position: 9},
		"any":     {Revision: 6, Position: 10},
	} {
		if got[what].err != nil || got[what].at != want {
			t.Errorf("%s: %+v, want %+v", what, got[what], want)
		}
	}
	var conflict *events.Conflict
	if !errors.As(got["late"].err, &conflict) || conflict.Current != 4 {
		t.Errorf("late: %+v, want a conflict at 4", got["late"])
	}
	if !errors.Is(got["stolen id"].err, events.ErrInvalid) {
		t.Errorf("stolen id: %+v, want ErrInvalid", got["stolen id"])
	}
	if n := scalar[int](t, db, "select count(distinct xmin::text) from ledger.events where position between 5 and 10"); n != 1 {
		t.Errorf("the batch took %d transactions, want 1", n)
	}
	if n := scalar[int](t, db, "select count(*) from ledger.events"); n != 10 {
		t.Errorf("%d events, want 10", n)
	}
}

// TestTwoProcesses: two ledgers on one database, as two hubs have them. Positions stay dense, and a reader of each sees all.
func TestTwoProcesses(t *testing.T) {
	t.Parallel()
	const writers, each = 16, 25
	ctx, url := bounded(t), address(t)
	ledgers := []*pgledger.Ledger{openAt(t, pgledger.Config{URL: url}), openAt(t, pgledger.Config{URL: url})}
	var readers, all sync.WaitGroup
	for i, l := range ledgers {
		readers.Go(func() {
			n := 0
			err := l.Subscribe(ctx, 0, func(_ context.Context, rs []events.Recorded) error {
				for _, r := range rs {
					if n++; r.Position != events.Position(n) {
						return fmt.Errorf("position %d, want %d", r.Position, n)
					}
				}
				if n == 2*writers*each {
					return errEnough
				}
				return nil
			})
			if !errors.Is(err, errEnough) {
				t.Errorf("reader %d: %v", i, err)
			}
		})
		for w := range writers {
			all.Go(func() {
				for n := range each {
					if n%2 == 0 {
						mustAppendOr(t, ctx, l, fmt.Sprintf("task-%d-%d-%d", i, w, n), events.NoStream)
					} else {
						mustAppendOr(t, ctx, l, "shared", events.Any)
					}
				}
			})
		}
	}
	all.Wait()
	readers.Wait()
}

func mustAppendOr(t *testing.T, ctx context.Context, l *pgledger.Ledger, stream string, at events.Revision) {
	if _, err := l.Append(ctx, stream, at, event("a")); err != nil {
		t.Error(err)
	}
}

// TestLateCommitter: another process has written position n+1 and not yet committed. Nobody gets n+2 before it is there.
func TestLateCommitter(t *testing.T) {
	t.Parallel()
	ctx, db := bounded(t), database(t)
	setDefault(t, db, "default_transaction_isolation", "repeatable read") // a snapshot from before the lock would miss the late one
	l := openAt(t, pgledger.Config{Pool: db})
	mustAppend(t, l, "task-1", events.NoStream, event("a"))
	tx := holdLock(t, db)
	mustExec(t, tx, `insert into ledger.events values (2, 'late', 0, gen_random_uuid(), 'a', '{}', '{}', now())`)
	got, done := make(chan events.Position, 10), make(chan error, 1)
	go func() {
		done <- l.Subscribe(ctx, 0, func(_ context.Context, rs []events.Recorded) error {
			for _, r := range rs {
				if got <- r.Position; r.Position == 3 {
					return errEnough
				}
			}
			return nil
		})
	}()
	if p := <-got; p != 1 {
		t.Errorf("position %d, want 1", p)
	}
	answer := make(chan events.Appended, 1)
	go func() {
		a, err := l.Append(ctx, "task-2", events.NoStream, event("b"))
		if err != nil {
			t.Error(err)
		}
		answer <- a
	}()
	waitForWaiter(t, db)
	if head, err := l.Head(ctx); head != 1 || err != nil {
		t.Errorf("head %d, %v, want 1", head, err)
	}
	if err := tx.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	if a := <-answer; a.Position != 3 {
		t.Fatalf("appended at %d, want 3", a.Position)
	}
	if err := <-done; !errors.Is(err, errEnough) {
		t.Error(err)
	}
	if p, q := <-got, <-got; p != 2 || q != 3 {
		t.Errorf("positions %d, %d, want 2, 3", p, q)
	}
}

func TestClockGoesBack(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 11, 21, 12, 0, 0, 123456789, time.FixedZone("CET", 3600))
	ticks := []time.Time{noon, noon.Add(-time.Hour), noon.Add(time.Second), noon.Add(time.Millisecond)}
	i := 0
	l := openAt(t, pgledger.Config{URL: address(t), Clock: func() time.Time { defer func() { i++ }(); return ticks[i] }})
	for range ticks {
		mustAppend(t, l, "task-1", events.Any, event("a"))
	}
	first := noon.UTC().Truncate(time.Microsecond)
	want := []time.Time{first, first, first.Add(time.Second), first.Add(time.Second)}
	for r, err := range l.ReadAll(bounded(t), 0, 0) {
		if err != nil {
			t.Fatal(err)
		}
		if w := want[r.Revision]; r.At != w {
			t.Errorf("event %d at %v, want %v", r.Revision, r.At, w)
		}
	}
}

// TestAnswerLost: the connection dies after the commit was sent and done. Who wrote from memory finds the event when it looks; otherwise the append
// is unavailable, and its retry finds it. Either way it is there once.
func TestAnswerLost(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		expected events.Revision
		lose     int // the sending whose answer is lost
		want     error
	}{
		"from memory":    {1, 1, nil},
		"after a lookup": {events.Any, 2, events.ErrUnavailable}, // the first sending asks for the facts, the second commits
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, k, db := bounded(t), &link{}, database(t)
			l := openAt(t, pgledger.Config{Pool: k.plug(t, db.Config().ConnString())})
			stream := "task-1"
			mustAppend(t, l, stream, events.NoStream, event("a"))
			mustAppend(t, l, stream, 0, event("a")) // now all statements are prepared
			other := openAt(t, pgledger.Config{Pool: db})
			if c.expected == events.Any {
				stream = "task-2"
				mustAppend(t, other, stream, events.NoStream, event("a"), event("a"))
			}
			e := event("b")
			k.loseAnswer(c.lose)
			if _, err := l.Append(ctx, stream, c.expected, e); !errors.Is(err, c.want) {
				t.Fatalf("append: %v, want %v", err, c.want)
			}
			if n := scalar[int](t, db, "select count(*) from ledger.events where id = $1", e.ID); n != 1 {
				t.Fatalf("the event is there %d times, want once: the test lost the wrong answer", n)
			}
			if k.losesStill() {
				t.Fatal("no answer was lost")
			}
			for range 2 {
				if a, err := l.Append(ctx, stream, c.expected, e); err != nil || a.Revision != 2 {
					t.Errorf("retry: %+v, %v, want revision 2", a, err)
				}
			}
			mustAppend(t, l, stream, 2, event("c"))
		})
	}
}

// TestOthersWrite: what a writer remembers of a stream does not hold once another process has written.
func TestOthersWrite(t *testing.T) {
	t.Parallel()
	ctx, db := bounded(t), database(t)
	a, b := openAt(t, pgledger.Config{Pool: db}), openAt(t, pgledger.Config{Pool: db})
	mustAppend(t, a, "task-1", events.NoStream, event("a"))
	mustAppend(t, a, "task-1", 0, event("a"))
	e := event("b")
	mustAppend(t, b, "task-1", 1, e)
	mustAppend(t, b, "task-2", events.NoStream, event("b"))
	var conflict *events.Conflict
	if _, err := a.Append(ctx, "task-1", 1, event("a")); !errors.As(err, &conflict) || conflict.Current != 2 {
		t.Errorf("append to a stream that is longer than remembered: %v, want a conflict at 2", err)
	}
	if _, err := a.Append(ctx, "task-2", events.NoStream, event("a")); !errors.As(err, &conflict) || conflict.Current != 0 {
		t.Errorf("append to a stream that is not known to be there: %v, want a conflict at 0", err)
	}
	mustAppend(t, a, "task-1", 2, event("a"))
	mustAppend(t, b, "task-3", events.NoStream, event("b"))
	if _, err := a.Append(ctx, "task-1", 3, e); !errors.Is(err, events.ErrInvalid) {
		t.Errorf("append of an id that another process used: %v, want ErrInvalid", err)
	}
	mustAppend(t, a, "task-1", 3, event("a"))
	if _, err := a.Append(ctx, "task-1", 4, e); !errors.Is(err, events.ErrInvalid) {
		t.Errorf("append of a used id to a remembered stream: %v, want ErrInvalid", err)
	}
	if a, err := b.Append(ctx, "task-1", 1, e); err != nil || a.Revision != 2 {
		t.Errorf("append again: %+v, %v, want revision 2", a, err)
	}
	if n := scalar[int](t, db, "select count(*) from ledger.events"); n != 7 {
		t.Errorf("%d events, want 7", n)
	}
}

// TestKeptConnectionDied: the writer's connection was closed while idle. Nothing was sent, so the caller need not know.
func TestKeptConnectionDied(t *testing.T) {
	t.Parallel()
	ctx, db := bounded(t), database(t)
	l := openAt(t, pgledger.Config{Pool: db})
	for i := range 3 {
		if _, err := l.Append(ctx, "task-1", events.Revision(i-1), event("a")); err != nil {
			t.Errorf("append %d: %v", i, err)
		}
		mustExec(t, db, "select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = current_database() and application_name = 'moromi ledger'")
	}
}

// TestStuckWriter: another process sits on the lock. The caller's context bounds the wait, and nothing is written afterwards.
func TestStuckWriter(t *testing.T) {
	t.Parallel()
	db := database(t)
	l := openAt(t, pgledger.Config{Pool: db})
	tx := holdLock(t, db)
	ctx, cancel := context.WithCancel(bounded(t))
	first, second := make(chan error, 1), make(chan error, 1)
	go func() { _, err := l.Append(ctx, "task-1", events.NoStream, event("a")); first <- err }()
	waitForWaiter(t, db)
	go func() { _, err := l.Append(ctx, "task-2", events.NoStream, event("a")); second <- err }()
	for l.Queued() == 0 {
	}
	cancel()
	for _, c := range []chan error{first, second} {
		if err := <-c; !errors.Is(err, events.ErrUnavailable) || !errors.Is(err, context.Canceled) {
			t.Errorf("append: %v, want ErrUnavailable and context.Canceled", err)
		}
	}
	if err := tx.Rollback(bounded(t)); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, l, "task-3", events.NoStream, event("a"))
	if n := scalar[int](t, db, "select count(*) from ledger.events where stream = 'task-2'"); n != 0 {
		t.Errorf("an append whose caller had gone before its turn was written")
	}
}

// setDefault sets a parameter for all later sessions of a database.
func setDefault(t *testing.T, db *pgxpool.Pool, name, value string) {
	t.Helper()
	mustExec(t, db, fmt.Sprintf("alter database %s set %s = '%s'", pgx.Identifier{db.Config().ConnConfig.Database}.Sanitize(), name, value))
}

func TestSessionParameters(t *testing.T) {
	t.Parallel()
	db := database(t)
	setDefault(t, db, "synchronous_commit", "off")
	l := openAt(t, pgledger.Config{URL: db.Config().ConnString()})
	for name, want := range map[string]string{
		"synchronous_commit": "on", "lock_timeout": "5s", "statement_timeout": "10s", "idle_in_transaction_session_timeout": "10s", "enable_seqscan": "off",
	} {
		if got, err := l.Show(bounded(t), name); err != nil || got != want {
			t.Errorf("%s = %q, %v, want %q", name, got, err, want)
		}
	}
}

func TestDamage(t *testing.T) {
	t.Parallel()
	ctx, db := bounded(t), database(t)
	l := openAt(t, pgledger.Config{Pool: db})
	mustAppend(t, l, "task-1", events.NoStream, event("a"), event("b"))
	mustExec(t, db, `insert into ledger.events values (4, 'task-1', 3, gen_random_uuid(), 'a', '{}', '{}', now())`)
	n := 0
	count := func(_ context.Context, rs []events.Recorded) error { n += len(rs); return nil }
	if err := l.Subscribe(ctx, 2, count); !errors.Is(err, pgledger.ErrDamaged) || n != 0 || !strings.Contains(err.Error(), "4 follows 2") {
		t.Errorf("subscription over a gap: %d events, %v", n, err)
	}
	if err := l.Subscribe(ctx, 5, count); !errors.Is(err, pgledger.ErrDamaged) {
		t.Errorf("subscription behind the end: %v, want ErrDamaged", err)
	}
	for what, seq := range map[string]func(func(events.Recorded, error) bool){"all": l.ReadAll(ctx, 0, 0), "stream": l.Read(ctx, "task-1", 0, 0)} {
		var err error
		for _, err = range seq {
		}
		if !errors.Is(err, pgledger.ErrDamaged) {
			t.Errorf("read %s over a gap: %v, want ErrDamaged", what, err)
		}
	}
}

func TestAppendOnly(t *testing.T) {
	t.Parallel()
	db := database(t)
	l := openAt(t, pgledger.Config{Pool: db})
	mustAppend(t, l, "task-1", events.NoStream, event("a"))
	const change = "update ledger.events set type = 'b'"
	for _, sql := range []string{
		change, "delete from ledger.events", "truncate ledger.events", "delete from ledger.events where false",
		"set session_replication_role = replica; " + change,
		"insert into ledger.events select * from ledger.events on conflict (position) do update set type = 'b'",
		"merge into ledger.events e using (select 1 as p) x on e.position = x.p when matched then delete",
	} {
		err := pgx.BeginFunc(bounded(t), db, func(tx pgx.Tx) error { _, err := tx.Exec(bounded(t), sql); return err })
		if err == nil || !strings.Contains(err.Error(), "append-only") {
			t.Errorf("%s: %v, want a refusal", sql, err)
		}
	}
	if typ := scalar[string](t, db, "select type from ledger.events"); typ != "a" {
		t.Errorf("type is %q now", typ)
	}
	if text := scalar[string](t, db, "select data from ledger.readable"); text != "{}" {
		t.Errorf("readable data %q", text)
	}
}

// TestFalseNotification: anyone who can connect can notify. It must not cost an event, nor the wake-ups of later ones.
func TestFalseNotification(t *testing.T) {
	t.Parallel()
	ctx, url := bounded(t), address(t)
	writer, reader := openAt(t, pgledger.Config{URL: url}), openAt(t, pgledger.Config{URL: url})
	db, err := pgxpool.New(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	seen, done := make(chan events.Position), make(chan error, 1)
	go func() {
		done <- reader.Subscribe(ctx, 0, func(_ context.Context, rs []events.Recorded) error {
			for _, r := range rs {
				if seen <- r.Position; r.Position == 3 {
					return errEnough
				}
			}
			return nil
		})
	}()
	for i, payload := range []string{"9223372036854775807", "no number", "-5 no process"} {
		mustExec(t, db, "select pg_notify('moromi_ledger', $1)", payload)
		mustAppend(t, writer, "task-1", events.Revision(i-1), event("a"))
		if p := <-seen; p != events.Position(i+1) {
			t.Errorf("position %d, want %d", p, i+1)
		}
	}
	if err := <-done; !errors.Is(err, errEnough) {
		t.Error(err)
	}
}

func TestOpenErrors(t *testing.T) {
	t.Parallel()
	ctx, url, empty := bounded(t), address(t), pgtest.Empty(t)
	for what, c := range map[string]struct {
		config      pgledger.Config
		unavailable bool
		text        string
	}{
		"neither":   {pgledger.Config{}, false, "exactly one"},
		"both":      {pgledger.Config{URL: url, Pool: empty}, false, "exactly one"},
		"no schema": {pgledger.Config{Pool: empty}, false, "ledger.events"},
		"no server": {pgledger.Config{URL: "postgres://u:secret@127.0.0.1:1/x?connect_timeout=2"}, true, "connect"},
		"bad url":   {pgledger.Config{URL: "postgres://u:secret@[::1/x"}, false, "open ledger"},
	} {
		l, err := pgledger.Open(ctx, c.config)
		if err == nil {
			_ = l.Close()
			t.Errorf("%s: opened", what)
			continue
		}
		if errors.Is(err, events.ErrUnavailable) != c.unavailable || !strings.Contains(err.Error(), c.text) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestCloseLeavesNothing(t *testing.T) { // not parallel: it counts goroutines
	db := database(t)
	if err := db.Ping(bounded(t)); err != nil {
		t.Fatal(err)
	}
	before := goleak.IgnoreCurrent()
	l, err := pgledger.Open(bounded(t), pgledger.Config{Pool: db})
	if err != nil {
		t.Fatal(err)
	}
	mustAppend(t, l, "task-1", events.NoStream, event("a"))
	for range l.ReadAll(bounded(t), 0, 0) {
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	goleak.VerifyNone(t, before)
}
