package commands

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"moromi/events"
)

// writeWithRider runs statements that write past the ledger as one transaction, and takes the context's rider along. They come back as events.ErrRefused if that
// does not let them be made; they have no division of their own.
func (s *Service) writeWithRider(ctx context.Context, b *pgx.Batch) error {
	rider := events.RiderOf(ctx)
	aboard := false
	if rider != nil {
		if aboard, _ = rider.Board(b); aboard {
			b.Queue(rider.SQL, rider.Args...)
		}
	}
	err := s.DB.SendBatch(ctx, b).Close()
	var pg *pgconn.PgError
	refused := aboard && errors.As(err, &pg) && pg.Code == events.RefusedState
	if refused {
		err = events.ErrRefused
	}
	if aboard {
		rider.Leave(err == nil, refused)
	}
	return err
}
