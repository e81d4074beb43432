package commands

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// kojiraNoted is how often it is written down at most that kojira is there: it calls every few seconds.
const kojiraNoted = time.Second

// NoteKojira notes that kojira, or someone in its place, looks after the site's repositories.
func (s *Service) NoteKojira(ctx context.Context) error {
	now := s.Clock()
	_, err := s.DB.Exec(ctx, `insert into ops.kojira (id, seen) values (1, $1) on conflict (id) do update set seen = excluded.seen where ops.kojira.seen < $2`,
		now, now.Add(-kojiraNoted))
	if err != nil {
		return fmt.Errorf("note kojira: %w", err)
	}
	return nil
}

// KojiraSeen is when kojira was last there; the zero time if it never was.
func (s *Service) KojiraSeen(ctx context.Context) (time.Time, error) {
	var seen time.Time
	err := s.DB.QueryRow(ctx, `select seen from ops.kojira`).Scan(&seen)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return seen, fmt.Errorf("look for kojira: %w", err)
	}
	return seen, nil
}
