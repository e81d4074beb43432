package hub

import (
	"moromi/internal/fault"
	"moromi/projections/query"
	"moromi/projections/task"
)

// schedulerMethods run the scheduler and show what it did.
func schedulerMethods(d Deps) []Method {
	return []Method{
		{Name: "scheduler.doRun", Params: "force=False", Auth: Admin, Write: true, Help: "Run the scheduler now.", Func: func(c *Call, _ Args) (any, error) { return d.Service.Scheduler.Once(c.Context()) }},
		{Name: "scheduler.getTaskRuns", Params: "clauses=None, fields=None, opts=None", Auth: Anonymous, Help: "Which host had which task.", Func: d.schedulerView(task.Runs())},
		{Name: "scheduler.getTaskRefusals", Params: "clauses=None, fields=None", Auth: Anonymous, Help: "Which host will not take which task, and why.", Func: d.schedulerView(task.Refusals())},
		{Name: "scheduler.getLogMessages", Params: "clauses=None, fields=None, opts=None", Auth: Anonymous, Help: "The scheduler's notes.", Func: d.schedulerView(task.Messages())},
	}
}

// schedulerView answers one of the scheduler's lists: clauses are [field, value] or [field, operator, value].
func (d Deps) schedulerView(v task.View) func(*Call, Args) (any, error) {
	return func(c *Call, a Args) (any, error) {
		list, err := a.List("clauses")
		if err != nil {
			return nil, err
		}
		var clauses []task.Clause
		for _, x := range list {
			cl, err := viewClause(x)
			if err != nil {
				return nil, err
			}
			clauses = append(clauses, cl)
		}
		var fields []string
		if one, ok := a.Get("fields").(string); ok {
			fields = []string{one}
		} else if fields, err = a.Strings("fields"); err != nil {
			return nil, err
		}
		var o query.Opts
		if _, ok := a.sig.index["opts"]; ok {
			if o, err = a.QueryOpts("opts"); err != nil {
				return nil, err
			}
		}
		return v.Run(c.Context(), d.DB, clauses, fields, o)
	}
}

func viewClause(x any) (task.Clause, error) {
	parts, _ := x.([]any)
	bad := fault.New(fault.Parameter, "Invalid clause: %s", clip(pyRepr(x)))
	if len(parts) < 2 || len(parts) > 3 {
		return task.Clause{}, bad
	}
	field, ok := parts[0].(string)
	op, opOK := "=", true
	if len(parts) == 3 {
		op, opOK = parts[1].(string)
	}
	if !ok || !opOK {
		return task.Clause{}, bad
	}
	value := parts[len(parts)-1]
	if list, ok := value.([]any); ok {
		ids, err := intList(field, list)
		if err != nil {
			return task.Clause{}, err
		}
		if len(parts) == 2 {
			op = "IN"
		}
		return task.Clause{Field: field, Op: op, Value: ids}, nil
	}
	return task.Clause{Field: field, Op: op, Value: value}, nil
}
