package hub

import (
	"reflect"
	"testing"

	"moromi/internal/fault"
	"moromi/projections/query"
)

func TestQueryOpts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		in   map[string]any
		want query.Opts
		code fault.Code // 0: no fault
	}{
		{"nothing", nil, query.Opts{}, 0},
		{"all", map[string]any{"countOnly": true, "offset": int64(3), "limit": int64(10)}, query.Opts{CountOnly: true, Offset: 3, Limit: 10}, 0},
		{"an order", map[string]any{"order": "-id,name", "asList": true}, query.Opts{Order: "-id,name", AsList: true}, 0},
		{"who counts needs no order", map[string]any{"order": []any{"x"}, "countOnly": true}, query.Opts{CountOnly: true}, 0},
		{"and looks at none", map[string]any{"order": "a;b", "countOnly": true}, query.Opts{CountOnly: true, Order: "a;b"}, 0},
		{"None is not given", map[string]any{"order": nil, "limit": nil, "offset": nil, "countOnly": nil}, query.Opts{}, 0},
		{"Python's truth", map[string]any{"countOnly": int64(1)}, query.Opts{CountOnly: true}, 0},
		{"what is false is not given", map[string]any{"limit": int64(0), "offset": "", "order": "", "countOnly": "", "asList": int64(0)}, query.Opts{}, 0},
		{"a negative offset", map[string]any{"offset": int64(-4)}, query.Opts{Offset: -4}, 0},
		{"numbers of other kinds", map[string]any{"offset": 1.7, "limit": true}, query.Opts{Offset: 1, Limit: 1}, 0},
		{"what is ignored", map[string]any{"rowlock": true, "group": int64(1), "bogus": "x"}, query.Opts{}, 0},
		{"a limit that is text", map[string]any{"limit": "5"}, query.Opts{}, fault.Parameter},
		{"an order that is a list", map[string]any{"order": []any{"id"}}, query.Opts{}, fault.Parameter},
		{"SQL in an order", map[string]any{"order": "id; drop table build"}, query.Opts{}, fault.Generic},
		{"a function in an order", map[string]any{"order": "pg_sleep(1)"}, query.Opts{}, fault.Generic},
		{"a quote in an order", map[string]any{"order": "na'me"}, query.Opts{}, fault.Generic},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := queryOpts(c.in)
			if c.code != 0 {
				if !fault.Is(err, c.code) {
					t.Fatalf("got %+v %v, want fault %d", got, err, c.code)
				}
				return
			}
			if err != nil || got != c.want {
				t.Errorf("got %+v %v, want %+v", got, err, c.want)
			}
		})
	}
}

func rankedRows() []query.Row {
	return []query.Row{{"name": "b", "rank": int64(1)}, {"name": "a", "rank": int64(2)}, {"name": "c", "rank": nil}, {"name": "d", "rank": int64(2)}}
}

func TestApplyOptsRefuses(t *testing.T) {
	t.Parallel()
	for _, order := range []string{"nosuch", "-nosuch", "name,nosuch", "name,", " name"} {
		if got, err := applyOpts(rankedRows(), query.Opts{Order: order}, nil); !fault.Is(err, fault.Generic) {
			t.Errorf("order %q gave %v %v", order, got, err)
		}
	}
	if got, err := applyOpts(rankedRows(), query.Opts{Order: "nosuch", CountOnly: true}, nil); !fault.Is(err, fault.Generic) {
		t.Errorf("counted in no such order: %v %v", got, err) // here, Koji sorts before it counts
	}
	if got, err := applyOpts(rankedRows(), query.Opts{AsList: true}, nil); err != nil || len(got.([]query.Row)) != 4 {
		t.Errorf("rows that have no order of values: %v %v", got, err)
	}
}

func TestApplyOptsToRows(t *testing.T) {
	t.Parallel()
	names := func(answer any) []string {
		var out []string
		for _, r := range answer.([]query.Row) {
			out = append(out, r["name"].(string))
		}
		return out
	}
	for _, c := range []struct {
		name string
		opts query.Opts
		want any // names in order, or a count
	}{
		{"as they come", query.Opts{}, []string{"b", "a", "c", "d"}},
		{"by a column", query.Opts{Order: "name"}, []string{"a", "b", "c", "d"}},
		{"nil first", query.Opts{Order: "rank"}, []string{"c", "b", "a", "d"}},
		{"turned around", query.Opts{Order: "-rank"}, []string{"a", "d", "b", "c"}},
		{"by two columns", query.Opts{Order: "-rank,-name"}, []string{"d", "a", "b", "c"}},
		{"a window", query.Opts{Order: "name", Offset: 1, Limit: 2}, []string{"b", "c"}},
		{"past the end", query.Opts{Offset: 9}, []string(nil)},
		{"from the end", query.Opts{Order: "name", Offset: -2}, []string{"c", "d"}},
		{"but for the last", query.Opts{Order: "name", Limit: -1}, []string{"a", "b", "c"}},
		{"as lists", query.Opts{Order: "name", AsList: true, Limit: 2}, []any{[]any{int64(2), "a"}, []any{int64(1), "b"}}},
		{"counted", query.Opts{CountOnly: true}, int64(4)},
		{"counted within the window", query.Opts{CountOnly: true, Offset: 1, Limit: 2}, int64(2)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := applyOpts(rankedRows(), c.opts, []string{"rank", "name"})
			if err != nil {
				t.Fatal(err)
			}
			if _, ok := c.want.([]string); ok {
				got = names(got)
			}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}
