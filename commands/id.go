package commands

import (
	"context"
	"fmt"
)

// counters are the sequences of schema ops by kind: a closed list, since the name becomes part of the statement.
var counters = map[string]string{
	"task": "ops.id_task", "build": "ops.id_build", "rpm": "ops.id_rpm", "buildroot": "ops.id_buildroot", "repo": "ops.id_repo",
	"repo_request": "ops.id_repo_request", "archive": "ops.id_archive", "notification": "ops.id_notification",
	"notification_block": "ops.id_notification_block", "cg_reservation": "ops.id_cg_reservation",
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

// nextID draws one id of a kind.
func (s *Service) nextID(ctx context.Context, kind string) (int64, error) {
	ids, err := s.nextIDs(ctx, kind, 1)
	if err != nil {
		return 0, err
	}
	return ids[0], nil
}
