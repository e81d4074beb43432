// Package query builds the SELECT statements of the projections: fixed columns under the names that clients know, conditions added as a call
// asks for them, and Koji's queryOpts. SQL text is always a constant of the program; values are parameters; what a caller names (an order, a
// group) is looked up among the columns.
package query

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/jackc/pgx/v5"
)

// DB is what queries run on: a pool, a connection or a transaction.
type DB interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// Row is one result: column name to value (nil, bool, int64, float64, string, []byte, time.Time, []any, map[string]any).
type Row = map[string]any

// Col is one column of the result: the key that clients see and the SQL expression behind it.
type Col struct{ Name, Expr string }

// Query is a statement under construction. The zero value with Cols and From set is ready. It is for one goroutine.
type Query struct {
	Cols     []Col
	Distinct bool
	from     strings.Builder
	where    []string
	args     []any
	order    string
	sortable []Col
	called   map[string]string // what Koji calls columns inside, where its name is none of ours: names of result columns
}

// New starts a query. from is the SQL after FROM; ? stands for a value.
func New(cols []Col, from string, args ...any) *Query {
	q := &Query{Cols: cols}
	q.from.WriteString(q.bind(from, args))
	return q
}

// bind replaces each ? with the number of its value.
func (q *Query) bind(sql string, args []any) string {
	parts := strings.Split(sql, "?")
	if len(parts) != len(args)+1 {
		panic(fmt.Sprintf("query: %d values for %d places in %q", len(args), len(parts)-1, sql)) // a programming error, whatever the data
	}
	var b strings.Builder
	for i, p := range parts {
		b.WriteString(p)
		if i < len(args) {
			q.args = append(q.args, args[i])
			fmt.Fprintf(&b, "$%d", len(q.args))
		}
	}
	return b.String()
}

// Join adds a join clause, for instance "JOIN users ON users.id = owner".
func (q *Query) Join(sql string, args ...any) *Query {
	q.from.WriteString(" " + q.bind(sql, args))
	return q
}

// Where adds a condition; all conditions must hold. ? stands for a value.
func (q *Query) Where(sql string, args ...any) *Query {
	q.where = append(q.where, "("+q.bind(sql, args)+")")
	return q
}

// At adds the condition that a version of the table with this alias holds as of event, or now if event is nil.
func (q *Query) At(alias string, event *int64) *Query {
	if event == nil {
		return q.Where(alias + ".active")
	}
	return q.Where(alias+".create_event <= ? AND ("+alias+".revoke_event IS NULL OR "+alias+".revoke_event > ?)", *event, *event)
}

// OrderBy sets the order that holds unless Opts ask for another; a constant of the program.
func (q *Query) OrderBy(sql string) *Query {
	q.order = sql
	return q
}

// Sortable lets Opts order by columns that are not in the result, too.
func (q *Query) Sortable(cols ...Col) *Query {
	q.sortable = append(q.sortable, cols...)
	return q
}

// Called lets Opts order by result columns under the names that they have inside Koji: Koji's name to the column's. Names that are ours, too
// ("build.id"), need not be told.
func (q *Query) Called(names map[string]string) *Query {
	q.called = names
	return q
}

// Col adds a result column.
func (q *Query) Col(name, expr string) *Query {
	q.Cols = append(q.Cols[:len(q.Cols):len(q.Cols)], Col{name, expr})
	return q
}

// clauses is FROM and WHERE.
func (q *Query) clauses() string {
	s := " FROM " + q.from.String()
	if len(q.where) > 0 {
		s += " WHERE " + strings.Join(q.where, " AND ")
	}
	return s
}

// columns is the select list. Results are matched by position, so names need no quoting.
func (q *Query) columns() string {
	exprs := make([]string, len(q.Cols))
	for i, c := range q.Cols {
		exprs[i] = c.Expr
	}
	d := ""
	if q.Distinct {
		d = "DISTINCT "
	}
	return "SELECT " + d + strings.Join(exprs, ", ")
}

// Iter runs the query and yields its rows as they come.
func (q *Query) Iter(ctx context.Context, db DB, o Opts) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		sql, err := q.statement(o)
		if err != nil {
			yield(nil, err)
			return
		}
		rows, err := db.Query(ctx, sql, q.args...)
		if err != nil {
			yield(nil, fmt.Errorf("query %.60s: %w", sql, err))
			return
		}
		defer rows.Close()
		for rows.Next() {
			vals, err := rows.Values()
			if err != nil {
				yield(nil, fmt.Errorf("read row: %w", err))
				return
			}
			row := make(Row, len(q.Cols))
			for i, c := range q.Cols {
				row[c.Name] = plain(vals[i])
			}
			if !yield(row, nil) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(nil, fmt.Errorf("query %.60s: %w", sql, err))
		}
	}
}

// Each runs the query and calls f after each row, whose columns are in what to points to then.
func (q *Query) Each(ctx context.Context, db DB, to []any, f func() error) error {
	sql, err := q.statement(Opts{})
	if err != nil {
		return err
	}
	rows, err := db.Query(ctx, sql, q.args...)
	if err != nil {
		return fmt.Errorf("query %.60s: %w", sql, err)
	}
	if _, err := pgx.ForEachRow(rows, to, f); err != nil {
		return fmt.Errorf("query %.60s: %w", sql, err)
	}
	return nil
}

// plain brings PostgreSQL's integer widths to one.
func plain(v any) any {
	switch v := v.(type) {
	case int16:
		return int64(v)
	case int32:
		return int64(v)
	case float32:
		return float64(v)
	}
	return v
}

// All gives all rows, an empty slice if there are none.
func (q *Query) All(ctx context.Context, db DB) ([]Row, error) { return q.rows(ctx, db, Opts{}) }

func (q *Query) rows(ctx context.Context, db DB, o Opts) ([]Row, error) {
	out := []Row{}
	for r, err := range q.Iter(ctx, db, o) {
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// One gives the only row, nil if there is none. More than one is an error.
func (q *Query) One(ctx context.Context, db DB) (Row, error) {
	all, err := q.rows(ctx, db, Opts{Limit: 2})
	if err != nil || len(all) == 0 {
		return nil, err
	}
	if len(all) > 1 {
		return nil, errors.New("query: one row expected, more found")
	}
	return all[0], nil
}

// Like turns a shell pattern (* and ?) into one for LIKE.
func Like(pattern string) string {
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`, `?`, `_`, `*`, `%`).Replace(pattern)
}
