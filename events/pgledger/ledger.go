// Package pgledger is the ledger in PostgreSQL.
//
// One goroutine of each process writes: it takes all appends that wait and commits them as one transaction under an advisory lock
// (group commit). The lock is held until the commit is visible, so positions are dense and in the order of commits: a reader that has
// position n has everything before n, and checks it. Identity columns or transaction ids do not give that: with them a reader passes by
// what was numbered early and committed late.
//
// The schema is migrations/ledger. The package never changes it and writes nothing but rows of ledger.events.
package pgledger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"moromi/events"
)

const (
	// DefaultReaders is enough connections for the subscriptions of one process and the loads of its commands; a load takes 40 us.
	DefaultReaders = 8

	// A writer that hangs with the lock stops every process, so the server ends it: a wait for the lock after lockTimeout, a statement
	// after statementTimeout, a transaction whose client has gone silent after idleTimeout.
	lockTimeout      = 5 * time.Second
	statementTimeout = 10 * time.Second
	idleTimeout      = 10 * time.Second
	// commitTimeout is the client's own bound on one group commit, for when the server does not answer at all. Above the others, so
	// that the server's reason is seen first.
	commitTimeout = 15 * time.Second
	// closeGrace is how long Close lets the commit under way finish.
	closeGrace = 2 * time.Second
)

// Config says where the ledger is. Give URL or Pool.
type Config struct {
	// URL is a PostgreSQL connection string. It must lead to the server itself or to a session-mode pooler: LISTEN and run-time
	// parameters are used.
	URL string
	// Pool names the database instead: its configuration is copied, its connections are not used, because the ledger's have parameters
	// of their own.
	Pool *pgxpool.Pool
	// Readers bounds the connections for reading; 0 means DefaultReaders. Two more are held for writing and listening.
	Readers int
	// Clock gives the time of events; nil means time.Now.
	Clock func() time.Time
	// Log takes outages and what stops a subscription; nil means none.
	Log *slog.Logger
}

// Ledger is an events.Store. Several of them, in one process or in many, may share a database.
type Ledger struct {
	log     *slog.Logger
	clock   func() time.Time
	connect *pgx.ConnConfig // for the writer and the listener, which keep a connection each
	readers *pgxpool.Pool
	queue   chan *request
	known   known
	tail    tail
	self    string        // names this process in its notifications
	wrote   chan struct{} // holds one when there is something to announce
	follow  atomic.Pointer[Follower]

	open    context.Context // ends when Close begins
	shut    context.CancelFunc
	commits context.Context // ends closeGrace later: bounds the commit under way
	abort   context.CancelFunc
	written chan struct{} // closed when the writer has answered all it took and will take no more
	loops   sync.WaitGroup
	once    sync.Once
}

var _ events.Store = (*Ledger)(nil)
var _ events.Pipeline = (*Ledger)(nil)

// Follower keeps something in the ledger's database that follows it. It may write with a commit instead of after it.
type Follower interface {
	// Join queues the statements that bring what it keeps from the position before to the end of recs, which are about to be committed, and gives a
	// function that is called once with the outcome, before anybody is answered. nil: it is not ready for that, and follows later. The statements must
	// fail if it is not at before after all: then the events are committed without them. If the outcome is not known it is told false.
	Join(before events.Position, recs []events.Recorded, queue func(sql string, args ...any)) (done func(committed bool))
}

// SetFollower lets f write with commits of this process, with the parameters of the ledger's connections (search_path).
func (l *Ledger) SetFollower(f Follower) { l.follow.Store(&f) }

func (l *Ledger) follower() Follower {
	if f := l.follow.Load(); f != nil {
		return *f
	}
	return nil
}

// Open connects to the database and checks that the ledger is there; it does not create it. ctx bounds the opening only.
func Open(ctx context.Context, c Config) (*Ledger, error) {
	cfg, err := c.poolConfig()
	if err != nil {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	pool, err := pgxpool.NewWithConfig(context.WithoutCancel(ctx), cfg)
	if err != nil {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	l := &Ledger{
		log: c.Log, clock: c.Clock, connect: cfg.ConnConfig.Copy(), readers: pool,
		queue: make(chan *request, queueLength), written: make(chan struct{}), self: uuid.NewString(), wrote: make(chan struct{}, 1),
	}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	if l.clock == nil {
		l.clock = time.Now
	}
	l.known.wake = make(chan struct{})
	head, err := l.check(ctx)
	if err != nil {
		pool.Close()
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	l.known.advance(head)
	l.open, l.shut = context.WithCancel(context.WithoutCancel(ctx))
	l.commits, l.abort = context.WithCancel(context.WithoutCancel(ctx))
	l.loops.Go(l.write)
	l.loops.Go(l.listen)
	l.loops.Go(l.announce)
	return l, nil
}

func (c Config) poolConfig() (*pgxpool.Config, error) {
	var cfg *pgxpool.Config
	switch {
	case c.Pool != nil && c.URL == "":
		cfg = c.Pool.Config()
	case c.Pool == nil && c.URL != "":
		var err error
		if cfg, err = pgxpool.ParseConfig(c.URL); err != nil {
			return nil, err // pgx redacts the password
		}
	default:
		return nil, errors.New("exactly one of URL and Pool is needed")
	}
	cfg.MaxConns, cfg.MinConns, cfg.MinIdleConns = int32(c.Readers), 0, 0
	if c.Readers <= 0 {
		cfg.MaxConns = DefaultReaders
	}
	ms := func(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
	p := cfg.ConnConfig.RuntimeParams
	if p["application_name"] == "" {
		p["application_name"] = "moromi ledger"
	}
	// Each statement of a transaction must see what was committed before the lock was given, whatever the database's defaults are.
	p["default_transaction_isolation"], p["default_transaction_read_only"] = "read committed", "off"
	p["synchronous_commit"] = "on" // an answered append must survive a crash, whatever the database's default
	p["lock_timeout"] = ms(lockTimeout)
	p["statement_timeout"] = ms(statementTimeout)
	p["idle_in_transaction_session_timeout"] = ms(idleTimeout)
	// Each statement here is served by an index. On a table that was never analysed the planner guesses otherwise and keeps the
	// sequential scan as a cached generic plan.
	p["enable_seqscan"] = "off"
	return cfg, nil
}

// check finds the head, and with it whether the schema is there and readable.
func (l *Ledger) check(ctx context.Context) (events.Position, error) {
	var encoding string
	if err := l.readers.QueryRow(ctx, "show server_encoding").Scan(&encoding); err != nil {
		return 0, unavailable(err)
	}
	if encoding != "UTF8" {
		return 0, fmt.Errorf("the database's encoding is %s: the ledger needs UTF8", encoding)
	}
	head, err := l.head(ctx)
	if err != nil {
		return 0, unavailable(err)
	}
	return head, nil
}

// Close ends the ledger's use: the commit under way may still finish, whatever else waits or reads fails with ErrUnavailable.
func (l *Ledger) Close() error {
	l.once.Do(func() {
		l.shut()
		stop := time.AfterFunc(closeGrace, l.abort)
		l.loops.Wait()
		stop.Stop()
		l.abort()
		l.readers.Close()
	})
	return nil
}

// bound ends a call with the ledger. The caller must call stop.
func (l *Ledger) bound(ctx context.Context) (bounded context.Context, stop func()) {
	bounded, cancel := context.WithCancel(ctx)
	unlink := context.AfterFunc(l.open, cancel)
	return bounded, func() { unlink(); cancel() }
}

// failure says why a read failed: the caller's context, a closed ledger, or the database.
func (l *Ledger) failure(ctx context.Context, op string, err error) error {
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w: %w", op, events.ErrUnavailable, ctx.Err())
	case l.open.Err() != nil:
		return fmt.Errorf("%s: %w: closed", op, events.ErrUnavailable)
	case errors.Is(err, ErrDamaged):
		return fmt.Errorf("%s: %w", op, err)
	}
	return fmt.Errorf("%s: %w", op, unavailable(err))
}

// unavailable marks a failure of the database as one to try again after, unless that cannot help.
func unavailable(err error) error {
	if permanent(err) {
		return err
	}
	return fmt.Errorf("%w: %w", events.ErrUnavailable, err)
}

// permanent tells whether trying again cannot help: the schema is missing, or the role may not use it.
func permanent(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && strings.HasPrefix(pg.Code, "42")
}

// known is the highest position that this process has written or read, and who waits for more.
type known struct {
	mu    sync.Mutex
	at    events.Position
	hints uint64        // how often others said that there is more
	wake  chan struct{} // closed and replaced when there is more
}

// advance notes a position that is committed for sure.
func (k *known) advance(to events.Position) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if to > k.at {
		k.at = to
		k.release()
	}
}

// hint wakes those who wait when a position is new. It is not believed further: anyone who can connect to the database can notify.
func (k *known) hint(to events.Position) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if to > k.at {
		k.hints++
		k.release()
	}
}

func (k *known) release() {
	close(k.wake)
	k.wake = make(chan struct{})
}

// more gives a channel that closes when there is more than when it was asked for, and how many hints there were.
func (k *known) more() (wake <-chan struct{}, hints uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.wake, k.hints
}

func (k *known) head() events.Position {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.at
}

func (k *known) covers(p events.Position) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return p <= k.at
}
