package createrepo_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"moromi/internal/rpm/rpmtest"
	"moromi/repoprojector/createrepo"
	"moromi/repoprojector/repodata"
)

// checksums are those of the three files, compressed.
func checksums(tb testing.TB, dir string) (out []string) {
	tb.Helper()
	for _, d := range readIndex(tb, dir).Data {
		if d.Type == "primary" || d.Type == "filelists" || d.Type == "other" {
			out = append(out, d.Checksum)
		}
	}
	return out
}

// history is a directory of packages that come, go, and change.
type history struct {
	*site
	rng    *rand.Rand
	corpus *rpmtest.Corpus
	in     map[int]string // places of the packages, by number
	gen    int
	group  string
}

// step makes a few changes and tells how many packages there are to read.
func (h *history) step(changes, packages int) (fresh int) {
	seen := map[int]bool{}
	for range changes {
		i := h.rng.IntN(packages)
		if seen[i] {
			continue
		}
		seen[i] = true
		h.gen++
		old, ok := h.in[i]
		switch {
		case ok && h.rng.IntN(4) == 0: // another file at the same place
			h.write(old, h.corpus.Package(i, h.gen).Bytes())
			fresh++
			continue
		case ok:
			delete(h.in, i)
		}
		if !ok || h.rng.IntN(3) > 0 {
			h.in[i] = h.spec(h.corpus.Package(i, h.gen))
			fresh++
		}
	}
	h.group = ""
	if h.rng.IntN(2) == 0 {
		h.group = filepath.Join(h.dir, "comps.xml")
		check(h.tb, os.WriteFile(h.group, fmt.Appendf(nil, "<comps><!-- %d --></comps>\n", h.rng.IntN(3)), 0o644))
	}
	return fresh
}

// TestRandomHistory updates one repository again and again. Each time its content must be createrepo_c's, and its bytes
// those of a whole run.
func TestRandomHistory(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		packages, steps, changes int
		compression              repodata.Compression
	}{
		{40, 25, 30, repodata.Gzip}, // a third of all: blocks join and part
		{300, 10, 6, repodata.Zstd},
		{2000, 4, 40, repodata.Gzip},
	} {
		t.Run(fmt.Sprint(tt.packages), func(t *testing.T) {
			t.Parallel()
			h := &history{site: newSite(t), rng: rand.New(rand.NewPCG(uint64(tt.packages), 1)), corpus: rpmtest.NewCorpus(5), in: map[int]string{}}
			for i := range tt.packages * 3 / 4 {
				h.in[i] = h.spec(h.corpus.Package(i, 0))
			}
			out := t.TempDir()
			fresh := len(h.in)
			for step := range tt.steps {
				var names []string
				for _, name := range h.in {
					names = append(names, name)
				}
				h.rng.Shuffle(len(names), func(i, k int) { names[i], names[k] = names[k], names[i] })
				o := createrepo.Options{PkgList: h.list(names), GroupFile: h.group, Compression: tt.compression, Output: out, Update: true}
				args := []string{"-i", o.PkgList}
				if h.group != "" {
					args = append(args, "-g", h.group)
				}
				_, rep := h.run(o)
				if rep.Read != fresh || rep.Packages != len(names) || step > 0 && rep.Whole != nil {
					t.Errorf("step %d: %+v, want %d of %d read", step, rep, fresh, len(names))
				}
				equal(t, out, h.reference(args...))
				o.Update, o.Output = false, ""
				whole, _ := h.run(o)
				if got, want := checksums(t, out), checksums(t, whole); !slices.Equal(got, want) {
					t.Errorf("step %d: the files have checksums %q, those of a whole run %q", step, got, want)
				}
				if t.Failed() {
					t.FailNow()
				}
				fresh = h.step(tt.changes, tt.packages)
			}
		})
	}
}

// TestUpdateAgain updates without a change, with and without a look at the files.
func TestUpdateAgain(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	names := s.corpus(200)
	o := createrepo.Options{Output: t.TempDir(), Update: true}
	s.run(o)
	first := checksums(t, o.Output)
	for _, o.SkipStat = range []bool{false, true} {
		if _, rep := s.run(o); rep.Read != 0 || rep.Built != 0 || rep.Whole != nil || !slices.Equal(checksums(t, o.Output), first) {
			t.Errorf("skip stat %t: %+v", o.SkipStat, rep)
		}
	}
	// another time alone: SkipStat does not look
	at := time.Unix(1800000000, 0)
	check(t, os.Chtimes(filepath.Join(s.dir, names[50]), at, at))
	if _, rep := s.run(o); rep.Read != 0 {
		t.Errorf("with SkipStat: %+v", rep)
	}
	o.SkipStat = false
	if _, rep := s.run(o); rep.Read != 1 || rep.Built != 1 {
		t.Errorf("without SkipStat: %+v", rep)
	}
	equal(t, o.Output, s.reference())
}

// TestOldRepository keeps and removes files of the old repodata as createrepo_c does.
func TestOldRepository(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.corpus(3)
	out := t.TempDir()
	file := func(name string) string { return filepath.Join(out, "repodata", name) }
	has := func(name string) bool {
		_, err := os.Lstat(file(name))
		return err == nil
	}
	primary := func() string {
		for _, d := range readIndex(t, out).Data {
			if d.Type == "primary" {
				return filepath.Base(d.Location.Href)
			}
		}
		t.Fatal("no primary")
		return ""
	}
	s.run(createrepo.Options{Output: out})
	first := primary()
	check(t, os.WriteFile(file("unlisted.txt"), []byte("x"), 0o644))
	check(t, os.WriteFile(file("updateinfo.xml"), []byte("<updates/>"), 0o644))
	check(t, os.MkdirAll(file("directory/below"), 0o755))
	check(t, os.WriteFile(file("directory/below/file"), []byte("x"), 0o644))
	check(t, os.Symlink("../../elsewhere", file("directory/link")))
	index := strings.Replace(indexText(t, out), "</repomd>", "  <data type=\"updateinfo\">\n    <checksum type=\"sha256\">"+
		"3b6fc8a3e0fa3b1bcb6c0ef0b8c9b7c2b1ab1dd2fba3b9db8e33bfc0ce5dc5b5</checksum>\n    <location href=\"repodata/updateinfo.xml\"/>\n  </data>\n</repomd>", 1)
	check(t, os.WriteFile(file("repomd.xml"), []byte(index), 0o644))

	s.spec(rpmtest.NewCorpus(9).Package(1, 0))
	s.run(createrepo.Options{Output: out, Update: true, KeepAll: true})
	if !has("unlisted.txt") || !has("updateinfo.xml") || has(first) || !strings.Contains(indexText(t, out), "<data type=\"updateinfo\">\n    <checksum type=\"sha256\">3b6f") {
		t.Errorf("KeepAll: %s", indexText(t, out))
	}
	second := primary()
	s.spec(rpmtest.NewCorpus(9).Package(2, 0))
	s.run(createrepo.Options{Output: out, Update: true, RetainOld: true})
	if !has(second) || !has("updateinfo.xml") || strings.Contains(indexText(t, out), "updateinfo") {
		t.Errorf("RetainOld: %s", indexText(t, out))
	}
	third := primary()
	check(t, os.Rename(file("updateinfo.xml"), file("listed")))
	s.spec(rpmtest.NewCorpus(9).Package(3, 0))
	s.run(createrepo.Options{Output: out, Update: true})
	if !has("unlisted.txt") || !has(second) || has(third) || !has("directory/below/file") || !has("directory/link") {
		t.Error("neither: the wrong files were kept")
	}
	equal(t, out, s.reference())
}

// TestAfterCreaterepo updates a repository that createrepo_c made, and lets createrepo_c update ours.
func TestAfterCreaterepo(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.corpus(60)
	out := s.reference()
	if _, rep := s.run(createrepo.Options{Output: out, Update: true}); rep.Whole == nil || rep.Read != rep.Packages {
		t.Errorf("%+v", rep)
	}
	s.run(createrepo.Options{Output: out, Update: true})
	equal(t, out, s.reference())
	theirs := s.reference("--update", "--update-md-path", out) // reads our files
	if got, want := read(t, theirs)["filelists"], read(t, out)["filelists"]; got != want {
		t.Error("createrepo_c's update of our repository has other filelists")
	}
}

// TestCopiedRepository updates a copy, as kojid makes one, with a state of its own place.
func TestCopiedRepository(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.corpus(60)
	state := t.TempDir()
	out, _ := s.run(createrepo.Options{Update: true, State: state})
	other := t.TempDir()
	check(t, os.CopyFS(filepath.Join(other, "repodata"), os.DirFS(filepath.Join(out, "repodata"))))
	s.spec(rpmtest.NewCorpus(9).Package(1, 0))
	if _, rep := s.run(createrepo.Options{Output: other, Update: true, State: state}); rep.Read != 1 || rep.Whole != nil {
		t.Errorf("%+v", rep)
	}
	equal(t, other, s.reference())
}

// TestPackIsRenewed changes one package until most of the pack is out of use.
func TestPackIsRenewed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.corpus(40)
	out := t.TempDir()
	c := rpmtest.NewCorpus(1)
	spec := c.Package(0, 0)
	spec.Description = strings.Repeat("x", 9<<20)
	name := s.spec(spec)
	packs := func() (out []string) {
		names, err := filepath.Glob(filepath.Join(s.dir, "state/pack-*"))
		check(t, err)
		if len(names) != 1 {
			t.Fatalf("packs: %q", names)
		}
		return names
	}
	o := createrepo.Options{Output: out, Update: true, State: filepath.Join(s.dir, "state")}
	s.run(o)
	first := packs()
	for i := range 6 {
		s.write(name, append(bytes.Clone(spec.Bytes()), byte(i)))
		if _, rep := s.run(o); rep.Read != 1 || rep.Whole != nil {
			t.Errorf("%+v", rep)
		}
	}
	if slices.Equal(first, packs()) {
		t.Error("the pack was never renewed")
	}
	equal(t, out, s.reference())
}
