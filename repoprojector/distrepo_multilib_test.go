package repoprojector_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"moromi/internal/rpm"
	"moromi/internal/rpm/rpmtest"
)

// multilibTag makes a tag with a library for both architectures that needs another one, a program, and a noarch package.
func multilibTag(s *site) {
	s.tb.Helper()
	tag := s.makeTag("dist", nil)
	for _, n := range []string{"foo", "bar"} {
		s.list(tag, n, false)
		s.importRPM(rpmtest.Spec{Name: n, Version: "1", Release: "1", Arch: "x86_64", Source: true, BuildTime: 1700000000, Summary: n})
		for _, arch := range []string{"x86_64", "i686"} {
			s.importRPM(binary(n, "1", n, arch))
			lib := binary(n, "1", n+"-libs", arch)
			lib.Dependencies = []rpm.Dependency{{Type: rpm.DepProvide, Name: "lib" + n + ".so.1"}, {Type: rpm.DepRequire, Name: "libbar.so.1"}}
			if n == "foo" { // the other is needed, but is no library of a standard directory
				lib.Files = []rpm.File{{Name: map[string]string{"x86_64": "/usr/lib64", "i686": "/usr/lib"}[arch] + "/libfoo.so.1", Mode: 0o100755, User: "root", Group: "root", Digest: strings.Repeat("0", 64)}}
				lib.Dependencies = append(lib.Dependencies, rpm.Dependency{Type: rpm.DepRequire, Name: "foo-common"})
			}
			s.importRPM(lib)
		}
		s.importRPM(binary(n, "1", n+"-common", "noarch"))
		var id int64
		s.check(s.DB.QueryRow(s.ctx(), `select b.id from build b join package p on p.id = b.pkg_id where p.name = $1`, n).Scan(&id))
		s.put(tag, id)
	}
}

// TestMultilibDistRepo puts 32-bit libraries, and what they need, beside the 64-bit ones.
func TestMultilibDistRepo(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	multilibTag(s)
	config := func(name, white string) string {
		s.check(os.MkdirAll(filepath.Join(s.top, "work", "cli"), 0o755))
		s.check(os.WriteFile(filepath.Join(s.top, "work", "cli", name), []byte("[runtime]\nwhite = "+white+"\nblack =\n[devel]\nwhite =\nblack =\n"), 0o644))
		return "cli/" + name
	}
	s.start()
	opts := func(conf string, arches ...any) map[string]any {
		return map[string]any{"arch": arches, "allow_missing_signatures": true, "multilib": conf}
	}
	task, id := s.distRepo("dist", nil, opts(config("plain", ""), "x86_64", "i686"))
	absent, _ := s.distRepo("dist", nil, opts(config("src", "bar-common nothing"), "x86_64"))
	nowhere, _ := s.distRepo("dist", nil, opts("cli/nothing", "x86_64", "i686"))
	outside, _ := s.distRepo("dist", nil, opts("../../../etc/passwd", "x86_64", "i686"))
	s.succeeded(task)
	dir := s.distDir("dist", id)
	if got := strings.Join(strings.Fields(s.read(dir, "x86_64", "pkglist")), " "); got != "Packages/b/bar-1-1.x86_64.rpm Packages/b/bar-common-1-1.noarch.rpm Packages/b/bar-libs-1-1.i686.rpm "+
		"Packages/b/bar-libs-1-1.x86_64.rpm Packages/f/foo-1-1.x86_64.rpm Packages/f/foo-common-1-1.noarch.rpm Packages/f/foo-libs-1-1.i686.rpm Packages/f/foo-libs-1-1.x86_64.rpm" {
		t.Errorf("x86_64 has %s", got)
	}
	if got := s.read(dir, "i386", "pkglist"); strings.Count(got, ".i686.rpm") != 4 || strings.Contains(got, "x86_64") {
		t.Errorf("i386 has %s", got)
	}
	pkgs := map[string]map[string]any{}
	s.check(json.Unmarshal([]byte(s.read(dir, "x86_64", "kojipkgs")), &pkgs))
	if pkgs["bar-libs-1-1.i686.rpm"]["_multilib"] != true || pkgs["bar-libs-1-1.x86_64.rpm"]["_multilib"] != nil {
		t.Error("kojipkgs does not tell which rpms are multilib")
	}
	s.childrenAs(task, "i386 x86_64")
	s.failed(absent, "The multilib arch (i686) must be included")
	s.failed(nowhere, "The multilib configuration cannot be read")
	s.failed(outside, "Invalid path")
	listDNF(t, filepath.Join(dir, "x86_64"), "bar-1-1.x86_64", "bar-common-1-1.noarch", "bar-libs-1-1.i686", "bar-libs-1-1.x86_64", "foo-1-1.x86_64", "foo-common-1-1.noarch", "foo-libs-1-1.i686", "foo-libs-1-1.x86_64")
	sameAsCreaterepo(s, filepath.Join(dir, "x86_64"), "")
}
