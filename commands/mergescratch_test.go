package commands_test

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"moromi/commands"
	"moromi/internal/fault"
	"moromi/projections/query"
	rpmmodel "moromi/projections/rpm"
)

// closed is the document of a task's result.
const closed = `<methodResponse><params><param><value><int>1</int></value></param></params></methodResponse>`

// scratch makes a scratch build of foo for one architecture that has delivered these files, and answers its task.
func (s *site) scratch(arch string, files func(dir string)) int64 {
	s.t.Helper()
	ctx := s.t.Context()
	open := func(in commands.MakeTask) int64 {
		in.HostID = s.host
		id, err := s.MakeTask(ctx, s.actor, in)
		if err != nil {
			s.t.Fatal(err)
		}
		if ok, err := s.OpenTask(ctx, s.actor, id, s.host); err != nil || !ok {
			s.t.Fatalf("open task %d: %t, %v", id, ok, err)
		}
		return id
	}
	parent := open(commands.MakeTask{Method: "build", Params: []any{"cli-build/foo.src.rpm", "target", map[string]any{"scratch": true}}})
	child := open(commands.MakeTask{Method: "buildArch", Params: []any{"foo.src.rpm", s.tag, arch, true, map[string]any{}}, Parent: parent, Arch: arch})
	if _, err := s.NewBuildroot(ctx, s.actor, s.host, s.repoID, arch, &child); err != nil {
		s.t.Fatal(err)
	}
	files(filepath.Join("tasks", strconv.FormatInt(child, 10), strconv.FormatInt(child, 10)))
	for _, id := range []int64{child, parent} {
		if err := s.FinishTask(ctx, s.actor, id, s.host, closed, false); err != nil {
			s.t.Fatal(err)
		}
	}
	return parent
}

func TestMergeScratch(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ctx := t.Context()
	id := s.initBuild(foo())
	root, err := s.NewBuildroot(ctx, s.actor, s.host, s.repoID, "x86_64", &s.task)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.CompleteBuild(ctx, s.actor, s.delivery(id, root)); err != nil {
		t.Fatal(err)
	}
	arm := fooBinary
	arm.Arch = "aarch64"
	task := s.scratch("aarch64", func(dir string) {
		s.upload(dir, fooSource)
		s.upload(dir, arm)
		s.upload(dir, fooDoc)
		s.uploadBytes(dir, "build.log", []byte("built\n"))
	})
	if got, err := s.MergeScratch(ctx, s.actor, task); err != nil || got != id {
		t.Fatalf("merged into %d, %v; want %d", got, err, id)
	}
	rows, err := rpmmodel.List(ctx, s.DB, rpmmodel.Filter{Build: &id, Arches: []string{"aarch64"}}, nil, query.Opts{})
	if got := rows.([]query.Row); err != nil || len(got) != 1 || got[0]["name"] != "foo" || got[0]["buildroot_id"] != root+1 {
		t.Errorf("merged are %v, %v", rows, err)
	}
	for _, f := range []string{"aarch64/foo-1.0-1.aarch64.rpm", "data/logs/aarch64/build.log", "data/sigcache/aarch64/foo-1.0-1.aarch64.rpm.sig"} {
		if st, err := os.Lstat(filepath.Join(s.dir, "packages/foo/1.0/1", f)); err != nil || !st.Mode().IsRegular() {
			t.Errorf("%s: %v", f, err)
		}
	}
	for what, task := range map[string]int64{
		"merged twice":     task,
		"no such task":     9999,
		"no scratch build": s.task,
		"no logs":          s.scratch("s390x", func(dir string) { s.upload(dir, fooSource); z := fooBinary; z.Arch = "s390x"; s.upload(dir, z) }),
		"nothing to merge": s.scratch("noarch", func(dir string) { s.upload(dir, fooSource); s.upload(dir, fooDoc) }),
	} {
		if _, err := s.MergeScratch(ctx, s.actor, task); !fault.Is(err, fault.Import) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
