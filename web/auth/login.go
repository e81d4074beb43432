package auth

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"moromi/internal/fault"
	"moromi/internal/koji"
)

// Grant is a session handed to a client. The key exists nowhere else.
type Grant struct {
	ID  int64
	Key string
}

// Opening says how a login wants its session.
type Opening struct {
	UserID    int64
	AuthType  koji.AuthType
	HostIP    string
	Renew     bool // renew Prior instead of opening a new session, if there is one
	Exclusive bool
	// Prior is the expired session whose credentials the login call carried, or nil.
	Prior *Session
}

// Login opens a session by name and password. hostip is what the session is bound to; o's UserID, AuthType and HostIP are set here.
// Wrong name and wrong password are one fault and take one time.
func (s *Sessions) Login(ctx context.Context, name, password, hostip string, o Opening) (*Grant, error) {
	user, err := s.cfg.Users.UserByName(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("login: %w", err)
	}
	var id int64
	if user != nil {
		id = user.ID
	}
	ok, err := s.passwords.Verify(ctx, id, password)
	if err != nil {
		return nil, fmt.Errorf("login: %w", err)
	}
	if !ok {
		s.cfg.Log.WarnContext(ctx, "login refused", "user", id, "hostip", hostip)
		return nil, fault.New(fault.Auth, "invalid username or password")
	}
	o.UserID, o.AuthType, o.HostIP = id, koji.AuthNormal, hostip
	return s.Open(ctx, o)
}

// Open makes a session for a user who is known to be who they say, or renews the one that the call carried. It is nil without error when
// a sub-session cannot be renewed because its master is closed, as in Koji.
//
// A session is renewed only for its own user. (Koji 1.35 renews it for whoever logs in.) Renewal forgets the call number, since clients
// count from 0 again; Koji keeps it, and refuses their calls until they have caught up.
func (s *Sessions) Open(ctx context.Context, o Opening) (*Grant, error) {
	user, err := s.cfg.Users.User(ctx, o.UserID)
	if err != nil {
		return nil, fmt.Errorf("open session: %w", err)
	}
	if user == nil {
		return nil, fault.New(fault.Auth, "invalid user_id: %d", o.UserID)
	}
	if user.Status != koji.StatusNormal {
		return nil, fault.New(fault.Auth, "logins by %s are not allowed", user.Name)
	}
	if o.Renew && o.Prior != nil {
		return s.renew(ctx, o)
	}
	g := &Grant{Key: newKey(o.UserID)}
	now := s.cfg.Clock()
	err = s.pgTx(ctx, "open session", func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `insert into ops.sessions (user_id, key_hash, hostip, authtype, start_time, update_time)
			values ($1, $2, $3, $4, $5, $5) returning id`, o.UserID, hashKey(g.Key), o.HostIP, o.AuthType, now).Scan(&g.ID)
		if err != nil || !o.Exclusive {
			return err
		}
		return takeExclusive(ctx, tx, g.ID, o.UserID, false)
	})
	if err != nil {
		return nil, err
	}
	return g, nil
}

func (s *Sessions) renew(ctx context.Context, o Opening) (*Grant, error) {
	if o.Prior.UserID != o.UserID {
		return nil, fault.New(fault.Auth, "session %d belongs to another user", o.Prior.ID)
	}
	g := &Grant{ID: o.Prior.ID, Key: newKey(o.UserID)}
	now := s.cfg.Clock()
	orphan := false
	err := s.pgTx(ctx, "renew session", func(tx pgx.Tx) error {
		if o.Prior.Master != nil {
			err := tx.QueryRow(ctx, `select closed from ops.sessions where id = $1`, *o.Prior.Master).Scan(&orphan)
			if errors.Is(err, pgx.ErrNoRows) {
				orphan = true
			} else if err != nil {
				return err
			}
			if orphan {
				return nil
			}
		}
		var exclusive bool
		err := tx.QueryRow(ctx, `update ops.sessions set key_hash = $3, expired = false, callnum = null, update_time = $4, renew_time = $4
			where id = $1 and key_hash = $2 and not closed returning exclusive`, g.ID, o.Prior.keyHash, hashKey(g.Key), now).Scan(&exclusive)
		if errors.Is(err, pgx.ErrNoRows) {
			return errBadSession() // closed or renewed since it was checked
		}
		if err != nil || !o.Exclusive || exclusive || o.Prior.Master != nil {
			return err
		}
		return takeExclusive(ctx, tx, g.ID, o.UserID, false)
	})
	if err != nil || orphan {
		return nil, err
	}
	return g, nil
}

// errNotLoggedIn is Koji's answer to session calls without a session.
func errNotLoggedIn() error { return fault.New(fault.Auth, "Not logged in") }

// Subsession opens a session under the caller's, or under its master when the caller is a sub-session itself.
func (s *Sessions) Subsession(ctx context.Context, sess *Session) (*Grant, error) {
	if !sess.LoggedIn() {
		return nil, errNotLoggedIn()
	}
	master := sess.ID
	if sess.Master != nil {
		master = *sess.Master
	}
	g := &Grant{Key: newKey(sess.UserID)}
	err := s.cfg.Pool.QueryRow(ctx, `insert into ops.sessions (user_id, key_hash, hostip, authtype, master, start_time, update_time)
		values ($1, $2, $3, $4, $5, $6, $6) returning id`,
		sess.UserID, hashKey(g.Key), sess.HostIP, sess.AuthType, master, s.cfg.Clock()).Scan(&g.ID)
	if err != nil {
		return nil, dbError("open sub-session", err)
	}
	return g, nil
}

const closeSQL = `update ops.sessions set expired = true, closed = true, exclusive = false `

// Logout closes the caller's session and its sub-sessions.
func (s *Sessions) Logout(ctx context.Context, sess *Session) error {
	if !sess.LoggedIn() {
		return errNotLoggedIn()
	}
	if _, err := s.cfg.Pool.Exec(ctx, closeSQL+`where id = $1 or master = $1`, sess.ID); err != nil {
		return dbError("logout", err)
	}
	return nil
}

// LogoutOther closes another session and its sub-sessions. Without admin it must be one of the caller's user; a foreign or missing one is a
// fault alike.
func (s *Sessions) LogoutOther(ctx context.Context, sess *Session, id int64, admin bool) error {
	if !sess.LoggedIn() {
		return errNotLoggedIn()
	}
	if !admin {
		var one int
		err := s.cfg.Pool.QueryRow(ctx, `select 1 from ops.sessions where id = $1 and user_id = $2`, id, sess.UserID).Scan(&one)
		if errors.Is(err, pgx.ErrNoRows) {
			return fault.New(fault.Generic, "session %d is not yours; only admins or owner may logout other session", id)
		}
		if err != nil {
			return dbError("logout", err)
		}
	}
	if _, err := s.cfg.Pool.Exec(ctx, closeSQL+`where id = $1 or master = $1`, id); err != nil {
		return dbError("logout", err)
	}
	return nil
}

// LogoutChild closes a sub-session of the caller's session; any other id changes nothing and is no error.
func (s *Sessions) LogoutChild(ctx context.Context, sess *Session, id int64) error {
	if !sess.LoggedIn() {
		return errNotLoggedIn()
	}
	if _, err := s.cfg.Pool.Exec(ctx, closeSQL+`where id = $1 and master = $2`, id, sess.ID); err != nil {
		return dbError("logout child", err)
	}
	return nil
}

// CloseUser closes every session of a user, for an operator who blocks one.
func (s *Sessions) CloseUser(ctx context.Context, userID int64) error {
	if _, err := s.cfg.Pool.Exec(ctx, closeSQL+`where user_id = $1 and not closed`, userID); err != nil {
		return dbError("close sessions", err)
	}
	return nil
}

// MakeExclusive makes the caller's session the only one of its user that may act. force closes the session that is exclusive now.
func (s *Sessions) MakeExclusive(ctx context.Context, sess *Session, force bool) error {
	switch {
	case !sess.LoggedIn():
		return errNotLoggedIn()
	case sess.Master != nil:
		return fault.New(fault.Generic, "subsessions cannot become exclusive")
	case sess.Exclusive:
		return fault.New(fault.Generic, "session is already exclusive")
	}
	return s.pgTx(ctx, "make session exclusive", func(tx pgx.Tx) error {
		return takeExclusive(ctx, tx, sess.ID, sess.UserID, force)
	})
}

// takeExclusive lets the unique index on (user) where exclusive decide between sessions that want it at once.
func takeExclusive(ctx context.Context, tx pgx.Tx, id, userID int64, force bool) error {
	if force {
		if _, err := tx.Exec(ctx, closeSQL+`where user_id = $1 and exclusive and id <> $2`, userID, id); err != nil {
			return err
		}
	}
	tag, err := tx.Exec(ctx, `update ops.sessions set exclusive = true where id = $1 and not closed`, id)
	var pg *pgconn.PgError
	switch {
	case errors.As(err, &pg) && pg.ConstraintName == "sessions_exclusive":
		return fault.New(fault.AuthLock, "Cannot get exclusive session")
	case err != nil:
		return err
	case tag.RowsAffected() == 0:
		return errBadSession()
	}
	return nil
}

// MakeShared ends exclusivity.
func (s *Sessions) MakeShared(ctx context.Context, sess *Session) error {
	if !sess.LoggedIn() {
		return errNotLoggedIn()
	}
	if _, err := s.cfg.Pool.Exec(ctx, `update ops.sessions set exclusive = false where id = $1`, sess.ID); err != nil {
		return dbError("make session shared", err)
	}
	return nil
}

// List gives the sessions of a user that have not expired, oldest first.
func (s *Sessions) List(ctx context.Context, userID int64) ([]Info, error) {
	rows, err := s.cfg.Pool.Query(ctx, `select `+infoColumns+` from ops.sessions s where s.user_id = $1 and not s.expired order by s.id`, userID)
	if err != nil {
		return nil, dbError("list sessions", err)
	}
	infos, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Info, error) {
		var i Info
		err := row.Scan(i.fields()...)
		return i, err
	})
	if err != nil {
		return nil, dbError("list sessions", err)
	}
	for i := range infos {
		if t, ok := s.lastTouch(infos[i].ID); ok && t.After(infos[i].UpdateTime) {
			infos[i].UpdateTime = t
		}
	}
	return infos, nil
}

// pgTx runs fn in a transaction; faults pass unchanged.
func (s *Sessions) pgTx(ctx context.Context, op string, fn func(pgx.Tx) error) error {
	err := pgx.BeginFunc(ctx, s.cfg.Pool, fn)
	if err == nil || fault.Of(err) != nil {
		return err
	}
	return dbError(op, err)
}
