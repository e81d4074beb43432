package task

import (
	"context"
	"fmt"
	"time"

	"moromi/internal/fault"
	"moromi/internal/xmlrpc"
)

// waitPoll is how often a waiting task asks by itself. The daemon wakes it when the hub says so; this is for a hint that was lost.
const waitPoll = 30 * time.Second

// subtask makes a sub-task of this one, or finds the one that an earlier attempt made with the same label.
func (j *Job) subtask(ctx context.Context, method string, args []any, opts xmlrpc.Kwargs) (int64, error) {
	id, err := j.Hub.Call(ctx, "host.subtask", method, args, j.ID, opts)
	if err != nil {
		return 0, fmt.Errorf("make sub-task %s: %w", method, err)
	}
	if n := asInt(id); n > 0 {
		return n, nil
	}
	return 0, fault.New(fault.Generic, "the hub made no sub-task for %s", method)
}

// wait waits for sub-tasks and gives their results by id. With failAny the first failure cancels the others.
// The fault of a failed sub-task is returned as it is: it becomes this task's.
func (j *Job) wait(ctx context.Context, failAny bool, ids ...int64) (map[int64]any, error) {
	list := make([]any, len(ids))
	for i, id := range ids {
		list[i] = id
	}
	if _, err := j.Hub.Call(ctx, "host.taskSetWait", j.ID, list); err != nil {
		return nil, err
	}
	checked := map[int64]bool{}
	for {
		res, err := j.Hub.Call(ctx, "host.taskWait", j.ID)
		if err != nil {
			return nil, err
		}
		pair := asList(res)
		if len(pair) != 2 {
			return nil, fault.New(fault.Generic, "host.taskWait answered %v, not two lists", res)
		}
		finished, unfinished := asList(pair[0]), asList(pair[1])
		if len(unfinished) == 0 {
			break
		}
		if failAny {
			if err := j.checkFinished(ctx, finished, checked); err != nil {
				return nil, err
			}
		}
		if err := j.pause(ctx, waitPoll); err != nil {
			return nil, err
		}
	}
	res, err := j.Hub.Call(ctx, "host.taskWaitResults", j.ID, list)
	if err != nil {
		return nil, err
	}
	results := map[int64]any{}
	for _, r := range asList(res) {
		if pair := asList(r); len(pair) == 2 {
			results[asInt(pair[0])] = pair[1]
		}
	}
	for _, id := range ids {
		if _, ok := results[id]; !ok {
			return nil, fault.New(fault.Generic, "the hub gave no result of task %d", id)
		}
	}
	return results, nil
}

// checkFinished looks at each finished sub-task once. A failure cancels the rest.
func (j *Job) checkFinished(ctx context.Context, finished []any, checked map[int64]bool) error {
	for _, v := range finished {
		id := asInt(v)
		if checked[id] {
			continue
		}
		checked[id] = true
		if _, err := j.Hub.Call(ctx, "getTaskResult", id); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			j.Log.Info("sub-task failed, canceling the others", "subtask", id)
			if _, err := j.Hub.Call(ctx, "cancelTaskChildren", j.ID); err != nil {
				j.Log.Warn("sub-tasks not canceled", "err", err)
			}
			return err
		}
	}
	return nil
}

// pause sleeps until woken, or for at most d.
func (j *Job) pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-j.Wake:
	case <-t.C:
	}
	return nil
}
