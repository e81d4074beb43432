package repodata_test

import (
	"bytes"
	"testing"
	"time"

	"moromi/internal/rpm/rpmtest"
	"moromi/repoprojector/repodata"
)

// TestDigesters composes versions on processors with and without the instructions for two files at a time: they are the same, and right.
func TestDigesters(t *testing.T) {
	t.Parallel()
	const n = 3000 // some hundred blocks
	s := newSite(t, repodata.Options{})
	corpus := rpmtest.NewCorpus(1)
	list := make([]repodata.Package, n)
	add := func(i, gen int) repodata.Package {
		spec := corpus.Package(i, gen)
		d, err := s.store.Add(bytes.NewReader(spec.Bytes()))
		check(t, err)
		return repodata.Package{Digest: d, Href: "packages/" + spec.NEVRA().FileName(), Time: 1, ID: int64(gen*n + i)}
	}
	for i := range list {
		list[i] = add(i, 0)
	}
	p, err := repodata.ByName.Packages(list)
	check(t, err)
	pairs, apart := s.writer, repodata.NewWriter(s.store, repodata.Options{})
	pairs.Pairs(true)
	apart.Pairs(false)
	for gen, place := range []int{0, n / 2, n - 1, 7} {
		var index [2][]byte
		for i, w := range []*repodata.Writer{pairs, apart} {
			v, err := w.Compose(t.Context(), repodata.Content{Packages: p, Revision: time.Unix(1, 0)})
			check(t, err)
			index[i] = v.Repomd
			fresh, err := repodata.NewWriter(s.store, repodata.Options{}).Compose(t.Context(), repodata.Content{Packages: p, Revision: time.Unix(1, 0)})
			check(t, err)
			if !bytes.Equal(v.Repomd, fresh.Repomd) {
				t.Errorf("version %d, writer %d: what was known before leads to other sums", gen, i)
			}
		}
		if !bytes.Equal(index[0], index[1]) {
			t.Errorf("version %d:\n%s\nin pairs, each alone:\n%s", gen, index[0], index[1])
		}
		next := add(place, gen+1)
		if p, err = p.With([]repodata.Package{list[place]}, []repodata.Package{next}); err != nil {
			t.Fatal(err)
		}
		list[place] = next
	}
}
