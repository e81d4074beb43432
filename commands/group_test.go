package commands_test

import (
	"errors"
	"strings"
	"testing"

	"moromi/commands"
	"moromi/commands/commandtest"
	"moromi/events"
	"moromi/internal/fault"
	"moromi/projections/query"
	tagmodel "moromi/projections/tag"
)

// tagSite is a service with two tags: child inherits from parent.
type tagSite struct {
	*commands.Service
	t             *testing.T
	actor         commands.Actor
	parent, child query.Row
}

func newTagSite(t *testing.T) *tagSite {
	t.Helper()
	s := &tagSite{Service: commandtest.New(t), t: t, actor: commands.Actor{UserID: 1, Admin: true}}
	s.parent = s.tag("parent")
	s.child = s.tag("child", events.Inheritance{ParentID: s.parent["id"].(int64)})
	return s
}

func (s *tagSite) tag(name string, parents ...events.Inheritance) query.Row {
	s.t.Helper()
	id, err := s.CreateTag(s.t.Context(), s.actor, commands.CreateTag{Name: name, Parents: parents})
	s.ok(err)
	return query.Row{"id": id, "name": name}
}

func (s *tagSite) ok(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// refused wants Koji's generic fault.
func (s *tagSite) refused(what string, err error) {
	s.t.Helper()
	var f *fault.Error
	if !errors.As(err, &f) || f.Code != fault.Generic {
		s.t.Errorf("%s: got %v, want a fault with code %d", what, err, fault.Generic)
	}
}

// position is the last event that clients know.
func (s *tagSite) position() int64 {
	s.t.Helper()
	var at int64
	s.ok(s.DB.QueryRow(s.t.Context(), `select max(id) from events`).Scan(&at))
	return at
}

// groups shows a tag's groups as "name(packages;requirements)", a minus in front of what is blocked.
func (s *tagSite) groups(tag query.Row, event *int64, inherit, blocked bool) string {
	s.t.Helper()
	rows, err := tagmodel.TagGroups(s.t.Context(), s.DB, tag["id"].(int64), event, inherit, true, true, blocked)
	s.ok(err)
	var out []string
	for _, g := range rows {
		text := mark(g, "name") + "("
		for _, p := range g["packagelist"].([]query.Row) {
			text += mark(p, "package") + ":" + p["type"].(string) + " "
		}
		text = strings.TrimSpace(text) + ";"
		for _, r := range g["grouplist"].([]query.Row) {
			text += mark(r, "name")
		}
		out = append(out, text+")")
	}
	return strings.Join(out, " ")
}

func mark(r query.Row, key string) string {
	if r["blocked"].(bool) {
		return "-" + r[key].(string)
	}
	return r[key].(string)
}

func given[T comparable](v T) commands.Field[T] { return commands.Field[T]{Given: true, Value: &v} }

func TestGroups(t *testing.T) {
	t.Parallel()
	s := newTagSite(t)
	ctx := t.Context()
	add := func(tag query.Row, name string, block bool) query.Row {
		s.ok(s.ListGroup(ctx, s.actor, commands.TagGroup{Tag: tag, Group: name, Block: block}))
		id, err := s.CreateGroupName(ctx, s.actor, name)
		s.ok(err)
		return query.Row{"id": id, "name": name}
	}
	build, srpm := add(s.parent, "build", false), add(s.parent, "srpm-build", false)
	in := func(tag, group query.Row, block bool) commands.GroupEntry {
		return commands.GroupEntry{Tag: tag, Group: group, Block: block}
	}
	pkg := func(tag, group query.Row, name string, block bool) error {
		return s.ListGroupPackage(ctx, s.actor, commands.GroupPackage{GroupEntry: in(tag, group, block), Package: name})
	}
	need := func(tag, group, other query.Row, block bool) error {
		return s.ListGroupRequirement(ctx, s.actor, commands.GroupRequirement{GroupEntry: in(tag, group, block), Need: other})
	}
	s.ok(pkg(s.parent, build, "bash", false))
	s.ok(pkg(s.parent, build, "gcc", false))
	s.ok(pkg(s.parent, srpm, "rpm-build", false))
	s.ok(need(s.parent, build, srpm, false))
	first := s.position()

	const whole = "build(bash:mandatory gcc:mandatory;srpm-build) srpm-build(rpm-build:mandatory;)"
	for _, step := range []struct {
		name          string
		do            func() error
		parent, child string // the groups afterwards; "" is whole
	}{
		{"as made", func() error { return nil }, "", ""},
		{"the same again changes nothing", func() error { return pkg(s.parent, build, "bash", false) }, "", ""},
		{"block a package", func() error { return pkg(s.child, build, "gcc", true) }, "", "build(bash:mandatory;srpm-build) srpm-build(rpm-build:mandatory;)"},
		{"add to an inherited group", func() error { return pkg(s.child, build, "make", false) }, "",
			"build(make:mandatory bash:mandatory;srpm-build) srpm-build(rpm-build:mandatory;)"},
		{"block a group", func() error { add(s.child, "srpm-build", true); return nil }, "", "build(make:mandatory bash:mandatory;)"},
		{"unblock the group", func() error { return s.UnblockGroup(ctx, s.actor, s.child, srpm) }, "",
			"build(make:mandatory bash:mandatory;srpm-build) srpm-build(rpm-build:mandatory;)"},
		{"block a requirement", func() error { return need(s.child, build, srpm, true) }, "",
			"build(make:mandatory bash:mandatory;) srpm-build(rpm-build:mandatory;)"},
		{"unblock both", func() error {
			return errors.Join(s.UnblockGroupRequirement(ctx, s.actor, in(s.child, build, false), srpm),
				s.UnblockGroupPackage(ctx, s.actor, in(s.child, build, false), "gcc"))
		}, "", "build(make:mandatory bash:mandatory gcc:mandatory;srpm-build) srpm-build(rpm-build:mandatory;)"},
		{"change a package", func() error {
			return s.ListGroupPackage(ctx, s.actor, commands.GroupPackage{GroupEntry: in(s.child, build, false), Package: "bash", Type: given("optional")})
		}, "", "build(make:mandatory bash:optional gcc:mandatory;srpm-build) srpm-build(rpm-build:mandatory;)"},
		{"remove the child's own entries", func() error {
			return errors.Join(s.RemoveGroupPackage(ctx, s.actor, in(s.child, build, false), "bash"),
				s.RemoveGroupPackage(ctx, s.actor, in(s.child, build, false), "make"), s.RemoveGroupPackage(ctx, s.actor, in(s.child, build, false), "make"))
		}, "", ""},
		{"remove a group", func() error { return s.RemoveGroup(ctx, s.actor, s.parent, srpm, false) },
			"build(bash:mandatory gcc:mandatory;)", "build(bash:mandatory gcc:mandatory;)"},
		{"what was in it counts again with it", func() error { add(s.parent, "srpm-build", false); return nil }, "", ""},
	} {
		s.ok(step.do())
		for _, w := range []struct {
			tag  query.Row
			want string
		}{{s.parent, step.parent}, {s.child, step.child}} {
			if w.want == "" {
				w.want = whole
			}
			if got := s.groups(w.tag, nil, true, false); got != w.want {
				t.Errorf("%s: %s has\n%s, want\n%s", step.name, w.tag["name"], got, w.want)
			}
		}
	}
	if got := s.groups(s.child, &first, true, false); got != whole {
		t.Errorf("as of event %d: %s, want %s", first, got, whole)
	}
	if got := s.groups(s.child, nil, false, true); got != "" {
		t.Errorf("without inheritance: %s, want nothing", got)
	}
}

func TestGroupsBlockedShown(t *testing.T) {
	t.Parallel()
	s := newTagSite(t)
	ctx := t.Context()
	s.ok(s.ListGroup(ctx, s.actor, commands.TagGroup{Tag: s.parent, Group: "build", Description: given("for builds"), IsDefault: given(true)}))
	id, err := s.CreateGroupName(ctx, s.actor, "build")
	s.ok(err)
	build := query.Row{"id": id, "name": "build"}
	entry := commands.GroupEntry{Tag: s.child, Group: build, Block: true}
	s.ok(s.ListGroupPackage(ctx, s.actor, commands.GroupPackage{GroupEntry: entry, Package: "bash"}))
	if got, want := s.groups(s.child, nil, true, true), "build(-bash:mandatory;)"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	s.ok(s.ListGroup(ctx, s.actor, commands.TagGroup{Tag: s.child, Group: "build", Block: true}))
	if got, want := s.groups(s.child, nil, true, true), "-build(;)"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	// blocking copies what was inherited
	rows, err := tagmodel.TagGroups(ctx, s.DB, s.child["id"].(int64), nil, true, false, false, true)
	s.ok(err)
	for key, want := range map[string]any{"description": "for builds", "is_default": true, "display_name": "build", "exported": true,
		"uservisible": true, "biarchonly": false, "langonly": nil, "tag_id": s.child["id"], "group_id": id} {
		if rows[0][key] != want {
			t.Errorf("%s is %v, want %v", key, rows[0][key], want)
		}
	}
	if _, there := rows[0]["packagelist"]; there {
		t.Error("there is a packagelist that was not asked for")
	}
}

func TestGroupFaults(t *testing.T) {
	t.Parallel()
	s := newTagSite(t)
	ctx := t.Context()
	s.ok(s.ListGroup(ctx, s.actor, commands.TagGroup{Tag: s.parent, Group: "build"}))
	var ids []int64
	for _, n := range []string{"build", "other"} {
		id, err := s.CreateGroupName(ctx, s.actor, n)
		s.ok(err)
		ids = append(ids, id)
	}
	build, other := query.Row{"id": ids[0], "name": "build"}, query.Row{"id": ids[1], "name": "other"}
	s.ok(s.ListGroup(ctx, s.actor, commands.TagGroup{Tag: s.child, Group: "build", Block: true}))
	here, absent := commands.GroupEntry{Tag: s.parent, Group: build}, commands.GroupEntry{Tag: s.parent, Group: other}
	s.refused("add a blocked group", s.ListGroup(ctx, s.actor, commands.TagGroup{Tag: s.child, Group: "build"}))
	s.refused("package of a blocked group", s.ListGroupPackage(ctx, s.actor, commands.GroupPackage{GroupEntry: commands.GroupEntry{Tag: s.child, Group: build}, Package: "p"}))
	s.refused("package of an absent group", s.ListGroupPackage(ctx, s.actor, commands.GroupPackage{GroupEntry: absent, Package: "p"}))
	s.refused("requirement of an absent group", s.ListGroupRequirement(ctx, s.actor, commands.GroupRequirement{GroupEntry: absent, Need: build}))
	s.refused("remove an absent group", s.RemoveGroup(ctx, s.actor, s.parent, other, false))
	s.refused("unblock a group that is not blocked", s.UnblockGroup(ctx, s.actor, s.parent, build))
	s.refused("unblock an absent package", s.UnblockGroupPackage(ctx, s.actor, here, "p"))
	s.refused("unblock an absent requirement", s.UnblockGroupRequirement(ctx, s.actor, here, other))
	s.ok(s.RemoveGroup(ctx, s.actor, s.parent, other, true))
	s.ok(s.ListGroup(ctx, s.actor, commands.TagGroup{Tag: s.child, Group: "build", Force: true}))
	if got := s.groups(s.child, nil, true, false); got != "build(;)" {
		t.Errorf("forced: %s", got)
	}
}

func TestDeletedTagHasNoGroups(t *testing.T) {
	t.Parallel()
	s := newTagSite(t)
	s.ok(s.ListGroup(t.Context(), s.actor, commands.TagGroup{Tag: s.parent, Group: "build"}))
	at := s.position()
	s.ok(s.DeleteTag(t.Context(), s.actor, s.parent["id"].(int64)))
	if got := s.groups(s.child, nil, true, true); got != "" {
		t.Errorf("child has %s", got)
	}
	if got := s.groups(s.child, &at, true, true); got != "build(;)" {
		t.Errorf("child had %s", got)
	}
}
