package layout

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

// arrows says what each folder may import of this module, besides itself (docs/design.md, "The shape"). A folder that is not here may
// not exist. The most specific entry counts.
var arrows = map[string][]string{
	"events":            {},
	"events/storetest":  {"events", "internal"},
	"events/pgledger":   {"events", "internal"},
	"events/esdbledger": {"events", "internal"},
	"aggregates":        {"events", "internal/fault", "internal/koji", "internal/rpm"},
	"projections":       {"events", "internal", "migrations"},
	"commands":          {"aggregates", "events", "projections", "internal", "migrations"},
	"repoprojector":     {"events", "projections", "commands", "internal"},
	"builder":           {"internal"},
	"web":               {"aggregates", "commands", "events", "projections", "repoprojector", "internal"},
	"migrations":        {"internal"},
	"cmd":               {"aggregates", "builder", "commands", "events", "internal", "migrations", "projections", "repoprojector", "web"},
	"internal":          {"internal"},
	"internal/pgtest":   {"internal", "migrations"},
	"scripts":           {"internal"},
}

// testOnly are packages that only tests may import.
var testOnly = []string{"moromi/events/storetest", "moromi/events/esdbledger/testnode", "moromi/internal/pgtest", "moromi/internal/rpm/rpmtest", "moromi/commands/commandtest"}

type pkg struct {
	ImportPath string
	Imports    []string
}

func TestArrows(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Imports", "moromi/...")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	n := 0
	for dec := json.NewDecoder(out); ; n++ {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		checkPackage(t, p)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if n < len(arrows) {
		t.Errorf("go list named %d packages only", n)
	}
}

func checkPackage(t *testing.T, p pkg) {
	t.Helper()
	from := strings.TrimPrefix(p.ImportPath, "moromi/")
	folder, allowed, ok := rule(from)
	if !ok {
		t.Errorf("%s: no rule says what it may import", from)
		return
	}
	for _, imp := range p.Imports {
		to, ours := strings.CutPrefix(imp, "moromi/")
		if !ours || under(to, folder) {
			continue
		}
		fine := false
		for _, a := range allowed {
			fine = fine || under(to, a)
		}
		if !fine {
			t.Errorf("%s must not import %s", from, to)
		}
		for _, x := range testOnly {
			if imp == x && !serves(from) {
				t.Errorf("%s imports %s, which is for tests", from, to)
			}
		}
	}
}

// serves tells whether a package is for tests itself.
func serves(path string) bool {
	return strings.HasSuffix(path, "test") || strings.HasSuffix(path, "testnode")
}

// rule finds the most specific entry of arrows for a package.
func rule(path string) (folder string, allowed []string, ok bool) {
	for f, a := range arrows {
		if under(path, f) && len(f) >= len(folder) {
			folder, allowed, ok = f, a, true
		}
	}
	return folder, allowed, ok
}

func under(path, folder string) bool { return path == folder || strings.HasPrefix(path, folder+"/") }
