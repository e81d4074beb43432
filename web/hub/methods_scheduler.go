package hub

import (
	"moromi/projections/task"
)

// schedulerMethods run the scheduler and show what it did.
func schedulerMethods(d Deps) []Method {
	return []Method{
		{Name: "scheduler.doRun", Params: "force=False", Auth: Admin, Write: true, First: func(_ *Call, a Args) error { return a.given("force") }, Help: "Run the scheduler now.", Func: func(c *Call, _ Args) (any, error) { return d.Service.Scheduler.Once(c.Context()) }},
		{Name: "scheduler.getTaskRuns", Params: "clauses=None, fields=None, opts=None", Auth: Anonymous, Help: "Which host had which task.", Func: d.schedulerView(task.Runs())},
		{Name: "scheduler.getTaskRefusals", Params: "clauses=None, fields=None", Auth: Anonymous, Help: "Which host will not take which task, and why.", Func: d.schedulerView(task.Refusals())},
		{Name: "scheduler.getLogMessages", Params: "clauses=None, fields=None, opts=None", Auth: Anonymous, Help: "The scheduler's notes.", Func: d.schedulerView(task.Messages())},
	}
}

// schedulerView answers one of the scheduler's lists.
func (d Deps) schedulerView(v task.View) func(*Call, Args) (any, error) {
	return func(c *Call, a Args) (any, error) {
		s, err := selection(a)
		if err != nil {
			return nil, err
		}
		return v.Run(c.Context(), d.DB, s)
	}
}
