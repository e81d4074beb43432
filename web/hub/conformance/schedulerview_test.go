package conformance_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"moromi/internal/fault"
	"moromi/internal/xmlrpc"
)

// TestSchedulerViews asks the scheduler's lists for fields, by conditions and in orders (kojihub.scheduler, kojihub.db.QueryView).
func TestSchedulerViews(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	r := newReplay(s, paramNames(t), readFixtures(t))
	for _, st := range readRecording(t, "testdata/recordings/14_tasks.jsonl") {
		r.play(st)
	}
	c := &client{site: s}
	const own = "active,create_ts,host_id,id,task_id"
	const ofTask = "arch,channel_id,completion_ts,method,owner,start_ts,state"
	const messages = "host_id,id,msg,msg_ts,task_id"
	list := func(x ...any) []any { return x }
	for _, q := range []struct {
		method  string
		clauses any
		fields  any
		opts    map[string]any
		keys    string // of every row; empty: there must be no row
		code    fault.Code
	}{
		{"scheduler.getTaskRuns", nil, nil, nil, own, 0},
		{"scheduler.getTaskRuns", nil, "*", nil, own, 0},
		{"scheduler.getTaskRuns", nil, "id", nil, "id", 0},
		{"scheduler.getTaskRuns", nil, list("id", "id", "host_name"), nil, "host_name,id", 0},
		{"scheduler.getTaskRuns", nil, "**", nil, own + ",host_name,host_ready," + ofTask, 0},
		{"scheduler.getTaskRuns", list(list("method", "IN", list("build", "nosuch"))), list("method"), nil, "method", 0},
		{"scheduler.getTaskRuns", list(list("method", list("nosuch"))), nil, nil, "", 0},
		{"scheduler.getTaskRuns", list(list("host_name", "builder1")), "*", nil, own + ",host_name,host_ready", 0}, // a condition brings its table's fields
		{"scheduler.getTaskRuns", nil, "*", map[string]any{"order": "-state,id"}, own + "," + ofTask, 0},           // and so does an order
		{"scheduler.getTaskRuns", list(list("task_id", "1")), nil, nil, own, 0},
		{"scheduler.getTaskRuns", list(list("task_id", "!=", int64(1)), list("active", "is", false)), nil, nil, own, 0},
		{"scheduler.getTaskRuns", list(list("host_ready", "IS", nil)), nil, nil, "", 0},
		{"scheduler.getTaskRuns", list(list("start_ts", "<", 1.0)), nil, nil, "", 0},
		{"scheduler.getTaskRuns", list(list("id", ">=", int64(1)), list("id", "<", int64(2))), nil, nil, own, 0},
		{"scheduler.getTaskRuns", list(list("id", "LIKE", "1")), nil, nil, "", fault.Parameter},
		{"scheduler.getTaskRuns", list(list("id", "NOT IN", list(int64(1)))), nil, nil, "", fault.Parameter},
		{"scheduler.getTaskRuns", list(list("id")), nil, nil, "", fault.Parameter},
		{"scheduler.getTaskRuns", list(list("nosuch", int64(1))), nil, nil, "", fault.Parameter},
		{"scheduler.getTaskRuns", list(list("msg", "x")), nil, nil, "", fault.Parameter},
		{"scheduler.getTaskRuns", nil, list("id", "nosuch"), nil, "", fault.Parameter},
		{"scheduler.getTaskRuns", nil, nil, map[string]any{"order": "nosuch"}, "", fault.Parameter},
		{"scheduler.getTaskRuns", nil, nil, map[string]any{"order": "nosuch", "countOnly": true}, "", fault.Parameter},
		{"scheduler.getTaskRuns", list(list("id", "x")), nil, nil, "", fault.Parameter},
		{"scheduler.getTaskRefusals", nil, nil, nil, "by_host,host_id,id,msg,soft,task_id,ts", 0},
		{"scheduler.getTaskRefusals", list(list("msg", "no space"), list("soft", true)), list("msg", "method", "host_ready"), nil, "host_ready,method,msg", 0},
		{"scheduler.getTaskRefusals", list(list("by_host", "x")), nil, nil, "", fault.Parameter},
		{"scheduler.getTaskRefusals", nil, nil, map[string]any{"order": "id"}, "", fault.Parameter}, // it has no such parameter
		{"scheduler.getLogMessages", nil, nil, nil, messages, 0},
		{"scheduler.getLogMessages", nil, "**", map[string]any{"order": "-msg_ts"}, "arch,channel_id,host_id,host_name,host_ready,id,method,msg,msg_ts,owner,state,task_id", 0},
		{"scheduler.getLogMessages", list(list("msg", "Host refused task: no space")), nil, nil, messages, 0},
		{"scheduler.getLogMessages", nil, "active", nil, "", fault.Parameter},
	} {
		kw := xmlrpc.Kwargs{"clauses": q.clauses, "fields": q.fields}
		if q.opts != nil {
			kw["opts"] = q.opts
		}
		v, err := c.call(q.method, []any{kw})
		var f *xmlrpc.Fault
		if q.code != 0 {
			if !errors.As(err, &f) || f.Code != int(q.code) {
				t.Errorf("%s%v: got %v %v, want fault %d", q.method, kw, v, err, q.code)
			}
			continue
		}
		rows, ok := v.([]any)
		if err != nil || !ok || len(rows) == 0 != (q.keys == "") {
			t.Errorf("%s%v: got %v %v", q.method, kw, v, err)
			continue
		}
		want := strings.Split(q.keys, ",")
		slices.Sort(want)
		for _, row := range rows {
			if keys := slices.Sorted(maps.Keys(row.(map[string]any))); !slices.Equal(keys, want) {
				t.Errorf("%s%v: fields %v, want %v", q.method, kw, keys, want)
			}
		}
	}
}
