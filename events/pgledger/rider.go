package pgledger

import (
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"moromi/events"
)

// board lets a request take its context's rider along, or follow the one that does.
func (r *request) board() {
	rider := events.RiderOf(r.ctx)
	if rider == nil {
		return
	}
	aboard, before := rider.Board(r)
	if aboard {
		r.rider = rider
	}
	if first, ok := before.(*request); ok && first.ledger == r.ledger {
		r.after = append(r.after, first)
	}
}

// alight lets the rider go on without the request, which has ended.
func (r *request) alight(a answer) {
	if r.rider != nil {
		r.rider.Leave(a.err == nil || len(a.at) > 0, errors.Is(a.err, events.ErrRefused))
	}
}

// ride queues the statements of a plan's riders.
func (p *plan) ride(b *pgx.Batch) {
	for _, r := range p.riders {
		b.Queue(r.SQL, r.Args...)
	}
}

// refusal tells whether a transaction with riders failed on account of one.
func refusal(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == events.RefusedState
}
