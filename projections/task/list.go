package task

import (
	"bytes"
	"context"
	"errors"
	"time"

	"moromi/internal/xmlrpc"
	"moromi/projections/query"
)

// IDs is a condition on a column of ids: no value at all, or one of In.
type IDs struct {
	Null bool
	In   []int64
}

// Filter says which tasks List gives; nil fields do not filter. The maps are by column: owner, host_id, channel_id, parent; arch, state.
type Filter struct {
	IDs, NotIDs       map[string]IDs
	Arches, NotArches []string
	States, NotStates []int64
	Method            *string
	Before, After     map[string]time.Time // by column: create_time, start_time, completion_time
	Decode            bool                 // decode request and result
	Event             *int64
}

// idColumns and timeColumns are what a Filter's maps may name: a closed list, since the name becomes part of the statement.
var (
	idColumns   = map[string]string{"owner": "task.owner", "host_id": "task.host_id", "channel_id": "task.channel_id", "parent": "task.parent"}
	timeColumns = map[string]string{"create_time": "task.create_time", "start_time": "task.start_time", "completion_time": "task.completion_time"}
)

// List gives tasks in listTasks' shape: a task's columns, its owner's name and type, and its request and result as XML-RPC documents or,
// with Decode, as values (a failed task's result as faultCode and faultString).
func List(ctx context.Context, db query.DB, f Filter, o query.Opts) (any, error) {
	q := from(columns, f.Event).OrderBy("task.id")
	q.Join("join task_document d on d.id = task.id").Col("request", "d.request").Col("result", "d.result")
	q.Join("left join users on users.id = task.owner").Col("owner_name", "users.name").Col("owner_type", "users.usertype")
	q.Called(map[string]string{"task.request": "request", "task.result": "result"})
	f.apply(q)
	out, err := q.Run(ctx, db, o)
	rows, ok := out.([]query.Row)
	if err != nil || !f.Decode || !ok {
		return out, err
	}
	if err := decodeRequests(rows); err != nil {
		return nil, err
	}
	for _, r := range rows {
		if doc, ok := r["result"].(string); ok {
			r["result"] = decodedResult(doc)
		}
	}
	return rows, nil
}

// decodedResult is a result as listTasks shows it: a fault as its code and text.
func decodedResult(doc string) any {
	v, err := xmlrpc.DecodeResponse(bytes.NewReader([]byte(doc)), xmlrpc.Limits{})
	var f *xmlrpc.Fault
	if errors.As(err, &f) {
		return map[string]any{"faultCode": int64(f.Code), "faultString": f.String}
	}
	if err != nil {
		return nil
	}
	return []any{xmlrpc.KeepTimes(v)}
}

func (f *Filter) apply(q *query.Query) {
	for name, x := range f.IDs {
		if col := idColumns[name]; x.Null {
			q.Where(col + " is null")
		} else {
			q.Where(col+" = any(?)", x.In)
		}
	}
	for name, x := range f.NotIDs {
		if col := idColumns[name]; x.Null {
			q.Where(col + " is not null")
		} else {
			q.Where("not "+col+" = any(?)", x.In)
		}
	}
	if f.Arches != nil {
		q.Where("task.arch = any(?)", f.Arches)
	}
	if f.NotArches != nil {
		q.Where("not task.arch = any(?)", f.NotArches)
	}
	if f.States != nil {
		q.Where("task.state = any(?)", f.States)
	}
	if f.NotStates != nil {
		q.Where("not task.state = any(?)", f.NotStates)
	}
	if f.Method != nil {
		q.Where("task.method = ?", *f.Method)
	}
	for name, t := range f.Before {
		q.Where(timeColumns[name]+" < ?", t)
	}
	for name, t := range f.After {
		q.Where(timeColumns[name]+" > ?", t)
	}
}
