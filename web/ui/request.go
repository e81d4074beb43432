package ui

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"moromi/projections/query"
)

// pageSize is how many rows a list shows at once.
const pageSize = 50

// maxText bounds a parameter that is shown again or looked up: no name or address of the field is longer.
const maxText = 1000

// request is one call of a page: its parameters, the moment it is about, and a read-only transaction on the read models, so that everything on
// the page is of one position.
type request struct {
	context.Context
	ui    *UI
	db    query.DB
	route *route
	http  *http.Request
	vars  map[string]string
	query url.Values
	at    *moment // nil: now
}

// event is the "as of" of every query; nil is now.
func (r *request) event() *int64 {
	if r.at == nil {
		return nil
	}
	return &r.at.Event
}

// arg gives a parameter of the query by its name; the route must list it. What is no text, or longer than maxText, counts as not given.
func (r *request) arg(name string) string {
	if !slices.Contains(r.route.Params, name) {
		panic("ui: " + r.route.Path + " does not declare the parameter " + name) // a programming error; the table is what is tested
	}
	return clean(r.query.Get(name))
}

func clean(s string) string {
	if len(s) > maxText || !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
		return ""
	}
	return strings.TrimSpace(s)
}

// number gives a parameter that is a whole number above 0; nil if it is not given or none.
func (r *request) number(name string) *int64 {
	n, err := strconv.ParseInt(r.arg(name), 10, 64)
	if err != nil || n <= 0 {
		return nil
	}
	return &n
}

// one gives a parameter if it is one of the values, else the first of them.
func (r *request) one(name string, values ...string) string {
	if v := r.arg(name); slices.Contains(values, v) {
		return v
	}
	return values[0]
}

// on tells whether a switch is set.
func (r *request) on(name string) bool { return r.arg(name) == "1" }

// name is a part of the path.
func (r *request) name(key string) string { return clean(r.vars[key]) }

// id is a part of the path that is a whole number; 0 if it is none.
func (r *request) id(key string) int64 {
	n, err := strconv.ParseInt(r.vars[key], 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// keep gives the query parameters of this call that are set, in the route's order, as key and value by turns; but not those in drop.
func (r *request) keep(drop ...string) []string {
	var out []string
	for _, p := range r.route.Params {
		if v := r.arg(p); v != "" && !slices.Contains(drop, p) {
			out = append(out, p, v)
		}
	}
	return out
}

// rows runs a query with at most limit rows and tells whether there are more.
func (r *request) rows(q *query.Query, limit int) ([]query.Row, bool, error) {
	res, err := q.Run(r, r.db, query.Opts{Limit: int64(limit) + 1})
	if err != nil {
		return nil, false, err
	}
	rows := res.([]query.Row)
	if len(rows) > limit {
		return rows[:limit], true, nil
	}
	return rows, false, nil
}

// cols makes result columns of names and expressions by turns.
func cols(pairs ...string) []query.Col {
	out := make([]query.Col, 0, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		out = append(out, query.Col{Name: pairs[i], Expr: pairs[i+1]})
	}
	return out
}

// stateful starts a query on a table of the stateful shape as of the request's moment. table is a constant of the program.
func (r *request) stateful(table string, c []query.Col) *query.Query {
	if r.at == nil {
		return query.New(c, table)
	}
	return query.New(c, table+"_at(?) "+table, r.at.Event)
}

// snapshot runs f with a request whose reads are all of one position.
func (u *UI) snapshot(ctx context.Context, r *request, f func(*request) error) error {
	return pgx.BeginTxFunc(ctx, u.cfg.DB, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		in := *r
		in.Context, in.db = ctx, tx
		return f(&in)
	})
}
