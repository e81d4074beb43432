package dist

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"moromi/internal/fault"
	"moromi/internal/rpm"
)

// pack is a package that others may need.
type pack struct {
	file string
	name string
	evr  rpm.EVR
	arch string

	provides                        []rpm.Dependency
	requires, recommends, conflicts []*expr
	supplements                     []*expr
	obsoletes                       []rpm.Dependency
}

// provision is a package and what it provides.
type provision struct {
	*pack
	as rpm.Dependency
}

// universe are the packages of a repository. It answers what a set of them needs besides, always with the same packages: as dnf does where there is one choice only. Where there are several,
// it takes the first by name; of one name the better architecture, and the newer version.
type universe struct {
	packs     []*pack // by file
	byFile    map[string]*pack
	providers map[string][]provision // by what they provide, files that are asked for among it
}

// newUniverse indexes packages by their headers.
func newUniverse(headers map[string]*rpm.Header) (*universe, error) {
	u := &universe{byFile: map[string]*pack{}, providers: map[string][]provision{}}
	paths := map[string]bool{} // that somebody asks for
	for _, file := range slices.Sorted(maps.Keys(headers)) {
		p, err := newPack(file, headers[file])
		if err != nil {
			return nil, err
		}
		u.packs, u.byFile[file] = append(u.packs, p), p
		for _, list := range [][]*expr{p.requires, p.recommends, p.conflicts, p.supplements} {
			for _, x := range list {
				x.each(func(d rpm.Dependency) { paths[d.Name] = paths[d.Name] || strings.HasPrefix(d.Name, "/") })
			}
		}
	}
	for _, p := range u.packs {
		files, err := headers[p.file].Paths()
		if err != nil {
			return nil, fault.Wrap(err, fault.Generic, "the rpm %s is corrupt: %v", p.file, err)
		}
		for _, f := range files {
			if paths[string(f)] {
				p.provides = append(p.provides, rpm.Dependency{Name: string(f)})
			}
		}
		for _, d := range p.provides {
			u.providers[d.Name] = append(u.providers[d.Name], provision{p, d})
		}
	}
	return u, nil
}

func newPack(file string, h *rpm.Header) (*pack, error) {
	n := h.NEVRA()
	p := &pack{file: file, name: n.Name, arch: n.Arch, evr: rpm.EVR{Version: n.Version, Release: n.Release}}
	if n.Epoch != nil {
		p.evr.Epoch = *n.Epoch
	}
	p.provides = append(p.provides, p.self())
	for _, d := range h.Dependencies() {
		to := map[rpm.DepType]*[]*expr{rpm.DepRequire: &p.requires, rpm.DepRecommend: &p.recommends, rpm.DepConflict: &p.conflicts, rpm.DepSupplement: &p.supplements}[d.Type]
		switch {
		case d.Type == rpm.DepProvide:
			p.provides = append(p.provides, d)
		case d.Type == rpm.DepObsolete:
			p.obsoletes = append(p.obsoletes, d)
		case to == nil, d.Flags&rpm.SenseRPMLib != 0, strings.HasPrefix(d.Name, "rpmlib("):
		default:
			if d.Type == rpm.DepRequire && d.Flags&rpm.SenseMissingOK != 0 {
				to = &p.recommends
			}
			x, err := parseDep(d)
			if err != nil {
				return nil, fault.New(fault.Generic, "the rpm %s cannot be understood: %v", file, err)
			}
			*to = append(*to, x)
		}
	}
	return p, nil
}

// each calls f for the capabilities of a dependency.
func (x *expr) each(f func(rpm.Dependency)) {
	if x.op == "" {
		f(x.dep)
	}
	for _, a := range x.args {
		a.each(f)
	}
}

// chosen is a set of packages.
type chosen map[*pack]bool

// close gives the wanted packages and all that they need or recommend, by file, and what stands against it.
func (u *universe) close(wanted []string) (files, problems []string) {
	c := &closing{universe: u, set: chosen{}, names: map[string]bool{}, problems: map[string]bool{}}
	for _, w := range wanted {
		c.add([]*pack{u.byFile[w]})
	}
	for c.addNeeded() || c.addChoice() || c.addRecommended() || c.addSupplements() {
	}
	for p := range c.set {
		files = append(files, p.file)
		c.checkConflicts(p)
	}
	slices.Sort(files)
	return files, slices.Sorted(maps.Keys(c.problems))
}

// closing is a set that grows until nothing is missing.
type closing struct {
	*universe
	set   chosen
	names map[string]bool // of its packages
	order []*pack         // as they came
	asked int             // of these, how many have told what they require
	weak  int             // and how many what they recommend
	// open are requirements that are not decided yet: those that leave a choice, and those that may come to want something later.
	open     []requirement
	problems map[string]bool
}

// requirement is one of a package.
type requirement struct {
	of *pack
	x  *expr
}

func (c *closing) add(list []*pack) (changed bool) {
	for _, p := range list {
		if !c.set[p] {
			c.set[p], c.names[p.name], changed = true, true, true
			c.order = append(c.order, p)
		}
	}
	return changed
}

// addNeeded adds what is required without a choice, also by what came of that; false if nothing was.
func (c *closing) addNeeded() (changed bool) {
	for ; c.asked < len(c.order); c.asked++ {
		p := c.order[c.asked]
		for _, x := range p.requires {
			c.open = append(c.open, requirement{p, x})
		}
	}
	c.open = slices.DeleteFunc(c.open, func(r requirement) bool {
		if c.set.has(c.universe, r.x) {
			return !r.x.conditional()
		}
		if len(c.candidates(c.set, r.x)) > 1 {
			return false
		}
		list, ok := c.need(c.set, r.x)
		if !ok {
			c.problems[fmt.Sprintf("nothing provides %s needed by %s", r.x, strings.TrimSuffix(r.of.file, ".rpm"))] = true
		}
		changed = c.add(list) || changed
		return !ok || !r.x.conditional()
	})
	return changed
}

// addChoice decides the first requirement that leaves a choice.
func (c *closing) addChoice() bool {
	for _, r := range c.open {
		if list, ok := c.need(c.set, r.x); ok && c.add(list) {
			return true
		}
	}
	return false
}

// addRecommended adds what the next package recommends; what that needs comes before the one after.
func (c *closing) addRecommended() bool {
	for c.weak < len(c.order) {
		p := c.order[c.weak]
		c.weak++
		changed := false
		for _, x := range p.recommends {
			if list, ok := c.need(c.set, x); ok {
				changed = c.add(list) || changed
			}
		}
		if changed {
			return true
		}
	}
	return false
}

// addSupplements adds a package that supplements the chosen ones.
func (c *closing) addSupplements() bool {
	for _, p := range c.packs {
		if len(p.supplements) > 0 && !c.names[p.name] && slices.ContainsFunc(p.supplements, func(x *expr) bool { return c.set.has(c.universe, x) }) {
			return c.add([]*pack{p})
		}
	}
	return false
}

// checkConflicts notes which chosen packages one cannot be installed with.
func (c *closing) checkConflicts(p *pack) {
	for _, x := range p.conflicts {
		for _, other := range c.matching(x) {
			if other != p && c.set[other] {
				c.problems[fmt.Sprintf("%s conflicts with %s", strings.TrimSuffix(p.file, ".rpm"), strings.TrimSuffix(other.file, ".rpm"))] = true
			}
		}
	}
	for _, d := range p.obsoletes {
		if !c.names[d.Name] {
			continue
		}
		for other := range c.set {
			if other != p && other.name == d.Name && overlap(other.self(), d) {
				c.problems[fmt.Sprintf("%s obsoletes %s", strings.TrimSuffix(p.file, ".rpm"), strings.TrimSuffix(other.file, ".rpm"))] = true
			}
		}
	}
}

// self is the package's own name, which it provides whether its header says so or not.
func (p *pack) self() rpm.Dependency {
	return rpm.Dependency{Name: p.name, Version: fmt.Sprintf("%d:%s-%s", p.evr.Epoch, p.evr.Version, p.evr.Release), Flags: rpm.SenseEqual}
}

// conditional tells whether a dependency may come to want something when a set grows.
func (x *expr) conditional() bool {
	return x.op == "if" || x.op == "unless" || slices.ContainsFunc(x.args, (*expr).conditional)
}

// has tells whether the set fulfills a dependency.
func (s chosen) has(u *universe, x *expr) bool {
	switch x.op {
	case "":
		return slices.ContainsFunc(u.providers[x.dep.Name], func(p provision) bool { return s[p.pack] && overlap(p.as, x.dep) })
	case "and":
		return !slices.ContainsFunc(x.args, func(a *expr) bool { return !s.has(u, a) })
	case "or":
		return slices.ContainsFunc(x.args, func(a *expr) bool { return s.has(u, a) })
	case "if":
		return !s.has(u, x.args[1]) || s.has(u, x.args[0])
	case "unless":
		return !s.has(u, x.args[1]) && s.has(u, x.args[0]) || s.has(u, x.args[1]) && (len(x.args) < 3 || s.has(u, x.args[2]))
	}
	return slices.ContainsFunc(u.matching(x), func(p *pack) bool { return s[p] })
}

// matching gives the packages that fulfill a dependency that one package must fulfill alone: a capability, with and without.
func (u *universe) matching(x *expr) []*pack {
	var out []*pack
	switch x.op {
	case "":
		for _, p := range u.providers[x.dep.Name] {
			if overlap(p.as, x.dep) && !slices.Contains(out, p.pack) {
				out = append(out, p.pack)
			}
		}
	case "or":
		for _, a := range x.args {
			out = append(out, u.matching(a)...)
		}
	case "with", "without":
		out = u.matching(x.args[0])
		for _, a := range x.args[1:] {
			other := u.matching(a)
			out = slices.DeleteFunc(slices.Clone(out), func(p *pack) bool { return slices.Contains(other, p) != (x.op == "with") })
		}
	}
	return out
}

// candidates gives the packages any of which would make a set fulfill a dependency; none if that takes several at once.
func (u *universe) candidates(set chosen, x *expr) []*pack {
	switch {
	case x.op == "and":
		return nil
	case x.op != "if" && x.op != "unless":
		return u.matching(x)
	case set.has(u, x.args[1]) == (x.op == "if"):
		return u.candidates(set, x.args[0])
	case len(x.args) > 2:
		return u.candidates(set, x.args[2])
	}
	return nil
}

// need gives the packages that must be added to a set so that it fulfills a dependency; false if there are none.
func (u *universe) need(set chosen, x *expr) ([]*pack, bool) {
	if set.has(u, x) {
		return nil, true
	}
	switch x.op {
	case "", "with", "without":
		p := best(u.matching(x))
		if p == nil {
			return nil, false
		}
		return []*pack{p}, true
	case "and":
		var all []*pack
		for _, a := range x.args {
			list, ok := u.need(set, a)
			if !ok {
				return nil, false
			}
			all = append(all, list...)
		}
		return all, true
	case "or":
		for _, a := range x.args {
			if list, ok := u.need(set, a); ok {
				return list, true
			}
		}
		return nil, false
	}
	if set.has(u, x.args[1]) == (x.op == "if") {
		return u.need(set, x.args[0])
	}
	return u.need(set, x.args[2]) // without an else it would be fulfilled
}

// best chooses one of several packages; nil if there are none.
func best(list []*pack) *pack {
	if len(list) == 0 {
		return nil
	}
	return slices.MinFunc(list, func(a, b *pack) int {
		return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(archRank(a.arch), archRank(b.arch)),
			-rpm.Compare(a.evr, b.evr), cmp.Compare(a.file, b.file))
	})
}

// archRank is the better the smaller: the more of the machine an architecture uses.
func archRank(arch string) int {
	return slices.Index([]string{"athlon", "i686", "i586", "i486", "i386", "noarch"}, arch)
}

// overlap tells whether two ranges of versions have one in common (rpm's rpmdsCompareEVR): one without a version is any, and a release counts only if both have one.
func overlap(a, b rpm.Dependency) bool {
	const senses = rpm.SenseLess | rpm.SenseGreater | rpm.SenseEqual
	fa, fb := a.Flags&senses, b.Flags&senses
	if a.Version == "" || b.Version == "" || fa == 0 || fb == 0 {
		return true
	}
	x, y := parseEVR(a.Version), parseEVR(b.Version)
	if x.Release == "" || y.Release == "" {
		x.Release, y.Release = "", ""
	}
	switch c := rpm.Compare(x, y); {
	case c < 0:
		return fa&rpm.SenseGreater != 0 || fb&rpm.SenseLess != 0
	case c > 0:
		return fa&rpm.SenseLess != 0 || fb&rpm.SenseGreater != 0
	}
	return fa&fb != 0
}

// parseEVR reads [epoch:]version[-release].
func parseEVR(s string) rpm.EVR {
	var out rpm.EVR
	if e, rest, ok := strings.Cut(s, ":"); ok {
		if n, err := strconv.Atoi(e); err == nil {
			out.Epoch, s = n, rest
		}
	}
	if i := strings.LastIndexByte(s, '-'); i >= 0 {
		s, out.Release = s[:i], s[i+1:]
	}
	out.Version = s
	return out
}

// String is the dependency as a spec file has it.
func (x *expr) String() string {
	if x.op == "" {
		return x.dep.String()
	}
	parts := make([]string, len(x.args))
	for i, a := range x.args {
		parts[i] = a.String()
	}
	if len(parts) == 3 && x.op == "unless" {
		return "(" + parts[0] + " " + x.op + " " + parts[1] + " else " + parts[2] + ")"
	}
	return "(" + strings.Join(parts, " "+x.op+" ") + ")"
}
