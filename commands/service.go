// Package commands has the use cases that change something, one file per noun. Each authorises what the method table could not, consults
// the policies, loads the streams it decides on, appends, and answers when the read models hold the outcome, so that whoever asked can read
// what it did. Queries are in projections.
package commands

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"moromi/events"
	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/internal/storage"
	"moromi/projections"
	"moromi/projections/query"
)

// readModelWait bounds how long a command waits for its own effect to be readable. It is generous: the ordinary wait is about a millisecond;
// past it the command did happen and the caller is told that reads may be behind.
const readModelWait = 30 * time.Second

// decideAttempts bounds how often a command decides anew after losing a race for its stream to another process.
const decideAttempts = 20

// Actor is on whose behalf a command runs. The zero Actor is the system itself.
type Actor struct {
	UserID int64
	// Admin tells that the user holds the permission admin; commands need it for what Koji lets only forced administrators do.
	Admin bool
}

// Service runs commands. It is safe for concurrent use; a site has as many as it has hubs.
type Service struct {
	Ledger events.Store
	Models *projections.Engine
	// DB reads the read models (its search_path names their schema) and the id counters of schema ops.
	DB    *pgxpool.Pool
	Log   *slog.Logger
	Clock func() time.Time
	// Policies are the site's rules.
	Policies *Policies
	// Decisions keeps what policies decided.
	Decisions *Decisions
	// Files is the topdir: where builds, uploads and repositories lie.
	Files *storage.Topdir
	// Repos is how the site wants its repositories.
	Repos RepoConfig
	// Notify is how people are told of builds.
	Notify NotifyConfig
	// SideTag is how people may have tags of their own.
	SideTag SideTagConfig
	// FailedTree is which tasks' buildroots may be kept.
	FailedTree FailedTreeConfig
	// Realms are those whose Kerberos principals users may have.
	Realms koji.Realms
	// Scheduler gives tasks to hosts; it works while its Run does.
	Scheduler *Scheduler

	streams streamCache
	// naming is held by the one command of this process that makes sure of the names of rpms; see withRPMNames.
	naming chan struct{}
	// perms are users' permissions, those of their groups included.
	perms *projections.Memo[int64, []string]
	// channels are channels by name; nil: there is none.
	channels *projections.Memo[string, query.Row]
	// hostChannels are the ids of hosts' channels by the host's id.
	hostChannels *projections.Memo[int64, []int64]
	// moving is held by the commands that change the files of builds; see withBuildFiles.
	moving chan struct{}
	// sideTagging is held by the one command of this process that makes a side tag, so that rules that count them count all.
	sideTagging chan struct{}
	// listing is held by those who list the files in an archive.
	listing chan struct{}
}

// NewService makes a service.
func NewService(ledger events.Store, models *projections.Engine, db *pgxpool.Pool, log *slog.Logger, clock func() time.Time) *Service {
	s := &Service{Ledger: ledger, Models: models, DB: db, Policies: NewPolicies(db, models, log), Decisions: NewDecisions(db, log, clock), Log: log, Clock: clock,
		streams: newStreamCache(streamCacheSize), perms: projections.NewMemo[int64, []string](models, "user", "catalog"),
		channels: projections.NewMemo[string, query.Row](models, "channel", "host"), hostChannels: projections.NewMemo[int64, []int64](models, "channel", "host"), Repos: DefaultRepoConfig(), Notify: DefaultNotifyConfig(),
		SideTag: DefaultSideTagConfig(), FailedTree: DefaultFailedTreeConfig(), sideTagging: make(chan struct{}, 1),
		naming: make(chan struct{}, 1), moving: make(chan struct{}, maxFileCommands), listing: make(chan struct{}, maxListings)}
	s.Scheduler = newScheduler(s)
	return s
}

// Folder is the pointer to an aggregate's state: it takes the events of one stream in order.
type Folder[S any] interface {
	*S
	Apply(events.Event)
}

// Decide loads the state of a stream, lets decide choose events from it, and appends them if nothing came in between; it decides again if
// something did. It returns the position of the append when the read models hold it; 0 when decide chose nothing. decide must not change
// the state, nor anything else: it may run more than once. Decisions on one stream run one after the other in a process.
func Decide[S any, P Folder[S]](ctx context.Context, s *Service, a Actor, command, stream string, decide func(P) ([]events.Event, error)) (events.Position, error) {
	pos, err := decideOnly[S, P](ctx, s, a, command, stream, decide)
	if err != nil || pos == 0 {
		return 0, err
	}
	return pos, s.Await(ctx, pos)
}

// DecideNew is Decide for a stream that is very likely to be new: it is taken to be empty until the ledger says otherwise. decide must choose
// something for an empty stream.
func DecideNew[S any, P Folder[S]](ctx context.Context, s *Service, a Actor, command, stream string, decide func(P) ([]events.Event, error)) (events.Position, error) {
	e := s.streams.lock(stream, func() any { return P(new(S)) })
	e.loaded = e.loaded || e.revision == events.NoStream
	s.streams.unlock(e)
	return Decide[S, P](ctx, s, a, command, stream, decide)
}

// DecideOnly is Decide without the wait for the read models: for the first steps of a command that waits for its last.
func DecideOnly[S any, P Folder[S]](ctx context.Context, s *Service, a Actor, command, stream string, decide func(P) ([]events.Event, error)) (events.Position, error) {
	return decideOnly[S, P](ctx, s, a, command, stream, decide)
}

func decideOnly[S any, P Folder[S]](ctx context.Context, s *Service, a Actor, command, stream string, decide func(P) ([]events.Event, error)) (events.Position, error) {
	e := s.streams.lock(stream, func() any { return P(new(S)) })
	defer s.streams.unlock(e)
	state, ok := e.state.(P)
	if !ok {
		return 0, fmt.Errorf("%s: stream %s is folded as %T and as %T", command, stream, e.state, state)
	}
	for range decideAttempts {
		if !e.loaded {
			if err := s.load(ctx, stream, e, applyAt(state, state.Apply)); err != nil {
				return 0, fmt.Errorf("%s: load %s: %w", command, stream, err)
			}
		}
		chosen, err := decide(state)
		if err != nil || len(chosen) == 0 {
			return 0, err
		}
		done, err := s.append(ctx, a, command, stream, e.revision, chosen)
		var conflict *events.Conflict
		if errors.As(err, &conflict) {
			e.loaded = false
			continue
		}
		if err != nil {
			e.loaded = false
			return 0, ledgerFault(command, err)
		}
		e.follow(applyAt(state, state.Apply), chosen, done)
		return done.Position, nil
	}
	return 0, fault.New(fault.Lock, "%s: %s is being changed by too many at once; try again", command, stream)
}

// positioned is a state that wants to know where its events are.
type positioned interface{ At(events.Position) }

// applyAt is apply that tells a positioned state where the event is before it applies it.
func applyAt(state any, apply func(events.Event)) func(events.Event, events.Position) {
	p, ok := state.(positioned)
	return func(e events.Event, at events.Position) {
		if ok {
			p.At(at)
		}
		apply(e)
	}
}

// load reads what the cached state does not know yet. After a failed append it reads on from the last known revision.
func (s *Service) load(ctx context.Context, stream string, e *streamEntry, apply func(events.Event, events.Position)) error {
	for r, err := range s.Ledger.Read(ctx, stream, e.revision+1, 0) {
		if err != nil {
			return err
		}
		ev, _, err := events.Decode(r)
		if err != nil {
			return err
		}
		apply(ev, r.Position)
		e.revision = r.Revision
	}
	e.loaded = true
	return nil
}

// append writes with ids made once, so that a retry after an unknown outcome cannot write twice.
func (s *Service) append(ctx context.Context, a Actor, command, stream string, at events.Revision, evs []events.Event) (events.Appended, error) {
	w, err := prepare(a, command, stream, at, evs)
	if err != nil {
		return events.Appended{}, err
	}
	made, err := s.appendChain(ctx, command, w)
	if err != nil {
		return events.Appended{}, err
	}
	return made[0], nil
}

// prepare makes the append of events that were decided on.
func prepare(a Actor, command, stream string, at events.Revision, evs []events.Event) (events.Write, error) {
	ids := make([]uuid.UUID, len(evs))
	for i := range ids {
		id, err := uuid.NewV7()
		if err != nil {
			return events.Write{}, fmt.Errorf("make event id: %w", err)
		}
		ids[i] = id
	}
	recs, err := events.Encode(events.Meta{Actor: a.UserID, Command: command}, ids, evs...)
	return events.Write{Stream: stream, Expected: at, Events: recs}, err
}

// appendChain writes, and tries again while the ledger is not to be reached.
func (s *Service) appendChain(ctx context.Context, command string, writes ...events.Write) ([]events.Appended, error) {
	wait := appendRetryFirst
	for {
		made, err := s.Ledger.AppendChain(ctx, writes...)
		if !errors.Is(err, events.ErrUnavailable) || ctx.Err() != nil || wait > appendRetryMost {
			return made, err
		}
		s.Log.Warn("ledger unavailable, trying again", "command", command, "error", err, "in", wait)
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(wait):
		}
		wait *= 2
	}
}

// appendRetryFirst and appendRetryMost bound the retries of an append whose outcome is not known: about ten seconds in all, the time a
// PostgreSQL server takes to come back after a crash.
const (
	appendRetryFirst = 20 * time.Millisecond
	appendRetryMost  = 6 * time.Second
)

// Await returns when the read models hold pos.
func (s *Service) Await(ctx context.Context, pos events.Position) error {
	ctx, cancel := context.WithTimeout(ctx, readModelWait)
	defer cancel()
	if err := s.Models.Wait(ctx, pos); err != nil {
		return fault.Wrap(err, fault.ServerOffline, "the change was recorded as event %d, but the pages and queries do not show it yet", pos)
	}
	return nil
}

func ledgerFault(command string, err error) error {
	switch {
	case errors.Is(err, events.ErrTooLarge):
		return fault.Wrap(err, fault.Generic, "the change is too large for one event; split it")
	case errors.Is(err, events.ErrUnavailable):
		return fault.Wrap(err, fault.ServerOffline, "the ledger cannot be reached; nothing is lost, try again")
	}
	return fmt.Errorf("%s: append: %w", command, err)
}
