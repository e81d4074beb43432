package auth

import (
	"context"
	"time"
)

// beginSession is find that takes a call number, if all that can be seen of the session allows it: what does not is Check's to say.
const beginSession = `with wait as materialized (select set_config('synchronous_commit', $6, true)),
		old as (select s.* from ops.sessions s, wait where s.id = $1 and not s.closed for update of s),
		taken as (update ops.sessions n set callnum = $2 from old
			where n.id = old.id and old.key_hash = $3 and old.hostip = $4 and not old.expired and coalesce(old.renew_time, old.start_time) >= $5
				and (old.callnum is null or old.callnum < $2) returning n.id)
	select s.key_hash, (select e.id from ops.sessions e where e.user_id = s.user_id and e.exclusive), ` + infoColumns + `, exists (select from taken) from old s`

// Begin is Check and Claim at once, for a call that will change something: one round trip where nothing stands in the way. A claim of nil is still to be
// taken, by Claim. Info has the number that was stored before.
func (s *Sessions) Begin(ctx context.Context, c Credentials, remote, method string) (*Session, *Claim, error) {
	if c.Callnum == nil || loginMethod(method) {
		sess, err := s.Check(ctx, c, remote, method)
		return sess, nil, err
	}
	if err := s.others(ctx, c.ID); err != nil {
		return nil, nil, err
	}
	var oldest time.Time
	if s.cfg.Renewal >= 0 {
		oldest = s.cfg.Clock().Add(-s.cfg.Renewal)
	}
	claim, taken := s.newClaim(c.ID, *c.Callnum), false
	row := s.cfg.Pool.QueryRow(ctx, beginSession, c.ID, *c.Callnum, hashKey(c.Key), s.HostIP(remote), oldest, s.commitWait())
	sess, exclusiveID, err := s.read(ctx, row, c, remote, &taken)
	if !taken {
		claim.end()
		if err != nil {
			return nil, nil, err
		}
		sess, err := s.Check(ctx, c, remote, method)
		return sess, nil, err
	}
	claim.prev = sess.Info.Callnum
	if err := s.admit(ctx, sess, exclusiveID); err != nil {
		if err := claim.Release(ctx); err != nil {
			s.cfg.Log.ErrorContext(ctx, "call number not released: a repeat will be refused", "session", c.ID, "error", err)
		}
		return nil, nil, err
	}
	s.remember(sess, exclusiveID, *c.Callnum)
	return sess, claim, nil
}
