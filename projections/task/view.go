package task

import (
	"context"
	"maps"
	"slices"
	"strings"

	"moromi/internal/fault"
	"moromi/projections/query"
)

// view is one of the scheduler's lists that callers choose columns and conditions of (kojihub.db.QueryView).
type view struct {
	from     string
	columns  map[string]string
	defaults []string
}

var (
	runsView = view{"scheduler_task_runs r join task on task.id = r.task_id left join host on host.id = r.host_id left join ops.host_status s on s.host_id = host.id",
		map[string]string{"id": "r.id", "task_id": "r.task_id", "method": "task.method", "state": "task.state", "owner": "task.owner", "arch": "task.arch",
			"channel_id": "task.channel_id", "host_name": "host.name", "host_ready": "coalesce(s.ready, false)", "host_id": "r.host_id", "active": "r.active",
			"create_ts": "extract(epoch from r.create_time)::float8", "start_ts": "extract(epoch from task.start_time)::float8",
			"completion_ts": "extract(epoch from task.completion_time)::float8"},
		[]string{"id", "task_id", "host_id", "active", "create_ts"}}
	refusalsView = view{"scheduler_task_refusals r join task on task.id = r.task_id left join host on host.id = r.host_id left join ops.host_status s on s.host_id = host.id",
		map[string]string{"id": "r.id", "task_id": "r.task_id", "host_id": "r.host_id", "by_host": "r.by_host", "soft": "r.soft", "msg": "r.msg",
			"ts": "extract(epoch from r.time)::float8", "method": "task.method", "state": "task.state", "owner": "task.owner", "arch": "task.arch",
			"channel_id": "task.channel_id", "host_name": "host.name", "host_ready": "coalesce(s.ready, false)"},
		[]string{"id", "task_id", "host_id", "by_host", "soft", "msg", "ts"}}
	messagesView = view{"ops.scheduler_log r left join task on task.id = r.task_id left join host on host.id = r.host_id left join ops.host_status s on s.host_id = host.id",
		map[string]string{"id": "r.id", "task_id": "r.task_id", "host_id": "r.host_id", "msg_ts": "extract(epoch from r.msg_time)::float8", "msg": "r.msg",
			"method": "task.method", "state": "task.state", "owner": "task.owner", "arch": "task.arch", "channel_id": "task.channel_id",
			"host_name": "host.name", "host_ready": "coalesce(s.ready, false)"},
		[]string{"id", "task_id", "host_id", "msg", "msg_ts"}}
)

// Clause is a condition that a caller sets on a view: a column, an operator and a value.
type Clause struct {
	Field, Op string
	Value     any
}

// operators are those of Koji's QueryView.
var operators = map[string]string{"=": "= ?", "!=": "<> ?", ">": "> ?", ">=": ">= ?", "<": "< ?", "<=": "<= ?", "IN": "= any(?)", "NOT IN": "<> all(?)", "IS": "is not distinct from ?", "IS NOT": "is distinct from ?"}

// joined names the table that a column comes from beside the view's own: "task", "host", or "" for none.
func (v view) joined(field string) string {
	switch e := v.columns[field]; {
	case strings.Contains(e, "task."):
		return "task"
	case strings.Contains(e, "host.") || strings.Contains(e, "s."):
		return "host"
	}
	return ""
}

// chosen are the columns that the fields name: "*" all of the view's own table and of those that a condition uses, "**" all.
func (v view) chosen(fields []string, clauses []Clause) ([]query.Col, error) {
	if len(fields) == 0 {
		fields = v.defaults
	}
	used, names := map[string]bool{"": true}, map[string]bool{}
	for _, c := range clauses {
		used[v.joined(c.Field)] = true
	}
	for _, f := range fields {
		switch {
		case f == "*" || f == "**":
			for name := range v.columns {
				if f == "**" || used[v.joined(name)] {
					names[name] = true
				}
			}
		case v.columns[f] == "":
			return nil, fault.New(fault.Parameter, "Invalid field for query: %s", f)
		default:
			names[f] = true
		}
	}
	var cols []query.Col
	for _, name := range slices.Sorted(maps.Keys(names)) {
		cols = append(cols, query.Col{Name: name, Expr: v.columns[name]})
	}
	return cols, nil
}

// Run is for View.
func (v view) Run(ctx context.Context, db query.DB, clauses []Clause, fields []string, o query.Opts) (any, error) {
	cols, err := v.chosen(fields, clauses)
	if err != nil {
		return nil, err
	}
	q := query.New(cols, v.from).OrderBy("r.id")
	for name, e := range v.columns {
		q.Sortable(query.Col{Name: name, Expr: e})
	}
	for _, c := range clauses {
		e, op := v.columns[c.Field], operators[c.Op]
		if e == "" {
			return nil, fault.New(fault.Parameter, "Invalid field for query: %s", c.Field)
		}
		if op == "" {
			return nil, fault.New(fault.Parameter, "Invalid operator for query: %s", c.Op)
		}
		q.Where(e+" "+op, c.Value)
	}
	return q.Run(ctx, db, o)
}

// Runs are who had which task when.
func Runs() View { return runsView }

// Refusals are the hosts that will not take a task.
func Refusals() View { return refusalsView }

// Messages are the scheduler's notes about its decisions.
func Messages() View { return messagesView }

// View is a list of which callers choose columns and conditions.
type View interface {
	// Run gives the rows. No fields means the usual columns, "*" those that are not from other tables, "**" all.
	Run(ctx context.Context, db query.DB, clauses []Clause, fields []string, o query.Opts) (any, error)
}
