package hub

import (
	"math"
	"strconv"

	"moromi/commands"
	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/internal/xmlrpc"
	"moromi/projections/task"
)

// hostTaskMethods are what a builder calls to take tasks, to finish them and to wait for their sub-tasks.
func hostTaskMethods(d Deps) []Method {
	return []Method{
		{Name: "host.getTasks", Params: "", Auth: Host, Help: "The tasks that wait for the calling host to open them.", Func: d.hostGetTasks},
		{Name: "host.getHostTasks", Params: "", Auth: Host, Help: "The calling host's open tasks; alert marks those with a finished sub-task they wait for.", Func: d.hostGetHostTasks},
		{Name: "host.getLoadData", Params: "", Auth: Host, Help: "The calling host and the tasks that wait for it, for builders older than the scheduler.", Func: d.hostGetLoadData},
		{Name: "host.openTask", Params: "task_id", Auth: Host, Write: true, Rides: true, Help: "Begin a task; nil if it is not to be had.", Func: d.hostOpenTask},
		{Name: "host.closeTask", Params: "task_id, response", Auth: Host, Write: true, Rides: true, Help: "Finish a task with an XML-RPC response document.", Func: d.hostFinishTask(false)},
		{Name: "host.failTask", Params: "task_id, response", Auth: Host, Write: true, Rides: true, Help: "Finish a task with an XML-RPC fault document.", Func: d.hostFinishTask(true)},
		{Name: "host.freeTasks", Params: "tasks", Auth: Host, Write: true, Rides: true, Help: "Give tasks back to the scheduler.", Func: d.hostFreeTasks},
		{Name: "host.refuseTask", Params: "task_id, soft=True, msg=''", Auth: Host, Write: true, First: refusal, Help: "Refuse a task for good or, softly, for a while.", Func: d.hostRefuseTask},
		{Name: "host.setTaskWeight", Params: "task_id, weight", Auth: Host, Write: true, Rides: true, Help: "What a task costs the calling host.", Func: d.hostSetTaskWeight},
		{Name: "host.subtask", Params: "method, arglist, parent, **opts", Auth: Host, Write: true, Rides: true, Help: "Make a sub-task; one with the same label is made once. Answers its id.", Func: d.hostSubtask},
		{Name: "host.subtask2", Params: "_HostExports__parent, _HostExports__taskopts, _HostExports__method, *args, **opts", Auth: Host, Write: true, Rides: true, Help: "Make a sub-task with parameters as in a call.", Func: d.hostSubtask2},
		{Name: "host.taskSetWait", Params: "parent, tasks", Auth: Host, Write: true, Help: "Wait for sub-tasks, all of them if none are named.", Func: d.hostTaskSetWait},
		{Name: "host.taskWait", Params: "parent", Auth: Host, Write: true, Help: "Which awaited sub-tasks have finished and which not.", Func: d.hostTaskWait},
		{Name: "host.taskWaitResults", Params: "parent, tasks, canfail=None", Auth: Host, Write: true, Help: "The results of finished sub-tasks; a fault is raised unless its task may fail.", Func: d.hostTaskWaitResults},
	}
}

func (d Deps) hostGetTasks(c *Call, _ Args) (any, error) {
	id, err := c.RequireHost()
	if err != nil {
		return nil, err
	}
	before := d.Service.Models.LastChange("task")
	rows, err := task.AssignedTo(c.Context(), d.DB, id)
	if err != nil || len(rows) > 0 {
		return rows, err
	}
	ran, err := d.Service.Scheduler.Settle(c.Context())
	if err != nil || !ran && d.Service.Models.LastChange("task") == before {
		return rows, err
	}
	return task.AssignedTo(c.Context(), d.DB, id)
}

func (d Deps) hostGetHostTasks(c *Call, _ Args) (any, error) {
	id, err := c.RequireHost()
	if err != nil {
		return nil, err
	}
	return task.OfHost(c.Context(), d.DB, id)
}

func (d Deps) hostGetLoadData(c *Call, a Args) (any, error) {
	h, err := d.hostGetHost(c, a)
	if err != nil {
		return nil, err
	}
	row := h.(map[string]any)
	id := row["id"].(int64)
	if row["channels"], err = d.Service.HostChannels(c.Context(), id); err != nil {
		return nil, err
	}
	tasks, err := d.hostGetTasks(c, a)
	if err != nil {
		return nil, err
	}
	return []any{[]any{row}, tasks}, nil
}

func (d Deps) hostOpenTask(c *Call, a Args) (any, error) {
	host, actor, id, err := d.hostCall(c, a, "task_id")
	if err != nil {
		return nil, err
	}
	ok, err := d.Service.OpenTask(c.Context(), actor, id, host)
	if err != nil || !ok {
		return nil, err
	}
	row, err := task.ByID(c.Context(), d.DB, id, false, nil)
	if err != nil {
		return nil, err
	}
	row["request"], _, err = task.Documents(c.Context(), d.DB, id)
	return row, err
}

// hostCall gives the calling host, the actor and the task that a parameter names.
func (d Deps) hostCall(c *Call, a Args, param string) (host int64, actor commands.Actor, id int64, err error) {
	if host, err = c.RequireHost(); err != nil {
		return 0, actor, 0, err
	}
	if id, err = a.Int(param); err != nil {
		return 0, actor, 0, err
	}
	actor, err = d.actor(c)
	return host, actor, id, err
}

func (d Deps) hostFinishTask(failed bool) func(*Call, Args) (any, error) {
	return func(c *Call, a Args) (any, error) {
		hostID, actor, id, err := d.hostCall(c, a, "task_id")
		if err != nil {
			return nil, err
		}
		doc, err := a.String("response")
		if err != nil {
			if err := d.Service.OwnsTask(c.Context(), id, hostID); err != nil {
				return nil, err // whose task it is comes first
			}
			return nil, err
		}
		return nil, d.Service.FinishTask(c.Context(), actor, id, hostID, doc, failed)
	}
}

func (d Deps) hostFreeTasks(c *Call, a Args) (any, error) {
	host, err := c.RequireHost()
	if err != nil {
		return nil, err
	}
	ids, err := a.IDs("tasks")
	if err != nil {
		return nil, err
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		if err := d.Service.FreeHostTask(c.Context(), actor, id, host); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

func (d Deps) hostRefuseTask(c *Call, a Args) (any, error) {
	host, actor, id, err := d.hostCall(c, a, "task_id")
	if err != nil {
		return nil, err
	}
	msg, ok := a.Get("msg").(string)
	if !ok {
		msg = pyRepr(a.Get("msg")) // Koji takes anything
	}
	return nil, d.Service.RefuseTask(c.Context(), actor, id, host, a.Bool("soft"), msg)
}

// refusal wants to be told whether and why, before Koji asks who calls.
func refusal(_ *Call, a Args) error {
	if a.IsNil("msg") {
		return a.wrong("msg", "str")
	}
	return a.given("soft")
}

func (d Deps) hostSetTaskWeight(c *Call, a Args) (any, error) {
	host, actor, id, err := d.hostCall(c, a, "task_id")
	if err != nil {
		return nil, err
	}
	if err := d.Service.OwnsTask(c.Context(), id, host); err != nil {
		return nil, err
	}
	w, err := a.Float("weight")
	if text, ok := a.Get("weight").(string); ok { // Python's float() reads it
		if n, perr := strconv.ParseFloat(text, 64); perr == nil && !math.IsNaN(n) && !math.IsInf(n, 0) {
			w, err = n, nil
		}
	}
	if err != nil {
		return nil, err
	}
	return nil, d.Service.SetTaskWeight(c.Context(), actor, id, host, w)
}

func (d Deps) hostSubtask(c *Call, a Args) (any, error) {
	params, err := a.List("arglist")
	if err != nil {
		return nil, err
	}
	opts := map[string]any{}
	for k, v := range a.Extra() {
		opts[k] = v
	}
	if kw, ok := opts["kwargs"].(map[string]any); ok {
		params = append(params[:len(params):len(params)], xmlrpc.Kwargs(kw))
		delete(opts, "kwargs")
	}
	return d.subtask(c, a, "parent", "method", params, opts)
}

func (d Deps) hostSubtask2(c *Call, a Args) (any, error) {
	opts, err := a.Map("_HostExports__taskopts")
	if err != nil {
		return nil, err
	}
	params := a.Rest()
	if kw := a.Extra(); len(kw) > 0 {
		params = append(params[:len(params):len(params)], xmlrpc.Kwargs(kw))
	}
	return d.subtask(c, a, "_HostExports__parent", "_HostExports__method", params, opts)
}

// subtask makes a task under the one that the host runs; the names are those of the parameters with that one and with the method.
func (d Deps) subtask(c *Call, a Args, parentParam, methodParam string, params []any, opts map[string]any) (any, error) {
	host, actor, parent, err := d.hostCall(c, a, parentParam)
	if err != nil {
		return nil, err
	}
	p, err := d.theTask(c, a, parentParam)
	if err != nil {
		return nil, err
	}
	if p["host_id"] != host || koji.TaskState(p["state"].(int64)) != koji.TaskOpen {
		return nil, fault.New(fault.ActionNotAllowed, "host %d does not own task %d", host, parent)
	}
	method, err := a.String(methodParam)
	if err != nil {
		return nil, err
	}
	in := commands.MakeTask{Method: method, Params: params}
	if err := d.taskOptions(c, &in, opts); err != nil {
		return nil, err
	}
	in.Parent = parent
	return d.Service.MakeTask(c.Context(), actor, in)
}

func (d Deps) hostTaskSetWait(c *Call, a Args) (any, error) {
	_, actor, parent, err := d.hostCall(c, a, "parent")
	if err != nil {
		return nil, err
	}
	children, err := a.IDs("tasks")
	if err != nil {
		return nil, err
	}
	return nil, d.Service.WaitForTasks(c.Context(), actor, parent, children, a.IsNil("tasks"))
}

func (d Deps) hostTaskWait(c *Call, a Args) (any, error) {
	_, actor, parent, err := d.hostCall(c, a, "parent")
	if err != nil {
		return nil, err
	}
	finished, unfinished, err := d.Service.CheckWait(c.Context(), actor, parent)
	return []any{finished, unfinished}, err
}

func (d Deps) hostTaskWaitResults(c *Call, a Args) (any, error) {
	_, actor, parent, err := d.hostCall(c, a, "parent")
	if err != nil {
		return nil, err
	}
	ids, err := d.resultsWanted(c, a, parent)
	if err != nil {
		return nil, err
	}
	mayFail, err := a.IDs("canfail")
	if err != nil {
		return nil, err
	}
	out := make([]any, 0, len(ids))
	for _, id := range ids {
		v, err := task.Result(c.Context(), d.DB, id)
		if f := fault.Of(err); f != nil && contains(mayFail, id) {
			v, err = map[string]any{"faultCode": int64(f.Code), "faultString": f.Message}, nil
		}
		if err != nil {
			return nil, err
		}
		out = append(out, []any{id, v})
	}
	return out, d.Service.EndWait(c.Context(), actor, parent) // a task that gets no results goes on waiting
}

// resultsWanted are the sub-tasks named, or all that have finished.
func (d Deps) resultsWanted(c *Call, a Args, parent int64) ([]int64, error) {
	if !a.IsNil("tasks") {
		return a.IDs("tasks")
	}
	rows, err := task.Children(c.Context(), d.DB, parent, false, nil)
	if err != nil {
		return nil, err
	}
	var ids []int64
	for _, r := range rows {
		if koji.TaskState(r["state"].(int64)).Finished() {
			ids = append(ids, r["id"].(int64))
		}
	}
	return ids, nil
}

func contains(ids []int64, id int64) bool {
	for _, x := range ids {
		if x == id {
			return true
		}
	}
	return false
}
