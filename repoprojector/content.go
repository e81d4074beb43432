package repoprojector

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"sync"

	"moromi/internal/koji"
	"moromi/repoprojector/examiner"
	"moromi/repoprojector/repodata"
)

const (
	// maxStates bounds how many tags' contents are remembered: those of 20,000 rpms take about 20 MB each, what they share counted once.
	maxStates = 64
	// maxPieces is up to how many packages' changes are read one by one. Past it everything is read anew, which then is not slower.
	maxPieces = 32
)

// entry is an rpm as repositories have it. It never changes.
type entry struct {
	rpm  RPM
	file repodata.Package
	line []byte // of rpmlist.jsonl
}

// state is what a tag's repositories are made of, as of an event. It never changes; the next one shares most of it.
type state struct {
	tag, event int64
	content    *Content // without rpms and groups; Arches are directories
	comps      []byte
	lineage    []Ancestor
	packages   map[string][]*entry // by the name of the package that the builds are of

	mu   sync.Mutex
	dirs map[layout]map[string]repodata.Packages // as far as somebody asked for them
}

// layout is which rpms a repository has, where and in which order.
type layout struct {
	src, debuginfo, separateSrc bool
	order                       repodata.Order
}

// states remembers the newest states of tags. Safe for concurrent use.
type states struct {
	mu   sync.Mutex
	kept map[int64]*state
	used map[int64]int64
	tick int64
}

func (s *states) get(tag int64) *state {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tick++
	s.used[tag] = s.tick
	return s.kept[tag]
}

func (s *states) put(x *state) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kept == nil {
		s.kept = map[int64]*state{}
	}
	if old := s.kept[x.tag]; old != nil && old.event > x.event {
		return
	}
	s.kept[x.tag] = x
	for len(s.kept) > maxStates {
		oldest := x.tag
		for tag := range s.kept {
			if s.used[tag] < s.used[oldest] {
				oldest = tag
			}
		}
		delete(s.kept, oldest)
		delete(s.used, oldest)
	}
}

func (s *states) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept, s.used = map[int64]*state{}, map[int64]int64{}
}

// shared gives the rpms of all states by id, so that tags share what they share.
func (s *states) shared() map[int64]*entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := map[int64]*entry{}
	for _, x := range s.kept {
		for _, list := range x.packages {
			for _, e := range list {
				known[e.rpm.ID] = e
			}
		}
	}
	return known
}

// stateAt gives the tag's state as of an event: the remembered one with what changed since, if all of that is known, else read anew.
func (p *Projector) stateAt(ctx context.Context, tag, event int64) (*state, error) {
	if old := p.states.get(tag); old != nil && old.event <= event {
		next, err := p.follow(ctx, old, event)
		if err != nil {
			return nil, err
		}
		if next != nil {
			p.states.put(next)
			return next, nil
		}
	}
	return p.readState(ctx, tag, event)
}

// lookAhead brings what is remembered of a tag up to now. While a repository's first event is written there is time for that, and what is left to be looked
// at is what happened in between. What goes wrong is met again then.
func (p *Projector) lookAhead(ctx context.Context, tag int64) {
	now := int64(p.Service.Models.Position())
	if old := p.states.get(tag); old != nil && old.event < now {
		if next, err := p.follow(ctx, old, now); err == nil && next != nil {
			p.states.put(next)
		}
	}
}

// readState reads a tag's state whole, and remembers it if it is the newest.
func (p *Projector) readState(ctx context.Context, tag, event int64) (*state, error) {
	c, err := p.Source.Content(ctx, tag, event)
	if err != nil {
		return nil, err
	}
	x := &state{tag: tag, event: event, packages: map[string][]*entry{}, comps: repodata.Comps(c.Groups, true)}
	if x.lineage, err = p.Source.Lineage(ctx, tag, event); err != nil {
		return nil, err
	}
	entries, err := p.enter(ctx, c.RPMs, p.states.shared())
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		x.packages[e.rpm.Build.Name] = append(x.packages[e.rpm.Build.Name], e)
	}
	x.content = &Content{Tag: c.Tag, Arches: archDirs(c.Arches, false), Extra: c.Extra, All: c.All, Blocked: c.Blocked, External: c.External}
	p.states.put(x)
	return x, nil
}

// enter makes sure of the rpms' files. Those of known are shared if they are the same.
func (p *Projector) enter(ctx context.Context, rpms []RPM, known map[int64]*entry) ([]*entry, error) {
	files, err := p.examiner.Examine(ctx, len(rpms), func(i int) (examiner.File, error) { return rpms[i].file() })
	if err != nil {
		return nil, err
	}
	out := make([]*entry, len(rpms))
	for i := range rpms {
		line, err := json.Marshal(&rpms[i])
		if err != nil {
			return nil, err
		}
		e := &entry{rpm: rpms[i], file: files[i], line: append(line, '\n')}
		if k := known[e.rpm.ID]; k != nil && k.file == e.file && string(k.line) == string(e.line) {
			e = k
		}
		out[i] = e
	}
	return out, nil
}

// follow gives the state that comes of another by what happened in between, or nil if that cannot be told.
func (p *Projector) follow(ctx context.Context, old *state, event int64) (*state, error) {
	happened, ok := p.changes.between(ctx, old.event, event)
	if !ok || int64(p.Service.Models.LastChange()) > old.event { // another hub wrote the read models for a while: Watch was not told of that
		return nil, nil
	}
	if len(happened) == 0 {
		return old.at(event), nil
	}
	touched, ok, err := p.touched(ctx, old, event, happened)
	if err != nil || !ok {
		return nil, err
	}
	next := &state{tag: old.tag, event: event, content: old.content, comps: old.comps, lineage: old.lineage, packages: old.packages, dirs: map[layout]map[string]repodata.Packages{}}
	if touched.groups {
		groups, err := p.Source.Groups(ctx, old.tag, event)
		if err != nil {
			return nil, err
		}
		next.comps = repodata.Comps(groups, true)
	}
	if touched.blocks {
		c := *old.content
		if c.Blocked, err = p.Source.Blocked(ctx, old.tag, event); err != nil {
			return nil, err
		}
		next.content = &c
	}
	var gone, came []*entry
	next.packages = maps.Clone(old.packages)
	for pkg := range touched.packages {
		rpms, err := p.Source.ContentOf(ctx, old.tag, event, pkg, old.content.All)
		if err != nil {
			return nil, err
		}
		entries, err := p.enter(ctx, rpms, nil)
		if err != nil {
			return nil, err
		}
		gone, came = append(gone, old.packages[pkg]...), append(came, entries...)
		if next.packages[pkg] = entries; len(entries) == 0 {
			delete(next.packages, pkg)
		}
	}
	return next, old.carry(next, gone, came)
}

// at is the state as of a later event, up to which nothing happened.
func (x *state) at(event int64) *state {
	x.mu.Lock()
	defer x.mu.Unlock()
	return &state{tag: x.tag, event: event, content: x.content, comps: x.comps, lineage: x.lineage, packages: x.packages, dirs: maps.Clone(x.dirs)}
}

// touches are the parts of a tag's content that changed.
type touches struct {
	packages       map[string]bool
	groups, blocks bool
}

// touched finds what changes mean for a tag; ok is false if they may mean anything.
func (p *Projector) touched(ctx context.Context, old *state, event int64, happened []change) (t touches, ok bool, err error) {
	t.packages = map[string]bool{}
	lineage, err := p.Source.Lineage(ctx, old.tag, event)
	if err != nil || !slices.Equal(lineage, old.lineage) {
		return t, false, err
	}
	family := map[int64]bool{0: true}
	for _, a := range lineage {
		family[a.Tag] = true
	}
	var builds, packages []int64
	for _, c := range happened {
		if !family[c.tag] {
			continue
		}
		switch c.extent {
		case ofAll:
			return t, false, nil
		case ofGroups:
			t.groups = true
		case ofBuilds:
			builds = append(builds, c.ids...)
		case ofPackages:
			packages, t.blocks = append(packages, c.ids...), true
		}
	}
	if len(builds)+len(packages) == 0 {
		return t, true, nil
	}
	for _, read := range []struct {
		names func(context.Context, []int64) ([]string, error)
		ids   []int64
	}{{p.Source.BuildPackages, builds}, {p.Source.PackageNames, packages}} {
		if len(read.ids) == 0 {
			continue
		}
		names, err := read.names(ctx, read.ids)
		if err != nil {
			return t, false, err
		}
		for _, n := range names {
			t.packages[n] = true
		}
	}
	return t, len(t.packages) <= maxPieces, nil
}

// carry takes the directories of a state over into the next, with the entries that went and came.
func (x *state) carry(next *state, gone, came []*entry) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	for l, dirs := range x.dirs {
		removed, added := map[string][]repodata.Package{}, map[string][]repodata.Package{}
		for _, e := range gone {
			for _, dir := range l.places(&e.rpm, x.content.Arches) {
				removed[dir] = append(removed[dir], e.file)
			}
		}
		for _, e := range came {
			for _, dir := range l.places(&e.rpm, x.content.Arches) {
				added[dir] = append(added[dir], e.file)
			}
		}
		to := make(map[string]repodata.Packages, len(dirs))
		for dir, list := range dirs {
			var err error
			if to[dir], err = list.With(removed[dir], added[dir]); err != nil {
				return err
			}
		}
		next.dirs[l] = to
	}
	return nil
}

// dirsFor gives the packages of each directory of a repository.
func (x *state) dirsFor(l layout) (map[string]repodata.Packages, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if dirs := x.dirs[l]; dirs != nil {
		return dirs, nil
	}
	lists := map[string][]repodata.Package{}
	for _, dir := range archDirs(x.content.Arches, l.separateSrc) {
		lists[dir] = nil
	}
	for e := range x.entries(l, "") {
		for _, dir := range l.places(&e.rpm, x.content.Arches) {
			lists[dir] = append(lists[dir], e.file)
		}
	}
	dirs := map[string]repodata.Packages{}
	for dir, list := range lists {
		var err error
		if dirs[dir], err = l.order.Packages(list); err != nil {
			return nil, err
		}
	}
	if x.dirs == nil {
		x.dirs = map[layout]map[string]repodata.Packages{}
	}
	x.dirs[l] = dirs
	return dirs, nil
}

// entries gives the rpms of a directory by package and then in Koji's order, all if dir is empty.
func (x *state) entries(l layout, dir string) func(yield func(*entry) bool) {
	return func(yield func(*entry) bool) {
		for _, name := range slices.Sorted(maps.Keys(x.packages)) {
			for _, e := range x.packages[name] {
				if (dir == "" || slices.Contains(l.places(&e.rpm, x.content.Arches), dir)) && !yield(e) {
					return
				}
			}
		}
	}
}

// places gives the directories that an rpm is in (repo_init of kojihub): a noarch one in every architecture's, a source in all of them or in one of its
// own, debuginfo if it is wanted, and nothing of an architecture that the tag does not have. The caller must not change the list.
func (l layout) places(r *RPM, arches []string) []string {
	if r.MetadataOnly || !l.debuginfo && koji.IsDebuginfo(r.Name) {
		return nil
	}
	switch r.Arch {
	case "src":
		out := []string{}
		if l.src {
			out = append(out, arches...)
		}
		if l.separateSrc {
			out = append(out, "src")
		}
		return out
	case "noarch":
		return arches
	}
	if i := slices.Index(arches, koji.CanonArch(r.Arch)); i >= 0 {
		return arches[i : i+1]
	}
	return nil
}

// archDirs gives the directories of a repository.
func archDirs(arches []string, separateSrc bool) []string {
	var out []string
	if separateSrc {
		out = append(out, "src")
	}
	for _, a := range arches {
		if a = koji.CanonArch(a); a != "src" && a != "noarch" {
			out = append(out, a)
		}
	}
	return out
}
