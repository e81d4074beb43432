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
		{"all", map[string]any{"countOnly": true, "order": "-id,name", "group": "name", "offset": int64(3), "limit": int64(10)},
			query.Opts{CountOnly: true, Order: "-id,name", Group: "name", Offset: 3, Limit: 10, HasLimit: true}, 0},
		{"None is not given", map[string]any{"order": nil, "limit": nil, "offset": nil, "countOnly": nil}, query.Opts{}, 0},
		{"Python's truth", map[string]any{"countOnly": int64(1)}, query.Opts{CountOnly: true}, 0},
		{"limit 0", map[string]any{"limit": int64(0)}, query.Opts{HasLimit: true}, 0},
		{"a negative offset is none", map[string]any{"offset": int64(-4)}, query.Opts{}, 0},
		{"what only Koji's inside uses", map[string]any{"rowlock": true, "asList": true}, query.Opts{}, 0},
		{"a limit that is text", map[string]any{"limit": "5"}, query.Opts{}, fault.Parameter},
		{"an offset that is a float", map[string]any{"offset": 1.5}, query.Opts{}, fault.Parameter},
		{"an order that is a list", map[string]any{"order": []any{"id"}}, query.Opts{}, fault.Parameter},
		{"a group that is a number", map[string]any{"group": int64(1)}, query.Opts{}, fault.Parameter},
		{"SQL in an order", map[string]any{"order": "id; drop table build"}, query.Opts{}, fault.Generic},
		{"a function in a group", map[string]any{"group": "pg_sleep(1)"}, query.Opts{}, fault.Generic},
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
		{"a window", query.Opts{Order: "name", Offset: 1, Limit: 2, HasLimit: true}, []string{"b", "c"}},
		{"past the end", query.Opts{Offset: 9}, []string(nil)},
		{"counted", query.Opts{CountOnly: true}, int64(4)},
		{"counted within the window", query.Opts{CountOnly: true, Offset: 1, Limit: 2, HasLimit: true}, int64(2)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := applyOpts([]query.Row{{"name": "b", "rank": int64(1)}, {"name": "a", "rank": int64(2)}, {"name": "c", "rank": nil}, {"name": "d", "rank": int64(2)}}, c.opts)
			if _, ok := c.want.([]string); ok {
				got = names(got)
			}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}
