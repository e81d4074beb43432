package repoprojector_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"moromi/commands"
	"moromi/commands/commandtest"
	"moromi/events"
	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/projections/query"
	repomodel "moromi/projections/repo"
	taskmodel "moromi/projections/task"
)

// TestRequests makes what is asked for: of any tag, at another moment, with other options.
func TestRequests(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	side := s.makeTag("side", nil)
	s.list(side, "foo", false)
	one := s.importBuild("foo", "1", [2]string{"foo", "x86_64"})
	two := s.importBuild("foo", "2", [2]string{"foo", "x86_64"})
	at := s.put(side, one)
	s.put(side, two)
	s.start()
	yes := true
	tests := []struct {
		name string
		in   commands.RequestRepo
		want string
	}{
		{"now", commands.RequestRepo{Tag: "side", Last: true}, "toplink/packages/foo/2/1/x86_64/foo-2-1.x86_64.rpm\n"},
		{"then", commands.RequestRepo{Tag: "side", AtEvent: &at}, "toplink/packages/foo/1/1/x86_64/foo-1-1.x86_64.rpm\n"},
		{"src", commands.RequestRepo{Tag: "side", Opts: events.RepoOpts{Src: &yes}},
			"toplink/packages/foo/2/1/src/foo-2-1.src.rpm\ntoplink/packages/foo/2/1/x86_64/foo-2-1.x86_64.rpm\n"},
		{"separate", commands.RequestRepo{Tag: "side", Opts: events.RepoOpts{SeparateSrc: &yes}}, "toplink/packages/foo/2/1/x86_64/foo-2-1.x86_64.rpm\n"},
	}
	for _, tt := range tests {
		row, err := s.RequestRepo(s.ctx(), s.admin, tt.in)
		s.check(err)
		repo, _ := row["repo"].(query.Row)
		if repo == nil {
			id := row["request"].(query.Row)["id"].(int64)
			s.until(tt.name, func() bool { return s.answer(id) != nil })
			repo = query.Row{"id": *s.answer(id)}
		}
		dir := s.dir("side", repo["id"].(int64))
		if got := sorted(s.read(dir, "x86_64/pkglist")); got != tt.want {
			t.Errorf("%s: pkglist is\n%s\nnot\n%s", tt.name, got, tt.want)
		}
		if tt.name == "separate" {
			if got := s.read(dir, "src/pkglist"); got != "toplink/packages/foo/2/1/src/foo-2-1.src.rpm\n" {
				t.Errorf("src/pkglist is %q", got)
			}
		}
	}
	latest, err := os.Readlink(filepath.Join(s.top, "repos/side/latest"))
	if err != nil {
		t.Fatal(err)
	}
	var info map[string]any
	s.check(json.Unmarshal([]byte(s.read(s.top, "repos/side", latest, "repo.json")), &info))
	if custom := info["custom_opts"].(map[string]any); len(custom) != 0 {
		t.Errorf("latest has options of somebody's own: %v", custom)
	}
}

// answer is the repository that answers a request, nil while there is none.
func (s *site) answer(request int64) *int64 {
	s.tb.Helper()
	var id *int64
	s.check(s.DB.QueryRow(s.ctx(), `select repo_id from repo_queue where id = $1`, request).Scan(&id))
	return id
}

// TestRequestGetsTask gives a request a newRepo task as Koji does, and says so to whoever asks.
func TestRequestGetsTask(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		queue string // the user whom the tasks belong to
		owner int64
	}{{"of kojira", commandtest.Admin, 1}, {"of who asked", "nobody", 2}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.Service.Repos.QueueUser = tt.queue
			alice, err := s.CreateUser(s.ctx(), s.admin, commands.CreateUser{Name: "alice"})
			s.check(err)
			side := s.makeTag("side", nil)
			s.start()
			yes, at := true, s.list(side, "foo", false)
			row, err := s.RequestRepo(s.ctx(), commands.Actor{UserID: alice}, commands.RequestRepo{Tag: "side", AtEvent: &at, Opts: events.RepoOpts{Src: &yes}})
			s.check(err)
			id := row["request"].(query.Row)["id"].(int64)
			s.until("answer", func() bool { return s.answer(id) != nil })
			req, err := repomodel.GetRequest(s.ctx(), s.DB, id)
			s.check(err)
			made := s.repos(side, koji.RepoReady)[0]
			task, _ := req["task_id"].(int64)
			if req["active"] != false || req["tries"] != int64(1) || made["task_id"] != task || made["id"] != req["repo_id"] {
				t.Fatalf("the request is %v, its repository %v", req, made)
			}
			finished := func() bool {
				row, err := taskmodel.ByID(s.ctx(), s.DB, task, true, nil)
				s.check(err)
				return koji.TaskState(row["state"].(int64)).Finished()
			}
			s.until("end of the task", finished)
			info, err := taskmodel.ByID(s.ctx(), s.DB, task, true, nil)
			s.check(err)
			res, err := taskmodel.Result(s.ctx(), s.DB, task)
			s.check(err)
			got := fmt.Sprint(info["method"], info["priority"], info["owner"], info["parent"], info["label"], info["arch"], info["state"], info["request"], res)
			request := []any{map[string]any{"id": side, "name": "side"}, map[string]any{"opts": map[string]any{"src": true}, "event": at, "__starstar": true}}
			if want := fmt.Sprint("newRepo", 15, tt.owner, nil, nil, "noarch", int64(koji.TaskClosed), request, []any{made["id"], at}); got != want {
				t.Errorf("the task is\n%s\nnot\n%s", got, want)
			}
			var channel string
			s.check(s.DB.QueryRow(s.ctx(), `select c.name from channels c join task t on t.channel_id = c.id where t.id = $1`, task).Scan(&channel))
			if channel != "createrepo" {
				t.Errorf("it is in the channel %s", channel)
			}
		})
	}
}

// TestCanceledRequestTask gives a request another task when the first was canceled, and none while one is somebody else's.
func TestCanceledRequestTask(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	side := s.makeTag("side", nil)
	host, err := s.CreateHost(s.ctx(), s.admin, commands.CreateHost{Name: "builder", Arches: []string{"x86_64"}})
	s.check(err)
	row, err := s.RequestRepo(s.ctx(), s.admin, commands.RequestRepo{Tag: "side", Last: true})
	s.check(err)
	id := row["request"].(query.Row)["id"].(int64)
	task, err := s.StartRepoRequest(s.ctx(), s.admin, id)
	s.check(err)
	if again, err := s.StartRepoRequest(s.ctx(), s.admin, id); err != nil || again != 0 {
		t.Errorf("a second task for the same request: %d, %v", again, err)
	}
	if ok, err := s.AssignTask(s.ctx(), s.admin, task, host, true, true); err != nil || !ok {
		t.Fatalf("assign: %t, %v", ok, err)
	}
	s.start()
	other := s.makeTag("other", nil) // it is made after side would be
	row, err = s.RequestRepo(s.ctx(), s.admin, commands.RequestRepo{Tag: other, Last: true})
	s.check(err)
	second := row["request"].(query.Row)["id"].(int64)
	s.until("the other repository", func() bool { return s.answer(second) != nil })
	if s.answer(id) != nil || len(s.repos(side, koji.RepoInit)) != 0 {
		t.Error("a repository was made though a host has its task")
	}
	_, err = s.CancelTask(s.ctx(), s.admin, task, true)
	s.check(err)
	s.until("the repository", func() bool { return s.answer(id) != nil })
	req, err := repomodel.GetRequest(s.ctx(), s.DB, id)
	s.check(err)
	if req["tries"] != int64(2) || req["task_id"] == task {
		t.Errorf("the request is %v", req)
	}
}

// TestBesideKojira leaves requests to kojira for a while, and makes what it started tasks for.
func TestBesideKojira(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.makeTag("side", nil)
	s.check(s.NoteKojira(s.ctx()))
	s.start()
	row, err := s.RequestRepo(s.ctx(), s.admin, commands.RequestRepo{Tag: "side", Last: true})
	s.check(err)
	id := row["request"].(query.Row)["id"].(int64)
	s.check(s.CheckRepoQueue(s.ctx(), s.admin))
	req, err := repomodel.GetRequest(s.ctx(), s.DB, id)
	s.check(err)
	if req["task_state"] != int64(koji.TaskFree) || req["tries"] != int64(1) {
		t.Fatalf("the request is %v, kojira came too late", req)
	}
	task := req["task_id"]
	s.until("the repository", func() bool { return s.answer(id) != nil })
	if req, err = repomodel.GetRequest(s.ctx(), s.DB, id); err != nil || req["task_id"] != task || req["tries"] != int64(1) {
		t.Errorf("the request is %v, %v", req, err)
	}
}

// TestTask carries out newRepo tasks in the hub: no host gets them, unless somebody insists.
func TestTask(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	side := s.makeTag("side", nil)
	host, err := s.CreateHost(s.ctx(), s.admin, commands.CreateHost{Name: "builder", Arches: []string{"x86_64"}})
	s.check(err)
	make := func(params ...any) int64 {
		id, err := s.MakeTask(s.ctx(), s.admin, commands.MakeTask{Method: "newRepo", Params: params, Channel: "createrepo"})
		s.check(err)
		return id
	}
	good, bad, same := make("side"), make("nowhere"), make(map[string]any{"name": "side", "id": side})
	if ok, err := s.OpenTask(s.ctx(), s.admin, good, host); err != nil || ok {
		t.Errorf("a host opened a task of the hub's: %t, %v", ok, err)
	}
	if ok, err := s.AssignTask(s.ctx(), s.admin, good, host, false, false); err != nil || ok {
		t.Errorf("a task of the hub's was assigned to a host: %t, %v", ok, err)
	}
	s.start()
	for _, id := range []int64{good, bad, same} {
		s.until("task", func() bool {
			row, err := taskmodel.ByID(s.ctx(), s.DB, id, false, nil)
			s.check(err)
			return koji.TaskState(row["state"].(int64)).Finished() && (row["host_id"] == nil || t.Failed())
		})
	}
	res, err := taskmodel.Result(s.ctx(), s.DB, good)
	s.check(err)
	repos := s.repos(side, koji.RepoReady)
	if len(repos) != 1 || fmt.Sprint(res) != fmt.Sprint([]any{repos[0]["id"], repos[0]["create_event"]}) || repos[0]["task_id"] != good {
		t.Errorf("task %d gave %v, repositories are %v", good, res, repos)
	}
	if other, err := taskmodel.Result(s.ctx(), s.DB, same); err != nil || fmt.Sprint(other) != fmt.Sprint(res) {
		t.Errorf("a task for the same gave %v, %v", other, err)
	}
	if _, err := taskmodel.Result(s.ctx(), s.DB, bad); fault.Of(err) == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("the task for no tag ended with %v", err)
	}
}
