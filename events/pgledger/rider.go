package pgledger

import (
	"context"
	"errors"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// ErrRefused ends an append whose rider did not let it be made.
var ErrRefused = errors.New("refused by what is to be written with it")

// Rider is a statement of somebody else that is made in the transaction of the first append of a context: both are made, or neither. What the context
// appends later goes without. Safe for concurrent use.
type Rider struct {
	sql   string
	args  []any
	order int64

	mu      sync.Mutex
	on      *request // the append under way that takes it along
	made    bool
	refused bool
}

type riderKey struct{}

// WithRider gives a context whose first append makes the statement. The statement fails with division_by_zero if the append is not to be made. Of
// several in one transaction those of lower order come first, for the sake of who locks rows. It runs with the parameters of the ledger's connections.
func WithRider(ctx context.Context, order int64, sql string, args ...any) (context.Context, *Rider) {
	r := &Rider{sql: sql, args: args, order: order}
	return context.WithValue(ctx, riderKey{}, r), r
}

// Made tells whether the statement was made. False while an append is under way, or if nobody knows what became of it.
func (r *Rider) Made() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.made
}

// Refused tells whether an append was not made on account of the statement.
func (r *Rider) Refused() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.refused
}

// board lets a request take its context's rider along, or follow the one that does.
func (r *request) board() {
	rider, _ := r.ctx.Value(riderKey{}).(*Rider)
	if rider == nil {
		return
	}
	rider.mu.Lock()
	defer rider.mu.Unlock()
	switch {
	case rider.made:
	case rider.on != nil && rider.on.ledger == r.ledger:
		r.after = append(r.after, rider.on)
	default:
		rider.on, r.rider = r, rider
	}
}

// leave takes in what became of the request.
func (r *Rider) leave(req *request, a answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.on == req {
		r.on = nil
	}
	r.made = r.made || a.err == nil || len(a.at) > 0
	r.refused = r.refused || errors.Is(a.err, ErrRefused)
}

// refusal tells whether a transaction with riders failed on account of one.
func refusal(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "22012"
}

// ride queues the statements of a plan's riders.
func (p *plan) ride(b *pgx.Batch) {
	for _, r := range p.riders {
		b.Queue(r.sql, r.args...)
	}
}
