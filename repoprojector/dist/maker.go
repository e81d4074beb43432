package dist

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"moromi/commands"
	"moromi/events"
	"moromi/internal/koji"
	"moromi/internal/storage"
	taskmodel "moromi/projections/task"
	"moromi/repoprojector/examiner"
	"moromi/repoprojector/repodata"
)

const (
	// hub is the host id of the hub itself.
	hub = 0
	// maxTasks is how many distRepo tasks are carried out at once: each reads and links as fast as the disk can.
	maxTasks = 2
	// maxArches is how many architectures of one task are made at once.
	maxArches = 2
	// precedence is how long a task waits before the hub takes it up, so that an administrator can give it to a builder instead. It is that of newRepo tasks.
	precedence = 3 * time.Second
	// pulse is how often the tasks are looked for even if nothing told of one.
	pulse = 15 * time.Second
)

// Config is what a Maker works with. All but Format and Sign are needed.
type Config struct {
	Service *commands.Service
	// DB reads the read models: its search_path names their schema.
	DB      *pgxpool.Pool
	Storage *storage.Topdir
	// Store keeps what is known of rpms, and pieces of metadata.
	Store *repodata.Store
	// Examiner looks at the rpms' files.
	Examiner *examiner.Examiner
	Log      *slog.Logger
	Clock    func() time.Time
	// Format of the metadata, for tags that do not say otherwise; its order is not used (settle).
	Format repodata.Format
	// Sign gives the armored signature of a repomd.xml that was made at a time; nil: repositories are not signed.
	Sign func(ctx context.Context, repomd []byte, made time.Time) ([]byte, error)
}

// Maker carries out distRepo tasks. Watch may be called from anywhere; Run is for the hub that leads.
type Maker struct {
	Config
	wake    chan struct{} // holds one when tasks may wait
	signed  chan signedCopy
	mu      sync.Mutex
	running map[int64]*job // by task, the children's among them
}

// job is a task that is being carried out.
type job struct {
	id   int64
	stop context.CancelCauseFunc
}

// Reasons to stop a job.
var (
	errCanceled = errors.New("the task was canceled")
	errTaken    = errors.New("the task was taken away")
)

// New makes a Maker.
func New(c Config) *Maker {
	return &Maker{Config: c, wake: make(chan struct{}, 1), signed: make(chan signedCopy, maxSigned), running: map[int64]*job{}}
}

// Watch is for Engine.OnCommit: it takes note and returns at once.
func (m *Maker) Watch(commits []*events.Commit) {
	for _, c := range commits {
		for _, e := range c.Events {
			switch e := e.(type) {
			case events.TaskCreated:
				if e.Method == commands.DistRepoMethod {
					m.ring()
				}
			case events.RPMChecksummed:
				m.noteSigned(e)
			case events.TaskFreed:
				m.halt(e.ID, errTaken)
				m.ring()
			case events.TaskAssigned:
				m.halt(e.ID, errTaken)
			case events.TaskCanceled:
				m.halt(e.ID, errCanceled)
			}
		}
	}
}

func (m *Maker) ring() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// halt stops the job that a task is of.
func (m *Maker) halt(id int64, why error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if j := m.running[id]; j != nil {
		j.stop(why)
	}
}

// hold notes that a task is of a job.
func (m *Maker) hold(id int64, j *job) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.running[id] = j
}

// release forgets a job's tasks.
func (m *Maker) release(j *job) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, x := range m.running {
		if x == j {
			delete(m.running, id)
		}
	}
}

// held tells whether a task is of a job.
func (m *Maker) held(id int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.running[id] != nil
}

// Run carries tasks out until ctx ends, the most urgent first.
func (m *Maker) Run(ctx context.Context) {
	var jobs sync.WaitGroup
	defer jobs.Wait()
	jobs.Go(func() { m.readAhead(ctx) })
	seen := map[int64]time.Time{}
	free := make(chan struct{}, maxTasks)
	for {
		next := m.Clock().Add(pulse)
		due, err := m.due(ctx, seen, &next)
		if err != nil && ctx.Err() == nil {
			m.Log.Warn("distRepo tasks could not be looked for, trying again", "error", err)
		}
		for _, id := range due {
			if len(free) == maxTasks {
				break
			}
			free <- struct{}{}
			mine, stop := context.WithCancelCause(ctx)
			j := &job{id, stop}
			m.hold(id, j)
			jobs.Go(func() {
				m.carryOut(mine, j)
				stop(nil)
				m.release(j)
				<-free
				m.ring()
			})
		}
		timer := time.NewTimer(max(next.Sub(m.Clock()), time.Millisecond))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-m.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// due gives the tasks that may be begun now, the most urgent first. next becomes earlier if another may before.
func (m *Maker) due(ctx context.Context, seen map[int64]time.Time, next *time.Time) ([]int64, error) {
	rows, err := taskmodel.Unfinished(ctx, m.DB, []string{commands.DistRepoMethod})
	if err != nil {
		return nil, err
	}
	now, there := m.Clock(), map[int64]bool{}
	var out []int64
	for _, r := range rows {
		id := r["id"].(int64)
		there[id] = true
		open := koji.TaskState(r["state"].(int64)) == koji.TaskOpen // a process that died had it
		if m.held(id) || !open && m.Service.Repos.DistByBuilders {
			continue
		}
		if seen[id].IsZero() {
			seen[id] = now
		}
		if at := seen[id].Add(precedence); !open && at.After(now) {
			if at.Before(*next) {
				*next = at
			}
			continue
		}
		out = append(out, id)
	}
	for id := range seen {
		if !there[id] {
			delete(seen, id)
		}
	}
	return out, nil
}
