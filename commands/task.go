package commands

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"moromi/aggregates/task"
	"moromi/events"
	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/internal/xmlrpc"
	hostmodel "moromi/projections/host"
	"moromi/projections/query"
	taskmodel "moromi/projections/task"
)

// MakeTask is a task to be made. Nil and empty fields take Koji's defaults: a sub-task's from its parent, another's priority 20 and arch noarch.
type MakeTask struct {
	Method   string
	Params   []any // as in a call; named ones in a trailing xmlrpc.Kwargs
	Parent   int64
	Label    *string // sub-tasks only
	Owner    int64   // 0: the actor
	Channel  any     // name (string) or id (int64) of the channel asked for
	Arch     string
	Priority *int64
	HostID   int64 // made for this host, past the scheduler
	ByHub    bool  // the hub carries it out: it is open at once
}

// defaultWeight is what a task costs its host until its handler says better.
const defaultWeight = 1.0

// MakeTask makes a task and answers its id. A sub-task with a label that its parent knows already is that one.
func (s *Service) MakeTask(ctx context.Context, a Actor, in MakeTask) (int64, error) {
	if in.Label != nil && in.Parent != 0 { // an id is drawn for tasks that are made only
		if id, err := taskmodel.Labeled(ctx, s.DB, in.Parent, *in.Label); err != nil || id != 0 {
			return id, err
		}
	}
	ev, err := s.prepareTask(ctx, a, in)
	if err != nil {
		return 0, err
	}
	if ev.ID, err = s.nextID(ctx, "task"); err != nil {
		return 0, err
	}
	if in.Label != nil && in.Parent != 0 {
		if ev.ID, err = s.labelChild(ctx, a, in.Parent, *in.Label, ev.ID); err != nil {
			return 0, err
		}
	}
	_, err = DecideNew(ctx, s, a, "make task", task.Stream(ev.ID), func(t *task.Task) ([]events.Event, error) {
		if t.Exists() {
			return nil, nil
		}
		if in.ByHub {
			return []events.Event{*ev, events.TaskOpened{ID: ev.ID}}, nil
		}
		return []events.Event{*ev}, nil
	})
	if err != nil || in.ByHub {
		return ev.ID, err
	}
	s.refuseByArch(ctx, ev, in.Params)
	return ev.ID, nil
}

// labelChild gives a label of the parent to a child, or answers the child that has it.
func (s *Service) labelChild(ctx context.Context, a Actor, parent int64, label string, child int64) (int64, error) {
	id := child
	_, err := DecideOnly(ctx, s, a, "label sub-task", task.Stream(parent), func(t *task.Task) ([]events.Event, error) {
		if id = t.Child(label); id != 0 {
			return nil, nil
		}
		id = child
		return t.LabelChild(label, child), nil
	})
	return id, err
}

func (s *Service) prepareTask(ctx context.Context, a Actor, in MakeTask) (*events.TaskCreated, error) {
	ev := &events.TaskCreated{Method: in.Method, Parent: in.Parent, Label: in.Label, Owner: in.Owner, Arch: in.Arch, HostID: in.HostID,
		Priority: koji.PriorityDefault, Weight: defaultWeight}
	var parentChannel int64
	if in.Parent != 0 {
		p, err := taskmodel.ByID(ctx, s.DB, in.Parent, false, nil)
		if err != nil {
			return nil, err
		}
		if p == nil {
			return nil, fault.New(fault.Generic, "Invalid parent task: %d", in.Parent)
		}
		if koji.TaskState(p["state"].(int64)) != koji.TaskOpen {
			return nil, fault.New(fault.Generic, "Parent task (id %d) is not open", in.Parent)
		}
		ev.Priority = p["priority"].(int64) - 1
		if ev.Owner == 0 {
			ev.Owner = p["owner"].(int64)
		}
		if ev.Arch == "" {
			ev.Arch = p["arch"].(string)
		}
		parentChannel = p["channel_id"].(int64)
	} else {
		ev.Label = nil
	}
	if ev.Owner == 0 {
		ev.Owner = a.UserID
	}
	if ev.Owner == 0 {
		return nil, fault.New(fault.Generic, "task must have an owner")
	}
	if ev.Arch == "" {
		ev.Arch = "noarch"
	}
	if in.Priority != nil {
		ev.Priority = *in.Priority
	}
	var err error
	if ev.Arch, err = koji.ParseArches(ev.Arch); err != nil {
		return nil, err
	}
	if err := s.placeTask(ctx, ev, in, parentChannel); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := xmlrpc.EncodeCall(&b, in.Method, in.Params, xmlrpc.InOrder(orderOf(ctx))); err != nil {
		return nil, fault.Wrap(err, fault.Parameter, "the task's parameters cannot be encoded")
	}
	ev.Request = b.String()
	return ev, nil
}

// placeTask finds the channel and the priority by the policies of those names.
func (s *Service) placeTask(ctx context.Context, ev *events.TaskCreated, in MakeTask, parentChannel int64) error {
	data := map[string]any{"method": ev.Method, "arch": ev.Arch, "parent": nil, "label": nil, "owner": ev.Owner, "user_id": ev.Owner}
	if ev.Parent != 0 {
		data["parent"] = ev.Parent
	}
	if ev.Label != nil {
		data["label"] = *ev.Label
	}
	var asked int64
	if in.Channel != nil {
		ch, err := s.enabledChannel(ctx, in.Channel)
		if err != nil {
			return err
		}
		asked, data["req_channel"] = ch, in.Channel
	}
	if err := s.addTaskPolicyData(ctx, data, ev.Method, in.Params); err != nil {
		return err
	}
	actor := Actor{UserID: ev.Owner}
	r, err := s.ApplyPolicy(ctx, actor, "channel", data)
	if err != nil {
		return err
	}
	if ev.ChannelID, err = s.channelOf(ctx, r, asked, parentChannel); err != nil {
		return err
	}
	if r, err = s.ApplyPolicy(ctx, actor, "priority", data); err != nil {
		return err
	}
	return applyPriority(ev, r)
}

// channelOf does what the channel policy says: use NAME, req, parent; the default channel if no rule holds.
func (s *Service) channelOf(ctx context.Context, r Ruling, asked, parent int64) (int64, error) {
	words := strings.Fields(r.Action)
	switch {
	case !r.Matched:
		return s.channelID(ctx, "default")
	case len(words) > 1 && words[0] == "use":
		return s.enabledChannel(ctx, words[1])
	case len(words) > 0 && words[0] == "parent" && parent != 0:
		return parent, nil
	case len(words) > 0 && words[0] == "req" && asked != 0:
		return asked, nil
	}
	return 0, fault.New(fault.Generic, "invalid channel policy (%s)", r.Because())
}

// channelID gives the id of a channel, enabled or not.
func (s *Service) channelID(ctx context.Context, key any) (int64, error) {
	ch, err := s.channel(ctx, key)
	if err == nil && ch == nil {
		err = fault.New(fault.Generic, "No such channel: %v", key)
	}
	if err != nil {
		return 0, err
	}
	return ch["id"].(int64), nil
}

// channel finds a channel by its id (int64) or name (string); nil if there is none. The row is everybody's.
func (s *Service) channel(ctx context.Context, key any) (query.Row, error) {
	read := func() (query.Row, error) { return hostmodel.Channel(ctx, s.DB, key) }
	if n, named := key.(string); named && len(n) <= rememberedName {
		return s.channels.Get(n, read)
	}
	return read()
}

// rememberedName bounds the names in memos: anybody may ask for anything.
const rememberedName = 128

func (s *Service) enabledChannel(ctx context.Context, key any) (int64, error) {
	ch, err := s.channel(ctx, key)
	if err != nil {
		return 0, err
	}
	if ch == nil {
		return 0, fault.New(fault.Generic, "No such channel: %v", key)
	}
	if !ch["enabled"].(bool) {
		return 0, fault.New(fault.Generic, "Channel %v is disabled.", key)
	}
	return ch["id"].(int64), nil
}

// decideTask decides on a task's stream; a task that is not there is Koji's fault.
func (s *Service) decideTask(ctx context.Context, a Actor, command string, id int64, f func(*task.Task) ([]events.Event, error)) (bool, error) {
	pos, err := Decide(ctx, s, a, command, task.Stream(id), func(t *task.Task) ([]events.Event, error) {
		if !t.Exists() {
			return nil, task.Missing(id)
		}
		return f(t)
	})
	return pos != 0, err
}

// OpenTask lets a host begin a task; false when it is not to be had.
func (s *Service) OpenTask(ctx context.Context, a Actor, id, host int64) (bool, error) {
	return s.decideTask(ctx, a, "open task", id, func(t *task.Task) ([]events.Event, error) { return t.Open(host), nil })
}

// AssignTask gives a task to a host; false when it is not to be had. Override keeps the scheduler from taking it back.
func (s *Service) AssignTask(ctx context.Context, a Actor, id, host int64, force, override bool) (ok bool, err error) {
	changed, err := s.decideTask(ctx, a, "assign task", id, func(t *task.Task) (evs []events.Event, err error) {
		evs, ok = t.Assign(host, force, override)
		return evs, nil
	})
	if err != nil {
		return ok, err
	}
	switch {
	case !ok:
		s.Scheduler.note(ctx, "Assignment failed", id, host)
	case changed && override:
		s.Scheduler.note(ctx, "Assigning task (override)", id, host)
	case changed:
		s.Scheduler.note(ctx, "Assigning task", id, host)
	}
	return ok, nil
}

// FinishTask closes or fails the task that the host runs. doc is the XML-RPC response or fault document.
func (s *Service) FinishTask(ctx context.Context, a Actor, id, host int64, doc string, failed bool) error {
	_, err := s.decideTask(ctx, a, "finish task", id, func(t *task.Task) ([]events.Event, error) { return t.Finish(host, doc, failed) })
	return err
}

// FreeTask puts a task back among those that wait for a host.
func (s *Service) FreeTask(ctx context.Context, a Actor, id int64, reason string) error {
	_, err := s.decideTask(ctx, a, "free task", id, func(t *task.Task) ([]events.Event, error) { return t.Free(reason) })
	return err
}

// FreeHostTask is FreeTask by the host that runs the task; nothing happens if it does not.
func (s *Service) FreeHostTask(ctx context.Context, a Actor, id, host int64) error {
	_, err := s.decideTask(ctx, a, "free task", id, func(t *task.Task) ([]events.Event, error) {
		if !t.RunBy(host) {
			return nil, nil
		}
		return t.Free("freed by its host")
	})
	return err
}

// RefuseTask notes that a host will not take a task that it was given, and frees the task.
func (s *Service) RefuseTask(ctx context.Context, a Actor, id, host int64, soft bool, message string) error {
	refused, err := s.decideTask(ctx, a, "refuse task", id, func(t *task.Task) ([]events.Event, error) {
		switch {
		case t.HostID != host:
			return nil, nil
		case t.State.Finished():
			return nil, fault.New(fault.Generic, "Cannot free task %d, state is %s", id, t.State)
		}
		return t.Refuse(host, soft, true, message), nil
	})
	if refused {
		s.Scheduler.noteRefusal(ctx, message, id, host)
	}
	return err
}

// SetTaskWeight says what a task costs the host that runs it.
func (s *Service) SetTaskWeight(ctx context.Context, a Actor, id, host int64, weight float64) error {
	_, err := s.decideTask(ctx, a, "set task weight", id, func(t *task.Task) ([]events.Event, error) { return t.SetWeight(host, weight) })
	return err
}

// SetTaskPriority changes a task's urgency, and with recurse that of all under it.
func (s *Service) SetTaskPriority(ctx context.Context, a Actor, id, priority int64, recurse bool) error {
	if _, err := s.decideTask(ctx, a, "set task priority", id, func(t *task.Task) ([]events.Event, error) { return t.SetPriority(priority), nil }); err != nil || !recurse {
		return err
	}
	return s.eachDescendent(ctx, id, func(id int64) error { return s.SetTaskPriority(ctx, a, id, priority, false) })
}

func (s *Service) eachDescendent(ctx context.Context, root int64, f func(int64) error) error {
	tree, err := taskmodel.Descendents(ctx, s.DB, root, false, nil)
	if err != nil {
		return err
	}
	for _, level := range tree {
		for _, t := range level {
			if err := f(t["id"].(int64)); err != nil {
				return err
			}
		}
	}
	return nil
}

// CancelTask cancels a task, the build it makes, and with recurse all tasks under it. It answers whether the task is canceled in the end.
func (s *Service) CancelTask(ctx context.Context, a Actor, id int64, recurse bool) (canceled bool, err error) {
	changed, err := s.decideTask(ctx, a, "cancel task", id, func(t *task.Task) (evs []events.Event, err error) {
		evs, canceled = t.Cancel()
		return evs, nil
	})
	if err != nil || !changed {
		return canceled, err
	}
	if err := s.cancelBuildsOfTask(ctx, a, id); err != nil {
		return canceled, err
	}
	if !recurse {
		return canceled, nil
	}
	return canceled, s.CancelTaskChildren(ctx, a, id)
}

// CancelTaskChildren cancels every task under one.
func (s *Service) CancelTaskChildren(ctx context.Context, a Actor, id int64) error {
	return s.eachDescendent(ctx, id, func(id int64) error {
		_, err := s.CancelTask(ctx, a, id, false)
		return err
	})
}

// CancelTaskFull cancels a task's whole group. With strict the task must be the top of it.
func (s *Service) CancelTaskFull(ctx context.Context, a Actor, id int64, strict bool) error {
	for {
		t, err := taskmodel.ByID(ctx, s.DB, id, false, nil)
		if err != nil {
			return err
		}
		if t == nil {
			return task.Missing(id)
		}
		parent, ok := t["parent"].(int64)
		if !ok {
			break
		}
		if strict {
			return fault.New(fault.Generic, "Task %d is not top-level (parent=%d)", id, parent)
		}
		id = parent // parents have smaller ids: this ends
	}
	if _, err := s.CancelTask(ctx, a, id, false); err != nil {
		return err
	}
	return s.CancelTaskChildren(ctx, a, id)
}

// ResubmitTask makes a canceled or failed top-level task again and answers the new one's id.
func (s *Service) ResubmitTask(ctx context.Context, a Actor, id int64) (int64, error) {
	t, err := taskmodel.ByID(ctx, s.DB, id, false, nil)
	if err != nil {
		return 0, err
	}
	if t == nil {
		return 0, task.Missing(id)
	}
	st := koji.TaskState(t["state"].(int64))
	switch {
	case st != koji.TaskCanceled && st != koji.TaskFailed:
		return 0, fault.New(fault.Generic, "only canceled or failed tasks may be resubmitted")
	case t["parent"] != nil:
		return 0, fault.New(fault.Generic, "only top-level tasks may be resubmitted")
	case !a.Admin && t["owner"].(int64) != a.UserID:
		return 0, fault.New(fault.Generic, "only the task owner or an admin may resubmit a task")
	}
	doc, _, err := taskmodel.Documents(ctx, s.DB, id)
	if err != nil {
		return 0, err
	}
	_, params, order, err := xmlrpc.DecodeCallInOrder(strings.NewReader(doc), xmlrpc.Limits{})
	if err != nil {
		return 0, fmt.Errorf("decode the request of task %d: %w", id, err)
	}
	priority := t["priority"].(int64)
	return s.MakeTask(InOrder(ctx, order), a, MakeTask{Method: t["method"].(string), Params: params, Arch: t["arch"].(string),
		Channel: t["channel_id"], Priority: &priority})
}

// WaitForTasks marks a task as waiting for children; children nil waits for all.
func (s *Service) WaitForTasks(ctx context.Context, a Actor, id int64, children []int64, all bool) error {
	_, err := Decide(ctx, s, a, "wait for tasks", task.Stream(id), func(t *task.Task) ([]events.Event, error) { return t.Wait(children, all), nil })
	return err
}

// CheckWait answers which awaited children have finished and which not, and notes that the host knows of the finished.
func (s *Service) CheckWait(ctx context.Context, a Actor, id int64) (finished, unfinished []int64, err error) {
	finished, unfinished, err = taskmodel.Awaited(ctx, s.DB, id)
	if err != nil || len(finished) == 0 {
		return finished, unfinished, err
	}
	_, err = Decide(ctx, s, a, "see finished tasks", task.Stream(id), func(t *task.Task) ([]events.Event, error) { return t.See(finished), nil })
	return finished, unfinished, err
}

// EndWait lets a waiting task go on.
func (s *Service) EndWait(ctx context.Context, a Actor, id int64) error {
	_, err := Decide(ctx, s, a, "end wait", task.Stream(id), func(t *task.Task) ([]events.Event, error) { return t.EndWait(), nil })
	return err
}
