package tag

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// found is what the order of inheritance says of one step.
type found struct {
	from, to, depth int64
	left            string // "-" for no bound
	patterns        []string
}

func (f found) same(g found) bool {
	return f.from == g.from && f.to == g.to && f.depth == g.depth && f.left == g.left && slices.Equal(f.patterns, g.patterns)
}

func bound(n *int64) string {
	if n == nil {
		return "-"
	}
	return fmt.Sprint(*n)
}

// reference finds the order of inheritance by Koji's rules and nothing else: from a tag, its links by priority, each followed to the end before
// the next one. path are the tags from the root to this one, left how many steps may follow.
type reference struct {
	links   map[int64][]Link
	reverse bool
	reached map[int64][]arrival
	order   []found
}

type arrival struct {
	left     int64
	noConfig bool
	filtered bool
}

const unbounded = 1 << 40

func (r *reference) visit(tag int64, path []int64, left int64, noConfig bool, filters []string) {
	if left < 1 {
		return
	}
	path = append(slices.Clone(path), tag)
	for _, l := range r.links[tag] {
		if slices.Contains(path, l.ID) {
			continue // a loop ends where it closes
		}
		if l.Intransitive && len(path) > 1 && !r.reverse {
			continue // only the root inherits over it
		}
		next := int64(unbounded)
		if r.reverse {
			if l.MaxDepth != nil && *l.MaxDepth < int64(len(path))-1 {
				continue // it does not reach down to the root
			}
		} else {
			// the link's own bound counts from here; one further up has this step to pay for
			if l.MaxDepth != nil {
				next = *l.MaxDepth
			}
			if left != unbounded {
				next = min(next, left) - 1
			}
		}
		noConfig = noConfig || l.NoConfig
		own := slices.Clone(filters)
		if l.Filter != "" {
			own = append(own, l.Filter)
		}
		if r.covered(l.ID, next, noConfig) {
			continue
		}
		r.reached[l.ID] = append(r.reached[l.ID], arrival{next, l.NoConfig, len(own) > 0})
		f := found{tag, l.ID, int64(len(path)), "-", own}
		if next != unbounded {
			f.left = fmt.Sprint(next)
		}
		r.order = append(r.order, f)
		if r.reverse && l.Intransitive {
			continue
		}
		r.visit(l.ID, path, next, noConfig, own)
	}
}

// covered tells whether the tag was reached before in a way that gives at least as much.
func (r *reference) covered(id, left int64, noConfig bool) bool {
	return slices.ContainsFunc(r.reached[id], func(a arrival) bool {
		return a.left >= left && !a.filtered && (!a.noConfig || noConfig)
	})
}

// drawLinks makes an inheritance of a few tags in which everything occurs: loops, diamonds, bounds, filters and flags.
func drawLinks(t *rapid.T) map[int64][]Link {
	const tags = 6
	depths := []*int64{nil, nil, new(int64), ptrTo(1), ptrTo(2), ptrTo(3)}
	links := map[int64][]Link{}
	for from := int64(1); from <= tags; from++ {
		for to := int64(1); to <= tags; to++ {
			if to == from || rapid.IntRange(0, 2).Draw(t, "linked") != 0 {
				continue
			}
			links[from] = append(links[from], Link{ID: to, From: from, Priority: rapid.Int64Range(0, 50).Draw(t, "priority"),
				MaxDepth:     rapid.SampledFrom(depths).Draw(t, "maxdepth"),
				Intransitive: rapid.IntRange(0, 5).Draw(t, "intransitive") == 0, NoConfig: rapid.IntRange(0, 4).Draw(t, "noconfig") == 0,
				Filter: rapid.SampledFrom([]string{"", "", "", "foo", "^b"}).Draw(t, "filter")})
		}
		slices.SortStableFunc(links[from], func(a, b Link) int { return int(a.Priority - b.Priority) })
	}
	return links
}

func ptrTo(n int64) *int64 { return &n }

func walked(links map[int64][]Link, root int64, reverse bool) []found {
	w := &walk{edges: links, o: InheritanceOptions{Reverse: reverse}, seen: map[int64][]step{}}
	w.follow(root, map[int64]bool{}, 0, nil, false, nil)
	var got []found
	for _, l := range w.order {
		got = append(got, found{l.From, l.ID, l.Depth, bound(l.NextDepth), l.Filters})
	}
	return got
}

func TestInheritanceOrderIsTheReferences(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		links := drawLinks(t)
		for _, reverse := range []bool{false, true} {
			r := &reference{links: links, reverse: reverse, reached: map[int64][]arrival{}}
			r.visit(1, nil, unbounded, false, nil)
			if got := walked(links, 1, reverse); !slices.EqualFunc(got, r.order, found.same) {
				t.Fatalf("reverse %v:\ngot  %v\nwant %v\nlinks %+v", reverse, got, r.order, links)
			}
		}
	})
}

// TestInheritanceOrder has the cases that people rely on, worked out by hand.
func TestInheritanceOrder(t *testing.T) {
	t.Parallel()
	one, zero := ptrTo(1), new(int64)
	for _, c := range []struct {
		name  string
		links map[int64][]Link
		want  []int64
	}{
		{"depth first", map[int64][]Link{1: {{ID: 2}, {ID: 3}}, 2: {{ID: 4}}}, []int64{2, 4, 3}},
		{"a diamond's foot counts once", map[int64][]Link{1: {{ID: 2}, {ID: 3}}, 2: {{ID: 4}}, 3: {{ID: 4}}}, []int64{2, 4, 3}},
		{"behind a filter it counts again", map[int64][]Link{1: {{ID: 2, Filter: "x"}, {ID: 3}}, 2: {{ID: 4}}, 3: {{ID: 4}}}, []int64{2, 4, 3, 4}},
		{"a loop ends", map[int64][]Link{1: {{ID: 2}}, 2: {{ID: 3}}, 3: {{ID: 1}}}, []int64{2, 3}},
		{"maxdepth 0 is the parent alone", map[int64][]Link{1: {{ID: 2, MaxDepth: zero}}, 2: {{ID: 3}}}, []int64{2}},
		{"maxdepth 1 is one more", map[int64][]Link{1: {{ID: 2, MaxDepth: one}}, 2: {{ID: 3}}, 3: {{ID: 4}}}, []int64{2, 3}},
		{"a bound further up holds", map[int64][]Link{1: {{ID: 2, MaxDepth: one}}, 2: {{ID: 3, MaxDepth: ptrTo(9)}}, 3: {{ID: 4}}}, []int64{2, 3}},
		{"intransitive links are their own tag's", map[int64][]Link{1: {{ID: 2}, {ID: 5, Intransitive: true}}, 2: {{ID: 3, Intransitive: true}}}, []int64{2, 5}},
		{"a way that reaches further counts again", map[int64][]Link{1: {{ID: 2, MaxDepth: zero}, {ID: 3}}, 3: {{ID: 2}}, 2: {{ID: 4}}}, []int64{2, 3, 2, 4}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for from := range c.links {
				for i := range c.links[from] {
					c.links[from][i].From = from
				}
			}
			var got []int64
			for _, f := range walked(c.links, 1, false) {
				got = append(got, f.to)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("order %v, want %v", got, c.want)
			}
		})
	}
}

// ReferenceOrder is the reference's order for the tests of queries: the tags, and the filters on the way to each.
func ReferenceOrder(links map[int64][]Link, root int64) (tags []int64, filters [][]string) {
	r := &reference{links: links, reached: map[int64][]arrival{}}
	r.visit(root, nil, unbounded, false, nil)
	for _, f := range r.order {
		tags, filters = append(tags, f.to), append(filters, f.patterns)
	}
	return tags, filters
}
