package commands_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"moromi/commands"
	"moromi/projections/event"
	"moromi/projections/history"
	"moromi/projections/query"
	"moromi/projections/tag"
)

// versions gives the versions of a table that a filter lets through.
func (s *tagSite) versions(table string, f history.Filter, o query.Opts) []query.Row {
	s.t.Helper()
	res, err := history.Query(s.t.Context(), s.DB, table, f, o)
	s.ok(err)
	return res.([]query.Row)
}

// past makes a target that is renamed, edited and deleted, and gives the positions of its three changes.
func (s *tagSite) past() (id int64, at [3]int64) {
	s.t.Helper()
	ctx := s.t.Context()
	build, dest := s.parent["id"].(int64), s.child["id"].(int64)
	id, err := s.CreateTarget(ctx, s.actor, commands.Target{Name: "tg", BuildTag: build, DestTag: build})
	s.ok(err)
	at[0] = s.position()
	s.ok(s.EditTarget(ctx, s.actor, id, commands.Target{Name: "new", BuildTag: build, DestTag: dest}))
	at[1] = s.position()
	s.ok(s.DeleteTarget(ctx, s.actor, id))
	at[2] = s.position()
	return id, at
}

func TestHistory(t *testing.T) {
	t.Parallel()
	s := newTagSite(t)
	id, at := s.past()
	const table = "build_target_config"
	yes, no, nobody, admin, dest := true, false, int64(9999), int64(1), s.child["id"].(int64)
	build := s.parent["id"].(int64)
	year := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name string
		f    history.Filter
		want []int64 // create_events
		key  string  // a column that the filter adds
		vals []any   // its values
	}{
		{"all", history.Filter{}, at[:2], "revoke_event", []any{at[1], at[2]}},
		{"target", history.Filter{Target: &id}, at[:2], "build_target.name", []any{"new", "new"}},
		{"destination tag", history.Filter{Tag: &dest}, at[1:2], "dest_tag.name", []any{"child"}},
		{"build tag is another's", history.Filter{Tag: &build}, at[:1], "dest_tag.name", []any{"parent"}},
		{"of another", history.Filter{Target: &nobody}, nil, "", nil},
		{"active", history.Filter{Active: &yes}, nil, "", nil},
		{"not active", history.Filter{Active: &no}, at[:2], "active", []any{nil, nil}},
		{"editor", history.Filter{Editor: &admin}, at[:2], "_created_by", []any{true, true}},
		{"no editor", history.Filter{Editor: &nobody}, nil, "", nil},
		{"after event", history.Filter{AfterEvent: &at[0]}, at[:2], "_created_after_event", []any{false, true}},
		{"before event", history.Filter{BeforeEvent: &at[1]}, at[:1], "_revoked_before_event", []any{false}},
		{"after", history.Filter{After: &year}, at[:2], "_revoked_after", []any{true, true}},
		{"before", history.Filter{Before: &year}, nil, "", nil},
		{"several", history.Filter{After: &year, Editor: &admin, AfterEvent: &at[0], Target: &id, Active: &no}, at[:2], "_revoked_by", []any{true, true}},
	} {
		rows := s.versions(table, c.f, query.Opts{})
		var got []int64
		var vals []any
		for _, r := range rows {
			got = append(got, r["create_event"].(int64))
			if c.key != "" {
				vals = append(vals, r[c.key])
			}
		}
		if !slices.Equal(got, c.want) || !slices.Equal(vals, c.vals) {
			t.Errorf("%s: %v with %s %v, want %v with %v", c.name, got, c.key, vals, c.want, c.vals)
		}
	}
	rows := s.versions(table, history.Filter{}, query.Opts{Order: "-build_target_config.create_event", Limit: 1})
	if len(rows) != 1 || rows[0]["create_event"] != at[1] || rows[0]["creator_name"] != "kojiadmin" {
		t.Errorf("the last version is %v", rows)
	}
	n, err := history.Query(t.Context(), s.DB, table, history.Filter{Editor: &admin}, query.Opts{CountOnly: true})
	s.ok(err)
	if n != int64(2) {
		t.Errorf("%v versions are counted, want 2", n)
	}
}

// TestHistoryColumns asks every table with every filter that it has, and compares the columns with the recorded ones of Koji.
func TestHistoryColumns(t *testing.T) {
	t.Parallel()
	s := newTagSite(t)
	data, err := os.ReadFile(filepath.Join("testdata", "history_tables.json"))
	s.ok(err)
	var want map[string][]string
	s.ok(json.Unmarshal(data, &want))
	if names := slices.Sorted(maps.Keys(want)); !slices.Equal(names, history.Names()) {
		t.Fatalf("the tables are %v, want %v", history.Names(), names)
	}
	one, text, now, yes := int64(1), "x", time.Now(), true
	all := history.Filter{Tag: &one, Build: &one, Host: &one, Channel: &one, Package: &one, User: &one, Permission: &one, Generator: &one, ExternalRepo: &one,
		Target: &one, Group: &one, PackageName: &text, Key: &text, Active: &yes, Editor: &one, After: &now, Before: &now, AfterEvent: &one, BeforeEvent: &one}
	for _, name := range history.Names() {
		if rows := s.versions(name, all, query.Opts{}); len(rows) != 0 {
			t.Errorf("%s: %d rows pass filters that exclude each other", name, len(rows))
		}
		cols, err := history.Columns(name)
		s.ok(err)
		slices.Sort(cols)
		if !slices.Equal(cols, want[name]) {
			t.Errorf("%s has the columns\n%v, want\n%v", name, cols, want[name])
		}
	}
}

func TestHistoryTablesOfFilters(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][]string{
		"build":         {"tag_listing"},
		"host":          {"host_channels", "host_config"},
		"cg":            {"cg_users"},
		"xkey":          {"tag_extra"},
		"permission":    {"tag_config", "user_perms"},
		"package":       {"group_package_listing", "tag_listing", "tag_package_owners", "tag_packages"},
		"user":          {"cg_users", "tag_package_owners", "user_groups", "user_perms"},
		"group":         {"group_config", "group_package_listing", "group_req_listing"},
		"external_repo": {"external_repo_config", "external_repo_data", "tag_external_repos"},
		"active":        history.Names(),
	} {
		if got := history.With(history.Names(), name); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

func TestEvents(t *testing.T) {
	t.Parallel()
	s := newTagSite(t)
	ctx := t.Context()
	last, err := event.Last(ctx, s.DB, nil)
	s.ok(err)
	if last["id"] != s.position() {
		t.Errorf("the last event is %v, want %d", last["id"], s.position())
	}
	end := last["id"].(int64)
	same, err := event.Get(ctx, s.DB, end, end)
	s.ok(err)
	if same["ts"] != last["ts"] {
		t.Errorf("its time is %v and %v", same["ts"], last["ts"])
	}
	long := 0.0
	for name, find := range map[string]func() (query.Row, error){
		"before all": func() (query.Row, error) { return event.Last(ctx, s.DB, &long) },
		"unknown":    func() (query.Row, error) { return event.Get(ctx, s.DB, end+1, end) },
		"no id":      func() (query.Row, error) { return event.Get(ctx, s.DB, 0, end) },
	} {
		if r, err := find(); err != nil || r != nil {
			t.Errorf("%s: %v, %v, want nothing", name, r, err)
		}
	}
	later := last["ts"].(float64) + 1
	if r, err := event.Last(ctx, s.DB, &later); err != nil || r["id"] != last["id"] {
		t.Errorf("before %f: %v, %v", later, r, err)
	}
}

// TestEventsBetweenChanges asks for all positions there are: clients reckon with the numbers of events. As of each, a tag that two changes of
// several events each made and filled is as the changes up to it left it.
func TestEventsBetweenChanges(t *testing.T) {
	t.Parallel()
	s := newTagSite(t)
	ctx := t.Context()
	before := s.position()
	id, err := s.CreateTag(ctx, s.actor, commands.CreateTag{Name: "between", Extra: map[string]json.RawMessage{"a": json.RawMessage("1"), "b": json.RawMessage("2")}})
	s.ok(err)
	row, err := tag.Get(ctx, s.DB, tag.Spec{ID: id}, nil, false)
	s.ok(err)
	rows := s.versions("tag_config", history.Filter{Tag: &id}, query.Opts{})
	made := rows[0]["create_event"].(int64)
	end := s.position()
	if made <= before+1 {
		t.Fatalf("the tag was made at %d, right after %d: there is nothing between changes", made, before)
	}
	ts := 0.0
	for at := int64(1); at <= end; at++ {
		e, err := event.Get(ctx, s.DB, at, end)
		s.ok(err)
		if e["id"] != at || e["ts"].(float64) < ts {
			t.Errorf("event %d is %v, after one of %f", at, e, ts)
		}
		ts = e["ts"].(float64)
		then, err := tag.Get(ctx, s.DB, tag.Spec{ID: id}, &at, false)
		s.ok(err)
		delete(then, "query_event")
		if at < made && then != nil || at >= made && !maps.EqualFunc(then, row, func(a, b any) bool { return fmt.Sprint(a) == fmt.Sprint(b) }) {
			t.Errorf("as of %d, the tag made at %d is %v", at, made, then)
		}
	}
}

func TestTagChanges(t *testing.T) {
	t.Parallel()
	s := newTagSite(t)
	ctx := t.Context()
	parent, child, other := s.parent["id"].(int64), s.child["id"].(int64), s.tag("other")["id"].(int64)
	made := map[int64]int64{}
	for _, id := range []int64{parent, child, other} {
		at, err := event.TagFirstChange(ctx, s.DB, id, nil, true)
		s.ok(err)
		made[id] = *at
	}
	repo, err := s.CreateExternalRepo(ctx, s.actor, "one", "http://example.com/")
	s.ok(err)
	priority := int64(1)
	s.ok(s.AddTagRepo(ctx, s.actor, commands.TagRepo{Tag: s.parent, Repo: repo, Priority: &priority}))
	linked := s.position()
	s.ok(s.SetExternalRepoData(ctx, s.actor, repo["id"].(int64), map[string]any{"max_ts": 1}))
	seen := s.position()
	s.ok(s.NoteTagUpdate(ctx, s.actor, child, 0))
	noted := s.position()

	for _, c := range []struct {
		name        string
		tag         int64
		before      int64 // 0: none
		inherit     bool
		first, last int64 // first change after c.before, last change before it; 0: none
	}{
		{"parent", parent, 0, true, made[parent], seen},
		{"child", child, 0, true, made[child], noted},
		{"child alone", child, 0, false, made[child], noted},
		{"child before its note", child, noted, true, 0, seen},
		{"child alone before its note", child, noted, false, 0, made[child]},
		{"child before the data", child, seen, true, noted, linked},
		{"other", other, 0, true, made[other], made[other]},
		{"other later", other, noted, true, 0, made[other]},
		{"before it was made", other, made[parent], true, made[other], 0},
	} {
		var bound *int64
		if c.before != 0 {
			bound = &c.before
		}
		last, err := event.TagLastChange(ctx, s.DB, c.tag, bound, c.inherit)
		s.ok(err)
		first, err := event.TagFirstChange(ctx, s.DB, c.tag, bound, c.inherit)
		s.ok(err)
		if value(first) != c.first || value(last) != c.last {
			t.Errorf("%s: first %d, last %d, want %d and %d", c.name, value(first), value(last), c.first, c.last)
		}
	}
	for _, c := range []struct {
		since int64
		tags  []int64
		want  bool
	}{{noted, []int64{parent, child, other}, false}, {linked, []int64{parent}, false}, {seen, []int64{child, other}, true}, {made[other] - 1, []int64{other}, true}} {
		got, err := event.TagsChangedSince(ctx, s.DB, c.since, c.tags)
		s.ok(err)
		if got != c.want {
			t.Errorf("tags %v changed since %d: %t, want %t", c.tags, c.since, got, c.want)
		}
	}
	s.ok(s.SetInheritance(ctx, s.actor, child, nil, true))
	if last, err := event.TagLastChange(ctx, s.DB, child, nil, false); err != nil || value(last) != s.position() {
		t.Errorf("after a link ended the last change is %d, %v, want %d", value(last), err, s.position())
	}
}

func value(p *int64) int64 {
	if p == nil {
		return 0
	}
	return *p
}
