package createrepo_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"moromi/internal/rpm/rpmtest"
	"moromi/repoprojector/createrepo"
	"moromi/repoprojector/repodata"
)

func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// site is a directory of rpms.
type site struct {
	tb    testing.TB
	dir   string
	count int
}

func newSite(tb testing.TB) *site {
	tb.Helper()
	return &site{tb: tb, dir: tb.TempDir()}
}

// write puts an rpm into the directory; each file gets another time.
func (s *site) write(name string, data []byte) string {
	s.tb.Helper()
	path := filepath.Join(s.dir, name)
	check(s.tb, os.MkdirAll(filepath.Dir(path), 0o755))
	check(s.tb, os.WriteFile(path, data, 0o644))
	s.count++
	at := time.Unix(1720000000+int64(s.count), 0)
	check(s.tb, os.Chtimes(path, at, at))
	return name
}

// spec puts a made-up rpm where Koji would.
func (s *site) spec(x rpmtest.Spec) string {
	n := x.NEVRA()
	return s.write(fmt.Sprintf("packages/%s/%s/%s/%s/%s", n.Name, n.Version, n.Release, n.Arch, n.FileName()), x.Bytes())
}

// corpus puts n made-up rpms there, beside those that rpmbuild made.
func (s *site) corpus(n int) []string {
	s.tb.Helper()
	names, err := filepath.Glob("../../internal/rpm/testdata/*.rpm")
	check(s.tb, err)
	var out []string
	for _, name := range names {
		data, err := os.ReadFile(name)
		check(s.tb, err)
		out = append(out, s.write("fixture/"+filepath.Base(name), data))
	}
	c := rpmtest.NewCorpus(3)
	for i := range n {
		out = append(out, s.spec(c.Package(i, 0)))
	}
	return out
}

// list writes a package list.
func (s *site) list(names []string) string {
	s.tb.Helper()
	path := filepath.Join(s.tb.TempDir(), "pkglist")
	check(s.tb, os.WriteFile(path, []byte(strings.Join(names, "\n")+"\n"), 0o644))
	return path
}

// reference lets createrepo_c write a repository.
func (s *site) reference(args ...string) string {
	s.tb.Helper()
	bin, err := exec.LookPath("createrepo_c")
	if err != nil {
		s.tb.Skip("createrepo_c is not installed")
	}
	out := s.tb.TempDir()
	args = append([]string{"--quiet", "--no-database", "-o", out}, args...)
	if msg, err := exec.Command(bin, append(args, s.dir)...).CombinedOutput(); err != nil {
		s.tb.Fatalf("createrepo_c: %v\n%s", err, msg)
	}
	return out
}

// run writes a repository, and expects that all rpms can be read.
func (s *site) run(o createrepo.Options) (string, *createrepo.Report) {
	s.tb.Helper()
	o.Dir = s.dir
	if o.Output == "" {
		o.Output = s.tb.TempDir()
	}
	if o.Problem == nil {
		o.Problem = func(name string, err error) { s.tb.Errorf("%s: %v", name, err) }
	}
	rep, err := createrepo.Run(s.tb.Context(), o)
	check(s.tb, err)
	return o.Output, rep
}

type repomdFile struct {
	Type         string `xml:"type,attr"`
	Checksum     string `xml:"checksum"`
	OpenChecksum string `xml:"open-checksum"`
	Location     struct {
		Href string `xml:"href,attr"`
	} `xml:"location"`
	Timestamp string `xml:"timestamp"`
	Size      int    `xml:"size"`
	OpenSize  int    `xml:"open-size"`
}

type repomd struct {
	Revision string       `xml:"revision"`
	Tags     string       `xml:"tags"`
	Data     []repomdFile `xml:"data"`
}

func readIndex(tb testing.TB, dir string) repomd {
	tb.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, "repodata/repomd.xml"))
	check(tb, err)
	var md repomd
	check(tb, xml.Unmarshal(raw, &md))
	return md
}

// read reads every file of a repository uncompressed, by type, and holds repomd.xml to the files.
func read(tb testing.TB, dir string) map[string]string {
	tb.Helper()
	out := map[string]string{}
	for _, d := range readIndex(tb, dir).Data {
		b, err := os.ReadFile(filepath.Join(dir, d.Location.Href))
		check(tb, err)
		sum := sha256.Sum256(b)
		if hex.EncodeToString(sum[:]) != d.Checksum || len(b) != d.Size {
			tb.Errorf("%s: checksum or size differs from the file's", d.Type)
		}
		switch filepath.Ext(d.Location.Href) {
		case ".gz":
			z, err := gzip.NewReader(bytes.NewReader(b))
			check(tb, err)
			b, err = io.ReadAll(z)
			check(tb, err)
		case ".zst":
			z, err := zstd.NewReader(bytes.NewReader(b))
			check(tb, err)
			b, err = io.ReadAll(z)
			check(tb, err)
			z.Close()
		}
		if d.OpenChecksum != "" {
			sum := sha256.Sum256(b)
			if hex.EncodeToString(sum[:]) != d.OpenChecksum || len(b) != d.OpenSize {
				tb.Errorf("%s: open-checksum or open-size differs from the content's", d.Type)
			}
		}
		out[d.Type] = string(b)
	}
	return out
}

// equal compares two repositories, file by file and byte by byte. The compressed group file is named after its
// compression.
func equal(tb testing.TB, got, want string) {
	tb.Helper()
	a, b := read(tb, got), read(tb, want)
	for typ, x := range b {
		y, ok := a[typ]
		if !ok && typ == "group_gz" {
			y, ok = a["group_zst"]
		}
		if !ok {
			tb.Errorf("no %s", typ)
			continue
		}
		if x != y {
			i := 0
			for i < min(len(x), len(y)) && x[i] == y[i] {
				i++
			}
			tb.Errorf("%s differs at byte %d\n got …%s\nwant …%s", typ, i, around(y, i), around(x, i))
		}
	}
	if len(a) != len(b) {
		tb.Errorf("%d files, want %d", len(a), len(b))
	}
}

func around(s string, i int) string { return s[max(0, i-200):min(len(s), i+200)] }

// TestEqualsCreaterepo compares whole runs with createrepo_c's, option by option.
func TestEqualsCreaterepo(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	names := s.corpus(300)
	dup := rpmtest.NewCorpus(1).Package(7, 0).Bytes()
	for _, dir := range []string{"b", "b-1", "a", ".hidden"} { // the same file name in several directories
		names = append(names, s.write(dir+"/same-1-1.noarch.rpm", dup))
	}
	s.write("top-1-1.noarch.rpm", dup)
	s.write("not.an.rpm.txt", []byte("x"))
	check(t, os.Symlink("../a", filepath.Join(s.dir, "b/link")))
	check(t, os.Symlink("same-1-1.noarch.rpm", filepath.Join(s.dir, "a/other-1-1.noarch.rpm")))
	check(t, os.Symlink("nowhere.rpm", filepath.Join(s.dir, "a/broken.rpm")))
	comps := filepath.Join(s.dir, "groups.xml")
	check(t, os.WriteFile(comps, []byte("<comps>\n</comps>\n"), 0o644))
	list := s.list(names)
	for _, tt := range []struct {
		name string
		o    createrepo.Options
		args []string
	}{
		{"walk", createrepo.Options{}, nil},
		{"state", createrepo.Options{Update: true}, nil},
		{"zstd", createrepo.Options{Compression: repodata.Zstd, GroupFile: comps}, []string{"-g", comps}},
		{"one worker", createrepo.Options{Workers: 1}, nil},
		{"skip symlinks", createrepo.Options{SkipSymlinks: true}, []string{"--skip-symlinks"}},
		{"list", createrepo.Options{PkgList: list}, []string{"-i", list}},
		{"include", createrepo.Options{Include: names[:3]}, []string{"-n", names[0], "-n", names[1], "-n", names[2]}},
		{"list and include", createrepo.Options{PkgList: s.list(names[5:9]), Include: names[:3]}, []string{"-i", s.list(names[5:9]), "-n", names[0], "-n", names[1], "-n", names[2]}},
		{"empty list", createrepo.Options{PkgList: s.list(nil)}, []string{"-i", s.list(nil)}},
		{"excludes", createrepo.Options{Excludes: []string{"*-devel-*", "a/*", "fixture"}}, []string{"-x", "*-devel-*", "-x", "a/*", "-x", "fixture"}},
		{"excludes of a list", createrepo.Options{PkgList: list, Excludes: []string{"*.noarch.rpm", "*fo?-1.0*"}}, []string{"-i", list, "-x", "*.noarch.rpm", "-x", "*fo?-1.0*"}},
		{"base url", createrepo.Options{BaseURL: "https://example.org/a?b=1&c=\u00e9"}, []string{"-u", "https://example.org/a?b=1&c=\u00e9"}},
		{"base directory", createrepo.Options{BaseURL: "/srv/rpms"}, []string{"-u", "/srv/rpms"}},
		{"location prefix", createrepo.Options{LocationPrefix: "x/y"}, []string{"--location-prefix", "x/y"}},
		{"location prefix with a slash", createrepo.Options{LocationPrefix: "../x/"}, []string{"--location-prefix", "../x/"}},
		{"cut dirs", createrepo.Options{CutDirs: 2, PkgList: list}, []string{"--cut-dirs", "2", "-i", list}},
		{"group file", createrepo.Options{GroupFile: comps}, []string{"-g", comps}},
		{"group file in the directory", createrepo.Options{GroupFile: "groups.xml"}, []string{"-g", "groups.xml"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := site{tb: t, dir: s.dir}
			got, _ := s.run(tt.o)
			equal(t, got, s.reference(tt.args...))
		})
	}
}

// TestIndex compares what stands in repomd.xml beside the files' own data.
func TestIndex(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.corpus(5)
	check(t, os.WriteFile(filepath.Join(s.dir, "comps.xml"), []byte("<comps/>\n"), 0o644))
	o := createrepo.Options{Revision: "1750000000", TimestampRevision: true, SimpleNames: true, GroupFile: "comps.xml",
		Content: []string{"a", "b & c"}, Repo: []string{"r"}, Distro: []string{"cpe:/o:x:1,Text", "plain", ",only"}}
	got, _ := s.run(o)
	want := s.reference("--revision", "1750000000", "--set-timestamp-to-revision", "--simple-md-filenames", "-g", "comps.xml",
		"--content", "a", "--content", "b & c", "--repo", "r", "--distro", "cpe:/o:x:1,Text", "--distro", "plain", "--distro", ",only")
	equal(t, got, want)
	a, b := readIndex(t, got), readIndex(t, want)
	for _, md := range []*repomd{&a, &b} {
		for i := range md.Data {
			md.Data[i].Size = 0 // compressed by another program
			if md.Data[i].OpenChecksum != "" {
				md.Data[i].Checksum = ""
			}
		}
	}
	if d := cmp.Diff(b, a); d != "" {
		t.Errorf("repomd.xml (-createrepo_c +ours):\n%s", d)
	}
	rawA, rawB := indexText(t, got), indexText(t, want)
	if tagsOf(rawA) != tagsOf(rawB) {
		t.Errorf("tags:\n%s\nwant\n%s", tagsOf(rawA), tagsOf(rawB))
	}
	info, err := os.Stat(filepath.Join(got, "repodata/primary.xml.gz"))
	check(t, err)
	if info.ModTime().Unix() != 1750000000 {
		t.Errorf("primary.xml.gz is of %v", info.ModTime())
	}
	entries, err := os.ReadDir(filepath.Join(got, "repodata"))
	check(t, err)
	other, err := os.ReadDir(filepath.Join(want, "repodata"))
	check(t, err)
	if d := cmp.Diff(dirNames(other), dirNames(entries)); d != "" {
		t.Errorf("files (-createrepo_c +ours):\n%s", d)
	}
}

func indexText(tb testing.TB, dir string) string {
	tb.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, "repodata/repomd.xml"))
	check(tb, err)
	return string(raw)
}

func tagsOf(s string) string {
	_, rest, _ := strings.Cut(s, "<tags>")
	tags, _, _ := strings.Cut(rest, "</tags>")
	return tags
}

func dirNames(entries []os.DirEntry) (out []string) {
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

// TestHostileList gives a package list what no list should have.
func TestHostileList(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	names := s.corpus(20)
	outside := filepath.Join(filepath.Dir(s.dir), "outside.rpm")
	check(t, os.WriteFile(outside, rpmtest.NewCorpus(1).Package(0, 0).Bytes(), 0o644))
	check(t, os.Mkdir(filepath.Join(s.dir, "directory.rpm"), 0o755))
	check(t, syscall.Mkfifo(filepath.Join(s.dir, "pipe.rpm"), 0o644))
	bad := []string{"../outside.rpm", "a/../../outside.rpm", outside, "/" + names[0], "zero\x00.rpm", "gone.rpm", "directory.rpm", "pipe.rpm", ".", "..", "/"}
	lines := append(slices.Clone(bad), "", "\r", "./"+names[1], names[2]+"\r", "fixture//../"+names[3], names[4], names[4], names[0])
	want := names[:5]
	for _, update := range []bool{false, true, true} { // the last one has nothing to take over but the good
		var problems, warnings []string
		o := createrepo.Options{PkgList: s.list(lines), Update: update, Output: filepath.Join(s.dir, "out"), Workers: 1,
			Problem: func(name string, err error) { problems = append(problems, name) },
			Warn:    func(err error) { warnings = append(warnings, err.Error()) }}
		got, rep := s.run(o)
		slices.Sort(problems)
		if d := cmp.Diff(slices.Sorted(slices.Values(bad)), problems); d != "" {
			t.Errorf("left out (-want +got):\n%s", d)
		}
		if rep.Bad != len(bad) || rep.Packages != len(want) || len(warnings) != 1 || !strings.Contains(warnings[0], names[4]+" is listed twice") {
			t.Errorf("%+v, warnings %q", rep, warnings)
		}
		equal(t, got, s.reference("-i", s.list(want)))
	}
}

// TestCircle walks a directory that is linked below itself.
func TestCircle(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.corpus(3)
	want := s.reference()
	check(t, os.Symlink("..", filepath.Join(s.dir, "fixture/up")))
	check(t, os.Symlink("self", filepath.Join(s.dir, "self")))
	got, _ := s.run(createrepo.Options{})
	equal(t, got, want)
}

// TestCorrupt leaves unreadable rpms out, and says which.
func TestCorrupt(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	names := s.corpus(100)
	want := s.reference("-i", s.list(names))
	good := rpmtest.NewCorpus(1).Package(0, 0).Bytes()
	bad := []string{s.write("bad/empty-1-1.noarch.rpm", nil), s.write("bad/short-1-1.noarch.rpm", good[:600]), s.write("zz/text-1-1.noarch.rpm", []byte("text"))}
	out := t.TempDir()
	for _, update := range []bool{false, true, true} {
		var problems []string
		got, rep := s.run(createrepo.Options{Output: out, Update: update, Workers: 1, Problem: func(name string, err error) { problems = append(problems, name) }})
		slices.Sort(problems)
		if d := cmp.Diff(bad, problems); d != "" || rep.Bad != 3 || rep.Packages != len(names) {
			t.Errorf("%+v; left out (-want +got):\n%s", rep, d)
		}
		equal(t, got, want)
	}
}

func TestMatch(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		pattern, text string
		want          bool
	}{
		{"", "", true}, {"", "a", false}, {"a", "a", true}, {"a", "b", false}, {"*", "", true}, {"*", "a/b", true}, {"a*", "ba", false},
		{"*a*b*", "xxaxxbxx", true}, {"*a*b", "ababa", false}, {"?", "\u00e9", true}, {"??", "\u00e9", false}, {"a?c", "abc", true}, {"a?c", "ac", false},
		{"[ab]", "a", false}, {"[ab]", "[ab]", true}, {"*.rpm", "x.rpm", true}, {"*.src.rpm", "d/x.src.rpm", true}, {"**a", "bba", true}, {"*?", "", false},
	} {
		if got := createrepo.Match(tt.pattern, tt.text); got != tt.want {
			t.Errorf("%q matches %q: %t", tt.pattern, tt.text, got)
		}
	}
}
