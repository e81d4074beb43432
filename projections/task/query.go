package task

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/internal/xmlrpc"
	"moromi/projections/query"
)

// columns are a task's in getTaskInfo's shape (kojihub.Task.fields).
var columns = []query.Col{
	{Name: "id", Expr: "task.id"}, {Name: "state", Expr: "task.state"},
	{Name: "create_time", Expr: "task.create_time"}, {Name: "create_ts", Expr: "extract(epoch from task.create_time)::float8"},
	{Name: "start_time", Expr: "task.start_time"}, {Name: "start_ts", Expr: "extract(epoch from task.start_time)::float8"},
	{Name: "completion_time", Expr: "task.completion_time"}, {Name: "completion_ts", Expr: "extract(epoch from task.completion_time)::float8"},
	{Name: "channel_id", Expr: "task.channel_id"}, {Name: "host_id", Expr: "task.host_id"}, {Name: "parent", Expr: "task.parent"},
	{Name: "label", Expr: "task.label"}, {Name: "waiting", Expr: "task.waiting"}, {Name: "awaited", Expr: "task.awaited"},
	{Name: "owner", Expr: "task.owner"}, {Name: "method", Expr: "task.method"}, {Name: "arch", Expr: "task.arch"},
	{Name: "priority", Expr: "task.priority"}, {Name: "weight", Expr: "task.weight"},
}

// from is the table of tasks, as of an event if one is given.
func from(cols []query.Col, event *int64) *query.Query {
	if event == nil {
		return query.New(cols, "task")
	}
	return query.New(cols, "task_at(?) task", *event)
}

// ByID gives a task in getTaskInfo's shape, nil if there is none (or was none at the event). With request the decoded parameters are added.
func ByID(ctx context.Context, db query.DB, id int64, request bool, event *int64) (query.Row, error) {
	row, err := from(columns, event).Where("task.id = ?", id).One(ctx, db)
	if err != nil || row == nil || !request {
		return row, err
	}
	row["request"], err = Request(ctx, db, id)
	return row, err
}

// Request gives the decoded parameters of a task.
func Request(ctx context.Context, db query.DB, id int64) ([]any, error) {
	doc, _, err := Documents(ctx, db, id)
	if err != nil {
		return nil, err
	}
	return decodeRequest(doc)
}

func decodeRequest(doc string) ([]any, error) {
	_, params, err := xmlrpc.DecodeCall(bytes.NewReader([]byte(doc)), xmlrpc.Limits{})
	if err != nil {
		return nil, fmt.Errorf("decode task request: %w", err)
	}
	if params == nil {
		params = []any{}
	}
	xmlrpc.KeepTimes(params)
	return params, nil
}

// Documents gives the XML-RPC documents of a task; result is "" while it has none.
func Documents(ctx context.Context, db query.DB, id int64) (request, result string, err error) {
	rows, err := db.Query(ctx, `select request, coalesce(result, '') from task_document where id = $1`, id)
	if err != nil {
		return "", "", fmt.Errorf("read task %d: %w", id, err)
	}
	docs, err := pgx.CollectExactlyOneRow(rows, func(r pgx.CollectableRow) (d [2]string, err error) {
		err = r.Scan(&d[0], &d[1])
		return d, err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return "", "", fault.New(fault.Generic, "No such task: %d", id)
	}
	return docs[0], docs[1], err
}

// Result gives what a finished task came to. A failed task's fault is returned as the error, with the code the task had; an unfinished or
// canceled task is a fault of its own.
func Result(ctx context.Context, db query.DB, id int64) (any, error) {
	row, err := ByID(ctx, db, id, false, nil)
	if err != nil {
		return nil, err
	}
	if row == nil {
		return nil, fault.New(fault.Generic, "No such task: %d", id)
	}
	switch st := koji.TaskState(row["state"].(int64)); {
	case st == koji.TaskCanceled:
		return nil, fault.New(fault.Generic, "Task %d is canceled", id)
	case !st.Finished():
		return nil, fault.New(fault.Generic, "Task %d is not finished", id)
	}
	_, doc, err := Documents(ctx, db, id)
	if err != nil {
		return nil, err
	}
	v, err := xmlrpc.DecodeResponse(bytes.NewReader([]byte(doc)), xmlrpc.Limits{})
	var f *xmlrpc.Fault
	if errors.As(err, &f) {
		return nil, fault.New(fault.Code(f.Code), "%s", f.String)
	}
	return xmlrpc.KeepTimes(v), err
}

// Unfinished gives the tasks of some methods that nobody or the hub itself has and that are not finished, the most urgent first.
func Unfinished(ctx context.Context, db query.DB, methods []string) ([]query.Row, error) {
	return from(columns, nil).Where("task.method = any(?) and task.state in (0, 1) and task.host_id is null", methods).
		OrderBy("task.priority, task.id").All(ctx, db)
}

// Labeled gives the id of a task's child of that label, 0 if there is none.
func Labeled(ctx context.Context, db query.DB, parent int64, label string) (int64, error) {
	row, err := query.New(columns[:1], "task").Where("task.parent = ? and task.label = ?", parent, label).One(ctx, db)
	if err != nil || row == nil {
		return 0, err
	}
	return row["id"].(int64), nil
}

// Children gives a task's direct children in the order they were made.
func Children(ctx context.Context, db query.DB, parent int64, request bool, event *int64) ([]query.Row, error) {
	q := from(columns, event).Where("task.parent = ?", parent).OrderBy("task.id")
	if request {
		q.Col("request", "d.request").Join("join task_document d on d.id = task.id")
	}
	rows, err := q.All(ctx, db)
	if err != nil || !request {
		return rows, err
	}
	return rows, decodeRequests(rows)
}

func decodeRequests(rows []query.Row) error {
	for _, r := range rows {
		params, err := decodeRequest(r["request"].(string))
		if err != nil {
			return err
		}
		r["request"] = params
	}
	return nil
}

// Descendents gives the tasks of a whole tree but its root, by the id of their parent; every task of the tree has an entry.
func Descendents(ctx context.Context, db query.DB, root int64, request bool, event *int64) (map[int64][]query.Row, error) {
	q := from(columns, event).Where(`task.id in (with recursive tree(id) as (
		select t.id from task t where t.parent = ? union select t.id from task t join tree on t.parent = tree.id) select id from tree)`, root).OrderBy("task.id")
	if request {
		q.Col("request", "d.request").Join("join task_document d on d.id = task.id")
	}
	rows, err := q.All(ctx, db)
	if err != nil {
		return nil, err
	}
	if request {
		if err := decodeRequests(rows); err != nil {
			return nil, err
		}
	}
	out := map[int64][]query.Row{root: {}}
	for _, r := range rows {
		p, id := r["parent"].(int64), r["id"].(int64)
		out[p] = append(out[p], r)
		if out[id] == nil {
			out[id] = []query.Row{}
		}
	}
	return out, nil
}

// Awaited gives the children that a parent waits for, split into finished and not.
func Awaited(ctx context.Context, db query.DB, parent int64) (finished, unfinished []int64, err error) {
	rows, err := db.Query(ctx, `select id, state from task where parent = $1 and awaited order by id`, parent)
	if err != nil {
		return nil, nil, fmt.Errorf("awaited children of task %d: %w", parent, err)
	}
	defer rows.Close()
	finished, unfinished = []int64{}, []int64{}
	for rows.Next() {
		var id int64
		var st koji.TaskState
		if err := rows.Scan(&id, &st); err != nil {
			return nil, nil, fmt.Errorf("awaited children of task %d: %w", parent, err)
		}
		if st.Finished() {
			finished = append(finished, id)
		} else {
			unfinished = append(unfinished, id)
		}
	}
	return finished, unfinished, rows.Err()
}

// OfHost gives the open tasks of a host in host.getHostTasks' shape; alert marks those of which an awaited child has finished.
func OfHost(ctx context.Context, db query.DB, host int64) ([]query.Row, error) {
	cols := []query.Col{{Name: "id", Expr: "task.id"}, {Name: "waiting", Expr: "task.waiting"}, {Name: "weight", Expr: "task.weight"},
		{Name: "alert", Expr: "task.waiting and exists (select from task c where c.parent = task.id and c.awaited and c.state in (2, 3, 5))"}}
	rows, err := query.New(cols, "task").Where("task.host_id = ? and task.state = 1", host).OrderBy("task.id").All(ctx, db)
	for _, r := range rows {
		if a, _ := r["alert"].(bool); !a {
			delete(r, "alert")
		}
	}
	return rows, err
}

// AssignedTo gives the tasks that wait for a host to open them, in host.getTasks' shape and order.
func AssignedTo(ctx context.Context, db query.DB, host int64) ([]query.Row, error) {
	cols := []query.Col{columns[0], columns[1], columns[8], columns[9], columns[16], columns[15], columns[17], columns[3]}
	return query.New(cols, "task").Where("task.host_id = ? and task.state = 4", host).OrderBy("task.priority, task.create_time, task.id").All(ctx, db)
}
