package commands_test

import (
	"fmt"
	"strings"
	"testing"

	"moromi/commands"
	"moromi/projections/query"
	tagmodel "moromi/projections/tag"
)

func TestTargets(t *testing.T) {
	t.Parallel()
	s := newTagSite(t)
	ctx := t.Context()
	build, dest := s.parent["id"].(int64), s.child["id"].(int64)
	id, err := s.CreateTarget(ctx, s.actor, commands.Target{Name: "tg", BuildTag: build, DestTag: dest})
	s.ok(err)
	other, err := s.CreateTarget(ctx, s.actor, commands.Target{Name: "other", BuildTag: dest, DestTag: dest})
	s.ok(err)
	at := s.position()
	_, err = s.CreateTarget(ctx, s.actor, commands.Target{Name: "tg", BuildTag: build, DestTag: dest})
	s.refused("a name that is taken", err)
	_, err = s.CreateTarget(ctx, s.actor, commands.Target{Name: "", BuildTag: build, DestTag: dest})
	s.refused("no name", err)
	s.refused("rename to a name that is taken", s.EditTarget(ctx, s.actor, id, commands.Target{Name: "other", BuildTag: build, DestTag: dest}))
	s.ok(s.EditTarget(ctx, s.actor, id, commands.Target{Name: "new", BuildTag: dest, DestTag: build}))
	s.ok(s.DeleteTarget(ctx, s.actor, other))
	s.ok(s.DeleteTarget(ctx, s.actor, other))
	s.refused("edit a deleted target", s.EditTarget(ctx, s.actor, other, commands.Target{Name: "other", BuildTag: build, DestTag: dest}))

	for _, c := range []struct {
		name  string
		f     tagmodel.TargetFilter
		event *int64
		want  string
	}{
		{"all", tagmodel.TargetFilter{}, nil, "new:child>parent"},
		{"all at once", tagmodel.TargetFilter{}, &at, "new:parent>child other:child>child"},
		{"by name", tagmodel.TargetFilter{Name: "other"}, &at, "other:child>child"},
		{"by id", tagmodel.TargetFilter{ID: id}, nil, "new:child>parent"},
		{"by build tag", tagmodel.TargetFilter{BuildTag: &build}, &at, "new:parent>child"},
		{"by destination", tagmodel.TargetFilter{DestTag: &dest}, nil, ""},
	} {
		rows, err := tagmodel.Targets(ctx, s.DB, c.f, c.event, query.Opts{})
		s.ok(err)
		var got []string
		for _, r := range rows.([]query.Row) {
			got = append(got, fmt.Sprintf("%s:%s>%s", r["name"], r["build_tag_name"], r["dest_tag_name"]))
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v, want %s", c.name, got, c.want)
		}
	}
	again, err := s.CreateTarget(ctx, s.actor, commands.Target{Name: "other", BuildTag: build, DestTag: dest})
	s.ok(err)
	if again != other {
		t.Errorf("made again, the target has id %d, want %d", again, other)
	}
	s.ok(s.DeleteTag(ctx, s.actor, build))
	rows, err := tagmodel.Targets(ctx, s.DB, tagmodel.TargetFilter{}, nil, query.Opts{CountOnly: true})
	s.ok(err)
	if rows != int64(0) {
		t.Errorf("%v targets are left without their tag", rows)
	}
}
