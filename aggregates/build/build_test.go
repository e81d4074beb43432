package build

import (
	"fmt"
	"testing"

	"moromi/events"
	"moromi/internal/koji"
)

// fold applies events to a fresh build.
func fold(evs ...events.Event) *Build {
	b := &Build{}
	for _, e := range evs {
		b.Apply(e)
	}
	return b
}

func start(state koji.BuildState) events.BuildStart {
	task := int64(5)
	return events.BuildStart{ID: 1, PackageID: 1, Version: "1", Release: "1", State: int(state), TaskID: &task}
}

func many(n int) []events.RPM {
	out := make([]events.RPM, n)
	for i := range out {
		out[i] = events.RPM{ID: int64(i + 1), Name: fmt.Sprintf("texlive-collection-of-many-small-packages-%d", i), Version: "1", Release: "1", Arch: "noarch"}
	}
	return out
}

func TestBatches(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 100, 10000} {
		total := 0
		batches := Batches(many(n))
		for _, b := range batches {
			total += len(b)
		}
		if total != n || n <= 100 && len(batches) != 1 || n == 10000 && len(batches) < 2 {
			t.Errorf("%d rpms: %d in %d batches", n, total, len(batches))
		}
	}
}

// TestImportThatDidNotEnd has a hub die between two appends of an import: the next attempt takes back what the first left.
func TestImportThatDidNotEnd(t *testing.T) {
	t.Parallel()
	batches := Batches(many(5000))
	b := fold(events.BuildCreated{BuildStart: start(koji.BuildBuilding)})
	step := func(i int) {
		t.Helper()
		evs, err := b.Complete(batches[i], i, len(batches), 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range evs {
			b.Apply(e)
		}
	}
	step(0)
	if b.Empty() != true || b.Completable() != nil {
		t.Fatal("an import that did not end counts")
	}
	for i := range batches {
		step(i)
	}
	if len(b.rpms) != 5000 || b.state != koji.BuildComplete || b.Empty() {
		t.Errorf("%d rpms, state %s", len(b.rpms), b.state)
	}
	if _, err := b.Complete(batches[0], 0, len(batches), 0); err == nil {
		t.Error("completed twice")
	}
}

func TestStart(t *testing.T) {
	t.Parallel()
	created := events.BuildCreated{BuildStart: start(koji.BuildBuilding)}
	rpms := events.RPMsImported{BuildID: 1, RPMs: many(1)}
	other := start(koji.BuildBuilding)
	task := int64(6)
	other.TaskID = &task
	tests := []struct {
		name   string
		past   []events.Event
		in     events.BuildStart
		h      History
		events int
		bad    bool
	}{
		{name: "new", in: other, events: 1},
		{name: "the same task again", past: []events.Event{created}, in: start(koji.BuildBuilding)},
		{name: "another task", past: []events.Event{created}, in: other, bad: true},
		{name: "failed", past: []events.Event{created, events.BuildFailed{ID: 1}}, in: other, events: 1},
		{name: "canceled", past: []events.Event{created, events.BuildCanceled{ID: 1}}, in: other, events: 1},
		{name: "complete", past: []events.Event{created, events.BuildCompleted{ID: 1}}, in: other, bad: true},
		{name: "deleted", past: []events.Event{created, events.BuildCompleted{ID: 1}, events.BuildDeleted{ID: 1}}, in: other, bad: true},
		{name: "was tagged", past: []events.Event{created, events.BuildFailed{ID: 1}}, in: other, h: History{Tagged: true}, bad: true},
		{name: "has archives", past: []events.Event{created, events.ArchivesImported{BuildID: 1, Archives: []events.Archive{{ID: 1, Filename: "a"}}}, events.BuildFailed{ID: 1}}, in: other, bad: true},
		{name: "has rpms", past: []events.Event{created, rpms, events.BuildCanceled{ID: 1}}, in: other, bad: true},
		{name: "reset", past: []events.Event{created, rpms, events.BuildCompleted{ID: 1}, events.BuildReset{ID: 1}}, in: other, events: 1},
		{name: "import did not end", past: []events.Event{created, events.RPMsImported{BuildID: 1, Partial: true, RPMs: many(1)}, events.BuildFailed{ID: 1}}, in: other, events: 2},
		{name: "voided", past: []events.Event{events.BuildVoided{ID: 1}}, in: other, bad: true},
	}
	for _, test := range tests {
		evs, err := fold(test.past...).Start(test.in, "foo-1-1", test.h)
		if (err != nil) != test.bad || len(evs) != test.events {
			t.Errorf("%s: %v, %v", test.name, evs, err)
		}
	}
}

func TestSignOnce(t *testing.T) {
	t.Parallel()
	b := fold(events.BuildCreated{BuildStart: start(koji.BuildComplete)}, events.RPMsImported{BuildID: 1, RPMs: many(1)})
	evs, err := b.Sign(1, "f7bab53b", "aa")
	if err != nil || len(evs) != 1 {
		t.Fatalf("%v, %v", evs, err)
	}
	b.Apply(evs[0])
	if _, err := b.Sign(1, "f7bab53b", "bb"); err == nil {
		t.Error("a key signed twice")
	}
	if _, err := b.Sign(99, "f7bab53b", "aa"); err == nil {
		t.Error("signed an rpm that is not there")
	}
	if evs, err := b.RemoveSignatures(1, nil); err != nil || len(evs[0].(events.RPMSignaturesRemoved).SigKeys) != 1 {
		t.Errorf("%v, %v", evs, err)
	}
}
