package auth

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"moromi/internal/fault"
)

// releaseTimeout bounds giving a claim back after the call's own context may have ended.
const releaseTimeout = 10 * time.Second

// Claim is the call number of a call that may change something, stored before the call runs. See the package comment.
type Claim struct {
	s    *Sessions
	id   int64
	num  int64
	prev *int64
	pend *pendingClaim
	ride *ride // nil: the number is stored
}

// Claim stores the call's number, or refuses the call with SequenceError or RetryError when another process stored the same or a later one
// since Check. The caller ends every claim with exactly one of Keep and Release. A session or client without numbers gets a nil claim,
// on which both do nothing. A claim of Ride is ended with Finish instead.
func (s *Sessions) Claim(ctx context.Context, sess *Session, method string) (*Claim, error) {
	if !sess.LoggedIn() || sess.Callnum == nil {
		return nil, nil
	}
	if err := s.others(ctx, sess.ID); err != nil {
		return nil, err
	}
	c := s.newClaim(sess.ID, *sess.Callnum)
	err := s.cfg.Pool.QueryRow(ctx, `with wait as materialized (select set_config('synchronous_commit', $4, true)),
			old as (select id, callnum from ops.sessions, wait where id = $1 and not closed for update of sessions)
		update ops.sessions s set callnum = $2 from old
		where s.id = old.id and (old.callnum is null or old.callnum < $2 or (old.callnum = $2 and $3)) returning old.callnum`,
		c.id, c.num, repeatable(method), s.commitWait()).Scan(&c.prev)
	if err == nil {
		return c, nil
	}
	c.end()
	if !errors.Is(err, pgx.ErrNoRows) {
		return nil, dbError("claim call number", err)
	}
	var stored *int64
	err = s.cfg.Pool.QueryRow(ctx, `select callnum from ops.sessions where id = $1 and not closed`, c.id).Scan(&stored)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, errBadSession()
	}
	if err != nil {
		return nil, dbError("claim call number", err)
	}
	if err := sequence(c.id, stored, &c.num, method); err != nil {
		return nil, err
	}
	// The number was free again between the two queries: its holder was refused. The client may simply repeat.
	return nil, fault.New(fault.Lock, "call %d of session %d is running", c.num, c.id)
}

// newClaim makes a claim that is to be stored: whoever repeats the call meanwhile waits for its end.
func (s *Sessions) newClaim(id, num int64) *Claim {
	c := &Claim{s: s, id: id, num: num, pend: &pendingClaim{callnum: num, done: make(chan struct{})}}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pending[c.id] == nil {
		s.pending[c.id] = c.pend
	}
	return c
}

// commitWait is the synchronous_commit of a claim.
func (s *Sessions) commitWait() string {
	if s.cfg.WithLedger {
		return "off" // the ledger's log has the number before the call's events: what waits for these to be on the disk need not wait for the number as well
	}
	return "on"
}

// Keep ends the claim of a call that changed something, or may have.
func (c *Claim) Keep() {
	if c != nil {
		c.end()
	}
}

// Release ends the claim of a call that changed nothing: its number may be used again.
func (c *Claim) Release(ctx context.Context) error {
	if c == nil {
		return nil
	}
	defer c.end()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	_, err := c.s.cfg.Pool.Exec(ctx, `update ops.sessions set callnum = $3 where id = $1 and callnum = $2`, c.id, c.num, c.prev)
	if err != nil {
		return dbError("release call number", err)
	}
	return nil
}

func (c *Claim) end() {
	c.s.mu.Lock()
	if c.s.pending[c.id] == c.pend {
		delete(c.s.pending, c.id)
	}
	c.s.mu.Unlock()
	close(c.pend.done)
}

// running gives a channel that closes when the running call with the session's present number ends, or nil if there is none.
func (s *Sessions) running(sess *Session) <-chan struct{} {
	if sess.Callnum == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.pending[sess.ID]; p != nil && p.callnum == *sess.Callnum {
		return p.done
	}
	return nil
}
