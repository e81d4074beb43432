package commands_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"moromi/commands"
	"moromi/commands/commandtest"
	"moromi/commands/policy"
	"moromi/events"
	"moromi/internal/fault"
	"moromi/projections/query"
	tagmodel "moromi/projections/tag"
)

// sideTagRules let everybody have two side tags over tags that end in -build, and whoever owns them change their package lists.
const sideTagRules = `[policy]
sidetag =
    tag *-build && compare number_of_tags < 2 :: allow
    all :: deny too many side tags
package_list =
    match action add block && is_sidetag_owner :: allow
    all :: deny
tag =
    operation tag && is_sidetag_owner :: allow
    operation untag && is_sidetag_owner fromtag :: allow
    operation move && is_sidetag_owner both :: allow
    all :: deny
`

// sideTagSite is a site with a build tag and two users.
type sideTagSite struct {
	*commands.Service
	t          *testing.T
	base       int64
	alice, bob commands.Actor
}

func newSideTagSite(t *testing.T) sideTagSite {
	t.Helper()
	s := sideTagSite{Service: commandtest.New(t), t: t}
	file, err := policy.ReadFile(strings.NewReader(sideTagRules))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.LoadPolicies(t.Context(), file); err != nil {
		t.Fatal(err)
	}
	newTag(t, s.Service, "other")
	s.base = newTag(t, s.Service, "f1-build")
	s.alice.UserID = must[int64](t)(s.CreateUser(t.Context(), admin, commands.CreateUser{Name: "alice"}))
	s.bob.UserID = must[int64](t)(s.CreateUser(t.Context(), admin, commands.CreateUser{Name: "bob"}))
	return s
}

func (s sideTagSite) make(a commands.Actor, suffix string) (commands.SideTag, error) {
	return s.CreateSideTag(s.t.Context(), a, commands.CreateSideTag{Base: getTag(s.t, s.Service, s.base, nil), Suffix: suffix})
}

// names are those of the side tags there are.
func (s sideTagSite) names(f tagmodel.SideTagFilter) string {
	s.t.Helper()
	rows := must[any](s.t)(tagmodel.SideTags(s.t.Context(), s.DB, f, query.Opts{}))
	var out []string
	for _, r := range rows.([]query.Row) {
		out = append(out, fmt.Sprintf("%s(%s)", r["name"], r["user_name"]))
	}
	return strings.Join(out, " ")
}

func TestSideTagQuota(t *testing.T) {
	t.Parallel()
	s := newSideTagSite(t)
	var wg sync.WaitGroup
	results := make([]error, 8)
	for i := range results {
		wg.Go(func() { _, results[i] = s.make(s.alice, "") })
	}
	wg.Wait()
	made := 0
	for _, err := range results {
		if err == nil {
			made++
		} else if !fault.Is(err, fault.ActionNotAllowed) {
			t.Error(err)
		}
	}
	if made != 2 {
		t.Errorf("alice made %d side tags at once, where two are allowed", made)
	}
	if _, err := s.make(s.bob, ""); err != nil {
		t.Errorf("alice's side tags count for bob: %v", err)
	}
	_, err := s.CreateSideTag(t.Context(), s.bob, commands.CreateSideTag{Base: must[query.Row](t)(tagmodel.Get(t.Context(), s.DB, tagmodel.Spec{Name: "other"}, nil, false))})
	wantFault(t, err, fault.ActionNotAllowed)
	if got, want := s.names(tagmodel.SideTagFilter{User: &s.alice.UserID}), "f1-build-side-4(alice) f1-build-side-6(alice)"; got != want {
		t.Errorf("alice has %s, want %s: a number is passed over for each, as in Koji", got, want)
	}
}

func TestSideTagLife(t *testing.T) {
	t.Parallel()
	s := newSideTagSite(t)
	ctx := t.Context()
	made := must[commands.SideTag](t)(s.make(s.alice, ""))
	row := getTag(t, s.Service, made.ID, nil)
	if row["name"] != made.Name || row["arches"] != "x86_64" || fmt.Sprint(row["extra"]) != fmt.Sprintf("map[sidetag:true sidetag_user:alice sidetag_user_id:%d]", s.alice.UserID) {
		t.Errorf("the tag is %v", row)
	}
	links := must[[]query.Row](t)(tagmodel.Direct(ctx, s.DB, made.ID, nil))
	if len(links) != 1 || links[0]["parent_id"] != s.base {
		t.Errorf("it inherits %v", links)
	}
	target := must[query.Row](t)(tagmodel.Target(ctx, s.DB, tagmodel.Spec{Name: made.Name}, nil))
	if target["build_tag"] != made.ID || target["dest_tag"] != made.ID {
		t.Errorf("its target is %v", target)
	}
	owner := s.alice.UserID
	if err := s.ListPackage(ctx, s.alice, commands.ListPackage{Tag: row, Package: "foo", Owner: &owner}); err != nil {
		t.Errorf("the owner lists a package: %v", err)
	}
	wantFault(t, s.ListPackage(ctx, s.bob, commands.ListPackage{Tag: row, Package: "bar", Owner: &owner}), fault.ActionNotAllowed)
	wantFault(t, s.RemoveSideTag(ctx, s.bob, row), fault.ActionNotAllowed)
	wantFault(t, s.RemoveSideTag(ctx, s.alice, getTag(t, s.Service, s.base, nil)), fault.Generic)
	if err := s.RemoveSideTag(ctx, s.alice, row); err != nil {
		t.Fatal(err)
	}
	if target := must[query.Row](t)(tagmodel.Target(ctx, s.DB, tagmodel.Spec{Name: made.Name}, nil)); target != nil {
		t.Errorf("the target stays: %v", target)
	}
	if got := s.names(tagmodel.SideTagFilter{Base: &s.base}); got != "" {
		t.Errorf("side tags left: %s", got)
	}
	// an administrator owns all, and a target that is somebody's else stands in the way
	made = must[commands.SideTag](t)(s.make(s.bob, ""))
	tid := must[query.Row](t)(tagmodel.Target(ctx, s.DB, tagmodel.Spec{Name: made.Name}, nil))["id"].(int64)
	if err := s.EditTarget(ctx, admin, tid, commands.Target{Name: made.Name, BuildTag: s.base, DestTag: made.ID}); err != nil {
		t.Fatal(err)
	}
	wantFault(t, s.RemoveSideTag(ctx, admin, getTag(t, s.Service, made.ID, nil)), fault.Generic)
	if err := s.EditTarget(ctx, admin, tid, commands.Target{Name: made.Name, BuildTag: made.ID, DestTag: made.ID}); err != nil {
		t.Fatal(err)
	}
	if err := s.RemoveSideTag(ctx, admin, getTag(t, s.Service, made.ID, nil)); err != nil {
		t.Errorf("an administrator removes it: %v", err)
	}
}

func TestSideTagNames(t *testing.T) {
	t.Parallel()
	s := newSideTagSite(t)
	s.SideTag = commands.SideTagConfig{NameTemplate: "side-{tag_id}-of-{basetag}", Suffixes: []string{"gcc", "stack-gate"}}
	_, err := s.make(s.alice, "llvm")
	wantFault(t, err, fault.Generic)
	newTag(t, s.Service, "side-5-of-f1-build-gcc") // it takes the name that is next
	if made := must[commands.SideTag](t)(s.make(s.alice, "gcc")); made.Name != "side-6-of-f1-build-gcc" || made.ID != 6 {
		t.Errorf("made %+v", made)
	}
	for _, bad := range []string{"", "x-{tag_id}", "x-{basetag}", "{basetag}-{tag_id}-{user}"} {
		if err := (commands.SideTagConfig{NameTemplate: bad}).Validate(); err == nil {
			t.Errorf("the template %q is taken", bad)
		}
	}
	if err := commands.DefaultSideTagConfig().Validate(); err != nil {
		t.Error(err)
	}
}

func TestSideTagRepoRequest(t *testing.T) {
	t.Parallel()
	s := newSideTagSite(t)
	s.SideTag.RequestRepo = true
	made := must[commands.SideTag](t)(s.make(s.alice, ""))
	if r, _ := made.Request.(query.Row); r == nil || r["tag_id"] != made.ID {
		t.Errorf("the request is %v", made.Request)
	}
}

// TestEmptySideTag takes the last build out of side tags and of a tag that is none.
func TestEmptySideTag(t *testing.T) {
	t.Parallel()
	s := newSideTagSite(t)
	ctx := t.Context()
	build := query.Row{"id": int64(7), "nvr": "foo-1-1", "state": int64(1)}
	there := func(id int64) bool { return getTag(t, s.Service, id, nil) != nil }
	for _, remove := range []bool{false, true} {
		s.SideTag.RemoveEmpty = remove
		one, two := must[commands.SideTag](t)(s.make(s.alice, "")), must[commands.SideTag](t)(s.make(s.alice, ""))
		for _, id := range []int64{one.ID, two.ID, s.base} {
			if err := s.MassTag(ctx, admin, getTag(t, s.Service, id, nil), []int64{7, 8}); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.ChangeTags(ctx, commands.TagChange{Build: build, From: getTag(t, s.Service, one.ID, nil), User: s.alice.UserID}); err != nil {
			t.Fatal(err)
		}
		if !there(one.ID) {
			t.Fatal("a side tag that has a build is gone")
		}
		for _, id := range []int64{one.ID, two.ID, s.base} {
			for _, b := range []int64{7, 8} {
				if err := s.DropFromTag(ctx, admin, id, b); err != nil {
					t.Fatal(err)
				}
			}
		}
		if there(one.ID) == remove || there(two.ID) == remove || !there(s.base) {
			t.Errorf("remove_empty %v: side tags are there: %v %v, the base tag: %v", remove, there(one.ID), there(two.ID), there(s.base))
		}
		if target := must[query.Row](t)(tagmodel.Target(ctx, s.DB, tagmodel.Spec{Name: one.Name}, nil)); (target == nil) != remove {
			t.Errorf("remove_empty %v: the target is %v", remove, target)
		}
		for _, m := range []commands.SideTag{one, two} {
			if row := getTag(t, s.Service, m.ID, nil); row != nil {
				if err := s.RemoveSideTag(ctx, s.alice, row); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

func TestEditSideTag(t *testing.T) {
	t.Parallel()
	s := newSideTagSite(t)
	ctx := t.Context()
	made := must[commands.SideTag](t)(s.make(s.alice, ""))
	yes := true
	edit := func(a commands.Actor, in commands.EditSideTag) error {
		return s.EditSideTag(ctx, a, getTag(t, s.Service, made.ID, nil), in)
	}
	allow := func(extra map[string]string) {
		set := map[string]json.RawMessage{}
		for k, v := range extra {
			set[k] = json.RawMessage(v)
		}
		if err := s.EditTag(ctx, admin, s.base, commands.EditTag{SetExtra: set}); err != nil {
			t.Fatal(err)
		}
	}
	macros := commands.EditSideTag{Macros: map[string]any{"dist": ".st", "with_x": int64(1)}}
	wantFault(t, edit(s.alice, commands.EditSideTag{Debuginfo: &yes}), fault.Generic)
	wantFault(t, edit(s.alice, macros), fault.Generic)
	for _, wrong := range []string{"true", "5", `[1]`, `{}`, `""`, `null`} {
		allow(map[string]string{"sidetag_rpm_macros_allowed": wrong})
		wantFault(t, edit(s.alice, macros), fault.Generic)
	}
	allow(map[string]string{"sidetag_debuginfo_allowed": "1", "sidetag_rpm_macros_allowed": `"dist with_*"`})
	for _, c := range []struct {
		what string
		in   commands.EditSideTag
		who  commands.Actor
		code fault.Code
	}{
		{"a macro that is not allowed", commands.EditSideTag{Macros: map[string]any{"vendor": "x"}}, s.alice, fault.Generic},
		{"a macro without a name", commands.EditSideTag{Macros: map[string]any{"": "x"}}, s.alice, fault.Generic},
		{"no struct", commands.EditSideTag{Macros: "dist"}, s.alice, fault.Parameter},
		{"no list", commands.EditSideTag{RemoveMacros: "dist"}, s.alice, fault.Parameter},
		{"the removal of a macro that is not allowed", commands.EditSideTag{RemoveMacros: []any{"vendor"}}, s.alice, fault.Generic},
		{"the removal of a macro that is not set", commands.EditSideTag{RemoveMacros: []any{"dist"}}, s.alice, fault.Generic},
		{"extra without the permission", commands.EditSideTag{SetExtra: map[string]json.RawMessage{"a": json.RawMessage("1")}}, s.alice, fault.Generic},
		{"another's side tag", commands.EditSideTag{Debuginfo: &yes}, s.bob, fault.ActionNotAllowed},
		{"set and removed", commands.EditSideTag{Macros: map[string]any{"dist": "x"}, RemoveMacros: []any{"dist"}}, s.alice, fault.Generic},
	} {
		if err := edit(c.who, c.in); !fault.Is(err, c.code) {
			t.Errorf("%s: %v, want a fault %d", c.what, err, c.code)
		}
	}
	macros.Debuginfo = &yes
	for _, err := range []error{edit(s.alice, macros), edit(s.alice, commands.EditSideTag{RemoveMacros: []any{"with_x"}}),
		edit(admin, commands.EditSideTag{SetExtra: map[string]json.RawMessage{"a": json.RawMessage("1")}})} {
		if err != nil {
			t.Fatal(err)
		}
	}
	extra := getTag(t, s.Service, made.ID, nil)["extra"].(map[string]any)
	for _, k := range []string{"sidetag", "sidetag_user", "sidetag_user_id"} {
		delete(extra, k)
	}
	if got := fmt.Sprint(extra); got != "map[a:1 rpm.macro.dist:.st with_debuginfo:true]" {
		t.Errorf("its extra settings are %s", got)
	}
	if err := s.GrantPermission(ctx, admin, s.alice.UserID, must[int64](t)(s.DefinePermission(ctx, admin, "sidetag_admin", "")), "sidetag_admin"); err != nil {
		t.Fatal(err)
	}
	if err := edit(s.alice, commands.EditSideTag{RemoveExtra: []string{"a"}}); err != nil {
		t.Errorf("with the permission: %v", err)
	}
	if err := s.SetInheritance(ctx, admin, made.ID, nil, true); err != nil {
		t.Fatal(err)
	}
	wantFault(t, edit(s.alice, commands.EditSideTag{}), fault.Generic)
}

// TestSideTagOwnerRules asks the policy tag about the owner, another user and an administrator.
func TestSideTagOwnerRules(t *testing.T) {
	t.Parallel()
	s := newSideTagSite(t)
	ctx := t.Context()
	mine := must[commands.SideTag](t)(s.make(s.alice, ""))
	also := must[commands.SideTag](t)(s.make(s.alice, ""))
	for _, c := range []struct {
		op       string
		tag      any
		fromtag  any
		user     int64
		expected bool
	}{
		{"tag", mine.ID, nil, s.alice.UserID, true}, {"tag", mine.ID, nil, s.bob.UserID, false}, {"tag", mine.ID, nil, admin.UserID, true},
		{"tag", s.base, nil, s.alice.UserID, false}, {"tag", nil, nil, s.alice.UserID, false},
		{"untag", nil, mine.Name, s.alice.UserID, true}, {"untag", nil, mine.ID, s.bob.UserID, false},
		{"move", mine.ID, also.ID, s.alice.UserID, true}, {"move", mine.ID, s.base, s.alice.UserID, false}, {"move", s.base, mine.ID, s.alice.UserID, false},
	} {
		r, err := s.CheckPolicy(ctx, commands.Actor{}, "tag", map[string]any{"operation": c.op, "tag": c.tag, "fromtag": c.fromtag, "user_id": c.user}, "deny")
		if err != nil || r.Allowed != c.expected {
			t.Errorf("%+v: %+v %v", c, r, err)
		}
	}
	file, err := policy.ReadFile(strings.NewReader("[policy]\ntag =\n is_sidetag_owner mine :: allow\nbuild_rpm =\n is_sidetag_owner tag fromtag :: allow\nvm =\n is_sidetag && match x y :: allow\n is_sidetag :: deny\n all :: allow\n"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.LoadPolicies(ctx, file); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"tag", "build_rpm"} {
		_, err := s.CheckPolicy(ctx, commands.Actor{}, name, map[string]any{"tag": mine.ID, "user_id": s.alice.UserID}, "deny")
		wantFault(t, err, fault.Generic)
	}
	for id, want := range map[int64]bool{mine.ID: false, s.base: true} {
		if r, err := s.CheckPolicy(ctx, commands.Actor{}, "vm", map[string]any{"tag": id}, "deny"); r.Allowed != want || err != nil {
			t.Errorf("is_sidetag of %d: %+v %v", id, r, err)
		}
	}
}

func TestSideTagOfNobody(t *testing.T) {
	t.Parallel()
	s := newSideTagSite(t)
	_, err := s.make(commands.Actor{UserID: 999}, "")
	wantFault(t, err, fault.Generic)
	// what only looks like a side tag is no trouble to those who list them
	if _, err := s.CreateTag(t.Context(), admin, commands.CreateTag{Name: "odd", Settings: events.TagSettings{},
		Extra: map[string]json.RawMessage{"sidetag": json.RawMessage("true"), "sidetag_user_id": json.RawMessage(`"x"`)}}); err != nil {
		t.Fatal(err)
	}
	if got := s.names(tagmodel.SideTagFilter{}); got != "odd(%!s(<nil>))" {
		t.Errorf("side tags: %s", got)
	}
}
