package repo

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"moromi/internal/fault"
	"moromi/projections/query"
)

// kind is what values a field has.
type kind int

const (
	number kind = iota
	boolean
	text
	moment    // compared as text that PostgreSQL reads as a time
	jsonField // JSON
)

// field is one field that clients may ask for, filter on and order by. join is the key of the join that it needs, "" for none.
type field struct {
	query.Col
	join string
	kind kind
}

// view is a table as clients query it (kojihub.db.QueryView): fields by name, conditions as [field, value] or [field, operator, value].
type view struct {
	from     string
	joins    map[string]string
	fields   []field
	defaults []string
	order    string
}

// Select is a query on a view: Clauses as the client sent them, Fields with "*" for all of the table itself and "**" for all.
type Select struct {
	Clauses []any
	Fields  []string
	Opts    query.Opts
}

func (v *view) field(name string) (field, error) {
	for _, f := range v.fields {
		if f.Name == name {
			return f, nil
		}
	}
	return field{}, fault.New(fault.Parameter, "Invalid field for query %s", name)
}

// run answers a query: rows, or a number with CountOnly.
func (v *view) run(ctx context.Context, db query.DB, from string, args []any, s Select) (any, error) {
	q := query.New(nil, from, args...)
	var joined []string
	join := func(f field) {
		if f.join != "" && !slices.Contains(joined, f.join) {
			joined = append(joined, f.join)
			q.Join(v.joins[f.join])
		}
	}
	if err := v.ordered(q, &s.Opts, join); err != nil {
		return nil, err
	}
	for _, c := range s.Clauses {
		if err := v.clause(q, c, join); err != nil {
			return nil, err
		}
	}
	cols, err := v.columns(s.Fields, joined, join)
	if err != nil {
		return nil, err
	}
	q.Cols = cols
	return q.Run(ctx, db, s.Opts)
}

// ordered sets the order from the options: a field may order without being asked for.
func (v *view) ordered(q *query.Query, o *query.Opts, join func(field)) error {
	if o.Order == "" {
		q.OrderBy(v.order)
		return nil
	}
	var out []string
	for _, part := range strings.Split(o.Order, ",") {
		name, desc := strings.CutPrefix(strings.TrimSpace(part), "-")
		f, err := v.field(name)
		if err != nil {
			return err
		}
		join(f)
		if desc {
			out = append(out, f.Expr+" DESC")
		} else {
			out = append(out, f.Expr)
		}
	}
	q.OrderBy(strings.Join(out, ", "))
	o.Order = ""
	return nil
}

func (v *view) columns(names, joined []string, join func(field)) ([]query.Col, error) {
	if len(names) == 0 {
		names = v.defaults
	}
	var want []string
	for _, n := range names {
		for _, f := range v.fields {
			if n == "**" || n == "*" && (f.join == "" || slices.Contains(joined, f.join)) {
				want = append(want, f.Name)
			}
		}
		if n != "*" && n != "**" {
			want = append(want, n)
		}
	}
	var cols []query.Col
	seen := map[string]bool{}
	for _, n := range want {
		f, err := v.field(n)
		if err != nil {
			return nil, err
		}
		if !seen[n] {
			join(f)
			cols, seen[n] = append(cols, f.Col), true
		}
	}
	return cols, nil
}

func (v *view) clause(q *query.Query, c any, join func(field)) error {
	list, ok := c.([]any)
	if !ok || len(list) != 2 && len(list) != 3 {
		return fault.New(fault.Parameter, "Invalid clause: a clause is [field, value] or [field, operator, value]")
	}
	name, _ := list[0].(string)
	op, val := "=", list[len(list)-1]
	if _, many := val.([]any); many && len(list) == 2 {
		op = "IN"
	}
	if len(list) == 3 {
		s, ok := list[1].(string)
		if !ok {
			return fault.New(fault.Parameter, "Invalid operator: it must be text")
		}
		op = strings.ToUpper(s)
	}
	f, err := v.field(name)
	if err != nil {
		return err
	}
	join(f)
	return condition(q, f, op, val)
}

// condition adds one condition. Operators are constants; values are parameters.
func condition(q *query.Query, f field, op string, val any) error {
	switch op {
	case "=", "!=", ">", "<", ">=", "<=":
		if val == nil {
			q.Where("null::boolean")
			return nil
		}
		v, err := f.value(val)
		if err != nil {
			return err
		}
		q.Where(f.Expr+" "+op+" ?"+f.cast(), v)
	case "IN":
		list, ok := val.([]any)
		if !ok {
			return fault.New(fault.Parameter, "Invalid value for IN: it must be a list")
		}
		vals := make([]string, len(list))
		for i, x := range list {
			v, err := f.value(x)
			if err != nil {
				return err
			}
			raw, err := json.Marshal(v)
			if err != nil {
				return fault.Wrap(err, fault.Parameter, "Invalid value for %s", f.Name)
			}
			vals[i] = strings.Trim(string(raw), `"`)
			if s, ok := v.(string); ok {
				vals[i] = s
			}
		}
		q.Where(f.Expr+"::text = any(?)", vals)
	case "IS", "IS NOT":
		word := "NULL"
		if flag, ok := val.(bool); ok {
			word = strings.ToUpper(strconv.FormatBool(flag))
		}
		if _, ok := val.(bool); val != nil && (!ok || f.kind != boolean) {
			return fault.New(fault.Parameter, "Invalid value for %s", op)
		}
		q.Where(f.Expr + " " + op + " " + word)
	case "@>", "<@":
		v, err := f.value(val)
		if err != nil {
			return err
		}
		if f.kind != jsonField {
			return fault.New(fault.Parameter, "Invalid operator for %s: %s", f.Name, op)
		}
		q.Where(f.Expr+" "+op+" ?::text::jsonb", v)
	default:
		return fault.New(fault.Parameter, "Invalid operator: %s", op)
	}
	return nil
}

// cast brings a value of the field to the column's type.
func (f field) cast() string {
	switch f.kind {
	case moment:
		return "::text::timestamptz"
	case jsonField:
		return "::text::jsonb"
	}
	return ""
}

// value checks that a value is of the field's kind, so that no query fails over it.
func (f field) value(v any) (any, error) {
	ok := false
	switch f.kind {
	case number:
		switch n := v.(type) {
		case int64:
			return n, nil
		case float64:
			return n, nil
		}
	case boolean:
		_, ok = v.(bool)
	case text, moment:
		_, ok = v.(string)
	case jsonField:
		s, is := v.(string)
		ok = is && json.Valid([]byte(s))
	}
	if !ok {
		return nil, fault.New(fault.Parameter, "Invalid value for the field %s", f.Name)
	}
	return v, nil
}
