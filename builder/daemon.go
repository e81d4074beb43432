package builder

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"moromi/builder/task"
	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/internal/xmlrpc"
)

const (
	// heartbeat is the longest time without host.updateHost; a hub takes a host for dead after three minutes.
	heartbeat = 30 * time.Second
	// expireInterval is how often roots that the hub believes alive are looked through.
	expireInterval = 10 * time.Minute
	// shutdownTime is how long tasks get to end, goodbyeTime the calls after that: a hub that is going down, too, does not answer,
	// and service managers do not wait long.
	shutdownTime, goodbyeTime = 8 * time.Second, 3 * time.Second
)

// Why a task was ended from outside.
var (
	errCanceled   = errors.New("the task was canceled")
	errReassigned = errors.New("the task was given to another host")
	errShutdown   = errors.New("the builder is shutting down")
)

// daemon is the main loop. All its fields belong to the loop's goroutine; tasks run in their own and report on finished.
type daemon struct {
	cfg      *Config
	session  Session
	settings *task.Settings
	handlers map[string]task.Handler
	log      *slog.Logger

	hostID   int64
	host     map[string]any // the hub's record of this host
	hostRead time.Time
	running  map[int64]*running
	finished chan *running
	load     float64

	told     hostState
	toldAt   time.Time
	expireAt time.Time
}

// run is the daemon's life.
func (d *daemon) run(ctx context.Context) error {
	id, err := d.session.Call(ctx, "host.getID")
	if err != nil {
		return fmt.Errorf("ask for the host's id: %w", err)
	}
	var ok bool
	if d.hostID, ok = id.(int64); !ok {
		return fmt.Errorf("the hub gave %v as the host's id", id)
	}
	notices, err := d.session.Notices(ctx)
	if err != nil {
		d.log.Info("the hub does not push; asking it every so often", "interval", d.cfg.Sleep, "err", err)
	}
	d.log.Info("builder started", "host", d.hostID, "server", d.cfg.Server)
	err = d.loop(ctx, notices)
	return errors.Join(err, d.shutdown(ctx))
}

// loop goes on until ctx ends, which is no error, or the session is lost.
func (d *daemon) loop(ctx context.Context, notices <-chan Notice) error {
	timer := time.NewTimer(d.cfg.Sleep)
	defer timer.Stop()
	for {
		again, err := d.round(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case sessionLost(err):
			return fmt.Errorf("the session at the hub is lost: %w", err)
		case err != nil:
			d.log.Error("round not finished", "err", err)
		case again:
			continue
		}
		timer.Reset(min(d.cfg.Sleep, heartbeat/2))
		if notices, err = d.idle(ctx, timer.C, notices); err != nil {
			return nil
		}
	}
}

// sessionLost tells errors after which calling on is of no use.
func sessionLost(err error) bool {
	return fault.Is(err, fault.AuthExpired) || fault.Is(err, fault.Auth) || fault.Is(err, fault.AuthLock) || fault.Is(err, fault.Retry)
}

// idle waits for something to do. An awaited sub-task wakes its parent here, without asking the hub.
// The error is ctx's.
func (d *daemon) idle(ctx context.Context, tick <-chan time.Time, notices <-chan Notice) (<-chan Notice, error) {
	for {
		select {
		case <-ctx.Done():
			return notices, ctx.Err()
		case <-tick:
			return notices, nil
		case r := <-d.finished:
			d.reap(ctx, r)
			return notices, nil
		case n, ok := <-notices:
			if !ok {
				notices = nil // the timer goes on
				continue
			}
			d.log.Debug("notice", "reason", n.Reason, "task", n.Task)
			if r := d.running[n.Task]; n.Reason == "awaited" && r != nil {
				r.poke()
				continue
			}
			return notices, nil
		}
	}
}

// round brings the daemon and the hub together: what runs, what was canceled, how loaded the host is, what is to be done.
// again asks for another round at once, since the load has changed.
func (d *daemon) round(ctx context.Context) (again bool, err error) {
	if err := d.updateTasks(ctx); err != nil {
		return false, err
	}
	d.settings.Shelf.Tidy(d.lacksSpace() != "")
	if now := d.settings.Now(); now.After(d.expireAt) {
		if err := d.expireRoots(ctx); err != nil {
			return false, err
		}
		d.expireAt = now.Add(expireInterval)
	}
	ready, err := d.ready(ctx)
	if err != nil {
		return false, err
	}
	if err := d.tell(ctx, ready); err != nil || !ready {
		return false, err
	}
	return d.takeTasks(ctx)
}

// updateTasks compares the hub's list of this host's open tasks with what runs here.
func (d *daemon) updateTasks(ctx context.Context) error {
	d.reapAll(ctx)
	res, err := d.session.Call(ctx, "host.getHostTasks")
	if err != nil {
		return fmt.Errorf("ask for the host's tasks: %w", err)
	}
	list, _ := res.([]any)
	var stale []any
	open := map[int64]bool{}
	d.load = 0
	for _, v := range list {
		t, _ := v.(map[string]any)
		id, _ := t["id"].(int64)
		r := d.running[id]
		if r == nil {
			stale = append(stale, id)
			continue
		}
		open[id] = true
		if waiting, _ := t["waiting"].(bool); !waiting {
			d.load += number(t["weight"])
		}
		if alert, _ := t["alert"].(bool); alert {
			r.poke()
		}
	}
	if len(stale) > 0 {
		// Open for us, but nothing of ours works on them: of an earlier run.
		d.log.Info("freeing stale tasks", "tasks", stale)
		if _, err := d.session.Call(ctx, "host.freeTasks", stale); err != nil {
			return fmt.Errorf("free stale tasks: %w", err)
		}
	}
	for id, r := range d.running {
		if open[id] || r.ending {
			continue
		}
		if err := d.checkEnded(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// checkEnded looks why a running task is not open any more, and stops it if it should not go on. A task whose result just went to the hub is left alone.
func (d *daemon) checkEnded(ctx context.Context, r *running) error {
	res, err := d.session.Call(ctx, "getTaskInfo", r.job.ID)
	if err != nil {
		return fmt.Errorf("ask for task %d: %w", r.job.ID, err)
	}
	info, _ := res.(map[string]any)
	state, _ := info["state"].(int64)
	host, _ := info["host_id"].(int64)
	switch {
	case koji.TaskState(state) == koji.TaskCanceled:
		d.log.Info("killing canceled task", "task", r.job.ID)
		r.end(errCanceled)
	case host != d.hostID:
		d.log.Info("killing reassigned task", "task", r.job.ID)
		r.end(errReassigned)
	}
	return nil
}

// expireRoots marks roots of this host whose task does not run here.
func (d *daemon) expireRoots(ctx context.Context) error {
	alive := []any{int64(koji.BuildrootInit), int64(koji.BuildrootWaiting), int64(koji.BuildrootBuilding)}
	res, err := d.session.Call(ctx, "listBuildroots", xmlrpc.Kwargs{"hostID": d.hostID, "state": alive})
	if err != nil {
		return fmt.Errorf("list the host's buildroots: %w", err)
	}
	list, _ := res.([]any)
	for _, v := range list {
		root, _ := v.(map[string]any)
		owner, _ := root["task_id"].(int64)
		if d.running[owner] != nil {
			continue
		}
		d.log.Info("expiring buildroot", "buildroot", root["id"], "task", root["task_id"])
		if _, err := d.session.Call(ctx, "host.setBuildRootState", root["id"], "EXPIRED"); err != nil {
			d.log.Warn("buildroot not expired", "buildroot", root["id"], "err", err)
		}
	}
	return nil
}

// shutdown ends all tasks, gives them back and logs out.
func (d *daemon) shutdown(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	var open []any
	for id, r := range d.running {
		open = append(open, id)
		r.end(errShutdown)
	}
	for len(d.running) > 0 {
		select {
		case r := <-d.finished:
			d.reap(ctx, r)
		case <-ctx.Done():
			return fmt.Errorf("%d tasks did not end within %s", len(d.running), shutdownTime)
		}
	}
	ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), goodbyeTime)
	defer cancel()
	var errs []error
	if len(open) > 0 {
		if _, err := d.session.Call(ctx, "host.freeTasks", open); err != nil {
			errs = append(errs, fmt.Errorf("give the tasks back: %w", err))
		}
	}
	d.load = 0
	if err := d.tell(ctx, false); err != nil {
		errs = append(errs, err)
	}
	if err := d.session.Logout(ctx); err != nil {
		errs = append(errs, fmt.Errorf("log out: %w", err))
	}
	for _, err := range errs {
		d.log.Warn("shutting down", "err", err) // the hub notices by itself; it is no failure of ours
	}
	d.settings.Shelf.Clear()
	d.log.Info("builder stopped")
	return nil
}

func number(v any) float64 {
	switch n := v.(type) {
	case float64:
		return n
	case int64:
		return float64(n)
	}
	return 0
}
