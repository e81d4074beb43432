package conformance_test

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// differsFile lists the steps that are known to differ from the recordings, with the reason: "recording:step reason".
const differsFile = "testdata/differs.txt"

// TestRecordings replays every recording on a hub of its own. A step must answer as recorded, unless it is listed as known to differ; a listed
// step must differ, so that the list stays true. With -update the list is rewritten: a reason that stands there stays, a new step gets how it
// differs.
func TestRecordings(t *testing.T) {
	t.Parallel()
	known := readDiffers(t)
	params, fixtures := paramNames(t), readFixtures(t)
	files, err := filepath.Glob("testdata/recordings/*.jsonl")
	if err != nil || len(files) == 0 {
		t.Fatal("no recordings", err)
	}
	found := &outcomes{differ: map[string]string{}}
	t.Run("files", func(t *testing.T) { // ends when all of them have
		for _, file := range files {
			name := strings.TrimSuffix(filepath.Base(file), ".jsonl")
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				policy := strings.TrimSuffix(file, ".jsonl") + ".policy"
				if _, err := os.Stat(policy); err != nil {
					policy = ""
				}
				r := newReplay(newSite(t, policy), params, fixtures)
				compared, same := 0, 0
				for _, s := range readRecording(t, file) {
					if dir := madeBefore(name, s.Step); dir != "" {
						r.site.makeDir(dir)
					}
					difference := r.play(s)
					found.note(fmt.Sprintf("%s:%03d", name, s.Step), s.Method, difference)
					if !s.Withheld {
						compared++
					}
					if !s.Withheld && difference == "" {
						same++
					}
				}
				t.Logf("%d of %d steps are the same", same, compared)
			})
		}
	})
	if t.Failed() {
		return
	}
	if updating() {
		writeDiffers(t, known, found.differ)
		return
	}
	found.check(t, known)
}

// madeBefore gives the directory of the topdir that was made by hand before a step was recorded, empty if there was none.
func madeBefore(recording string, step int) string {
	if recording == "12_drafts_volumes" && step == 8 {
		return "vol/vol1"
	}
	return ""
}

// outcomes are the differing steps of all recordings. It is safe for concurrent use.
type outcomes struct {
	mu     sync.Mutex
	differ map[string]string // step → how
}

func (o *outcomes) note(step, method, difference string) {
	if difference == "" {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.differ[step] = method + " " + difference
}

func (o *outcomes) check(t *testing.T, known map[string]string) {
	t.Helper()
	for _, step := range slices.Sorted(maps.Keys(o.differ)) {
		if _, ok := known[step]; !ok {
			t.Errorf("%s differs: %s", step, o.differ[step])
		}
	}
	for _, step := range slices.Sorted(maps.Keys(known)) {
		if _, ok := o.differ[step]; !ok {
			t.Errorf("%s is the same now (or no step): take it off %s (%s)", step, differsFile, known[step])
		}
	}
}

// updating tells whether the test was started with -update.
func updating() bool {
	f := flag.Lookup("update")
	return f != nil && f.Value.String() == "true"
}

func TestMain(m *testing.M) {
	flag.Bool("update", false, "rewrite "+differsFile)
	flag.Parse()
	os.Exit(m.Run())
}

// readDiffers gives the known steps and their reasons.
func readDiffers(t *testing.T) map[string]string {
	t.Helper()
	b, err := os.ReadFile(differsFile)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]string{}
	for lines := bufio.NewScanner(bytes.NewReader(b)); lines.Scan(); {
		line := lines.Text()
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		step, reason, _ := strings.Cut(line, " ")
		if reason == "" {
			t.Errorf("%s: %s has no reason", differsFile, step)
		}
		if _, twice := known[step]; twice {
			t.Errorf("%s: %s is there twice", differsFile, step)
		}
		known[step] = reason
	}
	return known
}

func writeDiffers(t *testing.T, known, differ map[string]string) {
	t.Helper()
	var b bytes.Buffer
	b.WriteString("# Steps of the recordings that this hub is known to answer otherwise: recording:step, and why.\n# `go test -update` rewrites the list.\n")
	for _, step := range slices.Sorted(maps.Keys(differ)) {
		reason := known[step]
		if reason == "" {
			reason = strings.Join(strings.Fields(differ[step]), " ")
		}
		fmt.Fprintf(&b, "%s %s\n", step, reason)
	}
	if err := os.WriteFile(differsFile, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}
