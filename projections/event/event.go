// Package event answers which events there are and when something in a tag changed. The rows are written by all projections together
// (projections.NoteEvent), so this package only queries.
package event

import (
	"context"
	"fmt"
	"time"

	"moromi/projections/query"

	"github.com/jackc/pgx/v5"
)

func events() *query.Query {
	return query.New([]query.Col{{Name: "id", Expr: "events.id"}, {Name: "ts", Expr: "date_part('epoch', events.time)"}}, "events")
}

// Get gives an event as {id, ts}, ts in seconds since 1970; nil if there is none with that id. Events are numbered by their positions in the
// ledger, and clients count with the numbers: to them, the moment before event 17 is 16. So each position up to last, where the read models are,
// is an event, whether or not Koji would have one there: what is asked as of it is as the last change up to it left it, and the time is that
// change's. A position within a change is before the change.
func Get(ctx context.Context, db query.DB, id, last int64) (query.Row, error) {
	if id < 1 || id > last {
		return nil, nil
	}
	row, err := query.New([]query.Col{{Name: "id", Expr: "asked.id"}, {Name: "ts", Expr: `date_part('epoch', coalesce(
		(select time from events where events.id <= asked.id order by events.id desc limit 1), (select time from events order by events.id limit 1)))`}},
		"(select ?::bigint id) asked", id).One(ctx, db)
	if err != nil || row["ts"] == nil {
		return nil, err
	}
	return row, nil
}

// Last gives the last event, or the last one before a time in seconds since 1970; nil if there is none.
func Last(ctx context.Context, db query.DB, before *float64) (query.Row, error) {
	q := events().OrderBy("events.id desc")
	if before != nil {
		q.Where("date_part('epoch', events.time) < ?", *before)
	}
	rows, err := q.Run(ctx, db, query.Opts{Limit: 1})
	if all, ok := rows.([]query.Row); ok && len(all) > 0 && err == nil {
		return all[0], nil
	}
	return nil, err
}

// Time is when an event was, or the last one before it.
func Time(ctx context.Context, db query.DB, id int64) (time.Time, error) {
	rows, err := db.Query(ctx, `select time from events where id <= $1 order by id desc limit 1`, id)
	if err != nil {
		return time.Time{}, fmt.Errorf("time of event %d: %w", id, err)
	}
	at, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[time.Time])
	if err != nil {
		return time.Time{}, fmt.Errorf("time of event %d: %w", id, err)
	}
	return at, nil
}
