package commands_test

import (
	"strings"
	"testing"

	"moromi/aggregates/tag"
	"moromi/commands"
	"moromi/commands/policy"
	"moromi/events"
	"moromi/internal/koji"
	"moromi/projections/query"
	tagmodel "moromi/projections/tag"
)

// setParents gives a tag its inheritance.
func setParents(s *site, id int64, links ...events.Inheritance) {
	s.t.Helper()
	var changes []tag.Link
	for _, l := range links {
		changes = append(changes, tag.Link{Inheritance: l})
	}
	if err := s.SetInheritance(s.t.Context(), s.actor, id, changes, true); err != nil {
		s.t.Fatal(err)
	}
}

// TestFactTests asks every test that looks at the site about a build that was made, one that was imported, and what is not there.
func TestFactTests(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ctx := t.Context()
	base, far, cut := makeTag(s, "base"), makeTag(s, "far"), makeTag(s, "cut")
	setParents(s, base, events.Inheritance{ParentID: far, Priority: 0}, events.Inheritance{ParentID: cut, Priority: 1, Intransitive: true})
	setParents(s, s.tag, events.Inheritance{ParentID: base, Priority: 0})
	r := must[commands.StartedRepo](t)(s.StartRepo(ctx, s.actor, commands.StartRepo{TagID: s.tag}))
	setParents(s, s.tag) // what it inherited when the build was made counts
	if _, err := s.CreateTarget(ctx, s.actor, commands.Target{Name: "goal", BuildTag: base, DestTag: far}); err != nil {
		t.Fatal(err)
	}
	root := must[int64](t)(s.NewBuildroot(ctx, s.actor, s.host, r.ID, "x86_64", &s.task))
	built := s.initBuild(foo())
	if err := s.CompleteBuild(ctx, s.actor, s.delivery(built, root)); err != nil {
		t.Fatal(err)
	}
	alice := must[int64](t)(s.CreateUser(ctx, admin, commands.CreateUser{Name: "alice", Principal: "alice@EXAMPLE.COM"}))
	group := must[int64](t)(s.CreateUser(ctx, admin, commands.CreateUser{Name: "devs", Type: koji.UserGroup}))
	if err := s.JoinGroup(ctx, admin, alice, group, true); err != nil {
		t.Fatal(err)
	}
	empty := must[int64](t)(s.CreateBuild(ctx, admin, commands.NewBuild{Name: "bar", Version: "2", Release: "3.el9", Owner: group, Draft: false}))
	deleted := makeTag(s, "deleted")
	setParents(s, deleted, events.Inheritance{ParentID: far, Priority: 0})
	tagAs(s, built, far)
	tagAs(s, built, deleted)
	if err := s.DeleteTag(ctx, s.actor, deleted); err != nil {
		t.Fatal(err)
	}
	b, nobody := any(built), map[string]any{}
	with := func(pairs ...any) map[string]any {
		m := map[string]any{}
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i].(string)] = pairs[i+1]
		}
		return m
	}
	for _, c := range []struct {
		test string
		data map[string]any
		want string // yes, no, or a part of the error
	}{
		{"user al*", with("user_id", alice), "yes"}, {"user al*", with("user_id", "alice@EXAMPLE.COM"), "yes"}, {"user al*", with("user_id", "alice"), "yes"},
		{"user al*", with("user_id", with("name", "alice")), "yes"}, {"user *", with("user_id", int64(99)), "no"}, {"user *", nobody, "no"}, {"user *", with("user_id", nil), "No user provided"},
		{"user *", with("user_id", []any{}), "Invalid"},
		{"user_in_group dev?", with("user_id", alice), "yes"}, {"user_in_group *", with("user_id", int64(1)), "no"}, {"user_in_group *", nobody, "no"},
		{"has_perm adm*", with("user_id", int64(1)), "yes"}, {"has_perm *", with("user_id", alice), "no"},
		{"is_build_owner", with("build", empty, "user_id", alice), "yes"}, {"is_build_owner", with("build", empty, "user_id", group), "yes"}, {"is_build_owner", with("build", empty, "user_id", int64(1)), "no"},
		{"is_build_owner", with("user_id", alice), "build"}, {"is_build_owner", with("build", empty), "no"},
		{"is_new_package", with("package", "nope"), "yes"}, {"is_new_package", with("package", "foo"), "no"}, {"is_new_package", with("build", b), "no"}, {"is_new_package", with("package", int64(99)), "No such package"},
		{"is_new_package", with("package", with("name", "nope")), "No such package"}, {"is_new_package", nobody, "policy requires package data"}, {"is_new_package", with("package", nil), "Invalid"},
		{"package f?o", with("package", "foo"), "yes"}, {"package f?o", with("build", "foo-1.0-1"), "yes"}, {"package nope", with("package", "nope"), "yes"}, {"package *", with("build", int64(99)), "No such build"},
		{"package foo && match _package foo", with("build", b), "yes"}, {"match _package foo", with("build", b), "no"},
		{"version 1.*", with("build", b), "yes"}, {"version 7", with("build", b, "version", "7"), "yes"}, {"version *", with("version", nil), "no"}, {"version *", nobody, "policy requires version data"}, {"version 1", with("version", int64(1)), "patterns match text"},
		{"release *.el9", with("build", empty), "yes"}, {"release *.el9", with("build", with("name", "bar", "version", "2", "release", "3.el9")), "yes"},
		{"volume DEF*", with("build", b), "yes"}, {"volume DEF*", with("volume", int64(0)), "yes"}, {"volume *", with("volume", "nope"), "no"}, {"volume *", nobody, "no"},
		{"tag ba*", with("tag", base), "yes"}, {"tag ba*", with("tag", "base"), "yes"}, {"tag *", with("tag", "nope"), "no"}, {"tag *", with("tag", nil), "no"}, {"tag *", with("tag", deleted), "no"},
		{"fromtag far", with("fromtag", far), "yes"}, {"fromtag far", with("tag", far), "no"},
		{"hastag far", with("build", b), "yes"}, {"hastag deleted", with("build", b), "no"}, {"hastag *", nobody, "no"}, {"hastag *", with("build", int64(99)), "No such build"},
		{"buildtag dest-*", with("build", b), "yes"}, {"buildtag *", with("build", empty), "no"}, {"buildtag base", with("target", "goal"), "yes"}, {"buildtag base", with("target", "goal", "build_tag", "far"), "no"},
		{"buildtag dest-build", with("target", "nope", "build", b), "yes"}, {"buildtag deleted", with("build_tag", deleted), "yes"}, {"buildtag *", with("build_tag", "nope"), "No such tagInfo"},
		{"buildtag far", with("build_tags", []any{base, "far"}), "yes"}, {"buildtag dest-build", with("build_tags", []any{}, "build", b), "yes"}, {"buildtag dest-build", with("buildroots", []any{root, nil}), "yes"},
		{"buildtag *", with("buildroots", []any{int64(99)}), "No such buildroot"}, {"buildtag *", nobody, "no"},
		{"buildtag_inherits_from far", with("build", b), "yes"}, {"buildtag_inherits_from base", with("build", b), "yes"}, {"buildtag_inherits_from dest-build", with("build", b), "no"},
		{"buildtag_inherits_from cut", with("build", b), "no"}, {"buildtag_inherits_from cut", with("target", "goal"), "yes"}, {"buildtag_inherits_from *", with("build_tag", s.tag), "no"},
		{"buildtag_inherits_from far", with("build_tag", "deleted"), "yes"},
		{"buildtype rpm", with("build", b), "yes"}, {"buildtype *", with("build", empty), "no"}, {"buildtype m*", with("btypes", []any{"rpm", "maven"}), "yes"}, {"buildtype *", with("btypes", []any{}, "build", b), "no"}, {"buildtype *", nobody, "no"},
		{"imported", with("build", b), "no"}, {"imported", with("build", empty), "no"}, {"imported", nobody, "policy data must contain a build"},
		{"cg_match_any *", with("build", b), "no"}, {"cg_match_all *", with("build", b), "no"}, {"cg_match_any *", with("cg_list", []any{"nope"}), "No such entry"}, {"cg_match_all *", with("cg_list", []any{}), "no"},
		{"is_draft", with("build", b), "no"}, {"is_draft", with("draft", int64(1)), "yes"}, {"is_draft", with("draft", false, "build", b), "no"}, {"is_draft", nobody, "no"},
		{"source git*", with("source", "git://x"), "yes"}, {"source *", with("source", nil, "build", b), "no"}, {"source cli-build/*", with("build", b), "yes"}, {"source *", with("build", empty), "no"}, {"source *", nobody, "no"},
	} {
		r, err := s.ExplainPolicy(ctx, policy.Request{Policy: "p", Data: c.data}, text(c.test+" :: yes\nall :: no"))
		got := r.Action
		if err != nil {
			got = err.Error()
		}
		if got != c.want && (len(c.want) < 4 || !strings.Contains(got, c.want)) {
			t.Errorf("%s of %v: %s, want %s", c.test, c.data, got, c.want)
		}
	}
	// the caller is asked about where the data names nobody
	if r, err := s.ExplainPolicy(ctx, policy.Request{Policy: "p", Data: with("user_id", nil), Caller: alice}, text("user alice && not has other :: yes")); err != nil || r.Action != "yes" || len(r.Facts) != 1 {
		t.Errorf("the caller: %+v %v", r, err)
	}
	if r, err := s.ExplainPolicy(ctx, policy.Request{Policy: "p", Caller: alice}, text("has user_id :: no\nuser alice && user alice && user bob :: no\nuser alice :: yes")); err != nil || r.Action != "yes" || len(r.Facts) != 1 {
		t.Errorf("asked more than once, or told what was not: %+v %v", r, err)
	}
}

// tagAs puts a build into a tag.
func tagAs(s *site, build, id int64) {
	s.t.Helper()
	t := must[query.Row](s.t)(tagmodel.Get(s.t.Context(), s.DB, tagmodel.Spec{ID: id}, nil, false))
	if _, err := commands.Decide(s.t.Context(), s.Service, s.actor, "tag build", tag.Stream(id), func(x *tag.Tag) ([]events.Event, error) {
		return x.TagBuild(build, "foo-1.0-1", t["name"].(string), false)
	}); err != nil {
		s.t.Fatal(err)
	}
}
