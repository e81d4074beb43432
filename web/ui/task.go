package ui

import (
	"strconv"

	"moromi/events"
	"moromi/internal/koji"
	"moromi/internal/storage"
	"moromi/projections/build"
	"moromi/projections/query"
	"moromi/projections/task"
)

// tasks is the list of tasks, the newest first: those that nobody made from another unless a filter asks for more.
func tasks(r *request) (*page, error) {
	q := r.tasks().OrderBy("task.id desc")
	state := r.one("state", "", "active", "waiting", "running", "done", "failed", "canceled")
	switch state {
	case "active":
		q.Where("task.state in (0, 1, 4)")
	case "waiting":
		q.Where("task.state in (0, 4)")
	case "running":
		q.Where("task.state = 1")
	case "done":
		q.Where("task.state = 2")
	case "failed":
		q.Where("task.state = 5")
	case "canceled":
		q.Where("task.state = 3")
	}
	method, owner, host := r.arg("method"), r.arg("owner"), r.arg("host")
	if method != "" {
		q.Where("task.method = ?", method)
	}
	if owner != "" {
		q.Where("users.name = ?", owner)
	}
	if host != "" {
		q.Where("host.name = ?", host)
	}
	if method == "" && host == "" && state != "waiting" && state != "running" {
		q.Where("task.parent is null")
	}
	list, err := r.newest(q, "task.id", "/tasks")
	if err != nil {
		return nil, err
	}
	subjects(list.Rows)
	return &page{Title: "Tasks", Template: "tasks", Data: map[string]any{"list": list, "state": state, "method": method, "owner": owner, "host": host}}, nil
}

// findTask gives the task that the path names.
func (r *request) findTask() (query.Row, error) {
	row, err := r.tasks().Where("task.id = ?", r.id("task")).One(r, r.db)
	if err == nil && row == nil {
		err = r.missing("task", r.name("task"))
	}
	if err != nil {
		return nil, err
	}
	subjects([]query.Row{row})
	return row, nil
}

func taskPage(r *request) (*page, error) {
	t, err := r.findTask()
	if err != nil {
		return nil, err
	}
	id := t["id"].(int64)
	head, err := taskHead(r, t)
	if err != nil {
		return nil, err
	}
	data := map[string]any{"task": t, "head": head}
	params, err := task.Request(r, r.db, id)
	data["params"] = namedParams(t["method"].(string), params)
	if err != nil {
		r.unreadable(id, "parameters", err)
	}
	if data["builds"], err = r.builds().Where("build.task_id = ?", id).OrderBy("build.id").All(r, r.db); err != nil {
		return nil, err
	}
	if data["roots"], err = r.stateful("buildroot", cols("id", "buildroot.id", "state", "buildroot.state", "arch", "buildroot.container_arch", "repo_id", "buildroot.repo_id")).
		Where("buildroot.task_id = ?", id).OrderBy("buildroot.id").All(r, r.db); err != nil {
		return nil, err
	}
	if data["scheduling"], err = r.scheduling(t); err != nil {
		return nil, err
	}
	p := &page{Title: "Task " + strconv.FormatInt(id, 10), Template: "task", Data: data}
	if !koji.TaskState(t["state"].(int64)).Finished() {
		p.Live = join([]any{"task", id, "live"})
	}
	return p, nil
}

// taskHead is what changes while a task runs: its state, its tree, what it puts out and what it comes to.
func taskHead(r *request, t query.Row) (map[string]any, error) {
	id := t["id"].(int64)
	top, err := r.root(id)
	if err != nil {
		return nil, err
	}
	tree, err := r.tree(top)
	if err != nil {
		return nil, err
	}
	head := map[string]any{"task": t, "tree": tree, "result": nil, "closed": false, "failures": []failure{}}
	own := mark(tree, id)
	switch koji.TaskState(t["state"].(int64)) {
	case koji.TaskClosed:
		head["result"], err = task.Result(r, r.db, id)
		if head["closed"] = err == nil; err != nil {
			r.unreadable(id, "result", err)
		}
	case koji.TaskFailed:
		if own != nil {
			fs, err := r.failures([]*treeTask{own})
			if err != nil {
				return nil, err
			}
			head["failures"] = fs
		}
	}
	head["files"], err = r.output(id)
	return head, err
}

// unreadable notes that a document of a task could not be read: the page is shown without it. Tasks of other systems' histories may have none.
func (r *request) unreadable(id int64, what string, err error) {
	r.ui.cfg.Log.WarnContext(r, "task document", "task", id, "what", what, "error", err)
}

// mark finds a task in a tree and marks it as the one that the page is about.
func mark(tree []*treeTask, id int64) *treeTask {
	for _, t := range tree {
		if t.Row["id"] == id {
			t.Current = true
			return t
		}
		if found := mark(t.Children, id); found != nil {
			return found
		}
	}
	return nil
}

// root is the task that a task comes from in the end.
func (r *request) root(id int64) (int64, error) {
	row, err := query.New(cols("id", "up.id"), `(with recursive up(id, parent) as (select id, parent from task where id = ?
		union select t.id, t.parent from task t join up on t.id = up.parent) select id, parent from up where parent is null) up`, id).One(r, r.db)
	if err != nil || row == nil {
		return id, err
	}
	return row["id"].(int64), nil
}

// scheduling says where a task has been and who would not take it.
func (r *request) scheduling(t query.Row) (any, error) {
	runs := query.New(cols("host_name", "host.name", "active", "s.active", "time", "s.create_time", "id", "s.id"), "scheduler_task_runs s").
		Join("left join host on host.id = s.host_id").Where("s.task_id = ?", t["id"]).OrderBy("s.id")
	refusals := query.New(cols("host_name", "host.name", "msg", "s.msg", "soft", "s.soft", "time", "s.time", "id", "s.id"), "scheduler_task_refusals s").
		Join("left join host on host.id = s.host_id").Where("s.task_id = ?", t["id"]).OrderBy("s.id")
	out := map[string]any{}
	for key, q := range map[string]*query.Query{"runs": runs, "refusals": refusals} {
		if r.at != nil {
			q.Where("s.id <= ?", r.at.Event)
		}
		rows, _, err := r.rows(q, pageSize)
		if err != nil {
			return nil, err
		}
		out[key] = rows
	}
	return out, nil
}

// output gives the files of a task, of all volumes.
func (r *request) output(id int64) ([]file, error) {
	volumes, err := build.Volumes(r, r.db)
	if err != nil {
		return nil, err
	}
	out := []file{}
	for _, v := range volumes {
		name := v["name"].(string)
		dir, err := storage.TaskDir(name, id)
		if err != nil {
			continue // a volume whose name is no directory has no files
		}
		if name == storage.DefaultVolume {
			name = ""
		}
		files, err := r.listFiles(dir, name)
		if err != nil {
			return nil, err
		}
		out = append(out, files...)
	}
	return out, nil
}

func liveTask(r *request, s *eventStream) error {
	id := r.id("task")
	if err := r.ui.snapshot(r, r, func(r *request) error { _, err := r.findTask(); return err }); err != nil {
		return err
	}
	return r.ui.follow(r, s, source{key: "task-" + strconv.FormatInt(id, 10), refresh: outputRefresh, touched: func(c *events.Commit, tasks map[int64]bool) bool {
		return touchesTask(c, tasks)
	}, load: func(in *request) (*view, error) {
		in.vars = r.vars
		t, err := in.findTask()
		if err != nil {
			return nil, err
		}
		head, err := taskHead(in, t)
		if err != nil {
			return nil, err
		}
		v := &view{page: "task", parts: []part{{"head", "task-head", head}}, tasks: map[int64]bool{}, done: koji.TaskState(t["state"].(int64)).Finished()}
		for _, t := range head["tree"].([]*treeTask) {
			t.ids(v.tasks)
		}
		return v, nil
	}})
}
