package repodata_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"moromi/internal/rpm"
	"moromi/internal/rpm/rpmtest"
	"moromi/repoprojector/repodata"
)

// TestWith holds lists that come of others by random changes to lists of the same packages that are sorted and cut anew, in both orders.
func TestWith(t *testing.T) {
	t.Parallel()
	for _, order := range []repodata.Order{repodata.ByName, repodata.NewestLast} {
		for seed := range uint64(6) {
			random := rand.New(rand.NewPCG(seed, 3))
			in := map[string]repodata.Package{}
			id := int64(0)
			some := func() repodata.Package {
				id++
				name := fmt.Sprintf("n%d-%d-%d.noarch.rpm", random.IntN(700), random.IntN(3), random.IntN(3))
				if random.IntN(10) == 0 { // many that end no block
					name = fmt.Sprintf("n1-%d-1.noarch.rpm", random.IntN(400))
				}
				p := repodata.Package{Href: fmt.Sprintf("%c/%s", 'a'+rune(random.IntN(3)), name), ID: id / 2, Time: id}
				if random.IntN(5) == 0 {
					p.ID = 0
				}
				return p
			}
			for range 600 {
				p := some()
				in[p.Href] = p
			}
			list := func() (out []repodata.Package) {
				for _, p := range in {
					out = append(out, p)
				}
				return out
			}
			p, err := order.Packages(list())
			check(t, err)
			for step := range 60 {
				var gone, came []repodata.Package
				changes := random.IntN(8)
				if step == 30 { // nearly all of them
					gone, changes = list(), 1
					in = map[string]repodata.Package{}
				}
				for range changes {
					x := some()
					if slices.ContainsFunc(came, func(p repodata.Package) bool { return p.Href == x.Href }) {
						continue
					}
					if old, ok := in[x.Href]; ok {
						gone = append(gone, old)
						delete(in, x.Href)
					}
					if random.IntN(3) > 0 {
						came = append(came, x)
						in[x.Href] = x
					}
				}
				p, err = p.With(gone, came)
				check(t, err)
				want, err := order.Packages(list())
				check(t, err)
				if p.Len() != len(in) || !slices.EqualFunc(p.Cuts(), want.Cuts(), slices.Equal) {
					t.Fatalf("order %d, seed %d, step %d: %d packages in %d blocks, want %d in %d", order, seed, step, p.Len(), len(p.Cuts()), want.Len(), len(want.Cuts()))
				}
			}
			other, err := p.In(1 - order)
			check(t, err)
			back, err := other.In(order)
			check(t, err)
			if !slices.EqualFunc(p.Cuts(), back.Cuts(), slices.Equal) {
				t.Errorf("order %d, seed %d: others after they were in another order", order, seed)
			}
		}
	}
	p := repodata.Package{Href: "a/x-1-1.noarch.rpm", ID: 1}
	q := p
	q.ID = 2
	if _, err := repodata.NewestLast.Packages([]repodata.Package{p, q}); err == nil || !strings.Contains(err.Error(), p.Href) {
		t.Errorf("two packages at one place: %v", err)
	}
}

// TestNewestLast takes a repository through a random history: what its files sum up to is the same when nothing is known of what was before, and they list
// what createrepo_c's do.
func TestNewestLast(t *testing.T) {
	t.Parallel()
	s := newSite(t, repodata.Options{})
	s.format.Order = repodata.NewestLast
	c := rpmtest.NewCorpus(3)
	random := rand.New(rand.NewPCG(7, 8))
	var in []repodata.Package
	id := int64(0)
	add := func(i, gen int) repodata.Package {
		id++
		p := s.addSpec(c.Package(i, gen))
		p.ID = id
		in = append(in, p)
		return p
	}
	for i := range 150 {
		add(i, 0)
	}
	p, err := s.format.Order.Packages(in)
	check(t, err)
	s.write(repodata.Content{Packages: p})
	for step := range 6 {
		at := random.IntN(len(in))
		gone := in[at]
		in = slices.Delete(in, at, at+1)
		came := add(at, step+1)
		p, err = p.With([]repodata.Package{gone}, []repodata.Package{came})
		check(t, err)
		got, v := s.write(repodata.Content{Packages: p})
		if v.Built > 3 {
			t.Errorf("step %d: one change made %d of %d blocks anew", step, v.Built, v.Blocks())
		}
		fresh, err := repodata.NewWriter(s.store, repodata.Options{}).Compose(t.Context(), repodata.Content{Packages: p, Format: s.format, Revision: time.Unix(v.Revision, 0)})
		check(t, err)
		if !bytes.Equal(fresh.Repomd, v.Repomd) {
			t.Errorf("step %d: summed up anew the repository is\n%s\nnot\n%s", step, fresh.Repomd, v.Repomd)
		}
		want := readRepo(t, s.createrepo(p))
		for typ, text := range readRepo(t, got) {
			if !slices.Equal(packagesOf(text), packagesOf(want[typ])) {
				t.Errorf("step %d: %s lists something else than createrepo_c's", step, typ)
			}
		}
		if primary := readRepo(t, got)["primary"]; !strings.HasSuffix(strings.TrimSuffix(primary, "</metadata>"), packageText(primary, came)) {
			t.Errorf("step %d: the newest package is not the last", step)
		}
	}
}

// packagesOf gives the packages of a file in one order whatever order they have.
func packagesOf(text string) []string {
	at := strings.Index(text, "<package")
	out := strings.SplitAfter(text[at:], "</package>\n")
	slices.Sort(out)
	return append(out, text[:at])
}

// packageText is the text of a package in primary.
func packageText(primary string, p repodata.Package) string {
	for part := range strings.SplitAfterSeq(primary, "</package>\n") {
		if strings.Contains(part, p.Digest.String()) {
			return part[strings.Index(part, "<package"):]
		}
	}
	return "no such package"
}

// TestFormatsAreRead lets createrepo_c, as one that updates, read what is in another order or lacks open checksums: it takes everything over.
func TestFormatsAreRead(t *testing.T) {
	t.Parallel()
	bin, err := exec.LookPath("createrepo_c")
	if err != nil {
		t.Skip("createrepo_c is not installed")
	}
	for name, format := range map[string]repodata.Format{"newest last": {Order: repodata.NewestLast}, "no open checksum": {NoOpenChecksum: true}, "both": {Order: repodata.NewestLast, NoOpenChecksum: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, repodata.Options{})
			s.format = format
			list := s.corpus(80)
			for i := range list {
				list[i].ID = int64((i * 37) % 80)
			}
			p, err := format.Order.Packages(list)
			check(t, err)
			dir, v := s.write(repodata.Content{Packages: p})
			if strings.Contains(string(v.Repomd), "open-") == format.NoOpenChecksum {
				t.Errorf("repomd.xml is\n%s", v.Repomd)
			}
			var pkglist strings.Builder
			for x := range p.All() {
				pkglist.WriteString(x.Href + "\n")
			}
			file := filepath.Join(s.dir, "list")
			check(t, os.WriteFile(file, []byte(pkglist.String()), 0o644))
			out, err := exec.Command(bin, "--update", "--verbose", "--no-database", "--error-exit-val", "-o", dir, "-i", file, s.dir).CombinedOutput()
			check(t, err)
			if n := strings.Count(string(out), "CACHE HIT"); n != len(list) {
				t.Errorf("createrepo_c took over %d of %d packages\n%s", n, len(list), out)
			}
		})
	}
}

// resolve is what dnf installs of groups, by their ids, out of a repository.
const resolve = `
import dnf, json, sys
repo, cache, groups = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
out = {}
for g in groups:
    b = dnf.Base()
    c = b.conf
    c.installroot, c.cachedir, c.persistdir, c.logdir = cache, cache + "/c", cache + "/p", cache
    c.reposdir, c.pluginpath, c.releasever = [cache], [], "1"
    c.substitutions["arch"], c.substitutions["basearch"] = "x86_64", "x86_64"
    c.arch = "x86_64"
    b.repos.add_new_repo("r", c, baseurl=["file://" + repo])
    b.fill_sack(load_system_repo=False)
    b.read_comps()
    try:
        b.group_install(g, ["mandatory", "default"])
        b.resolve()
        out[g] = sorted(str(p) for p in b.transaction.install_set)
    except dnf.exceptions.Error as e:
        out[g] = ["cannot be installed"]
    b.close()
json.dump(out, sys.stdout)
`

// TestOrdersResolveAlike lets dnf choose what to install of random groups out of random distributions, with several versions, architectures, weak
// dependencies, conflicts and obsoletes: the same whatever the order of the metadata is, as long as one package only provides what another wants. (Where
// several do, libsolv's choice depends on the order: it is another one in a tenth of such groups. That is why createrepo_c's order is the default.)
func TestOrdersResolveAlike(t *testing.T) {
	t.Parallel()
	python := "/usr/bin/python3" // dnf is written for the system's
	if err := exec.Command(python, "-c", "import dnf").Run(); err != nil {
		t.Skip("dnf is not installed")
	}
	for seed := range uint64(2) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			s := newSite(t, repodata.Options{})
			random := rand.New(rand.NewPCG(seed, 11))
			list, comps, groups := s.distribution(random)
			ids, err := json.Marshal(groups)
			check(t, err)
			answer := func(order repodata.Order) map[string][]string {
				s.format.Order = order
				dir, _ := s.write(repodata.Content{Packages: packages(t, list), Comps: comps})
				out, err := exec.Command(python, "-c", resolve, dir, t.TempDir(), string(ids)).Output()
				if err != nil {
					t.Fatalf("dnf: %v", err)
				}
				var sets map[string][]string
				check(t, json.Unmarshal(out, &sets))
				return sets
			}
			want := answer(repodata.ByName)
			installed := 0
			for range 2 {
				for i := range list {
					list[i].ID = random.Int64()
				}
				got := answer(repodata.NewestLast)
				for _, g := range groups {
					if installed += len(got[g]); len(want[g]) == 0 || !slices.Equal(got[g], want[g]) {
						t.Errorf("group %s: by name\n%v\nby age\n%v", g, want[g], got[g])
					}
				}
			}
			if installed < 30*len(groups) {
				t.Errorf("only %d packages were installed of %d groups", installed, len(groups))
			}
		})
	}
}

// distribution makes packages, and groups of them.
func (s *site) distribution(random *rand.Rand) (list []repodata.Package, comps []byte, groups []string) {
	const packages, wanted = 160, 12
	dep := func(typ rpm.DepType, name string) rpm.Dependency { return rpm.Dependency{Type: typ, Name: name} }
	for i := range packages {
		name := fmt.Sprintf("%c%c-pkg%d", 'a'+rune(random.IntN(26)), 'a'+rune(random.IntN(26)), i)
		deps := []rpm.Dependency{dep(rpm.DepProvide, fmt.Sprintf("is%d", i))}
		for range random.IntN(5) {
			if i > 0 { // of what comes before, so that there is an end
				deps = append(deps, dep(rpm.DepRequire, fmt.Sprintf("is%d", random.IntN(i))))
			}
		}
		if i > 20 && random.IntN(5) == 0 {
			deps = append(deps, dep([]rpm.DepType{rpm.DepRecommend, rpm.DepSuggest, rpm.DepSupplement, rpm.DepEnhance}[random.IntN(4)], fmt.Sprintf("is%d", random.IntN(i))))
		}
		if i > 20 && random.IntN(40) == 0 {
			deps = append(deps, dep(rpm.DepConflict, fmt.Sprintf("is%d", random.IntN(i))))
		}
		if i > 20 && random.IntN(60) == 0 {
			deps = append(deps, dep(rpm.DepObsolete, fmt.Sprintf("is%d", random.IntN(i))))
		}
		arches := []string{"x86_64"}
		switch random.IntN(4) {
		case 0:
			arches = []string{"noarch"}
		case 1:
			arches = []string{"x86_64", "i686"}
		}
		for version := range 1 + random.IntN(2) {
			for _, arch := range arches {
				spec := rpmtest.Spec{Name: name, Version: fmt.Sprint(version + 1), Release: "1", Arch: arch, BuildTime: 1700000000, Summary: name,
					Dependencies: append(slices.Clone(deps), rpm.Dependency{Type: rpm.DepProvide, Name: name, Version: fmt.Sprintf("%d-1", version+1), Flags: rpm.SenseEqual})}
				list = append(list, s.addSpec(spec))
			}
		}
	}
	var all []repodata.Group
	for g := range 8 {
		group := repodata.Group{Name: fmt.Sprintf("build%d", g), DisplayName: "build", UserVisible: true}
		for range wanted {
			p := list[random.IntN(len(list))]
			name, _, _ := strings.Cut(strings.TrimPrefix(p.Href, "packages/"), "/")
			group.Packages = append(group.Packages, repodata.GroupPackage{Name: name, Type: "mandatory"})
		}
		all, groups = append(all, group), append(groups, group.Name)
	}
	return list, repodata.Comps(all, true), groups
}
