package build

import (
	"slices"
	"strings"
	"testing"

	"moromi/events"
	"moromi/internal/fault"
	"moromi/internal/koji"
)

func file(id int64, dir, name string) events.Archive {
	return events.Archive{ID: id, TypeID: 1, BTypeID: TypeImage, Filename: name, Subdir: dir}
}

func TestAddArchives(t *testing.T) {
	t.Parallel()
	image := []events.Event{events.BuildCreated{BuildStart: start(koji.BuildComplete)}, events.BuildTyped{ID: 1, Type: TypeImage}}
	bare := file(2, "", "a")
	bare.MetadataOnly = true
	one := events.ArchivesImported{BuildID: 1, Archives: []events.Archive{file(1, "", "a")}}
	draft := start(koji.BuildComplete)
	draft.Draft = true
	for _, test := range []struct {
		name string
		past []events.Event
		add  []events.Archive
		code fault.Code
	}{
		{"first", image, []events.Archive{file(1, "", "a")}, 0},
		{"two", image, []events.Archive{file(1, "", "a"), file(2, "x", "a")}, 0},
		{"the same place in one call", image, []events.Archive{file(1, "x", "a"), file(2, "x", "a")}, fault.Generic},
		{"the same place", append(slices.Clip(image), one), []events.Archive{file(2, "", "a")}, fault.Generic},
		{"without a file", append(slices.Clip(image), one), []events.Archive{bare}, 0},
		{"after a reset", append(slices.Clip(image), one, events.BuildReset{ID: 1}), []events.Archive{file(2, "", "a")}, fault.Generic},
		{"another type", image[:1], []events.Archive{file(1, "", "a")}, fault.Import},
		{"no build", nil, []events.Archive{file(1, "", "a")}, fault.Generic},
		{"draft", []events.Event{events.BuildCreated{BuildStart: draft}, image[1]}, []events.Archive{file(1, "", "a")}, fault.Generic},
		{"deleted", append(slices.Clip(image), events.BuildDeleted{ID: 1}), []events.Archive{file(1, "", "a")}, fault.Generic},
	} {
		evs, err := fold(test.past...).AddArchives(test.add...)
		if test.code == 0 && (err != nil || len(evs) != 1) || test.code != 0 && !fault.Is(err, test.code) {
			t.Errorf("%s: %v, %v, want code %d", test.name, evs, err, test.code)
		}
	}
}

// TestImportContent imports, once in one append and once in many, and after a hub that died between two of them.
func TestImportContent(t *testing.T) {
	t.Parallel()
	begin := start(koji.BuildBuilding)
	begin.TaskID = nil
	generator := int64(3)
	begin.ContentGeneratorID = &generator
	content := func(archives int) Content {
		c := Content{Start: &begin, Name: "foo-1-1", Generator: generator, Types: []int64{TypeRPM, TypeImage}, Maven: &events.MavenInfo{GroupID: "g"}, RPMs: many(3),
			Roots: []events.Event{events.ExternalBuildrootCreated{ID: 1}}, Done: events.BuildImported{ID: 1, Owner: 5, VolumeID: 2}}
		for i := range archives {
			c.Archives = append(c.Archives, file(int64(i+1), strings.Repeat("x", i%200), strings.Repeat("y", 1+i/200)))
		}
		return c
	}
	appends := func(b *Build, c Content) [][]events.Event {
		t.Helper()
		evs, err := b.ImportContent(c)
		if err != nil {
			t.Fatal(err)
		}
		parts, err := Appends(evs)
		if err != nil {
			t.Fatal(err)
		}
		return parts
	}
	apply := func(b *Build, parts ...[]events.Event) {
		for _, p := range parts {
			for _, e := range p {
				b.Apply(e)
			}
		}
	}
	small := fold()
	if parts := appends(small, content(2)); len(parts) != 1 {
		t.Errorf("a small import takes %d appends", len(parts))
	}
	large := fold()
	parts := appends(large, content(9000))
	if len(parts) < 3 {
		t.Fatalf("a large import takes %d appends", len(parts))
	}
	if len(large.archives) != 0 || large.exists {
		t.Error("deciding changed the build")
	}
	apply(large, parts[:2]...)
	if !large.Building() || !large.Empty() {
		t.Error("an import that did not end counts")
	}
	large.Apply(events.BuildFailed{ID: 1})
	parts = appends(large, content(9000))
	apply(large, parts...)
	if large.state != koji.BuildComplete || len(large.archives) != 9000 || len(large.rpms) != 3 || large.volume != 2 || large.owner != 5 || !large.HasType(TypeMaven) || large.Empty() {
		t.Errorf("state %s, %d archives, %d rpms, types %v", large.state, len(large.archives), len(large.rpms), large.types)
	}
	if _, err := large.ImportContent(content(1)); !fault.Is(err, fault.Generic) {
		t.Errorf("imported twice: %v", err)
	}
	reserved := content(1)
	reserved.Start = nil
	if _, err := fold(events.BuildCreated{BuildStart: begin}).ImportContent(reserved); err != nil {
		t.Errorf("reserved: %v", err)
	}
	reserved.Generator = 4
	if _, err := fold(events.BuildCreated{BuildStart: begin}).ImportContent(reserved); !fault.Is(err, fault.Generic) {
		t.Errorf("reserved by another: %v", err)
	}
}

func TestBuildTypes(t *testing.T) {
	t.Parallel()
	b := fold(events.BuildCreated{BuildStart: start(koji.BuildComplete)})
	info := events.MavenInfo{GroupID: "g", ArtifactID: "a", Version: "1"}
	evs, err := b.SetMaven(info)
	if err != nil || len(evs) != 2 {
		t.Fatalf("%v, %v", evs, err)
	}
	for _, e := range evs {
		b.Apply(e)
	}
	if evs, err := b.SetMaven(info); err != nil || len(evs) != 0 {
		t.Errorf("again: %v, %v", evs, err)
	}
	for i := range 3 {
		other := info
		*[]*string{&other.GroupID, &other.ArtifactID, &other.Version}[i] = "z"
		if _, err := b.SetMaven(other); !fault.Is(err, fault.Build) {
			t.Errorf("%+v: %v", other, err)
		}
	}
}
