package repoprojector

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/singleflight"

	"moromi/commands"
	"moromi/events"
	"moromi/internal/koji"
	"moromi/projections"
	"moromi/projections/query"
	repomodel "moromi/projections/repo"
	"moromi/repoprojector/dist"
	"moromi/repoprojector/examiner"
	"moromi/repoprojector/external"
	"moromi/repoprojector/repodata"
)

const (
	// lockID keeps the projectors of several hubs apart: one leads.
	lockID = 0x7265706f
	// leadRetry is how often a projector that does not lead tries to, and how soon one goes on after an error.
	leadRetry = time.Second
	// pulse is how often a leading projector makes sure that it still leads and that it was told of everything.
	pulse = 15 * time.Second
)

// Projector makes repositories. New makes one; Run does the work; Watch, Wait and Close may be called from anywhere.
type Projector struct {
	Config
	cache  *os.Root
	store  *repodata.Store
	writer *repodata.Writer
	// external are the repositories that tags' are merged with; externalRoot is where they are kept.
	external     *external.Cache
	dist         *dist.Maker
	externalRoot *os.Root
	failures     failures

	examiner *examiner.Examiner
	states   states
	changes  changes
	files    *files
	// views and latestOf are what is known of repositories by their ids, and of the newest of a tag by its name
	views    *projections.Memo[int64, view]
	latestOf *projections.Memo[string, int64]
	recent   *projections.Memo[string, []int64]
	// composing and remaking are what readers ask for that is no longer at hand
	composing singleflight.Group
	remaking  *remakes
	made      atomic.Int64  // repositories
	untidy    chan struct{} // holds one when many were made since the last time
	inbox     *inbox
	ready     *broadcast
	linked    *broadcast // a link "latest" was set

	// what follows is of the goroutine that leads
	tags     map[int64]*tagPlan
	followed map[int64]bool // whose changes matter
	graph    *graph
	graphed  time.Time       // when the graph was read whole
	targets  map[int64]int64 // build tags of targets
	carried  map[int64]bool  // tasks that are being carried out
	awaited  map[int64]bool  // tasks that make the repositories of requests
	kojira   time.Time       // when it was last seen
	running  int
	position events.Position // of the last commit that Watch told of
	checked  events.Position // where the read models were at the last pulse
	unseen   events.Position // up to where another hub had written them then
}

// New makes a projector.
func New(c Config) (*Projector, error) {
	if err := c.fill(); err != nil {
		return nil, err
	}
	p := &Projector{Config: c, inbox: newInbox(), ready: newBroadcast(), linked: newBroadcast(), files: newFiles(), remaking: newRemakes(), untidy: make(chan struct{}, 1)}
	p.states.forget()
	p.views, p.latestOf = projections.NewMemo[int64, view](p.Service.Models, "repo", "name"), projections.NewMemo[string, int64](p.Service.Models, "repo", "name")
	p.recent = projections.NewMemo[string, []int64](p.Service.Models, "repo", "name")
	var err error
	if p.store, p.cache, err = c.openCache(); err != nil {
		return nil, err
	}
	p.examiner = examiner.New(p.Storage, p.store)
	p.writer = repodata.NewWriter(p.store, repodata.Options{OpenRPM: p.openRPM})
	p.dist = dist.New(dist.Config{Service: p.Service, DB: p.DB, Storage: p.Storage, Store: p.store, Examiner: p.examiner, Log: p.Log, Clock: p.Clock, Format: p.Format, Sign: p.Sign})
	if err := p.openExternal(); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// Close releases the cache; Run must have returned.
func (p *Projector) Close() error { return errors.Join(p.closeExternal(), p.cache.Close()) }

// Watch is for Engine.OnCommit: it takes note and returns at once.
func (p *Projector) Watch(commits []*events.Commit) {
	p.changes.add(commits)
	p.inbox.add(commits)
	p.dist.Watch(commits)
	for _, c := range commits {
		for _, e := range c.Events {
			if s, ok := e.(events.RepoStateSet); ok && koji.RepoState(s.State) == koji.RepoReady {
				p.ready.send()
				return
			}
		}
	}
}

// Wait returns the READY repository of a tag, with the tag's own options, whose content is not older than minEvent, when there is one; it is in
// repo.get's shape. It only waits: what is not kept current must be asked for.
func (p *Projector) Wait(ctx context.Context, tag, minEvent int64) (query.Row, error) {
	for {
		ready := p.ready.next()
		row, err := repomodel.Best(ctx, p.DB, tag, &minEvent, nil, events.RepoOpts{})
		if err != nil || row != nil {
			return row, err
		}
		select {
		case <-ready:
		case <-time.After(pulse): // another hub may have made it
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for a repository of tag %d: %w", tag, ctx.Err())
		}
	}
}

// Run makes repositories until ctx ends, as long as no other hub of the site does.
func (p *Projector) Run(ctx context.Context) error {
	for {
		if err := p.tryLead(ctx); err != nil && ctx.Err() == nil {
			p.Log.Warn("repository projector interrupted, trying again", "error", err, "in", leadRetry)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(leadRetry):
		}
	}
}

// tryLead leads if nobody else does, until ctx ends or something goes wrong.
func (p *Projector) tryLead(ctx context.Context) error {
	conn, err := p.DB.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Release()
	var mine bool
	if err := conn.QueryRow(ctx, `select pg_try_advisory_lock($1)`, int64(lockID)).Scan(&mine); err != nil || !mine {
		return err
	}
	defer conn.Exec(context.WithoutCancel(ctx), `select pg_advisory_unlock($1)`, int64(lockID)) //nolint:errcheck // a dead connection has no locks
	return p.lead(ctx, conn)
}

// lead recovers what a former leader left and then keeps at it.
func (p *Projector) lead(ctx context.Context, lock *pgxpool.Conn) error {
	ctx, cancel := context.WithCancel(ctx)
	var parts sync.WaitGroup
	defer parts.Wait()
	defer cancel()
	p.inbox.set(true)
	defer p.inbox.set(false)
	p.states.forget()
	p.tags, p.carried, p.awaited, p.running = map[int64]*tagPlan{}, map[int64]bool{}, map[int64]bool{}, 0
	p.position = p.Service.Models.Position()
	p.checked, p.unseen = p.position, p.Service.Models.LastChange()
	p.changes.restart(int64(p.position))
	if err := p.recover(ctx); err != nil {
		return fmt.Errorf("take up repositories: %w", err)
	}
	l := &leading{Projector: p, done: make(chan made, p.Workers), imports: make(chan events.RPMsImported, maxBuilds), outdated: newOutdater()}
	for _, part := range []func(){
		func() { p.readAhead(ctx, l.imports) },
		func() { l.outdated.run(ctx, p) },
		func() { p.files.run(ctx, p) },
		func() { p.keepClean(ctx) },
		func() { p.watchExternal(ctx) },
		func() { p.dist.Run(ctx) },
	} {
		parts.Go(part)
	}
	return l.run(ctx, lock, &parts)
}

// leading is a projector while it leads.
type leading struct {
	*Projector
	done     chan made
	imports  chan events.RPMsImported
	outdated *outdater
}

// run waits for something to do and does it.
func (l *leading) run(ctx context.Context, lock *pgxpool.Conn, jobs *sync.WaitGroup) error {
	beat := time.NewTicker(pulse)
	defer beat.Stop()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		if err := l.learn(ctx, l.inbox.take()); err != nil {
			return err
		}
		l.start(ctx, jobs, timer)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-l.inbox.wake:
		case m := <-l.done:
			if err := l.finished(ctx, m); err != nil {
				return err
			}
		case <-timer.C:
		case <-beat.C:
			if err := lock.Ping(ctx); err != nil {
				return fmt.Errorf("keep the lead: %w", err)
			}
			if err := l.missed(ctx); err != nil {
				return err
			}
		}
	}
}

// plan picks the jobs that may begin now, as the function does. Whether kojira looks after the site is looked at before the hub does something of its own
// accord, not at every change.
func (l *leading) plan(ctx context.Context, now time.Time) (todo []job, wake time.Time) {
	n := l.Workers - l.running
	todo, wake = plan(l.tags, now, n, l.lull(now))
	if l.lull(now) > 0 || !slices.ContainsFunc(todo, func(j job) bool { return j.unbidden() }) {
		return todo, wake
	}
	seen, err := l.Service.KojiraSeen(ctx)
	if err != nil {
		l.Log.Warn("whether kojira is there is not known", "error", err)
		return todo, wake
	}
	if l.kojira = seen; l.lull(now) > 0 {
		return plan(l.tags, now, n, l.lull(now))
	}
	return todo, wake
}

// lull is how long what the hub does of its own accord waits.
func (l *leading) lull(now time.Time) time.Duration {
	if now.Sub(l.kojira) < kojiraRound {
		return precedence
	}
	return 0
}

// start begins the jobs for which there are workers.
func (l *leading) start(ctx context.Context, jobs *sync.WaitGroup, timer *time.Timer) {
	now := l.Clock()
	todo, wake := l.plan(ctx, now)
	for _, j := range todo {
		t := l.tags[j.tag]
		t.begun(now)
		for _, x := range j.tasks {
			l.carried[x.id] = true
		}
		l.running++
		jobs.Go(func() {
			switch {
			case len(j.tasks) > 0:
				l.done <- l.carryOut(ctx, j)
			case j.request != 0:
				l.done <- l.answer(ctx, j)
			default:
				l.done <- l.generate(ctx, j, nil)
			}
		})
	}
	if !wake.IsZero() && l.running < l.Workers {
		timer.Reset(max(wake.Sub(now), time.Millisecond))
	}
}

// finished takes in what became of a job.
func (l *leading) finished(ctx context.Context, m made) error {
	l.running--
	now := l.Clock()
	t := l.tag(m.job.tag)
	t.making = false
	if len(m.job.tasks) > 0 || m.job.request != 0 {
		for _, x := range m.job.tasks {
			delete(l.carried, x.id)
		}
		if err := l.loadTasks(ctx); err != nil { // it may have been freed meanwhile, and wait again
			return err
		}
	}
	switch {
	case m.nothing:
		return l.loadRequests(ctx)
	case m.err == nil:
		t.ended, t.failures, t.notBefore = now, 0, time.Time{}
		if m.own && m.event > t.made {
			t.made = m.event
		}
		return l.loadRequests(ctx)
	case ctx.Err() != nil:
	default:
		t.ended = now
		if len(m.job.tasks) == 0 {
			t.failed(now)
		}
		if m.repo == 0 {
			l.Log.Error("repository could not be begun", "tag", m.job.tag, "error", m.err)
		}
		return l.retry(ctx, m.job)
	}
	return nil
}

// retry looks at the request of a failed job again, which is given up in the end.
func (l *leading) retry(ctx context.Context, j job) error {
	if j.request != 0 {
		if err := l.Service.ReviewRepoRequest(ctx, commands.Actor{}, j.request); err != nil {
			return err
		}
	}
	return l.loadRequests(ctx)
}

// missed looks at everything anew if the read models have moved without Watch having been told: when another hub leads them.
func (l *leading) missed(ctx context.Context) error {
	unseen := l.Service.Models.LastChange()
	if l.Clock().Sub(l.graphed) > graphAge {
		if err := l.learn(ctx, news{graph: true}); err != nil {
			return err
		}
	}
	behind := l.checked > l.position || unseen > l.unseen
	l.checked, l.unseen = l.Service.Models.Position(), unseen
	if !behind {
		return nil
	}
	l.position = max(l.position, l.checked)
	return l.learn(ctx, news{resync: true})
}
