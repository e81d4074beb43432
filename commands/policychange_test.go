package commands_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"moromi/commands"
	"moromi/commands/commandtest"
	"moromi/commands/policy"
	"moromi/events"
	"moromi/internal/fault"
	"moromi/migrations"
	"moromi/projections"
	"moromi/projections/readmodel"
)

// setPolicy sets a policy and gives the outcome.
func setPolicy(t *testing.T, s *commands.Service, name, text string) commands.PolicyOutcome {
	t.Helper()
	return must[commands.PolicyOutcome](t)(s.SetPolicy(t.Context(), admin, commands.SetPolicy{Name: name, Text: text}))
}

// action asks a policy.
func action(t *testing.T, s *commands.Service, name string, data map[string]any) string {
	t.Helper()
	r, err := s.EvalPolicy(t.Context(), policy.Request{Policy: name, Data: data})
	if err != nil {
		return "error: " + err.Error()
	}
	if !r.Matched {
		return "none"
	}
	return r.Action
}

func loadPolicies(t *testing.T, s *commands.Service, text string) {
	t.Helper()
	file, err := policy.ReadFile(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.LoadPolicies(t.Context(), file); err != nil {
		t.Fatal(err)
	}
}

func version(n int64) *int64 { return &n }

// TestPolicyVersions changes a policy while the hub runs, reads it as of the past, and refuses what it must.
func TestPolicyVersions(t *testing.T) {
	t.Parallel()
	s := commandtest.New(t)
	ctx := t.Context()
	if got := action(t, s, "priority", nil); got != "stay" {
		t.Fatalf("the default says %q", got)
	}
	first := setPolicy(t, s, " Priority", "all :: set 7")
	if first.Version != 1 || first.Event == 0 || action(t, s, "priority", nil) != "set 7" {
		t.Errorf("first version: %+v, %s", first, action(t, s, "priority", nil))
	}
	if again := setPolicy(t, s, "priority", "\nall :: set 7   \n\n"); again.Event != 0 || again.Version != 1 {
		t.Errorf("the same again: %+v", again)
	}
	second := must[commands.PolicyOutcome](t)(s.SetPolicy(ctx, admin, commands.SetPolicy{Name: "priority", Text: "all :: set 8\n", Expected: version(1)}))
	for _, bad := range []struct {
		in   commands.SetPolicy
		code fault.Code
		says string
	}{
		{commands.SetPolicy{Name: "priority", Text: "all :: set 9", Expected: version(1)}, fault.Lock, "at version 2, not 1"},
		{commands.SetPolicy{Name: "priority", Text: "all :: set 9\nal :: x"}, fault.Parameter, `policy priority, line 2, column 1: unknown test "al"`},
		{commands.SetPolicy{Name: "new", Text: "all :: x", Expected: version(1)}, fault.Lock, "at version 0, not 1"},
		{commands.SetPolicy{Name: " ", Text: "all :: x"}, fault.Parameter, "a policy's name"},
		{commands.SetPolicy{Name: "a\nb", Text: "all :: x"}, fault.Parameter, "a policy's name"},
		{commands.SetPolicy{Name: strings.Repeat("x", 101), Text: "all :: x"}, fault.Parameter, "a policy's name"},
		{commands.SetPolicy{Name: "new", Text: strings.Repeat("#\n", policy.MaxText)}, fault.Parameter, "too long"},
	} {
		before := must[events.Position](t)(s.Ledger.Head(ctx))
		_, err := s.SetPolicy(ctx, admin, bad.in)
		if !fault.Is(err, bad.code) || !strings.Contains(err.Error(), bad.says) || must[events.Position](t)(s.Ledger.Head(ctx)) != before {
			t.Errorf("%.60q: %v, want %d %s", bad.in.Text, err, bad.code, bad.says)
		}
	}
	if got := action(t, s, "priority", nil); got != "set 8" {
		t.Errorf("after what was refused: %q", got)
	}
	gone := must[commands.PolicyOutcome](t)(s.RemovePolicy(ctx, admin, "priority", version(2)))
	if got := action(t, s, "priority", nil); got != "stay" || gone.Version != 3 {
		t.Errorf("removed: %q, %+v", got, gone)
	}
	_, err := s.RemovePolicy(ctx, admin, "priority", nil)
	wantFault(t, err, fault.Generic)
	for event, want := range map[int64]string{int64(first.Event) - 1: "all :: stay\n", int64(first.Event): "all :: set 7\n", int64(second.Event): "all :: set 8\n", int64(gone.Event): "all :: stay\n"} {
		row, err := s.Policies.Get(ctx, "priority", &event, nil)
		if err != nil || row["text"] != want {
			t.Errorf("as of %d: %v %v, want %q", event, row, err, want)
		}
		all, err := s.Policies.List(ctx, &event)
		if err != nil || !slices.ContainsFunc(all, func(r map[string]any) bool { return r["name"] == "priority" && r["text"] == want }) || len(all) != 11 {
			t.Errorf("all as of %d: %d %v", event, len(all), err)
		}
	}
	history, err := s.Policies.History(ctx, "priority")
	if err != nil || len(history) != 2 || history[0]["creator_name"] != commandtest.Admin || history[0]["create_time"] == nil || history[0]["revoke_event"] != int64(second.Event) ||
		history[1]["version"] != int64(2) || history[1]["revoker_name"] != commandtest.Admin {
		t.Errorf("history: %v %v", history, err)
	}
	if row, err := s.Policies.Get(ctx, "priority", nil, version(1)); err != nil || row["text"] != "all :: set 7\n" {
		t.Errorf("version 1: %v %v", row, err)
	}
	if row, err := s.Policies.Get(ctx, "priority", nil, version(9)); err != nil || row != nil {
		t.Errorf("version 9: %v %v", row, err)
	}
}

// TestPolicyFileAtStart loads a file again and again, as starts do, with what users changed in between.
func TestPolicyFileAtStart(t *testing.T) {
	t.Parallel()
	s := commandtest.New(t)
	ctx := t.Context()
	const file = "[policy]\ntag =\n  ; who may\n  has_perm admin :: allow\n  all :: deny no\nvolume =\n  all :: other\n"
	head := func() events.Position { return must[events.Position](t)(s.Ledger.Head(ctx)) }
	loadPolicies(t, s, file)
	after := head()
	loadPolicies(t, s, file)
	if head() != after {
		t.Error("an unchanged file is another version")
	}
	setPolicy(t, s, "tag", "all :: allow")
	setPolicy(t, s, "sidetag", "all :: allow yes")
	loadPolicies(t, s, "[policy]\n") // as a start without the policies
	if got := action(t, s, "tag", nil); got != "allow" {
		t.Errorf("a file without the policy: %q", got)
	}
	loadPolicies(t, s, file)
	if got := action(t, s, "tag", nil); got != "deny no" {
		t.Errorf("the file does not win: %q", got)
	}
	if got := action(t, s, "sidetag", nil); got != "allow yes" {
		t.Errorf("what the file does not have: %q", got)
	}
	var who []any
	for _, v := range must[[]map[string]any](t)(s.Policies.History(ctx, "tag")) {
		who = append(who, v["creator_name"])
	}
	if !slices.Equal(who, []any{nil, commandtest.Admin, nil}) {
		t.Errorf("made by %v", who)
	}
}

// TestPoliciesOfTwoHubs changes a policy on one hub and asks the other, which does not write the read models.
func TestPoliciesOfTwoHubs(t *testing.T) {
	t.Parallel()
	one := commandtest.New(t)
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	two := commandtest.Over(t, ctx, one.Ledger, one.DB)
	for i, c := range []struct {
		set  *commands.Service
		text string
	}{{one, "all :: set 1"}, {two, "all :: set 2"}, {one, "all :: set 3"}} {
		out := setPolicy(t, c.set, "priority", c.text)
		if out.Version != int64(i+1) {
			t.Errorf("%s is version %d", c.text, out.Version)
		}
		for _, s := range []*commands.Service{one, two} {
			if got := action(t, s, "priority", nil); "all :: "+got != c.text {
				t.Errorf("%s was set, %s answers", c.text, got)
			}
		}
	}
	_, err := two.SetPolicy(ctx, admin, commands.SetPolicy{Name: "priority", Text: "all :: stay", Expected: version(2)})
	wantFault(t, err, fault.Lock)
	v, err := projections.Verify(ctx, one.Ledger, one.DB, migrations.ReadModelSchema(), one.Log, nil, readmodel.All()...)
	if err != nil || len(v.Differences) != 0 {
		t.Errorf("replay: %+v %v", v, err)
	}
}
