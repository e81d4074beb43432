package auth

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/crypto/argon2"

	"moromi/internal/fault"
)

// The cost of a password hash: OWASP's argon2id setting with the least memory that it calls equal to the others (19 MiB, 2 passes, 1 lane).
// It takes 20 to 30 ms on one core. Stored hashes carry their own cost; one of another cost is replaced at the next login.
const (
	argonMemory  = 19 * 1024 // KiB
	argonPasses  = 2
	argonThreads = 1
	argonSalt    = 16 // bytes; RFC 9106 says 16
	argonKey     = 32 // bytes
)

// MaxPassword is the longest password in bytes; it only keeps requests from hashing megabytes.
const MaxPassword = 1024

// maxWaitingLogins is how many logins may wait for a hash slot. With two slots and 25 ms a hash, the last of them waits about 3 s.
const maxWaitingLogins = 256

// Passwords keeps password hashes. It is safe for concurrent use; at most one hash per core is computed at a time, so that logins cannot
// exhaust memory or starve other calls.
type Passwords struct {
	pool    *pgxpool.Pool
	clock   func() time.Time
	slots   chan struct{}
	waiting atomic.Int64
}

// NewPasswords makes the password store of a hub. A nil clock is time.Now.
func NewPasswords(pool *pgxpool.Pool, clock func() time.Time) *Passwords {
	if clock == nil {
		clock = time.Now
	}
	return &Passwords{pool: pool, clock: clock, slots: make(chan struct{}, max(2, runtime.GOMAXPROCS(0)))}
}

// SetPassword gives the user a password. An empty or too long one is a fault. Sessions that exist go on.
func (p *Passwords) SetPassword(ctx context.Context, userID int64, password string) error {
	if password == "" || len(password) > MaxPassword {
		return fault.New(fault.Generic, "a password has 1 to %d bytes", MaxPassword)
	}
	hash, err := p.hash(ctx, password)
	if err != nil {
		return err
	}
	_, err = p.pool.Exec(ctx, `insert into ops.passwords (user_id, hash, changed_at) values ($1, $2, $3)
		on conflict (user_id) do update set hash = excluded.hash, changed_at = excluded.changed_at`, userID, hash, p.clock())
	if err != nil {
		return fmt.Errorf("set password: %w", err)
	}
	return nil
}

// RemovePassword takes the user's password away; logins by password are refused from then on.
func (p *Passwords) RemovePassword(ctx context.Context, userID int64) error {
	if _, err := p.pool.Exec(ctx, `delete from ops.passwords where user_id = $1`, userID); err != nil {
		return fmt.Errorf("remove password: %w", err)
	}
	return nil
}

// Verify tells whether the password is the user's. It takes as long for a user who has none (or for user 0, nobody) as for one who has.
func (p *Passwords) Verify(ctx context.Context, userID int64, password string) (bool, error) {
	if password == "" || len(password) > MaxPassword {
		return false, nil
	}
	var stored string
	err := p.pool.QueryRow(ctx, `select hash from ops.passwords where user_id = $1`, userID).Scan(&stored)
	if errors.Is(err, pgx.ErrNoRows) {
		_, err := p.hash(ctx, password)
		return false, err
	}
	if err != nil {
		return false, fmt.Errorf("read password: %w", err)
	}
	h, err := parsePHC(stored)
	if err != nil {
		return false, fmt.Errorf("password of user %d: %w", userID, err)
	}
	if err := p.slot(ctx); err != nil {
		return false, err
	}
	key := argon2.IDKey([]byte(password), h.salt, h.passes, h.memory, h.threads, uint32(len(h.key)))
	<-p.slots
	if subtle.ConstantTimeCompare(key, h.key) != 1 {
		return false, nil
	}
	if h.memory != argonMemory || h.passes != argonPasses || h.threads != argonThreads {
		return true, p.SetPassword(ctx, userID, password)
	}
	return true, nil
}

// hash computes a new hash in its PHC string form.
func (p *Passwords) hash(ctx context.Context, password string) (string, error) {
	salt := make([]byte, argonSalt)
	_, _ = rand.Read(salt) // never fails (crypto/rand)
	if err := p.slot(ctx); err != nil {
		return "", err
	}
	key := argon2.IDKey([]byte(password), salt, argonPasses, argonMemory, argonThreads, argonKey)
	<-p.slots
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonPasses, argonThreads, b64(salt), b64(key)), nil
}

// slot waits for one of the hash slots.
func (p *Passwords) slot(ctx context.Context) error {
	if p.waiting.Add(1) > maxWaitingLogins {
		p.waiting.Add(-1)
		return fault.New(fault.ServerOffline, "too many logins at once, try again")
	}
	defer p.waiting.Add(-1)
	select {
	case p.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait to hash a password: %w", ctx.Err())
	}
}

type phc struct {
	memory, passes uint32
	threads        uint8
	salt, key      []byte
}

// Bounds on what a stored hash may ask for; more is taken for corruption.
const (
	maxStoredMemory = 1 << 20 // KiB
	maxStoredPasses = 32
)

func parsePHC(s string) (phc, error) {
	bad := errors.New("stored hash is malformed")
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return phc{}, bad
	}
	var h phc
	if n, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &h.memory, &h.passes, &h.threads); n != 3 || err != nil {
		return phc{}, bad
	}
	if h.memory == 0 || h.memory > maxStoredMemory || h.passes == 0 || h.passes > maxStoredPasses || h.threads == 0 {
		return phc{}, bad
	}
	var err error
	if h.salt, err = base64.RawStdEncoding.DecodeString(parts[4]); err != nil {
		return phc{}, bad
	}
	if h.key, err = base64.RawStdEncoding.DecodeString(parts[5]); err != nil || len(h.key) < 16 {
		return phc{}, bad
	}
	return h, nil
}
