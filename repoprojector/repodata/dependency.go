package repodata

import (
	"bytes"
	"strings"

	"moromi/internal/rpm"
)

// dependency is one rpm:entry of primary.xml.
type dependency struct {
	name, epoch, ver, rel []byte
	flags                 string
	pre                   bool
}

// dependencies collects a package's dependencies by createrepo_c's rules (parsehdr.c), and then another one's in the same memory.
type dependencies struct {
	h        *rpm.Header
	ownFile  func(path []byte) bool
	provided map[string]bool    // name, flags and version of every provide
	seen     map[string]variant // of every name, the requirement that came last
	weak     []dependency       // requirements that are recommendations in truth

	provides, others []dependency // memory
	names, versions  [][]byte
	key              []byte
}

// variant is what a requirement says of a name.
type variant struct {
	flags   string
	version []byte
	pre     bool
}

func (v variant) equal(w variant) bool {
	return v.flags == w.flags && v.pre == w.pre && bytes.Equal(v.version, w.version)
}

// begin forgets the last package.
func (d *dependencies) begin(h *rpm.Header, ownFile func(path []byte) bool) {
	d.h, d.ownFile, d.weak = h, ownFile, d.weak[:0]
	if d.provided == nil {
		d.provided, d.seen = map[string]bool{}, map[string]variant{}
	}
	clear(d.provided)
	clear(d.seen)
}

// appendTo appends the package's dependencies in createrepo_c's order.
func (d *dependencies) appendTo(b []byte) []byte {
	tables := map[rpm.DepType]rpm.DepTags{}
	for _, t := range rpm.DepTables() {
		tables[t.Type] = t
	}
	// provides first: requirements that the package meets itself are left out
	d.provides = d.collect(d.provides[:0], tables[rpm.DepProvide])
	d.others = d.requires(d.others[:0], tables[rpm.DepRequire])
	b = appendDependencies(b, "provides", d.provides)
	b = appendDependencies(b, "requires", d.others)
	b = d.appendKind(b, "conflicts", tables[rpm.DepConflict])
	b = d.appendKind(b, "obsoletes", tables[rpm.DepObsolete])
	b = d.appendKind(b, "suggests", tables[rpm.DepSuggest])
	b = d.appendKind(b, "enhances", tables[rpm.DepEnhance])
	d.weak = d.collect(d.weak, tables[rpm.DepRecommend])
	b = appendDependencies(b, "recommends", d.weak)
	return d.appendKind(b, "supplements", tables[rpm.DepSupplement])
}

func (d *dependencies) appendKind(b []byte, kind string, t rpm.DepTags) []byte {
	d.others = d.collect(d.others[:0], t)
	return appendDependencies(b, kind, d.others)
}

// each calls f for every dependency of a kind with a readable version.
func (d *dependencies) each(t rpm.DepTags, f func(dep dependency, version []byte, sense uint64)) {
	d.names, d.versions = d.h.AppendRawStrings(d.names[:0], t.Name), d.h.AppendRawStrings(d.versions[:0], t.Version)
	for i := range min(len(d.names), len(d.versions), d.h.Count(t.Flags)) {
		sense, _ := d.h.Uint(t.Flags, i)
		dep := dependency{name: d.names[i], flags: senseName(sense)}
		f(dep, d.versions[i], sense)
	}
}

// collect appends the dependencies of a kind.
func (d *dependencies) collect(out []dependency, t rpm.DepTags) []dependency {
	d.each(t, func(dep dependency, version []byte, _ uint64) {
		if !dep.setVersion(version) {
			return
		}
		if t.Type == rpm.DepProvide {
			d.key = dep.appendKey(d.key[:0], version)
			d.provided[string(d.key)] = true
		}
		out = append(out, dep)
	})
	return out
}

// preMask are the bits that make a requirement one of the time before installation.
const preMask = rpm.SensePrereq | rpm.SenseScriptPre | rpm.SenseScriptPost | rpm.SensePretrans | rpm.SensePosttrans

// requires appends the requirements. It leaves out what rpm itself, the package's own files or its own provides meet,
// what was said just before, and all but the newest of glibc's symbol versions, which goes last.
func (d *dependencies) requires(out []dependency, t rpm.DepTags) []dependency {
	var libc dependency
	d.each(t, func(dep dependency, version []byte, sense uint64) {
		d.key = dep.appendKey(d.key[:0], version)
		if bytes.HasPrefix(dep.name, []byte("rpmlib(")) || d.provided[string(d.key)] {
			return
		}
		if len(dep.name) > 0 && dep.name[0] == '/' && isPrimaryFile(dep.name) && d.ownFile(dep.name) {
			return
		}
		dep.pre = sense&preMask != 0
		v := variant{dep.flags, version, dep.pre}
		if last, ok := d.seen[string(dep.name)]; ok && last.equal(v) {
			return
		}
		switch {
		case !dep.setVersion(version):
		case sense&rpm.SenseMissingOK != 0: // rpm before 4.12 had no recommendations
			dep.pre = false
			d.weak = append(d.weak, dep)
		case bytes.HasPrefix(dep.name, []byte("libc.so.6")):
			if libc.name == nil || newerLibc(libc.name, dep.name) {
				libc = dep
			}
		default:
			d.seen[string(dep.name)] = v
			out = append(out, dep)
		}
	})
	if libc.name != nil {
		out = append(out, libc)
	}
	return out
}

func (d *dependency) appendKey(b, version []byte) []byte {
	return append(append(append(b, d.name...), d.flags...), version...)
}

// setVersion splits [epoch:]version[-release]. A version without an epoch gets epoch 0; false for an epoch that is no
// number: createrepo_c drops such a dependency.
func (d *dependency) setVersion(s []byte) bool {
	if len(s) == 0 {
		return true
	}
	d.epoch = []byte("0")
	if epoch, rest, ok := bytes.Cut(s, []byte(":")); ok {
		if len(epoch) > 0 {
			d.epoch = epoch
		}
		for _, c := range d.epoch {
			if c < '0' || c > '9' {
				return false
			}
		}
		s = rest
	}
	d.ver, d.rel, _ = bytes.Cut(s, []byte("-"))
	return true
}

func senseName(sense uint64) string {
	switch sense & 0xf {
	case rpm.SenseLess:
		return "LT"
	case rpm.SenseGreater:
		return "GT"
	case rpm.SenseEqual:
		return "EQ"
	case rpm.SenseLess | rpm.SenseEqual:
		return "LE"
	case rpm.SenseGreater | rpm.SenseEqual:
		return "GE"
	}
	return ""
}

// newerLibc tells whether b requires a newer symbol version than a: libc.so.6(GLIBC_2.34)(64bit).
func newerLibc(a, b []byte) bool {
	va, vb := libcVersion(a), libcVersion(b)
	return vb != "" && (va == "" || rpm.CompareVersion(va, vb) < 0)
}

func libcVersion(name []byte) string {
	_, rest, ok := strings.Cut(string(name), "(")
	inside, _, ok2 := strings.Cut(rest, ")")
	if !ok || !ok2 {
		return ""
	}
	return strings.TrimLeftFunc(inside, func(r rune) bool { return r < '0' || r > '9' })
}

func appendDependencies(b []byte, kind string, deps []dependency) []byte {
	if len(deps) == 0 {
		return b
	}
	b = append(append(append(b, "    <rpm:"...), kind...), ">\n"...)
	for _, d := range deps {
		if len(d.name) == 0 {
			continue
		}
		b = appendAttr(append(b, "      <rpm:entry"...), "name", d.name)
		if d.flags != "" {
			b = append(append(append(b, ` flags="`...), d.flags...), '"')
			if len(d.epoch) > 0 {
				b = appendAttr(b, "epoch", d.epoch)
			}
			if len(d.ver) > 0 {
				b = appendAttr(b, "ver", d.ver)
			}
			if len(d.rel) > 0 {
				b = appendAttr(b, "rel", d.rel)
			}
		}
		if d.pre {
			b = append(b, ` pre="1"`...)
		}
		b = append(b, "/>\n"...)
	}
	return append(append(append(b, "    </rpm:"...), kind...), ">\n"...)
}
