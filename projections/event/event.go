// Package event answers which events there are and when something in a tag changed. The rows are written by all projections together
// (projections.NoteEvent), so this package only queries.
package event

import (
	"context"

	"moromi/projections/query"
)

func events() *query.Query {
	return query.New([]query.Col{{Name: "id", Expr: "events.id"}, {Name: "ts", Expr: "date_part('epoch', events.time)"}}, "events")
}

// Get gives an event as {id, ts}, ts in seconds since 1970; nil if there is none with that id.
func Get(ctx context.Context, db query.DB, id int64) (query.Row, error) {
	return events().Where("events.id = ?", id).One(ctx, db)
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
