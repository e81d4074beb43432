package commands_test

import (
	"strings"
	"testing"

	"moromi/commands"
	"moromi/commands/commandtest"
	"moromi/internal/fault"
	"moromi/projections/query"
	tagmodel "moromi/projections/tag"
)

// TestRefusedListingsLeaveNoPackage lists packages that are new in ways that are refused: nobody may know of them afterwards.
func TestRefusedListingsLeaveNoPackage(t *testing.T) {
	t.Parallel()
	s := commandtest.New(t)
	tag := getTag(t, s, newTag(t, s, "dist"), nil)
	owner, arches := int64(1), "b@d"
	for _, c := range []struct {
		why string
		in  commands.ListPackage
	}{
		{"no owner", commands.ListPackage{Package: "one"}},
		{"no such arch", commands.ListPackage{Package: "two", Owner: &owner, ExtraArches: &arches}},
		{"nothing to update", commands.ListPackage{Package: "three", Owner: &owner, Update: true}},
		{"a line end in the name", commands.ListPackage{Package: "fo\nur", Owner: &owner}},
		{"a name without end", commands.ListPackage{Package: strings.Repeat("x", 257), Owner: &owner}},
	} {
		c.in.Tag = tag
		if err := s.ListPackage(t.Context(), admin, c.in); !fault.Is(err, fault.Generic) {
			t.Errorf("%s: %v", c.why, err)
		}
	}
	all, err := tagmodel.Packages(t.Context(), s.DB, "", query.Opts{})
	if rows, ok := all.([]query.Row); err != nil || !ok || len(rows) != 0 {
		t.Errorf("packages %v %v, want none", all, err)
	}
	// Koji takes names here that builds may not have
	if err := s.ListPackage(t.Context(), admin, commands.ListPackage{Tag: tag, Package: "odd name", Owner: &owner}); err != nil {
		t.Fatal(err)
	}
	p, err := tagmodel.PackageByName(t.Context(), s.DB, "odd name")
	if err != nil || p == nil {
		t.Fatal(p, err)
	}
	if id := must[int64](t)(s.EnsurePackage(t.Context(), admin, "odd name")); id != p["id"] {
		t.Errorf("the package is %v and then %d", p["id"], id)
	}
	wantFault(t, func() error {
		_, err := s.CreateBuild(t.Context(), admin, commands.NewBuild{Name: "odd name", Version: "1", Release: "1", Owner: 1})
		return err
	}(), fault.Generic)
}
