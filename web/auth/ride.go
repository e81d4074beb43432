package auth

import (
	"context"
	"crypto/subtle"
	"fmt"
	"maps"
	"time"

	"moromi/events"
	"moromi/internal/fault"
)

// maxKnown bounds the sessions that are remembered, about half a kilobyte each: more than daemons and users work at the same time. Who is forgotten
// is looked up.
const maxKnown = 10_000

// The statements that a call takes along: they fail if the session does not stand as it was remembered.
const (
	stands = `s.id = $1 and not s.closed and not s.expired and s.key_hash = $3 and s.hostip = $4
		and (select e.id from ops.sessions e where e.user_id = s.user_id and e.exclusive) is not distinct from $5`
	// rideSession stores the call's number.
	rideSession = `with taken as (update ops.sessions s set callnum = $2 where ` + stands + ` and (s.callnum is null or s.callnum < $2) returning s.id)
		select 1 / count(*) from taken`
	// rideRepeatable is for a call that may be repeated.
	rideRepeatable = `select 1 / count(*) from ops.sessions s where ` + stands + ` and (s.callnum is null or s.callnum <= $2)`
)

// standing is a session that was allowed to change something, and how far it had counted.
type standing struct {
	sess        Session
	exclusiveID *int64
	callnum     int64
}

// ride is what a claim needs whose number is stored with the call's first change.
type ride struct {
	cred   Credentials
	key    []byte // its hash
	remote string
	method string
	rider  *events.Rider

	exclusive   bool // what the call is allowed as
	exclusiveID *int64
}

// Ride is Begin without asking the database, for a call whose changes take an events.Rider along: the number is stored in the transaction of the first
// of them, if the session is still good for it there; the change is not made otherwise. A claim of nil: Begin has to be asked, or Check. Of a call that may
// be repeated (see repeatable) no number is stored.
// The call runs in the claim's Context, and Finish has the last word on it.
func (s *Sessions) Ride(ctx context.Context, c Credentials, remote, method string) (*Session, *Claim, error) {
	if c.Callnum == nil || !s.cfg.WithLedger {
		return nil, nil, nil
	}
	least := *c.Callnum - 1 // the highest number that may be stored
	if repeatable(method) {
		least++
	}
	if err := s.others(ctx, c.ID); err != nil {
		return nil, nil, err
	}
	key, hostIP := hashKey(c.Key), s.HostIP(remote)
	s.mu.Lock()
	was, ok := s.known[c.ID]
	ok = ok && s.pending[c.ID] == nil && was.callnum <= least && s.young(&was.sess)
	if !ok || subtle.ConstantTimeCompare(key, was.sess.keyHash) != 1 || was.sess.Info.HostIP != hostIP {
		s.mu.Unlock()
		return nil, nil, nil
	}
	claim := &Claim{s: s, id: c.ID, num: *c.Callnum, pend: &pendingClaim{callnum: *c.Callnum, rides: true, done: make(chan struct{})},
		ride: &ride{cred: c, key: key, remote: remote, method: method, exclusiveID: was.exclusiveID}}
	s.pending[c.ID] = claim.pend
	s.mu.Unlock()

	sess, stored := was.sess, was.callnum
	sess.Callnum, sess.Info.Callnum = c.Callnum, &stored
	if t, ok := s.lastTouch(sess.ID); ok && t.After(sess.Info.UpdateTime) {
		sess.Info.UpdateTime = t
	}
	if err := s.admit(ctx, &sess, was.exclusiveID); err != nil {
		claim.end()
		return nil, nil, err
	}
	claim.ride.exclusive = sess.Exclusive
	return &sess, claim, nil
}

// Context is that in which the claim's call runs.
func (c *Claim) Context(ctx context.Context) context.Context {
	if c == nil || c.ride == nil {
		return ctx
	}
	c.ride.rider = &events.Rider{SQL: rideSession, Args: []any{c.id, c.num, c.ride.key, c.s.HostIP(c.ride.remote), c.ride.exclusiveID}, Order: c.id}
	if repeatable(c.ride.method) {
		c.ride.rider.SQL = rideRepeatable
	}
	return events.WithRider(ctx, c.ride.rider)
}

// Rides tells whether the claim is to be ended with Finish.
func (c *Claim) Rides() bool { return c != nil && c.ride != nil }

// Instead is Begin for a call that was to ride, before it has changed anything: what was remembered of its session may be out of date.
func (c *Claim) Instead(ctx context.Context) (*Session, *Claim, error) {
	c.s.keep(c.id, c.num, false)
	c.end()
	return c.s.Begin(ctx, c.ride.cred, c.ride.remote, c.ride.method)
}

// Finish ends a claim of Ride when its call has ended, with err, and gives what the call has come to: mostly err. It is a fault of the session's if that
// turned out not to be good for the call; then nothing was changed.
func (c *Claim) Finish(ctx context.Context, err error) error {
	s, r := c.s, c.ride
	made, refused := r.rider != nil && r.rider.Made(), r.rider != nil && r.rider.Refused()
	s.keep(c.id, c.num, made)
	c.end()
	switch {
	case made || err != nil && fault.Of(err) == nil && !refused: // it is not known what became of an append: the number was stored if that was made
		return err
	case refused || err == nil:
		return s.finishStored(ctx, c, refused)
	}
	sess, exclusiveID, bad := s.find(ctx, r.cred, r.remote)
	if bad == nil {
		bad = s.usable(ctx, sess, r.method)
	}
	if bad == nil {
		bad = s.admit(ctx, sess, exclusiveID)
	}
	if bad == nil {
		bad = c.changed(sess)
	}
	if fault.Of(bad) != nil {
		return bad
	}
	return err
}

// finishStored stores the number of a call that has changed nothing, as Begin would have before it.
func (s *Sessions) finishStored(ctx context.Context, c *Claim, refused bool) error {
	sess, claim, err := s.Begin(ctx, c.ride.cred, c.ride.remote, c.ride.method)
	if err == nil && claim == nil && !repeatable(c.ride.method) {
		claim, err = s.Claim(ctx, sess, c.ride.method)
	}
	if err == nil {
		err = c.changed(sess)
	}
	if err == nil && refused { // what stood in the way has gone
		err = c.tryAgain()
	}
	if err == nil {
		claim.Keep()
		return nil
	}
	if err := claim.Release(ctx); err != nil {
		return err
	}
	return err
}

// changed refuses a call whose session is good, but is not now what the call was allowed as.
func (c *Claim) changed(sess *Session) error {
	if err := sess.Lockout(); err != nil || sess.Exclusive == c.ride.exclusive {
		return err
	}
	return c.tryAgain()
}

func (c *Claim) tryAgain() error {
	return fault.New(fault.Lock, "session %d was being changed: nothing was done, try again", c.id)
}

// Lockout refuses what a session may not do while another one of its user is exclusive.
func (s *Session) Lockout() error {
	if s != nil && s.Locked {
		return fault.New(fault.AuthLock, "User locked by another session")
	}
	return nil
}

// others waits for a call of the session whose number is not stored yet: one with a later number may not be stored before it.
func (s *Sessions) others(ctx context.Context, id int64) error {
	for {
		s.mu.Lock()
		p := s.pending[id]
		s.mu.Unlock()
		if p == nil || !p.rides {
			return nil
		}
		select {
		case <-p.done:
		case <-ctx.Done():
			return fmt.Errorf("wait for call %d of session %d: %w", p.callnum, id, ctx.Err())
		}
	}
}

// remember takes in a session that was found good, and the number that is stored for it.
func (s *Sessions) remember(sess *Session, exclusiveID *int64, stored int64) {
	if !s.cfg.WithLedger || sess.Locked || sess.Expired {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.known[sess.ID]; !ok && len(s.known) >= maxKnown {
		for id := range maps.Keys(s.known) {
			delete(s.known, id)
			break
		}
	}
	s.known[sess.ID] = standing{sess: *sess, exclusiveID: exclusiveID, callnum: stored}
}

// keep counts a remembered session on, or forgets it.
func (s *Sessions) keep(id, callnum int64, made bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	was, ok := s.known[id]
	if !made {
		delete(s.known, id)
	} else if ok && was.callnum < callnum {
		was.callnum = callnum
		s.known[id] = was
	}
}

// young tells whether a session is not yet to be renewed.
func (s *Sessions) young(sess *Session) bool {
	return s.cfg.Renewal < 0 || s.cfg.Clock().Sub(sess.Info.since()) <= s.cfg.Renewal
}

// since is when a session was last made or renewed.
func (i *Info) since() time.Time {
	if i.RenewTime != nil {
		return *i.RenewTime
	}
	return i.StartTime
}
