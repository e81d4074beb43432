package task

import (
	"context"

	"moromi/projections/query"
)

// ownField is a field of the view's own table, r; ofTask and ofHost are fields of the task and the host that a row is about.
func ownField(name string, k query.Kind) query.Field {
	return query.Field{Col: query.Col{Name: name, Expr: "r." + name}, Kind: k}
}

func seconds(name, expr, join string) query.Field {
	return query.Field{Col: query.Col{Name: name, Expr: "extract(epoch from " + expr + ")::float8"}, Join: join, Kind: query.Number}
}

func ofTask(name string, k query.Kind) query.Field {
	return query.Field{Col: query.Col{Name: name, Expr: "task." + name}, Join: "task", Kind: k}
}

// schedulerView is one of the scheduler's lists that callers choose fields and conditions of. All know about the task and the host.
func schedulerView(table string, defaults []string, own ...query.Field) query.View {
	return query.View{
		From: table + " r",
		Joins: map[string]string{"task": "left join task on task.id = r.task_id",
			"host": "left join host on host.id = r.host_id left join ops.host_status s on s.host_id = host.id"},
		Fields: append(own, ownField("id", query.Number), ownField("task_id", query.Number), ownField("host_id", query.Number),
			ofTask("method", query.Text), ofTask("state", query.Number), ofTask("owner", query.Number), ofTask("arch", query.Text), ofTask("channel_id", query.Number),
			query.Field{Col: query.Col{Name: "host_name", Expr: "host.name"}, Join: "host", Kind: query.Text},
			query.Field{Col: query.Col{Name: "host_ready", Expr: "case when host.id is not null then coalesce(s.ready, false) end"}, Join: "host", Kind: query.Boolean}),
		Defaults: defaults,
		Order:    "r.id",
	}
}

// View is a list of the scheduler's of which callers choose fields and conditions.
type View struct{ view query.View }

// Run answers a query on the list.
func (v View) Run(ctx context.Context, db query.DB, s query.Select) (any, error) {
	return v.view.Run(ctx, db, s, "")
}

// Runs are who had which task when (kojihub.scheduler.TaskRunsQuery).
func Runs() View {
	return View{schedulerView("scheduler_task_runs", []string{"id", "task_id", "host_id", "active", "create_ts"}, ownField("active", query.Boolean),
		seconds("create_ts", "r.create_time", ""), seconds("start_ts", "task.start_time", "task"), seconds("completion_ts", "task.completion_time", "task"))}
}

// Refusals are the hosts that will not take a task (kojihub.scheduler.TaskRefusalsQuery).
func Refusals() View {
	return View{schedulerView("scheduler_task_refusals", []string{"id", "task_id", "host_id", "by_host", "soft", "msg", "ts"}, ownField("by_host", query.Boolean),
		ownField("soft", query.Boolean), ownField("msg", query.Text), seconds("ts", "r.time", ""))}
}

// Messages are the scheduler's notes about its decisions (kojihub.scheduler.LogMessagesQuery).
func Messages() View {
	return View{schedulerView("ops.scheduler_log", []string{"id", "task_id", "host_id", "msg", "msg_ts"}, ownField("msg", query.Text),
		seconds("msg_ts", "r.msg_time", ""))}
}
