package task

import (
	"context"

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

// Run is for View.
func (v view) Run(ctx context.Context, db query.DB, clauses []Clause, fields []string, o query.Opts) (any, error) {
	if fields == nil {
		fields = v.defaults
	}
	var cols []query.Col
	for _, f := range fields {
		e := v.columns[f]
		if e == "" {
			return nil, fault.New(fault.Parameter, "Invalid field for query: %s", f)
		}
		cols = append(cols, query.Col{Name: f, Expr: e})
	}
	q := query.New(cols, v.from).OrderBy("r.id")
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

// Fields is for View.
func (v view) Fields() []string {
	out := make([]string, 0, len(v.columns))
	for f := range v.columns {
		out = append(out, f)
	}
	return out
}

// Runs are who had which task when.
func Runs() View { return runsView }

// Refusals are the hosts that will not take a task.
func Refusals() View { return refusalsView }

// Messages are the scheduler's notes about its decisions.
func Messages() View { return messagesView }

// View is a list of which callers choose columns and conditions.
type View interface {
	// Fields names the columns that there are.
	Fields() []string
	// Run gives the rows; fields nil gives the usual columns.
	Run(ctx context.Context, db query.DB, clauses []Clause, fields []string, o query.Opts) (any, error)
}
