package repodata_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
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

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"moromi/internal/rpm/rpmtest"
	"moromi/repoprojector/repodata"
)

// site is a directory of rpms, a store and a place for repositories, as a hub has them.
type site struct {
	tb     testing.TB
	dir    string // holds packages/ and repos/
	root   *os.Root
	store  *repodata.Store
	writer *repodata.Writer
	rpms   map[string]repodata.Package // by location
	count  int
	format repodata.Format // of what write writes
}

func newSite(tb testing.TB, o repodata.Options) *site {
	tb.Helper()
	s := &site{tb: tb, dir: tb.TempDir(), rpms: map[string]repodata.Package{}}
	for _, d := range []string{"packages", "repos", "cache"} {
		check(tb, os.Mkdir(filepath.Join(s.dir, d), 0o755))
	}
	var err error
	s.root, err = os.OpenRoot(s.dir)
	check(tb, err)
	cache, err := os.OpenRoot(filepath.Join(s.dir, "cache"))
	check(tb, err)
	tb.Cleanup(func() { s.root.Close(); cache.Close() })
	s.store, err = repodata.OpenStore(cache, time.Now)
	check(tb, err)
	s.writer = repodata.NewWriter(s.store, o)
	return s
}

func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// add puts an rpm into the tree and its fragment into the store.
func (s *site) add(href string, data []byte) repodata.Package {
	s.tb.Helper()
	path := filepath.Join(s.dir, href)
	check(s.tb, os.MkdirAll(filepath.Dir(path), 0o755))
	check(s.tb, os.WriteFile(path, data, 0o644))
	mtime := time.Unix(1720000000+int64(len(s.rpms)), 0)
	check(s.tb, os.Chtimes(path, mtime, mtime))
	d, err := s.store.Add(bytes.NewReader(data))
	check(s.tb, err)
	p := repodata.Package{Digest: d, Href: href, Time: mtime.Unix()}
	s.rpms[href] = p
	return p
}

// addSpec adds a made-up rpm where Koji would put it.
func (s *site) addSpec(spec rpmtest.Spec) repodata.Package {
	n := spec.NEVRA()
	return s.add(fmt.Sprintf("packages/%s/%s/%s/%s/%s", n.Name, n.Version, n.Release, n.Arch, n.FileName()), spec.Bytes())
}

// addFixtures adds the rpms that rpmbuild made.
func (s *site) addFixtures() []repodata.Package {
	s.tb.Helper()
	names, err := filepath.Glob("../../internal/rpm/testdata/*.rpm")
	check(s.tb, err)
	var out []repodata.Package
	for _, name := range names {
		data, err := os.ReadFile(name)
		check(s.tb, err)
		out = append(out, s.add("packages/fixture/"+filepath.Base(name), data))
	}
	return out
}

// write writes a repository of the packages and gives its directory.
func (s *site) write(c repodata.Content) (string, *repodata.Version) {
	s.tb.Helper()
	s.count++
	dir := fmt.Sprintf("repos/%d", s.count)
	c.Revision, c.Format = time.Unix(1730000000, 0), s.format
	v, err := s.writer.Write(context.Background(), s.root, dir, c)
	check(s.tb, err)
	return filepath.Join(s.dir, dir), v
}

// createrepo lets createrepo_c write a repository of the same packages.
func (s *site) createrepo(p repodata.Packages, args ...string) string {
	s.tb.Helper()
	bin, err := exec.LookPath("createrepo_c")
	if err != nil {
		s.tb.Skip("createrepo_c is not installed")
	}
	s.count++
	out := filepath.Join(s.dir, "repos", fmt.Sprintf("reference%d", s.count))
	check(s.tb, os.MkdirAll(out, 0o755))
	var list strings.Builder
	for x := range p.All() {
		list.WriteString(x.Href + "\n")
	}
	pkglist := filepath.Join(s.dir, "pkglist")
	check(s.tb, os.WriteFile(pkglist, []byte(list.String()), 0o644))
	args = append([]string{"--quiet", "--no-database", "--error-exit-val", "-o", out, "-i", pkglist}, args...)
	if msg, err := exec.Command(bin, append(args, s.dir)...).CombinedOutput(); err != nil {
		s.tb.Fatalf("createrepo_c: %v\n%s", err, msg)
	}
	return out
}

// repomd is repomd.xml as a reader sees it.
type repomd struct {
	Revision string `xml:"revision"`
	Data     []struct {
		Type         string `xml:"type,attr"`
		Checksum     string `xml:"checksum"`
		OpenChecksum string `xml:"open-checksum"`
		Location     struct {
			Href string `xml:"href,attr"`
		} `xml:"location"`
		Timestamp string `xml:"timestamp"`
		Size      int    `xml:"size"`
		OpenSize  int    `xml:"open-size"`
	} `xml:"data"`
}

// readRepo reads every file of a repository uncompressed, by type, and holds repomd.xml to the files.
func readRepo(tb testing.TB, dir string) map[string]string {
	tb.Helper()
	index, err := os.ReadFile(filepath.Join(dir, "repodata/repomd.xml"))
	check(tb, err)
	var md repomd
	check(tb, xml.Unmarshal(index, &md))
	out := map[string]string{}
	for _, d := range md.Data {
		b, err := os.ReadFile(filepath.Join(dir, d.Location.Href))
		check(tb, err)
		sum := sha256.Sum256(b)
		if hex.EncodeToString(sum[:]) != d.Checksum || len(b) != d.Size {
			tb.Errorf("%s: checksum or size differs from the file's", d.Type)
		}
		if !strings.Contains(d.Location.Href, d.Checksum) {
			tb.Errorf("%s: name without the checksum: %s", d.Type, d.Location.Href)
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

// equal compares two repositories, file by file and byte by byte.
func equal(tb testing.TB, got, want string) {
	tb.Helper()
	a, b := readRepo(tb, got), readRepo(tb, want)
	for typ := range b {
		if _, ok := a[typ]; !ok {
			tb.Errorf("no %s", typ)
		}
	}
	for typ, x := range a {
		y, ok := b[typ]
		if !ok {
			tb.Errorf("%s is not in createrepo_c's repository", typ)
		}
		if x != y {
			i := 0
			for i < min(len(x), len(y)) && x[i] == y[i] {
				i++
			}
			tb.Errorf("%s differs at byte %d\n got …%s\nwant …%s", typ, i, around(x, i), around(y, i))
		}
	}
}

func around(s string, i int) string { return s[max(0, i-200):min(len(s), i+200)] }

func packages(tb testing.TB, list []repodata.Package) repodata.Packages {
	tb.Helper()
	p, err := repodata.NewPackages(list)
	check(tb, err)
	return p
}

// TestEqualsCreaterepo compares with createrepo_c byte by byte: rpms of rpmbuild, and made-up ones.
func TestEqualsCreaterepo(t *testing.T) {
	t.Parallel()
	for name, compression := range map[string]repodata.Compression{"gzip": repodata.Gzip, "zstd": repodata.Zstd} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, repodata.Options{})
			s.format.Compression = compression
			list := s.addFixtures()
			c := rpmtest.NewCorpus(1)
			for i := range 300 {
				list = append(list, s.addSpec(c.Package(i, 0)))
			}
			// the same file name in two directories
			dup := c.Package(7, 0).Bytes()
			list = append(list, s.add("packages/b/same-1-1.noarch.rpm", dup), s.add("packages/b-1/same-1-1.noarch.rpm", dup), s.add("packages/a/same-1-1.noarch.rpm", dup))
			p := packages(t, list)
			got, v := s.write(repodata.Content{Packages: p})
			equal(t, got, s.createrepo(p))
			if v.Blocks() < 4 || v.Built != v.Blocks() {
				t.Errorf("%d blocks, %d built", v.Blocks(), v.Built)
			}
		})
	}
}

func TestEmpty(t *testing.T) {
	t.Parallel()
	s := newSite(t, repodata.Options{})
	got, _ := s.write(repodata.Content{})
	equal(t, got, s.createrepo(repodata.Packages{}))
}

// TestGroupFile compares the group file and its entries in repomd.xml with createrepo_c's.
func TestGroupFile(t *testing.T) {
	t.Parallel()
	s := newSite(t, repodata.Options{})
	p := packages(t, s.addFixtures())
	comps := repodata.Comps([]repodata.Group{{Name: "build", DisplayName: "build", UserVisible: true,
		Packages: []repodata.GroupPackage{{Name: "foo", Type: "mandatory"}}}}, true)
	file := filepath.Join(s.dir, "comps.xml")
	check(t, os.WriteFile(file, comps, 0o644))
	got, v := s.write(repodata.Content{Packages: p, Comps: comps})
	want := s.createrepo(p, "-g", file)
	equal(t, got, want)
	order := func(dir string) (out []string) {
		b, err := os.ReadFile(filepath.Join(dir, "repodata/repomd.xml"))
		check(t, err)
		var md repomd
		check(t, xml.Unmarshal(b, &md))
		for _, d := range md.Data {
			out = append(out, d.Type)
		}
		return out
	}
	if a, b := order(got), order(want); !slices.Equal(a, b) || len(v.Files) != len(b) {
		t.Errorf("repomd.xml lists %v, createrepo_c's %v", a, b)
	}
}

// TestRandomHistory adds, removes and replaces packages and compares with createrepo_c after every step.
func TestRandomHistory(t *testing.T) {
	t.Parallel()
	s := newSite(t, repodata.Options{})
	c := rpmtest.NewCorpus(2)
	rng := rand.New(rand.NewPCG(5, 6))
	type slot struct {
		pkg repodata.Package
		gen int
	}
	in := map[int]slot{}
	var list []repodata.Package
	for i := range 150 {
		in[i] = slot{s.addSpec(c.Package(i, 0)), 0}
		list = append(list, in[i].pkg)
	}
	p := packages(t, list)
	_, _ = s.write(repodata.Content{Packages: p})
	for step := range 8 {
		var removed, added []repodata.Package
		for range 1 + rng.IntN(6) {
			i := rng.IntN(200)
			old, ok := in[i]
			if slices.Contains(removed, old.pkg) || slices.ContainsFunc(added, func(a repodata.Package) bool { return a.Href == old.pkg.Href }) {
				continue
			}
			if ok {
				removed = append(removed, old.pkg)
				delete(in, i)
			}
			if !ok || rng.IntN(3) > 0 {
				in[i] = slot{s.addSpec(c.Package(i, old.gen+1)), old.gen + 1}
				added = append(added, in[i].pkg)
			}
		}
		var err error
		p, err = p.With(removed, added)
		check(t, err)
		if p.Len() != len(in) {
			t.Fatalf("step %d: %d packages, want %d", step, p.Len(), len(in))
		}
		got, v := s.write(repodata.Content{Packages: p})
		if v.Built > len(removed)+len(added)+1 {
			t.Errorf("step %d: %d changes made %d of %d blocks anew", step, len(removed)+len(added), v.Built, v.Blocks())
		}
		equal(t, got, s.createrepo(p))
	}
}
