package repoprojector_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"moromi/internal/rpm/rpmtest"
	"moromi/repoprojector"
)

// repomd is what a reader takes from repomd.xml.
type repomd struct {
	Data []struct {
		Type     string `xml:"type,attr"`
		Checksum string `xml:"checksum"`
		Location struct {
			Href string `xml:"href,attr"`
		} `xml:"location"`
	} `xml:"data"`
}

// fetch reads all metadata of a repository's directory through open and gives the digests of its files by type.
func (s *site) fetch(dir string, open func(name string) (*repoprojector.File, error)) map[string]string {
	s.tb.Helper()
	read := func(name string) []byte {
		f, err := open(dir + "/" + name)
		s.check(err)
		b, err := io.ReadAll(f)
		s.check(err)
		return b
	}
	var index repomd
	s.check(xml.Unmarshal(read("repodata/repomd.xml"), &index))
	sums := map[string]string{}
	for _, d := range index.Data {
		sum := sha256.Sum256(read(d.Location.Href))
		if sums[d.Type] = hex.EncodeToString(sum[:]); sums[d.Type] != d.Checksum {
			s.tb.Errorf("%s has the digest %s, repomd.xml says %s", d.Location.Href, sums[d.Type], d.Checksum)
		}
	}
	return sums
}

// waitLinked waits until a tag's link "latest" leads to a repository.
func (s *site) waitLinked(tagName string, id int64) {
	s.tb.Helper()
	for {
		changed := s.Linked()
		if to, err := os.Readlink(filepath.Join(s.top, "repos", tagName, "latest")); err == nil && to == fmt.Sprint(id) {
			return
		}
		select {
		case <-changed:
		case <-s.ctx().Done():
			s.tb.Fatalf("latest does not lead to %d\n%s", id, s.log.String())
		}
	}
}

// TestServed reads repositories out of the blocks: of now, superseded ones, of the past, and after the cache was emptied.
func TestServed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.lazy = true
	root := s.makeTag("dist-build", nil)
	s.makeTarget("dist", root, root)
	var builds []int64
	for i := range 3 {
		n := fmt.Sprintf("p%d", i)
		s.list(root, n, false)
		builds = append(builds, s.importBuild(n, "1", [2]string{n, "x86_64"}))
	}
	past := []int64{s.put(root, builds[0]), s.put(root, builds[1])} // nobody makes repositories yet
	s.start()
	first := s.waitFor(root, past[1])["id"].(int64)
	second := s.waitFor(root, s.put(root, builds[2]))["id"].(int64)
	opens := map[string]func(string) (*repoprojector.File, error){}
	for _, id := range []int64{first, second} {
		opens[fmt.Sprint(id)] = func(name string) (*repoprojector.File, error) { return s.OpenFile(s.ctx(), "dist-build", id, name) }
	}
	for _, at := range past {
		opens[fmt.Sprintf("at %d", at)] = func(name string) (*repoprojector.File, error) {
			id, tagID, begin, err := s.At(s.ctx(), "dist-build", at)
			s.check(err)
			if id != 0 {
				return s.OpenFile(s.ctx(), "dist-build", id, name)
			}
			return s.OpenAt(s.ctx(), tagID, begin, name)
		}
	}
	want := map[string]map[string]string{}
	for what, open := range opens {
		want[what] = s.fetch("x86_64", open)
		f, err := open("x86_64/pkglist")
		s.check(err)
		list, err := io.ReadAll(f)
		s.check(err)
		rpms := map[string]int{fmt.Sprint(first): 2, fmt.Sprint(second): 3, fmt.Sprintf("at %d", past[0]): 1, fmt.Sprintf("at %d", past[1]): 2}[what]
		if n := strings.Count(string(list), "\n"); n != rpms {
			t.Errorf("%s: %d rpms in pkglist, want %d", what, n, rpms)
		}
		for _, name := range []string{"x86_64/repodata/other.xml.gz", "s390x/repodata/repomd.xml", "x86_64/../x86_64/pkglist", "", "x86_64"} {
			if _, err := open(name); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: %q: %v, want no such file", what, name, err)
			}
		}
	}
	if fmt.Sprint(want["at "+fmt.Sprint(past[1])]) != fmt.Sprint(want[fmt.Sprint(first)]) {
		t.Error("the repository as of its last change is another one")
	}
	if id, err := s.Latest(s.ctx(), "dist-build"); err != nil || id != second {
		t.Errorf("latest is %d, %v, want %d", id, err, second)
	}
	if _, err := s.OpenFile(s.ctx(), "other", second, "x86_64/pkglist"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("under another tag's name: %v", err)
	}
	s.waitLinked("dist-build", second)
	checkDNF(t, filepath.Join(s.top, "repos/dist-build/latest/x86_64"), "p0-1-1.x86_64", "p1-1-1.x86_64", "p2-1-1.x86_64")

	for _, what := range []string{"blocks", "versions", "fragments"} {
		s.check(os.RemoveAll(filepath.Join(s.cache, what)))
	}
	for what, open := range opens {
		got := s.fetch("x86_64", open)
		if !maps.Equal(got, want[what]) {
			t.Errorf("%s after the cache was lost: %v, was %v", what, got, want[what])
		}
	}
}

// TestSameAfterLoss: a repository that is made again after the cache was lost is the same, byte for byte: who has its signature or its checksum finds it true.
func TestSameAfterLoss(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.lazy = true
	s.clock = func() time.Time { return time.Now().Add(90 * time.Minute) } // a repository has the time of its event
	root := s.makeTag("dist-build", nil)
	s.makeTarget("dist", root, root)
	s.list(root, "foo", false)
	at := s.put(root, s.importBuild("foo", "1", [2]string{"foo", "x86_64"}))
	s.start()
	id := s.waitFor(root, at)["id"].(int64)
	s.waitLinked("dist-build", id)
	index := func() string {
		t.Helper()
		f, err := s.OpenFile(s.ctx(), "dist-build", id, "x86_64/repodata/repomd.xml")
		s.check(err)
		raw, err := io.ReadAll(f)
		s.check(err)
		return string(raw)
	}
	first := index()
	s.stop()
	s.check(os.RemoveAll(filepath.Join(s.cache, "versions")))
	s.start()
	if again := index(); again != first {
		t.Errorf("made again it is\n%s\nand was\n%s", again, first)
	}
	written, err := os.ReadFile(filepath.Join(s.dir("dist-build", id), "x86_64/repodata/repomd.xml"))
	s.check(err)
	if string(written) != first {
		t.Errorf("its file is\n%s\nserved is\n%s", written, first)
	}
}

// TestFilesAfterDeath: a process that dies between READY and the files leaves a repository that is served; the next one writes the files.
func TestFilesAfterDeath(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.lazy = true
	root := s.makeTag("dist-build", nil)
	s.makeTarget("dist", root, root)
	s.list(root, "foo", false)
	at := s.put(root, s.importBuild("foo", "1", [2]string{"foo", "x86_64"}))
	s.start()
	id := s.waitFor(root, at)["id"].(int64)
	s.waitLinked("dist-build", id)
	s.stop()
	dir := s.dir("dist-build", id)
	s.check(os.RemoveAll(filepath.Join(dir, "x86_64/repodata")))
	s.check(os.Remove(filepath.Join(dir, "x86_64/rpmlist.jsonl")))
	s.check(os.Remove(filepath.Join(s.top, "repos/dist-build/latest")))
	s.start()
	s.waitLinked("dist-build", id)
	checkDNF(t, filepath.Join(dir, "x86_64"), "foo-1-1.x86_64")
	s.checkLists(dir)
}

// TestLostWhileRead: what is lost of the blocks while a client reads a file is made again, and the client gets all of it.
func TestLostWhileRead(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.lazy = true
	root := s.makeTag("dist-build", nil)
	s.makeTarget("dist", root, root)
	s.list(root, "foo", false)
	var names [][2]string
	for i := range 200 { // several blocks
		names = append(names, [2]string{fmt.Sprintf("foo%d", i), "x86_64"})
	}
	at := s.put(root, s.importBuild("foo", "1", names...))
	s.start()
	id := s.waitFor(root, at)["id"].(int64)
	open := func(name string) *repoprojector.File {
		f, err := s.OpenFile(s.ctx(), "dist-build", id, "x86_64/repodata/"+name)
		s.check(err)
		return f
	}
	raw, err := io.ReadAll(open("repomd.xml"))
	s.check(err)
	var index repomd
	s.check(xml.Unmarshal(raw, &index))
	for _, d := range index.Data[:3] {
		f := open(strings.TrimPrefix(d.Location.Href, "repodata/"))
		start := make([]byte, 1000)
		_, err := io.ReadFull(f, start)
		s.check(err)
		s.check(os.RemoveAll(filepath.Join(s.cache, "blocks")))
		rest, err := io.ReadAll(f)
		s.check(err)
		if sum := sha256.Sum256(append(start, rest...)); hex.EncodeToString(sum[:]) != d.Checksum {
			t.Errorf("%s read while blocks were lost is another", d.Type)
		}
	}
}

// BenchmarkServe measures how often a second repomd.xml and primary of a repository of thousands of rpms are opened and read whole, one after the other.
func BenchmarkServe(b *testing.B) {
	const rpms = 4_000
	s := newSite(b)
	s.lazy = true
	root := s.makeTag("dist-build", nil)
	s.makeTarget("dist", root, root)
	corpus := rpmtest.NewCorpus(1)
	var builds []int64
	for source := range rpms / perBuild {
		builds = append(builds, s.fill(root, corpus, source, 0))
	}
	for from := 0; from < len(builds); from += 500 {
		s.put(root, builds[from:min(from+500, len(builds))]...)
	}
	s.check(s.SyncCounters(s.ctx()))
	s.start()
	id := s.waitFirst(root)["id"].(int64)
	s.waitLinked("dist-build", id)
	read := func(tb testing.TB, name string) []byte {
		f, err := s.OpenFile(context.Background(), "dist-build", id, "x86_64/repodata/"+name)
		s.check(err)
		raw, err := io.ReadAll(f)
		s.check(err)
		return raw
	}
	var index repomd
	s.check(xml.Unmarshal(read(b, "repomd.xml"), &index))
	for name, file := range map[string]string{"repomd": "repomd.xml", "primary": strings.TrimPrefix(index.Data[0].Location.Href, "repodata/")} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				b.SetBytes(int64(len(read(b, file))))
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
		})
	}
}

// TestFilesAreThinned: the files of a tag's last repositories stay in the topdir, older ones are served only, and are what they were.
func TestFilesAreThinned(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.lazy = true
	root := s.makeTag("dist-build", nil)
	s.makeTarget("dist", root, root)
	const repos = 5
	var builds []int64
	for i := range repos {
		n := fmt.Sprintf("p%d", i)
		s.list(root, n, false)
		builds = append(builds, s.importBuild(n, "1", [2]string{n, "x86_64"}))
	}
	s.put(root, builds[0])
	s.start()
	var ids []int64
	want := map[int64]map[string]string{}
	fetch := func(id int64) map[string]string {
		return s.fetch("x86_64", func(name string) (*repoprojector.File, error) { return s.OpenFile(s.ctx(), "dist-build", id, name) })
	}
	for i := range repos {
		var at int64
		if i > 0 {
			at = s.put(root, builds[i])
		}
		id := s.waitFor(root, at)["id"].(int64)
		s.waitLinked("dist-build", id)
		ids, want[id] = append(ids, id), fetch(id)
	}
	s.stop() // it tidies up after the link is set
	s.start()
	for i, id := range ids {
		dir := filepath.Join(s.dir("dist-build", id), "x86_64")
		_, err := os.Stat(filepath.Join(dir, "repodata"))
		if there, wanted := err == nil, i >= len(ids)-3; there != wanted {
			t.Errorf("repository %d of %d has its files: %v", i, len(ids), err)
		}
		if _, err := os.Stat(filepath.Join(dir, "blocklist")); err != nil {
			t.Error(err)
		}
		if got := fetch(id); !maps.Equal(got, want[id]) {
			t.Errorf("repository %d is %v, was %v", id, got, want[id])
		}
	}
	checkDNF(t, filepath.Join(s.top, "repos/dist-build/latest/x86_64"), "p0-1-1.x86_64", "p1-1-1.x86_64", "p2-1-1.x86_64", "p3-1-1.x86_64", "p4-1-1.x86_64")
}
