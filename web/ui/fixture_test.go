package ui_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"moromi/aggregates/build"
	"moromi/aggregates/buildroot"
	"moromi/aggregates/repo"
	"moromi/commands"
	"moromi/commands/commandtest"
	"moromi/events"
	"moromi/internal/koji"
	"moromi/internal/storage"
	"moromi/internal/xmlrpc"
	tagmodel "moromi/projections/tag"
	"moromi/web/ui"
)

// site is a hub's database with things in it, and the pages on a test server.
type site struct {
	t       testing.TB
	ctx     context.Context
	service *commands.Service
	top     *storage.Topdir
	ui      *ui.UI
	url     string
	failing map[int64]string // external repositories
	admin   commands.Actor
	// positions of interesting moments
	empty, tagged events.Position
	// ids of what populate made
	host                                        int64
	baseTag, buildTag, destTag                  int64
	goodTask, failedTask, failedArch, openTask  int64
	openArch, root, repo, rpm                   int64
	goodBuild, failedBuild, openBuild, oldBuild int64
}

// hostile is a text that would run if a page forgot to escape it.
const hostile = `"><script>window.__xss=1</script><img src=x onerror=window.__xss=1>`

func newSite(t testing.TB) *site {
	t.Helper()
	s := &site{t: t, ctx: t.Context(), service: commandtest.New(t), admin: commands.Actor{UserID: 1, Admin: true}}
	top, err := storage.Open(t.TempDir())
	s.must(err)
	t.Cleanup(func() { s.must(top.Close()) })
	s.top = top
	s.service.Files = top
	var log bytes.Buffer
	s.ui, err = ui.New(ui.Config{DB: s.service.DB, Ledger: s.service.Ledger, Storage: top, Position: s.service.Models.Position,
		Log: slog.New(slog.NewTextHandler(&log, nil)), PublicURL: "https://koji.example.org",
		ExternalFailure: func(id int64) string { return s.failing[id] }})
	s.must(err)
	t.Cleanup(func() {
		if strings.Contains(log.String(), "level=ERROR") {
			t.Errorf("the pages logged errors:\n%s", log.String())
		}
	})
	e := echo.New()
	s.ui.Register(e)
	srv := httptest.NewServer(e)
	t.Cleanup(srv.Close)
	t.Cleanup(srv.CloseClientConnections)
	s.url = srv.URL
	return s
}

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// append writes events to a stream as the administrator and hands the commits to the pages once they can be read.
func (s *site) append(stream string, evs ...events.Event) events.Position {
	s.t.Helper()
	ids := make([]uuid.UUID, len(evs))
	for i := range ids {
		ids[i] = uuid.New()
	}
	recs, err := events.Encode(events.Meta{Actor: 1, Command: "test"}, ids, evs...)
	s.must(err)
	done, err := s.service.Ledger.Append(s.ctx, stream, events.Any, recs...)
	s.must(err)
	s.must(s.service.Await(s.ctx, done.Position))
	return done.Position
}

// tell hands the pages what happened since, as the engine's watcher would.
func (s *site) tell(after events.Position) {
	s.t.Helper()
	var asm events.Assembler
	var commits []*events.Commit
	for r, err := range s.service.Ledger.ReadAll(s.ctx, after, 0) {
		s.must(err)
		c, err := asm.Add(r)
		s.must(err)
		if c != nil {
			commits = append(commits, c)
		}
	}
	s.must(s.service.Models.CatchUp(s.ctx))
	s.ui.Watch(commits)
}

func (s *site) task(in commands.MakeTask) int64 {
	s.t.Helper()
	id, err := s.service.MakeTask(s.ctx, s.admin, in)
	s.must(err)
	return id
}

func (s *site) open(id int64) {
	s.t.Helper()
	ok, err := s.service.AssignTask(s.ctx, s.admin, id, s.host, true, true)
	s.must(err)
	if ok {
		ok, err = s.service.OpenTask(s.ctx, s.admin, id, s.host)
	}
	s.must(err)
	if !ok {
		s.t.Fatalf("task %d could not be opened", id)
	}
}

func (s *site) finish(id int64, result any, message string) {
	s.t.Helper()
	var doc bytes.Buffer
	if message != "" {
		s.must(xmlrpc.EncodeFault(&doc, 1005, message))
	} else {
		s.must(xmlrpc.EncodeResponse(&doc, result))
	}
	s.must(s.service.FinishTask(s.ctx, s.admin, id, s.host, doc.String(), message != ""))
}

// write puts a file into a task's output.
func (s *site) write(task int64, name, text string) {
	s.t.Helper()
	dir, err := storage.TaskDir("", task)
	s.must(err)
	p, err := dir.Join(name)
	s.must(err)
	s.must(s.top.WriteFile(p, []byte(text)))
}

// buildLogText is what rpmbuild says when a linker fails, after much that went well.
func buildLogText() string {
	var b strings.Builder
	b.WriteString("Executing(%prep): /bin/sh -e /var/tmp/rpm-tmp.aGx\n+ umask 022\n+ cd /builddir/build/BUILD\nExecuting(%build): /bin/sh -e /var/tmp/rpm-tmp.bQz\n+ make -j4\n")
	for i := range 400 {
		fmt.Fprintf(&b, "gcc -O2 -flto=auto -Wall -fPIC -c -o src/part%03d.o src/part%03d.c\n", i, i)
		if i%97 == 3 {
			fmt.Fprintf(&b, "src/part%03d.c:12:9: \x1b[35mwarning:\x1b[0m unused variable 'n' [-Wunused-variable]\n", i)
		}
	}
	b.WriteString("gcc -O2 -o foo src/*.o -lbar\n/usr/bin/ld: cannot find -lbar: No such file or directory\ncollect2: error: ld returned 1 exit status\nmake: *** [Makefile:41: foo] Error 1\n")
	b.WriteString("error: Bad exit status from /var/tmp/rpm-tmp.bQz (%build)\n\nRPM build errors:\n    Bad exit status from /var/tmp/rpm-tmp.bQz (%build)\nChild return code was: 1\n")
	return b.String()
}

// populate makes tags, a target, a host, tasks in all states, builds, a repository and a buildroot.
func (s *site) populate() {
	s.t.Helper()
	s.empty = s.service.Models.Position()
	var err error
	s.host, err = s.service.CreateHost(s.ctx, s.admin, commands.CreateHost{Name: "builder-01.example.org", Arches: []string{"x86_64", "i686"}})
	s.must(err)
	s.must(s.service.ReportHost(s.ctx, s.host, 1.5, true, nil))
	_, err = s.service.CreateHost(s.ctx, s.admin, commands.CreateHost{Name: "builder-02.example.org", Arches: []string{"aarch64"}})
	s.must(err)
	arches := "x86_64 aarch64"
	s.baseTag = s.tag(commands.CreateTag{Name: "f42-base", Settings: events.TagSettings{Arches: &arches}})
	depth := int64(2)
	s.buildTag = s.tag(commands.CreateTag{Name: "f42-build", Settings: events.TagSettings{Arches: &arches},
		Parents: []events.Inheritance{{ParentID: s.baseTag, Priority: 10, MaxDepth: &depth, PackageFilter: "^(foo|bar)", NoConfig: true}}})
	s.destTag = s.tag(commands.CreateTag{Name: "f42-candidate", Parents: []events.Inheritance{{ParentID: s.buildTag, Priority: 0}}})
	_, err = s.service.CreateTarget(s.ctx, s.admin, commands.Target{Name: "f42", BuildTag: s.buildTag, DestTag: s.destTag})
	s.must(err)
	owner := int64(1)
	for _, p := range []string{"foo", "bar", "zed"} {
		s.must(s.service.ListPackage(s.ctx, s.admin, commands.ListPackage{Tag: s.tagRow(s.destTag), Package: p, Owner: &owner, Force: true}))
	}
	s.builds()
	s.running()
	s.tell(0)
}

func (s *site) tag(in commands.CreateTag) int64 {
	s.t.Helper()
	id, err := s.service.CreateTag(s.ctx, s.admin, in)
	s.must(err)
	return id
}

func (s *site) tagRow(id int64) map[string]any {
	s.t.Helper()
	row, err := tagmodel.Get(s.ctx, s.service.DB, tagmodel.Spec{ID: id}, nil, false)
	s.must(err)
	return row
}

// builds makes two complete builds and one that failed, with their tasks, a repository and a buildroot.
func (s *site) builds() {
	s.t.Helper()
	src := "git+https://src.example.org/rpms/foo.git#0123456789abcdef0123456789abcdef01234567"
	s.goodTask = s.task(commands.MakeTask{Method: "build", Params: []any{src, "f42", map[string]any{"scratch": false, "repo_id": int64(1)}}})
	s.open(s.goodTask)
	label := "x86_64"
	arch := s.task(commands.MakeTask{Method: "buildArch", Params: []any{"cli-build/1/foo-1.0-2.src.rpm", int64(2), "x86_64", true}, Parent: s.goodTask, Label: &label, Arch: "x86_64"})
	s.open(arch)
	s.repo = 1
	s.append(repo.Stream(s.buildTag), events.RepoCreated{ID: s.repo, TagID: s.buildTag, Opts: &events.RepoOpts{}, Custom: &events.RepoOpts{}})
	s.append(repo.Stream(s.buildTag), events.RepoStateSet{ID: s.repo, State: int(koji.RepoReady)})
	s.root = 1
	s.append(buildroot.Stream(s.root), events.BuildrootCreated{ID: s.root, HostID: s.host, RepoID: s.repo, TaskID: &arch, Arch: "x86_64", ContainerType: "chroot"})
	s.oldBuild = s.complete(1, "foo", "1.0", "1", nil, nil)
	s.rpm = 11
	s.append(buildroot.ContentStream("d1"), events.ContentRecorded{Digest: "d1", Added: []int64{11}})
	s.append(buildroot.Stream(s.root), events.BuildrootListed{ID: s.root, Digest: "d1", Count: 1})
	s.finish(arch, map[string]any{"rpms": []any{"tasks/2/2/foo-1.0-2.x86_64.rpm"}, "logs": []any{"tasks/2/2/build.log"}, "brootid": s.root}, "")
	s.goodBuild = s.complete(2, "foo", "1.0", "2", &s.goodTask, &src)
	s.finish(s.goodTask, "Build complete", "")
	s.append("tag-"+fmt.Sprint(s.destTag), events.TagBuildsTagged{ID: s.destTag, Builds: []int64{s.oldBuild}})
	s.tagged = s.append("tag-"+fmt.Sprint(s.destTag), events.TagBuildsTagged{ID: s.destTag, Builds: []int64{s.goodBuild}})
	s.append("tag-"+fmt.Sprint(s.destTag), events.TagBuildsUntagged{ID: s.destTag, Builds: []int64{s.oldBuild}})
	s.fail()
}

// complete makes a complete build with rpms for two architectures, and the kept logs.
func (s *site) complete(id int64, name, version, release string, task *int64, source *string) int64 {
	s.t.Helper()
	pkg, err := s.service.EnsurePackage(s.ctx, s.admin, name)
	s.must(err)
	start := time.Now().Add(-95 * time.Second)
	s.append(build.Stream(id), events.BuildCreated{BuildStart: events.BuildStart{ID: id, PackageID: pkg, Version: version, Release: release, Owner: 1, TaskID: task, Source: source, StartTime: &start, Types: []int64{1}}})
	var rpms []events.RPM
	for i, a := range []string{"src", "x86_64", "aarch64", "x86_64"} {
		n := name
		if i == 3 {
			n += "-debuginfo"
		}
		rpms = append(rpms, events.RPM{ID: id*10 + int64(i), Name: n, Version: version, Release: release, Arch: a, Size: int64(12345 * (i + 1)), BuildTime: 1763000000,
			PayloadHash: fmt.Sprintf("%032x", id*10+int64(i)), SHA256: strings.Repeat("ab", 32), SigHash: strings.Repeat("cd", 16), BuildrootID: &s.root})
	}
	s.append(build.Stream(id), events.RPMsImported{BuildID: id, RPMs: rpms})
	s.append(build.Stream(id), events.BuildCompleted{ID: id})
	dir, err := storage.Build{Name: name, Version: version, Release: release}.Logs("x86_64")
	s.must(err)
	p, err := dir.Join("build.log")
	s.must(err)
	s.must(s.top.WriteFile(p, []byte("+ make\nall went well\n")))
	return id
}

// fail makes a build that failed on one architecture.
func (s *site) fail() {
	s.t.Helper()
	src := "git+https://src.example.org/rpms/foo.git#" + hostile
	s.failedTask = s.task(commands.MakeTask{Method: "build", Params: []any{src, "f42", map[string]any{"note": hostile}}})
	s.open(s.failedTask)
	pkg, err := s.service.EnsurePackage(s.ctx, s.admin, "foo")
	s.must(err)
	s.failedBuild = 3
	s.append(build.Stream(s.failedBuild), events.BuildCreated{BuildStart: events.BuildStart{ID: s.failedBuild, PackageID: pkg, Version: "1.1", Release: "1", Owner: 1, TaskID: &s.failedTask, Source: &src}})
	for _, a := range []string{"x86_64", "aarch64"} {
		id := s.task(commands.MakeTask{Method: "buildArch", Params: []any{"cli-build/9/foo-1.1-1.src.rpm", int64(2), a, false}, Parent: s.failedTask, Label: &a, Arch: a})
		if a == "x86_64" {
			s.open(id)
			s.failedArch = id
			s.write(id, "build.log", buildLogText())
			s.write(id, "build.log-ts.log", fmt.Sprintf("1763697600 0\n1763697660 200\n1763697700 %d\n", len(buildLogText())))
			s.write(id, "root.log", "DEBUG util.py: all fine\n")
			s.finish(id, nil, "error building package (arch x86_64), rpmbuild exited with status 1 in %build: /usr/bin/ld: cannot find -lbar: No such file or directory; see build.log or root.log for more information")
		}
	}
	s.finish(s.failedTask, nil, "error building package (arch x86_64), rpmbuild exited with status 1")
	s.append(build.Stream(s.failedBuild), events.BuildFailed{ID: s.failedBuild})
}

// running makes a build that is under way.
func (s *site) running() {
	s.t.Helper()
	s.openTask = s.task(commands.MakeTask{Method: "build", Params: []any{"git+https://src.example.org/rpms/zed.git#main", "f42", map[string]any{}}})
	s.open(s.openTask)
	pkg, err := s.service.EnsurePackage(s.ctx, s.admin, "zed")
	s.must(err)
	s.openBuild = 4
	s.append(build.Stream(s.openBuild), events.BuildCreated{BuildStart: events.BuildStart{ID: s.openBuild, PackageID: pkg, Version: "3.2", Release: "7", Owner: 1, TaskID: &s.openTask}})
	for _, a := range []string{"x86_64", "aarch64"} {
		id := s.task(commands.MakeTask{Method: "buildArch", Params: []any{"cli-build/9/zed-3.2-7.src.rpm", int64(2), a, false}, Parent: s.openTask, Label: &a, Arch: a})
		if a == "x86_64" {
			s.open(id)
			s.openArch = id
			s.write(id, "build.log", "+ make\ngcc -c a.c\n")
		}
	}
}
