package external_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"moromi/internal/rpm/rpmtest"
	"moromi/repoprojector/external"
	"moromi/repoprojector/repodata"
)

// merged is what a merged repository says, in an order of its own: its packages with place and files, and the origins.
type merged struct{ packages, files, changes, origins []string }

// TestMergeAsMergerepo merges random repositories here and with mergerepo_c, called as kojid does.
func TestMergeAsMergerepo(t *testing.T) {
	t.Parallel()
	bin, err := exec.LookPath("mergerepo_c")
	if err != nil {
		t.Skip("mergerepo_c is not installed")
	}
	for seed := range uint64(10) {
		for mode, args := range map[external.Mode][]string{external.Koji: {"--koji"}, external.Simple: {"--koji", "--simple"}, external.Bare: {"--pkgorigins", "--all"}} {
			t.Run(fmt.Sprintf("%s %d", mode, seed), func(t *testing.T) {
				t.Parallel()
				r := rand.New(rand.NewPCG(seed, 7))
				arch := []string{"x86_64", "x86_64", "x86_64", "i386", "src", "s390x", "aarch64", "ppc64"}[r.IntN(8)]
				var blocked, dirs []string
				for _, n := range []string{"alpha", "beta-x", "gamma"} {
					if r.IntN(4) == 0 {
						blocked = append(blocked, n)
					}
				}
				for range 2 + r.IntN(3) {
					dir := t.TempDir()
					writeRepo(t, dir, repodata.Gzip, randomSpecs(r, mode)...)
					dirs = append(dirs, dir)
				}
				want := mergerepo(t, bin, args, arch, blocked, dirs, mode)
				got := mergeHere(t, mode, arch, blocked, dirs)
				if d := cmp.Diff(want, got, cmp.AllowUnexported(merged{})); d != "" {
					t.Errorf("arch %s, blocked %q (- mergerepo_c, + ours)\n%s", arch, blocked, d)
				}
			})
		}
	}
}

// TestMergeEpochs merges repositories that have a package of the same name, version, release and architecture with another epoch, as mergerepo_c does: Koji's
// modes take it for the same package, of which the first counts, but for simple ones; bare takes it for another.
func TestMergeEpochs(t *testing.T) {
	t.Parallel()
	bin, err := exec.LookPath("mergerepo_c")
	if err != nil {
		t.Skip("mergerepo_c is not installed")
	}
	with := func(name string, epoch int) rpmtest.Spec {
		s := spec(name, "1", "x86_64", "")
		s.SourceRPM, s.Epoch = "alpha-1-1.src.rpm", &epoch
		return s
	}
	none := spec("alpha", "1", "x86_64", "")
	none.SourceRPM = "alpha-1-1.src.rpm"
	for name, tt := range map[string]struct {
		repos [][]rpmtest.Spec
		want  map[external.Mode]int
	}{
		"the higher one last":  {[][]rpmtest.Spec{{with("alpha", 0)}, {with("alpha", 1)}}, map[external.Mode]int{external.Koji: 1, external.Simple: 2, external.Bare: 2}},
		"the higher one first": {[][]rpmtest.Spec{{with("alpha", 2)}, {with("alpha", 1)}}, map[external.Mode]int{external.Koji: 1, external.Simple: 2, external.Bare: 2}},
		"none and 0":           {[][]rpmtest.Spec{{none}, {with("alpha", 0)}}, map[external.Mode]int{external.Koji: 1, external.Simple: 2, external.Bare: 1}},
		"three":                {[][]rpmtest.Spec{{with("alpha", 1)}, {none}, {with("alpha", 1), with("alpha-libs", 1)}}, map[external.Mode]int{external.Koji: 2, external.Simple: 4, external.Bare: 3}},
	} {
		for mode, args := range map[external.Mode][]string{external.Koji: {"--koji"}, external.Simple: {"--koji", "--simple"}, external.Bare: {"--pkgorigins", "--all"}} {
			t.Run(fmt.Sprintf("%s %s", name, mode), func(t *testing.T) {
				t.Parallel()
				var dirs []string
				for _, specs := range tt.repos {
					dir := t.TempDir()
					writeRepo(t, dir, repodata.Gzip, specs...)
					dirs = append(dirs, dir)
				}
				want, got := mergerepo(t, bin, args, "x86_64", nil, dirs, mode), mergeHere(t, mode, "x86_64", nil, dirs)
				if d := cmp.Diff(want, got, cmp.AllowUnexported(merged{})); d != "" {
					t.Errorf("(- mergerepo_c, + ours)\n%s", d)
				}
				if len(got.packages) != tt.want[mode] {
					t.Errorf("%d packages, want %d: %q", len(got.packages), tt.want[mode], got.packages)
				}
			})
		}
	}
}

// randomSpecs makes packages of a few names, so that repositories have much in common. mergerepo_c goes through a repository in an order of its own,
// so no two packages of one may stand for the same.
func randomSpecs(r *rand.Rand, mode external.Mode) []rpmtest.Spec {
	var out []rpmtest.Spec
	seen := map[string]bool{}
	for range r.IntN(40) {
		source := []string{"alpha", "beta-x", "gamma", "delta"}[r.IntN(4)]
		s := spec(source+[]string{"", "-libs", "-doc"}[r.IntN(3)], []string{"1", "1.0", "2", "10", "2~rc1"}[r.IntN(5)],
			[]string{"x86_64", "noarch", "i686", "s390x", "aarch64", "ia32e"}[r.IntN(6)], "")
		s.SourceRPM = fmt.Sprintf("%s-%s-1.src.rpm", source, s.Version)
		if r.IntN(4) == 0 { // another source package has had it
			s.SourceRPM = fmt.Sprintf("other%d-1-1.src.rpm", r.IntN(3))
		}
		s.License = fmt.Sprint(r.IntN(3)) // the same name and version, but another file
		if r.IntN(6) == 0 {
			s.Source, s.SourceRPM, s.Name = true, "", source
		}
		if r.IntN(2) == 0 {
			epoch := r.IntN(2)
			s.Epoch = &epoch
		}
		key := s.NEVRA().FileName() // without the epoch
		if seen[key] {
			continue
		}
		seen[key] = true
		out = append(out, s)
	}
	return out
}

func mergeHere(t *testing.T, mode external.Mode, arch string, blocked, dirs []string) merged {
	t.Helper()
	store := newStore(t)
	c, err := external.Open(openRoot(t, t.TempDir()), external.Options{Store: store})
	check(t, err)
	var repos []external.Repo
	for i, d := range dirs {
		u := "file://" + d + "/"
		content, err := c.Load(t.Context(), u)
		check(t, err)
		repos = append(repos, external.Repo{URL: u, Packages: slices.Clone(content.Packages)})
		if i > 0 {
			continue
		}
		for n := range repos[0].Packages { // the first is our own
			e := &repos[0].Packages[n].Entry
			f, err := os.Open(filepath.Join(d, e.Href))
			check(t, err)
			digest, err := store.Add(f)
			check(t, err)
			*e = repodata.Package{Digest: digest, Href: e.Href, Time: 1700000000}
			check(t, f.Close())
		}
	}
	m, err := external.Merge(mode, arch, blocked, repos)
	check(t, err)
	packages, err := repodata.NewPackages(m.Packages)
	check(t, err)
	w := repodata.NewWriter(store, repodata.Options{})
	dir := t.TempDir()
	_, err = w.Write(context.Background(), openRoot(t, dir), ".", repodata.Content{Packages: packages, Extra: m.Extra, Revision: time.Unix(1700000000, 0)})
	check(t, err)
	return readMerged(t, dir)
}

func mergerepo(t *testing.T, bin string, args []string, arch string, blocked, dirs []string, mode external.Mode) merged {
	t.Helper()
	out := t.TempDir()
	list := filepath.Join(out, "blocklist")
	check(t, os.WriteFile(list, []byte(strings.Join(blocked, "\n")+"\n"), 0o644))
	if mode != external.Bare {
		args = append(slices.Clone(args), "-b", list)
	}
	args = append(args, "-a", arch, "-o", out, "--arch-expand", "--no-database")
	for _, d := range dirs {
		args = append(args, "-r", "file://"+d+"/")
	}
	if b, err := exec.Command(bin, args...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	return readMerged(t, out)
}

// readMerged reads a repository as any XML reader would.
func readMerged(t *testing.T, dir string) merged {
	t.Helper()
	var m merged
	type entry struct {
		Name    string `xml:"name"`
		Arch    string `xml:"arch"`
		Version struct {
			Epoch string `xml:"epoch,attr"`
			Ver   string `xml:"ver,attr"`
			Rel   string `xml:"rel,attr"`
		} `xml:"version"`
		Checksum string `xml:"checksum"`
		Summary  string `xml:"summary"`
		Location struct {
			Base string `xml:"http://www.w3.org/XML/1998/namespace base,attr"`
			Href string `xml:"href,attr"`
		} `xml:"location"`
		Format struct {
			Source string   `xml:"http://linux.duke.edu/metadata/rpm sourcerpm"`
			Files  []string `xml:"file"`
		} `xml:"format"`
		ID      string   `xml:"pkgid,attr"`
		Files   []string `xml:"file"`
		Changes []string `xml:"changelog"`
	}
	read := func(part string) []entry {
		var doc struct {
			Count    string  `xml:"packages,attr"`
			Packages []entry `xml:"package"`
		}
		check(t, xml.Unmarshal(gunzip(t, metadata(t, dir, part)), &doc))
		return doc.Packages
	}
	for _, p := range read("-primary") {
		m.packages = append(m.packages, fmt.Sprint(p.Name, " ", p.Version, " ", p.Arch, " ", p.Checksum, " ", p.Summary, " ", p.Location.Base, " ", p.Location.Href, " ", p.Format))
	}
	for _, p := range read("-filelists") {
		m.files = append(m.files, fmt.Sprint(p.ID, p.Files))
	}
	for _, p := range read("-other") {
		m.changes = append(m.changes, fmt.Sprint(p.ID, p.Changes))
	}
	m.origins = strings.Split(string(gunzip(t, metadata(t, dir, "pkgorigins"))), "\n")
	for _, l := range [][]string{m.packages, m.files, m.changes, m.origins} {
		slices.Sort(l)
	}
	repomd, err := os.ReadFile(filepath.Join(dir, "repodata/repomd.xml"))
	check(t, err)
	if !bytes.Contains(repomd, []byte(`<data type="origin">`)) {
		t.Errorf("no origins in %s", repomd)
	}
	return m
}

func gunzip(t *testing.T, name string) []byte {
	t.Helper()
	f, err := os.Open(name)
	check(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	check(t, err)
	b, err := io.ReadAll(z)
	check(t, err)
	return b
}
