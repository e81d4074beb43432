package repoprojector_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"

	"moromi/aggregates/build"
	"moromi/aggregates/name"
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
)

// BenchmarkReplaced measures the time from the tagging of a build to a repository that can be read, in a tag with thousands of rpms as varied as a
// distribution's. Each event replaces the four rpms of a build by another's, anywhere in the tag, and comes after a rest, as a build's tagging does.
func BenchmarkReplaced(b *testing.B) {
	for _, n := range []int{5_000, 20_000, 60_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) { benchmarkReplaced(b, n) })
	}
}

func benchmarkReplaced(b *testing.B, n int) {
	s := newSite(b)
	s.lazy = true
	root := s.makeTag("dist-build", nil)
	s.makeTarget("dist", root, root)
	corpus := rpmtest.NewCorpus(1)
	var ids []int64
	for source := range n / perBuild {
		ids = append(ids, s.fill(root, corpus, source, 0))
	}
	for from := 0; from < len(ids); from += 500 {
		s.put(root, ids[from:min(from+500, len(ids))]...)
	}
	random := rand.New(rand.NewPCG(1, 2))
	var news []int64
	for _, source := range random.Perm(n / perBuild)[:replacements] {
		news = append(news, s.fill(root, corpus, source, 1))
	}
	s.check(s.SyncCounters(s.ctx()))
	s.start()
	s.waitFor(root, 0)
	var took []time.Duration
	b.ResetTimer()
	for range b.N { // one round is long enough: the framework asks for one
		for _, id := range news {
			<-time.After(rest)
			begin := time.Now()
			repo := s.waitFor(root, s.put(root, id))
			f, err := s.OpenFile(s.ctx(), "dist-build", repo["id"].(int64), "x86_64/repodata/repomd.xml")
			s.check(err)
			_, err = io.ReadAll(f)
			s.check(err)
			took = append(took, time.Since(begin))
		}
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
}

// fill writes a complete build of the corpus into the ledger, without the ways of an import, and its rpms into the topdir. It gives the build's id.
func (s *site) fill(tagID int64, corpus *rpmtest.Corpus, source, gen int) int64 {
	s.tb.Helper()
	pkg, id := int64(source+1), int64(gen)*1_000_000+int64(source)+1
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
