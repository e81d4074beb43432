package native_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"moromi/builder/buildroot"
	"moromi/builder/buildroot/native"
	"moromi/builder/buildroot/roottest"
)

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == native.InitVerb {
		os.Exit(native.Init())
	}
	code := m.Run()
	roottest.Remove()
	os.Exit(code)
}

// newBackend makes a backend whose directory is the test's own.
func newBackend(tb testing.TB, change func(*native.Config)) *native.Backend {
	tb.Helper()
	roottest.Require(tb)
	cfg := native.Config{Dir: filepath.Join(tb.TempDir(), "cache"), Hostname: "builder.test"}
	if change != nil {
		change(&cfg)
	}
	b, err := native.New(tb.Context(), cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// spec is a root of the test repository.
func spec(tb testing.TB, repo string) buildroot.Spec {
	tb.Helper()
	return buildroot.Spec{
		ID: 7, Name: "test-build-7-3", Tag: "test-build", RepoID: 3, Repos: []string{repo}, Arch: "x86_64", Group: "build",
		Packager: "Test", Vendor: "Test Vendor", Distribution: "Test Linux", HostVendor: "koji-linux-gnu",
		Macros: map[string]string{"dist": ".t1"}, Env: map[string]string{"TEST_ENV": "from the tag"},
		Timeout: time.Minute, Dir: tb.TempDir(),
	}
}

// create makes a root and destroys it at the end.
func create(tb testing.TB, b *native.Backend, s buildroot.Spec) buildroot.Root {
	tb.Helper()
	r, err := b.Create(tb.Context(), s)
	if r != nil {
		tb.Cleanup(func() {
			if err := r.Destroy(); err != nil {
				tb.Errorf("destroy: %v", err)
			}
		})
	}
	if err != nil {
		if r != nil {
			tb.Log(readLog(tb, r, "root.log"))
		}
		tb.Fatalf("create: %v", err)
	}
	return r
}

func readLog(tb testing.TB, r buildroot.Root, name string) string {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join(r.ResultDir(), name))
	if err != nil {
		tb.Fatal(err)
	}
	return string(data)
}

// checkout puts one spec into the root's checkout directory.
func checkout(tb testing.TB, r buildroot.Root, spec string, command ...string) buildroot.SourceTree {
	tb.Helper()
	dir, err := r.CheckoutDir()
	if err != nil {
		tb.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "hello"), 0o755); err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "hello", "hello.spec"), []byte(spec), 0o644); err != nil {
		tb.Fatal(err)
	}
	return buildroot.SourceTree{Spec: "hello/hello.spec", Sources: "hello", WorkDir: "hello", Command: command}
}

const helloSpec = `Name: hello
Version: 1.0
Release: 1%{?dist}
Summary: A greeting
License: MIT
BuildArch: noarch
Source0: greeting
%description
A greeting.
%build
id
echo "env: $TEST_ENV"
%install
mkdir -p %{buildroot}/usr/share/hello
cp %{SOURCE0} %{buildroot}/usr/share/hello/
%files
/usr/share/hello
`

func TestBuildFromCheckout(t *testing.T) {
	t.Parallel()
	b := newBackend(t, nil)
	repo := roottest.Serve(t)

	s := spec(t, repo)
	s.Group = "srpm-build"
	srpmRoot := create(t, b, s)
	tree := checkout(t, srpmRoot, helloSpec, "bash", "-c", "echo hello > greeting")
	if err := srpmRoot.BuildSRPM(t.Context(), tree); err != nil {
		t.Fatalf("build srpm: %v\n%s\n%s", err, readLog(t, srpmRoot, "root.log"), readLog(t, srpmRoot, "build.log"))
	}
	srpm := filepath.Join(srpmRoot.ResultDir(), "hello-1.0-1.t1.src.rpm")
	if _, err := os.Stat(srpm); err != nil {
		t.Fatal(err)
	}

	r := create(t, b, spec(t, repo))
	if err := r.Build(t.Context(), srpm, "noarch"); err != nil {
		t.Fatalf("build: %v\n%s\n%s", err, readLog(t, r, "root.log"), readLog(t, r, "build.log"))
	}
	for _, name := range []string{"hello-1.0-1.t1.noarch.rpm", "hello-1.0-1.t1.src.rpm", "hw_info.log", "installed_pkgs.log", "state.log"} {
		if _, err := os.Stat(filepath.Join(r.ResultDir(), name)); err != nil {
			t.Error(err)
		}
	}
	log := readLog(t, r, "build.log")
	for _, want := range []string{"uid=1000", "gid=135", "env: from the tag"} {
		if !strings.Contains(log, want) {
			t.Errorf("build.log lacks %q:\n%s", want, log)
		}
	}
	pkgs, err := r.Packages(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(pkgs) == 0 || len(pkgs[0].PayloadHash) != 32 || pkgs[0].BuildTime == 0 {
		t.Errorf("packages: %+v", pkgs)
	}
}

// processes lists the processes whose command line has a word.
func processes(tb testing.TB, word string) []string {
	tb.Helper()
	names, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		tb.Fatal(err)
	}
	var found []string
	for _, n := range names {
		if data, err := os.ReadFile(n); err == nil && slices.Contains(strings.Split(string(data), "\x00"), word) {
			found = append(found, n)
		}
	}
	return found
}

// buildSpec makes a source package of a spec in one root and gives its path, and a second root to build it in.
func buildSpec(t *testing.T, b *native.Backend, repo, text string, change func(*buildroot.Spec)) (srpm string, r buildroot.Root) {
	t.Helper()
	src := create(t, b, spec(t, repo))
	if err := src.BuildSRPM(t.Context(), checkout(t, src, text, "bash", "-c", "echo hello > greeting")); err != nil {
		t.Fatalf("%v\n%s", err, readLog(t, src, "build.log"))
	}
	s := spec(t, repo)
	if change != nil {
		change(&s)
	}
	return filepath.Join(src.ResultDir(), "hello-1.0-1.t1.src.rpm"), create(t, b, s)
}

func TestTimeLimit(t *testing.T) {
	t.Parallel()
	b := newBackend(t, nil)
	srpm, r := buildSpec(t, b, roottest.Serve(t), strings.Replace(helloSpec, "id\n", "setsid sleep 876543 & sleep 876543\n", 1),
		func(s *buildroot.Spec) { s.Timeout = 2 * time.Second })
	err := r.Build(t.Context(), srpm, "noarch")
	var pe *buildroot.PhaseError
	if !errors.As(err, &pe) || pe.Timeout != 2*time.Second || pe.Log != "build.log" {
		t.Errorf("got %v", err)
	}
	if left := processes(t, "876543"); len(left) > 0 {
		t.Errorf("left running: %v", left)
	}
}

func TestCopyInsteadOfOverlay(t *testing.T) {
	t.Parallel()
	b := newBackend(t, func(c *native.Config) { c.NoOverlay = true })
	repo := roottest.Serve(t)
	srpm, r := buildSpec(t, b, repo, strings.Replace(helloSpec, "BuildArch", "BuildRequires: make\nBuildArch", 1), nil)
	if os.Getenv(roottest.RepoVariable) == "" {
		srpm, r = buildSpec(t, b, repo, strings.Replace(helloSpec, "BuildArch", "BuildRequires: testroot-extra\nBuildArch", 1), nil)
	}
	if err := r.Build(t.Context(), srpm, "noarch"); err != nil {
		t.Fatalf("%v\n%s", err, readLog(t, r, "root.log"))
	}
}

func TestRebuildSRPM(t *testing.T) {
	t.Parallel()
	b := newBackend(t, nil)
	srpm, r := buildSpec(t, b, roottest.Serve(t), helloSpec, func(s *buildroot.Spec) { s.Macros = map[string]string{"dist": ".other"} })
	if err := r.RebuildSRPM(t.Context(), srpm); err != nil {
		t.Fatalf("%v\n%s", err, readLog(t, r, "build.log"))
	}
	if _, err := os.Stat(filepath.Join(r.ResultDir(), "hello-1.0-1.other.src.rpm")); err != nil {
		t.Error(err)
	}
}

func TestBuildDependencies(t *testing.T) {
	t.Parallel()
	if os.Getenv(roottest.RepoVariable) != "" {
		t.Skip("knows the packages of the test's own repository")
	}
	b := newBackend(t, nil)
	repo := roottest.Serve(t)
	text := strings.Replace(helloSpec, "BuildArch", "BuildRequires: testroot-extra >= 1\nBuildArch", 1)
	for i := range 2 { // installed, then from the cache
		srpm, r := buildSpec(t, b, repo, text, nil)
		if err := r.Build(t.Context(), srpm, "noarch"); err != nil {
			t.Fatalf("%v\n%s", err, readLog(t, r, "root.log"))
		}
		pkgs, err := r.Packages(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(pkgs) != 2 || pkgs[1].Name != "testroot-extra" {
			t.Errorf("build %d: packages %+v", i, pkgs)
		}
		if got := strings.Contains(readLog(t, r, "root.log"), "Build dependencies [\"testroot-extra >= 1\"] from the cache"); got != (i == 1) {
			t.Errorf("build %d: from the cache: %t", i, got)
		}
		if log := readLog(t, r, "installed_pkgs.log"); !strings.Contains(log, "testroot-extra-1-1.x86_64 ") {
			t.Errorf("installed_pkgs.log: %s", log)
		}
	}
	for _, word := range []string{"no-such-package", "x.rpm", "/etc/../x.rpm"} {
		srpm, r := buildSpec(t, b, repo, strings.Replace(helloSpec, "BuildArch", "BuildRequires: "+word+"\nBuildArch", 1), nil)
		err := r.Build(t.Context(), srpm, "noarch")
		var pe *buildroot.PhaseError
		if !errors.As(err, &pe) || pe.Phase != "installing build dependencies" || pe.Detail != "No matching package to install: '"+word+"'" {
			t.Errorf("%s: got %v", word, err)
		}
	}
}

func TestEmptyGroup(t *testing.T) {
	t.Parallel()
	b := newBackend(t, nil)
	s := spec(t, roottest.Serve(t))
	s.Group = "no-such-group"
	r, err := b.Create(t.Context(), s)
	if r != nil {
		defer r.Destroy()
	}
	var pe *buildroot.PhaseError
	if !errors.As(err, &pe) || pe.Log != "root.log" || pe.Exit == 0 {
		t.Errorf("got %v", err)
	}
}

func TestNoRepository(t *testing.T) {
	t.Parallel()
	b := newBackend(t, nil)
	r, err := b.Create(t.Context(), spec(t, roottest.Serve(t)+"/not-there"))
	if r != nil {
		defer r.Destroy()
	}
	if err == nil || !strings.Contains(err.Error(), "404 Not Found") {
		t.Errorf("got %v", err)
	}
}

func TestCanceledInstallation(t *testing.T) {
	t.Parallel()
	b := newBackend(t, nil)
	repo := roottest.Serve(t)
	why := errors.New("the task was canceled")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if r, err := b.Create(ctx, spec(t, repo)); !errors.Is(err, why) {
		t.Errorf("canceled: got %v", err)
	} else if r != nil {
		r.Destroy()
	}
	create(t, b, spec(t, repo)) // nothing half-made is in the way
}

// TestCachedRoots fills the cache beyond its limit: what is used stays, what is not goes.
func TestCachedRoots(t *testing.T) {
	t.Parallel()
	var dir string
	b := newBackend(t, func(c *native.Config) { c.MaxBases, dir = 1, c.Dir })
	repo := roottest.Serve(t)
	groups := func(g, setting string) buildroot.Spec {
		s := spec(t, repo)
		s.Group, s.Extra = g, map[string]any{"mock.yum.best": setting}
		return s
	}
	bases := func() int {
		dirs, err := filepath.Glob(filepath.Join(dir, "bases", "*"))
		if err != nil {
			t.Fatal(err)
		}
		return len(dirs)
	}
	held := create(t, b, groups("build", "1"))
	free, err := b.Create(t.Context(), groups("srpm-build", "1"))
	if err != nil {
		t.Fatal(err)
	}
	if n := bases(); n != 2 {
		t.Errorf("%d bases while two are used", n)
	}
	if err := free.Destroy(); err != nil {
		t.Fatal(err)
	}
	create(t, b, groups("build", "2"))
	if n := bases(); n != 2 {
		t.Errorf("%d bases: the unused one should be gone", n)
	}
	if _, err := held.Packages(t.Context()); err != nil {
		t.Error(err)
	}
	// Leftovers of a killed daemon.
	if err := os.MkdirAll(filepath.Join(dir, "bases", "x.123.part", "root"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := b.Clean(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := bases(); n != 2 {
		t.Errorf("%d bases after the clean-up", n)
	}
}

func TestMemoryLimit(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err != nil {
		if _, err := os.Stat("/sys/fs/cgroup/memory/memory.limit_in_bytes"); err != nil {
			t.Skip("needs the memory control group")
		}
	}
	b := newBackend(t, func(c *native.Config) { c.MemoryLimit, c.PIDLimit = 64<<20, 50 })
	srpm, r := buildSpec(t, b, roottest.Serve(t), strings.Replace(helloSpec, "id\n", "x=$(head -c 300000000 /dev/zero | tr '\\0' x)\n", 1),
		func(s *buildroot.Spec) {
			s.Name = "limit-" + filepath.Base(t.TempDir()) + "-" + time.Now().Format("150405.000000")
		})
	err := r.Build(t.Context(), srpm, "noarch")
	var pe *buildroot.PhaseError
	if !errors.As(err, &pe) || pe.Log != "build.log" {
		t.Errorf("got %v", err)
	}
}
