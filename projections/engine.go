package projections

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"moromi/events"
)

// pageStatements bounds a transaction while catching up: large enough that its commit costs little, small enough that its memory does not.
const pageStatements = 4000

// retryFirst and retryMost pace the engine while PostgreSQL is away.
const (
	retryFirst = 50 * time.Millisecond
	retryMost  = 2 * time.Second
	// followerPoll is how often an engine that does not write looks at the checkpoint; it bounds what a command there waits longer.
	followerPoll = 20 * time.Millisecond
	// checkpointWait bounds the look at the checkpoint, which is one row.
	checkpointWait = 5 * time.Second
)

// ErrStopped is what Wait says when the engine met something it cannot apply; the cause is in it and in the log.
var ErrStopped = errors.New("read models stopped")

// Engine follows the ledger and keeps one schema of read models up to date. One engine a schema runs at a time in the whole site: it holds
// an advisory lock while it runs. Several hubs each have an engine; those that do not hold the lock watch the checkpoint for Wait.
type Engine struct {
	store  events.Store
	pool   *pgxpool.Pool
	schema string
	log    *slog.Logger
	route  map[string][]Projection

	mu       sync.Mutex
	position events.Position
	moved    chan struct{} // closed and replaced whenever position grows or stopped is set
	stopped  error
	watchers []func([]*events.Commit)
	families map[string]events.Position // the last event of each family
	unseen   events.Position            // up to here events of any family may have come that this engine did not see
	leads    bool                       // this engine writes the rows, so it sees every event before its rows are visible

	writing sync.Mutex // held while rows are written
	unsure  bool       // rows may have been written that position does not tell of; guarded by writing
}

// NewEngine makes an engine for the read models in schema. It refuses an event type that no projection handles.
func NewEngine(store events.Store, pool *pgxpool.Pool, schema string, log *slog.Logger, ps ...Projection) (*Engine, error) {
	e := &Engine{store: store, pool: pool, schema: schema, log: log, route: map[string][]Projection{}, moved: make(chan struct{}),
		families: map[string]events.Position{}}
	for _, p := range ps {
		for _, t := range p.Handles() {
			e.route[t] = append(e.route[t], p)
		}
	}
	for _, t := range events.Types() {
		if len(e.route[t]) == 0 {
			return nil, fmt.Errorf("no projection handles the event %s", t)
		}
	}
	return e, nil
}

// OnCommit registers a watcher that is called, in order and outside of any transaction, with the commits whose rows have just become
// visible. It must not block: it hands over and returns. What was registered before Run sees every commit.
func (e *Engine) OnCommit(f func([]*events.Commit)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.watchers = append(e.watchers, f)
}

// Position is how far the read models are.
func (e *Engine) Position() events.Position {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.position
}

// LastChange is the position of the last event of any of the families, which are the first words of events' names ("tag", "build"): what was
// read from rows that only those events make, at this position or later, is as it was. A position may be given that is too late, never one
// that is too early, whichever hub of the site the event came to. An engine that does not write asks the checkpoint, since it cannot know. Without families it is the
// position up to which events may have come that watchers were not told of.
func (e *Engine) LastChange(families ...string) events.Position {
	e.mu.Lock()
	leads := e.leads
	e.mu.Unlock()
	if !leads {
		at, err := e.checkpoint()
		if err != nil {
			e.log.Warn("checkpoint of the read models", "error", err)
			return math.MaxInt64 // nobody can tell
		}
		e.advance(at, nil)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	last := e.unseen
	for _, f := range families {
		last = max(last, e.families[f])
	}
	return last
}

// checkpoint reads how far the rows are.
func (e *Engine) checkpoint() (at events.Position, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), checkpointWait)
	defer cancel()
	err = e.pool.QueryRow(ctx, `select position from `+pgx.Identifier{e.schema, "checkpoint"}.Sanitize()).Scan(&at)
	return at, err
}

// setLeads notes whether this engine writes the rows.
func (e *Engine) setLeads(leads bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.leads = leads
}

// Wait returns when the read models hold everything up to pos, or with ErrStopped, or with ctx's error.
func (e *Engine) Wait(ctx context.Context, pos events.Position) error {
	for {
		e.mu.Lock()
		at, stopped, moved := e.position, e.stopped, e.moved
		e.mu.Unlock()
		if at >= pos {
			return nil
		}
		if stopped != nil {
			return stopped
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return fmt.Errorf("wait for read models at %d (they are at %d): %w", pos, at, ctx.Err())
		}
	}
}

// CatchUp waits until the read models are at the ledger's head as of the call.
func (e *Engine) CatchUp(ctx context.Context) error {
	head, err := e.store.Head(ctx)
	if err != nil {
		return err
	}
	return e.Wait(ctx, head)
}

// Run follows the ledger until ctx ends. It rides out an absent database; an event it cannot apply stops it for good, with everything
// before that event applied.
func (e *Engine) Run(ctx context.Context) error {
	wait := retryFirst
	for {
		err := e.follow(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, ErrStopped):
			e.log.Error("read models stopped", "position", e.Position(), "error", err)
			e.mu.Lock()
			e.stopped = err
			close(e.moved)
			e.moved = make(chan struct{})
			e.mu.Unlock()
			return err
		}
		e.log.Warn("read models interrupted, trying again", "error", err, "in", wait)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
		wait = min(2*wait, retryMost)
	}
}

func (e *Engine) follow(ctx context.Context) error {
	conn, err := e.pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Release()
	// the connection holds a lock and has settings of its own: it does not go back to others
	defer conn.Conn().Close(context.WithoutCancel(ctx)) //nolint:errcheck // it may be dead already
	ident := pgx.Identifier{e.schema}.Sanitize()
	// the rows can always be made again from the ledger, and checkpoint and rows are lost or kept together
	if _, err := conn.Exec(ctx, `set synchronous_commit = off; set search_path = `+ident+`, public`); err != nil {
		return fmt.Errorf("prepare connection: %w", err)
	}
	at, err := e.lead(ctx, conn)
	if err != nil {
		return err
	}
	e.setLeads(true)
	defer e.setLeads(false)
	var asm events.Assembler
	return e.store.Subscribe(ctx, at, func(ctx context.Context, recs []events.Recorded) error {
		return e.page(ctx, conn.Conn(), &asm, recs)
	})
}

// lead waits until this engine is the one that writes, and until then follows the checkpoint that another one moves.
func (e *Engine) lead(ctx context.Context, conn *pgxpool.Conn) (events.Position, error) {
	for {
		var mine bool
		var at events.Position
		if err := conn.QueryRow(ctx, `select pg_try_advisory_lock(hashtext($1))`, e.schema).Scan(&mine); err != nil {
			return 0, fmt.Errorf("lock read models: %w", err)
		}
		if err := conn.QueryRow(ctx, `select position from checkpoint`).Scan(&at); err != nil {
			return 0, fmt.Errorf("read checkpoint: %w", err)
		}
		e.advance(at, nil)
		if mine {
			return at, nil
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(followerPoll):
		}
	}
}

// page applies the whole commits among recs, in transactions of about pageStatements.
func (e *Engine) page(ctx context.Context, conn *pgx.Conn, asm *events.Assembler, recs []events.Recorded) error {
	if recs = after(recs, e.Position()); len(recs) == 0 { // their rows were written with them
		return nil
	}
	e.writing.Lock()
	defer e.writing.Unlock()
	recs = after(recs, e.Position())
	there, err := e.settle(ctx, conn)
	if err != nil {
		return err
	}
	b := &Batch{}
	var done []*events.Commit
	flush := func() error {
		if len(done) == 0 {
			return nil
		}
		to := done[len(done)-1].Position
		e.count(done) // before the rows are visible: whoever saw them must be told that they are new
		if err := e.write(ctx, conn, b, to); err != nil {
			return err
		}
		e.advance(to, done)
		b, done = &Batch{}, nil
		return nil
	}
	for _, r := range recs {
		c, err := asm.Add(r)
		if err != nil {
			return errors.Join(flush(), fmt.Errorf("%w: %w", ErrStopped, err))
		}
		if c == nil {
			continue
		}
		if c.Position <= there {
			e.count([]*events.Commit{c})
			e.advance(c.Position, []*events.Commit{c})
			continue
		}
		if err := e.apply(b, c); err != nil {
			return errors.Join(flush(), fmt.Errorf("%w: event %d: %w", ErrStopped, c.Position, err))
		}
		done = append(done, c)
		if b.Len() >= pageStatements {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

func (e *Engine) apply(b *Batch, c *events.Commit) error {
	for _, ev := range c.Events {
		for _, p := range e.route[ev.EventType()] {
			if err := p.Apply(b, c, ev); err != nil {
				return fmt.Errorf("%s: %w", ev.EventType(), err)
			}
		}
	}
	return nil
}

// moveCheckpoint fails, and with it the batch that it ends, if the checkpoint is there already: by dividing by the number of rows it moved.
const moveCheckpoint = `with moved as (update checkpoint set position = $1 where position < $1 returning position) select 1 / count(*) from moved`

// divisionByZero is its SQLSTATE.
const divisionByZero = "22012"

// write runs a batch and moves the checkpoint, in one transaction and one round trip: PostgreSQL runs what comes in one
// batch as one transaction.
func (e *Engine) write(ctx context.Context, conn *pgx.Conn, b *Batch, to events.Position) error {
	b.Exec(moveCheckpoint, int64(to))
	res := conn.SendBatch(ctx, &b.pgx)
	var err error
	failed := -1
	for i := 0; i < b.pgx.Len() && err == nil; i++ {
		if _, err = res.Exec(); err != nil {
			failed = i
			err = fmt.Errorf("statement %d (%.80s): %w", i, b.pgx.QueuedQueries[i].SQL, err)
		}
	}
	err = errors.Join(err, res.Close()) // the end of the batch is the commit
	var pgErr *pgconn.PgError
	switch {
	case !errors.As(err, &pgErr):
	case pgErr.Code == divisionByZero && failed == b.pgx.Len()-1:
		return errors.New("the checkpoint was moved by someone else")
	case slices.Contains(poison, pgErr.Code[:2]):
		return fmt.Errorf("%w: up to event %d: %w", ErrStopped, to, err)
	}
	return err
}

// poison lists the classes of PostgreSQL errors that no retry cures: bad data, broken constraint, wrong statement.
// Others (connection lost, server stopping, disk full) pass.
var poison = []string{"22", "23", "42"}

func (e *Engine) advance(to events.Position, commits []*events.Commit) {
	e.mu.Lock()
	if to > e.position {
		if len(commits) == 0 { // another engine wrote the rows: any family may be among them
			e.unseen = to
		}
		e.position = to
		close(e.moved)
		e.moved = make(chan struct{})
	}
	watchers := e.watchers[:len(e.watchers):len(e.watchers)]
	e.mu.Unlock()
	if len(commits) == 0 {
		return
	}
	for _, f := range watchers {
		f(commits)
	}
}

// count notes which families of events come.
func (e *Engine) count(commits []*events.Commit) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range commits {
		for _, ev := range c.Events {
			family, _, _ := strings.Cut(ev.EventType(), ".")
			e.families[family] = max(e.families[family], c.Position)
		}
	}
}
