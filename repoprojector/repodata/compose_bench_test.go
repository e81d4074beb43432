package repodata_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"time"

	"moromi/internal/rpm/rpmtest"
	"moromi/repoprojector/repodata"
)

// BenchmarkCompose replaces one package of 20,000 and composes the version: the part of a repository's making that grows with it. "uniform" is any package,
// "zipf" a few again and again.
func BenchmarkCompose(b *testing.B) {
	const n, changes = 20_000, 60
	s := newSite(b, repodata.Options{})
	c := rpmtest.NewCorpus(1)
	id := int64(0)
	add := func(i, gen int) repodata.Package {
		id++
		spec := c.Package(i, gen)
		d, err := s.store.Add(bytes.NewReader(spec.Bytes()))
		check(b, err)
		return repodata.Package{Digest: d, Href: "packages/" + spec.NEVRA().FileName(), Time: 1, ID: id}
	}
	list, gens := make([]repodata.Package, n), make([]int, n)
	for i := range list {
		list[i] = add(i, 0)
	}
	random := rand.New(rand.NewPCG(1, 2))
	zipf, popular := rand.NewZipf(random, 1.2, 1, n-1), random.Perm(n)
	for name, format := range map[string]repodata.Format{"name": {}, "name-no-open-checksum": {NoOpenChecksum: true}, "newest": {Order: repodata.NewestLast},
		"newest-no-open-checksum": {Order: repodata.NewestLast, NoOpenChecksum: true}} {
		for what, choose := range map[string]func() int{"uniform": func() int { return random.IntN(n) }, "zipf": func() int { return popular[zipf.Uint64()] }} {
			b.Run(fmt.Sprintf("%s/%s", name, what), func(b *testing.B) {
				p, err := format.Order.Packages(list)
				check(b, err)
				compose := func() {
					_, err := s.writer.Compose(b.Context(), repodata.Content{Packages: p, Format: format})
					check(b, err)
				}
				compose()
				var took, cpu []time.Duration
				for range b.N {
					for range changes {
						i := choose()
						gens[i]++
						next := add(i, gens[i])
						begin, worked := time.Now(), worked(b)
						p, err = p.With([]repodata.Package{list[i]}, []repodata.Package{next})
						check(b, err)
						compose()
						took, cpu = append(took, time.Since(begin)), append(cpu, workedSince(b, worked))
						list[i] = next
					}
				}
				for unit, list := range map[string][]time.Duration{"ms": took, "cpu-ms": cpu} {
					slices.Sort(list)
					b.ReportMetric(float64(list[len(list)/2].Microseconds())/1000, "p50-"+unit)
					b.ReportMetric(float64(list[len(list)*95/100].Microseconds())/1000, "p95-"+unit)
				}
			})
		}
	}
}

// worked is how long processors have worked for the process.
func worked(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	check(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func workedSince(b *testing.B, before time.Duration) time.Duration { return worked(b) - before }
