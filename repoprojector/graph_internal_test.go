package repoprojector

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
)

// TestGraph changes a graph link by link and tag by tag, and holds it to one that is made anew.
func TestGraph(t *testing.T) {
	t.Parallel()
	const tags, steps = 12, 400
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 5))
		links, followed := map[int64][]Link{}, map[int64]bool{}
		g := newGraph(nil, nil)
		for step := range steps {
			tag := random.Int64N(tags)
			switch random.IntN(4) {
			case 0:
				followed[tag] = true
				g.follow(tag)
			case 1:
				delete(followed, tag)
				g.unfollow(tag)
			default:
				var list []Link
				for range random.IntN(3) {
					l := Link{Tag: tag, Parent: random.Int64N(tags), Intransitive: random.IntN(5) == 0}
					if random.IntN(3) == 0 {
						depth := random.Int64N(3)
						l.MaxDepth = &depth
					}
					list = append(list, l)
				}
				links[tag] = list
				g.relink(tag, list)
			}
			var all []Link
			for _, list := range links {
				all = append(all, list...)
			}
			want := newGraph(all, followed)
			if !maps.EqualFunc(g.heirs, want.heirs, maps.Equal) {
				t.Fatalf("seed %d, step %d: heirs are %s, want %s", seed, step, fmt.Sprint(g.heirs), fmt.Sprint(want.heirs))
			}
		}
	}
}

// BenchmarkGraph measures what one more side tag costs among thousands.
func BenchmarkGraph(b *testing.B) {
	const tags = 20_000
	var links []Link
	followed := map[int64]bool{}
	for tag := int64(1); tag < tags; tag++ {
		links = append(links, Link{Tag: tag, Parent: tag / 8})
		followed[tag] = tag%2 == 0
	}
	g := newGraph(links, followed)
	for b.Loop() {
		g.relink(tags, []Link{{Tag: tags, Parent: tags / 8}})
		g.follow(tags)
		g.unfollow(tags)
	}
}
