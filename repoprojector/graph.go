package repoprojector

import (
	"maps"
	"slices"
)

// graph knows which of the followed tags have something of a tag. It is changed tag by tag, as the links are.
type graph struct {
	parents   map[int64][]Link
	ancestors map[int64]map[int64]int64 // by followed tag: itself and what it inherits from
	heirs     map[int64]map[int64]bool  // by tag: the followed tags that inherit from it, and itself if it is followed
}

// newGraph finds for each followed tag what it inherits from, by the rules of readFullInheritance of kojihub.
func newGraph(links []Link, followed map[int64]bool) *graph {
	g := &graph{parents: map[int64][]Link{}, ancestors: map[int64]map[int64]int64{}, heirs: map[int64]map[int64]bool{}}
	for _, l := range links {
		g.parents[l.Tag] = append(g.parents[l.Tag], l)
	}
	for tag := range followed {
		g.follow(tag)
	}
	return g
}

// follow has a tag followed from now on.
func (g *graph) follow(tag int64) {
	g.unfollow(tag)
	g.ancestors[tag] = ancestors(tag, g.parents)
	for a := range g.ancestors[tag] {
		if g.heirs[a] == nil {
			g.heirs[a] = map[int64]bool{}
		}
		g.heirs[a][tag] = true
	}
}

func (g *graph) unfollow(tag int64) {
	for a := range g.ancestors[tag] {
		if delete(g.heirs[a], tag); len(g.heirs[a]) == 0 {
			delete(g.heirs, a)
		}
	}
	delete(g.ancestors, tag)
}

// relink gives a tag other links: what its heirs inherit is found anew.
func (g *graph) relink(tag int64, links []Link) {
	if len(links) > 0 {
		g.parents[tag] = links
	} else {
		delete(g.parents, tag)
	}
	for _, heir := range slices.Collect(maps.Keys(g.heirs[tag])) {
		g.follow(heir)
	}
}

// unlimited is a depth that no inheritance reaches.
const unlimited = int64(1) << 40

// ancestors gives the tag and all that it inherits from.
func ancestors(tag int64, parents map[int64][]Link) map[int64]int64 {
	depth := map[int64]int64{tag: unlimited} // how many steps more may be taken from there
	todo := []int64{tag}
	for len(todo) > 0 {
		at := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if depth[at] < 1 {
			continue
		}
		for _, l := range parents[at] {
			if l.Intransitive && at != tag {
				continue
			}
			next := depth[at]
			if next < unlimited {
				next--
			}
			if l.MaxDepth != nil {
				if next < unlimited {
					next = min(next, *l.MaxDepth-1)
				} else {
					next = *l.MaxDepth
				}
			}
			if known, seen := depth[l.Parent]; !seen || next > known {
				depth[l.Parent] = next
				todo = append(todo, l.Parent)
			}
		}
	}
	return depth
}
