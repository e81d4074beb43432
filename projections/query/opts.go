package query

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"moromi/internal/fault"
)

// Opts are Koji's queryOpts (kojihub.db.QueryProcessor). The zero value asks for nothing. Koji's group, which none of its queries takes from a
// caller, and rowlock, which would let anybody hold up others, are not among them.
type Opts struct {
	CountOnly bool   // the number of rows within offset and limit; a Query looks at neither Order nor AsList then
	Order     string // names of columns separated by commas, each with - in front to turn it around
	Offset    int64
	Limit     int64 // 0: none
	AsList    bool  // rows as lists of their values, in the order of the columns' names
}

// window is the end of a statement that gives only what Offset and Limit leave.
func (o Opts) window() (string, error) {
	sql := ""
	for _, part := range []struct {
		word string
		n    int64
	}{{"OFFSET", o.Offset}, {"LIMIT", o.Limit}} {
		switch {
		case part.n < 0: // PostgreSQL refuses it, too
			return "", fault.New(fault.Parameter, "%s must not be negative", part.word)
		case part.n > 0:
			sql += fmt.Sprintf(" %s %d", part.word, part.n)
		}
	}
	return sql, nil
}

// statement is the whole SELECT under o.
func (q *Query) statement(o Opts) (string, error) {
	sql := q.columns() + q.clauses()
	order, err := q.orderBy(o)
	if err != nil {
		return "", err
	}
	if order != "" {
		sql += " ORDER BY " + order
	}
	window, err := o.window()
	return sql + window, err
}

func (q *Query) orderBy(o Opts) (string, error) {
	if o.Order == "" {
		return q.order, nil
	}
	var out []string
	for part := range strings.SplitSeq(o.Order, ",") {
		name, down := strings.CutPrefix(part, "-")
		e, err := q.sortExpr(name)
		if err != nil {
			return "", err
		}
		if down {
			e += " DESC"
		}
		out = append(out, e)
	}
	return strings.Join(out, ", "), nil
}

// sortExpr is the expression that an order's name stands for: a column of the result, one that is only for orders, or, as in Koji, a result
// column by its own name, "buildroot.id".
func (q *Query) sortExpr(name string) (string, error) {
	if column, ok := q.called[name]; ok {
		name = column
	}
	for _, cols := range [][]Col{q.sortable, q.Cols} {
		for _, c := range cols {
			if c.Name == name {
				return c.Expr, nil
			}
		}
	}
	for _, c := range q.Cols {
		if c.Expr == name && strings.Contains(name, ".") {
			return c.Expr, nil
		}
	}
	return "", fault.New(fault.Generic, "Invalid order: %s", name)
}

// byName gives the places of the columns in the order of their names.
func (q *Query) byName() []int {
	order := make([]int, len(q.Cols))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return strings.Compare(q.Cols[a].Name, q.Cols[b].Name) })
	return order
}

// Count gives the number of rows.
func (q *Query) Count(ctx context.Context, db DB) (int64, error) { return q.count(ctx, db, Opts{}) }

// count gives the number of rows within offset and limit.
func (q *Query) count(ctx context.Context, db DB, o Opts) (int64, error) {
	window, err := o.window()
	if err != nil {
		return 0, err
	}
	rows, err := db.Query(ctx, "SELECT count(*) FROM ("+q.columns()+q.clauses()+window+") AS rows", q.args...)
	if err != nil {
		return 0, fmt.Errorf("count: %w", err)
	}
	return pgx.CollectExactlyOneRow(rows, pgx.RowTo[int64])
}

// Run answers under o: []Row, with CountOnly their number (int64), with AsList a list of lists ([]any).
func (q *Query) Run(ctx context.Context, db DB, o Opts) (any, error) { return q.run(ctx, db, o, nil) }

// RunJSON is Run with the JSON text under key decoded.
func (q *Query) RunJSON(ctx context.Context, db DB, o Opts, key string) (any, error) {
	return q.run(ctx, db, o, func(rows []Row) error { return DecodeKey(rows, key) })
}

// run is Run; change, which may be nil, is what happens to rows before anybody sees them.
func (q *Query) run(ctx context.Context, db DB, o Opts, change func([]Row) error) (any, error) {
	if o.CountOnly {
		return q.count(ctx, db, o)
	}
	rows, err := q.rows(ctx, db, o)
	if err != nil {
		return nil, err
	}
	if change != nil {
		if err := change(rows); err != nil {
			return nil, err
		}
	}
	if !o.AsList {
		return rows, nil
	}
	lists, order := make([]any, len(rows)), q.byName()
	for i, r := range rows {
		values := make([]any, len(order))
		for j, place := range order {
			values[j] = r[q.Cols[place].Name]
		}
		lists[i] = values
	}
	return lists, nil
}
