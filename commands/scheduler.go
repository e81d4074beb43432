package commands

import (
	"context"
	"fmt"
	"log/slog"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"moromi/aggregates/task"
	"moromi/events"
	"moromi/internal/koji"
)

// The scheduler's limits, Koji's defaults (hub.conf of 1.35).
const (
	// maxJobs bounds the tasks of a host that does not say itself how many it takes.
	maxJobs = 15
	// capacityOvercommit is how much of a task's weight may go past the host's capacity.
	capacityOvercommit = 5.0
	// readyTimeout: a host that did not report for so long takes no new tasks.
	readyTimeout = 3 * time.Minute
	// assignTimeout: a task that its host did not open for so long goes elsewhere.
	assignTimeout = 5 * time.Minute
	// softRefusal is how long a soft refusal holds.
	softRefusal = 15 * time.Minute
	// hostTimeout: the tasks of a host that did not report for so long run elsewhere.
	hostTimeout = 15 * time.Minute
	// scheduleBatch bounds how many free tasks one run looks at; the most urgent come first.
	scheduleBatch = 1000
	// watchInterval is how often timeouts are looked at when nothing happens.
	watchInterval = 20 * time.Second
)

// Scheduler gives free tasks to hosts. It wakes when a task becomes free or finishes and when a host reports, so that a task waits for
// milliseconds; every watchInterval it looks for hosts that have gone silent. One runs at a time in a site: it holds an advisory lock.
type Scheduler struct {
	service *Service
	log     *slog.Logger
	wake    chan struct{}
	run     sync.Mutex

	looping atomic.Bool  // Run runs
	woken   atomic.Int64 // how often somebody woke it
	ranFor  atomic.Int64 // what woken was when the last whole run began
	ranAt   atomic.Int64 // how far the read models were then
	// offered is what hosts had room for when the last run had ended; nil while one runs, and where it is not known.
	offered atomic.Pointer[offers]
}

func newScheduler(s *Service) *Scheduler {
	return &Scheduler{service: s, log: s.Log, wake: make(chan struct{}, 1)}
}

// Wake makes the scheduler look again soon. It never blocks.
func (sc *Scheduler) Wake() {
	sc.woken.Add(1)
	select {
	case sc.wake <- struct{}{}:
	default:
	}
}

// Watch is for Engine.OnCommit: it wakes the scheduler on what may change an assignment.
func (sc *Scheduler) Watch(commits []*events.Commit) {
	for _, c := range commits {
		for _, e := range c.Events {
			switch e := e.(type) {
			case events.TaskCreated:
				if !sc.wanted(e) {
					continue
				}
				sc.Wake()
				return
			case events.TaskFreed, events.TaskRefused, events.TaskClosed, events.TaskFailed, events.TaskCanceled, events.TaskWaitStarted,
				events.TaskWeightSet, events.HostConfigured, events.HostJoinedChannel, events.ChannelEdited:
				sc.Wake()
				return
			}
		}
	}
}

// wanted tells whether a host may have room for a new task. Hosts that come to have it wake the scheduler themselves.
func (sc *Scheduler) wanted(t events.TaskCreated) bool {
	o := sc.offered.Load()
	return o == nil || (*o)[offer{t.ChannelID, t.Arch}]
}

// longestRest bounds how long the scheduler rests.
const longestRest = time.Second

// Run schedules until ctx ends. After each run it rests as long as the run took: many waiting tasks make runs long, and those who hand in more
// of them need the machine, too.
func (sc *Scheduler) Run(ctx context.Context) error {
	sc.looping.Store(true)
	defer sc.looping.Store(false)
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	for {
		began := time.Now()
		if _, err := sc.Once(ctx); err != nil && ctx.Err() == nil {
			sc.log.Warn("scheduler run interrupted", "error", err)
		}
		rest := time.NewTimer(min(time.Since(began), longestRest))
		select {
		case <-ctx.Done():
		case <-rest.C:
		}
		rest.Stop()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-sc.wake:
		case <-tick.C:
		}
	}
}

// schedulerLock keeps the schedulers of several hubs apart.
const schedulerLock = 0x7363686564

// Once makes one run: assigns what can be assigned and takes back what timed out. It answers false when another hub's scheduler is at it.
func (sc *Scheduler) Once(ctx context.Context) (bool, error) {
	sc.run.Lock()
	defer sc.run.Unlock()
	ran := false
	sc.offered.Store(nil)
	var free offers
	at, woken := sc.service.Models.Position(), sc.woken.Load()
	err := pgx.BeginFunc(ctx, sc.service.DB, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, `select pg_try_advisory_xact_lock($1)`, int64(schedulerLock)).Scan(&ran); err != nil || !ran {
			return err
		}
		hosts, err := sc.hosts(ctx)
		if err != nil {
			return err
		}
		if err := sc.markSilent(ctx, hosts); err != nil {
			return err
		}
		if err := sc.assignFree(ctx, hosts); err != nil {
			return err
		}
		free = offersOf(hosts)
		return sc.takeBack(ctx, hosts)
	})
	if ran && err == nil {
		sc.ranAt.Store(int64(at))
		sc.ranFor.Store(woken)
		sc.offered.Store(&free)
	}
	return ran, err
}

// Settle returns when the scheduler has looked at all that has changed so far: at once if it has already and does by itself, else after a run. ran tells
// whether there was one, so that what was read before may be old.
func (sc *Scheduler) Settle(ctx context.Context) (ran bool, err error) {
	changed := sc.service.Models.LastChange("task", "host", "channel")
	if sc.looping.Load() && sc.ranFor.Load() == sc.woken.Load() && int64(changed) <= sc.ranAt.Load() {
		return false, nil
	}
	_, err = sc.Once(ctx)
	return true, err
}

// schedHost is a host as the scheduler sees it.
type schedHost struct {
	id       int64
	name     string
	arches   []string
	channels []int64
	capacity float64
	reported *time.Time
	ready    bool
	silent   bool // ready by its own account, which is too old
	most     int
	load     float64
	tasks    int
	demand   float64
}

func (h *schedHost) rank() float64 { return h.load + float64(h.tasks) + h.demand }

// takes tells whether the host serves the task's channel and arch.
func (h *schedHost) takes(channel int64, arch string) bool {
	in := false
	for _, c := range h.channels {
		in = in || c == channel
	}
	if !in {
		return false
	}
	if arch == noArch {
		return true
	}
	for _, a := range h.arches {
		if a == arch {
			return true
		}
	}
	return false
}

func (h *schedHost) room(weight float64) bool {
	return h.ready && h.tasks < h.most && h.capacity-h.load > max(0, weight-capacityOvercommit)
}

// hosts reads the enabled hosts with their present load.
func (sc *Scheduler) hosts(ctx context.Context) (map[int64]*schedHost, error) {
	rows, err := sc.service.DB.Query(ctx, `
		select host.id, host.name, coalesce(c.arches, ''), c.capacity, s.update_time, coalesce(s.ready, false), coalesce((s.data->>'maxjobs')::int, 0),
			array(select hc.channel_id from host_channels hc join channels on channels.id = hc.channel_id where hc.host_id = host.id and hc.active and channels.enabled),
			(select count(*) from task t where t.host_id = host.id and t.state in (1, 4)),
			(select coalesce(sum(t.weight), 0) from task t where t.host_id = host.id and t.state in (1, 4) and not coalesce(t.waiting, false))
		from host join host_config c on c.host_id = host.id and c.active and c.enabled
		left join ops.host_status s on s.host_id = host.id`)
	if err != nil {
		return nil, fmt.Errorf("read hosts: %w", err)
	}
	defer rows.Close()
	out := map[int64]*schedHost{}
	now := sc.service.Clock()
	for rows.Next() {
		h, arches := &schedHost{}, ""
		if err := rows.Scan(&h.id, &h.name, &arches, &h.capacity, &h.reported, &h.ready, &h.most, &h.channels, &h.tasks, &h.load); err != nil {
			return nil, fmt.Errorf("read hosts: %w", err)
		}
		h.arches = strings.Fields(arches)
		if h.most <= 0 {
			h.most = maxJobs
		}
		h.silent = h.ready && (h.reported == nil || now.Sub(*h.reported) > readyTimeout)
		h.ready = h.ready && !h.silent
		out[h.id] = h
	}
	return out, rows.Err()
}

// schedTask is a free task as the scheduler sees it.
type schedTask struct {
	id, channel int64
	arch        string
	weight      float64
	hosts       []*schedHost
}

// freeTasks reads the most urgent free tasks of those that a host with room could take: what nobody can take holds up nothing.
func (sc *Scheduler) freeTasks(ctx context.Context, hosts map[int64]*schedHost) ([]*schedTask, error) {
	open := offersOf(hosts)
	if len(open) == 0 {
		return nil, nil
	}
	var channels []int64
	var arches []string
	for o := range open {
		channels, arches = append(channels, o.channel), append(arches, o.arch)
	}
	// one kind after the other: what nobody can take is not looked at, however much of it there is
	rows, err := sc.service.DB.Query(ctx, `select t.id, t.channel_id, t.arch, t.weight from unnest($3::bigint[], $4::text[]) o(channel_id, arch)
		cross join lateral (select * from task where state = 0 and channel_id = o.channel_id and task.arch = o.arch and method <> all($2)
			order by priority, create_time, id limit $1) t
		order by t.priority, t.create_time, t.id limit $1`,
		scheduleBatch, sc.service.HubMethods(), channels, arches)
	if err != nil {
		return nil, fmt.Errorf("read free tasks: %w", err)
	}
	return pgx.CollectRows(rows, func(r pgx.CollectableRow) (*schedTask, error) {
		t := &schedTask{}
		return t, r.Scan(&t.id, &t.channel, &t.arch, &t.weight)
	})
}

// offers are the kinds of tasks that some host has room for.
type offers map[offer]bool

type offer struct {
	channel int64
	arch    string
}

// offersOf gives what the hosts have room for: for the lightest tasks at least.
func offersOf(hosts map[int64]*schedHost) offers {
	out := offers{}
	for _, h := range hosts {
		if !h.room(0) {
			continue
		}
		for _, c := range h.channels {
			out[offer{c, noArch}] = true
			for _, arch := range h.arches {
				out[offer{c, arch}] = true
			}
		}
	}
	return out
}

// noArch is the arch of tasks that any host of their channel takes.
const noArch = "noarch"

// HubMethods are the methods of tasks that the hub carries out itself on this site: the scheduler leaves them alone.
func (s *Service) HubMethods() []string {
	methods := task.HubMethods()
	if !s.Repos.DistByBuilders {
		methods = append(methods, task.DistRepo)
	}
	return methods
}

// Methods of the tasks that make dist repositories.
const (
	DistRepoMethod       = task.DistRepo
	CreateDistRepoMethod = task.CreateDistRepo
)

// RunByHub tells whether the hub alone carries out tasks of the method.
func RunByHub(method string) bool { return task.RunByHub(method) }

// refusals reads who refused which of the tasks, leaving out soft ones that have run out.
func (sc *Scheduler) refusals(ctx context.Context, tasks []*schedTask) (map[[2]int64]bool, error) {
	ids := make([]int64, len(tasks))
	for i, t := range tasks {
		ids[i] = t.id
	}
	rows, err := sc.service.DB.Query(ctx, `select task_id, host_id from scheduler_task_refusals where task_id = any($2) and (not soft or time > $1)`,
		sc.service.Clock().Add(-softRefusal), ids)
	if err != nil {
		return nil, fmt.Errorf("read refusals: %w", err)
	}
	out := map[[2]int64]bool{}
	var k [2]int64
	_, err = pgx.ForEachRow(rows, []any{&k[0], &k[1]}, func() error { out[k] = true; return nil })
	return out, err
}

// assignFree gives free tasks to the hosts with the least to do, the most urgent first. A task that many hosts could take counts little as
// demand for each of them.
func (sc *Scheduler) assignFree(ctx context.Context, hosts map[int64]*schedHost) error {
	tasks, err := sc.freeTasks(ctx, hosts)
	if err != nil || len(tasks) == 0 {
		return err
	}
	refused, err := sc.refusals(ctx, tasks)
	if err != nil {
		return err
	}
	total := 0.0
	for _, t := range tasks {
		for _, h := range hosts {
			if h.takes(t.channel, t.arch) && h.room(t.weight) && !refused[[2]int64{t.id, h.id}] {
				t.hosts = append(t.hosts, h)
			}
		}
		if len(t.hosts) == 0 {
			sc.service.Log.DebugContext(ctx, "a task waits: no host of its channel and arch has room and has not refused it", "task", t.id, "channel", t.channel, "arch", t.arch)
		}
		for _, h := range t.hosts {
			h.demand += t.weight / float64(len(t.hosts))
			total += t.weight / float64(len(t.hosts))
		}
	}
	if total > 0 {
		for _, h := range hosts {
			h.demand /= total
		}
	}
	for _, t := range tasks {
		sort.Slice(t.hosts, func(i, j int) bool {
			a, b := t.hosts[i], t.hosts[j]
			return a.rank() < b.rank() || a.rank() == b.rank() && a.id < b.id
		})
		if err := sc.assign(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

func (sc *Scheduler) assign(ctx context.Context, t *schedTask) error {
	for _, h := range t.hosts {
		if !h.room(t.weight) {
			continue
		}
		ok, err := sc.service.AssignTask(ctx, Actor{}, t.id, h.id, false, false)
		if err != nil {
			return err
		}
		if ok {
			h.load += t.weight
			h.tasks++
		}
		return nil
	}
	return nil
}

// takeBack frees tasks that their host does not open, or whose host has gone silent.
func (sc *Scheduler) takeBack(ctx context.Context, hosts map[int64]*schedHost) error {
	rows, err := sc.service.DB.Query(ctx, `select r.task_id, r.host_id, r.create_time, t.state from scheduler_task_runs r join task t on t.id = r.task_id
		where r.active and t.state in (1, 4) and t.host_id = r.host_id`)
	if err != nil {
		return fmt.Errorf("read runs: %w", err)
	}
	type run struct {
		id, host int64
		at       time.Time
		state    koji.TaskState
	}
	runs, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (x run, err error) {
		err = r.Scan(&x.id, &x.host, &x.at, &x.state)
		return x, err
	})
	if err != nil {
		return fmt.Errorf("read runs: %w", err)
	}
	now := sc.service.Clock()
	for _, r := range runs {
		h := hosts[r.host]
		if h == nil {
			continue // disabled: what it has begun it may finish
		}
		seen := r.at
		if h.reported != nil {
			seen = *h.reported
		}
		switch {
		case r.state == koji.TaskAssigned && now.Sub(r.at) > assignTimeout:
			err = sc.timedOut(ctx, r.id, r.host, seen.After(r.at))
		case r.state == koji.TaskOpen && now.Sub(seen) > hostTimeout:
			sc.note(ctx, "Freeing task from unresponsive host", r.id, r.host)
			err = sc.service.FreeTask(ctx, Actor{}, r.id, "its host went silent")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// timedOut frees a task that its host never opened. A host that is alive is taken to have refused.
func (sc *Scheduler) timedOut(ctx context.Context, id, host int64, alive bool) error {
	if !alive {
		sc.note(ctx, "Task assignment timeout", id, host)
		return sc.service.FreeTask(ctx, Actor{}, id, "assignment timeout")
	}
	const reason = "assignment timeout"
	_, err := sc.service.decideTask(ctx, Actor{}, "refuse task", id, func(t *task.Task) ([]events.Event, error) {
		return t.Refuse(host, true, false, reason), nil
	})
	if err != nil {
		return err
	}
	sc.noteRefusal(ctx, reason, id, host)
	sc.note(ctx, "Task assignment timeout", id, host)
	return nil
}
