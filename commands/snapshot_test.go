package commands_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"moromi/commands"
	"moromi/commands/commandtest"
	"moromi/events"
	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/projections/query"
	tagmodel "moromi/projections/tag"
)

// taggedSite has a tag "base" with the packages foo and bar, bar's from its parent, and builds of both.
type taggedSite struct {
	*commands.Service
	t          *testing.T
	base, core int64
	build      map[string]int64 // by version: foo's 1, 2, 3 and bar's b
}

func newTaggedSite(t *testing.T) *taggedSite {
	s := &taggedSite{Service: commandtest.New(t), t: t, build: map[string]int64{}}
	s.core = newTag(t, s.Service, "core")
	s.base = newTag(t, s.Service, "base", s.core)
	s.list(s.base, "foo", false)
	s.list(s.core, "bar", false)
	for _, v := range []string{"1", "2", "3"} {
		s.build[v] = s.complete("foo", v)
	}
	s.build["b"] = s.complete("bar", "b")
	s.tag(s.base, "1", "2", "3")
	s.tag(s.core, "b")
	return s
}

func (s *taggedSite) tagRow(id int64, event *int64) query.Row {
	return getTag(s.t, s.Service, id, event)
}

func (s *taggedSite) list(id int64, pkg string, block bool) {
	s.t.Helper()
	owner := int64(1)
	if err := s.ListPackage(s.t.Context(), admin, commands.ListPackage{Tag: s.tagRow(id, nil), Package: pkg, Owner: &owner, Block: &block, Force: true}); err != nil {
		s.t.Fatal(err)
	}
}

func (s *taggedSite) complete(pkg, version string) int64 {
	s.t.Helper()
	return must[int64](s.t)(s.CreateBuild(s.t.Context(), admin, commands.NewBuild{Name: pkg, Version: version, Release: "1", Owner: 1, State: koji.BuildComplete}))
}

func (s *taggedSite) tag(id int64, versions ...string) {
	s.t.Helper()
	var ids []int64
	for _, v := range versions {
		ids = append(ids, s.build[v])
	}
	if err := s.MassTag(s.t.Context(), admin, s.tagRow(id, nil), ids); err != nil {
		s.t.Fatal(err)
	}
}

// tagged are the versions in a tag, the one tagged last first.
func (s *taggedSite) tagged(name string) []string {
	s.t.Helper()
	id := s.id(name)
	rows, err := tagmodel.Builds(s.t.Context(), s.DB, id, tagmodel.BuildFilter{}, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	var out []string
	for _, r := range rows {
		out = append(out, r["version"].(string))
	}
	return out
}

// packages are the entries of a tag's own package list.
func (s *taggedSite) packages(name string) []string {
	s.t.Helper()
	id := s.id(name)
	rows, err := tagmodel.PackageList(s.t.Context(), s.DB, tagmodel.PackageFilter{Tag: &id}, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	var out []string
	for _, r := range rows {
		out = append(out, fmt.Sprintf("%v blocked=%v", r["package_name"], r["blocked"]))
	}
	slices.Sort(out)
	return out
}

func (s *taggedSite) id(name string) int64 {
	s.t.Helper()
	return must[int64](s.t)(tagmodel.Ever(s.t.Context(), s.DB, tagmodel.Spec{Name: name}))
}

func (s *taggedSite) snapshot(event *int64) commands.Snapshot {
	return commands.Snapshot{From: s.tagRow(s.base, event), Event: event, Config: true, Packages: true, Builds: true, Groups: true, LatestOnly: true, InheritBuilds: true}
}

func (s *taggedSite) want(what string, got, want []string) {
	s.t.Helper()
	if !slices.Equal(got, want) {
		s.t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func TestSnapshotOfATag(t *testing.T) {
	t.Parallel()
	s := newTaggedSite(t)
	if err := s.EditTag(t.Context(), admin, s.base, commands.EditTag{SetExtra: map[string]json.RawMessage{"k": json.RawMessage(`[1]`)}}); err != nil {
		t.Fatal(err)
	}
	before := headEvent(t, s.Service)
	s.list(s.base, "late", true)
	if err := s.DropFromTag(t.Context(), admin, s.base, s.build["3"]); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name     string
		event    *int64
		change   func(*commands.Snapshot)
		builds   []string
		packages []string
	}{
		{"now", nil, nil, []string{"2", "b"}, []string{"bar blocked=false", "foo blocked=false", "late blocked=true"}},
		{"then", &before, nil, []string{"3", "b"}, []string{"bar blocked=false", "foo blocked=false"}},
		{"all", &before, func(in *commands.Snapshot) { in.LatestOnly = false }, []string{"3", "2", "1", "b"}, []string{"bar blocked=false", "foo blocked=false"}},
		{"own", nil, func(in *commands.Snapshot) { in.InheritBuilds = false }, []string{"2"}, []string{"bar blocked=false", "foo blocked=false", "late blocked=true"}},
		{"list", nil, func(in *commands.Snapshot) { in.Builds = false }, nil, []string{"bar blocked=false", "foo blocked=false", "late blocked=true"}},
	} {
		in := s.snapshot(c.event)
		if c.change != nil {
			c.change(&in)
		}
		if err := s.SnapshotTag(t.Context(), admin, c.name, in); err != nil {
			t.Fatal(err)
		}
		s.want(c.name+": builds", s.tagged(c.name), c.builds)
		s.want(c.name+": packages", s.packages(c.name), c.packages)
		if extra := fmt.Sprint(s.tagRow(s.id(c.name), nil)["extra"]); extra != "map[k:[1]]" {
			t.Errorf("%s: extra %s", c.name, extra)
		}
	}
	wantFault(t, s.SnapshotTag(t.Context(), admin, "now", s.snapshot(nil)), fault.Generic)
}

func headEvent(t *testing.T, s *commands.Service) int64 {
	t.Helper()
	pos, err := s.Ledger.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return int64(pos)
}

func TestSnapshotIsBroughtUpToDate(t *testing.T) {
	t.Parallel()
	s := newTaggedSite(t)
	in := s.snapshot(nil)
	in.LatestOnly = false
	if err := s.SnapshotTag(t.Context(), admin, "snap", in); err != nil {
		t.Fatal(err)
	}
	// base changes its order and loses a build; the snapshot gets a package and a build of its own
	s.tag(s.base, "1")
	if err := s.DropFromTag(t.Context(), admin, s.base, s.build["2"]); err != nil {
		t.Fatal(err)
	}
	snap := s.id("snap")
	s.list(snap, "own", false)
	s.build["own"] = s.complete("own", "own")
	s.tag(snap, "own")

	update := func(change func(*commands.Snapshot)) error {
		in := s.snapshot(nil)
		in.LatestOnly = false
		change(&in)
		return s.UpdateSnapshot(t.Context(), admin, tagmodel.Spec{ID: snap}, in)
	}
	if err := update(func(*commands.Snapshot) {}); err != nil {
		t.Fatal(err)
	}
	// own's package is blocked now: its build is there but counts no more. What base does not have is behind what it has.
	s.want("kept", s.tagged("snap"), []string{"1", "3", "2", "b"})
	s.want("packages", s.packages("snap"), []string{"bar blocked=false", "foo blocked=false", "own blocked=true"})

	head := headEvent(t, s.Service)
	if err := update(func(*commands.Snapshot) {}); err != nil {
		t.Fatal(err)
	}
	if now := headEvent(t, s.Service); now != head {
		t.Errorf("a snapshot that is up to date was changed: head %d after %d", now, head)
	}
	if err := update(func(in *commands.Snapshot) { in.Remove = true }); err != nil {
		t.Fatal(err)
	}
	s.want("removed", s.tagged("snap"), []string{"1", "3", "b"})

	locked := must[query.Row](t)(tagmodel.Get(t.Context(), s.DB, tagmodel.Spec{ID: snap}, nil, false))
	if err := s.EditTag(t.Context(), admin, snap, commands.EditTag{Settings: &events.TagSettings{Arches: text(fmt.Sprint(locked["arches"])), Locked: true}}); err != nil {
		t.Fatal(err)
	}
	wantFault(t, update(func(*commands.Snapshot) {}), fault.Generic)
	if err := update(func(in *commands.Snapshot) { in.Force = true }); err != nil {
		t.Fatal(err)
	}
	if s.tagRow(snap, nil)["locked"].(bool) {
		t.Error("the snapshot did not take the settings over")
	}
}

func TestSnapshotTakesGroups(t *testing.T) {
	t.Parallel()
	s := newTaggedSite(t)
	ctx := t.Context()
	group := func(tag int64, name string) {
		t.Helper()
		if err := s.ListGroup(ctx, admin, commands.TagGroup{Tag: s.tagRow(tag, nil), Group: name,
			DisplayName: commands.Field[string]{Given: true, Value: text("The " + name)}}); err != nil {
			t.Fatal(err)
		}
	}
	group(s.base, "build")
	group(s.core, "srpm")
	id := func(n string) query.Row {
		return query.Row{"id": must[int64](t)(s.CreateGroupName(ctx, admin, n)), "name": n}
	}
	where := commands.GroupEntry{Tag: s.tagRow(s.base, nil), Group: id("build")}
	if err := s.ListGroupPackage(ctx, admin, commands.GroupPackage{GroupEntry: where, Package: "bash", Type: commands.Field[string]{Given: true, Value: text("optional")}}); err != nil {
		t.Fatal(err)
	}
	if err := s.ListGroupRequirement(ctx, admin, commands.GroupRequirement{GroupEntry: where, Need: id("srpm")}); err != nil {
		t.Fatal(err)
	}
	if err := s.SnapshotTag(ctx, admin, "snap", s.snapshot(nil)); err != nil {
		t.Fatal(err)
	}
	groups := func() string {
		t.Helper()
		all, err := tagmodel.Groups(ctx, s.DB, s.id("snap"), tagmodel.GroupOptions{Packages: true, Requirements: true}, nil)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, g := range all {
			out = append(out, fmt.Sprintf("%v blocked=%v", g.Row["display_name"], g.Blocked))
			for _, p := range g.Packages {
				out = append(out, fmt.Sprintf("%v %v", p["package"], p["type"]))
			}
			for _, r := range g.Requirements {
				out = append(out, fmt.Sprintf("needs %v", r["name"]))
			}
		}
		slices.Sort(out)
		return fmt.Sprint(out)
	}
	if got, want := groups(), "[The build blocked=false The srpm blocked=false bash optional needs srpm]"; got != want {
		t.Errorf("groups %s, want %s", got, want)
	}
	// base gives a package up
	if err := s.RemoveGroupPackage(ctx, admin, where, "bash"); err != nil {
		t.Fatal(err)
	}
	in := s.snapshot(nil)
	in.Remove = true
	if err := s.UpdateSnapshot(ctx, admin, tagmodel.Spec{Name: "snap"}, in); err != nil {
		t.Fatal(err)
	}
	if got, want := groups(), "[The build blocked=false The srpm blocked=false needs srpm]"; got != want {
		t.Errorf("groups %s, want %s", got, want)
	}
}
