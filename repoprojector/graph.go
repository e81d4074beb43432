package repoprojector

import "maps"

// graph knows which of the followed tags have something of a tag.
type graph struct {
	heirs map[int64][]int64 // by tag: the followed tags that inherit from it, and itself if it is followed
}

// newGraph finds for each followed tag what it inherits from, by the rules of readFullInheritance of kojihub.
func newGraph(links []Link, followed map[int64]bool) *graph {
	parents := map[int64][]Link{}
	for _, l := range links {
		parents[l.Tag] = append(parents[l.Tag], l)
	}
	g := &graph{heirs: map[int64][]int64{}}
	for tag := range maps.Keys(followed) {
		for a := range ancestors(tag, parents) {
			g.heirs[a] = append(g.heirs[a], tag)
		}
	}
	return g
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
