// Package roottest makes an rpm repository for tests of buildroots, from nothing but the programs of the machine that
// runs the tests: bash, rpm, rpmbuild and what they need become one package, and the groups build and srpm-build name it.
//
// With MOROMI_TEST_REPO set to the directory of a repository (scripts/bootstrap makes one), that is used instead;
// it then has a C compiler too.
package roottest

import (
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"sync"
	"testing"
)

// RepoVariable names a directory with a repository to use.
const RepoVariable = "MOROMI_TEST_REPO"

// programs are what rpmbuild runs for a package without a compiler.
var programs = []string{
	"bash", "rpm", "rpmbuild", "rpmdb", "rpmspec", "cat", "cp", "rm", "mkdir", "ls", "install", "ln", "mv", "chmod", "chown", "touch", "env",
	"uname", "id", "head", "tail", "sort", "uniq", "wc", "tr", "cut", "tee", "sleep", "true", "false", "test", "dirname", "basename",
	"find", "xargs", "grep", "sed", "tar", "gzip", "file", "make", "date", "stat", "readlink", "cmp", "nproc", "mktemp", "hostname",
}

var (
	once  sync.Once
	built string
	fail  error
)

// Require skips the test where roots cannot be made at all.
func Require(tb testing.TB) {
	tb.Helper()
	if os.Geteuid() != 0 {
		tb.Skip("needs root: buildroots mount and change user")
	}
	for _, tool := range []string{"dnf", "rpm", "rpmbuild", "createrepo_c"} {
		if _, err := exec.LookPath(tool); err != nil {
			tb.Skipf("needs %s", tool)
		}
	}
}

// Dir gives the directory of a repository. It is made once for all tests of a process and removed by Remove.
func Dir(tb testing.TB) string {
	tb.Helper()
	Require(tb)
	if dir := os.Getenv(RepoVariable); dir != "" {
		return dir
	}
	once.Do(func() {
		if built, fail = os.MkdirTemp("", "roottest-"); fail == nil {
			fail = build(built)
		}
	})
	if fail != nil {
		tb.Fatalf("make a repository: %v", fail)
	}
	return filepath.Join(built, "repo")
}

// Remove deletes what Dir made; for TestMain.
func Remove() {
	if built != "" {
		os.RemoveAll(built)
	}
}

// HasCompiler tells whether the repository has gcc.
func HasCompiler(tb testing.TB) bool {
	tb.Helper()
	found, err := filepath.Glob(filepath.Join(Dir(tb), "*", "*gcc*.rpm"))
	return err == nil && len(found) > 0
}

// Serve gives the repository's address over HTTP until the test ends.
func Serve(tb testing.TB) string {
	tb.Helper()
	s := httptest.NewServer(http.FileServer(http.Dir(Dir(tb))))
	tb.Cleanup(s.Close)
	return s.URL
}

// build packs the machine's programs into one rpm and makes a repository of it.
func build(dir string) error {
	tree := filepath.Join(dir, "tree")
	paths := map[string]bool{}
	for _, p := range programs {
		full, err := exec.LookPath(p)
		if err != nil {
			continue // such as hostname, which not every machine has
		}
		if err := addWithLibraries(paths, full); err != nil {
			return err
		}
	}
	for _, d := range []string{"/usr/lib/rpm", "/usr/share/misc", "/usr/share/file"} {
		filepath.WalkDir(d, func(path string, e fs.DirEntry, err error) error {
			if err == nil && !e.IsDir() {
				paths[path] = true
			}
			return nil
		})
	}
	if err := layOut(tree, paths); err != nil {
		return err
	}
	return pack(dir, tree)
}

var library = regexp.MustCompile(`(/\S+) \(0x`)

// addWithLibraries adds a program and its shared libraries.
func addWithLibraries(paths map[string]bool, program string) error {
	paths[program] = true
	out, err := exec.Command("ldd", program).Output()
	if err != nil {
		return nil // a script or static
	}
	for _, m := range library.FindAllStringSubmatch(string(out), -1) {
		paths[m[1]] = true
	}
	return nil
}

// layOut copies the paths into a tree with the merged /usr of today's distributions.
func layOut(tree string, paths map[string]bool) error {
	for _, d := range []string{"usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "etc/rpm", "proc", "sys", "dev", "root", "var/lib/rpm", "run"} {
		if err := os.MkdirAll(filepath.Join(tree, d), 0o755); err != nil {
			return err
		}
	}
	for _, d := range []string{"tmp", "var/tmp"} {
		if err := os.MkdirAll(filepath.Join(tree, d), 0o755); err != nil {
			return err
		}
		if err := os.Chmod(filepath.Join(tree, d), 0o777|os.ModeSticky); err != nil {
			return err
		}
	}
	for _, l := range []string{"bin", "sbin", "lib", "lib64"} {
		if err := os.Symlink("usr/"+l, filepath.Join(tree, l)); err != nil {
			return err
		}
	}
	var list []string
	for p := range paths {
		list = append(list, p)
	}
	sort.Strings(list)
	for _, p := range list {
		data, err := os.ReadFile(p) // through links: every name becomes a file of its own
		if err != nil {
			continue // a dangling link of the machine's
		}
		to := p
		for _, l := range []string{"/bin/", "/sbin/", "/lib/", "/lib64/"} {
			if strings.HasPrefix(p, l) {
				to = "/usr" + p
			}
		}
		to = filepath.Join(tree, to)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(to, data, 0o755); err != nil {
			return err
		}
	}
	files := map[string]string{
		"etc/passwd":          "root:x:0:0:root:/root:/bin/bash\n",
		"etc/group":           "root:x:0:\n",
		"etc/profile":         "export PATH=/usr/bin:/usr/sbin\n",
		"etc/rpm/macros.test": "%_dbpath /var/lib/rpm\n%__brp_strip_comment_note %{nil}\n%_build_id_links none\n%__strip true\n",
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(tree, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return os.Symlink("bash", filepath.Join(tree, "usr/bin/sh"))
}

const spec = `%global debug_package %{nil}
%global __os_install_post %{nil}
%global _build_id_links none
%global _binary_payload w0.gzdio
Name: testroot
Version: 1
Release: 1
Summary: What a test build needs
License: various
AutoReqProv: no
Provides: /bin/sh bash rpm-build
%description
The programs of the machine that runs the tests.
%install
mkdir -p %{buildroot}
cp -a %{_tree}/. %{buildroot}/
%files
/*
%package extra
Summary: Something to require
%description extra
A package that builds can require.
%files extra
`

const comps = `<?xml version="1.0" encoding="UTF-8"?>
<comps>
<group><id>build</id><name>build</name><packagelist><packagereq type="mandatory">testroot</packagereq></packagelist></group>
<group><id>srpm-build</id><name>srpm-build</name><packagelist><packagereq type="mandatory">testroot</packagereq></packagelist></group>
</comps>
`

func pack(dir, tree string) error {
	specFile, compsFile := filepath.Join(dir, "testroot.spec"), filepath.Join(dir, "comps.xml")
	if err := os.WriteFile(specFile, []byte(spec), 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(compsFile, []byte(comps), 0o644); err != nil {
		return err
	}
	repo := filepath.Join(dir, "repo")
	for _, argv := range [][]string{
		{"rpmbuild", "-bb", "--define", "_topdir " + dir + "/rpmbuild", "--define", "_tree " + tree, "--define", "_rpmdir " + repo, "--define", "_dbpath " + dir + "/db", specFile},
		{"createrepo_c", "-q", "-g", compsFile, repo},
	} {
		if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", argv[0], err, out)
		}
	}
	return os.RemoveAll(tree)
}
