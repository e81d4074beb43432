package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"moromi/internal/fault"
	"moromi/internal/koji"
)

// User is what a session needs to know about its user.
type User struct {
	ID         int64
	Name       string
	Status     koji.UserStatus
	Type       koji.UserType
	Principals []string // Kerberos principals
}

// Users finds users. Each answers nil, nil when there is none. Implementations must be safe for concurrent use.
type Users interface {
	User(ctx context.Context, id int64) (*User, error)
	UserByName(ctx context.Context, name string) (*User, error)
	UserByPrincipal(ctx context.Context, principal string) (*User, error)
}

// DefaultRenewal is how long a session serves before its client must log in again (Koji's SessionRenewalTimeout, 1,440 minutes).
const DefaultRenewal = 24 * time.Hour

// Config is what Sessions needs. Pool, Users and Log are required.
type Config struct {
	Pool  *pgxpool.Pool
	Users Users
	Log   *slog.Logger
	Clock func() time.Time // nil: time.Now

	// Renewal is the age at which a session expires; 0 means DefaultRenewal, negative never.
	Renewal time.Duration
	// AnyClientIP turns the binding of sessions to client addresses off (Koji's CheckClientIP = no).
	AnyClientIP bool
	// WithLedger says that the ledger is in this database, too: a session can be looked at, and a call's number stored, with what the call changes.
	WithLedger bool
}

// Sessions makes and checks sessions. It is safe for concurrent use, and any number of hub processes may share one database.
type Sessions struct {
	cfg       Config
	passwords *Passwords

	mu      sync.Mutex
	touched map[int64]time.Time     // last use, not yet written
	pending map[int64]*pendingClaim // claims of calls that run in this process
	known   map[int64]standing      // sessions that changed something a while ago, as they were then
}

type pendingClaim struct {
	callnum int64
	rides   bool // it is not stored before the call's first change
	done    chan struct{}
}

// New makes the sessions of a hub. The caller runs Run beside it.
func New(cfg Config) (*Sessions, error) {
	if cfg.Pool == nil || cfg.Users == nil || cfg.Log == nil {
		return nil, errors.New("sessions: Pool, Users and Log are required")
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Renewal == 0 {
		cfg.Renewal = DefaultRenewal
	}
	return &Sessions{
		cfg:       cfg,
		passwords: NewPasswords(cfg.Pool, cfg.Clock),
		touched:   map[int64]time.Time{},
		pending:   map[int64]*pendingClaim{},
		known:     map[int64]standing{},
	}, nil
}

// Passwords is the password store that logins are checked against.
func (s *Sessions) Passwords() *Passwords { return s.passwords }

// Credentials is what a request carries.
type Credentials struct {
	ID      int64
	Key     string
	Callnum *int64 // nil: the client does not number its calls
}

// Session is a session as the check of one call found it. It is not updated afterwards.
type Session struct {
	ID       int64
	UserID   int64
	User     *User // nil if Expired
	AuthType koji.AuthType
	HostIP   string
	Master   *int64
	Callnum  *int64 // of this call

	// Expired is only seen by login calls: the caller is not logged in, but may renew this session.
	Expired bool
	// Exclusive tells that this session, or its master, is the user's exclusive one.
	Exclusive bool
	// Locked tells that another session is; most calls are then refused (AuthLockError).
	Locked bool

	Info Info

	keyHash []byte
}

// Info is what clients may know of a session (getSessionInfo). Callnum is the stored number: that of the last call that changed something.
type Info struct {
	ID         int64
	UserID     int64
	AuthType   koji.AuthType
	HostIP     string
	Callnum    *int64
	Master     *int64
	StartTime  time.Time
	UpdateTime time.Time
	RenewTime  *time.Time
	Exclusive  bool
	Expired    bool
}

// LoggedIn tells whether s is a session that may act; a nil Session may not.
func (s *Session) LoggedIn() bool { return s != nil && !s.Expired }

// errBadSession is Koji's answer to a wrong id, key or address alike.
func errBadSession() error { return fault.New(fault.Auth, "Invalid session or bad credentials") }

// loginMethods may be called with an expired session, to renew it.
func loginMethod(method string) bool { return method == "login" || method == "sslLogin" }

// repeatable tells the methods that may run twice under one call number: the second time changes nothing. Koji's RetryWhitelist.
func repeatable(method string) bool {
	switch method {
	case "host.taskWait", "host.taskUnwait", "host.taskSetWait", "host.updateHost", "host.setBuildRootState",
		"repoExpire", "repoDelete", "repoProblem":
		return true
	}
	return false
}

// HostIP is the address a session is bound to: the given one, or "-" when addresses are not checked.
func (s *Sessions) HostIP(remote string) string {
	if s.cfg.AnyClientIP {
		return "-"
	}
	return remote
}

const infoColumns = `s.id, s.user_id, s.authtype, s.hostip, s.callnum, s.master, s.start_time, s.update_time, s.renew_time, s.exclusive, s.expired`

func (i *Info) fields() []any {
	return []any{&i.ID, &i.UserID, &i.AuthType, &i.HostIP, &i.Callnum, &i.Master, &i.StartTime, &i.UpdateTime, &i.RenewTime, &i.Exclusive, &i.Expired}
}

// Check finds the session of a call, in Koji's order: the credentials and address, age, call number, the user's status, the exclusive lock.
// method is the outer method's name ("multiCall" for a multicall, "" for an upload). The errors are faults, except when the database fails.
func (s *Sessions) Check(ctx context.Context, c Credentials, remote, method string) (*Session, error) {
	sess, exclusiveID, err := s.find(ctx, c, remote)
	if err != nil {
		return nil, err
	}
	if err := s.usable(ctx, sess, method); err != nil {
		return nil, err
	}
	if wait := s.running(sess); wait != nil {
		// The call that this one repeats is running here: whether it may be repeated shows when it ends.
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for call %d of session %d: %w", *c.Callnum, c.ID, ctx.Err())
		}
		if sess, exclusiveID, err = s.find(ctx, c, remote); err != nil {
			return nil, err
		}
	}
	if err := sequence(sess.ID, sess.Info.Callnum, c.Callnum, method); err != nil {
		return nil, err
	}
	if err := s.admit(ctx, sess, exclusiveID); err != nil {
		return sess, err
	}
	if c.Callnum != nil && repeatable(method) {
		stored := int64(-1)
		if n := sess.Info.Callnum; n != nil {
			stored = *n
		}
		s.remember(sess, exclusiveID, stored)
	}
	return sess, nil
}

// usable tells whether a session is young enough for the method.
func (s *Sessions) usable(ctx context.Context, sess *Session, method string) error {
	if err := s.age(ctx, sess); err != nil {
		return err
	}
	if sess.Expired && !loginMethod(method) {
		return fault.New(fault.AuthExpired, "session \"%d\" has expired", sess.ID)
	}
	return nil
}

// admit looks at who the session's user is, and whether another session of theirs is exclusive.
func (s *Sessions) admit(ctx context.Context, sess *Session, exclusiveID *int64) (err error) {
	if sess.Expired {
		return nil
	}
	if sess.User, err = s.cfg.Users.User(ctx, sess.UserID); err != nil {
		return fmt.Errorf("check session: %w", err)
	}
	if sess.User == nil {
		return errBadSession()
	}
	if sess.User.Status != koji.StatusNormal {
		return fault.New(fault.Auth, "logins by %s are not allowed", sess.User.Name)
	}
	switch {
	case sess.Info.Exclusive:
		sess.Exclusive = true
	case exclusiveID == nil:
	case sess.Master != nil && *exclusiveID == *sess.Master:
		sess.Exclusive = true
	default:
		sess.Locked = true
	}
	s.touch(sess)
	return nil
}

// find reads a session and its user's exclusive session, and compares key and address.
func (s *Sessions) find(ctx context.Context, c Credentials, remote string) (*Session, *int64, error) {
	row := s.cfg.Pool.QueryRow(ctx, `select s.key_hash, (select e.id from ops.sessions e where e.user_id = s.user_id and e.exclusive), `+
		infoColumns+` from ops.sessions s where s.id = $1 and not s.closed`, c.ID)
	return s.read(ctx, row, c, remote)
}

// read is find of a row: the key's hash, the exclusive session, infoColumns and what else more takes.
func (s *Sessions) read(ctx context.Context, row pgx.Row, c Credentials, remote string, more ...any) (*Session, *int64, error) {
	sess := &Session{Callnum: c.Callnum}
	var exclusiveID *int64
	err := row.Scan(append(append([]any{&sess.keyHash, &exclusiveID}, sess.Info.fields()...), more...)...)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil, errBadSession()
	}
	if err != nil {
		return nil, nil, dbError("check session", err)
	}
	if !keyMatches(c.Key, sess.keyHash) {
		s.cfg.Log.WarnContext(ctx, "session with a wrong key", "session", c.ID, "remote", remote)
		return nil, nil, errBadSession()
	}
	if ip := s.HostIP(remote); ip != sess.Info.HostIP {
		s.cfg.Log.WarnContext(ctx, "session from another address", "session", c.ID, "remote", ip, "bound", sess.Info.HostIP)
		return nil, nil, errBadSession()
	}
	sess.ID, sess.UserID, sess.AuthType = sess.Info.ID, sess.Info.UserID, sess.Info.AuthType
	sess.HostIP, sess.Master, sess.Expired = sess.Info.HostIP, sess.Info.Master, sess.Info.Expired
	if t, ok := s.lastTouch(sess.ID); ok && t.After(sess.Info.UpdateTime) {
		sess.Info.UpdateTime = t
	}
	return sess, exclusiveID, nil
}

// age expires a session, and its sub-sessions, once it is older than the renewal time.
func (s *Sessions) age(ctx context.Context, sess *Session) error {
	if sess.Expired || s.young(sess) {
		return nil
	}
	if _, err := s.cfg.Pool.Exec(ctx, `update ops.sessions set expired = true where (id = $1 or master = $1) and not expired`, sess.ID); err != nil {
		return dbError("expire session", err)
	}
	sess.Expired, sess.Info.Expired = true, true
	return nil
}

// sequence compares a call's number with the stored one.
func sequence(id int64, stored, given *int64, method string) error {
	switch {
	case stored == nil || given == nil || *stored < *given:
		return nil
	case *stored > *given:
		return fault.New(fault.Sequence, "%d > %d (session %d)", *stored, *given, id)
	case repeatable(method):
		return nil
	}
	return fault.New(fault.Retry, "unable to retry call %d (method %s) for session %d", *given, method, id)
}

// newKey makes a session key in Koji's form, USERID-RANDOM, with 19 random characters of 62: 113 bits.
func newKey(userID int64) string {
	const alnum = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	const length = 19
	key := fmt.Appendf(nil, "%d-", userID)
	for n := 0; n < length; {
		var b [32]byte
		_, _ = rand.Read(b[:]) // never fails (crypto/rand)
		for _, c := range b {
			if c &= 63; int(c) < len(alnum) && n < length { // 62 and 63 are thrown away, so every character is as likely
				key = append(key, alnum[c])
				n++
			}
		}
	}
	return string(key)
}

func hashKey(key string) []byte {
	h := sha256.Sum256([]byte(key))
	return h[:]
}

func keyMatches(key string, hash []byte) bool {
	return subtle.ConstantTimeCompare(hashKey(key), hash) == 1
}

// dbError tells an unreachable database from other errors: Koji's clients know ServerOffline and may wait for it to pass.
func dbError(op string, err error) error {
	var ce *pgconn.ConnectError
	if errors.As(err, &ce) {
		return fault.Wrap(fmt.Errorf("%s: %w", op, err), fault.ServerOffline, "database outage")
	}
	return fmt.Errorf("%s: %w", op, err)
}
