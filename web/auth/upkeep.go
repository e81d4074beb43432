package auth

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// touchInterval is how late a session's time of last use may be written. It matters only to people who look and to the reaper.
	touchInterval = 30 * time.Second
	// reapInterval is how often dead sessions are looked for.
	reapInterval = time.Hour
	// IdleLimit is how long an unused session is kept (koji-sweep-db's default: a day). A crashed daemon's exclusive session ends with it.
	IdleLimit = 24 * time.Hour
	// maxTouched bounds the memory for times not yet written; past it they are written at the next chance.
	maxTouched = 100_000
)

func (s *Sessions) touch(sess *Session) {
	now := s.cfg.Clock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.touched[sess.ID]; known || len(s.touched) < maxTouched {
		s.touched[sess.ID] = now
	}
}

func (s *Sessions) lastTouch(id int64) (time.Time, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.touched[id]
	return t, ok
}

// Run writes times of last use behind and removes dead sessions until ctx ends; then it writes once more. Errors are logged and the work is
// tried again at the next turn. Several processes may run it.
func (s *Sessions) Run(ctx context.Context) error {
	flush, reap := time.NewTicker(touchInterval), time.NewTicker(reapInterval)
	defer flush.Stop()
	defer reap.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
			defer cancel()
			return s.Flush(last)
		case <-flush.C:
			err = s.Flush(ctx)
		case <-reap.C:
			_, err = s.Reap(ctx)
		}
		if err != nil && !errors.Is(err, context.Canceled) {
			s.cfg.Log.ErrorContext(ctx, "session upkeep", "error", err)
		}
	}
}

// Flush writes the times of last use collected so far.
func (s *Sessions) Flush(ctx context.Context) error {
	s.mu.Lock()
	batch := s.touched
	s.touched = make(map[int64]time.Time, len(batch))
	s.mu.Unlock()
	if len(batch) == 0 {
		return nil
	}
	ids := make([]int64, 0, len(batch))
	for id := range batch {
		ids = append(ids, id)
	}
	slices.Sort(ids) // one lock order in every process
	times := make([]time.Time, len(ids))
	for i, id := range ids {
		times[i] = batch[id]
	}
	_, err := s.cfg.Pool.Exec(ctx, `with v as (
			select s.id, v.t from unnest($1::bigint[], $2::timestamptz[]) v(id, t) join ops.sessions s on s.id = v.id
			where s.update_time < v.t order by s.id for update of s)
		update ops.sessions s set update_time = v.t from v where s.id = v.id`, ids, times)
	if err == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, t := range batch { // keep them for the next turn
		if len(s.touched) < maxTouched && s.touched[id].Before(t) {
			s.touched[id] = t
		}
	}
	return dbError("write session times", err)
}

// Reap removes sessions that nobody used for IdleLimit and gives their number. Sub-sessions that are in use keep their master.
func (s *Sessions) Reap(ctx context.Context) (int64, error) {
	var n int64
	err := pgx.BeginFunc(ctx, s.cfg.Pool, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `delete from ops.sessions s where s.update_time < $1
			and not exists (select 1 from ops.sessions c where c.master = s.id and c.update_time >= $1)`, s.cfg.Clock().Add(-IdleLimit))
		n = tag.RowsAffected()
		return err
	})
	if err != nil {
		return 0, dbError("remove dead sessions", err)
	}
	return n, nil
}
