package repodata_test

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"moromi/repoprojector/repodata"
)

// wellFormed parses a whole file as XML.
func wellFormed(tb testing.TB, name, content string) {
	tb.Helper()
	d := xml.NewDecoder(strings.NewReader(content))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			tb.Errorf("%s is not XML: %v", name, err)
			return
		}
	}
}

func groups() []repodata.Group {
	return []repodata.Group{
		{Name: "srpm-build", DisplayName: "srpm-build", Description: "to make source packages", UserVisible: true,
			Packages: []repodata.GroupPackage{{Name: "shadow-utils", Type: "mandatory"}, {Name: "bash", Type: "default"}}},
		{Name: "build", DisplayName: "Build root", Description: "what every build needs", IsDefault: true, UserVisible: true, BiarchOnly: true,
			Packages: []repodata.GroupPackage{{Name: "gcc", Type: "optional", BasearchOnly: true}, {Name: "bash", Type: "mandatory"},
				{Name: "gcc-c++", Type: "conditional", RequiresOther: "gcc"}},
			Requires: []repodata.GroupRequire{{Name: "srpm-build", Type: "mandatory"}, {Name: "core"}, {Name: "nowhere", Type: "optional", IsMetapackage: true}}},
		{Name: "core", DisplayName: "core",
			Packages: []repodata.GroupPackage{{Name: "bash", Type: "mandatory"}, {Name: "filesystem", Type: "mandatory"}},
			Requires: []repodata.GroupRequire{{Name: "build"}, {Name: "srpm-build"}}},
		{Name: "empty", DisplayName: "empty"},
	}
}

// TestComps compares with what Koji's generate_comps gave for the same groups.
func TestComps(t *testing.T) {
	t.Parallel()
	for file, expand := range map[string]bool{"testdata/comps.xml": false, "testdata/comps-expanded.xml": true} {
		want, err := os.ReadFile(file)
		check(t, err)
		if got := repodata.Comps(groups(), expand); string(got) != string(want) {
			t.Errorf("%s\n got %s\nwant %s", file, got, want)
		}
	}
}

func TestCompsEscapes(t *testing.T) {
	t.Parallel()
	got := string(repodata.Comps([]repodata.Group{{Name: "a&b", DisplayName: "<x>", Description: "\"q\" \x01", UserVisible: true,
		Packages: []repodata.GroupPackage{{Name: "p<q", Type: "a\"b"}}, Requires: []repodata.GroupRequire{{Name: "x---y-"}}}}, true))
	wellFormed(t, "comps", got)
	for _, want := range []string{"<id>a&amp;b</id>", "<name>&lt;x&gt;</name>", `type="a&quot;b"`, "MISSING GROUP: x- - -y-"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
}
