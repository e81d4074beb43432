package commands_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"moromi/commands"
	"moromi/events"
	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/internal/maven"
	"moromi/internal/rpm/rpmtest"
	archivemodel "moromi/projections/archive"
	"moromi/projections/query"
	rpmmodel "moromi/projections/rpm"
)

// pom is a project file.
func pom(c maven.Coordinates) []byte {
	return fmt.Appendf(nil, "<project><groupId>%s</groupId><artifactId>%s</artifactId><version>%s</version></project>", c.GroupID, c.ArtifactID, c.Version)
}

var hm = maven.Coordinates{GroupID: "org.ex", ArtifactID: "hm", Version: "1"}

// child makes a task under the site's.
func (s *site) child() int64 {
	s.t.Helper()
	id, err := s.MakeTask(s.t.Context(), s.actor, commands.MakeTask{Method: "buildMaven", Parent: s.task, HostID: s.host})
	if err != nil {
		s.t.Fatal(err)
	}
	return id
}

// put uploads a file of a task.
func (s *site) put(task int64, rel string, data []byte) {
	s.t.Helper()
	dir, name := filepath.Split(rel)
	s.uploadBytes(fmt.Sprintf("tasks/%d/%d/%s", task%10000, task, dir), name, data)
}

// begin begins a build of the site's task.
func (s *site) begin(in commands.TypedBuild) query.Row {
	s.t.Helper()
	in.TaskID = &s.task
	b, err := s.InitTypedBuild(s.t.Context(), s.actor, s.host, in)
	if err != nil {
		s.t.Fatal(err)
	}
	return b
}

func (s *site) beginMaven() int64 {
	s.t.Helper()
	info := events.MavenInfo(hm)
	return s.begin(commands.TypedBuild{NewBuild: commands.NewBuild{Name: "org.ex-hm", Version: "1"}, Maven: &info})["build_id"].(int64)
}

func (s *site) root() int64 {
	s.t.Helper()
	id, err := s.NewBuildroot(s.t.Context(), s.actor, s.host, s.repoID, "x86_64", &s.task)
	if err != nil {
		s.t.Fatal(err)
	}
	return id
}

// archives are the build's, as "TYPE place": that of the file below the directory of its build type.
func (s *site) archives(build int64) []query.Row {
	s.t.Helper()
	out, err := archivemodel.List(s.t.Context(), s.DB, archivemodel.Filter{Build: &build}, nil, query.Opts{Order: "id"})
	if err != nil {
		s.t.Fatal(err)
	}
	return out.([]query.Row)
}

func names(rows []query.Row, key string) []string {
	var out []string
	for _, r := range rows {
		out = append(out, r[key].(string))
	}
	return out
}

// tree are the files below a directory of the topdir, in order.
func (s *site) tree(dir string) []string {
	s.t.Helper()
	var files []string
	err := filepath.WalkDir(filepath.Join(s.dir, dir), func(path string, d fs.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return fs.SkipAll
		}
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(filepath.Join(s.dir, dir), path)
			files = append(files, rel)
		}
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return files
}

// linked fails the test unless a task's files are symlinks to files by now.
func (s *site) linked(task int64) {
	s.t.Helper()
	dir := fmt.Sprintf("work/tasks/%d/%d", task%10000, task)
	for _, f := range s.tree(dir) {
		path := filepath.Join(s.dir, dir, f)
		if st, err := os.Lstat(path); err != nil || st.Mode()&fs.ModeSymlink == 0 {
			s.t.Errorf("%s is no symlink (%v)", f, err)
		}
		if _, err := os.Stat(path); err != nil {
			s.t.Error(err)
		}
	}
}

var (
	wrapSource = rpmtest.Spec{Name: "hm-wrap", Version: "7", Release: "2", Arch: "noarch", Source: true, BuildTime: 1700000000}
	wrapBinary = rpmtest.Spec{Name: "hm-wrap", Version: "7", Release: "2", Arch: "noarch", SourceRPM: "hm-wrap-7-2.src.rpm", BuildTime: 1700000000}
)

// wrapper uploads wrapper rpms and a log.
func (s *site) wrapper(task, root int64) *commands.WrapperRPMs {
	s.t.Helper()
	s.put(task, wrapSource.NEVRA().FileName(), wrapSource.Bytes())
	s.put(task, wrapBinary.NEVRA().FileName(), wrapBinary.Bytes())
	s.put(task, "wrap.log", []byte("wrapped\n"))
	return &commands.WrapperRPMs{Delivered: commands.Delivered{TaskID: task}, BuildrootID: &root, SRPM: wrapSource.NEVRA().FileName(),
		RPMs: []string{wrapBinary.NEVRA().FileName()}, Logs: []string{"wrap.log"}}
}

// mavenResults uploads what Maven made, in a task of its own.
func (s *site) mavenResults(task, root int64) commands.MavenResults {
	s.t.Helper()
	s.put(task, "org/ex/hm/1/hm-1.pom", pom(hm))
	s.put(task, "org/ex/hm/1/hm-1.jar", []byte("jar"))
	s.put(task, "org/ex/hm/1/hm-1.jar.md5", []byte("not what the hub finds"))
	s.put(task, "org/ex/hm/maven-metadata.xml", []byte("<metadata/>"))
	s.put(task, "site/hm.zip", []byte("zip"))
	s.put(task, "logs/maven.log", []byte("well\n"))
	return commands.MavenResults{Delivered: commands.Delivered{TaskID: task}, BuildrootID: root, Logs: []string{"logs/maven.log"},
		Files: map[string][]string{"org/ex/hm/1": {"hm-1.pom", "hm-1.jar", "hm-1.jar.md5"}, "org/ex/hm": {"maven-metadata.xml"}, "site": {"hm.zip"}}}
}

func TestMavenBuildIsDelivered(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id, root, task, wrap := s.beginMaven(), s.root(), s.child(), s.child()
	if err := s.CompleteMaven(t.Context(), s.actor, s.host, s.task, id, s.mavenResults(task, root), s.wrapper(wrap, root)); err != nil {
		t.Fatal(err)
	}
	b := s.build(id)
	if b["nvr"] != "org.ex-hm-1-1" || koji.BuildState(b["state"].(int64)) != koji.BuildComplete {
		t.Errorf("build %v in state %v", b["nvr"], b["state"])
	}
	rows := s.archives(id)
	if d := cmp.Diff([]string{"hm-1.pom", "hm-1.jar", "hm.zip"}, names(rows, "filename")); d != "" {
		t.Error(d)
	}
	for _, r := range rows {
		if r["buildroot_id"] != root {
			t.Errorf("%v was built in %v", r["filename"], r["buildroot_id"])
		}
	}
	if d := cmp.Diff([]string{
		"data/logs/maven/maven.log", "data/logs/noarch/wrap.log", "data/sigcache",
		"maven/org/ex/hm/1/hm-1.jar", "maven/org/ex/hm/1/hm-1.jar.md5", "maven/org/ex/hm/1/hm-1.jar.sha1", "maven/org/ex/hm/1/hm-1.pom",
		"maven/org/ex/hm/1/hm-1.pom.md5", "maven/org/ex/hm/1/hm-1.pom.sha1", "maven/org/ex/hm/1/hm.zip", "maven/org/ex/hm/1/hm.zip.md5", "maven/org/ex/hm/1/hm.zip.sha1",
		"maven/org/ex/hm/maven-metadata.xml", "maven/org/ex/hm/maven-metadata.xml.md5", "maven/org/ex/hm/maven-metadata.xml.sha1",
		"noarch/hm-wrap-7-2.noarch.rpm", "src/hm-wrap-7-2.src.rpm",
	}, withoutSigcache(s.tree("packages/org.ex-hm/1/1"))); d != "" {
		t.Error(d)
	}
	sum, err := os.ReadFile(filepath.Join(s.dir, "packages/org.ex-hm/1/1/maven/org/ex/hm/1/hm-1.jar.md5"))
	if err != nil || string(sum) != "68995fcbf432492d15484d04a9d2ac40" {
		t.Errorf("checksum %s, %v", sum, err)
	}
	if n, err := rpmmodel.List(t.Context(), s.DB, rpmmodel.Filter{Build: &id, Buildroot: &root}, nil, query.Opts{CountOnly: true}); err != nil || n != int64(2) {
		t.Errorf("%v rpms, %v", n, err)
	}
	s.linked(wrap)
	again := s.begin(commands.TypedBuild{NewBuild: commands.NewBuild{Name: "org.ex-hm", Version: "1"}, Maven: &events.MavenInfo{GroupID: "org.ex", ArtifactID: "hm", Version: "1"}})
	if again["release"] != "2" {
		t.Errorf("the next release is %v", again["release"])
	}
}

// withoutSigcache makes one name of the files of rpms' signatures.
func withoutSigcache(files []string) []string {
	for i, f := range files {
		if strings.HasPrefix(f, "data/sigcache/") {
			files[i] = "data/sigcache"
		}
	}
	return slices.Compact(files)
}

func TestWinBuildIsDelivered(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	platform := "win10"
	id := s.begin(commands.TypedBuild{NewBuild: commands.NewBuild{Name: "hw", Version: "1", Release: "1"}, Platform: &platform})["build_id"].(int64)
	root, flags := s.root(), "debug"
	s.put(s.task, "bin/deep/o.dll", []byte("dll"))
	s.put(s.task, "o.exe", []byte("exe"))
	s.put(s.task, "logs/o.log", []byte("log"))
	err := s.CompleteWin(t.Context(), s.actor, s.host, s.task, id, commands.WinResults{Delivered: commands.Delivered{TaskID: s.task}, BuildrootID: root, Logs: []string{"logs/o.log"},
		Output: map[string]events.WinInfo{"bin/deep/o.dll": {Platforms: "a b", Flags: &flags}, "o.exe": {Platforms: "a"}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"data/logs/win/logs/o.log", "win/bin/deep/o.dll", "win/o.exe"}, s.tree("packages/hw/1/1")); d != "" {
		t.Error(d)
	}
	got, err := archivemodel.Win(t.Context(), s.DB, s.archives(id)[0]["id"].(int64), nil)
	if d := cmp.Diff(query.Row{"archive_id": s.archives(id)[0]["id"], "relpath": "bin/deep", "platforms": "a b", "flags": "debug"}, got); d != "" || err != nil {
		t.Error(d, err)
	}
	s.linked(s.task)
}

func TestImagesAreDelivered(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.begin(commands.TypedBuild{NewBuild: commands.NewBuild{Name: "disk", Version: "1"}, Image: true})
	id, first, second := b["build_id"].(int64), s.child(), s.child()
	x := events.ExternalRPM{Name: "glibc", Version: "2", Release: "1", Arch: "x86_64", PayloadHash: strings.Repeat("0", 32)}
	if _, err := s.CreateExternalRepo(t.Context(), s.actor, "fedora", "http://example.com/fedora/$arch"); err != nil {
		t.Fatal(err)
	}
	var results []commands.ImageResult
	for i, task := range []int64{first, second} {
		arch := []string{"x86_64", "aarch64"}[i]
		s.put(task, "disk."+arch+".qcow2", []byte(arch))
		s.put(task, "disk."+arch+".xml", []byte("<x/>"))
		s.put(task, "oz.log", []byte(arch))
		s.put(task, "sub/other.log", []byte("stays"))
		results = append(results, commands.ImageResult{Delivered: commands.Delivered{TaskID: task}, Arch: arch, Files: []string{"disk." + arch + ".qcow2", "disk." + arch + ".xml"},
			RPMs: []commands.ListedRPM{{Spec: rpmmodel.Spec{NVRA: koji.NVRA{Location: "fedora"}}, External: &x}}})
	}
	// one at a time at first, which leaves the build under way
	if err := s.ImportImages(t.Context(), s.actor, s.host, s.task, id, results[:1], false); err != nil {
		t.Fatal(err)
	}
	if st := koji.BuildState(s.build(id)["state"].(int64)); st != koji.BuildBuilding {
		t.Errorf("after the first image the build is %s", st)
	}
	if err := s.ImportImages(t.Context(), s.actor, s.host, s.task, id, results[1:], true); err != nil {
		t.Fatal(err)
	}
	if st := koji.BuildState(s.build(id)["state"].(int64)); st != koji.BuildComplete {
		t.Errorf("after the last image the build is %s", st)
	}
	if d := cmp.Diff([]string{"data/logs/image/aarch64/oz.log", "data/logs/image/x86_64/oz.log", "images/disk.aarch64.qcow2", "images/disk.aarch64.xml",
		"images/disk.x86_64.qcow2", "images/disk.x86_64.xml"}, s.tree("packages/disk/1/1")); d != "" {
		t.Error(d)
	}
	for _, r := range s.archives(id) {
		image := r["id"].(int64)
		n, err := rpmmodel.List(t.Context(), s.DB, rpmmodel.Filter{Archive: &image}, nil, query.Opts{CountOnly: true})
		want := int64(1)
		if strings.HasSuffix(r["filename"].(string), ".xml") {
			want = 0
		}
		if err != nil || n != want {
			t.Errorf("%v has %v rpms, %v", r["filename"], n, err)
		}
	}
}

func TestDeliveryRefuses(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ctx, root := t.Context(), s.root()
	stranger := s.openTask()
	for name, c := range map[string]struct {
		change func(*commands.MavenResults, *commands.WrapperRPMs)
		code   fault.Code
	}{
		"another task's files":     {func(r *commands.MavenResults, _ *commands.WrapperRPMs) { r.TaskID = stranger }, fault.ActionNotAllowed},
		"another task's rpms":      {func(_ *commands.MavenResults, w *commands.WrapperRPMs) { w.TaskID = stranger }, fault.ActionNotAllowed},
		"a way out":                {func(r *commands.MavenResults, _ *commands.WrapperRPMs) { r.Files["../../1/1"] = []string{"x.jar"} }, fault.Generic},
		"a way out in a name":      {func(r *commands.MavenResults, _ *commands.WrapperRPMs) { r.Files["site"] = []string{"../../x.jar"} }, fault.Generic},
		"an absolute log":          {func(r *commands.MavenResults, _ *commands.WrapperRPMs) { r.Logs = []string{"/etc/passwd"} }, fault.Generic},
		"a file that is not there": {func(r *commands.MavenResults, _ *commands.WrapperRPMs) { r.Files["site"] = []string{"no.jar"} }, fault.Generic},
		"a log that is not there":  {func(r *commands.MavenResults, _ *commands.WrapperRPMs) { r.Logs = []string{"no.log"} }, fault.Generic},
		"an unknown type":          {func(r *commands.MavenResults, _ *commands.WrapperRPMs) { r.Files["site"] = []string{"x.unknownext"} }, fault.Build},
		"two project files":        {func(r *commands.MavenResults, _ *commands.WrapperRPMs) { r.Files["site"] = []string{"a.pom", "b.pom"} }, fault.Build},
		"a project file's name":    {func(r *commands.MavenResults, _ *commands.WrapperRPMs) { r.Files["site"] = []string{"other.pom"} }, fault.Build},
		"one file twice": {func(r *commands.MavenResults, _ *commands.WrapperRPMs) {
			r.Files["site"] = []string{"hm.zip", "hm.zip"}
		}, fault.Generic},
		"no such buildroot":          {func(r *commands.MavenResults, _ *commands.WrapperRPMs) { r.BuildrootID = 999 }, fault.Generic},
		"rpms that are not there":    {func(_ *commands.MavenResults, w *commands.WrapperRPMs) { w.RPMs = []string{"no-1-1.noarch.rpm"} }, fault.Generic},
		"a log named as an rpm's":    {func(_ *commands.MavenResults, w *commands.WrapperRPMs) { w.Logs = []string{"wrap.log", "wrap.log"} }, fault.Generic},
		"an rpm of another's name":   {func(_ *commands.MavenResults, w *commands.WrapperRPMs) { w.RPMs = []string{"bad-1-1.noarch.rpm"} }, fault.Generic},
		"a way out among the rpms":   {func(_ *commands.MavenResults, w *commands.WrapperRPMs) { w.SRPM = "../x.src.rpm" }, fault.Generic},
		"the task's directory":       {func(r *commands.MavenResults, _ *commands.WrapperRPMs) { r.Files[""] = []string{""} }, fault.Generic},
		"an rpm that is there twice": {func(_ *commands.MavenResults, w *commands.WrapperRPMs) { w.RPMs = append(w.RPMs, w.RPMs[0]) }, fault.Generic},
	} {
		t.Run(name, func(t *testing.T) {
			s := *s
			s.t, s.task = t, s.openTask()
			id, task, wrap := s.beginMaven(), s.child(), s.child()
			r, w := s.mavenResults(task, root), s.wrapper(wrap, root)
			s.put(task, "site/other.pom", pom(hm))
			s.put(task, "site/x.unknownext", []byte("x"))
			s.put(wrap, "bad-1-1.noarch.rpm", wrapBinary.Bytes())
			c.change(&r, w)
			refused(t, s.CompleteMaven(ctx, s.actor, s.host, s.task, id, r, w), c.code)
			b := s.build(id)
			if st := koji.BuildState(b["state"].(int64)); st != koji.BuildBuilding || len(s.archives(id)) > 0 {
				t.Errorf("the build is %s with %d archives", st, len(s.archives(id)))
			}
			if files := s.tree(fmt.Sprintf("packages/org.ex-hm/1/%v", b["release"])); len(files) > 0 {
				t.Errorf("files stayed: %v", files)
			}
		})
	}
	own := s.beginMaven()
	task := s.openTask()
	refused(t, s.CompleteMaven(ctx, s.actor, s.host, task, own, s.mavenResults(task, root), nil), fault.Generic) // the build of another task
	refused(t, s.CompleteMaven(ctx, s.actor, s.host+1, s.task, own, s.mavenResults(s.task, root), nil), fault.ActionNotAllowed)
	refused(t, s.CompleteWin(ctx, s.actor, s.host, s.task, own, commands.WinResults{Delivered: commands.Delivered{TaskID: s.task}}, nil), fault.Generic)
	if _, err := s.InitTypedBuild(ctx, s.actor, s.host, commands.TypedBuild{NewBuild: commands.NewBuild{Name: "d", Version: "1", Draft: true, TaskID: &s.task}, Image: true}); !fault.Is(err, fault.Generic) {
		t.Errorf("a draft image: %v", err)
	}
}

func TestDeliveryAgainAfterCrash(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id, root, task := s.beginMaven(), s.root(), s.child()
	deliver := func() error {
		return s.CompleteMaven(t.Context(), s.actor, s.host, s.task, id, s.mavenResults(task, root), nil) // uploads anew
	}
	// what an attempt left that died before anything was recorded
	s.uploadBytes("../packages/org.ex-hm/1/1/maven/left", "over.jar", []byte("x"))
	if err := deliver(); err != nil {
		t.Fatal(err)
	}
	if slices.Contains(s.tree("packages/org.ex-hm/1/1"), "maven/left/over.jar") {
		t.Error("what an earlier attempt left is there still")
	}
	archives := len(s.archives(id))
	if err := deliver(); err != nil { // the hub died before it replaced the uploads
		t.Fatal(err)
	}
	if len(s.archives(id)) != archives {
		t.Error("archives were imported twice")
	}
	dir := fmt.Sprintf("work/tasks/%d/%d/", task%10000, task)
	if st, err := os.Lstat(filepath.Join(s.dir, dir, "site/hm.zip")); err != nil || st.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the upload was not replaced (%v)", err)
	}
}

func TestWrapperRPMsOfCompleteBuild(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id, root, wrap := s.beginMaven(), s.root(), s.child()
	refused(t, s.ImportWrapperRPMs(t.Context(), s.actor, s.host, s.task, id, *s.wrapper(wrap, root)), fault.Generic) // it is under way
	if err := s.CompleteMaven(t.Context(), s.actor, s.host, s.task, id, s.mavenResults(s.child(), root), nil); err != nil {
		t.Fatal(err)
	}
	if err := s.ImportWrapperRPMs(t.Context(), s.actor, s.host, s.task, id, *s.wrapper(wrap, root)); err != nil {
		t.Fatal(err)
	}
	refused(t, s.ImportWrapperRPMs(t.Context(), s.actor, s.host, s.task, id, *s.wrapper(wrap, root)), fault.Generic) // it has them
	if len(s.archives(id)) != 3 {
		t.Errorf("%d archives", len(s.archives(id)))
	}
	if files := s.tree("packages/org.ex-hm/1/1/noarch"); !slices.Equal(files, []string{"hm-wrap-7-2.noarch.rpm"}) {
		t.Errorf("rpms %v", files)
	}
}

func TestTypedScratchBuild(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	task, wrap := s.child(), s.child()
	s.put(task, "org/ex/hm-1.jar", []byte("jar"))
	s.put(wrap, "w.src.rpm", []byte("rpm"))
	files := []commands.ScratchFiles{
		{Delivered: commands.Delivered{TaskID: task}, Of: s.task, Files: []string{"org/ex/hm-1.jar"}},
		{Delivered: commands.Delivered{TaskID: wrap}, Of: task, Subdir: "rpms", Files: []string{"w.src.rpm"}},
	}
	for range 2 { // a repeated call finds symlinks
		if err := s.MoveFilesToScratch(t.Context(), s.host, s.task, files); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{fmt.Sprintf("task_%d/org/ex/hm-1.jar", s.task), fmt.Sprintf("task_%d/rpms/w.src.rpm", task)}
	slices.Sort(want)
	if d := cmp.Diff(want, s.tree("scratch/kojiadmin")); d != "" {
		t.Error(d)
	}
	s.linked(task)
	stranger := s.openTask()
	s.put(stranger, "x.jar", []byte("x"))
	for name, c := range map[string]struct {
		f    commands.ScratchFiles
		code fault.Code
	}{
		"another task's files":     {commands.ScratchFiles{Delivered: commands.Delivered{TaskID: stranger}, Of: s.task, Files: []string{"x.jar"}}, fault.ActionNotAllowed},
		"another task's directory": {commands.ScratchFiles{Delivered: commands.Delivered{TaskID: task}, Of: stranger, Files: []string{"org/ex/hm-1.jar"}}, fault.ActionNotAllowed},
		"a way out":                {commands.ScratchFiles{Delivered: commands.Delivered{TaskID: task}, Of: s.task, Files: []string{"../../x.jar"}}, fault.Generic},
		"nothing there":            {commands.ScratchFiles{Delivered: commands.Delivered{TaskID: task}, Of: s.task, Files: []string{"no.jar"}}, fault.Generic},
	} {
		if err := s.MoveFilesToScratch(t.Context(), s.host, s.task, []commands.ScratchFiles{c.f}); !fault.Is(err, c.code) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestArchivesOfBuildroot(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ctx := t.Context()
	id, first := s.beginMaven(), s.root()
	if err := s.CompleteMaven(ctx, s.actor, s.host, s.task, id, s.mavenResults(s.child(), first), nil); err != nil {
		t.Fatal(err)
	}
	root, known := s.root(), s.archives(id)
	refused(t, s.ListRootArchives(ctx, s.actor, s.host, s.task, root, []int64{known[0]["id"].(int64)}, false), fault.Generic) // it is INIT
	if err := s.SetBuildrootState(ctx, s.actor, s.host, root, koji.BuildrootBuilding, &s.task); err != nil {
		t.Fatal(err)
	}
	in := func() []string {
		out, err := archivemodel.List(ctx, s.DB, archivemodel.Filter{Component: &root}, nil, query.Opts{Order: "id"})
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, r := range out.([]query.Row) {
			all = append(all, fmt.Sprintf("%v %v", r["filename"], r["project"]))
		}
		return all
	}
	for range 2 {
		if err := s.ListRootArchives(ctx, s.actor, s.host, s.task, root, []int64{known[0]["id"].(int64)}, false); err != nil {
			t.Fatal(err)
		}
	}
	refused(t, s.ListRootArchives(ctx, s.actor, s.host, s.task, root, []int64{999}, false), fault.Generic)
	refused(t, s.ListRootArchives(ctx, s.actor, s.host, s.openTask(), root, nil, false), fault.ActionNotAllowed)

	other := maven.Coordinates{GroupID: "org.ex", ArtifactID: "made-here", Version: "1-SNAPSHOT"}
	call := commands.MavenRoot{HostID: s.host, TaskID: s.task, BuildrootID: root, Project: true, ExtraBuilds: []any{id},
		Files: []commands.MavenFiles{
			{Coordinates: hm, Files: []commands.MavenFile{{Path: "org/ex/hm/1", Name: "hm-1.jar", Size: 3}, {Path: "org/ex/hm/1", Name: "_maven.repositories", Size: 9}}},
			{Coordinates: other, Files: []commands.MavenFile{{Path: "p", Name: "made-here-1-SNAPSHOT.jar", Size: 5}}},
		}}
	refused(t, s.ListMavenRoot(ctx, s.actor, call), fault.Buildroot) // nobody knows _maven.repositories
	call.Ignore = []commands.MavenFiles{{Coordinates: hm, Files: []commands.MavenFile{{Name: "_maven.repositories", Size: 9}}}}
	refused(t, s.ListMavenRoot(ctx, s.actor, call), fault.Buildroot) // nor the file of another task
	earlier := s.child()
	s.put(earlier, "org/ex/made-here/1-SNAPSHOT/made-here-1-20260101.120000-1.jar", []byte("12345"))
	call.ExtraTasks = []int64{earlier}
	if err := s.ListMavenRoot(ctx, s.actor, call); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"hm-1.pom false", "hm-1.jar true"}, in()); d != "" {
		t.Error(d)
	}
	call.Files[0].Files[0].Size = 4 // another file of that name
	refused(t, s.ListMavenRoot(ctx, s.actor, call), fault.Buildroot)
	call.IgnoreUnknown = true
	if err := s.ListMavenRoot(ctx, s.actor, call); err != nil {
		t.Fatal(err)
	}
	call.ExtraBuilds, call.IgnoreUnknown, call.Files[0].Files[0].Size = nil, false, 3
	refused(t, s.ListMavenRoot(ctx, s.actor, call), fault.Buildroot) // the build is not in the tag
}
