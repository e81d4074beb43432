package builder

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"

	"moromi/builder/task"
	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/internal/xmlrpc"
)

// running is a task at work.
type running struct {
	job    *task.Job
	child  Session
	cancel context.CancelCauseFunc
	wake   chan struct{}
	ending bool // it was told to stop; of the loop
}

// poke tells the task that something it waits for may have happened.
func (r *running) poke() {
	select {
	case r.wake <- struct{}{}:
	default: // a hint is waiting already
	}
}

// end stops the task.
func (r *running) end(cause error) {
	r.ending = true
	r.cancel(cause)
}

// takeTasks opens what the hub has assigned to this host, as long as the host is ready for more.
func (d *daemon) takeTasks(ctx context.Context) (took bool, err error) {
	res, err := d.session.Call(ctx, "host.getTasks")
	if err != nil {
		return false, fmt.Errorf("ask for tasks: %w", err)
	}
	list, _ := res.([]any)
	for _, v := range list {
		t, _ := v.(map[string]any)
		id, _ := t["id"].(int64)
		state, _ := t["state"].(int64)
		host, _ := t["host_id"].(int64)
		if d.running[id] != nil || koji.TaskState(state) != koji.TaskAssigned || host != d.hostID {
			continue // still ours from before it was reassigned, or not ours
		}
		if took && d.unready() != "" {
			break
		}
		method, _ := t["method"].(string)
		ok, err := d.take(ctx, id, method)
		if err != nil {
			return took, err
		}
		took = took || ok
	}
	return took, nil
}

// take opens one task and starts it.
func (d *daemon) take(ctx context.Context, id int64, method string) (bool, error) {
	log := d.log.With("task", id, "method", method)
	h, ok := d.handlers[method]
	if !ok {
		log.Warn("refusing task: no handler")
		return false, d.refuse(ctx, id, false, "no handler for method")
	}
	res, err := d.session.Call(ctx, "getTaskInfo", id, xmlrpc.Kwargs{"request": true})
	if err != nil {
		return false, fmt.Errorf("ask for task %d: %w", id, err)
	}
	info, _ := res.(map[string]any)
	request, ok := info["request"].([]any)
	if !ok {
		log.Warn("task has no request")
		return false, nil
	}
	args, bindErr := task.Bind(method, h.Signature, request)
	if bindErr == nil && !d.fits(ctx, h, args) {
		log.Info("refusing task: no common architecture")
		return false, d.refuse(ctx, id, false, "failed host check")
	}
	opened, err := d.session.Call(ctx, "host.openTask", id)
	if err != nil {
		return false, fmt.Errorf("open task %d: %w", id, err)
	}
	if opened == nil {
		log.Info("task is gone")
		return false, nil
	}
	if _, err := d.session.Call(ctx, "host.setTaskWeight", id, h.Weight); err != nil {
		if fault.Is(err, fault.ActionNotAllowed) {
			log.Info("task was taken back", "err", err)
			return false, nil
		}
		return false, fmt.Errorf("set the weight of task %d: %w", id, err)
	}
	child, err := d.session.Child(ctx)
	if err != nil {
		return false, fmt.Errorf("open a sub-session for task %d: %w", id, err)
	}
	d.start(ctx, h, child, &task.Job{ID: id, Method: method, Args: args, Hub: child, HostID: d.hostID, Settings: d.settings, Log: log}, bindErr)
	d.load += h.Weight
	return true, nil
}

// fits tells whether the host has an architecture of the task's build tag. What cannot be found out is left to the task.
func (d *daemon) fits(ctx context.Context, h task.Handler, args task.Args) bool {
	if h.NeedsArch == "" {
		return true
	}
	tag := args[h.NeedsArch]
	if m, ok := tag.(map[string]any); ok {
		if tag = m["id"]; tag == nil {
			tag = m["name"]
		}
	}
	config, err := d.session.Call(ctx, "getBuildConfig", tag)
	if err != nil {
		d.log.Warn("host check", "tag", tag, "err", err)
		return fault.Of(err) == nil
	}
	arches, _ := d.host["arches"].(string)
	return task.HostFits(arches, config)
}

func (d *daemon) refuse(ctx context.Context, id int64, soft bool, msg string) error {
	if _, err := d.session.Call(ctx, "host.refuseTask", id, xmlrpc.Kwargs{"soft": soft, "msg": msg}); err != nil {
		return fmt.Errorf("refuse task %d: %w", id, err)
	}
	return nil
}

// start runs the task in a goroutine of its own.
func (d *daemon) start(ctx context.Context, h task.Handler, child Session, j *task.Job, bindErr error) {
	// Its end is the loop's to decide, also when the daemon's context ends: the loop then says why.
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	r := &running{job: j, child: child, cancel: cancel, wake: make(chan struct{}, 1)}
	j.Wake = r.wake
	d.running[j.ID] = r
	j.Log.Info("task started")
	go func() {
		defer func() { d.finished <- r }()
		defer cancel(nil)
		var result any
		err := bindErr
		if err == nil {
			result, err = d.attempt(ctx, h, j)
		}
		if ctx.Err() != nil {
			j.Log.Info("task ended from outside", "cause", context.Cause(ctx))
		} else if err := d.report(ctx, r, result, err); err != nil {
			j.Log.Error("result not delivered", "err", err)
		}
		j.TidyUp()
		if j.Dir != "" && !j.Kept() {
			if err := os.RemoveAll(j.Dir); err != nil {
				j.Log.Error("task's directory not removed", "dir", j.Dir, "err", err)
			}
		}
	}()
}

// attempt runs the handler in a directory that no other attempt at the same task shares.
func (d *daemon) attempt(ctx context.Context, h task.Handler, j *task.Job) (result any, err error) {
	if j.Dir, err = os.MkdirTemp(filepath.Join(d.cfg.WorkDir, "tasks"), fmt.Sprintf("%d-", j.ID)); err != nil {
		return nil, fmt.Errorf("make the task's directory: %w", err)
	}
	defer func() {
		if p := recover(); p != nil {
			j.Log.Error("panic in a task", "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("the builder's handler of %s broke: %v", j.Method, p)
		}
	}()
	return h.Run(ctx, j)
}

// report gives the hub the task's result, or why there is none.
func (d *daemon) report(ctx context.Context, r *running, result any, err error) error {
	id := r.job.ID
	var refusal *task.Refusal
	var doc bytes.Buffer
	switch {
	case err == nil:
		r.job.Log.Info("task done")
		if err := xmlrpc.EncodeResponse(&doc, result); err != nil {
			return fmt.Errorf("encode the result: %w", err)
		}
		_, err := r.child.Call(ctx, "host.closeTask", id, doc.String())
		return err
	case errors.As(err, &refusal):
		r.job.Log.Warn("task refused", "reason", refusal.Reason)
		_, err := r.child.Call(ctx, "host.refuseTask", id, xmlrpc.Kwargs{"msg": refusal.Reason})
		return err
	}
	r.job.Log.Warn("task failed", "err", err)
	code, text := faultText(err)
	if err := xmlrpc.EncodeFault(&doc, int(code), text); err != nil {
		return fmt.Errorf("encode the fault: %w", err)
	}
	_, err = r.child.Call(ctx, "host.failTask", id, doc.String())
	return err
}

// faultText is an error as the task's owner sees it.
func faultText(err error) (fault.Code, string) {
	if f := fault.Of(err); f != nil {
		return f.Code, f.Message
	}
	return fault.Internal, "the builder could not do the task: " + err.Error()
}

// reap forgets a task that has ended, and its sub-session.
func (d *daemon) reap(ctx context.Context, r *running) {
	delete(d.running, r.job.ID)
	if err := d.session.EndChild(ctx, r.child.ID()); err != nil {
		d.log.Debug("sub-session not ended", "task", r.job.ID, "err", err)
	}
}

// reapAll forgets the tasks that have ended by now.
func (d *daemon) reapAll(ctx context.Context) {
	for {
		select {
		case r := <-d.finished:
			d.reap(ctx, r)
		default:
			return
		}
	}
}
