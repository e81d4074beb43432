package pgledger

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"moromi/events"
)

// lockID is the advisory lock of all writers to one database: "moromi l" as bytes.
const lockID = 0x6d6f726f6d69206c

// channel carries the head's position after each commit: a hint for the other processes.
const channel = "moromi_ledger"

// The statements of a group commit. READ COMMITTED is spelled out because each statement after the lock must see what was committed
// before the lock was given, whatever the database's default level is.
const (
	sqlBegin = "begin isolation level read committed read write"
	sqlLock  = "select pg_advisory_xact_lock($1)"
	sqlHead  = "select position, at from ledger.events order by position desc limit 1"
	sqlTails = "select s, (select max(revision) from ledger.events where stream = s) from unnest($1::text[]) s"
	sqlSeen  = "select id, stream, revision, position from ledger.events where id = any($1)"

	sqlInsert = `insert into ledger.events (position, stream, revision, id, type, data, meta, at)
		select position, stream, revision, id, type, data, meta, $8
		from unnest($1::bigint[], $2::text[], $3::bigint[], $4::uuid[], $5::text[], $6::bytea[], $7::bytea[])
			x(position, stream, revision, id, type, data, meta)`
	sqlNotify = "select pg_notify('" + channel + "', $1)"
	sqlCommit = "commit"
)

// writer commits batches over one connection that it keeps. Not for concurrent use.
type writer struct {
	connect *pgx.ConnConfig
	clock   func() time.Time
	conn    *pgx.Conn
}

// commit writes what it can of a batch in one transaction: two round trips. The answers are one for each request and valid when err is nil;
// otherwise nothing is known of any (the transaction may or may not have been committed). head is the last position after it, added what is new.
func (w *writer) commit(ctx context.Context, batch []*request) (answers []answer, head events.Position, added []events.Recorded, err error) {
	facts, err := w.begin(ctx, batch)
	if err != nil {
		return nil, 0, nil, err
	}
	p := decide(batch, facts, w.now(facts))
	if len(p.positions) == 0 {
		w.rollback(ctx) // the answers come from what others committed; they hold whatever becomes of this transaction
		return p.answers, facts.head, nil, nil
	}
	b := &pgx.Batch{}
	b.Queue(sqlInsert, p.positions, p.streams, p.revisions, p.ids, p.types, p.datas, p.metas, p.at)
	b.Queue(sqlNotify, strconv.FormatInt(int64(facts.head), 10))
	b.Queue(sqlCommit)
	if err := w.conn.SendBatch(ctx, b).Close(); err != nil {
		w.rollback(ctx)
		return nil, 0, nil, fmt.Errorf("commit: %w", err)
	}
	return p.answers, facts.head, p.recorded(), nil
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

// now is the time of a batch: the clock's, but never before the last event's. Microseconds, as PostgreSQL keeps them.
func (w *writer) now(f *facts) time.Time {
	at := w.clock().UTC().Truncate(time.Microsecond)
	if at.Before(f.at) {
		return f.at
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
	for _, r := range batch {
		if _, ok := f.tails[r.stream]; !ok {
			f.tails[r.stream] = events.NoStream
			streams = append(streams, r.stream)
		}
		for _, e := range r.evs {
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
