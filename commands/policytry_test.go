package commands_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"moromi/commands"
	"moromi/commands/commandtest"
	"moromi/commands/policy"
	"moromi/internal/fault"
	"moromi/projections/catalog"
)

// TestRefusalNamesTheRule sees that a refusal says which rule it was, in Koji's words and then its own.
func TestRefusalNamesTheRule(t *testing.T) {
	t.Parallel()
	s := commandtest.New(t)
	setPolicy(t, s, "tag", "match x 1 :: allow\nhas x :: {\n  match x 2 :: deny\n  match x 3 :: deny not this\n}\nmatch x 4 :: maybe\nmatch x 5 :: deny\tfor\tnothing\nmatch x 6 :: Allow\nmatch x 7 ::")
	for x, want := range map[string]string{
		"1": "", "6": "",
		"2": "policy violation (tag) [rule 2.1: has x :: … match x 2 :: deny]",
		"3": "policy violation (tag): not this [rule 2.2: has x :: … match x 3 :: deny not this]",
		"4": "policy violation (tag): error in policy [rule 3: match x 4 :: maybe]",
		"5": "policy violation (tag): for\tnothing [rule 4: match x 5 :: deny\tfor\tnothing]",
		"7": "policy violation (tag): error in policy [rule 6: match x 7 ::]",
		"8": "policy violation (tag): not covered by policy [no rule holds]",
	} {
		err := s.AssertPolicy(t.Context(), commands.Actor{}, "tag", map[string]any{"x": x}, false)
		switch {
		case want == "" && err != nil, want != "" && (err == nil || err.Error() != want || !fault.Is(err, fault.ActionNotAllowed)):
			t.Errorf("%s: %v, want %s", x, err, want)
		}
	}
	// force is for administrators: whom the data is about, and else who calls
	alice := must[int64](t)(s.CreateUser(t.Context(), admin, commands.CreateUser{Name: "alice"}))
	for _, c := range []struct {
		actor commands.Actor
		user  any
		ok    bool
	}{{admin, nil, true}, {commands.Actor{UserID: alice}, nil, false}, {admin, alice, false}, {commands.Actor{UserID: alice}, int64(1), true}, {commands.Actor{}, nil, false}} {
		data := map[string]any{"x": "2"}
		if c.user != nil {
			data["user_id"] = c.user
		}
		if err := s.AssertPolicy(t.Context(), c.actor, "tag", data, true); (err == nil) != c.ok {
			t.Errorf("forced by %+v about %v: %v", c.actor, c.user, err)
		}
	}
}

// tried gives what a file would have decided otherwise, in short, and the sum.
func tried(t *testing.T, s *commands.Service, file string, q commands.DecisionQuery) (rows []string, sum map[string]any) {
	t.Helper()
	sections, err := policy.ReadFile(strings.NewReader("[policy]\n" + file))
	if err != nil {
		t.Fatal(err)
	}
	q.Limit = 1000
	for v, err := range s.TryPolicies(t.Context(), sections, q) {
		if err != nil {
			t.Fatal(err)
		}
		row := v.(map[string]any)
		if row["decisions"] != nil {
			sum = row
			continue
		}
		if row["problem"] != nil {
			rows = append(rows, fmt.Sprintf("%v: %v", row["policy"], row["problem"]))
			continue
		}
		rows = append(rows, fmt.Sprintf("%v %v: %v by %v, then %v by %v", row["policy"], row["data"].(map[string]any)["x"], row["action"], row["rule"], row["new_action"], row["new_rule"]))
	}
	return rows, sum
}

// TestTryPolicies changes policies on paper, after the site has moved on.
func TestTryPolicies(t *testing.T) {
	t.Parallel()
	s := commandtest.New(t)
	ctx := t.Context()
	alice := commands.Actor{UserID: must[int64](t)(s.CreateUser(ctx, admin, commands.CreateUser{Name: "alice"}))}
	perm, err := catalog.Find(ctx, s.DB, "permission", "repo")
	if err != nil || perm == nil {
		t.Fatal(perm, err)
	}
	repoPerm := perm["id"].(int64)
	if err := s.GrantPermission(ctx, admin, alice.UserID, repoPerm, "repo"); err != nil {
		t.Fatal(err)
	}
	setPolicy(t, s, "tag", "user alice && match x a :: allow\npolicy sub :: allow\nall :: deny")
	setPolicy(t, s, "sub", "match x b :: yes")
	ask := func(x string, want bool) {
		t.Helper()
		if err := s.AssertPolicy(ctx, alice, "tag", map[string]any{"x": x}, false); (err == nil) != want {
			t.Errorf("%s: %v", x, err)
		}
	}
	ask("a", true)
	ask("b", true)
	ask("c", false)
	if _, err := s.MakeTask(ctx, alice, commands.MakeTask{Method: "sleep", Params: []any{int64(1)}}); err != nil {
		t.Fatal(err)
	}
	middle := s.Clock()
	event := int64(s.Models.Position())
	// the site moves on: the permission is gone, and what sub says is another thing
	if err := s.RevokePermission(ctx, admin, alice.UserID, repoPerm, "repo"); err != nil {
		t.Fatal(err)
	}
	setPolicy(t, s, "sub", "none :: yes")
	ask("b", false)
	for _, c := range []struct {
		file string
		q    commands.DecisionQuery
		want []string
		n    int64
	}{
		{"tag =\n user alice && match x a :: allow\n policy sub :: allow\n all :: deny other words\n", commands.DecisionQuery{}, nil, 4},
		{"tag =\n all :: allow\n", commands.DecisionQuery{}, []string{"tag c: deny by 3, then allow by 1", "tag b: deny by 3, then allow by 1"}, 4},
		{"tag =\n all :: allow\n", commands.DecisionQuery{Event: &event}, []string{"tag b: deny by 3, then allow by 1"}, 1},
		{"tag =\n all :: allow\n", commands.DecisionQuery{Since: &middle}, []string{"tag b: deny by 3, then allow by 1"}, 1},
		{"tag =\n none :: allow\n", commands.DecisionQuery{}, []string{"tag a: allow by 1, then <nil> by ", "tag b: allow by 2, then <nil> by "}, 4},
		// who had the permission then has it in the trial of what was decided then
		{"tag =\n has_perm repo :: allow\n", commands.DecisionQuery{}, []string{"tag c: deny by 3, then allow by 1"}, 4},
		// a policy that only others ask
		{"sub =\n match x c :: true\n", commands.DecisionQuery{}, []string{"tag b: allow by 2, then deny by 3", "tag c: deny by 3, then allow by 2"}, 4},
		{"priority =\n user alice && method sleep :: adjust +1\n all :: stay", commands.DecisionQuery{}, []string{"priority <nil>: stay by 1, then adjust +1 by 1"}, 1},
		{"channel =\n is_child_task :: parent\n all :: use default\n", commands.DecisionQuery{}, nil, 1},
		{"vm =\n all :: deny\n", commands.DecisionQuery{}, nil, 0},
		{"tag =\n policy nothing :: allow\n", commands.DecisionQuery{}, slices.Repeat([]string{"tag: no such policy: nothing"}, 4), 4},
	} {
		rows, sum := tried(t, s, c.file, c.q)
		if !slices.Equal(rows, c.want) || sum["decisions"] != c.n || sum["different"].(int64)+sum["untold"].(int64) != int64(len(c.want)) {
			t.Errorf("%s:\n got %q %v\nwant %q of %d", c.file, rows, sum, c.want, c.n)
		}
	}
	if got := action(t, s, "tag", map[string]any{"x": "c"}); got != "deny" {
		t.Errorf("a trial changed what holds: %s", got)
	}
	latest, err := s.Decisions.Latest(ctx, commands.DecisionQuery{Policies: []string{"tag"}, Refused: true, User: &alice.UserID, Limit: 1})
	if err != nil || len(latest) != 1 || latest[0]["user_name"] != "alice" || latest[0]["because"] != "rule 3: all :: deny" || latest[0]["version"] != int64(1) || latest[0]["allowed"] != false ||
		latest[0]["data"].(map[string]any)["x"] != "b" || len(latest[0]["facts"].([]any)) != 1 {
		t.Errorf("the last refusal: %v %v", latest, err)
	}
}

// TestDecisionsAreBounded keeps more than one page of decisions, among them one that is too large, and tries a policy on them.
func TestDecisionsAreBounded(t *testing.T) {
	t.Parallel()
	s := commandtest.New(t)
	setPolicy(t, s, "tag", "all :: allow")
	const many = 450
	for i := range many {
		data := map[string]any{"x": int64(i)}
		if i == 7 {
			data["long"] = strings.Repeat("x", 1<<20)
		}
		if err := s.AssertPolicy(t.Context(), admin, "tag", data, false); err != nil {
			t.Fatal(err)
		}
	}
	rows, sum := tried(t, s, "tag =\n has x :: deny\n", commands.DecisionQuery{})
	if len(rows) != many || sum["different"] != int64(many-1) || sum["untold"] != int64(1) || !strings.Contains(rows[7], "too much to keep") {
		t.Errorf("%d rows, %v", len(rows), sum)
	}
	future := s.Clock().Add(time.Hour)
	if rows, sum := tried(t, s, "tag =\n all :: deny\n", commands.DecisionQuery{Since: &future}); len(rows) != 0 || sum["decisions"] != int64(0) {
		t.Errorf("from the future on: %d rows, %v", len(rows), sum)
	}
}
