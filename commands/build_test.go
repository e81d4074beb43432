package commands_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"moromi/commands"
	"moromi/commands/commandtest"
	"moromi/events"
	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/internal/rpm/rpmtest"
	"moromi/internal/storage"
	buildmodel "moromi/projections/build"
	rootmodel "moromi/projections/buildroot"
	"moromi/projections/query"
	rpmmodel "moromi/projections/rpm"
)

// site is a service with a topdir, a host and what it needs to build.
type site struct {
	*commands.Service
	t      *testing.T
	dir    string
	actor  commands.Actor
	host   int64
	task   int64 // open on host
	repoID int64
	tag    int64
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{Service: commandtest.New(t), t: t, dir: t.TempDir(), actor: commands.Actor{UserID: 1, Admin: true}}
	var err error
	if s.Files, err = storage.Open(s.dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Files.Close() })
	if s.host, err = s.CreateHost(t.Context(), s.actor, commands.CreateHost{Name: "builder1", Arches: []string{"x86_64"}}); err != nil {
		t.Fatal(err)
	}
	s.task = s.openTask()
	s.tag = makeTag(s, "dest-build")
	r, err := s.StartRepo(t.Context(), s.actor, commands.StartRepo{TagID: s.tag})
	if err != nil {
		t.Fatal(err)
	}
	s.repoID = r.ID
	return s
}

// openTask makes a build task that the host has open.
func (s *site) openTask() int64 {
	s.t.Helper()
	id, err := s.MakeTask(s.t.Context(), s.actor, commands.MakeTask{Method: "build", Params: []any{"cli-build/foo.src.rpm", "target"}, HostID: s.host})
	if err != nil {
		s.t.Fatal(err)
	}
	if ok, err := s.OpenTask(s.t.Context(), s.actor, id, s.host); err != nil || !ok {
		s.t.Fatalf("open task %d: %t, %v", id, ok, err)
	}
	return id
}

// upload puts an rpm into the work directory and answers its path there.
func (s *site) upload(dir string, spec rpmtest.Spec) string {
	s.t.Helper()
	return s.uploadBytes(dir, spec.NEVRA().FileName(), spec.Bytes())
}

func (s *site) uploadBytes(dir, name string, data []byte) string {
	s.t.Helper()
	at := filepath.Join(s.dir, "work", dir)
	if err := os.MkdirAll(at, 0o755); err != nil {
		s.t.Fatal(err)
	}
	file := filepath.Join(at, name)
	if err := os.Remove(file); err != nil && !os.IsNotExist(err) { // it may be a link to what was imported before
		s.t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o644); err != nil {
		s.t.Fatal(err)
	}
	return dir + "/" + name
}

func (s *site) build(id int64) query.Row {
	s.t.Helper()
	b, err := buildmodel.MustGet(s.t.Context(), s.DB, buildmodel.Spec{ID: id}, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return b
}

// initBuild begins a build of the site's task.
func (s *site) initBuild(n commands.NewBuild) int64 {
	s.t.Helper()
	n.TaskID = &s.task
	id, err := s.InitBuild(s.t.Context(), s.actor, s.host, n)
	if err != nil {
		s.t.Fatal(err)
	}
	return id
}

var (
	fooSource = rpmtest.Spec{Name: "foo", Version: "1.0", Release: "1", Arch: "x86_64", Source: true, BuildTime: 1700000000}
	fooBinary = rpmtest.Spec{Name: "foo", Version: "1.0", Release: "1", Arch: "x86_64", SourceRPM: "foo-1.0-1.src.rpm", BuildTime: 1700000000}
	fooDoc    = rpmtest.Spec{Name: "foo-doc", Version: "1.0", Release: "1", Arch: "noarch", SourceRPM: "foo-1.0-1.src.rpm", BuildTime: 1700000000}
)

func foo() commands.NewBuild { return commands.NewBuild{Name: "foo", Version: "1.0", Release: "1"} }

// delivery uploads a source rpm, a binary one, a noarch one from two architectures and a log.
func (s *site) delivery(id, root int64) commands.CompleteBuild {
	s.t.Helper()
	in := commands.CompleteBuild{HostID: s.host, TaskID: s.task, BuildID: id, SRPM: s.upload("tasks/5/5", fooSource), Buildroots: map[string]int64{}}
	other := fooDoc
	other.BuildTime++ // a rebuild: other bytes, the same package
	in.RPMs = []string{s.upload("tasks/6/6", fooBinary), s.upload("tasks/6/6", fooDoc), s.upload("tasks/7/7", other)}
	for _, r := range append(in.RPMs, in.SRPM) {
		in.Buildroots[r] = root
	}
	in.Logs = map[string][]string{"x86_64": {s.uploadBytes("tasks/6/6", "build.log", []byte("it went well\n"))}}
	return in
}

// refused fails the test unless err is a fault with the code.
func refused(t *testing.T, err error, code fault.Code) {
	t.Helper()
	if !fault.Is(err, code) {
		t.Fatalf("error %v, want a fault with code %d", err, code)
	}
}

func TestBuildFromStartToEnd(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ctx := t.Context()
	id := s.initBuild(foo())
	if again := s.initBuild(foo()); again != id {
		t.Errorf("a restarted task got build %d, not its own %d", again, id)
	}
	root, err := s.NewBuildroot(ctx, s.actor, s.host, s.repoID, "x86_64", &s.task)
	if err != nil {
		t.Fatal(err)
	}
	ext := events.ExternalRPM{Name: "glibc", Version: "2", Release: "1", Arch: "x86_64", PayloadHash: "d41d8cd98f00b204e9800998ecf8427e"}
	list := []commands.ListedRPM{{Spec: rpmmodel.Spec{NVRA: koji.NVRA{Location: makeExternalRepo(s, "ext")}}, External: &ext}}
	if err := s.ListBuildroot(ctx, s.actor, s.host, root, list, false, &s.task); err != nil {
		t.Fatal(err)
	}
	refused(t, s.ListBuildroot(ctx, s.actor, s.host, root, list, false, &s.task), fault.Generic)
	if err := s.SetBuildrootState(ctx, s.actor, s.host, root, koji.BuildrootBuilding, &s.task); err != nil {
		t.Fatal(err)
	}
	if err := s.ListBuildroot(ctx, s.actor, s.host, root, list, true, &s.task); err != nil {
		t.Errorf("an update that adds nothing: %v", err)
	}
	in := s.delivery(id, root)
	if err := s.CompleteBuild(ctx, s.actor, in); err != nil {
		t.Fatal(err)
	}
	if b := s.build(id); b["state"] != int64(koji.BuildComplete) || b["completion_time"] == nil || b["nvr"] != "foo-1.0-1" || b["owner_id"] != int64(1) {
		t.Errorf("completed build: %v", b)
	}
	refused(t, s.CompleteBuild(ctx, s.actor, in), fault.Generic)
	s.checkTree(id)
	rows, err := rpmmodel.List(ctx, s.DB, rpmmodel.Filter{Component: &root}, nil, query.Opts{})
	if err != nil {
		t.Fatal(err)
	}
	if got := rows.([]query.Row); len(got) != 1 || got[0]["name"] != "glibc" || got[0]["is_update"] != false || got[0]["component_buildroot_id"] != root {
		t.Errorf("buildroot has %v", got)
	}
	if r, err := rootmodel.Get(ctx, s.DB, root, nil); err != nil || r["tag_name"] != "dest-build" || r["state"] != int64(koji.BuildrootBuilding) {
		t.Errorf("buildroot %v, %v", r, err)
	}
}

// checkTree compares a completed build's rpms and files with what was delivered.
func (s *site) checkTree(id int64) {
	s.t.Helper()
	rows, err := rpmmodel.List(s.t.Context(), s.DB, rpmmodel.Filter{Build: &id}, nil, query.Opts{})
	if err != nil {
		s.t.Fatal(err)
	}
	var names []string
	for _, r := range rows.([]query.Row) {
		names = append(names, r["nvr"].(string)+"."+r["arch"].(string))
	}
	if want := []string{"foo-1.0-1.src", "foo-1.0-1.x86_64", "foo-doc-1.0-1.noarch"}; !slices.Equal(names, want) {
		s.t.Errorf("rpms %q, want %q", names, want)
	}
	var files []string
	dir := filepath.Join(s.dir, "packages/foo/1.0/1")
	err = filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			files = append(files, strings.TrimPrefix(p, dir+"/"))
		}
		return err
	})
	want := []string{"data/logs/x86_64/build.log", "data/sigcache/noarch/foo-doc-1.0-1.noarch.rpm.sig", "data/sigcache/src/foo-1.0-1.src.rpm.sig",
		"data/sigcache/x86_64/foo-1.0-1.x86_64.rpm.sig", "noarch/foo-doc-1.0-1.noarch.rpm", "src/foo-1.0-1.src.rpm", "x86_64/foo-1.0-1.x86_64.rpm"}
	if err != nil || !slices.Equal(files, want) {
		s.t.Errorf("files %q, %v; want %q", files, err, want)
	}
	link, err := os.Readlink(filepath.Join(s.dir, "work/tasks/5/5/foo-1.0-1.src.rpm"))
	if err != nil || link != "../../../../packages/foo/1.0/1/src/foo-1.0-1.src.rpm" {
		s.t.Errorf("upload became %q, %v", link, err)
	}
}

func TestCompleteBuildRefuses(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id := s.initBuild(foo())
	root, err := s.NewBuildroot(t.Context(), s.actor, s.host, s.repoID, "x86_64", nil)
	if err != nil {
		t.Fatal(err)
	}
	different := fooDoc
	different.Summary = "something else"
	stranger := fooBinary
	stranger.Name, stranger.SourceRPM = "bar", "bar-1.0-1.src.rpm"
	tests := []struct {
		name   string
		change func(*commands.CompleteBuild)
		code   fault.Code
	}{
		{"another host", func(in *commands.CompleteBuild) { in.HostID = 99 }, fault.ActionNotAllowed},
		{"no such task", func(in *commands.CompleteBuild) { in.TaskID = 9999 }, fault.Generic},
		{"no such build", func(in *commands.CompleteBuild) { in.BuildID = 9999 }, fault.Generic},
		{"missing source rpm", func(in *commands.CompleteBuild) { in.SRPM = "tasks/5/5/nosuch.src.rpm" }, fault.Generic},
		{"path outside", func(in *commands.CompleteBuild) { in.SRPM = "../packages/x.src.rpm" }, fault.Generic},
		{"absolute path", func(in *commands.CompleteBuild) { in.RPMs = []string{"/etc/passwd"} }, fault.Generic},
		{"no source rpm", func(in *commands.CompleteBuild) { in.SRPM = in.RPMs[0] }, fault.Generic},
		{"unknown buildroot", func(in *commands.CompleteBuild) { in.Buildroots[in.SRPM] = 9999 }, fault.Generic},
		{"rpm of another source", func(in *commands.CompleteBuild) { in.RPMs = append(in.RPMs, s.upload("tasks/8/8", stranger)) }, fault.Generic},
		{"noarch rpms differ", func(in *commands.CompleteBuild) { in.RPMs = append(in.RPMs, s.upload("tasks/9/9", different)) }, fault.Build},
		{"missing log", func(in *commands.CompleteBuild) { in.Logs["x86_64"] = []string{"tasks/6/6/nosuch.log"} }, fault.Generic},
	}
	for _, test := range tests { // one after the other: they share a build
		in := s.delivery(id, root)
		test.change(&in)
		err := s.CompleteBuild(t.Context(), s.actor, in)
		if !fault.Is(err, test.code) {
			t.Errorf("%s: error %v, want code %d", test.name, err, test.code)
		}
	}
	if b := s.build(id); b["state"] != int64(koji.BuildBuilding) {
		t.Errorf("state %v after refusals", b["state"])
	}
	if err := s.CompleteBuild(t.Context(), s.actor, s.delivery(id, root)); err != nil {
		t.Errorf("after the refusals: %v", err)
	}
}

// TestCompleteBuildAfterCrash leaves what a hub leaves that dies before, and after, it recorded the import.
func TestCompleteBuildAfterCrash(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id := s.initBuild(foo())
	root, err := s.NewBuildroot(t.Context(), s.actor, s.host, s.repoID, "x86_64", nil)
	if err != nil {
		t.Fatal(err)
	}
	stray := filepath.Join(s.dir, "packages/foo/1.0/1/x86_64")
	if err := os.MkdirAll(stray, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"foo-1.0-1.x86_64.rpm", "foo-old-1.0-1.x86_64.rpm"} {
		if err := os.WriteFile(filepath.Join(stray, name), []byte("of an attempt before"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	in := s.delivery(id, root)
	if err := s.CompleteBuild(t.Context(), s.actor, in); err != nil {
		t.Fatal(err)
	}
	s.checkTree(id)
	// after the record: the upload is still a file with two names
	upload := filepath.Join(s.dir, "work", in.SRPM)
	if err := os.Remove(upload); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(filepath.Join(s.dir, "packages/foo/1.0/1/src/foo-1.0-1.src.rpm"), upload); err != nil {
		t.Fatal(err)
	}
	if err := s.CompleteBuild(t.Context(), s.actor, in); err != nil {
		t.Errorf("repeated after a crash: %v", err)
	}
	s.checkTree(id)
}

func TestRecycleBuild(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ctx := t.Context()
	id := s.initBuild(foo())
	if err := s.FailBuild(ctx, s.actor, s.host, s.task, id); err != nil {
		t.Fatal(err)
	}
	refused(t, s.FailBuild(ctx, s.actor, s.host, s.task, id), fault.Generic)
	first := s.build(id)
	s.task = s.openTask()
	if again := s.initBuild(foo()); again != id {
		t.Fatalf("recycled as %d, want %d", again, id)
	}
	b := s.build(id)
	if b["state"] != int64(koji.BuildBuilding) || b["task_id"] != s.task || b["creation_event_id"].(int64) <= first["creation_event_id"].(int64) || b["completion_time"] != nil {
		t.Errorf("recycled build %v", b)
	}
	at := first["creation_event_id"].(int64)
	then, err := buildmodel.Get(ctx, s.DB, buildmodel.Spec{ID: id}, &at)
	if err != nil || then["creation_event_id"] != at || then["task_id"] != first["task_id"] {
		t.Errorf("as of event %d: %v, %v", at, then, err)
	}
	if canceled, err := s.CancelBuild(ctx, s.actor, id); err != nil || !canceled {
		t.Errorf("cancel: %t, %v", canceled, err)
	}
	if canceled, err := s.CancelBuild(ctx, s.actor, id); err != nil || canceled {
		t.Errorf("cancel again: %t, %v", canceled, err)
	}
}

// TestOneBuildPerName has many writers create one build at once, on two services over one ledger: one wins.
func TestOneBuildPerName(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	const writers = 64
	other := commandtest.Over(t, t.Context(), s.Ledger, s.DB)
	other.Files = s.Files
	ids, errs := make([]int64, writers), make([]error, writers)
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			n := foo()
			n.State = koji.BuildComplete
			service := []*commands.Service{s.Service, other}[i%2]
			ids[i], errs[i] = service.CreateBuild(t.Context(), s.actor, n)
		})
	}
	wg.Wait()
	won := 0
	for i, err := range errs {
		switch {
		case err == nil:
			won++
		case !fault.Is(err, fault.Generic):
			t.Errorf("writer %d: %v", i, err)
		}
	}
	if won != 1 {
		t.Errorf("%d writers made the build, want 1", won)
	}
}

func TestRPMNamesAreUniqueAcrossBuilds(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ctx := t.Context()
	s.upload("imp", fooSource)
	s.upload("imp", fooBinary)
	for _, f := range []string{"foo-1.0-1.src.rpm", "foo-1.0-1.x86_64.rpm"} {
		if _, err := s.ImportRPM(ctx, s.actor, "imp", f); err != nil {
			t.Fatal(err)
		}
	}
	s.upload("imp2", fooBinary)
	_, err := s.ImportRPM(ctx, s.actor, "imp2", "foo-1.0-1.x86_64.rpm")
	refused(t, err, fault.Generic)
	other := fooSource
	other.Name = "other"
	clash := fooBinary
	clash.SourceRPM = "other-1.0-1.src.rpm"
	s.upload("imp3", other)
	s.upload("imp3", clash)
	if _, err := s.ImportRPM(ctx, s.actor, "imp3", "other-1.0-1.src.rpm"); err != nil {
		t.Fatal(err)
	}
	_, err = s.ImportRPM(ctx, s.actor, "imp3", "foo-1.0-1.x86_64.rpm")
	refused(t, err, fault.Generic)
	if _, err := os.Lstat(filepath.Join(s.dir, "packages/other/1.0/1/x86_64")); !os.IsNotExist(err) {
		t.Errorf("the refused rpm has a place: %v", err)
	}
}
