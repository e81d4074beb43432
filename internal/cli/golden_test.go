package cli

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestGolden runs the command lines of testdata/commands.txt against a hub with recorded answers. The golden files were
// compared with what Koji's own command line prints for the same answers; run with -update after a wanted change.
func TestGolden(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/commands.txt")
	if err != nil {
		t.Fatal(err)
	}
	update := flag.Lookup("update").Value.String() == "true"
	seen := map[string]bool{}
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		name := fileName(line)
		if seen[name] {
			t.Fatalf("two command lines have the golden file %s", name)
		}
		seen[name] = true
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newFakeHub(t)
			r := h.run(t, strings.Fields(line)...)
			got := fmt.Sprintf("$ moromi %s\n%s-- standard error --\n%s-- exit status %d --\n-- calls --\n%s\n", line, r.out, r.err, r.status, strings.Join(h.calls, "\n"))
			golden := filepath.Join("testdata", "golden", name+".txt")
			if update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), got); d != "" {
				t.Error(d)
			}
		})
	}
}

func fileName(line string) string {
	return strings.Trim(regexp.MustCompile(`[^A-Za-z0-9]+`).ReplaceAllString(line, "-"), "-")
}

func TestMain(m *testing.M) {
	flag.Bool("update", false, "write the golden files anew")
	flag.Parse()
	os.Exit(m.Run())
}
