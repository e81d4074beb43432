package commands_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"moromi/commands"
	"moromi/commands/commandtest"
	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/projections/query"
	"moromi/projections/task"
)

var admin = commands.Actor{UserID: 1, Admin: true}

func must[T any](t *testing.T) func(T, error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func wantFault(t *testing.T, err error, code fault.Code) {
	t.Helper()
	if !fault.Is(err, code) {
		t.Errorf("got %v, want a fault %d", err, code)
	}
}

// builder makes a host that takes tasks.
func builder(t *testing.T, s *commands.Service, name string, arches ...string) int64 {
	t.Helper()
	id := must[int64](t)(s.CreateHost(t.Context(), admin, commands.CreateHost{Name: name, Arches: arches}))
	if err := s.ReportHost(t.Context(), id, 0, true, map[string]any{"maxjobs": 4}); err != nil {
		t.Fatal(err)
	}
	return id
}

func state(t *testing.T, s *commands.Service, id int64) (koji.TaskState, any) {
	t.Helper()
	row := must[query.Row](t)(task.ByID(t.Context(), s.DB, id, false, nil))
	return koji.TaskState(row["state"].(int64)), row["host_id"]
}

func schedule(t *testing.T, s *commands.Service) {
	t.Helper()
	if ran, err := s.Scheduler.Once(t.Context()); err != nil || !ran {
		t.Fatal(ran, err)
	}
}

func TestTaskLife(t *testing.T) {
	t.Parallel()
	s := commandtest.New(t)
	ctx := t.Context()
	host := builder(t, s, "b1", "x86_64")
	id := must[int64](t)(s.MakeTask(ctx, admin, commands.MakeTask{Method: "sleep", Params: []any{int64(1)}}))
	schedule(t, s)
	if st, h := state(t, s, id); st != koji.TaskAssigned || h != host {
		t.Fatalf("%s on %v", st, h)
	}
	wantFault(t, s.FinishTask(ctx, admin, id, host, "x", false), fault.ActionNotAllowed)
	if ok := must[bool](t)(s.OpenTask(ctx, admin, id, host)); !ok {
		t.Fatal("the host could not open its task")
	}
	if ok := must[bool](t)(s.OpenTask(ctx, admin, id, host)); ok {
		t.Error("opened twice")
	}
	label := "srpm"
	child := must[int64](t)(s.MakeTask(ctx, admin, commands.MakeTask{Method: "buildSRPMFromSCM", Parent: id, Label: &label}))
	again := must[int64](t)(s.MakeTask(ctx, admin, commands.MakeTask{Method: "buildSRPMFromSCM", Parent: id, Label: &label}))
	if child != again {
		t.Errorf("one label, two sub-tasks: %d and %d", child, again)
	}
	if next := must[int64](t)(s.MakeTask(ctx, admin, commands.MakeTask{Method: "other", Parent: id})); next != child+1 {
		t.Errorf("the sub-task after %d is %d: the repeated label took an id", child, next)
	}
	wantFault(t, func() error {
		_, err := s.MakeTask(ctx, admin, commands.MakeTask{Method: "sleep", Arch: "b@d"})
		return err
	}(), fault.Generic)
	row := must[query.Row](t)(task.ByID(ctx, s.DB, child, true, nil))
	if row["priority"] != int64(19) || row["owner"] != int64(1) || row["parent"] != id || row["label"] != label {
		t.Errorf("sub-task: %v", row)
	}
	if err := s.WaitForTasks(ctx, admin, id, []int64{child}, false); err != nil {
		t.Fatal(err)
	}
	if ok := must[bool](t)(s.CancelTask(ctx, admin, child, true)); !ok {
		t.Error("not canceled")
	}
	open := must[[]query.Row](t)(task.OfHost(ctx, s.DB, host))
	if len(open) != 1 || open[0]["alert"] != true || open[0]["waiting"] != true {
		t.Errorf("waiting task with a finished child: %v", open)
	}
	done, left, err := s.CheckWait(ctx, admin, id)
	if err != nil || !slices.Equal(done, []int64{child}) || len(left) != 0 {
		t.Errorf("%v %v %v", done, left, err)
	}
	if err := s.EndWait(ctx, admin, id); err != nil {
		t.Fatal(err)
	}
	doc := "<?xml version='1.0'?>\n<methodResponse><params><param><value><int>7</int></value></param></params></methodResponse>"
	if err := s.FinishTask(ctx, admin, id, host, doc, false); err != nil {
		t.Fatal(err)
	}
	if v := must[any](t)(task.Result(ctx, s.DB, id)); v != int64(7) {
		t.Errorf("result %v", v)
	}
	if _, err := task.Result(ctx, s.DB, child); !fault.Is(err, fault.Generic) {
		t.Errorf("result of a canceled task: %v", err)
	}
	wantFault(t, s.FreeTask(ctx, admin, id, ""), fault.Generic)
	_, err = s.MakeTask(ctx, admin, commands.MakeTask{Method: "x", Parent: id})
	wantFault(t, err, fault.Generic)
}

func TestTaskAsOf(t *testing.T) {
	t.Parallel()
	s := commandtest.New(t)
	ctx := t.Context()
	id := must[int64](t)(s.MakeTask(ctx, admin, commands.MakeTask{Method: "sleep"}))
	made := int64(s.Models.Position())
	must[bool](t)(s.CancelTask(ctx, admin, id, true))
	before := made - 1
	if row := must[query.Row](t)(task.ByID(ctx, s.DB, id, false, &before)); row != nil {
		t.Errorf("before it was made: %v", row)
	}
	if row := must[query.Row](t)(task.ByID(ctx, s.DB, id, false, &made)); row["state"] != int64(koji.TaskFree) {
		t.Errorf("when it was made: %v", row)
	}
	if st, _ := state(t, s, id); st != koji.TaskCanceled {
		t.Errorf("now: %s", st)
	}
}

func TestCancelTree(t *testing.T) {
	t.Parallel()
	s := commandtest.New(t)
	ctx := t.Context()
	host := builder(t, s, "b1", "x86_64")
	top := must[int64](t)(s.MakeTask(ctx, admin, commands.MakeTask{Method: "build", HostID: host}))
	must[bool](t)(s.OpenTask(ctx, admin, top, host))
	child := must[int64](t)(s.MakeTask(ctx, admin, commands.MakeTask{Method: "buildArch", Parent: top, HostID: host}))
	must[bool](t)(s.OpenTask(ctx, admin, child, host))
	grandchild := must[int64](t)(s.MakeTask(ctx, admin, commands.MakeTask{Method: "x", Parent: child}))
	wantFault(t, s.CancelTaskFull(ctx, admin, child, true), fault.Generic)
	if err := s.CancelTaskFull(ctx, admin, grandchild, false); err != nil {
		t.Fatal(err)
	}
	for _, id := range []int64{top, child, grandchild} {
		if st, _ := state(t, s, id); st != koji.TaskCanceled {
			t.Errorf("task %d is %s", id, st)
		}
	}
	wantFault(t, s.FinishTask(ctx, admin, child, host, "x", false), fault.ActionNotAllowed)
	again := must[int64](t)(s.ResubmitTask(ctx, admin, top))
	if row := must[query.Row](t)(task.ByID(ctx, s.DB, again, false, nil)); row["method"] != "build" || row["state"] != int64(koji.TaskFree) {
		t.Errorf("resubmitted: %v", row)
	}
	_, err := s.ResubmitTask(ctx, admin, child)
	wantFault(t, err, fault.Generic)
}

func TestSchedulerPlaces(t *testing.T) {
	t.Parallel()
	s := commandtest.New(t)
	ctx := t.Context()
	arm := builder(t, s, "arm", "aarch64")
	intel := builder(t, s, "intel", "x86_64")
	mk := func(arch string, priority int64) int64 {
		return must[int64](t)(s.MakeTask(ctx, admin, commands.MakeTask{Method: "x", Arch: arch, Priority: &priority}))
	}
	ofArm, ofIntel, ofNobody := mk("aarch64", 20), mk("x86_64", 20), mk("s390x", 20)
	channel := must[int64](t)(s.CreateChannel(ctx, admin, "fast", nil))
	elsewhere := must[int64](t)(s.MakeTask(ctx, admin, commands.MakeTask{Method: "x", Channel: "fast"}))
	schedule(t, s)
	for id, want := range map[int64]any{ofArm: arm, ofIntel: intel, ofNobody: nil, elsewhere: nil} {
		if _, h := state(t, s, id); h != want {
			t.Errorf("task %d on host %v, want %v", id, h, want)
		}
	}
	if err := s.JoinChannel(ctx, admin, intel, channel, "fast"); err != nil {
		t.Fatal(err)
	}
	schedule(t, s)
	if _, h := state(t, s, elsewhere); h != intel {
		t.Errorf("task of the channel on host %v, want %d", h, intel)
	}
	if err := s.RefuseTask(ctx, admin, elsewhere, intel, false, "no"); err != nil {
		t.Fatal(err)
	}
	schedule(t, s)
	if st, h := state(t, s, elsewhere); st != koji.TaskFree || h != nil {
		t.Errorf("refused task is %s on %v", st, h)
	}
	// no host is given more than it takes, and the urgent come first
	first := mk("x86_64", 1)
	var rest []int64
	for range 5 {
		rest = append(rest, mk("x86_64", 30))
	}
	schedule(t, s)
	if _, h := state(t, s, first); h != intel {
		t.Errorf("the urgent task is on %v", h)
	}
	free := 0
	for _, id := range rest {
		if st, _ := state(t, s, id); st == koji.TaskFree {
			free++
		}
	}
	if free == 0 {
		t.Error("a host with maxjobs 4 was given more")
	}
}

// TestSchedulerRests: a new task that no host has room for does not wake the scheduler, and what makes room does.
func TestSchedulerRests(t *testing.T) {
	t.Parallel()
	s := commandtest.New(t)
	ctx := t.Context()
	intel := builder(t, s, "intel", "x86_64")
	channel := must[int64](t)(s.CreateChannel(ctx, admin, "fast", nil))
	mk := func(arch string, channel any) func() {
		return func() {
			must[int64](t)(s.MakeTask(ctx, admin, commands.MakeTask{Method: "x", Arch: arch, Channel: channel}))
		}
	}
	schedule(t, s)
	for _, step := range []struct {
		what string
		do   func()
		wake bool
	}{
		{"a task for another arch", mk("s390x", nil), false},
		{"a task in an empty channel", mk("noarch", "fast"), false},
		{"a task for the host", mk("x86_64", nil), true},
		{"a task for any host", mk("noarch", nil), true},
		{"a channel with a host", func() {
			if err := s.JoinChannel(ctx, admin, intel, channel, "fast"); err != nil {
				t.Fatal(err)
			}
		}, true},
		{"a task for a host that has no room left", mk("noarch", "fast"), false},
		{"a host that is not ready any more", func() {
			if err := s.ReportHost(ctx, intel, 0, false, nil); err != nil {
				t.Fatal(err)
			}
		}, true},
		{"a task for it", mk("x86_64", nil), false},
	} {
		before := s.Scheduler.Woken()
		step.do()
		if woken := s.Scheduler.Woken() > before; woken != step.wake {
			t.Errorf("%s: woken %v, want %v", step.what, woken, step.wake)
		}
		schedule(t, s)
	}
}

func TestSchedulerTakesBack(t *testing.T) {
	t.Parallel()
	s := commandtest.New(t)
	now := time.Now()
	s.Clock = func() time.Time { return now }
	host := builder(t, s, "b1", "x86_64")
	open := must[int64](t)(s.MakeTask(t.Context(), admin, commands.MakeTask{Method: "x"}))
	idle := must[int64](t)(s.MakeTask(t.Context(), admin, commands.MakeTask{Method: "y"}))
	schedule(t, s)
	must[bool](t)(s.OpenTask(t.Context(), admin, open, host))
	now = now.Add(6 * time.Minute) // longer than a host may take to open a task
	schedule(t, s)
	if st, _ := state(t, s, idle); st != koji.TaskFree {
		t.Errorf("a task that nobody opened is %s", st)
	}
	if st, _ := state(t, s, open); st != koji.TaskOpen {
		t.Errorf("an open task is %s", st)
	}
	now = now.Add(16 * time.Minute) // longer than a host may be silent
	schedule(t, s)
	if st, _ := state(t, s, open); st != koji.TaskFree {
		t.Errorf("a silent host's task is %s", st)
	}
}

func TestOpenRace(t *testing.T) {
	t.Parallel()
	s := commandtest.New(t)
	ctx := t.Context()
	hosts := []int64{builder(t, s, "b1", "x86_64"), builder(t, s, "b2", "x86_64"), builder(t, s, "b3", "x86_64")}
	for range 10 {
		id := must[int64](t)(s.MakeTask(ctx, admin, commands.MakeTask{Method: "x", Arch: "none"}))
		got := make([]bool, len(hosts))
		var wg sync.WaitGroup
		for i, h := range hosts {
			wg.Go(func() {
				ok, err := s.OpenTask(context.WithoutCancel(ctx), admin, id, h)
				if err != nil {
					t.Error(err)
				}
				got[i] = ok
			})
		}
		wg.Wait()
		n := 0
		for _, ok := range got {
			if ok {
				n++
			}
		}
		if n != 1 {
			t.Errorf("task %d was opened by %d hosts", id, n)
		}
	}
}
