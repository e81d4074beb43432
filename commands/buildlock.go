package commands

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"moromi/internal/fault"
	"moromi/internal/koji"
	rpmmodel "moromi/projections/rpm"
)

// maxFileCommands bounds how many commands of a process work on the files of builds at once: the disk is the limit then, and each holds a
// database connection for its lock.
const maxFileCommands = 4

// withBuildFiles runs f while no other command of the site changes the files of the build: two imports of one build, or an import and a
// removal, must not meet.
func (s *Service) withBuildFiles(ctx context.Context, id int64, f func() error) error {
	select {
	case s.moving <- struct{}{}:
		defer func() { <-s.moving }()
	case <-ctx.Done():
		return ctx.Err()
	}
	return pgx.BeginFunc(ctx, s.DB, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `select pg_advisory_xact_lock(hashtextextended('files of build ' || $1::bigint, 0))`, id); err != nil {
			return fmt.Errorf("lock files of build %d: %w", id, err)
		}
		return f()
	})
}

// rpmNamesLock is the advisory lock of whoever makes sure that rpm names are free, in the whole site. The number means nothing.
const rpmNamesLock = 0x6d6f726f72706d

// withRPMNames runs record while no other command of the site adds rpms, if none of the names belongs to a regular rpm of another build.
// The names within one build its stream keeps unique; names across builds are checked here and not claimed in streams, which would double
// the events of an import. In each process one command at a time gets as far as the lock, so that waiting costs one connection.
func (s *Service) withRPMNames(ctx context.Context, build int64, names []koji.NVRA, record func() error) error {
	select {
	case s.naming <- struct{}{}:
		defer func() { <-s.naming }()
	case <-ctx.Done():
		return ctx.Err()
	}
	return pgx.BeginFunc(ctx, s.DB, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `select pg_advisory_xact_lock($1)`, int64(rpmNamesLock)); err != nil {
			return fmt.Errorf("lock rpm names: %w", err)
		}
		if err := s.Models.CatchUp(ctx); err != nil {
			return fmt.Errorf("wait for read models: %w", err)
		}
		taken, err := rpmmodel.Taken(ctx, s.DB, build, names)
		if err != nil {
			return err
		}
		if taken != "" {
			return fault.New(fault.Generic, "rpm already imported: %s", taken)
		}
		return record()
	})
}
