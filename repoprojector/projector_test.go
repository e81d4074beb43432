package repoprojector_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"moromi/aggregates/tag"
	"moromi/commands"
	"moromi/events"
	"moromi/internal/koji"
	taskmodel "moromi/projections/task"
	"moromi/repoprojector"
)

// TestBuildTagIsKeptCurrent follows a build tag that inherits from the tag where builds go.
func TestBuildTagIsKeptCurrent(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.start()
	dest := s.makeTag("dist", nil)
	root := s.makeTag("dist-build", nil, dest)
	s.makeTarget("dist", root, dest)
	first := s.waitFor(root, 0)
	if got := s.read(s.dir("dist-build", first["id"].(int64)), "x86_64", "pkglist"); got != "" {
		t.Errorf("a tag without builds has packages: %s", got)
	}
	if _, err := os.Stat(filepath.Join(s.dir("dist-build", first["id"].(int64)), "x86_64/repodata/EMPTY_REPO")); err != nil {
		t.Error(err)
	}

	s.list(dest, "foo", false)
	s.list(dest, "bar", false)
	foo := s.importBuild("foo", "1.0", [2]string{"foo", "x86_64"}, [2]string{"foo-doc", "noarch"}, [2]string{"foo-debuginfo", "x86_64"}, [2]string{"foo", "i686"})
	at := s.put(dest, foo)
	repo := s.waitFor(root, at)
	dir := s.dir("dist-build", repo["id"].(int64))
	want := "toplink/packages/foo/1.0/1/noarch/foo-doc-1.0-1.noarch.rpm\ntoplink/packages/foo/1.0/1/x86_64/foo-1.0-1.x86_64.rpm\n"
	if got := sorted(s.read(dir, "x86_64/pkglist")); got != want {
		t.Errorf("pkglist is\n%s\nnot\n%s", got, want)
	}
	if _, err := os.Stat(filepath.Join(dir, "i386")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an architecture that the tag does not have: %v", err)
	}
	s.checkLists(dir)
	if link, err := os.Readlink(filepath.Join(s.top, "repos/dist-build/latest")); err != nil || link != fmt.Sprint(repo["id"]) {
		t.Errorf("latest leads to %q, %v", link, err)
	}
	checkDNF(t, filepath.Join(dir, "x86_64"), "foo-1.0-1.x86_64", "foo-doc-1.0-1.noarch")

	// the former one ended with the change; a block shows in the blocklist and takes the package out
	s.until("end event", func() bool {
		for _, r := range s.repos(root, koji.RepoReady) {
			if r["id"] == first["id"] {
				return r["end_event"] != nil
			}
		}
		return false
	})
	repo = s.waitFor(root, s.list(root, "foo", true))
	dir = s.dir("dist-build", repo["id"].(int64))
	if got := s.read(dir, "x86_64/blocklist"); got != "foo\n" {
		t.Errorf("blocklist is %q", got)
	}
	if got := s.read(dir, "x86_64/pkglist"); got != "" {
		t.Errorf("a blocked package is there: %s", got)
	}
}

func sorted(lines string) string {
	l := strings.SplitAfter(strings.TrimSuffix(lines, "\n"), "\n")
	l[len(l)-1] += "\n"
	slices.Sort(l)
	return strings.Join(l, "")
}

// checkLists holds repo.json and rpmlist.jsonl to what clients read there.
func (s *site) checkLists(dir string) {
	s.tb.Helper()
	var info map[string]any
	s.check(json.Unmarshal([]byte(s.read(dir, "repo.json")), &info))
	keys := slices.Sorted(maps.Keys(info))
	if want := []string{"custom_opts", "event_id", "id", "opts", "tag", "tag_id", "task_id", "with_debuginfo", "with_separate_src", "with_src"}; !slices.Equal(keys, want) {
		s.tb.Errorf("repo.json has %v, not %v", keys, want)
	}
	if opts := info["opts"].(map[string]any); len(opts) != 4 || info["tag"] != "dist-build" || info["task_id"] != nil {
		s.tb.Errorf("repo.json is %v", info)
	}
	for line := range strings.Lines(s.read(dir, "x86_64/rpmlist.jsonl")) {
		var r map[string]any
		s.check(json.Unmarshal([]byte(line), &r))
		keys := slices.Sorted(maps.Keys(r))
		want := []string{"arch", "build_id", "buildroot_id", "buildtime", "draft", "epoch", "extra", "id", "metadata_only", "name", "payloadhash", "release", "size", "version"}
		if !slices.Equal(keys, want) {
			s.tb.Errorf("rpmlist.jsonl has %v, not %v", keys, want)
		}
	}
	link, err := os.Readlink(filepath.Join(dir, "x86_64/toplink"))
	if err != nil || filepath.Join(dir, "x86_64", link) != s.top {
		s.tb.Errorf("toplink leads to %q, %v", link, err)
	}
	if !strings.Contains(s.read(dir, "groups/comps.xml"), "<comps>") {
		s.tb.Error("groups/comps.xml is no group file")
	}
}

// checkDNF lets dnf read a repository and looks whether what it would download is there.
func checkDNF(t *testing.T, dir string, want ...string) {
	t.Helper()
	dnf, args := listDNF(t, dir, want...)
	out, err := exec.Command(dnf, append(args, "repoquery", "--location", "--available")...).CombinedOutput()
	if err != nil {
		t.Fatalf("dnf: %v\n%s", err, out)
	}
	for _, url := range strings.Fields(string(out)) {
		if _, err := os.Stat(strings.TrimPrefix(url, "file://")); err != nil {
			t.Errorf("dnf would download what is not there: %v", err)
		}
	}
}

// listDNF lets dnf list a repository's packages, and gives the program with its options.
func listDNF(t *testing.T, dir string, want ...string) (dnf string, args []string) {
	t.Helper()
	dnf, err := exec.LookPath("dnf")
	if err != nil {
		t.Skip("dnf is not installed")
	}
	args = []string{"-q", "--disablerepo=*", "--repofrompath=r,file://" + dir, "--enablerepo=r", "--setopt=cachedir=" + t.TempDir(),
		"--setopt=reposdir=" + t.TempDir(), "--installroot=" + t.TempDir(), "--releasever=1", "--setopt=r.gpgcheck=0", "--forcearch=x86_64"}
	out, err := exec.Command(dnf, append(args, "repoquery", "--qf", "%{name}-%{version}-%{release}.%{arch}", "--available")...).CombinedOutput()
	if err != nil {
		t.Fatalf("dnf: %v\n%s", err, out)
	}
	if got := strings.Fields(string(out)); !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))) {
		t.Errorf("dnf sees %v, not %v", got, want)
	}
	return dnf, args
}

// TestBurst changes a tag a thousand times in a row.
func TestBurst(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	root := s.makeTag("dist-build", nil)
	s.makeTarget("dist", root, root)
	s.start()
	s.waitFor(root, 0)
	before := len(s.repos(root, koji.RepoReady))
	var last int64
	for i := range 1000 {
		last = s.change(root, func(t *tag.Tag) ([]events.Event, error) {
			return t.SetExtra(map[string]json.RawMessage{"n": json.RawMessage(fmt.Sprint(i))}, nil)
		})
	}
	s.waitFor(root, last)
	if n := len(s.repos(root, koji.RepoReady)) - before; n > 3 {
		t.Errorf("%d repositories were made of one burst", n)
	}
}

// TestAuto keeps a tag current because of its extra setting, and leaves others alone.
func TestAuto(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.start()
	auto := s.makeTag("auto", map[string]json.RawMessage{"repo.auto": json.RawMessage("true")})
	other := s.makeTag("other", nil)
	s.waitFor(auto, 0)
	if n := len(s.repos(other, koji.RepoReady)); n != 0 {
		t.Errorf("%d repositories of a tag that nobody asked for", n)
	}
}

// TestBrokenRPM keeps the last good repository when an rpm's file is not what was imported, and says which.
func TestBrokenRPM(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, want string
		harm       func(path string) error
	}{
		{"missing", "missing", os.Remove},
		{"cut", "corrupt", func(p string) error { return os.Truncate(p, 700) }},
		{"changed", "corrupt", func(p string) error {
			b, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			b[len(b)-1] ^= 0xff
			if err := os.WriteFile(p, b, 0o644); err != nil {
				return err
			}
			later := time.Now().Add(time.Minute)
			return os.Chtimes(p, later, later)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			root := s.makeTag("dist-build", nil)
			s.makeTarget("dist", root, root)
			s.list(root, "foo", false)
			at := s.put(root, s.importBuild("foo", "1", [2]string{"foo", "x86_64"}))
			s.start()
			good := s.waitFor(root, at)
			file := filepath.Join(s.top, "packages/foo/1/1/x86_64/foo-1-1.x86_64.rpm")
			keep, err := os.ReadFile(file)
			s.check(err)
			st, err := os.Stat(file)
			s.check(err)
			s.check(tt.harm(file))
			// a task, for it tells its maker
			task, err := s.MakeTask(s.ctx(), s.admin, commands.MakeTask{Method: "newRepo", Params: []any{"dist-build"}, Channel: "createrepo"})
			s.check(err)
			s.until("problem", func() bool { return len(s.repos(root, koji.RepoProblem)) > 0 && s.taskState(task).Finished() })
			if _, err := taskmodel.Result(s.ctx(), s.DB, task); err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "foo-1-1.x86_64.rpm") {
				t.Errorf("the task ended with %v", err)
			}
			if link, err := os.Readlink(filepath.Join(s.top, "repos/dist-build/latest")); err != nil || link != fmt.Sprint(good["id"]) {
				t.Errorf("latest leads to %q, %v", link, err)
			}
			s.check(os.WriteFile(file, keep, 0o644))
			s.check(os.Chtimes(file, st.ModTime(), st.ModTime()))
			s.waitFor(root, s.list(root, "bar", false))
		})
	}
}

func (s *site) taskState(id int64) koji.TaskState {
	s.tb.Helper()
	row, err := taskmodel.ByID(s.ctx(), s.DB, id, false, nil)
	s.check(err)
	return koji.TaskState(row["state"].(int64))
}

// TestRestart starts on what a killed process leaves: a repository in the middle, a directory of it, an open task, a link not set, changes
// that nobody followed.
func TestRestart(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	root := s.makeTag("dist-build", nil)
	s.makeTarget("dist", root, root)
	s.start()
	first := s.waitFor(root, 0)
	s.stop()

	half, err := s.StartRepo(s.ctx(), commands.Actor{}, commands.StartRepo{TagID: root})
	s.check(err)
	s.check(os.MkdirAll(filepath.Join(s.dir("dist-build", half.ID), "x86_64/.repodata-half"), 0o755))
	task, err := s.MakeTask(s.ctx(), s.admin, commands.MakeTask{Method: "newRepo", Params: []any{"dist-build"}, Channel: "createrepo"})
	s.check(err)
	if ok, err := s.OpenTask(s.ctx(), commands.Actor{}, task, 0); err != nil || !ok {
		t.Fatalf("open task: %t, %v", ok, err)
	}
	s.check(os.Remove(filepath.Join(s.top, "repos/dist-build/latest")))
	at := s.list(root, "foo", false)

	s.start()
	repo := s.waitFor(root, at)
	if repo["id"] == first["id"] {
		t.Error("the change while nobody followed was not noticed")
	}
	s.until("task", func() bool { return s.taskState(task) == koji.TaskClosed })
	if left := s.repos(root, koji.RepoInit); len(left) != 0 {
		t.Errorf("still INIT: %v", left)
	}
	s.check(s.Sweep(s.ctx()))
	if _, err := os.Stat(s.dir("dist-build", half.ID)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the directory of the unfinished repository: %v", err)
	}
	if link, err := os.Readlink(filepath.Join(s.top, "repos/dist-build/latest")); err != nil || link == fmt.Sprint(first["id"]) {
		t.Errorf("latest leads to %q, %v", link, err)
	}
}

// TestLifetimes lets repositories grow old.
func TestLifetimes(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	root := s.makeTag("dist-build", nil)
	s.makeTarget("dist", root, root)
	s.start()
	old := s.waitFor(root, 0)
	newer := s.waitFor(root, s.list(root, "foo", false))
	s.until("end event", func() bool {
		for _, r := range s.repos(root, koji.RepoReady) {
			if r["id"] == old["id"] && r["end_event"] != nil {
				return true
			}
		}
		return false
	})
	ids := func(state koji.RepoState) (out []any) {
		for _, r := range s.repos(root, state) {
			out = append(out, r["id"])
		}
		return out
	}
	s.check(s.Sweep(s.ctx()))
	if got := ids(koji.RepoReady); !slices.Contains(got, old["id"]) {
		t.Errorf("READY are %v without %v, which is young", got, old["id"])
	}
	p, err := repoprojector.New(repoprojector.Config{Service: s.Service, DB: s.DB, Storage: s.Files, CacheDir: t.TempDir(),
		Clock: func() time.Time { return time.Now().Add(8 * 24 * time.Hour) }})
	s.check(err)
	defer p.Close()
	s.check(p.Sweep(s.ctx()))
	if got := ids(koji.RepoExpired); !slices.Contains(got, old["id"]) || slices.Contains(got, newer["id"]) {
		t.Errorf("EXPIRED are %v, not %v but for %v", got, old["id"], newer["id"])
	}
	stray := filepath.Join(s.top, "repos/dist-build/999999")
	s.check(os.Mkdir(stray, 0o755))
	s.check(p.Sweep(s.ctx())) // the ledger's clock has not moved: EXPIRED for eight days in the projector's eyes
	if got := ids(koji.RepoDeleted); !slices.Contains(got, old["id"]) {
		t.Errorf("DELETED are %v without %v", got, old["id"])
	}
	for _, gone := range []string{s.dir("dist-build", old["id"].(int64)), stray} {
		if _, err := os.Stat(gone); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is still there: %v", gone, err)
		}
	}
	if _, err := os.Stat(filepath.Join(s.top, "repos/dist-build/latest/repo.json")); err != nil {
		t.Errorf("the newest was removed: %v", err)
	}
}

// TestTagMadeAgain: a tag that was deleted and made again has repositories again, for a target that still builds in it.
func TestTagMadeAgain(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	root := s.makeTag("dist-build", nil)
	s.makeTarget("dist", root, root)
	s.start()
	s.waitFor(root, 0)
	s.change(root, func(t *tag.Tag) ([]events.Event, error) { return t.Delete() })
	s.until("the deletion is seen", func() bool { return s.repos(root, koji.RepoReady)[0]["end_event"] != nil })
	arches := "x86_64"
	made := s.change(root, func(t *tag.Tag) ([]events.Event, error) {
		return t.Create(root, "dist-build", events.TagSettings{Arches: &arches}, nil)
	})
	s.waitFor(root, made)
	other := s.makeTag("other", nil) // of a new tag nothing is made until something wants it
	s.makeTarget("other", other, other)
	s.waitFor(other, 0)
}
