package external_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"moromi/internal/rpm/rpmtest"
	"moromi/repoprojector/external"
	"moromi/repoprojector/repodata"
)

// BenchmarkMerge measures what a repository costs after one change of the tag's own packages: the merge, and the metadata.
func BenchmarkMerge(b *testing.B) {
	dir := b.TempDir()
	var specs []rpmtest.Spec
	for i := range 20_000 {
		specs = append(specs, spec(fmt.Sprintf("package%05d", i), "1", "x86_64", fmt.Sprintf("source%05d-1-1.src.rpm", i/3)))
	}
	writeRepo(b, dir, repodata.Gzip, specs...)
	store := newStore(b)
	c, err := external.Open(openRoot(b, b.TempDir()), external.Options{Store: store})
	check(b, err)
	began := time.Now()
	theirs, err := c.Load(b.Context(), "file://"+dir+"/")
	check(b, err)
	b.Logf("read %d packages in %s", len(theirs.Packages), time.Since(began))
	ours := slices.Clone(theirs.Packages[:2000])
	w := repodata.NewWriter(store, repodata.Options{})
	for i := 0; b.Loop(); i++ {
		ours[0].Version = fmt.Sprint(i)
		m, err := external.Merge(external.Koji, "x86_64", nil, []external.Repo{{URL: "file:///x/", Packages: ours}, {URL: "file:///y/", Packages: theirs.Packages}})
		check(b, err)
		packages, err := repodata.NewPackages(m.Packages)
		check(b, err)
		_, err = w.Compose(context.Background(), repodata.Content{Packages: packages, Extra: m.Extra, Revision: time.Unix(1, 0)})
		check(b, err)
	}
}
