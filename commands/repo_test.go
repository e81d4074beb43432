package commands_test

import (
	"slices"
	"testing"

	"moromi/commands"
	"moromi/events"
	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/projections/query"
	repomodel "moromi/projections/repo"
)

func (s *site) repo(id int64) query.Row {
	s.t.Helper()
	r, err := repomodel.Get(s.t.Context(), s.DB, id, nil)
	if err != nil || r == nil {
		s.t.Fatalf("repo %d: %v, %v", id, r, err)
	}
	return r
}

func (s *site) request(in commands.RequestRepo) query.Row {
	s.t.Helper()
	in.Tag = s.tag
	out, err := s.RequestRepo(s.t.Context(), s.actor, in)
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

func on() *bool {
	b := true
	return &b
}

func TestReadyRepoAnswersRequests(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ctx := t.Context()
	asked := s.request(commands.RequestRepo{Last: true})
	if asked["repo"] != nil || asked["duplicate"] != false {
		t.Fatalf("first request: %v", asked)
	}
	first := asked["request"].(query.Row)
	again := s.request(commands.RequestRepo{Last: true})
	if again["duplicate"] != true || again["request"].(query.Row)["id"] != first["id"] {
		t.Errorf("the same request again: %v", again)
	}
	src := s.request(commands.RequestRepo{Last: true, Opts: events.RepoOpts{Src: on()}})
	if src["duplicate"] != false {
		t.Errorf("a request with options: %v", src)
	}
	latest, err := s.RepoReady(ctx, s.actor, s.repoID)
	if err != nil || !latest {
		t.Fatalf("ready: latest %t, %v", latest, err)
	}
	r := s.repo(s.repoID)
	if r["state"] != int64(koji.RepoReady) || r["tag_name"] != "dest-build" || r["begin_event"].(int64) >= r["create_event"].(int64) || r["end_event"] != nil {
		t.Errorf("ready repo %v", r)
	}
	if got, err := repomodel.GetRequest(ctx, s.DB, first["id"].(int64)); err != nil || got["repo_id"] != s.repoID || got["active"] != false {
		t.Errorf("answered request %v, %v", got, err)
	}
	if got, err := repomodel.GetRequest(ctx, s.DB, src["request"].(query.Row)["id"].(int64)); err != nil || got["active"] != true {
		t.Errorf("the request with options was answered by a repository without: %v, %v", got, err)
	}
	if now := s.request(commands.RequestRepo{Last: true}); now["repo"] == nil || now["request"] != nil {
		t.Errorf("a request with a repository there: %v", now)
	}
	_, err = s.RepoReady(ctx, s.actor, s.repoID)
	refused(t, err, fault.Generic)
}

func TestRepoStates(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ctx := t.Context()
	steps := []struct {
		to   koji.RepoState
		code fault.Code // 0: allowed
	}{
		{koji.RepoReady, 0}, {koji.RepoReady, 0}, {koji.RepoInit, fault.Generic}, {koji.RepoExpired, 0}, {koji.RepoReady, fault.Generic},
		{koji.RepoProblem, 0}, {koji.RepoExpired, fault.Generic}, {koji.RepoDeleted, 0}, {koji.RepoDeleted, 0}, {koji.RepoProblem, fault.Generic},
		{99, fault.Parameter},
	}
	for _, st := range steps {
		err := s.SetRepoState(ctx, s.actor, s.repoID, st.to)
		if st.code == 0 && err != nil || st.code != 0 && !fault.Is(err, st.code) {
			t.Errorf("to %s: %v, want code %d", st.to, err, st.code)
		}
	}
	refused(t, s.SetRepoState(ctx, s.actor, 999, koji.RepoExpired), fault.Generic)
}

func TestRepoIsKeptWhileBuildrootsLive(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ctx := t.Context()
	root, err := s.NewBuildroot(ctx, s.actor, s.host, s.repoID, "x86_64", nil)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := s.DeleteRepo(ctx, s.actor, s.repoID); err != nil || n != 1 {
		t.Errorf("delete with a live buildroot: %d, %v", n, err)
	}
	if err := s.SetBuildrootState(ctx, s.actor, s.host, root, koji.BuildrootExpired, nil); err != nil {
		t.Fatal(err)
	}
	if n, err := s.DeleteRepo(ctx, s.actor, s.repoID); err != nil || n != 0 {
		t.Errorf("delete: %d, %v", n, err)
	}
}

func TestRepoOutdated(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ctx := t.Context()
	if _, err := s.RepoReady(ctx, s.actor, s.repoID); err != nil {
		t.Fatal(err)
	}
	if err := s.UpdateRepoEndEvents(ctx, s.actor); err != nil {
		t.Fatal(err)
	}
	if r := s.repo(s.repoID); r["end_event"] != nil {
		t.Errorf("the tag did not change, but the repository ends at %v", r["end_event"])
	}
	at := touchTag(s, s.tag)
	if err := s.UpdateRepoEndEvents(ctx, s.actor); err != nil {
		t.Fatal(err)
	}
	if r := s.repo(s.repoID); r["end_event"] != at {
		t.Errorf("the tag changed at %d, the repository ends at %v", at, r["end_event"])
	}
	then := at - 1
	if r, err := repomodel.Get(ctx, s.DB, s.repoID, &then); err != nil || r["end_event"] != nil {
		t.Errorf("as of event %d: %v, %v", then, r, err)
	}
}

func TestRepoQuery(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	tests := []struct {
		name    string
		clauses []any
		want    int
		code    fault.Code
	}{
		{"all", nil, 1, 0},
		{"id", []any{[]any{"id", s.repoID}}, 1, 0},
		{"tag name", []any{[]any{"tag_name", "dest-build"}}, 1, 0},
		{"state in", []any{[]any{"state", "IN", []any{int64(0), int64(1)}}}, 1, 0},
		{"list without operator", []any{[]any{"state", []any{int64(2)}}}, 0, 0},
		{"null", []any{[]any{"end_event", "is", nil}}, 1, 0},
		{"false", []any{[]any{"dist", "IS", false}}, 1, 0},
		{"not false", []any{[]any{"dist", "IS NOT", false}}, 0, 0},
		{"options", []any{[]any{"opts", "@>", `{"src": false}`}}, 1, 0},
		{"custom options", []any{[]any{"custom_opts", "=", `{}`}}, 1, 0},
		{"compared with null", []any{[]any{"id", "=", nil}}, 0, 0},
		{"unknown field", []any{[]any{"bogus", int64(1)}}, 0, fault.Parameter},
		{"unknown operator", []any{[]any{"id", "~~", int64(1)}}, 0, fault.Parameter},
		{"injection", []any{[]any{"id", "= 1 or 1=1 --", int64(1)}}, 0, fault.Parameter},
		{"text for a number", []any{[]any{"id", "1 or 1=1"}}, 0, fault.Parameter},
		{"no JSON", []any{[]any{"opts", "@>", "{"}}, 0, fault.Parameter},
		{"no clause", []any{"x"}, 0, fault.Parameter},
		{"short clause", []any{[]any{"id"}}, 0, fault.Parameter},
	}
	for _, test := range tests {
		res, err := repomodel.Query(t.Context(), s.DB, repomodel.Select{Clauses: test.clauses, Fields: []string{"**"}, Opts: query.Opts{Order: "-tag_name,id"}}, nil)
		if test.code != 0 {
			if !fault.Is(err, test.code) {
				t.Errorf("%s: %v, want code %d", test.name, err, test.code)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		rows := res.([]query.Row)
		if len(rows) != test.want || slices.ContainsFunc(rows, func(r query.Row) bool { return len(r) != 19 }) {
			t.Errorf("%s: %d rows, want %d: %v", test.name, len(rows), test.want, rows)
		}
	}
}

// TestOldRequestsLeaveTheQueue keeps requests that are over for a day, and those that wait for as long as they do.
func TestOldRequestsLeaveTheQueue(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ctx := t.Context()
	over := s.request(commands.RequestRepo{Last: true})["request"].(query.Row)["id"].(int64)
	if _, err := s.RepoReady(ctx, s.actor, s.repoID); err != nil {
		t.Fatal(err)
	}
	waits := s.request(commands.RequestRepo{Last: true, Opts: events.RepoOpts{Src: on()}})["request"].(query.Row)["id"].(int64)
	age := func(by string) {
		t.Helper()
		if _, err := s.DB.Exec(ctx, `update repo_queue set update_time = now() - $1::interval`, by); err != nil {
			t.Fatal(err)
		}
	}
	there := func(id int64) bool {
		t.Helper()
		row, err := repomodel.GetRequest(ctx, s.DB, id)
		if err != nil {
			t.Fatal(err)
		}
		return row != nil
	}
	age("23 hours")
	s.request(commands.RequestRepo{Last: true, Opts: events.RepoOpts{Debuginfo: on()}})
	if !there(over) || !there(waits) {
		t.Error("a request of less than a day ago is gone")
	}
	age("25 hours")
	s.request(commands.RequestRepo{Last: true, Opts: events.RepoOpts{SeparateSrc: on()}})
	if there(over) || !there(waits) {
		t.Errorf("the answered request is there: %t, the one that waits: %t", there(over), there(waits))
	}
}
