package commands_test

import (
	"testing"

	"moromi/commands"
	"moromi/events"
	"moromi/projections/query"
	repomodel "moromi/projections/repo"
)

// TestCheckRepoQueue gives tasks to as many requests as there may be tasks, the most urgent first, tries again what went wrong, and gives up in the end.
func TestCheckRepoQueue(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ctx := t.Context()
	s.Repos.MaxTasks = 1
	check := func() {
		t.Helper()
		if err := s.CheckRepoQueue(ctx, s.actor); err != nil {
			t.Fatal(err)
		}
	}
	row := func(id int64) query.Row {
		t.Helper()
		r, err := repomodel.GetRequest(ctx, s.DB, id)
		if err != nil || r == nil {
			t.Fatalf("request %d: %v, %v", id, r, err)
		}
		return r
	}
	tasked := func(id int64, want bool, tries int64) query.Row {
		t.Helper()
		r := row(id)
		if _, has := r["task_id"].(int64); has != want || r["tries"] != tries || r["active"] != true {
			t.Fatalf("request %d has a task: %t, tries %v, active %v; want %t, %d", id, has, r["tries"], r["active"], want, tries)
		}
		return r
	}
	cancel := func(id int64) {
		t.Helper()
		if _, err := s.CancelTask(ctx, s.actor, row(id)["task_id"].(int64), true); err != nil {
			t.Fatal(err)
		}
	}
	prioritize := func(id, priority int64) {
		t.Helper()
		if err := s.SetRepoRequestPriority(ctx, s.actor, id, priority); err != nil {
			t.Fatal(err)
		}
	}
	less := int64(5)
	later := s.request(commands.RequestRepo{Last: true, Priority: &less})["request"].(query.Row)["id"].(int64)
	first := s.request(commands.RequestRepo{Last: true, Opts: events.RepoOpts{Src: on()}})["request"].(query.Row)["id"].(int64)
	check()
	task := tasked(first, true, 1)["task_id"]
	tasked(later, false, 0)
	check() // the task is still under way
	if got := tasked(first, true, 1)["task_id"]; got != task {
		t.Errorf("the request has task %v in place of %v", got, task)
	}
	cancel(first)
	prioritize(later, 1)
	check()
	tasked(first, false, 1)
	tasked(later, true, 1)
	prioritize(first, 0)
	cancel(later)
	for tries := int64(2); tries <= s.Repos.Retries+1; tries++ {
		check()
		tasked(first, true, tries)
		tasked(later, false, 1)
		cancel(first)
	}
	check()
	if row(first)["active"] != false {
		t.Errorf("the request is tried for ever: %v", row(first))
	}
	tasked(later, true, 2)
}

// TestClosedTaskWithoutRepo tries again when a task ended well and its result names no repository that would do.
func TestClosedTaskWithoutRepo(t *testing.T) {
	t.Parallel()
	for name, result := range map[string]string{
		"another repository": "<array><data><value><int>1</int></value><value><int>1</int></value></data></array>",
		"no list":            "<string>done</string>",
		"an empty list":      "<array><data></data></array>",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			ctx := t.Context()
			id := s.request(commands.RequestRepo{Last: true, Opts: events.RepoOpts{Src: on()}})["request"].(query.Row)["id"].(int64)
			task, err := s.StartRepoRequest(ctx, s.actor, id)
			if err != nil || task == 0 {
				t.Fatal(task, err)
			}
			doc := "<?xml version='1.0'?><methodResponse><params><param><value>" + result + "</value></param></params></methodResponse>"
			if ok, err := s.OpenTask(ctx, s.actor, task, 0); err != nil || !ok {
				t.Fatal(ok, err)
			}
			if err := s.FinishTask(ctx, s.actor, task, 0, doc, false); err != nil {
				t.Fatal(err)
			}
			if again, err := s.StartRepoRequest(ctx, s.actor, id); err != nil || again == 0 || again == task {
				t.Errorf("the next task is %d, %v", again, err)
			}
		})
	}
}
