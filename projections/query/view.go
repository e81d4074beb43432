package query

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"moromi/internal/fault"
)

// Kind is what values a Field has.
type Kind int

// The kinds of values.
const (
	Number Kind = iota
	Boolean
	Text
	Moment    // compared as text that PostgreSQL reads as a time
	JSONField // JSON
)

// Field is one field of a View that clients may ask for, filter on and order by.
type Field struct {
	Col
	Join string // key of the join that it needs, "" for none
	Kind Kind
}

// View is a table as clients query it (kojihub.db.QueryView): fields by name, conditions as [field, value] or [field, operator, value].
type View struct {
	From     string            // SQL after FROM
	Joins    map[string]string // join clauses, by what fields call them
	Fields   []Field
	Defaults []string // the fields of a Select without any
	Order    string   // the order of a Select without one
}

// Select is a query on a view: Clauses as the client sent them, Fields with "*" for all of the table itself and "**" for all.
type Select struct {
	Clauses []any
	Fields  []string
	Opts    Opts
}

func (v *View) field(name string) (Field, error) {
	for _, f := range v.Fields {
		if f.Name == name {
			return f, nil
		}
	}
	return Field{}, fault.New(fault.Parameter, "Invalid field for query %s", name)
}

// Run answers a query as Query.Run does. from, with its args, stands in for the view's From unless it is empty.
func (v *View) Run(ctx context.Context, db DB, s Select, from string, args ...any) (any, error) {
	if from == "" {
		from = v.From
	}
	q := New(nil, from, args...)
	var joined []string
	join := func(f Field) {
		if f.Join != "" && !slices.Contains(joined, f.Join) {
			joined = append(joined, f.Join)
			q.Join(v.Joins[f.Join])
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
func (v *View) ordered(q *Query, o *Opts, join func(Field)) error {
	if o.Order == "" {
		q.OrderBy(v.Order)
		return nil
	}
	var out []string
	for _, part := range strings.Split(o.Order, ",") {
		name, desc := strings.CutPrefix(part, "-")
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

func (v *View) columns(names, joined []string, join func(Field)) ([]Col, error) {
	if len(names) == 0 {
		names = v.Defaults
	}
	var want []string
	for _, n := range names {
		for _, f := range v.Fields {
			if n == "**" || n == "*" && (f.Join == "" || slices.Contains(joined, f.Join)) {
				want = append(want, f.Name)
			}
		}
		if n != "*" && n != "**" {
			want = append(want, n)
		}
	}
	var cols []Col
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

func (v *View) clause(q *Query, c any, join func(Field)) error {
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
func condition(q *Query, f Field, op string, val any) error {
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
		if _, ok := val.(bool); val != nil && (!ok || f.Kind != Boolean) {
			return fault.New(fault.Parameter, "Invalid value for %s", op)
		}
		q.Where(f.Expr + " " + op + " " + word)
	case "@>", "<@":
		v, err := f.value(val)
		if err != nil {
			return err
		}
		if f.Kind != JSONField {
			return fault.New(fault.Parameter, "Invalid operator for %s: %s", f.Name, op)
		}
		q.Where(f.Expr+" "+op+" ?::text::jsonb", v)
	default:
		return fault.New(fault.Parameter, "Invalid operator: %s", op)
	}
	return nil
}

// cast brings a value of the field to the column's type.
func (f Field) cast() string {
	switch f.Kind {
	case Moment:
		return "::text::timestamptz"
	case JSONField:
		return "::text::jsonb"
	}
	return ""
}

// value checks that a value is of the field's kind, so that no query fails over it.
func (f Field) value(v any) (any, error) {
	ok := false
	switch f.Kind {
	case Number:
		switch n := v.(type) {
		case int64:
			return n, nil
		case float64:
			return n, nil
		case string: // koji-web passes on what stands in a page's address
			if id, err := strconv.ParseInt(n, 10, 64); err == nil {
				return id, nil
			}
		}
	case Boolean:
		_, ok = v.(bool)
	case Text, Moment:
		_, ok = v.(string)
	case JSONField:
		s, is := v.(string)
		ok = is && json.Valid([]byte(s))
	}
	if !ok {
		return nil, fault.New(fault.Parameter, "Invalid value for the field %s", f.Name)
	}
	return v, nil
}
