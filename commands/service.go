// Package commands has the use cases that change something, one file per noun. Each authorises what the method table could not, consults
// the policies, loads the streams it decides on, appends, and answers when the read models hold the outcome, so that whoever asked can read
// what it did. Queries are in projections.
package commands

import (
	"context"
	"log/slog"
	"time"

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
	// drawn are ids that were drawn ahead, by kind.
	drawn map[string]*ahead
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
		streams: newStreamCache(streamCacheSize), drawn: newAhead(), perms: projections.NewMemo[int64, []string](models, "user", "catalog"),
		channels: projections.NewMemo[string, query.Row](models, "channel", "host"), hostChannels: projections.NewMemo[int64, []int64](models, "channel", "host"), Repos: DefaultRepoConfig(), Notify: DefaultNotifyConfig(),
		SideTag: DefaultSideTagConfig(), FailedTree: DefaultFailedTreeConfig(), sideTagging: make(chan struct{}, 1),
		naming: make(chan struct{}, 1), moving: make(chan struct{}, maxFileCommands), listing: make(chan struct{}, maxListings)}
	s.Scheduler = newScheduler(s)
	return s
}

// Await returns when the read models hold pos.
func (s *Service) Await(ctx context.Context, pos events.Position) error {
	ctx, cancel := context.WithTimeout(ctx, readModelWait)
	defer cancel()
	if err := s.Models.Wait(ctx, pos); err != nil {
		return fault.Wrap(err, fault.ServerOffline, "the change was recorded as event %d, but the pages and queries do not show it yet", pos)
	}
	return nil
}
