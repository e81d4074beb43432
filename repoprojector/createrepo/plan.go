package createrepo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"moromi/repoprojector/repodata"
)

// entry is a package of the repository that is being made.
type entry struct {
	name        string // its place, relative to the directory
	old         int32  // which package of the old table it is; unknown if its rpm has to be read
	ends        bool   // the name ends a block
	bad         bool   // the rpm cannot be read
	mtime, size int64
	text        [kinds]uint32 // lengths
}

const unknown = -1

// matcher finds packages of a table by name.
type matcher struct {
	packages []tablePackage
	seed     maphash.Seed
	slots    []int32 // open addressing; index+1, 0 is free
}

func newMatcher(t *table) *matcher {
	n := 1
	for n < 2*len(t.packages)+2 {
		n *= 2
	}
	m := &matcher{packages: t.packages, seed: maphash.MakeSeed(), slots: make([]int32, n)}
	for i := range t.packages {
		at := m.at(t.packages[i].name)
		if m.slots[at] == 0 {
			m.slots[at] = int32(i + 1)
		}
	}
	return m
}

// at is the slot of a name: its own, or a free one.
func (m *matcher) at(name string) int {
	mask := len(m.slots) - 1
	i := int(maphash.String(m.seed, name)) & mask
	for m.slots[i] != 0 && m.packages[m.slots[i]-1].name != name {
		i = (i + 1) & mask
	}
	return i
}

// plan gives the packages in createrepo_c's order, each place once, and says which of them the state has.
func (r *run) plan(ctx context.Context, names []string, t *table) ([]entry, error) {
	if t == nil {
		t = &table{}
	}
	m := newMatcher(t)
	have := make([]bool, len(t.packages))
	var fresh []string
	for _, name := range names {
		i := m.slots[m.at(name)] - 1
		switch {
		case i < 0:
			fresh = append(fresh, name)
		case have[i]:
			r.twice(name)
		default:
			have[i] = true
		}
	}
	changed, err := r.changed(ctx, t, have)
	if err != nil {
		return nil, err
	}
	added := r.sorted(fresh)
	out := make([]entry, 0, len(names))
	for i := range t.packages {
		if !have[i] {
			continue
		}
		p := &t.packages[i]
		for len(added) > 0 && repodata.ComparePlaces(added[0].name, p.name) < 0 {
			out, added = append(out, added[0]), added[1:]
		}
		if changed != nil && changed[i] {
			out = append(out, entry{name: p.name, old: unknown, ends: p.ends})
		} else {
			out = append(out, entry{name: p.name, old: int32(i), ends: p.ends, mtime: p.mtime, size: p.size, text: p.text})
		}
	}
	return append(out, added...), nil
}

// sorted puts the places of rpms that have to be read into order.
func (r *run) sorted(names []string) []entry {
	out := make([]entry, 0, len(names))
	type key struct{ file, dir, name string }
	keys := make([]key, len(names)) // taken apart once, not at every comparison
	for i, n := range names {
		slash := strings.LastIndexByte(n, '/')
		keys[i] = key{n[slash+1:], n[:max(slash, 0)], n}
	}
	slices.SortFunc(keys, func(a, b key) int { return cmp.Or(strings.Compare(a.file, b.file), strings.Compare(a.dir, b.dir)) })
	for i, k := range keys {
		if i > 0 && keys[i-1].name == k.name {
			r.twice(k.name)
			continue
		}
		out = append(out, entry{name: k.name, old: unknown, ends: repodata.EndsBlock(k.name)})
	}
	return out
}

// statsAtOnce is how many files one goroutine looks at.
const statsAtOnce = 1000

// changed tells which of the packages have another file than when they were read: by size and time, as createrepo_c
// does. Nil without looking with SkipStat.
func (r *run) changed(ctx context.Context, t *table, have []bool) ([]bool, error) {
	if r.SkipStat || len(t.packages) == 0 {
		return nil, nil
	}
	out := make([]bool, len(t.packages))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(r.Workers)
	for start := 0; start < len(t.packages); start += statsAtOnce {
		g.Go(func() error {
			for i := start; i < min(start+statsAtOnce, len(t.packages)); i++ {
				if !have[i] {
					continue
				}
				p := &t.packages[i]
				info, err := os.Stat(filepath.Join(r.Dir, p.name))
				out[i] = err != nil || info.ModTime().Unix() != p.mtime || info.Size() != p.size
			}
			return ctx.Err()
		})
	}
	return out, g.Wait()
}

// job is a block of the repository that is being made.
type job struct {
	entries []entry
	old     *tableBlock   // the same block of the state, nil if it has to be built
	ready   chan struct{} // closed when it is built
	built   *built
}

// cut makes blocks of the packages, and finds those that the state has.
func (r *run) cut(entries []entry, t *table) []job {
	var jobs []job
	start, block := 0, 0
	for i := range entries {
		if i+1 < len(entries) && !entries[i].ends && i-start+1 < repodata.MaxBlock {
			continue
		}
		j := job{entries: entries[start : i+1 : i+1]}
		start = i + 1
		if t != nil {
			j.old, block = t.same(j.entries, block)
		}
		if j.old == nil {
			j.ready = make(chan struct{})
		}
		jobs = append(jobs, j)
	}
	return jobs
}

// same finds the block that holds just these packages, looking from a block on, and says where to look on.
func (t *table) same(entries []entry, from int) (*tableBlock, int) {
	first := int(entries[0].old)
	if first == unknown {
		return nil, from
	}
	for from < len(t.blocks) && t.blocks[from].first < first {
		from++
	}
	if from == len(t.blocks) || t.blocks[from].first != first || t.blocks[from].count != len(entries) {
		return nil, from
	}
	for i := range entries {
		if int(entries[i].old) != first+i {
			return nil, from
		}
	}
	return &t.blocks[from], from + 1
}

// href is what the metadata says of a package's place.
func (r *run) href(name string) string {
	for range r.CutDirs {
		slash := strings.IndexByte(name, '/')
		if slash < 0 {
			break
		}
		name = name[slash+1:]
	}
	if r.LocationPrefix == "" {
		return name
	}
	return strings.TrimRight(r.LocationPrefix, "/") + "/" + name
}

func (r *run) twice(name string) {
	r.warn(fmt.Errorf("%s is listed twice; it is in the repository once", name))
}

// errNotFile is the problem of a listed directory, device or pipe.
var errNotFile = errors.New("not a regular file")
