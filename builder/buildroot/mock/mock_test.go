package mock

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"moromi/builder/buildroot"
)

// fakeMock is a script in the place of mock: it notes its arguments, does what mock would leave behind, and fails on demand.
const fakeMock = `#!/bin/bash
top=$(dirname "$0")
printf '%s\n' "$*" >> "$top/calls"
cfg=$2; name=${cfg#koji/}
[ "$1" = -r ] && [ -f "$top/etc/koji/$name.cfg" ] || { echo "no configuration $cfg"; exit 3; }
dir=$top/lib/$name
case "$*" in
*--init*) mkdir -p "$dir/root/var/lib/rpm" "$dir/root/var/log" "$dir/result"; echo init >> "$dir/result/root.log"; [ ! -e "$top/fail-init" ] || exit 30;;
*--buildsrpm*) touch "$dir/result/hello-1-1.src.rpm";;
*"rpm --define"*) mkdir -p "$dir/root/chroot_tmpdir/srpm_unpacked/"{SPECS,SRPMS}; touch "$dir/root/chroot_tmpdir/srpm_unpacked/SPECS/hello.spec";;
*"rpmbuild --define"*) touch "$dir/root/chroot_tmpdir/srpm_unpacked/SRPMS/hello-1-1.src.rpm";;
*--rebuild*) echo building >> "$dir/result/build.log"
  [ ! -e "$top/hang" ] || { trap 'echo interrupted >> "$top/calls"; exit 1' INT; echo $$ > "$top/pid"; sleep 300 & wait; }
  [ ! -e "$top/fail-build" ] || exit $(cat "$top/fail-build")
  touch "$dir/result/"{hello-1-1.src.rpm,hello-1-1.x86_64.rpm};;
esac
echo "output of $*"
`

type fake struct {
	dir string
	b   *Backend
}

func newFake(t *testing.T) fake {
	t.Helper()
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("needs bash")
	}
	dir := t.TempDir()
	for _, d := range []string{"etc/koji", "lib", "state"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	// Written by another process: this one may be forking for another test, and a file open for writing cannot be run.
	cmd := exec.Command("bash", "-c", `cat > "$1/mock" && chmod +x "$1/mock"`, "bash", dir)
	cmd.Stdin = strings.NewReader(fakeMock)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	b, err := New(Config{Program: filepath.Join(dir, "mock"), Dir: filepath.Join(dir, "lib"), ConfigDir: filepath.Join(dir, "etc", "koji"),
		StateDir: filepath.Join(dir, "state"), User: "-"})
	if err != nil {
		t.Fatal(err)
	}
	return fake{dir, b}
}

func (f fake) file(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(f.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func (f fake) put(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(f.dir, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func spec(t *testing.T) buildroot.Spec {
	return buildroot.Spec{ID: 7, Name: "f42-build-7-3", Tag: "f42-build", RepoID: 3, Repos: []string{"http://hub/repos/f42-build/3/x86_64"}, Arch: "x86_64", Group: "build",
		Packager: "P", Vendor: "V", Distribution: "D", HostVendor: "koji-linux-gnu", Timeout: time.Hour, Dir: t.TempDir()}
}

func (f fake) create(t *testing.T, s buildroot.Spec) buildroot.Root {
	t.Helper()
	r, err := f.b.Create(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestCommands(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	s := spec(t)
	s.Extra = map[string]any{"mock.new_chroot": int64(0)}
	r := f.create(t, s)
	dir, err := r.CheckoutDir()
	if err != nil {
		t.Fatal(err)
	}
	if dir != filepath.Join(f.dir, "lib/f42-build-7-3/root/chroot_tmpdir/scmroot") {
		t.Errorf("checkout in %s", dir)
	}
	srpm := filepath.Join(t.TempDir(), "hello-1-1.src.rpm")
	if err := os.WriteFile(srpm, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	tree := buildroot.SourceTree{Spec: "hello/hello.spec", Sources: "hello", WorkDir: "hello", Command: []string{"make", "sources"}}
	for what, do := range map[string]func() error{
		"build srpm":   func() error { return r.BuildSRPM(t.Context(), tree) },
		"rebuild srpm": func() error { return r.RebuildSRPM(t.Context(), srpm) },
		"build":        func() error { return r.Build(t.Context(), srpm, "x86_64") },
	} {
		if err := do(); err != nil {
			t.Errorf("%s: %v\n%s", what, err, f.file(t, "calls"))
		}
	}
	const pre = "-r koji/f42-build-7-3 --old-chroot "
	calls := f.file(t, "calls")
	for _, want := range []string{
		pre + "--init\n" + pre + "--chroot uname -r\n",
		pre + "--no-clean --unpriv --cwd /chroot_tmpdir/scmroot/hello --chroot make sources\n" +
			pre + "--no-clean --buildsrpm --spec " + dir + "/hello/hello.spec --sources " + dir + "/hello --target noarch\n",
		pre + "--no-clean --target noarch --chroot -- rpm --define _topdir /chroot_tmpdir/srpm_unpacked -iv /chroot_tmpdir/srpm/source.src.rpm\n" +
			pre + "--no-clean --target noarch --chroot -- rpmbuild --define _topdir /chroot_tmpdir/srpm_unpacked -bs --nodeps /chroot_tmpdir/srpm_unpacked/SPECS/hello.spec\n",
		pre + "--no-clean --target x86_64 --rebuild " + f.dir + "/lib/f42-build-7-3/source/hello-1-1.src.rpm\n",
	} {
		if !strings.Contains(calls, want) {
			t.Errorf("calls lack\n%s\nthey are\n%s", want, calls)
		}
	}
	if _, err := os.Stat(filepath.Join(r.ResultDir(), "hello-1-1.x86_64.rpm")); err != nil {
		t.Error(err)
	}
	if out, err := os.ReadFile(filepath.Join(s.Dir, "mock_output.log")); err != nil || !strings.Contains(string(out), "output of "+pre+"--init") {
		t.Errorf("mock_output.log: %s %v", out, err)
	}
	if err := r.Destroy(); err != nil {
		t.Fatal(err)
	}
	for _, gone := range []string{"lib/f42-build-7-3", "etc/koji/f42-build-7-3.cfg", "state/f42-build-7-3.json"} {
		if _, err := os.Stat(filepath.Join(f.dir, gone)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left: %v", gone, err)
		}
	}
}

func TestFailures(t *testing.T) {
	t.Parallel()
	for status, log := range map[string]string{"10": "build.log", "1": "build.log or root.log", "30": "root.log"} {
		f := newFake(t)
		f.put(t, "fail-build", status)
		f.put(t, "x.src.rpm", "")
		err := f.create(t, spec(t)).Build(t.Context(), filepath.Join(f.dir, "x.src.rpm"), "x86_64")
		var pe *buildroot.PhaseError
		if !errors.As(err, &pe) || pe.Log != log || pe.Status() != "mock exited with status "+status {
			t.Errorf("%s: %v", status, err)
		}
	}
	f := newFake(t)
	f.put(t, "fail-init", "")
	r, err := f.b.Create(t.Context(), spec(t))
	var pe *buildroot.PhaseError
	if r == nil || !errors.As(err, &pe) || pe.Exit != 30 || pe.Log != "root.log" {
		t.Errorf("init: %v", err)
	}
}

func TestCancelAsksFirst(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.put(t, "hang", "")
	r := f.create(t, spec(t))
	why := errors.New("canceled")
	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan error)
	f.put(t, "x.src.rpm", "")
	go func() { done <- r.Build(ctx, filepath.Join(f.dir, "x.src.rpm"), "x86_64") }()
	f.awaitFile(t, "pid")
	cancel(why)
	if err := <-done; !errors.Is(err, why) {
		t.Error(err)
	}
	if !strings.Contains(f.file(t, "calls"), "interrupted") {
		t.Error("mock was not asked to stop")
	}
}

// awaitFile waits for a file that another process makes.
func (f fake) awaitFile(t *testing.T, name string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if data, err := os.ReadFile(filepath.Join(f.dir, name)); err == nil && len(data) > 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("no %s", name)
		}
	}
}

func TestCleanEndsLeftovers(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	r := f.create(t, spec(t))
	cmd := exec.Command("sleep", "300")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	pid := cmd.Process.Pid
	for _, start := range []string{"1", startTime(pid)} { // the first is of another process that had the number
		if err := f.b.remember(leftover{Name: "f42-build-7-3", PID: pid, Start: start}); err != nil {
			t.Fatal(err)
		}
		if start == "1" {
			if err := f.b.Clean(t.Context()); err != nil {
				t.Fatal(err)
			}
			if startTime(pid) == "" {
				t.Fatal("a foreign process was killed")
			}
		}
	}
	if err := f.b.Clean(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("the leftover: %v", err)
	}
	if _, err := os.Stat(r.ResultDir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the root is left: %v", err)
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	s := spec(t)
	s.Repos = append(s.Repos, "http://mirror/repos/f42-build/3/x86_64")
	s.Macros = map[string]string{"dist": ".fc42", "vendor": "the tag's", "_topdir": "/evil"}
	s.Env = map[string]string{"A": "it's\nb\\c é"}
	s.Extra = map[string]any{"mock.package_manager": "dnf5", "mock.yum.best": int64(1), "mock.use_bootstrap": false, "mock.forcearch": true,
		"mock.module_setup_commands": []any{[]any{"enable", "x:1"}}, "mock.plugin_conf.sign_enable": true,
		"mock.plugin_conf.sign_opts.cmd": "rpmsign", "mock.plugin_conf.sign_opts.opts": "--addsign"}
	text, err := f.b.configText(s)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"# Koji buildroot id: 7\n# Koji buildroot name: f42-build-7-3\n# Koji repo id: 3\n# Koji tag: f42-build\n",
		"config_opts['root'] = 'f42-build-7-3'\n", "config_opts['target_arch'] = 'x86_64'\n", "config_opts['chroot_setup_cmd'] = 'install @build'\n",
		"config_opts['rpmbuild_networking'] = False\n", "config_opts['rpmbuild_timeout'] = 3600\n", "config_opts['package_manager'] = 'dnf5'\n",
		"config_opts['use_bootstrap'] = False\n", "config_opts['forcearch'] = 'x86_64'\n", "config_opts['module_setup_commands'] = [['enable', 'x:1']]\n",
		`[build]\nname=build\nbaseurl=http://hub/repos/f42-build/3/x86_64\n        http://mirror/repos/f42-build/3/x86_64\nbest=1\n`,
		"config_opts['plugin_conf']['root_cache_enable'] = False\n", "config_opts['plugin_conf']['sign_opts']['cmd'] = 'rpmsign'\n",
		"config_opts['macros']['%_rpmfilename'] = '%%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm'\n", "config_opts['macros']['%dist'] = '.fc42'\n",
		"config_opts['macros']['%vendor'] = \"the tag's\"\n", "config_opts['macros']['%_topdir'] = '/builddir/build'\n", "config_opts['macros']['%_host'] = 'x86_64-koji-linux-gnu'\n",
	} {
		if want = strings.ReplaceAll(want, `"the tag's"`, `'the tag\'s'`); !strings.Contains(text, want) {
			t.Errorf("lacks %s\n%s", want, text)
		}
	}
	if !strings.Contains(text, `config_opts['environment']['A'] = 'it\'s\nb\\c \u00e9'`) {
		t.Error(text)
	}
	// Python reads it as mock would.
	if python, err := exec.LookPath("python3"); err == nil {
		cmd := exec.Command(python, "-c", `
import sys, collections
config_opts = collections.defaultdict(dict)
exec(sys.stdin.read())
assert config_opts['environment']['A'] == "it's\nb\\c \u00e9", config_opts['environment']
assert config_opts['macros']['%vendor'] == "the tag's"
`)
		cmd.Stdin = strings.NewReader(text)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	}
	delete(s.Extra, "mock.plugin_conf.sign_opts.cmd")
	if _, err := f.b.configText(s); err == nil {
		t.Error("half a sign plugin is taken")
	}
}
