package rpmtest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"path"
	"slices"
	"strings"

	"moromi/internal/rpm"
)

// Corpus is a distribution's worth of made-up packages, four to a source, as varied as those of Fedora in what
// their metadata holds: rich and weak dependencies, epochs, symbol versions, own files required, scripts, ghosts,
// directories, XML's special characters, Latin-1 authors, changes on the same day. Package i in generation g depends on
// the seed, i and g alone; a new generation is a rebuild.
type Corpus struct {
	Seed  uint64
	words []string
}

// NewCorpus makes a corpus.
func NewCorpus(seed uint64) *Corpus {
	c := &Corpus{Seed: seed}
	syllables := strings.Fields("ab ac al an ba be bra ca cle con cra da de dra ed el en fa fla for ga gi gra ha il in ion ja ka ke la le lu ma mi no or pa pla pre qu ra re sa sh ste ta tri un va ve wo xa yo ze")
	r := c.random("words", 0)
	for range 3000 {
		var b strings.Builder
		for range 2 + r.IntN(3) {
			b.WriteString(syllables[r.IntN(len(syllables))])
		}
		c.words = append(c.words, b.String())
	}
	return c
}

type random struct {
	*rand.Rand
	words []string
}

func (c *Corpus) random(kind string, n int) random {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s/%d", kind, n)
	return random{rand.New(rand.NewPCG(c.Seed, h.Sum64())), c.words}
}

func (r random) p(x float64) bool { return r.Float64() < x }

// word prefers words at the front, as people do.
func (r random) word() string { return r.words[int(float64(len(r.words))*math.Pow(r.Float64(), 2.2))] }

func (r random) title() string {
	w := r.word()
	return strings.ToUpper(w[:1]) + w[1:]
}

func (r random) sentence(n int) string {
	words := []string{r.title()}
	for len(words) < n {
		words = append(words, r.word())
	}
	return strings.Join(words, " ")
}

// count draws a number with a long tail: e^(mean ± spread), at most limit.
func (r random) count(mean, spread float64, limit int) int {
	return min(int(math.Exp(mean+spread*r.NormFloat64())), limit)
}

// source is what the packages of one source share.
type source struct {
	name, version, release string
	epoch                  *int
	noarch                 bool
	buildTime              int64
	license, url           string
	changelog              []rpm.Change
}

const packagesPerSource = 4

func (c *Corpus) source(n, gen int) source {
	r := c.random("source", n)
	s := source{name: fmt.Sprintf("%s-%s%d", r.word(), r.word(), n)}
	if r.p(0.3) {
		s.name = []string{"python-", "lib", "perl-"}[r.IntN(3)] + s.name
	}
	s.version = fmt.Sprintf("%d.%d.%d", r.IntN(12), r.IntN(40), r.IntN(30))
	if r.p(0.1) {
		s.version += fmt.Sprintf("~rc%d", 1+r.IntN(4))
	}
	s.release = fmt.Sprintf("%d.fc40", 1+r.IntN(20)+50*gen)
	if r.p(0.05) {
		epoch := r.IntN(4)
		s.epoch = &epoch
	}
	s.noarch = r.p(0.35)
	s.license = []string{"MIT", "GPL-2.0-or-later", "LGPL-2.1-or-later AND MIT", "GPL-3.0-or-later WITH GCC-exception-3.1"}[r.IntN(4)]
	s.url = "https://" + r.word() + ".example.org/?a=1&b=" + r.word()
	s.buildTime = int64(1700000000 + r.IntN(20000000) + 86400*gen)
	t := s.buildTime - s.buildTime%86400 + 43200
	for k := 8 + r.IntN(8) + gen; k > 0; k-- {
		author := fmt.Sprintf("%s %s <%s@example.org> - %s-%d", r.title(), r.title(), r.word(), s.version, k)
		if r.p(0.02) {
			author = "J\xf6rg " + author + " " // Latin-1, and a blank at the end
		}
		s.changelog = append(s.changelog, rpm.Change{Time: t, Author: author, Text: "- " + r.sentence(4+r.IntN(12))})
		if !r.p(0.1) {
			t -= int64(86400 * (1 + r.IntN(120)))
		}
	}
	return s
}

// Package makes package i of a generation.
func (c *Corpus) Package(i, gen int) Spec {
	n, sub := i/packagesPerSource, i%packagesPerSource
	src := c.source(n, gen)
	r := c.random("package", i)
	s := Spec{
		Name: src.name + []string{"", "-devel", "-doc", "-libs"}[sub], Version: src.version, Release: src.release, Epoch: src.epoch,
		Arch: "x86_64", License: src.license, URL: src.url, Group: "Unspecified", Vendor: "Example", Packager: "Example",
		BuildHost: fmt.Sprintf("builder-%02d.example.org", n%40), BuildTime: src.buildTime, Changelog: src.changelog,
		SourceRPM: fmt.Sprintf("%s-%s-%s.src.rpm", src.name, src.version, src.release),
		Summary:   r.sentence(4 + r.IntN(6)), Payload: fmt.Appendf(nil, "%d/%d\n", i, gen),
	}
	s.Description = r.sentence(12+r.IntN(30)) + " & <" + r.word() + "> \"" + r.word() + "\".\n\n- " + r.sentence(8+r.IntN(40))
	if r.p(0.05) {
		s.Description += " caf\u00e9 \u2014 na\u00efve\r\n\ttab"
	}
	switch {
	case sub == 3 && n%10 == 9:
		s.Name, s.Source = src.name, true
	case src.noarch || sub == 2:
		s.Arch = "noarch"
	case sub == 1 && n%12 == 5:
		s.Arch = "i686"
	}
	s.Files = files(r, s, gen)
	s.Dependencies = dependencies(r, s, src)
	return s
}

func files(r random, s Spec, gen int) []rpm.File {
	seen := map[string]bool{}
	var out []rpm.File
	add := func(name string, mode uint16, flags uint32, link string) {
		if seen[name] {
			return
		}
		seen[name] = true
		f := rpm.File{Name: name, Mode: mode, Flags: flags, LinkTo: link, User: "root", Group: "root", MTime: uint32(s.BuildTime), Size: 4096}
		if mode&rpm.ModeTypeMask == 0o100000 && flags&rpm.FileGhost == 0 {
			sum := sha256.Sum256(fmt.Appendf(nil, "%s/%d", name, gen))
			f.Digest, f.Size = hex.EncodeToString(sum[:]), uint64(r.count(7, 1.5, 1<<20))
		}
		out = append(out, f)
	}
	if s.Source {
		add(s.Name+".spec", 0o100644, 1<<5, "")
		for range 1 + r.IntN(4) {
			add(s.Name+"-"+r.word()+".patch", 0o100644, 0, "")
		}
		return out
	}
	dirs := []string{"/usr/share/" + s.Name, "/usr/lib64/" + s.Name, "/usr/libexec/" + s.Name}
	add(dirs[0], 0o40755, 0, "")
	for n := 1 + r.count(3.4, 1.1, 1500); len(out) < n; {
		dir := dirs[r.IntN(len(dirs))]
		switch x := r.Float64(); {
		case x < 0.1 && len(dir) < 180:
			dirs = append(dirs, dir+"/"+r.word())
			add(dirs[len(dirs)-1], 0o40755, 0, "")
		case x < 0.13:
			add("/usr/bin/"+r.word()+"-"+r.word(), 0o100755, 0, "")
		case x < 0.15:
			add("/etc/"+r.word()+".d/"+s.Name+".conf", 0o100644, rpm.FileConfig|1<<4, "")
		case x < 0.16:
			add("/var/lib/"+s.Name+"/"+r.word()+".db", 0o100644, rpm.FileGhost, "")
		case x < 0.18:
			add("/usr/lib64/lib"+r.word()+".so.1", 0o120777, 0, "lib"+r.word()+".so.1.0")
		case x < 0.2:
			add("/usr/share/doc/"+s.Name+"/"+r.word()+"&<"+r.word()+">.md", 0o100644, rpm.FileDoc, "")
		case x < 0.21:
			add("/usr/share/"+s.Name+"/"+r.word()+"\u00e9", 0o100644, 0, "")
		default:
			add(dir+"/"+r.word()+"_"+r.word()+[]string{".h", ".html", ".py", ".png", ".mo"}[r.IntN(5)], 0o100644, 0, "")
		}
	}
	slices.SortFunc(out, func(a, b rpm.File) int { // as rpmbuild does
		dirA, baseA := path.Split(a.Name)
		dirB, baseB := path.Split(b.Name)
		if c := strings.Compare(dirA, dirB); c != 0 {
			return c
		}
		return strings.Compare(baseA, baseB)
	})
	return out
}

func dependencies(r random, s Spec, src source) []rpm.Dependency {
	var out []rpm.Dependency
	add := func(t rpm.DepType, name string, flags uint32, version string) {
		out = append(out, rpm.Dependency{Type: t, Name: name, Flags: flags, Version: version})
	}
	const atLeast = rpm.SenseGreater | rpm.SenseEqual
	require := func(name string, flags uint32, version string) { add(rpm.DepRequire, name, flags, version) }
	defer func() {
		for _, f := range []string{"CompressedFileNames", "FileDigests", "PayloadFilesHavePrefix"} {
			require("rpmlib("+f+")", rpm.SenseLess|rpm.SenseEqual|rpm.SenseRPMLib, "4.6.0-1")
		}
	}()
	if s.Source {
		for range 4 + r.IntN(20) {
			require(r.word()+"-devel", atLeast, fmt.Sprintf("%d.%d", r.IntN(9), r.IntN(40)))
		}
		return out
	}
	evr := s.Version + "-" + s.Release
	if s.Epoch != nil {
		evr = fmt.Sprintf("%d:%s", *s.Epoch, evr)
	}
	add(rpm.DepProvide, s.Name, rpm.SenseEqual, evr)
	add(rpm.DepProvide, s.Name+"(x86-64)", rpm.SenseEqual, evr)
	for range r.count(2.3, 1, 300) {
		switch w := r.word(); r.IntN(3) {
		case 0:
			add(rpm.DepProvide, fmt.Sprintf("lib%s.so.%d()(64bit)", w, r.IntN(20)), 0, "")
		case 1:
			add(rpm.DepProvide, "pkgconfig("+w+"-"+r.word()+")", rpm.SenseEqual, s.Version)
		default:
			add(rpm.DepProvide, "bundled("+w+")", rpm.SenseEqual, fmt.Sprintf("%d.%d", r.IntN(9), r.IntN(30)))
		}
	}
	if s.Arch != "noarch" {
		for _, v := range []string{"", "GLIBC_2.14", "GLIBC_2.2.5", "GLIBC_2.3.4", "GLIBC_2.34", "GLIBC_2.4"} {
			if v == "" || r.p(0.8) {
				require("libc.so.6("+v+")(64bit)", 0, "")
			}
		}
	}
	if r.p(0.3) {
		require("/bin/sh", rpm.SenseInterp|rpm.SenseScriptPost, "")
		require("/bin/sh", rpm.SenseInterp|rpm.SenseScriptPre, "")
		require("/bin/sh", rpm.SenseInterp, "")
	}
	if s.Name != src.name {
		require(src.name, rpm.SenseEqual, evr)
	}
	for range r.count(2.2, 0.9, 200) {
		switch w := r.word(); r.IntN(5) {
		case 0:
			require(fmt.Sprintf("lib%s.so.%d()(64bit)", w, r.IntN(20)), 0, "")
		case 1:
			require("("+w+" >= 1.0 with "+w+" < 2.0~)", 0, "")
		case 2:
			require(w+"-filesystem", rpm.SenseScriptPre, "")
		case 3:
			require(w, atLeast, fmt.Sprintf("%d:%d.%d-%d", r.IntN(3), r.IntN(9), r.IntN(40), 1+r.IntN(5)))
		default:
			require("perl("+w+")", atLeast, fmt.Sprintf("%d.%02d", r.IntN(4), r.IntN(99)))
		}
	}
	odd(r, s, out, require)
	for range r.IntN(3) {
		add(rpm.DepObsolete, r.word(), rpm.SenseLess, fmt.Sprintf("%d.%d-%d", r.IntN(9), r.IntN(9), r.IntN(9)))
		add(rpm.DepConflict, r.word(), rpm.SenseLess|rpm.SenseEqual, fmt.Sprintf("1:%d.%d", r.IntN(9), r.IntN(9)))
	}
	if r.p(0.15) {
		add(rpm.DepRecommend, "("+r.word()+" if "+r.word()+")", 0, "")
		add(rpm.DepSuggest, r.word(), rpm.SenseGreater, "1.2")
		add(rpm.DepSupplement, "("+r.word()+" and "+r.word()+")", 0, "")
		add(rpm.DepEnhance, r.word(), 0, "")
	}
	return out
}

// odd adds requirements that createrepo_c treats in a way of its own: repeated ones, those that the package
// meets itself, weak ones of old, and one with an epoch that is none.
func odd(r random, s Spec, have []rpm.Dependency, require func(name string, flags uint32, version string)) {
	if r.p(0.2) {
		require(s.Files[len(s.Files)-1].Name, 0, "")
	}
	if r.p(0.15) {
		d := have[r.IntN(len(have))]
		require(d.Name, d.Flags, d.Version)
	}
	if r.p(0.05) {
		require(r.word(), rpm.SenseMissingOK, "")
	}
	if r.p(0.03) {
		require(r.word(), rpm.SenseEqual, "x:1.0-1")
	}
	if r.p(0.03) {
		require("caf\u00e9 & <"+r.word()+">", rpm.SenseEqual, ":2.0")
	}
}
