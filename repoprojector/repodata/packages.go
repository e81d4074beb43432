package repodata

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"sort"
	"strings"
	"sync/atomic"
)

// Order is how the packages of a repository follow each other. Readers do not care: libsolv sorts what it chooses from.
type Order int

// Orders.
const (
	// ByName is createrepo_c's: by file name, then by directory.
	ByName Order = iota
	// NewestLast is by ID, and of the same ID by name: what changes often is at the end, so that a change leaves most of the files as they were.
	NewestLast
)

// Packages is the content of a repository, in its order. It never changes, so versions may share it, and one that comes of another shares all blocks
// that are the same.
type Packages struct {
	order Order
	runs  []*run
	n     int
}

// run is the packages of a block. It never changes but for remembering its keys.
type run struct {
	list []Package
	keys [compressions]atomic.Pointer[blockKey]
}

// NewPackages sorts packages into createrepo_c's order. Two packages at one place are an error, as is a place outside the repository's reach (absolute,
// or without a file name).
func NewPackages(list []Package) (Packages, error) { return ByName.Packages(list) }

// Packages is NewPackages for any order.
func (o Order) Packages(list []Package) (Packages, error) {
	type keyed struct {
		file, dir string
		id        int64
		p         *Package
	}
	keys := make([]keyed, len(list)) // splitting places once, not at every comparison
	for i := range list {
		if err := checkPlace(list[i]); err != nil {
			return Packages{}, err
		}
		file, dir := order(list[i].Href)
		keys[i] = keyed{file, dir, 0, &list[i]}
		if o == NewestLast {
			keys[i].id = list[i].ID
		}
	}
	slices.SortFunc(keys, func(a, b keyed) int {
		return cmp.Or(cmp.Compare(a.id, b.id), strings.Compare(a.file, b.file), strings.Compare(a.dir, b.dir), strings.Compare(a.p.Base, b.p.Base))
	})
	sorted := make([]Package, len(keys))
	for i, k := range keys {
		sorted[i] = *k.p
	}
	c := cutter{}
	for _, p := range sorted {
		c.add(p)
	}
	out := Packages{order: o, runs: c.finish(), n: len(sorted)}
	return out, out.checkUnique()
}

// checkUnique refuses two packages at one place.
func (p Packages) checkUnique() error {
	if p.order == ByName { // they are neighbours
		var last Package
		for x := range p.All() {
			if x.Href == last.Href && x.Base == last.Base {
				return fmt.Errorf("two packages at %s", x.Href)
			}
			last = x
		}
		return nil
	}
	type place struct{ base, href string }
	seen := make(map[place]bool, p.n)
	for x := range p.All() {
		if at := (place{x.Base, x.Href}); seen[at] {
			return fmt.Errorf("two packages at %s", x.Href)
		} else {
			seen[at] = true
		}
	}
	return nil
}

// All gives the packages in order.
func (p Packages) All() iter.Seq[Package] {
	return func(yield func(Package) bool) {
		for _, r := range p.runs {
			for _, x := range r.list {
				if !yield(x) {
					return
				}
			}
		}
	}
}

// Len is the number of packages.
func (p Packages) Len() int { return p.n }

// In gives the packages in another order.
func (p Packages) In(o Order) (Packages, error) {
	if p.order == o {
		return p, nil
	}
	return o.Packages(slices.Collect(p.All()))
}

// compare compares two packages by an order.
func (o Order) compare(a, b Package) int {
	if o == NewestLast && a.ID != b.ID {
		return cmp.Compare(a.ID, b.ID)
	}
	fileA, dirA := order(a.Href)
	fileB, dirB := order(b.Href)
	return cmp.Or(strings.Compare(fileA, fileB), strings.Compare(dirA, dirB), strings.Compare(a.Base, b.Base))
}

// order gives what createrepo_c sorts by. The directory has no slash at its end: a comes before a-b.
func order(href string) (file, dir string) {
	i := strings.LastIndexByte(href, '/')
	return href[i+1:], href[:max(i, 0)]
}

// With gives the packages without the removed and with the added ones; an added package replaces the one of its place in the order. Removing what is not
// there is an error: the caller's idea of the repository is wrong. Only the blocks that are touched are cut anew.
func (p Packages) With(removed, added []Package) (Packages, error) {
	edits := map[int][]edit{} // by run
	for _, x := range removed {
		at := p.runOf(x)
		edits[at] = append(edits[at], edit{x, true})
	}
	for _, x := range added {
		if err := checkPlace(x); err != nil {
			return Packages{}, err
		}
		at := p.runOf(x)
		edits[at] = append(edits[at], edit{x, false})
	}
	out := Packages{order: p.order}
	var c cutter
	runs := p.runs
	if len(runs) == 0 {
		runs = []*run{{}}
	}
	for i, r := range runs {
		todo, touched := edits[i]
		if !touched && len(c.open) == 0 && len(r.list) > 0 { // it begins and ends where it did
			c.runs = append(c.runs, r)
			continue
		}
		list, err := p.order.apply(r.list, todo)
		if err != nil {
			return Packages{}, err
		}
		for _, x := range list {
			c.add(x)
		}
	}
	out.runs = c.finish()
	for _, r := range out.runs {
		out.n += len(r.list)
	}
	return out, nil
}

// edit is a package that goes or comes.
type edit struct {
	Package
	gone bool
}

// apply gives a list with edits done.
func (o Order) apply(list []Package, edits []edit) ([]Package, error) {
	if len(edits) == 0 {
		return list, nil
	}
	out := slices.Clone(list)
	for _, e := range edits {
		i, found := slices.BinarySearchFunc(out, e.Package, o.compare)
		switch {
		case e.gone && !found:
			return nil, fmt.Errorf("remove package %s: not in the repository", e.Href)
		case e.gone:
			out = slices.Delete(out, i, i+1)
		case found:
			out[i] = e.Package
		default:
			out = slices.Insert(out, i, e.Package)
		}
	}
	return out, nil
}

// runOf gives the run that a package is in, or would be.
func (p Packages) runOf(x Package) int {
	i := sort.Search(len(p.runs), func(i int) bool { return p.order.compare(p.runs[i].list[0], x) > 0 })
	return max(i-1, 0)
}

// Blocks.
const (
	// meanBlock is how many packages a block holds on average: with fewer, compression gets worse (8: 10 %, 1:
	// 80 % more bytes than one stream); with more, a change costs more.
	meanBlock = 32
	// maxBlock bounds a block where no name ends one.
	maxBlock = 4 * meanBlock
)

// cutter cuts packages into blocks. Where a block ends depends on the last package's name and arch, which a rebuild keeps: so one rebuild changes one
// block, or two where the rebuilt package moves.
type cutter struct {
	runs []*run
	open []Package // of the block that has not ended
}

func (c *cutter) add(p Package) {
	c.open = append(c.open, p)
	if len(c.open) >= maxBlock || endsBlock(p.Href) {
		c.finish()
	}
}

func (c *cutter) finish() []*run {
	if len(c.open) > 0 {
		c.runs = append(c.runs, &run{list: slices.Clip(c.open)})
		c.open = nil
	}
	return c.runs
}
