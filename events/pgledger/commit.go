package pgledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"moromi/events"
)

// lockID is the advisory lock of all writers to one database: "moromi l" as bytes.
const lockID = 0x6d6f726f6d69206c

// channel carries the head's position after commits, and who made them: a hint for the other processes.
const channel = "moromi_ledger"

// The statements of a group commit.
const (
	sqlBegin = "begin"
	sqlLock  = "select pg_advisory_xact_lock($1)"
	sqlHead  = "select position, at from ledger.events order by position desc limit 1"
	sqlTails = "select s, (select max(revision) from ledger.events where stream = s) from unnest($1::text[]) s"
	sqlSeen  = "select id, stream, revision, position from ledger.events where id = any($1)"

	sqlInsert = `insert into ledger.events (position, stream, revision, id, type, data, meta, at)
		select position, stream, revision, id, type, data, meta, $8
		from unnest($1::bigint[], $2::text[], $3::bigint[], $4::uuid[], $5::text[], $6::bytea[], $7::bytea[])
			x(position, stream, revision, id, type, data, meta)`
	// sqlInsertAt is sqlInsert if the head is still $9.
	sqlInsertAt = sqlInsert + ` where (select max(position) from ledger.events) = $9`
	// sqlInsertOnlyAt is sqlInsertAt that ends the transaction, and with it what was to be written beside, if the head is another.
	sqlInsertOnlyAt = sqlInsert + ` where 1 / (select case max(position) when $9 then 1 else 0 end from ledger.events) = 1`
	sqlCommit       = "commit"
)

// writer commits batches over one connection that it keeps. Not for concurrent use.
type writer struct {
	connect *pgx.ConnConfig
	clock   func() time.Time
	conn    *pgx.Conn
	memory  memory
	// follower gives the present Follower.
	follower func() Follower
}

// commit writes what it can of a batch in one transaction. The outcome is valid when err is nil; otherwise nothing is known of any of the requests
// (the transaction may or may not have been committed). meanwhile is called as soon as the database has something to do, or there is nothing for it.
func (w *writer) commit(ctx context.Context, batch []*request, meanwhile func()) (o *outcome, err error) {
	defer meanwhile()
	if p, f := w.memory.plan(batch, w.clock); p != nil {
		added := p.recorded()
		if w.writeAt(ctx, p, f, added, meanwhile) {
			return &outcome{batch: batch, answers: p.answers, head: f.head, added: added}, nil
		}
		w.memory.forget()
		if ctx.Err() != nil {
			return nil, fmt.Errorf("commit: %w", ctx.Err())
		}
	}
	meanwhile()
	return w.write(ctx, batch)
}

// writeAt commits a plan made from memory, in one round trip, if the ledger is as remembered. If it did not, or it is not known whether it did,
// write finds out: under the lock, where the same batch meets either what memory held, or another head, at which this one cannot be written any more.
func (w *writer) writeAt(ctx context.Context, p *plan, f *facts, added []events.Recorded, meanwhile func()) (made bool) {
	if w.conn == nil {
		return false
	}
	before := w.memory.head
	b := &pgx.Batch{} // PostgreSQL runs what comes in one batch as one transaction
	b.Queue(sqlLock, int64(lockID))
	insert := b.Queue(sqlInsertAt, append(p.columns(), int64(before))...)
	var rows int64
	insert.Exec(func(t pgconn.CommandTag) error { rows = t.RowsAffected(); return nil })
	if len(p.riders) > 0 {
		insert.SQL = sqlInsertOnlyAt
	}
	p.ride(b)
	if follower := w.follower(); follower != nil {
		if done := follower.Join(before, added, func(sql string, args ...any) { b.Queue(sql, args...) }); done != nil {
			insert.SQL = sqlInsertOnlyAt
			defer func() { done(made) }()
		}
	}
	sent := w.conn.SendBatch(ctx, b)
	meanwhile()
	if err := sent.Close(); err != nil {
		w.rollback(ctx)
		return false
	}
	if rows == 0 {
		return false
	}
	w.memory.learn(before, f, p.at)
	return true
}

// write commits a batch by what the database holds: two round trips.
func (w *writer) write(ctx context.Context, batch []*request) (*outcome, error) {
	facts, err := w.begin(ctx, batch)
	if err != nil {
		return nil, err
	}
	before := facts.head
	p := decide(batch, facts, timeAfter(facts.at, w.clock))
	if len(p.positions) == 0 {
		w.rollback(ctx) // the answers come from what others committed; they hold whatever becomes of this transaction
		return &outcome{batch: batch, answers: p.answers, head: facts.head}, nil
	}
	b := &pgx.Batch{}
	b.Queue(sqlInsert, p.columns()...)
	p.ride(b)
	b.Queue(sqlCommit)
	if err := w.conn.SendBatch(ctx, b).Close(); err != nil {
		w.rollback(ctx)
		w.memory.forget()
		switch {
		case len(p.riders) == 0 || !refusal(err):
			return nil, fmt.Errorf("commit: %w", err)
		case len(batch) == 1:
			batch[0].failed = true // those behind it may be to follow it
			return &outcome{batch: batch, answers: []answer{{err: fmt.Errorf("append: %w", events.ErrRefused)}}, head: before}, nil
		}
		return w.apart(ctx, batch), nil
	}
	w.memory.learn(before, facts, p.at)
	return &outcome{batch: batch, answers: p.answers, head: facts.head, added: p.recorded()}, nil
}

// apart commits the requests of a batch one after the other, since one of their riders would have none of them made.
func (w *writer) apart(ctx context.Context, batch []*request) *outcome {
	all := &outcome{batch: batch, answers: make([]answer, len(batch))}
	for i, r := range batch {
		one, err := w.write(ctx, batch[i:i+1])
		if err != nil {
			all.answers[i].err, r.failed = fmt.Errorf("append: %w", unavailable(err)), true
			continue
		}
		all.answers[i], all.head, all.added = one.answers[0], max(all.head, one.head), append(all.added, one.added...)
	}
	return all
}

// begin opens the transaction, takes the lock and looks up what the batch must know, in one round trip. A kept connection may have died
// while nobody looked; nothing was written then, so it tries once more over a new one.
func (w *writer) begin(ctx context.Context, batch []*request) (*facts, error) {
	for kept := w.conn != nil; ; kept = false {
		if w.conn == nil {
			conn, err := pgx.ConnectConfig(ctx, w.connect)
			if err != nil {
				return nil, fmt.Errorf("connect: %w", err)
			}
			w.conn = conn
		}
		f, err := lookUp(ctx, w.conn, batch)
		if err == nil {
			return f, nil
		}
		w.rollback(ctx)
		if !kept || w.conn != nil || ctx.Err() != nil {
			return nil, fmt.Errorf("begin: %w", err)
		}
	}
}

// rollback leaves the connection outside a transaction, or drops it when that cannot be had.
func (w *writer) rollback(ctx context.Context) {
	if w.conn.IsClosed() {
		w.conn = nil
		return
	}
	if _, err := w.conn.Exec(ctx, "rollback"); err != nil {
		w.drop()
	}
}

func (w *writer) drop() {
	if w.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second) // a courtesy to the server
	defer cancel()
	_ = w.conn.Close(ctx) // of no consequence: the connection is given up either way
	w.conn = nil
}

// timeAfter is the time of a batch: the clock's, but never before the last event's. Microseconds, as PostgreSQL keeps them.
func timeAfter(last time.Time, clock func() time.Time) time.Time {
	at := clock().UTC().Truncate(time.Microsecond)
	if at.Before(last) {
		return last
	}
	return at
}

// facts are what a batch must know of the ledger, true as long as the lock is held. decide carries them on with each append it accepts.
type facts struct {
	head  events.Position
	at    time.Time // of the head
	tails map[string]events.Revision
	seen  map[uuid.UUID]place
}

// place is where an event is.
type place struct {
	stream   string
	revision events.Revision
	position events.Position
}

func lookUp(ctx context.Context, conn *pgx.Conn, batch []*request) (*facts, error) {
	f := &facts{tails: make(map[string]events.Revision, len(batch)), seen: map[uuid.UUID]place{}}
	streams, ids := make([]string, 0, len(batch)), make([][16]byte, 0, len(batch))
	for w := range writesOf(batch) {
		if _, ok := f.tails[w.Stream]; !ok {
			f.tails[w.Stream] = events.NoStream
			streams = append(streams, w.Stream)
		}
		for _, e := range w.Events {
			ids = append(ids, e.ID)
		}
	}
	b := &pgx.Batch{}
	b.Queue(sqlBegin)
	b.Queue(sqlLock, int64(lockID))
	b.Queue(sqlHead).QueryRow(func(row pgx.Row) error {
		err := row.Scan(&f.head, &f.at)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err
	})
	b.Queue(sqlTails, streams).Query(func(rows pgx.Rows) error {
		var s string
		var r *int64
		_, err := pgx.ForEachRow(rows, []any{&s, &r}, func() error {
			if r != nil {
				f.tails[s] = events.Revision(*r)
			}
			return nil
		})
		return err
	})
	b.Queue(sqlSeen, ids).Query(func(rows pgx.Rows) error {
		var id uuid.UUID
		var p place
		_, err := pgx.ForEachRow(rows, []any{(*[16]byte)(&id), &p.stream, &p.revision, &p.position}, func() error { f.seen[id] = p; return nil })
		return err
	})
	if err := conn.SendBatch(ctx, b).Close(); err != nil {
		return nil, err
	}
	f.at = f.at.UTC()
	return f, nil
}
