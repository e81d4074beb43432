package repoprojector_test

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"moromi/aggregates/tag"
	"moromi/events"
	"moromi/internal/koji"
	"moromi/internal/rpm/rpmtest"
	"moromi/projections/query"
)

// large makes a tag with as many rpms of the corpus, in its build tag.
func (s *site) large(corpus *rpmtest.Corpus, n int) (id int64) {
	s.tb.Helper()
	id = s.makeTag("dist", nil)
	var ids []int64
	for source := range n / perBuild {
		ids = append(ids, s.fill(id, corpus, source, 0))
	}
	for from := 0; from < len(ids); from += 500 {
		s.put(id, ids[from:min(from+500, len(ids))]...)
	}
	s.check(s.SyncCounters(s.ctx()))
	return id
}

// BenchmarkVersions makes a thousand repositories of a tag one after the other, each with another build, and measures the disk that the cache and the
// topdir's repositories take, by blocks of the file system; and how long the metadata of old ones takes to be made again and read.
func BenchmarkVersions(b *testing.B) {
	const rpms, versions, looks = 20_000, 1_000, 10
	s := newSite(b)
	s.lazy = true
	var ahead time.Duration
	s.clock = func() time.Time { return time.Now().Add(ahead) }
	corpus := rpmtest.NewCorpus(1)
	dist := s.large(corpus, rpms)
	root := s.makeTag("dist-build", nil, dist)
	s.makeTarget("dist", root, dist)
	s.start()
	first := s.waitFirst(root)["id"].(int64)
	s.waitLinked("dist-build", first)
	before := s.disk()
	random := rand.New(rand.NewPCG(1, 2))
	gens := make([]int, rpms/perBuild)
	var repos []int64
	peak := before
	b.ResetTimer()
	for range b.N {
		for i := range versions {
			source := random.IntN(len(gens))
			gens[source]++
			repos = append(repos, s.waitFor(root, s.put(dist, s.fill(dist, corpus, source, gens[source])))["id"].(int64))
			if i%100 == 99 {
				peak = max(peak, s.disk())
			}
		}
	}
	b.StopTimer()
	s.waitLinked("dist-build", repos[len(repos)-1])
	s.stop()
	ahead = time.Hour // no version that is being composed is as old
	s.start()
	s.check(s.Sweep(s.ctx()))
	after := s.disk()
	var took []time.Duration
	for range looks {
		id := repos[random.IntN(len(repos)-100)]
		begin := time.Now()
		s.readPrimary(b, "dist-build", id)
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	b.ReportMetric(float64(before)/1e6, "one-MB")
	b.ReportMetric(float64(peak)/1e6, "peak-MB")
	b.ReportMetric(float64(after)/1e6, "all-MB")
	b.ReportMetric(float64(after)/float64(before), "all/one")
	b.ReportMetric(float64(peak)/float64(before), "peak/one")
	b.ReportMetric(float64(took[looks/2].Microseconds())/1000, "old-p50-ms")
}

// waitFirst waits for the first repository of a large tag, for which thousands of rpms are read.
func (s *site) waitFirst(id int64) query.Row {
	s.tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
	defer cancel()
	row, err := s.Wait(ctx, id, 0)
	s.check(err)
	return row
}

// disk is how much of the disk the cache and the repositories take, in bytes.
func (s *site) disk() (n int64) {
	s.tb.Helper()
	for _, top := range []string{s.cache, filepath.Join(s.top, "repos")} {
		s.check(filepath.WalkDir(top, func(_ string, e fs.DirEntry, err error) error {
			if err != nil {
				return nil //nolint:nilerr // it was removed meanwhile
			}
			if st, err := e.Info(); err == nil {
				n += st.Sys().(*syscall.Stat_t).Blocks * 512
			}
			return nil
		}))
	}
	return n
}

// readPrimary reads a repository's repomd.xml and primary whole.
func (s *site) readPrimary(b *testing.B, tagName string, id int64) {
	b.Helper()
	read := func(name string) []byte {
		f, err := s.OpenFile(context.Background(), tagName, id, "x86_64/repodata/"+name)
		s.check(err)
		raw, err := io.ReadAll(f)
		s.check(err)
		return raw
	}
	var index repomd
	s.check(xml.Unmarshal(read("repomd.xml"), &index))
	read(strings.TrimPrefix(index.Data[0].Location.Href, "repodata/"))
}

// BenchmarkTenTags keeps ten build tags current that inherit the same 20,000 rpms and have a few of their own, and measures the memory of the process while
// what they inherit changes. The ledger's client, the corpus and the test's own work are in it.
func BenchmarkTenTags(b *testing.B) {
	const rpms, tags, changes = 20_000, 10, 10
	s := newSite(b)
	s.lazy = true
	corpus := rpmtest.NewCorpus(1)
	dist := s.large(corpus, rpms)
	var roots []int64
	for i := range tags {
		root := s.makeTag(fmt.Sprintf("dist-build%d", i), nil, dist)
		s.makeTarget(fmt.Sprint(i), root, dist)
		s.put(root, s.fill(root, corpus, rpms/perBuild+i, 0))
		roots = append(roots, root)
	}
	s.check(s.SyncCounters(s.ctx()))
	debug.FreeOSMemory() // what the making of the rpms took
	s.check(os.WriteFile("/proc/self/clear_refs", []byte("5"), 0o200))
	s.start()
	for _, root := range roots {
		s.waitFirst(root)
	}
	first := memory(b, "VmHWM")
	var took []time.Duration
	b.ResetTimer()
	for range b.N {
		for i := range changes {
			id := s.fill(dist, corpus, i*7, 1)
			<-time.After(rest)
			begin := time.Now()
			at := s.put(dist, id)
			for _, root := range roots {
				s.waitFor(root, at)
			}
			took = append(took, time.Since(begin))
		}
	}
	slices.Sort(took)
	b.ReportMetric(first, "first-peak-MB")
	b.ReportMetric(memory(b, "VmHWM"), "peak-MB")
	b.ReportMetric(memory(b, "VmRSS"), "rss-MB")
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "all-ready-p50-ms")
}

// memory reads a line of /proc/self/status, in MB.
func memory(b *testing.B, what string) float64 {
	b.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Skip(err)
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, what+":"); ok {
			kB, err := strconv.ParseFloat(strings.Fields(value)[0], 64)
			if err != nil {
				b.Fatal(err)
			}
			return kB / 1000
		}
	}
	b.Fatal("no ", what)
	return 0
}

// BenchmarkBurst changes a tag of thousands of rpms a thousand times in a row, and measures how long another tag's repository takes meanwhile and without.
func BenchmarkBurst(b *testing.B) {
	const rpms, burst, looks = 5_000, 1_000, 40
	s := newSite(b)
	s.lazy = true
	busy := s.large(rpmtest.NewCorpus(1), rpms)
	s.makeTarget("busy", busy, busy)
	other := s.makeTag("other", nil)
	s.makeTarget("other", other, other)
	s.start()
	s.waitFirst(busy)
	s.waitFor(other, 0)
	set := func(id int64, i int) int64 {
		return s.change(id, func(t *tag.Tag) ([]events.Event, error) {
			return t.SetExtra(map[string]json.RawMessage{"n": json.RawMessage(fmt.Sprint(i))}, nil)
		})
	}
	look := func(i int) time.Duration {
		<-time.After(rest)
		begin := time.Now()
		s.waitFor(other, set(other, i))
		return time.Since(begin)
	}
	median := func(list []time.Duration) float64 {
		slices.Sort(list)
		return float64(list[len(list)/2].Microseconds()) / 1000
	}
	var idle, during []time.Duration
	b.ResetTimer()
	for range b.N {
		for i := range looks {
			idle = append(idle, look(i))
		}
		before := len(s.repos(busy, koji.RepoReady))
		var last int64
		done := make(chan struct{})
		go func() { // as long as the looks take
			defer close(done)
			pause := time.NewTicker(looks * rest / burst)
			defer pause.Stop()
			for i := range burst {
				last = set(busy, i)
				<-pause.C
			}
		}()
		for i := range looks {
			during = append(during, look(looks+i))
		}
		<-done
		s.waitFor(busy, last)
		slow := len(s.repos(busy, koji.RepoReady)) - before
		before += slow
		for i := range burst { // as fast as can be
			last = set(busy, burst+i)
		}
		s.waitFor(busy, last)
		b.ReportMetric(float64(slow), "repos-of-24s")
		b.ReportMetric(float64(len(s.repos(busy, koji.RepoReady))-before), "repos")
	}
	b.ReportMetric(median(idle), "idle-p50-ms")
	b.ReportMetric(median(during), "burst-p50-ms")
}
