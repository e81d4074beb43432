package commands_test

import (
	"slices"
	"testing"
	"time"

	"moromi/commands"
	"moromi/commands/commandtest"
	"moromi/events"
	"moromi/projections/host"
	"moromi/projections/query"
	"moromi/projections/task"
)

// told are the scheduler's notes, with the task and the host that each is about; nil is none.
func told(t *testing.T, s *commands.Service) (texts []string, about [][2]any) {
	t.Helper()
	res, err := task.Messages().Run(t.Context(), s.DB, query.Select{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range res.([]query.Row) {
		texts, about = append(texts, r["msg"].(string)), append(about, [2]any{r["task_id"], r["host_id"]})
	}
	return texts, about
}

func TestSchedulerTells(t *testing.T) {
	t.Parallel()
	s := commandtest.New(t)
	now := time.Now()
	s.Clock = func() time.Time { return now }
	ctx := t.Context()
	b := builder(t, s, "b1", "x86_64")
	id := must[int64](t)(s.MakeTask(ctx, admin, commands.MakeTask{Method: "x"}))
	schedule(t, s)
	if err := s.RefuseTask(ctx, admin, id, b, true, "no space"); err != nil {
		t.Fatal(err)
	}
	if err := s.RefuseTask(ctx, admin, id, b+1, true, "not mine"); err != nil { // nothing happens
		t.Fatal(err)
	}
	must[bool](t)(s.AssignTask(ctx, admin, id, b, false, true))
	if ok, err := s.AssignTask(ctx, admin, id, b+1, false, false); ok || err != nil {
		t.Errorf("a task that another host has was assigned: %v %v", ok, err)
	}
	now = now.Add(4 * time.Minute) // longer than a ready host may be silent
	schedule(t, s)
	schedule(t, s)
	texts, about := told(t, s)
	if want := []string{"Assigning task", "Host refused task: no space", "Assigning task (override)", "Assignment failed", "Marking host not ready"}; !slices.Equal(texts, want) {
		t.Errorf("told %q, want %q", texts, want)
	}
	if last := about[len(about)-1]; last != [2]any{nil, b} {
		t.Errorf("the last is about %v, want no task and host %d", last, b)
	}
	ready := true
	for _, c := range []struct {
		what string
		want int
		do   func() error
	}{
		{"silent", 0, func() error { return nil }},
		{"back", 1, func() error { return s.ReportHost(ctx, b, 0, true, nil) }},
	} {
		if err := c.do(); err != nil {
			t.Fatal(err)
		}
		if got, err := host.List(ctx, s.DB, host.Filter{Ready: &ready}, query.Opts{CountOnly: true}); err != nil || got != int64(c.want) {
			t.Errorf("ready hosts while the only one is %s: %v %v, want %d", c.what, got, err, c.want)
		}
	}
}

// TestArchRefusals are noted when a task without an arch is made that must run where a tag's arches are at home.
func TestArchRefusals(t *testing.T) {
	t.Parallel()
	s := commandtest.New(t)
	ctx := t.Context()
	arm, arches := builder(t, s, "arm", "aarch64"), "x86_64"
	builder(t, s, "intel", "x86_64")
	tag := must[int64](t)(s.CreateTag(ctx, admin, commands.CreateTag{Name: "t", Settings: events.TagSettings{Arches: &arches}}))
	must[int64](t)(s.CreateTarget(ctx, admin, commands.Target{Name: "target", BuildTag: tag, DestTag: tag}))
	for method, params := range map[string][]any{"buildArch": {"pkg", "t", "noarch", true}, "wrapperRPM": {"url", "target", map[string]any{}, nil}} {
		id := must[int64](t)(s.MakeTask(ctx, admin, commands.MakeTask{Method: method, Params: params}))
		res, err := task.Refusals().Run(ctx, s.DB, query.Select{Clauses: []any{[]any{"task_id", id}}, Fields: []string{"host_id", "msg", "soft"}})
		if err != nil {
			t.Fatal(err)
		}
		rows := res.([]query.Row)
		if len(rows) != 1 || rows[0]["host_id"] != arm || rows[0]["soft"] != false || rows[0]["msg"] != "automatic arch refusal" {
			t.Errorf("%s: refused by %v, want by %d", method, rows, arm)
		}
		if texts, about := told(t, s); texts[len(texts)-1] != "Host refused task: automatic arch refusal" || about[len(about)-1] != [2]any{id, arm} {
			t.Errorf("%s: told %q about %v", method, texts, about)
		}
	}
}
