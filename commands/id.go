package commands

import (
	"context"
	"fmt"
	"time"
)

// counters are the sequences of schema ops by kind: a closed list, since the name becomes part of the statement.
var counters = map[string]string{
	"package": "ops.id_package", "task": "ops.id_task", "build": "ops.id_build", "rpm": "ops.id_rpm", "buildroot": "ops.id_buildroot", "repo": "ops.id_repo",
	"repo_request": "ops.id_repo_request", "archive": "ops.id_archive", "notification": "ops.id_notification",
	"notification_block": "ops.id_notification_block", "cg_reservation": "ops.id_cg_reservation",
}

// highest tells for each counter the highest id that the read models know. The statement is a constant.
const highest = `
	select setval('ops.id_package', greatest((select last_value from ops.id_package), (select max(id) from package)), true) where exists (select from package);
	select setval('ops.id_task', greatest((select last_value from ops.id_task), (select max(id) from task)), true) where exists (select from task);
	select setval('ops.id_build', greatest((select last_value from ops.id_build), (select max(id) from build)), true) where exists (select from build);
	select setval('ops.id_rpm', greatest((select last_value from ops.id_rpm), (select max(id) from rpminfo)), true) where exists (select from rpminfo);
	select setval('ops.id_buildroot', greatest((select last_value from ops.id_buildroot), (select max(id) from buildroot)), true) where exists (select from buildroot);
	select setval('ops.id_repo', greatest((select last_value from ops.id_repo), (select max(id) from repo)), true) where exists (select from repo);
	select setval('ops.id_repo_request', greatest((select last_value from ops.id_repo_request), (select max(id) from repo_queue)), true) where exists (select from repo_queue);
	select setval('ops.id_archive', greatest((select last_value from ops.id_archive), (select max(id) from archiveinfo), (select max(id) from archiveinfo_past)), true)
		where exists (select from archiveinfo) or exists (select from archiveinfo_past);
	select setval('ops.id_notification', greatest((select last_value from ops.id_notification), (select max(id) from build_notifications)), true) where exists (select from build_notifications);
	select setval('ops.id_notification_block', greatest((select last_value from ops.id_notification_block), (select max(id) from build_notifications_block)), true) where exists (select from build_notifications_block)`

// SyncCounters moves the id counters past every id that the ledger holds: after a restore, or on a new database over an old ledger.
// Call it when the read models are at the ledger's head, before the first command.
func (s *Service) SyncCounters(ctx context.Context) error {
	if _, err := s.DB.Exec(ctx, highest); err != nil {
		return fmt.Errorf("move id counters: %w", err)
	}
	return nil
}

// nextIDs draws n ids of a kind, in ascending order. An id drawn by a command that fails afterwards is not used again, as in Koji.
func (s *Service) nextIDs(ctx context.Context, kind string, n int) ([]int64, error) {
	seq := counters[kind]
	if seq == "" {
		return nil, fmt.Errorf("draw id: no counter for %q", kind)
	}
	rows, err := s.DB.Query(ctx, `select nextval($1::regclass) from generate_series(1, $2)`, seq, n)
	if err != nil {
		return nil, fmt.Errorf("draw %s id: %w", kind, err)
	}
	defer rows.Close()
	ids := make([]int64, 0, n)
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, fmt.Errorf("draw %s id: %w", kind, err)
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

// nextID draws one id of a kind: an id that is greater than those that this process has drawn before, and nearly so for other processes.
func (s *Service) nextID(ctx context.Context, kind string) (int64, error) {
	line := s.drawn[kind]
	if line == nil {
		return 0, fmt.Errorf("draw id: no counter for %q", kind)
	}
	return line.next(ctx, time.Now(), func(ctx context.Context, n int) ([]int64, error) { return s.nextIDs(ctx, kind, n) })
}
