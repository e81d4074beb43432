package native_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
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

var _ = errors.Is
var _ = context.Canceled
