package repoprojector_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"moromi/aggregates/build"
	"moromi/aggregates/name"
	"moromi/aggregates/tag"
	"moromi/events"
	"moromi/internal/koji"
	"moromi/internal/rpm/rpmtest"
)

const (
	// perBuild is how many rpms of the corpus come of one source.
	perBuild = 4
	// replacements is how many builds are replaced, one after the other.
	replacements = 100
	// rest is long enough for an event not to be taken for one of a burst.
	rest = 600 * time.Millisecond
	// skew is how unequally the packages of a distribution change: the exponent of Zipf's law.
	skew = 1.2
)

// BenchmarkReplaced measures the time from the tagging of a build to a repository that can be read, in a tag with thousands of rpms as varied as a
// distribution's. Each event replaces the four rpms of a build by another's and comes after a rest, as a build's tagging does. "uniform" are any of the
// tag's builds, "zipf" a few again and again, as in a distribution; the rest of the name says how the metadata is written.
func BenchmarkReplaced(b *testing.B) {
	for _, n := range []int{5_000, 20_000, 60_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) { benchmarkReplaced(b, n) })
	}
}

func benchmarkReplaced(b *testing.B, n int) {
	s := newSite(b)
	s.lazy = true
	r := replacer{site: s, corpus: rpmtest.NewCorpus(1), gens: make([]int, n/perBuild), random: rand.New(rand.NewPCG(1, 2))}
	r.root = s.makeTag("dist-build", nil)
	s.makeTarget("dist", r.root, r.root)
	var ids []int64
	for source := range n / perBuild {
		ids = append(ids, s.fill(r.root, r.corpus, source, 0))
	}
	for from := 0; from < len(ids); from += 500 {
		s.put(r.root, ids[from:min(from+500, len(ids))]...)
	}
	s.check(s.SyncCounters(s.ctx()))
	s.start()
	s.waitFirst(r.root)
	uniform := func() int { return r.random.IntN(n / perBuild) }
	popular := r.random.Perm(n / perBuild)
	zipf := rand.NewZipf(r.random, skew, 1, uint64(n/perBuild-1))
	often := func() int { return popular[zipf.Uint64()] }
	b.ResetTimer()
	for range b.N { // one round is long enough: the framework asks for one
		r.format(b, `"name"`, "true")
		r.measure(b, "uniform", uniform)
		r.measure(b, "zipf", often)
		r.format(b, `"name"`, "false")
		r.measure(b, "uniform-no-open-checksum", uniform)
		r.format(b, `"newest"`, "true")
		r.measure(b, "newest-uniform", uniform)
		r.measure(b, "newest-zipf", often)
	}
}

// replacer replaces builds of a tag.
type replacer struct {
	*site
	corpus *rpmtest.Corpus
	root   int64
	gens   []int // of each source
	random *rand.Rand
}

// format says how the tag's metadata is written from now on.
func (r *replacer) format(b *testing.B, order, open string) {
	b.Helper()
	at := r.change(r.root, func(t *tag.Tag) ([]events.Event, error) {
		return t.SetExtra(map[string]json.RawMessage{"repo.order": json.RawMessage(order), "repo.open_checksum": json.RawMessage(open)}, nil)
	})
	r.waitFor(r.root, at)
}

// measure replaces builds of the sources that choose gives, and reports how long it took.
func (r *replacer) measure(b *testing.B, name string, choose func() int) {
	b.Helper()
	var took []time.Duration
	before := cpuTime(b)
	for range replacements {
		source := choose()
		r.gens[source]++
		id := r.fill(r.root, r.corpus, source, r.gens[source])
		<-time.After(rest)
		begin := time.Now()
		repo := r.waitFor(r.root, r.put(r.root, id))
		f, err := r.OpenFile(r.ctx(), "dist-build", repo["id"].(int64), "x86_64/repodata/repomd.xml")
		r.check(err)
		_, err = io.ReadAll(f)
		r.check(err)
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, name+"-p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, name+"-p99-ms")
	b.ReportMetric((cpuTime(b)-before).Seconds()*1000/replacements, name+"-cpu-ms")
}

// cpuTime is how long processors have worked for the process: for what it writes to the topdir after READY, too, and without PostgreSQL.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// fill writes a complete build of the corpus into the ledger, without the ways of an import, and its rpms into the topdir. It gives the build's id; ids
// grow, as they do.
func (s *site) fill(tagID int64, corpus *rpmtest.Corpus, source, gen int) int64 {
	s.tb.Helper()
	s.filled++
	pkg, id := int64(source+1), s.filled
	first := corpus.Package(source*perBuild, gen)
	rpms := make([]events.RPM, perBuild)
	for i := range rpms {
		spec := corpus.Package(source*perBuild+i, gen)
		p, data := spec.NEVRA(), spec.Bytes()
		sum := sha256.Sum256(data)
		dir := filepath.Join(s.top, "packages", first.Name, first.Version, first.Release, p.Arch)
		s.check(os.MkdirAll(dir, 0o755))
		s.check(os.WriteFile(filepath.Join(dir, p.FileName()), data, 0o644))
		rpms[i] = events.RPM{ID: id*perBuild + int64(i), Name: p.Name, Version: p.Version, Release: p.Release, Arch: p.Arch, PayloadHash: hex.EncodeToString(sum[:16]),
			Size: int64(len(data)), BuildTime: spec.BuildTime, SHA256: hex.EncodeToString(sum[:])}
	}
	stream := fmt.Sprintf("build-%d", id)
	if gen == 0 {
		s.write(name.Stream(name.Package), events.NameClaimed{Kind: name.Package, ID: pkg, Name: first.Name})
		s.write(fmt.Sprintf("tag-%d", tagID), events.TagPackageSet{ID: tagID, PackageID: pkg})
	}
	s.write(build.NVRStream(pkg), events.NVRClaimed{PackageID: pkg, Version: first.Version, Release: first.Release, BuildID: id})
	s.write(stream, events.BuildCreated{BuildStart: events.BuildStart{ID: id, PackageID: pkg, Version: first.Version, Release: first.Release,
		State: int(koji.BuildBuilding), Owner: 1, Types: []int64{1}}}, events.RPMsImported{BuildID: id, RPMs: rpms}, events.BuildCompleted{ID: id})
	return id
}

// write appends events to a stream, wherever it is.
func (s *site) write(stream string, evs ...events.Event) {
	s.tb.Helper()
	ids := make([]uuid.UUID, len(evs))
	for i := range ids {
		ids[i] = uuid.Must(uuid.NewV7())
	}
	recs, err := events.Encode(events.Meta{Actor: 1, Command: "bench"}, ids, evs...)
	s.check(err)
	_, err = s.Ledger.Append(s.ctx(), stream, events.Any, recs...)
	s.check(err)
}
