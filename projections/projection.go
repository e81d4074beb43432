// Package projections keeps the read models: PostgreSQL tables that follow the ledger and answer every query.
//
// The sub-packages are the projections, one per noun: its rows (Apply) and its queries. This package has what they share: the Engine that
// follows the ledger, the Batch that rows are written with, and helpers for queries as of an event.
//
// All read models of a hub live in one PostgreSQL schema and share one checkpoint, which moves in the transaction that writes the rows: a
// query that joins builds with tags with users never sees them at different positions, and an event's effect is there once however often it
// is delivered. Apply is pure: from the commit and the projection's own rows; no clock, no other projection's tables, no side effects.
package projections

import (
	"fmt"

	"github.com/jackc/pgx/v5"

	"moromi/events"
)

// Projection turns commits into rows. Apply only queues statements; it sees every event and takes what it knows.
// An error stops the engine: it means that the ledger holds what this program cannot show truthfully.
type Projection interface {
	// Handles lists the wire names of the events that Apply takes. Every event type is handled by at least one projection.
	Handles() []string
	// Apply queues the statements for one event of the commit.
	Apply(b *Batch, c *events.Commit, e events.Event) error
}

// Batch collects the statements of a page of commits; they run in one transaction, in order, in one round trip.
type Batch struct{ pgx pgx.Batch }

// Exec queues a statement. SQL is a constant of the projection; values go only through args.
func (b *Batch) Exec(sql string, args ...any) {
	b.pgx.Queue(sql, args...)
}

// Len is the number of statements queued.
func (b *Batch) Len() int { return b.pgx.Len() }

// Versioned writes the rows of one table of the versioned shape. Table and columns are constants of the projection.
// Key names the columns that identify a thing among the active versions, Cols the rest of its own columns.
type Versioned struct {
	insert, revoke string
	key, cols      int
}

// NewVersioned prepares the statements for a table.
func NewVersioned(table string, key []string, cols ...string) Versioned {
	all := append(append([]string{}, key...), cols...)
	names, marks := "", ""
	for i, c := range all {
		names += c + ", "
		marks += fmt.Sprintf("$%d, ", i+1)
	}
	n := len(all)
	insert := fmt.Sprintf("insert into %s (%screate_event, creator_id, active) values (%s$%d, nullif($%d::bigint, 0), true)", table, names, marks, n+1, n+2)
	where := ""
	for i, c := range key {
		where += fmt.Sprintf("%s = $%d and ", c, i+1)
	}
	k := len(key)
	revoke := fmt.Sprintf("update %s set revoke_event = $%d, revoker_id = nullif($%d::bigint, 0), active = null where %sactive", table, k+1, k+2, where)
	return Versioned{insert: insert, revoke: revoke, key: k, cols: n - k}
}

// Insert queues a new active version: values for the key and then the other columns.
func (v Versioned) Insert(b *Batch, c *events.Commit, values ...any) {
	b.Exec(v.insert, append(values[:len(values):len(values)], int64(c.Position), c.Actor)...)
}

// Revoke queues the end of the active version with this key; nothing happens if there is none.
func (v Versioned) Revoke(b *Batch, c *events.Commit, key ...any) {
	b.Exec(v.revoke, append(key[:len(key):len(key)], int64(c.Position), c.Actor)...)
}

// Replace is Revoke and Insert: values for the key and then the other columns.
func (v Versioned) Replace(b *Batch, c *events.Commit, values ...any) {
	v.Revoke(b, c, values[:v.key]...)
	v.Insert(b, c, values...)
}

// Stateful writes the rows of one table of the stateful shape: TABLE with the present and since, TABLE_past with the same columns and until.
type Stateful struct{ keep, table string }

// NewStateful prepares the statement that keeps an earlier state. The table's key is the column id.
func NewStateful(table string) Stateful {
	return Stateful{table: table, keep: fmt.Sprintf("insert into %s_past select t.*, $2::bigint from %s t where id = $1 and since < $2", table, table)}
}

// Update keeps the present row as past and queues the statement that changes it. In sql, $1 is the row's id and $2 the position for since,
// which it must set; further values follow from $3.
func (s Stateful) Update(b *Batch, c *events.Commit, id int64, sql string, args ...any) {
	b.Exec(s.keep, id, int64(c.Position))
	b.Exec(sql, append([]any{id, int64(c.Position)}, args...)...)
}

// NoteEvent queues the commit as one that clients may know by its event id: every change of something versioned does.
func NoteEvent(b *Batch, c *events.Commit) {
	b.Exec(`insert into events (id, time) values ($1, $2) on conflict do nothing`, int64(c.Position), c.At)
}
