package conformance_test

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// divergences is where administrators read what is not as in Koji.
const divergences = "../../../docs/koji-divergences.md"

// TestDifferencesAreDocumented holds the table of the recorded steps that differ against the list that the replay keeps.
func TestDifferencesAreDocumented(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile(divergences)
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(doc), "\n## Recorded answers that differ\n")
	if !found {
		t.Fatal("the section is not there")
	}
	told := map[string]bool{}
	row := regexp.MustCompile(`(?m)^\| (\d\d_.*?) \|`)
	for _, r := range row.FindAllStringSubmatch(section, -1) {
		for part := range strings.SplitSeq(r[1], "; ") {
			name, steps, _ := strings.Cut(part, ": ")
			for text := range strings.SplitSeq(steps, ", ") {
				step, err := strconv.Atoi(text)
				if err != nil {
					t.Errorf("%s: %v", part, err)
				}
				id := fmt.Sprintf("%s:%03d", name, step)
				if told[id] {
					t.Errorf("%s is there twice", id)
				}
				told[id] = true
			}
		}
	}
	known := readDiffers(t)
	for _, id := range slices.Sorted(maps.Keys(known)) {
		if !told[id] {
			t.Errorf("%s differs (%s) and is not in the table", id, known[id])
		}
	}
	for _, id := range slices.Sorted(maps.Keys(told)) {
		if _, ok := known[id]; !ok {
			t.Errorf("%s is in the table and does not differ", id)
		}
	}
}
