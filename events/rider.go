package events

import (
	"context"
	"errors"
	"sync"
)

// ErrRefused ends a change whose Rider did not let it be made.
var ErrRefused = errors.New("refused by what is to be written with it")

// RefusedState is the SQLSTATE with which a Rider's statement refuses a change: division_by_zero, which an expression can bring about by itself.
const RefusedState = "22012"

// Rider is a statement in SQL that is made in the transaction of the first change that a context makes in the database: both are made, or neither. A
// ledger in a database takes it along with an append, whoever writes there otherwise with what is written. What the context changes later goes
// without. Safe for concurrent use.
type Rider struct {
	// SQL fails with RefusedState if the change is not to be made.
	SQL  string
	Args []any
	// Order is that in which the statements of several changes in one transaction are made, for the sake of who locks rows.
	Order int64

	mu      sync.Mutex
	on      any // the change under way that takes it along
	made    bool
	refused bool
}

type riderKey struct{}

// WithRider gives a context whose first change takes the rider along.
func WithRider(ctx context.Context, r *Rider) context.Context {
	return context.WithValue(ctx, riderKey{}, r)
}

// RiderOf gives a context's rider; nil if it has none.
func RiderOf(ctx context.Context) *Rider {
	r, _ := ctx.Value(riderKey{}).(*Rider)
	return r
}

// Made tells whether the statement was made. False while a change is under way, or if nobody knows what became of it.
func (r *Rider) Made() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.made
}

// Refused tells whether a change was not made on account of the statement.
func (r *Rider) Refused() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.refused
}

// Board lets a change take the rider along. If another of the context does so already, that is before: it has to be made for this one to be made. Neither: the
// rider was made before. A change that takes it along ends with Leave.
func (r *Rider) Board(change any) (aboard bool, before any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.made:
	case r.on != nil:
		before = r.on
	default:
		r.on, aboard = change, true
	}
	return aboard, before
}

// Leave says what became of the change that took the rider along.
func (r *Rider) Leave(made, refused bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.on = nil
	r.made, r.refused = r.made || made, r.refused || refused
}
