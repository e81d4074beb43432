// Package task is the read model of tasks, their runs and refusals.
package task

import (
	"moromi/events"
	"moromi/internal/koji"
	"moromi/projections"
)

// Projection writes task, task_document, scheduler_task_runs and scheduler_task_refusals.
type Projection struct{ tasks projections.Stateful }

// New makes the projection.
func New() *Projection { return &Projection{tasks: projections.NewStateful("task")} }

// Handles lists the events of the task aggregate.
func (p *Projection) Handles() []string {
	return []string{"task.created", "task.child_labeled", "task.assigned", "task.opened", "task.freed", "task.refused", "task.closed", "task.failed",
		"task.canceled", "task.weight_set", "task.priority_set", "task.wait_started", "task.children_seen", "task.wait_ended"}
}

// Apply queues the rows of one event. What changes while a task runs but is no history (weight, waiting, awaited) is updated in place.
func (p *Projection) Apply(b *projections.Batch, c *events.Commit, e events.Event) error {
	switch e := e.(type) {
	case events.TaskCreated:
		p.created(b, c, e)
	case events.TaskAssigned:
		p.tasks.Update(b, c, e.ID, `update task set state = $3, host_id = $4, since = $2 where id = $1`, koji.TaskAssigned, e.HostID)
		endRun(b, e.ID)
		if !e.Override {
			startRun(b, c, e.ID, e.HostID)
		}
	case events.TaskOpened:
		p.tasks.Update(b, c, e.ID, `update task set state = $3, host_id = nullif($4::bigint, 0), start_time = $5, since = $2 where id = $1`, koji.TaskOpen, e.HostID, c.At)
	case events.TaskFreed:
		p.tasks.Update(b, c, e.ID, `update task set state = $3, host_id = null, since = $2 where id = $1`, koji.TaskFree)
		endRun(b, e.ID)
	case events.TaskRefused:
		b.Exec(`insert into scheduler_task_refusals (id, task_id, host_id, by_host, soft, msg, time)
			values ((select coalesce(max(id), 0) + 1 from scheduler_task_refusals), $1, $2, $3, $4, $5, $6)
			on conflict (task_id, host_id) do update set by_host = excluded.by_host, soft = excluded.soft, msg = excluded.msg, time = excluded.time`,
			e.ID, e.HostID, e.ByHost, e.Soft, e.Message, c.At)
	case events.TaskClosed:
		p.finished(b, c, e.ID, koji.TaskClosed)
		b.Exec(`update task_document set result = $2 where id = $1`, e.ID, e.Result)
	case events.TaskFailed:
		p.finished(b, c, e.ID, koji.TaskFailed)
		b.Exec(`update task_document set result = $2 where id = $1`, e.ID, e.Result)
	case events.TaskCanceled:
		p.finished(b, c, e.ID, koji.TaskCanceled)
	case events.TaskWeightSet:
		b.Exec(`update task set weight = $2 where id = $1`, e.ID, e.Weight)
	case events.TaskPrioritySet:
		p.tasks.Update(b, c, e.ID, `update task set priority = $3, since = $2 where id = $1`, e.Priority)
	case events.TaskWaitStarted:
		b.Exec(`update task set waiting = true where id = $1`, e.ID)
		if e.All || len(e.Children) > 0 { // else it goes on waiting for what it waited for
			b.Exec(`update task set awaited = ($2 or id = any($3)) where parent = $1 and ($2 or id = any($3) or awaited)`, e.ID, e.All, e.Children)
		}
	case events.TaskChildrenSeen:
		b.Exec(`update task set awaited = false where id = any($1)`, e.Children)
	case events.TaskWaitEnded:
		b.Exec(`update task set waiting = false where id = $1`, e.ID)
		b.Exec(`update task set awaited = false where parent = $1`, e.ID)
	}
	return nil
}

func (p *Projection) created(b *projections.Batch, c *events.Commit, e events.TaskCreated) {
	state := koji.TaskFree
	if e.HostID != 0 {
		state = koji.TaskAssigned
	}
	b.Exec(`insert into task (id, state, create_time, channel_id, host_id, parent, label, owner, method, arch, priority, weight, since)
		values ($1, $2, $3, $4, nullif($5::bigint, 0), nullif($6::bigint, 0), $7, $8, $9, $10, $11, $12, $13)`,
		e.ID, state, c.At, e.ChannelID, e.HostID, e.Parent, e.Label, e.Owner, e.Method, e.Arch, e.Priority, e.Weight, int64(c.Position))
	b.Exec(`insert into task_document (id, request) values ($1, $2)`, e.ID, e.Request)
}

func (p *Projection) finished(b *projections.Batch, c *events.Commit, id int64, state koji.TaskState) {
	p.tasks.Update(b, c, id, `update task set state = $3, completion_time = $4, since = $2 where id = $1`, state, c.At)
	endRun(b, id)
	b.Exec(`delete from scheduler_task_refusals where task_id = $1`, id)
}

func startRun(b *projections.Batch, c *events.Commit, id, host int64) {
	b.Exec(`insert into scheduler_task_runs (id, task_id, host_id, active, create_time)
		values ((select coalesce(max(id), 0) + 1 from scheduler_task_runs), $1, $2, true, $3)`, id, host, c.At)
}

func endRun(b *projections.Batch, id int64) {
	b.Exec(`update scheduler_task_runs set active = false where task_id = $1 and active`, id)
}
