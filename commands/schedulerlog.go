package commands

import (
	"context"
	"fmt"
	"maps"
	"slices"
)

// markSilent takes hosts that have gone silent from the ready ones, until they report again.
func (sc *Scheduler) markSilent(ctx context.Context, hosts map[int64]*schedHost) error {
	for _, id := range slices.Sorted(maps.Keys(hosts)) {
		if !hosts[id].silent {
			continue
		}
		done, err := sc.service.DB.Exec(ctx, `update ops.host_status set ready = false where host_id = $1 and ready and update_time is not distinct from $2`,
			id, hosts[id].reported)
		if err != nil {
			return fmt.Errorf("mark host %d not ready: %w", id, err)
		}
		if done.RowsAffected() > 0 { // else it reported just now
			sc.note(ctx, "Marking host not ready", 0, id)
		}
	}
	return nil
}

// noteRefusal notes that a host will not take a task, and why.
func (sc *Scheduler) noteRefusal(ctx context.Context, message string, task, host int64) {
	sc.note(ctx, "Host refused task: "+message, task, host)
}

// note keeps a line for scheduler.getLogMessages and for the log. task is 0 where it is about a host only.
func (sc *Scheduler) note(ctx context.Context, msg string, task, host int64) {
	sc.log.Info(msg, "task", task, "host", host)
	if _, err := sc.service.DB.Exec(ctx, `insert into ops.scheduler_log (task_id, host_id, msg) values (nullif($1::bigint, 0), $2, $3)`, task, host, msg); err != nil {
		sc.log.Warn("scheduler log not written", "error", err)
	}
}
