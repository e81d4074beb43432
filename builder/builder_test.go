package builder_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"moromi/builder"
	"moromi/builder/buildroot/native"
	"moromi/builder/buildroot/roottest"
	"moromi/internal/fault"
	"moromi/internal/koji"
)

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == native.InitVerb {
		os.Exit(native.Init())
	}
	code := m.Run()
	roottest.Remove()
	os.Exit(code)
}

// testTime bounds what a test waits for.
const testTime = 60 * time.Second

// startBuilder runs a builder against the hub until the test ends.
func startBuilder(tb testing.TB, h *fakeHub, change func(*builder.Config)) (ctx context.Context, stop func() error) {
	tb.Helper()
	roottest.Require(tb)
	cfg := builder.DefaultConfig()
	cfg.Server, cfg.TopURL, cfg.WorkDir, cfg.User = "http://hub.test/kojihub", h.topURL, tb.TempDir(), "builder1"
	cfg.Buildroot, cfg.MinSpace, cfg.Vendor, cfg.Distribution, cfg.Packager = "native", 1, "Test Vendor", "Test Linux", "Test Packager"
	cfg.MaxLoad = 0 // other tests run beside this one
	cfg.AllowedSCMs = "127.0.0.1*:/*:no:"
	cfg.Log = slog.New(slog.NewTextHandler(tb.Output(), nil))
	if change != nil {
		change(&cfg)
	}
	ctx, cancel := context.WithTimeout(tb.Context(), testTime)
	run, end := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- builder.Serve(run, cfg, hubSession{h, 0}) }()
	stopped := false
	stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		end()
		return <-done
	}
	tb.Cleanup(func() {
		if err := stop(); err != nil {
			tb.Errorf("builder: %v", err)
		}
		if left, _ := os.ReadDir(filepath.Join(cfg.WorkDir, "tasks")); len(left) > 0 {
			tb.Errorf("left behind: %v", left)
		}
		cancel()
	})
	return ctx, stop
}

const shellSpec = `Name: hello
Version: 1.0
Release: 1%{?dist}
Summary: A greeting
License: MIT
BuildArch: noarch
Source0: greeting
%description
A greeting.
%build
BUILD
%install
mkdir -p %{buildroot}/usr/share/hello
cp %{SOURCE0} %{buildroot}/usr/share/hello/
%files
/usr/share/hello
`

func shellPackage(tb testing.TB, build string) string {
	return gitRepo(tb, "hello", map[string]string{"hello.spec": strings.Replace(shellSpec, "BUILD", build, 1), "greeting": "hello\n"})
}

func TestBuildFromGit(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.addRepo()
	h.repoPending = 2 // so that the build must wait for a repository
	ctx, _ := startBuilder(t, h, nil)
	url := shellPackage(t, "echo building")
	task := h.wait(ctx, h.submit("build", url, "test", map[string]any{"custom_user_metadata": map[string]any{"a": "b"}}))
	if task.state != koji.TaskClosed {
		t.Fatalf("build is %s: %v", task.state, task.err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()

	var kinds []string
	byLabel := map[string]*hubTask{}
	for id := int64(1); id <= h.nextID; id++ {
		kinds = append(kinds, h.tasks[id].method+" "+h.tasks[id].label)
		byLabel[h.tasks[id].label] = h.tasks[id]
	}
	if got, want := strings.Join(kinds, ", "), "build , waitrepo , buildSRPMFromSCM srpm, buildArch noarch, tagBuild tag"; got != want {
		t.Errorf("tasks: %s\nwant:  %s", got, want)
	}
	if h.initBuild["name"] != "hello" || h.initBuild["release"] != "1.t1" || h.initBuild["source"] != url {
		t.Errorf("initBuild got %v", h.initBuild)
	}
	arch := byLabel["noarch"]
	dir := fmt.Sprintf("tasks/%d/%d/", arch.id%10000, arch.id)
	wantRoots := map[string]any{dir + "hello-1.0-1.t1.noarch.rpm": int64(2), dir + "hello-1.0-1.t1.src.rpm": int64(2)}
	if got := fmt.Sprint(h.complete[:5]); got != fmt.Sprint([]any{task.id, int64(77), dir + "hello-1.0-1.t1.src.rpm", []any{dir + "hello-1.0-1.t1.noarch.rpm"}, wantRoots}) {
		t.Errorf("completeBuild got %s", got)
	}
	var logs []string
	for _, l := range h.complete[5].(map[string]any)["noarch"].([]any) {
		logs = append(logs, filepath.Base(l.(string)))
		h.read(l.(string))
	}
	slices.Sort(logs)
	if got := strings.Join(logs, " "); got != "build.log hw_info.log installed_pkgs.log mock_config.log root.log state.log" {
		t.Errorf("logs: %s", got)
	}
	if log := h.read(dir + "build.log"); !strings.Contains(log, "echo building") {
		t.Errorf("build.log: %s", log)
	}
	srpm := byLabel["srpm"].result.(map[string]any)
	if srpm["source"].(map[string]any)["source"] != url || !strings.Contains(fmt.Sprint(srpm["logs"]), "checkout.log") {
		t.Errorf("source task's result: %v", srpm)
	}
	for id, r := range h.roots {
		if strings.Join(r.states, " ") != "BUILDING EXPIRED" || len(r.list) == 0 {
			t.Errorf("buildroot %d: states %v, %d packages", id, r.states, len(r.list))
		}
		if first := r.list[0].(map[string]any); first["id"].(int64) < 100 || len(first["payloadhash"].(string)) != 32 {
			t.Errorf("buildroot %d: %v", id, first)
		}
	}
	if fmt.Sprint(h.tagged) != fmt.Sprint([]any{byLabel["tag"].id, int64(2), int64(77)}) {
		t.Errorf("tagBuild got %v", h.tagged)
	}
}

func TestBuildFailureSaysWhy(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.addRepo()
	ctx, _ := startBuilder(t, h, nil)
	tests := []struct{ build, want string }{
		{`echo "/usr/bin/ld: cannot find -lreadline" >&2; exit 3`,
			"error building package (arch noarch), rpmbuild exited with status 1 in %build: /usr/bin/ld: cannot find -lreadline; see build.log for more information"},
		{"%dnl\n%prep\ntrue", ""},
	}
	for _, tt := range tests {
		task := h.wait(ctx, h.submit("build", shellPackage(t, tt.build), "test"))
		if tt.want == "" {
			continue
		}
		f := fault.Of(task.err)
		if task.state != koji.TaskFailed || f == nil || f.Code != fault.Build || f.Message != tt.want {
			t.Errorf("%s:\n got %s %v\nwant %s", tt.build, task.state, task.err, tt.want)
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if !slices.Contains(h.failed, 77) {
		t.Error("failBuild was not called")
	}
}

func TestMissingBuildRequires(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.addRepo()
	ctx, _ := startBuilder(t, h, nil)
	url := gitRepo(t, "hello", map[string]string{"hello.spec": strings.Replace(shellSpec, "License", "BuildRequires: no-such-thing >= 3\nLicense", 1), "greeting": "x"})
	task := h.wait(ctx, h.submit("build", url, "test"))
	want := "error building package (arch noarch), installing build dependencies: dnf exited with status 1: No matching package to install: 'no-such-thing >= 3'; see root.log for more information"
	if f := fault.Of(task.err); f == nil || f.Message != want {
		t.Errorf("got  %v\nwant %s", task.err, want)
	}
}

func TestCancelKillsTheBuild(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.addRepo()
	ctx, _ := startBuilder(t, h, nil)
	marker := fmt.Sprintf("%d", time.Now().UnixNano())
	id := h.submit("build", shellPackage(t, "setsid sleep 98."+marker+" & echo started; sleep 97."+marker), "test")
	var log string
	h.until(ctx, "the build's log", func() bool {
		for _, c := range h.tasks {
			if c.label == "noarch" {
				log = fmt.Sprintf("tasks/%d/%d/build.log", c.id%10000, c.id)
				data, _ := os.ReadFile(filepath.Join(h.top, "work", log))
				return strings.Contains(string(data), "\nstarted")
			}
		}
		return false
	})
	if len(processes(t, marker)) == 0 {
		t.Fatal("the build does not run")
	}
	h.cancel(id)
	h.until(ctx, "the root's end", func() bool { return len(h.roots) == 2 && slices.Contains(h.roots[2].states, "EXPIRED") })
	if left := processes(t, marker); len(left) > 0 {
		t.Errorf("processes left: %v", left)
	}
}

// processes lists the command lines with a word.
func processes(tb testing.TB, word string) []string {
	tb.Helper()
	names, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		tb.Fatal(err)
	}
	var found []string
	for _, n := range names {
		if data, err := os.ReadFile(n); err == nil && strings.Contains(string(data), word) && !strings.Contains(string(data), "git") {
			found = append(found, strings.ReplaceAll(string(data), "\x00", " "))
		}
	}
	return found
}

func TestShutdownGivesTasksBack(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.addRepo()
	ctx, stop := startBuilder(t, h, nil)
	id := h.submit("build", shellPackage(t, "echo started; sleep 600"), "test")
	h.until(ctx, "buildArch", func() bool { return len(h.roots) == 2 && slices.Contains(h.roots[2].states, "BUILDING") })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if !slices.Contains(h.freed, id) || h.host.ready || !h.loggedOut {
		t.Errorf("freed %v, ready %t, logged out %t", h.freed, h.host.ready, h.loggedOut)
	}
}

func TestStartFreesStaleTasksAndRefusesUnknownOnes(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	stale := h.submit("build", "x", "test")
	h.tasks[stale].state = koji.TaskOpen
	unknown := h.submit("livecd", "x")
	foreign := h.submit("build", "only one argument")
	ctx, _ := startBuilder(t, h, nil)
	if got := h.wait(ctx, foreign); !fault.Is(got.err, fault.Parameter) {
		t.Errorf("wrong arguments: %v", got.err)
	}
	h.until(ctx, "refusal", func() bool { return h.refused[unknown] == "no handler for method" && slices.Contains(h.freed, stale) })
	h.mu.Lock()
	defer h.mu.Unlock()
	if methods := fmt.Sprint(h.host.data["methods"]); methods != "[build buildArch buildNotification buildSRPMFromSCM chainbuild createrepo newRepo rebuildSRPM runroot saveFailedTree tagBuild tagNotification waitrepo]" {
		t.Errorf("methods: %s", methods)
	}
}

func TestOneBuilderForAWorkDir(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	dir := t.TempDir()
	ctx, _ := startBuilder(t, h, func(c *builder.Config) { c.WorkDir = dir })
	h.until(ctx, "the first heartbeat", func() bool { return h.host.ready })
	cfg := builder.DefaultConfig()
	cfg.WorkDir, cfg.TopURL = dir, h.topURL
	if err := builder.Serve(ctx, cfg, hubSession{h, 0}); err == nil || !strings.Contains(err.Error(), "another builder works in") {
		t.Errorf("second builder: %v", err)
	}
}

// TestSCMPolicy asks the hub about a checkout, and gives up when the answer is no.
func TestSCMPolicy(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.addRepo()
	h.scmVerdict = fault.New(fault.ActionNotAllowed, "policy violation (scm): no such branch")
	ctx, _ := startBuilder(t, h, func(c *builder.Config) { c.SCMPolicy = true })
	url := shellPackage(t, "true")
	task := h.wait(ctx, h.submit("build", url, "test", map[string]any{"scratch": true}))
	if f := fault.Of(task.err); f == nil || f.Code != fault.ActionNotAllowed || !strings.Contains(f.Message, "no such branch") {
		t.Errorf("the build is %s: %v", task.state, task.err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	var data map[string]any
	for _, q := range h.asked {
		if q[0] == "scm" {
			data = q[1].(map[string]any)
		}
	}
	if fmt.Sprint(data["branches"]) != "[main]" || data["method"] != "buildSRPMFromSCM" || data["scratch"] != true || data["user_id"] != int64(1) ||
		data["scm_scheme"] != "git+http://" || data["scm_type"] != "GIT" || !strings.HasSuffix(data["scm_repository"].(string), "/hello/.git") && !strings.HasSuffix(data["scm_repository"].(string), "hello.git") && !strings.HasSuffix(data["scm_repository"].(string), "/hello") {
		t.Errorf("the policy was asked about %v", data)
	}
}
