package repodata_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"moromi/internal/rpm"
	"moromi/internal/rpm/rpmtest"
	"moromi/repoprojector/repodata"
)

// corpus adds n made-up packages.
func (s *site) corpus(n int) []repodata.Package {
	c := rpmtest.NewCorpus(9)
	out := make([]repodata.Package, n)
	for i := range out {
		out[i] = s.addSpec(c.Package(i, 0))
	}
	return out
}

// TestBlocksAreShared writes two repositories with mostly the same packages.
func TestBlocksAreShared(t *testing.T) {
	t.Parallel()
	s := newSite(t, repodata.Options{})
	list := s.corpus(300)
	_, _ = s.write(repodata.Content{Packages: packages(t, list[:290])})
	again, v := s.write(repodata.Content{Packages: packages(t, list[:290])})
	if v.Built != 0 {
		t.Errorf("the same packages again: %d of %d blocks made", v.Built, v.Blocks())
	}
	first := readRepo(t, filepath.Join(s.dir, "repos/1"))
	for typ, content := range readRepo(t, again) {
		if first[typ] != content {
			t.Errorf("%s of equal packages differs", typ)
		}
	}
	if _, v = s.write(repodata.Content{Packages: packages(t, list[:291])}); v.Built == 0 || v.Built > 2 {
		t.Errorf("one package more: %d of %d blocks made", v.Built, v.Blocks())
	}
}

// TestRewrite holds Write to leave what is published alone, and to leave nothing of a failure.
func TestRewrite(t *testing.T) {
	t.Parallel()
	s := newSite(t, repodata.Options{})
	p := packages(t, s.corpus(3))
	dir, v := s.write(repodata.Content{Packages: p})
	before, err := os.ReadFile(filepath.Join(dir, "repodata/repomd.xml"))
	check(t, err)
	if _, err := s.writer.Write(t.Context(), s.root, "repos/1", repodata.Content{}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("second write of one directory: %v", err)
	}
	if after, _ := os.ReadFile(filepath.Join(dir, "repodata/repomd.xml")); !bytes.Equal(before, after) {
		t.Error("published repomd.xml was changed")
	}
	if len(v.Files) != 3 || v.RepomdChecksum() == "" {
		t.Errorf("version %+v", v)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.writer.Write(ctx, s.root, "repos/canceled", repodata.Content{Packages: p}); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled write: %v", err)
	}
	left, err := filepath.Glob(filepath.Join(s.dir, "repos/canceled/*"))
	hidden, err2 := filepath.Glob(filepath.Join(s.dir, "repos/canceled/.*"))
	if err != nil || err2 != nil || len(left)+len(hidden) > 0 {
		t.Errorf("a canceled write left %v %v", left, hidden)
	}
}

// TestDamagedStore damages, cuts and deletes cached files: they are made again, never used.
func TestDamagedStore(t *testing.T) {
	t.Parallel()
	var s *site
	s = newSite(t, repodata.Options{OpenRPM: func(_ context.Context, p repodata.Package) (io.ReadCloser, error) {
		return os.Open(filepath.Join(s.dir, p.Href))
	}})
	p := packages(t, s.corpus(120))
	want, _ := s.write(repodata.Content{Packages: p})
	n := 0
	check(t, filepath.WalkDir(filepath.Join(s.dir, "cache"), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		n++
		switch n % 4 {
		case 0:
			return os.Remove(path)
		case 1:
			return os.Truncate(path, int64(len(b)/2))
		case 2:
			return os.Truncate(path, 0)
		}
		b[len(b)*2/3] ^= 1
		return os.WriteFile(path, b, 0o644)
	}))
	if n < 120 {
		t.Fatalf("only %d cached files", n)
	}
	got, _ := s.write(repodata.Content{Packages: p})
	equal(t, got, want)

	// other blocks need every fragment
	touched := slices.Collect(p.All())
	for i := range touched {
		touched[i].Time++
	}
	_, _ = s.write(repodata.Content{Packages: packages(t, touched)})
	for _, x := range touched {
		if _, err := s.store.Fragment(x.Digest); err != nil {
			t.Errorf("fragment of %s was not made again: %v", x.Href, err)
		}
	}
}

// TestErrorsNameTheRPM checks what an operator sees of a bad package.
func TestErrorsNameTheRPM(t *testing.T) {
	t.Parallel()
	spec := rpmtest.NewCorpus(1).Package(0, 0)
	good := spec.Bytes()
	tests := []struct {
		name string
		data []byte
		want error
	}{
		{"not an rpm", bytes.Repeat([]byte("x"), 5000), rpm.ErrNotRPM},
		{"cut in the header", good[:600], rpm.ErrMalformed},
		{"another rpm", append(bytes.Clone(good), 0), nil},
		{"gone", nil, fs.ErrNotExist},
	}
	for _, tt := range tests {
		s := newSite(t, repodata.Options{OpenRPM: func(context.Context, repodata.Package) (io.ReadCloser, error) {
			if tt.data == nil {
				return nil, fs.ErrNotExist
			}
			return io.NopCloser(bytes.NewReader(tt.data)), nil
		}})
		p := packages(t, []repodata.Package{{Digest: repodata.Digest{1}, Href: "packages/broken-1-1.x86_64.rpm"}})
		_, err := s.writer.Write(t.Context(), s.root, "repos/x", repodata.Content{Packages: p})
		if err == nil || !strings.Contains(err.Error(), "packages/broken-1-1.x86_64.rpm") || tt.want != nil && !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
		if _, err := os.Lstat(filepath.Join(s.dir, "repos/x/repodata")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: a repository appeared", tt.name)
		}
	}
}

func TestPackages(t *testing.T) {
	t.Parallel()
	a, b := repodata.Package{Href: "p/a-1-1.noarch.rpm"}, repodata.Package{Href: "p/b-1-1.noarch.rpm"}
	p := packages(t, []repodata.Package{b, a})
	if slices.Collect(p.All())[0] != a {
		t.Error("not sorted")
	}
	replaced := repodata.Package{Href: a.Href, Time: 5}
	q, err := p.With([]repodata.Package{b}, []repodata.Package{replaced})
	if err != nil || q.Len() != 1 || slices.Collect(q.All())[0] != replaced || p.Len() != 2 || slices.Collect(p.All())[0] != a {
		t.Errorf("With: %v, %v; before %v", slices.Collect(q.All()), err, slices.Collect(p.All()))
	}
	if _, err := q.With([]repodata.Package{b}, nil); err == nil {
		t.Error("removed what was not there")
	}
	if _, err := repodata.NewPackages([]repodata.Package{a, b, a}); err == nil {
		t.Error("two packages at one place")
	}
	for _, href := range []string{"", "/etc/x.rpm", "a//b.rpm", "a/../../b.rpm", "../..", "a/"} {
		if _, err := repodata.NewPackages([]repodata.Package{{Href: href}}); err == nil {
			t.Errorf("location %q", href)
		}
		if _, err := p.With(nil, []repodata.Package{{Href: href}}); err == nil {
			t.Errorf("location %q added", href)
		}
	}
	if _, err := repodata.ParseDigest("12"); err == nil {
		t.Error("short digest")
	}
	d := repodata.Digest{1, 2, 3}
	if got, err := repodata.ParseDigest(d.String()); err != nil || got != d {
		t.Errorf("digest %v, %v", got, err)
	}
}

func TestPruneBlocks(t *testing.T) {
	t.Parallel()
	cache, err := os.OpenRoot(t.TempDir())
	check(t, err)
	defer cache.Close()
	now := time.Now()
	store, err := repodata.OpenStore(cache, func() time.Time { return now })
	check(t, err)
	w := repodata.NewWriter(store, repodata.Options{})
	spec := rpmtest.NewCorpus(1).Package(0, 0)
	d, err := store.Add(bytes.NewReader(spec.Bytes()))
	check(t, err)
	out, err := os.OpenRoot(t.TempDir())
	check(t, err)
	defer out.Close()
	write := func(dir, href string) int {
		v, err := w.Write(t.Context(), out, dir, repodata.Content{Packages: packages(t, []repodata.Package{{Digest: d, Href: href}})})
		check(t, err)
		return v.Built
	}
	write("1", "old.rpm")
	write("1b", "used.rpm")
	now = now.Add(10 * 24 * time.Hour)
	if write("2", "used.rpm") != 0 {
		t.Error("block was not kept")
	}
	if n, err := store.PruneBlocks(now.Add(-5 * 24 * time.Hour)); err != nil || n != 1 {
		t.Errorf("pruned %d, %v; want the one unused block", n, err)
	}
	if write("3", "used.rpm") != 0 || write("4", "old.rpm") != 1 {
		t.Error("pruned the wrong block")
	}
	if _, err := store.Fragment(d); err != nil {
		t.Errorf("fragment: %v", err)
	}
	if _, err := store.Fragment(repodata.Digest{9}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("unknown fragment: %v", err)
	}
}

// TestControlCharacters holds the metadata to XML's rules whatever stands in a header.
func TestControlCharacters(t *testing.T) {
	t.Parallel()
	s := newSite(t, repodata.Options{})
	spec := rpmtest.NewCorpus(1).Package(0, 0)
	spec.Summary = "bell \a and \x1b[1m, \ufffe\uffff end"
	spec.Changelog = []rpm.Change{{Time: 1, Author: "a\x01b \x80\xff", Text: "x\x02y"}}
	dir, _ := s.write(repodata.Content{Packages: packages(t, []repodata.Package{s.addSpec(spec)})})
	files := readRepo(t, dir)
	if !strings.Contains(files["primary"], "<summary>bell  and [1m,  end</summary>") {
		t.Error("summary:", around(files["primary"], strings.Index(files["primary"], "<summary>")))
	}
	for typ, content := range files {
		wellFormed(t, typ, content)
	}
}

// TestDNF lets dnf read a repository and createrepo_c's of the same packages.
func TestDNF(t *testing.T) {
	t.Parallel()
	bin, err := exec.LookPath("dnf")
	if err != nil {
		t.Skip("dnf is not installed")
	}
	for name, compression := range map[string]repodata.Compression{"gzip": repodata.Gzip, "zstd": repodata.Zstd} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, repodata.Options{})
			s.format.Compression = compression
			p := packages(t, append(s.addFixtures(), s.corpus(120)...))
			comps := repodata.Comps([]repodata.Group{{Name: "build", DisplayName: "build", UserVisible: true,
				Packages: []repodata.GroupPackage{{Name: "foo", Type: "mandatory"}, {Name: "bar", Type: "mandatory"}}}}, true)
			ours, _ := s.write(repodata.Content{Packages: p, Comps: comps})
			file := filepath.Join(s.dir, "comps.xml")
			check(t, os.WriteFile(file, comps, 0o644))
			theirs := s.createrepo(p, "-g", file)
			ask := func(repo string, args ...string) string {
				dir := t.TempDir()
				base := []string{"-q", "--installroot", dir, "--releasever=1", "--forcearch=x86_64", "--disablerepo=*", "--setopt=reposdir=" + dir,
					"--setopt=cachedir=" + dir + "/c", "--setopt=logdir=" + dir, "--setopt=persistdir=" + dir + "/p", "--repofrompath=r,file://" + repo, "--enablerepo=r", "--nogpgcheck"}
				out, err := exec.Command(bin, append(base, args...)...).CombinedOutput()
				if err != nil {
					t.Fatalf("dnf %v: %v\n%s", args, err, out)
				}
				return string(out)
			}
			queries := [][]string{
				{"repoquery", "--qf", "%{name}-%{epoch}:%{version}-%{release}.%{arch} %{buildtime} %{size} %{installsize} %{sourcerpm} %{location} %{summary}"},
				{"repoquery", "--qf", "%{name} P %{provides} R %{requires} C %{conflicts} O %{obsoletes} W %{recommends} %{suggests} %{supplements} %{enhances}"},
				{"repoquery", "--list"},
				{"repoquery", "--changelog", "foo", "bar"},
				{"repoquery", "--whatprovides", "/usr/share/doc/foo/README"},
				{"group", "info", "build"},
			}
			if compression == repodata.Zstd { // the content is the same, only its packing is to be read
				queries = queries[1:3]
			}
			for _, args := range queries {
				got, want := ask(ours, args...), ask(theirs, args...)
				if strings.TrimSpace(got) == "" {
					t.Errorf("dnf %v: no answer", args)
				}
				if got != want {
					t.Errorf("dnf %v differs: %d bytes, %d of createrepo_c's", args, len(got), len(want))
				}
			}
		})
	}
}

func FuzzReadRPM(f *testing.F) {
	c := rpmtest.NewCorpus(4)
	for i := range 8 {
		f.Add(c.Package(i, 0).Bytes())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		cache, err := os.OpenRoot(t.TempDir())
		check(t, err)
		defer cache.Close()
		store, err := repodata.OpenStore(cache, time.Now)
		check(t, err)
		d, err := store.Add(bytes.NewReader(data))
		if err != nil {
			return
		}
		w := repodata.NewWriter(store, repodata.Options{})
		_, err = w.Write(t.Context(), cache, "repo", repodata.Content{Packages: packages(t, []repodata.Package{{Digest: d, Href: "x.rpm"}})})
		check(t, err)
		for typ, content := range readRepo(t, cache.Name()+"/repo") {
			wellFormed(t, typ, content)
		}
	})
}

func BenchmarkFragment(b *testing.B) {
	data := rpmtest.NewCorpus(1).Package(4, 0).Bytes()
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := repodata.ReadRPM(bytes.NewReader(data)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRepoUpdate replaces one package of a repository: from the changed list to a synced directory.
func BenchmarkRepoUpdate(b *testing.B) {
	for _, n := range []int{300, 20000} {
		b.Run(fmt.Sprintf("%d_rpms", n), func(b *testing.B) {
			s := newSite(b, repodata.Options{})
			c := rpmtest.NewCorpus(1)
			list := make([]repodata.Package, n)
			for i := range list {
				spec := c.Package(i, 0)
				d, err := s.store.Add(bytes.NewReader(spec.Bytes()))
				check(b, err)
				list[i] = repodata.Package{Digest: d, Href: "packages/" + spec.NEVRA().FileName(), Time: 1}
			}
			p := packages(b, list)
			s.write(repodata.Content{Packages: p})
			gen := 0
			for b.Loop() {
				b.StopTimer()
				gen++
				i := (gen * 7919) % n
				spec := c.Package(i, gen)
				d, err := s.store.Add(bytes.NewReader(spec.Bytes()))
				check(b, err)
				next := repodata.Package{Digest: d, Href: "packages/" + spec.NEVRA().FileName(), Time: 1}
				b.StartTimer()
				p, err = p.With([]repodata.Package{list[i]}, []repodata.Package{next})
				check(b, err)
				dir, _ := s.write(repodata.Content{Packages: p})
				b.StopTimer()
				list[i] = next
				check(b, os.RemoveAll(dir))
				b.StartTimer()
			}
		})
	}
}
