package hub

import (
	"fmt"
	"maps"
	"strconv"

	"moromi/commands"
	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/internal/xmlrpc"
	"moromi/projections/query"
	"moromi/projections/task"
)

// taskMethods are tasks as people make, watch and steer them.
func taskMethods(d Deps) []Method {
	return []Method{
		{Name: "build", Params: "src, target, opts=None, priority=None, channel=None", Auth: Session, Write: true, Rides: true, Help: "Build a package from a source repository or an uploaded source rpm; answers the task's id.", Func: d.build},
		{Name: "chainBuild", Params: "srcs, target, opts=None, priority=None, channel=None", Auth: Session, Write: true, Rides: true, Help: "Build lists of packages, each list against the ones before it; answers the task's id.", Func: d.chainBuild},
		{Name: "restartHosts", Params: "priority=5, options=None", Auth: Perm("host"), Write: true, Help: "Have builders restarted one after the other; answers the task's id.", Func: d.restartHosts},
		{Name: "makeTask", Params: "*args, **opts", Auth: Admin, Write: true, Rides: true, Help: "Make any task: its method, its parameters, and options.", Func: d.makeTask},
		{Name: "getTaskInfo", Params: "task_id, request=False, strict=False", Auth: Anonymous, Help: "A task, or a list of tasks; request adds the decoded parameters.", Func: d.getTaskInfo},
		{Name: "getTaskRequest", Params: "taskId", Auth: Anonymous, Help: "A task's parameters.", Func: d.getTaskRequest},
		{Name: "getTaskResult", Params: "taskId, raise_fault=True", Auth: Anonymous, Help: "What a finished task came to; a failed one's fault is raised or, if not wanted so, answered.", Func: d.getTaskResult},
		{Name: "getTaskChildren", Params: "task_id, request=False, strict=False", Auth: Anonymous, Help: "The tasks directly under a task.", Func: d.getTaskChildren},
		{Name: "getTaskDescendents", Params: "task_id, request=False", Auth: Anonymous, Help: "All tasks under a task, by the id of their parent.", Func: d.getTaskDescendents},
		{Name: "taskFinished", Params: "taskId", Auth: Anonymous, Help: "Whether a task is closed, failed or canceled.", Func: d.taskFinished},
		{Name: "listTasks", Params: "opts=None, queryOpts=None", Auth: Anonymous, Help: "Tasks by arch, state, owner, host, channel, parent, method and times.", Func: d.listTasks},
		{Name: "cancelTask", Params: "task_id, recurse=True", Auth: Custom("the task's owner, its host or an admin"), Write: true, Rides: true, Help: "Cancel a task and, unless recurse is false, all under it.", Func: d.cancelTask},
		{Name: "cancelTaskFull", Params: "task_id, strict=True", Auth: Admin, Write: true, Help: "Cancel a task and its whole group.", Func: d.cancelTaskFull},
		{Name: "cancelTaskChildren", Params: "task_id", Auth: Session, Write: true, Help: "Cancel all tasks under a task.", Func: d.cancelTaskChildren},
		{Name: "resubmitTask", Params: "taskID", Auth: Session, Write: true, Help: "Make a canceled or failed task again; answers the new task's id.", Func: d.resubmitTask},
		{Name: "setTaskPriority", Params: "task_id, priority, recurse=True", Auth: Admin, Write: true, Rides: true, Help: "Set a task's priority, and of all under it; lower is more urgent.", Func: d.setTaskPriority},
		{Name: "freeTask", Params: "task_id", Auth: Admin, Write: true, Rides: true, Help: "Take a task from its host and let the scheduler place it anew.", Func: d.freeTask},
		{Name: "assignTask", Params: "task_id, host, force=False, override=False", Auth: Admin, Write: true, Rides: true, First: d.assignable, Help: "Give a task to a host; override keeps the scheduler from taking it back.", Func: d.assignTask},
	}
}

// relativePriority is a priority relative to the usual one; only an admin may ask for a more urgent one.
func relativePriority(c *Call, a Args) (*int64, error) {
	p, err := a.IntOrNil("priority")
	if err != nil || p == nil || *p == 0 {
		return nil, err
	}
	if *p < 0 {
		admin, err := c.HasPerm("admin")
		if err != nil {
			return nil, err
		}
		if !admin {
			return nil, fault.New(fault.ActionNotAllowed, "only admins may create high-priority tasks")
		}
	}
	out := koji.PriorityDefault + *p
	return &out, nil
}

// submit makes a task whose last parameter is a struct of options.
func (d Deps) submit(c *Call, a Args, method string, params ...any) (any, error) {
	opts, err := a.Map("opts")
	if err != nil {
		return nil, err
	}
	if opts == nil {
		opts = map[string]any{}
	}
	return d.enqueue(c, a, commands.MakeTask{Method: method, Params: append(params, opts), Channel: channel(a)})
}

// channel is the channel that a task is asked to be in, nil for none.
func channel(a Args) any {
	if xmlrpc.Truthy(a.Get("channel")) {
		return a.Get("channel")
	}
	return nil
}

// enqueue makes a task with the priority that the call asks for.
func (d Deps) enqueue(c *Call, a Args, in commands.MakeTask) (any, error) {
	priority, err := relativePriority(c, a)
	if err != nil {
		return nil, err
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	in.Priority = priority
	return d.Service.MakeTask(c.Context(), actor, in)
}

func (d Deps) build(c *Call, a Args) (any, error) {
	src, err := a.String("src")
	if err != nil {
		return nil, err
	}
	return d.submit(c, a, "build", src, a.Get("target"))
}

func (d Deps) chainBuild(c *Call, a Args) (any, error) {
	srcs, err := a.List("srcs")
	if err != nil {
		return nil, err
	}
	if srcs == nil {
		return nil, a.wrong("srcs", "list")
	}
	return d.submit(c, a, "chainbuild", srcs, a.Get("target"))
}

func (d Deps) restartHosts(c *Call, a Args) (any, error) {
	params := []any{}
	if opts, err := a.Map("options"); err != nil {
		return nil, err
	} else if opts != nil {
		params = append(params, opts)
	}
	priority, err := a.Int("priority")
	if err != nil {
		return nil, err
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	return d.Service.MakeTask(c.Context(), actor, commands.MakeTask{Method: "restartHosts", Params: params, Priority: &priority})
}

// taskOptions reads the options of a task as makeTask and host.subtask take them, in Koji's order. Koji takes no notice of others.
func (d Deps) taskOptions(c *Call, in *commands.MakeTask, opts map[string]any) error {
	if _, there := opts["owner"]; there {
		return fault.New(fault.ActionNotAllowed, "The owner option is not allowed here")
	}
	for _, k := range []string{"parent", "label", "arch", "priority", "assign", "channel"} {
		v := opts[k]
		if v == nil {
			continue
		}
		n, isInt := v.(int64)
		s, isText := v.(string)
		if isText && (k == "parent" || k == "priority") { // as the client sends it
			i, err := strconv.ParseInt(s, 10, 64)
			n, isInt = i, err == nil
		}
		switch {
		case k == "parent" && isInt:
			in.Parent = n
		case k == "priority" && isInt:
			in.Priority = &n
		case k == "label" && isText:
			in.Label = &s
		case k == "arch" && isText:
			in.Arch = s
		case k == "channel" && (isText || isInt):
			in.Channel = v
		case k == "assign":
			h, err := d.theHost(c, v, nil)
			if err != nil {
				return err
			}
			in.HostID = h["id"].(int64)
		default:
			return fault.New(fault.Parameter, "Invalid type for %s: %s", k, pyType(v))
		}
	}
	return nil
}

func (d Deps) makeTask(c *Call, a Args) (any, error) {
	names, opts := []string{"method", "arglist"}, maps.Clone(a.Extra())
	given := map[string]any{}
	for i, v := range a.Rest() {
		if i == len(names) {
			return nil, fault.New(fault.Parameter, "makeTask() takes a method, a list of its parameters and named options")
		}
		given[names[i]] = v
	}
	for _, name := range names { // the client names them
		v, named := opts[name]
		_, twice := given[name]
		if named == twice {
			return nil, fault.New(fault.Parameter, "makeTask() takes %s, once", name)
		}
		if named {
			given[name] = v
			delete(opts, name)
		}
	}
	method, ok := given["method"].(string)
	if !ok {
		return nil, fault.New(fault.Parameter, "Invalid type for method: %s", pyType(given["method"]))
	}
	params, ok := given["arglist"].([]any)
	if !ok {
		return nil, fault.New(fault.Parameter, "Invalid type for arglist: %s", pyType(given["arglist"]))
	}
	in := commands.MakeTask{Method: method, Params: params}
	if err := d.taskOptions(c, &in, opts); err != nil {
		return nil, err
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	return d.Service.MakeTask(c.Context(), actor, in)
}

func (d Deps) getTaskInfo(c *Call, a Args) (any, error) {
	if list, ok := a.Get("task_id").([]any); ok {
		out := make([]any, len(list))
		for i, v := range list {
			id, ok := v.(int64)
			if !ok {
				return nil, fault.New(fault.Parameter, "Invalid type for task id: %s", pyType(v))
			}
			row, err := d.oneTask(c, a, id)
			if err != nil {
				return nil, err
			}
			out[i] = row
		}
		return out, nil
	}
	id, err := a.Int("task_id")
	if err != nil {
		return nil, err
	}
	return d.oneTask(c, a, id)
}

func (d Deps) oneTask(c *Call, a Args, id int64) (any, error) {
	row, err := task.ByID(c.Context(), d.DB, id, a.Bool("request"), nil)
	if err == nil && row == nil && a.Bool("strict") {
		return nil, fault.New(fault.Generic, "No such task: %d", id)
	}
	return orNil(row, err)
}

// theTask is a task that must be there, named by a parameter.
func (d Deps) theTask(c *Call, a Args, param string) (query.Row, error) {
	id, err := a.Int(param)
	if err != nil {
		return nil, err
	}
	row, err := task.ByID(c.Context(), d.DB, id, false, nil)
	if err == nil && row == nil {
		err = fault.New(fault.Generic, "No such task: %d", id)
	}
	return row, err
}

func (d Deps) getTaskRequest(c *Call, a Args) (any, error) {
	id, err := a.Int("taskId")
	if err != nil {
		return nil, err
	}
	return task.Request(c.Context(), d.DB, id)
}

func (d Deps) getTaskResult(c *Call, a Args) (any, error) {
	t, err := d.theTask(c, a, "taskId")
	if err != nil {
		return nil, err
	}
	v, err := task.Result(c.Context(), d.DB, t["id"].(int64))
	f := fault.Of(err)
	if f != nil && !a.Bool("raise_fault") && koji.TaskState(t["state"].(int64)) == koji.TaskFailed {
		return map[string]any{"faultCode": int64(f.Code), "faultString": f.Message}, nil
	}
	return v, err
}

func (d Deps) getTaskChildren(c *Call, a Args) (any, error) {
	if a.Bool("strict") {
		if _, err := d.theTask(c, a, "task_id"); err != nil {
			return nil, err
		}
	}
	id, err := a.Int("task_id")
	if err != nil {
		return nil, err
	}
	return task.Children(c.Context(), d.DB, id, a.Bool("request"), nil)
}

func (d Deps) getTaskDescendents(c *Call, a Args) (any, error) {
	id, err := a.Int("task_id")
	if err != nil {
		return nil, err
	}
	tree, err := task.Descendents(c.Context(), d.DB, id, a.Bool("request"), nil)
	if err != nil {
		return nil, err
	}
	out := make(map[string]any, len(tree))
	for id, rows := range tree {
		out[fmt.Sprint(id)] = rows
	}
	return out, nil
}

func (d Deps) taskFinished(c *Call, a Args) (any, error) {
	t, err := d.theTask(c, a, "taskId")
	if err != nil {
		return nil, err
	}
	return koji.TaskState(t["state"].(int64)).Finished(), nil
}

// mayCancel lets the task's owner, the host that runs it, and admins through.
func (d Deps) mayCancel(c *Call, t query.Row) error {
	if err := c.RequireLogin(); err != nil {
		return err
	}
	if t["owner"].(int64) == c.UserID() {
		return nil
	}
	if host, ok, err := c.HostID(); err != nil {
		return err
	} else if ok && t["host_id"] == host && koji.TaskState(t["state"].(int64)) == koji.TaskOpen {
		return nil
	}
	admin, err := c.HasPerm("admin")
	if err == nil && !admin {
		err = fault.New(fault.ActionNotAllowed, "Cannot cancel task, not owner")
	}
	return err
}

func (d Deps) cancelTask(c *Call, a Args) (any, error) {
	if _, err := a.Int("task_id"); err != nil {
		return nil, err
	}
	if err := c.RequireLogin(); err != nil {
		return nil, err // whatever the task: nobody owns none
	}
	t, err := d.theTask(c, a, "task_id")
	if err != nil {
		return nil, err
	}
	if err := d.mayCancel(c, t); err != nil {
		return nil, err
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	_, err = d.Service.CancelTask(c.Context(), actor, t["id"].(int64), a.Bool("recurse"))
	return nil, err
}

func (d Deps) cancelTaskChildren(c *Call, a Args) (any, error) {
	t, err := d.theTask(c, a, "task_id")
	if err != nil {
		return nil, err
	}
	if err := d.mayCancel(c, t); err != nil {
		return nil, err
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	return nil, d.Service.CancelTaskChildren(c.Context(), actor, t["id"].(int64))
}

func (d Deps) cancelTaskFull(c *Call, a Args) (any, error) {
	id, err := a.Int("task_id")
	if err != nil {
		return nil, err
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	return nil, d.Service.CancelTaskFull(c.Context(), actor, id, a.Bool("strict"))
}

func (d Deps) resubmitTask(c *Call, a Args) (any, error) {
	id, err := a.Int("taskID")
	if err != nil {
		return nil, err
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	return d.Service.ResubmitTask(c.Context(), actor, id)
}

func (d Deps) setTaskPriority(c *Call, a Args) (any, error) {
	t, err := d.theTask(c, a, "task_id")
	if err != nil {
		return nil, err
	}
	if koji.TaskState(t["state"].(int64)).Finished() {
		return nil, fault.New(fault.Generic, "Finished task's priority can't be updated")
	}
	p, err := a.Int("priority")
	if err != nil {
		return nil, err
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	return nil, d.Service.SetTaskPriority(c.Context(), actor, t["id"].(int64), p, a.Bool("recurse"))
}

func (d Deps) freeTask(c *Call, a Args) (any, error) {
	id, err := a.Int("task_id")
	if err != nil {
		return nil, err
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	return nil, d.Service.FreeTask(c.Context(), actor, id, "freed by an administrator")
}

// assignable refuses what names no task and no host, as Koji does before it asks for the permission.
func (d Deps) assignable(c *Call, a Args) error {
	if _, err := a.Int("task_id"); err != nil {
		return err
	}
	if _, err := d.theHost(c, a.Get("host"), nil); err != nil {
		return err
	}
	return a.given("force", "override")
}

func (d Deps) assignTask(c *Call, a Args) (any, error) {
	id, err := a.Int("task_id")
	if err != nil {
		return nil, err
	}
	h, err := d.theHost(c, a.Get("host"), nil)
	if err != nil {
		return nil, err
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	return d.Service.AssignTask(c.Context(), actor, id, h["id"].(int64), a.Bool("force"), a.Bool("override"))
}
