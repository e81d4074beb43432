package pgledger

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"

	"github.com/jackc/pgx/v5"

	"moromi/events"
)

// ErrDamaged: positions or revisions that must follow each other do not, or a subscription stands behind the end of the ledger, as after
// the restore of an older backup. No reader goes on from there by itself.
var ErrDamaged = errors.New("ledger damaged")

const (
	// pageEvents is how many events one query asks for: beyond it replay gains little (500: 275k, 2,000: 310k, 10,000: 349k events/s).
	pageEvents = 2000
	// pageBytes ends a page early: with large events it bounds the memory of a reader to this and one event.
	pageBytes = 8 << 20
)

const columns = "position, stream, revision, id, type, data, meta, at"

const (
	sqlStream = "select " + columns + " from ledger.events where stream = $1 and revision >= $2 order by revision limit $3"
	sqlAll    = "select " + columns + " from ledger.events where position > $1 and position <= $2 order by position limit $3"
)

// Read implements events.Store. It holds no connection while the caller looks at an event, so the caller may use the ledger inside the loop.
func (l *Ledger) Read(ctx context.Context, stream string, from events.Revision, limit int) iter.Seq2[events.Recorded, error] {
	return func(yield func(events.Recorded, error) bool) {
		next := max(from, 0)
		l.pages(ctx, "read stream", limit, yield, func(ctx context.Context, n int) ([]events.Recorded, bool, error) {
			page, more, err := l.page(ctx, n, sqlStream, stream, int64(next), n)
			for _, r := range page {
				if r.Revision != next {
					return nil, false, fmt.Errorf("%w: stream %s has revision %d where %d belongs", ErrDamaged, stream, r.Revision, next)
				}
				next++
			}
			return page, more, err
		})
	}
}

// ReadAll implements events.Store. Without a limit it stops at what was the end when it began.
func (l *Ledger) ReadAll(ctx context.Context, after events.Position, limit int) iter.Seq2[events.Recorded, error] {
	return func(yield func(events.Recorded, error) bool) {
		last, end := max(after, 0), events.Position(math.MaxInt64)
		if limit <= 0 {
			head, err := l.Head(ctx)
			if err != nil {
				yield(events.Recorded{}, err)
				return
			}
			end = head
		}
		l.pages(ctx, "read all", limit, yield, func(ctx context.Context, n int) ([]events.Recorded, bool, error) {
			page, more, err := l.pageAfter(ctx, last, end, n)
			if len(page) > 0 {
				last = page[len(page)-1].Position
			}
			return page, more, err
		})
	}
}

// pages yields page after page until one is the last, limit is reached (0: none) or the caller stops.
func (l *Ledger) pages(ctx context.Context, op string, limit int, yield func(events.Recorded, error) bool,
	fetch func(context.Context, int) (page []events.Recorded, more bool, err error)) {
	for left := limit; ; {
		n := pageEvents
		if limit > 0 {
			n = min(n, left)
		}
		page, more, err := func() ([]events.Recorded, bool, error) {
			bounded, stop := l.bound(ctx)
			defer stop()
			return fetch(bounded, n)
		}()
		if err != nil {
			yield(events.Recorded{}, l.failure(ctx, op, err))
			return
		}
		for _, r := range page {
			if !yield(r, nil) {
				return
			}
		}
		if left -= len(page); !more || limit > 0 && left == 0 {
			return
		}
	}
}

// pageAfter reads what follows a position and checks that nothing is missing.
func (l *Ledger) pageAfter(ctx context.Context, last, end events.Position, n int) ([]events.Recorded, bool, error) {
	page, more, err := l.page(ctx, n, sqlAll, int64(last), int64(end), n)
	for _, r := range page {
		if r.Position != last+1 {
			return nil, false, fmt.Errorf("%w: position %d follows %d", ErrDamaged, r.Position, last)
		}
		last = r.Position
	}
	return page, more, err
}

// reading runs f over a connection of the readers. One that was kept may have died while nobody looked, and then those beside it have too:
// all are given up, and f, which only reads, runs once more over a new one.
func (l *Ledger) reading(ctx context.Context, f func(*pgx.Conn) error) error {
	for again := false; ; again = true {
		conn, err := l.readers.Acquire(ctx)
		if err != nil {
			return err
		}
		err = f(conn.Conn())
		died := conn.Conn().IsClosed()
		conn.Release()
		if err == nil || again || !died || ctx.Err() != nil {
			return err
		}
		l.readers.Reset()
	}
}

// page runs a query for at most n events. more: there may be others behind them.
func (l *Ledger) page(ctx context.Context, n int, sql string, args ...any) (page []events.Recorded, more bool, err error) {
	err = l.reading(ctx, func(conn *pgx.Conn) error {
		page, more, err = readPage(ctx, conn, n, sql, args...)
		return err
	})
	return page, more, err
}

func readPage(ctx context.Context, conn *pgx.Conn, n int, sql string, args ...any) (page []events.Recorded, more bool, err error) {
	rows, err := conn.Query(ctx, sql, args...)
	if err != nil {
		return nil, false, err
	}
	defer rows.Close()
	size := 0
	for rows.Next() {
		var r events.Recorded
		if err := rows.Scan(&r.Position, &r.Stream, &r.Revision, (*[16]byte)(&r.ID), &r.Type, &r.Data, &r.Meta, &r.At); err != nil {
			return nil, false, err
		}
		r.At = r.At.UTC()
		page = append(page, r)
		if size += len(r.Data) + len(r.Meta); size >= pageBytes {
			return page, true, nil
		}
	}
	return page, len(page) == n, rows.Err()
}

// Head implements events.Store.
func (l *Ledger) Head(ctx context.Context) (events.Position, error) {
	bounded, stop := l.bound(ctx)
	defer stop()
	head, err := l.head(bounded)
	if err != nil {
		return 0, l.failure(ctx, "head", err)
	}
	return head, nil
}

func (l *Ledger) head(ctx context.Context) (head events.Position, err error) {
	err = l.reading(ctx, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, "select position from ledger.events order by position desc limit 1").Scan(&head)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, nil
	}
	return head, err
}
