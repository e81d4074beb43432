package external

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"moromi/internal/rpm"
	"moromi/repoprojector/repodata"
)

// Mode is how repositories are merged; the names are Koji's (koji.REPO_MERGE_MODES).
type Mode string

// Merge modes.
const (
	// Koji: of each source package, the first repository that has packages of it gives all of them, of the newest version that it has; blocked
	// ones are left out. As mergerepo_c --koji.
	Koji Mode = "koji"
	// Simple: all packages, even of the same name and version, but for blocked ones. As mergerepo_c --koji --simple.
	Simple Mode = "simple"
	// Bare: all packages, the first of each name, version and arch; nothing is blocked. As mergerepo_c --pkgorigins --all.
	Bare Mode = "bare"
)

// Repo is a repository that is to be merged.
type Repo struct {
	// URL is what pkgorigins calls the repository. Builders find out by it where a package came from, so it is that of Koji's API, with $arch replaced.
	URL      string
	Packages []Package
	// Modules is the repository's modules.yaml, uncompressed; empty if it has none.
	Modules []byte
}

// Merged is what a merged repository has.
type Merged struct {
	Packages []repodata.Package
	// Extra are pkgorigins.gz, with a line for each package, "name-version-release.arch<tab>URL", and modules.yaml.gz if there are modules.
	Extra []repodata.Extra
}

// Merge merges repositories, the one that comes first having precedence, into that of an arch. blocked are the names of source packages. The order of
// packages is that of the repositories; the metadata's writer sorts them.
func Merge(mode Mode, arch string, blocked []string, repos []Repo) (*Merged, error) {
	switch mode {
	case Koji, Simple, Bare:
	default:
		return nil, fmt.Errorf("no such merge mode: %.40q", mode)
	}
	m := merger{mode: mode, arches: archList(arch), blocked: map[string]bool{}, names: map[string]bool{}, kept: map[nameArch][]version{}, places: map[location]bool{}}
	for _, b := range blocked {
		m.blocked[b] = true
	}
	if mode == Koji {
		m.sources = chooseSources(repos)
	}
	var origins, modules []byte
	for _, r := range repos {
		for i := range r.Packages {
			p := &r.Packages[i]
			take, listed := m.add(p)
			if take {
				m.out = append(m.out, p.Entry)
			}
			if listed {
				origins = append(origins, p.nvra()+"\t"+r.URL+"\n"...)
			}
		}
		modules = appendDocuments(modules, r.Modules)
	}
	out := &Merged{Packages: m.out}
	for _, f := range []struct {
		kind, name string
		text       []byte
		always     bool
	}{{"origin", "pkgorigins.gz", origins, true}, {modulesKind, "modules.yaml.gz", modules, false}} {
		if !f.always && len(f.text) == 0 {
			continue
		}
		packed, err := pack(f.text)
		if err != nil {
			return nil, fmt.Errorf("compress %s: %w", f.name, err)
		}
		out.Extra = append(out.Extra, repodata.Extra{Type: f.kind, Name: f.name, Packed: packed})
	}
	return out, nil
}

func pack(text []byte) ([]byte, error) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write(text)
	err = errors.Join(err, z.Close())
	return b.Bytes(), err
}

// appendDocuments appends the YAML documents of a file to those of another. Readers merge what is said of one module.
func appendDocuments(b, more []byte) []byte {
	if len(bytes.TrimSpace(more)) == 0 {
		return b
	}
	if !bytes.HasPrefix(more, []byte("---")) {
		b = append(b, "---\n"...)
	}
	b = append(b, bytes.TrimRight(more, "\n")...)
	if !bytes.HasSuffix(b, []byte("\n...")) {
		b = append(b, "\n..."...)
	}
	return append(b, '\n')
}

// merger decides on packages one by one (add_package and koji_allowed of mergerepo_c).
type merger struct {
	mode    Mode
	arches  map[string]bool
	blocked map[string]bool
	sources map[string]string // the file name of the source package that counts, by its name
	names   map[string]bool   // name-version-release.arch of what was looked at
	kept    map[nameArch][]version
	places  map[location]bool
	out     []repodata.Package
}

type nameArch struct{ name, arch string }

type location struct{ base, href string }

type version struct{ epoch, version, release string }

// same tells whether rpm takes two versions for one.
func (v version) same(w version) bool {
	return v == w || epochNumber(v.epoch) == epochNumber(w.epoch) && rpm.CompareVersion(v.version, w.version) == 0 && rpm.CompareVersion(v.release, w.release) == 0
}

func epochNumber(s string) int {
	n, _ := strconv.Atoi(s) // none is 0
	return n
}

// add tells whether a package is part of the merged repository, and whether its origin is listed: of several of the same name and version, only the first
// is.
func (m *merger) add(p *Package) (take, listed bool) {
	if !m.arches[p.Arch] || m.mode != Bare && !m.allowed(p) {
		return false, false
	}
	at := location{p.Entry.Base, p.Entry.Href}
	if m.places[at] { // one file cannot be two packages
		return false, false
	}
	v := version{p.Epoch, p.Version, p.Release}
	key := nameArch{p.Name, p.Arch}
	for _, w := range m.kept[key] {
		if v.same(w) {
			m.places[at] = m.places[at] || m.mode == Simple
			return m.mode == Simple, false
		}
	}
	m.places[at] = true
	m.kept[key] = append(m.kept[key], v)
	return true, true
}

// allowed applies what Koji wants of a package.
func (m *merger) allowed(p *Package) bool {
	if p.SourceRPM != "" {
		src, ok := splitSource(p.SourceRPM)
		if !ok || m.blocked[src.name] || m.mode == Koji && m.sources[src.name] != p.SourceRPM {
			return false
		}
	}
	if m.mode == Simple {
		return true
	}
	if m.names[p.nvra()] { // an epoch makes no other package of it
		return false
	}
	m.names[p.nvra()] = true
	return true
}

// source is a source package by its file name.
type source struct {
	name string
	evr  rpm.EVR
}

// splitSource takes a source package's file name apart; false for one that mergerepo_c takes for invalid. Missing parts are empty.
func splitSource(file string) (source, bool) {
	s := strings.TrimSuffix(file[strings.LastIndexByte(file, '/')+1:], ".rpm")
	if i := strings.LastIndexByte(s, '.'); i >= 0 {
		if strings.Contains(s[i:], "-") {
			return source{}, false
		}
		s = s[:i]
	}
	var out source
	for _, to := range []*string{&out.evr.Release, &out.evr.Version} {
		if i := strings.LastIndexByte(s, '-'); i >= 0 {
			*to, s = s[i+1:], s[:i]
		}
	}
	out.name = s
	return out, true
}

// chooseSources finds which source package of each name counts: of the first repository that has packages of it, the newest.
func chooseSources(repos []Repo) map[string]string {
	type choice struct {
		repo int
		file string
		evr  rpm.EVR
	}
	chosen := map[string]choice{}
	for r := range repos {
		for i := range repos[r].Packages {
			p := &repos[r].Packages[i]
			if p.SourceRPM == "" {
				continue
			}
			src, ok := splitSource(p.SourceRPM)
			if !ok {
				continue
			}
			old, there := chosen[src.name]
			if there && (old.repo != r || old.file == p.SourceRPM || rpm.Compare(src.evr, old.evr) <= 0) {
				continue
			}
			chosen[src.name] = choice{r, p.SourceRPM, src.evr}
		}
	}
	out := make(map[string]string, len(chosen))
	for name, c := range chosen {
		out[name] = c.file
	}
	return out
}
