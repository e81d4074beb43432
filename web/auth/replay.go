package auth

import (
	"context"
	"crypto/sha256"
	"time"
)

// FirstUse tells whether an authenticator, which is good until a time, is used for the first time at any of the site's hubs. What is past its
// time is forgotten, so the table stays as small as the logins of some minutes.
func (s *Sessions) FirstUse(ctx context.Context, authenticator []byte, until time.Time) (bool, error) {
	digest := sha256.Sum256(authenticator)
	tag, err := s.cfg.Pool.Exec(ctx, `with old as (delete from ops.kerberos_replay where until < $3)
		insert into ops.kerberos_replay (digest, until) values ($1, $2) on conflict do nothing`, digest[:], until, s.cfg.Clock())
	if err != nil {
		return false, dbError("remember a Kerberos login", err)
	}
	return tag.RowsAffected() == 1, nil
}
