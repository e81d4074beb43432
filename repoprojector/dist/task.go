package dist

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"moromi/commands"
	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/internal/storage"
	"moromi/internal/xmlrpc"
	taskmodel "moromi/projections/task"
)

// errLost says that a task is not the hub's any more: it was canceled or given to a builder.
var errLost = errors.New("the task is no longer the hub's")

// carryOut carries out a distRepo task from its beginning, or from where a process that died left it.
func (m *Maker) carryOut(ctx context.Context, j *job) {
	mine, err := m.begin(ctx, j.id)
	if err != nil || !mine {
		m.logError(ctx, "the beginning of a task could not be recorded", j.id, err)
		return
	}
	r, err := m.read(ctx, j.id)
	if err == nil {
		err = m.make(ctx, j, r)
	}
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errCanceled):
		err = fault.New(fault.Generic, "Task %d was canceled", j.id)
	case cause != nil:
		return // the hub ends, or somebody took the task: whoever has it goes on
	}
	done := context.WithoutCancel(ctx)
	var result any
	if err != nil {
		m.Log.Warn("dist repository could not be made", "task", j.id, "error", err)
		m.logError(done, "tasks could not be canceled", j.id, m.Service.CancelTaskChildren(done, commands.Actor{}, j.id))
	} else {
		result = fmt.Sprintf("Dist repository #%d successfully generated", r.repo)
	}
	if err = m.finish(done, j.id, result, err); !errors.Is(err, errLost) { // it was canceled: that stays
		m.logError(done, "the end of a task could not be recorded", j.id, err)
	}
}

func (m *Maker) logError(ctx context.Context, what string, id int64, err error) {
	if err != nil && ctx.Err() == nil {
		m.Log.Error(what, "task", id, "error", err)
	}
}

// begin opens a task for the hub; false when it is not to be had any more.
func (m *Maker) begin(ctx context.Context, id int64) (bool, error) {
	row, err := taskmodel.ByID(ctx, m.DB, id, false, nil)
	if err != nil || row == nil {
		return false, err
	}
	if row["host_id"] == nil && koji.TaskState(row["state"].(int64)) == koji.TaskOpen {
		return true, nil
	}
	return m.Service.OpenTask(ctx, commands.Actor{}, id, hub)
}

// finish closes a task with a result, or fails it with why. The error is errLost if it is not the hub's any more.
func (m *Maker) finish(ctx context.Context, id int64, result any, why error) error {
	var doc bytes.Buffer
	var err error
	if why == nil {
		err = xmlrpc.EncodeResponse(&doc, result)
	} else {
		code, message := reason(why)
		err = xmlrpc.EncodeFault(&doc, int(code), message)
	}
	if err == nil {
		err = m.Service.FinishTask(ctx, commands.Actor{}, id, hub, doc.String(), why != nil)
	}
	if fault.Is(err, fault.ActionNotAllowed) {
		return fmt.Errorf("%w: %w", errLost, err)
	}
	return err
}

// reason is what clients may know of an error.
func reason(err error) (fault.Code, string) {
	if f := fault.Of(err); f != nil {
		return f.Code, f.Message
	}
	return fault.Generic, "the dist repository could not be made; the hub's log says why"
}

// make makes the repository of a task.
func (m *Maker) make(ctx context.Context, j *job, r *request) error {
	dir, err := r.place()
	if err != nil {
		return err
	}
	switch r.state {
	case koji.RepoInit:
	case koji.RepoReady: // a process died before it told the task
		m.link(ctx, r)
		return nil
	default:
		return fault.New(fault.Generic, "Repo %d not in INIT state (got %s)", r.repo, r.state)
	}
	if err := m.Storage.MkdirAll(dir); err != nil {
		return err
	}
	if err := m.Storage.RemoveStages(dir); err != nil {
		return err
	}
	if err := m.settle(ctx, r, dir); err != nil {
		return err
	}
	for _, arches := range r.rounds() {
		if err := m.makeArches(ctx, j, r, arches); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, err := m.Service.RepoReady(ctx, commands.Actor{}, r.repo); err != nil {
		return err
	}
	m.Log.Info("dist repository made", "tag", r.tagName, "repo", r.repo, "task", j.id)
	m.link(ctx, r)
	return nil
}

// link sets the link "latest" for a repository that is whole without it.
func (m *Maker) link(ctx context.Context, r *request) {
	if err := m.SetLatest(ctx, r.tagID); err != nil {
		m.Log.Warn("the link to the latest dist repository was not set", "tag", r.tagName, "error", err)
	}
}

// rounds are the architectures in the order that Koji makes them: those that have no 32-bit partner first and, with multilib, the others when those are there.
func (r *request) rounds() [][]string {
	var first, second []string
	for _, a := range r.arches {
		if hasPartner(a) {
			second = append(second, a)
		} else {
			first = append(first, a)
		}
	}
	if r.multilib.IsZero() {
		return [][]string{append(first, second...)}
	}
	return [][]string{first, second}
}

// makeArches makes some architectures, each in a child of the task.
func (m *Maker) makeArches(ctx context.Context, j *job, r *request, arches []string) error {
	children := make([]int64, len(arches))
	for i, arch := range arches {
		label := arch
		id, err := m.Service.MakeTask(commands.InOrder(ctx, r.order), commands.Actor{}, commands.MakeTask{Method: commands.CreateDistRepoMethod, Parent: j.id, Label: &label, Arch: "noarch",
			Params: []any{r.tag, r.repo, arch, r.rawKeys, r.rawOpts}, ByHub: true})
		if err != nil {
			return err
		}
		children[i] = id
		m.hold(id, j)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(maxArches)
	for i, arch := range arches {
		g.Go(func() error { return m.makeArch(ctx, r, children[i], arch) })
	}
	return g.Wait()
}

// makeArch carries out a child.
func (m *Maker) makeArch(ctx context.Context, r *request, id int64, arch string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	row, err := taskmodel.ByID(ctx, m.DB, id, false, nil)
	if err != nil {
		return err
	}
	switch koji.TaskState(row["state"].(int64)) {
	case koji.TaskClosed: // before a process died
		return nil
	case koji.TaskFailed, koji.TaskCanceled:
		return fault.New(fault.Generic, "Task %d is %s", id, koji.TaskState(row["state"].(int64)))
	}
	if mine, err := m.begin(ctx, id); err != nil || !mine {
		return errors.Join(errLost, err)
	}
	a := &archRepo{Maker: m, request: r, task: id, arch: arch}
	err = a.make(ctx)
	if ctx.Err() != nil {
		return ctx.Err() // another child failed, or the task is over
	}
	return errors.Join(err, m.finish(ctx, id, nil, err))
}

// logFile keeps a text among a task's output.
func (m *Maker) logFile(id int64, name string, text []byte) error {
	dir, err := storage.TaskDir("", id)
	if err != nil {
		return err
	}
	p, err := dir.Join(name)
	if err != nil {
		return err
	}
	if err := m.Storage.MkdirAll(dir); err != nil {
		return err
	}
	return m.Storage.WriteFile(p, text)
}
