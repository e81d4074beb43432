package repoprojector

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"moromi/commands"
	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/internal/xmlrpc"
	taskmodel "moromi/projections/task"
)

// hub is the host id of the hub itself.
const hub = 0

// loadTasks finds the newRepo tasks that wait and are not being carried out, and gives each to its tag. One that cannot be understood fails.
func (p *Projector) loadTasks(ctx context.Context) error {
	rows, err := taskmodel.Unfinished(ctx, p.DB, p.Service.HubMethods())
	if err != nil {
		return err
	}
	now, seen := p.Clock(), map[int64]time.Time{}
	for _, t := range p.tags {
		for _, x := range t.tasks {
			seen[x.id] = x.seen
		}
		t.tasks = nil
	}
	for _, r := range rows {
		t := repoTask{id: r["id"].(int64), priority: r["priority"].(int64), open: koji.TaskState(r["state"].(int64)) == koji.TaskOpen, seen: now}
		if at, ok := seen[t.id]; ok {
			t.seen = at
		}
		if p.carried[t.id] || r["method"] != "newRepo" {
			continue
		}
		params, err := taskmodel.Request(ctx, p.DB, t.id)
		if err != nil {
			return err
		}
		tag, err := p.readTask(ctx, &t, params)
		if fault.Of(err) != nil {
			if err := p.refuse(ctx, t, err); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		x := p.tag(tag)
		x.tasks = append(x.tasks, t)
	}
	return nil
}

// readTask reads newRepo's parameters: tag, event=None, src, debuginfo, separate_src (of old), opts=None.
func (p *Projector) readTask(ctx context.Context, t *repoTask, params []any) (tag int64, err error) {
	positional, named := xmlrpc.SplitKwargs(params)
	args := map[string]any{}
	for i, name := range []string{"tag", "event", "src", "debuginfo", "separate_src", "opts"} {
		if i < len(positional) {
			args[name] = positional[i]
		}
	}
	for k, v := range named {
		args[k] = v
	}
	if t.opts, err = commands.ParseRepoOpts(args["opts"], true); err != nil {
		return 0, err
	}
	for name, to := range map[string]**bool{"src": &t.opts.Src, "debuginfo": &t.opts.Debuginfo, "separate_src": &t.opts.SeparateSrc} {
		if v, ok := args[name].(bool); ok && *to == nil {
			*to = &v
		}
	}
	switch v := args["event"].(type) {
	case nil:
	case int64:
		t.event = v
	default:
		return 0, fault.New(fault.Parameter, "Invalid event: %v", v)
	}
	key := args["tag"]
	if m, ok := key.(map[string]any); ok {
		if key = m["id"]; key == nil {
			key = m["name"]
		}
	}
	return p.Source.TagID(ctx, key)
}

// refuse fails a task that cannot be carried out.
func (p *Projector) refuse(ctx context.Context, t repoTask, why error) error {
	if ok, err := p.begin(ctx, t); err != nil || !ok {
		return err
	}
	return p.finish(ctx, t, 0, 0, why)
}

// begin opens a task for the hub; false when it is not to be had any more.
func (p *Projector) begin(ctx context.Context, t repoTask) (bool, error) {
	if t.open {
		return true, nil
	}
	return p.Service.OpenTask(ctx, commands.Actor{}, t.id, hub)
}

// finish closes a task with the repository and its event, or fails it with why. A task that was canceled meanwhile stays so.
func (p *Projector) finish(ctx context.Context, t repoTask, repo, event int64, why error) error {
	var doc bytes.Buffer
	var err error
	if why == nil {
		err = xmlrpc.EncodeResponse(&doc, []any{repo, event})
	} else {
		code, message := reason(why)
		err = xmlrpc.EncodeFault(&doc, int(code), message)
	}
	if err == nil {
		err = p.Service.FinishTask(ctx, commands.Actor{}, t.id, hub, doc.String(), why != nil)
	}
	if f := fault.Of(err); f != nil && f.Code == fault.ActionNotAllowed {
		return nil
	}
	return err
}

// answer gives a request a task and carries it out; nothing happens if it needs none any more.
func (p *Projector) answer(ctx context.Context, j job) made {
	id, err := p.Service.StartRepoRequest(ctx, commands.Actor{}, j.request)
	switch {
	case err != nil:
		return made{job: j, err: fmt.Errorf("make a task for request %d: %w", j.request, err)}
	case id == 0:
		return made{job: j, nothing: true}
	}
	given := j
	given.tasks = []repoTask{{id: id}}
	out := p.carryOut(ctx, given)
	out.job = j
	return out
}

// carryOut is generate for newRepo tasks: one repository, begun after all of them, answers those that ask for the same.
func (p *Projector) carryOut(ctx context.Context, j job) made {
	var begun []repoTask
	for _, t := range j.tasks {
		switch ok, err := p.begin(ctx, t); {
		case err != nil:
			p.Log.Error("the beginning of a task could not be recorded", "task", t.id, "error", err)
		case ok:
			begun = append(begun, t)
		}
	}
	if len(begun) == 0 {
		return made{job: j, nothing: true}
	}
	out := p.generate(ctx, j, &begun[0].id)
	if ctx.Err() != nil {
		return out
	}
	for _, t := range begun {
		if err := p.finish(ctx, t, out.repo, out.event, out.err); err != nil {
			p.Log.Error("the end of a task could not be recorded", "task", t.id, "error", err)
		}
	}
	return out
}
