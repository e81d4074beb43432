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

// dependencies collects a package's dependencies by createrepo_c's rules (parsehdr.c).
type dependencies struct {
	h        *rpm.Header
	provided map[string]bool // name, flags and version of every provide
	ownFile  func(path []byte) bool
	weak     []dependency // requirements that are recommendations in truth
}

// appendTo appends the package's dependencies in createrepo_c's order.
func (d *dependencies) appendTo(b []byte) []byte {
	d.provided = map[string]bool{}
	tables := map[rpm.DepType]rpm.DepTags{}
	for _, t := range rpm.DepTables() {
		tables[t.Type] = t
	}
	// provides first: requirements that the package meets itself are left out
	provides := d.collect(tables[rpm.DepProvide])
	requires := d.requires(tables[rpm.DepRequire])
	b = appendDependencies(b, "provides", provides)
	b = appendDependencies(b, "requires", requires)
	b = appendDependencies(b, "conflicts", d.collect(tables[rpm.DepConflict]))
	b = appendDependencies(b, "obsoletes", d.collect(tables[rpm.DepObsolete]))
	b = appendDependencies(b, "suggests", d.collect(tables[rpm.DepSuggest]))
	b = appendDependencies(b, "enhances", d.collect(tables[rpm.DepEnhance]))
	b = appendDependencies(b, "recommends", append(d.weak, d.collect(tables[rpm.DepRecommend])...))
	return appendDependencies(b, "supplements", d.collect(tables[rpm.DepSupplement]))
}

// each calls f for every dependency of a kind with a readable version.
func (d *dependencies) each(t rpm.DepTags, f func(dep dependency, version []byte, sense uint64)) {
	names, versions := d.h.RawStrings(t.Name), d.h.RawStrings(t.Version)
	for i := range min(len(names), len(versions), d.h.Count(t.Flags)) {
		sense, _ := d.h.Uint(t.Flags, i)
		dep := dependency{name: names[i], flags: senseName(sense)}
		f(dep, versions[i], sense)
	}
}

func (d *dependencies) collect(t rpm.DepTags) []dependency {
	out := make([]dependency, 0, d.h.Count(t.Flags))
	d.each(t, func(dep dependency, version []byte, _ uint64) {
		if !dep.setVersion(version) {
			return
		}
		if t.Type == rpm.DepProvide {
			d.provided[dep.key(version)] = true
		}
		out = append(out, dep)
	})
	return out
}

// preMask are the bits that make a requirement one of the time before installation.
const preMask = rpm.SensePrereq | rpm.SenseScriptPre | rpm.SenseScriptPost | rpm.SensePretrans | rpm.SensePosttrans

// requires leaves out what rpm itself, the package's own files or its own provides meet, what was said just
// before, and all but the newest of glibc's symbol versions, which goes last.
func (d *dependencies) requires(t rpm.DepTags) []dependency {
	type variant struct {
		flags, version string
		pre            bool
	}
	out := make([]dependency, 0, d.h.Count(t.Flags))
	var libc *dependency
	seen := map[string]variant{}
	d.each(t, func(dep dependency, version []byte, sense uint64) {
		if bytes.HasPrefix(dep.name, []byte("rpmlib(")) || d.provided[dep.key(version)] {
			return
		}
		if len(dep.name) > 0 && dep.name[0] == '/' && isPrimaryFile(dep.name) && d.ownFile(dep.name) {
			return
		}
		dep.pre = sense&preMask != 0
		v := variant{dep.flags, string(version), dep.pre}
		if last, ok := seen[string(dep.name)]; ok && last == v {
			return
		}
		switch {
		case !dep.setVersion(version):
		case sense&rpm.SenseMissingOK != 0: // rpm before 4.12 had no recommendations
			dep.pre = false
			d.weak = append(d.weak, dep)
		case bytes.HasPrefix(dep.name, []byte("libc.so.6")):
			if libc == nil || newerLibc(libc.name, dep.name) {
				libc = &dep
			}
		default:
			seen[string(dep.name)] = v
			out = append(out, dep)
		}
	})
	if libc != nil {
		out = append(out, *libc)
	}
	return out
}

func (d *dependency) key(version []byte) string { return string(d.name) + d.flags + string(version) }

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
			b = appendAttr(b, "flags", []byte(d.flags))
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
