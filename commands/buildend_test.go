package commands_test

import (
	"os"
	"path/filepath"
	"testing"

	"moromi/commands"
	"moromi/internal/fault"
	"moromi/internal/koji"
	buildmodel "moromi/projections/build"
	"moromi/projections/query"
	rpmmodel "moromi/projections/rpm"
)

// completed imports the build foo-1.0-1, as a draft if asked for.
func (s *site) completed(draft bool) int64 {
	s.t.Helper()
	n := foo()
	n.Draft = draft
	id := s.initBuild(n)
	root, err := s.NewBuildroot(s.t.Context(), s.actor, s.host, s.repoID, "x86_64", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.CompleteBuild(s.t.Context(), s.actor, s.delivery(id, root)); err != nil {
		s.t.Fatal(err)
	}
	return id
}

func (s *site) isDir(rel string) bool {
	st, err := os.Lstat(filepath.Join(s.dir, rel))
	return err == nil && st.IsDir()
}

func (s *site) isLink(rel string) bool {
	st, err := os.Lstat(filepath.Join(s.dir, rel))
	return err == nil && st.Mode()&os.ModeSymlink != 0
}

func TestPromoteDraft(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ctx := t.Context()
	id := s.completed(true)
	draft := koji.DraftRelease("1", id)
	if b := s.build(id); b["release"] != draft || b["draft"] != true {
		t.Fatalf("draft build %v", b)
	}
	if err := s.PromoteBuild(ctx, s.actor, id, true); err != nil {
		t.Fatal(err)
	}
	b := s.build(id)
	if b["nvr"] != "foo-1.0-1" || b["draft"] != false || b["promoter_id"] != int64(1) || b["promotion_time"] == nil {
		t.Errorf("promoted build %v", b)
	}
	rows, err := rpmmodel.List(ctx, s.DB, rpmmodel.Filter{Build: &id}, nil, query.Opts{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows.([]query.Row) {
		if r["draft"] != false {
			t.Errorf("rpm of the promoted build is a draft: %v", r)
		}
	}
	if !s.isDir("packages/foo/1.0/1") || !s.isLink("packages/foo/1.0/"+draft) {
		t.Error("the files are not where they belong")
	}
	refused(t, s.PromoteBuild(ctx, s.actor, id, true), fault.Generic)
	s.task = s.openTask()
	n := foo()
	n.Draft, n.TaskID = true, &s.task
	_, err = s.InitBuild(ctx, s.actor, s.host, n)
	refused(t, err, fault.Generic) // a draft of a release that is there
}

// TestPromoteOverUnusedName has the regular name claimed by an id that never became a build: it goes to the draft, for good.
func TestPromoteOverUnusedName(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id := s.completed(true)
	pkg := s.build(id)["package_id"].(int64)
	other := s.claimNVR(pkg, "1.0", "1", 4711)
	if err := s.PromoteBuild(t.Context(), s.actor, id, true); err != nil {
		t.Fatal(err)
	}
	if b := s.build(id); b["nvr"] != "foo-1.0-1" {
		t.Errorf("promoted build %v", b)
	}
	n := foo()
	n.State = koji.BuildComplete
	_, err := s.CreateBuild(t.Context(), s.actor, n)
	refused(t, err, fault.Generic)
	if b, err := buildmodel.Get(t.Context(), s.DB, buildmodel.Spec{ID: other}, nil); err != nil || b != nil {
		t.Errorf("the voided id is a build: %v, %v", b, err)
	}
}

func TestMoveBuildBetweenVolumes(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ctx := t.Context()
	id := s.completed(false)
	_, err := s.AddVolume(ctx, s.actor, "vol1", true)
	refused(t, err, fault.Generic) // no directory
	if err := os.Mkdir(filepath.Join(s.dir, "vol/vol1"), 0o755); err != nil {
		t.Fatal(err)
	}
	if v, err := s.AddVolume(ctx, s.actor, "vol1", true); err != nil || v != 1 {
		t.Fatalf("volume %d, %v", v, err)
	}
	_, err = s.AddVolume(ctx, s.actor, "vol1", true)
	refused(t, err, fault.Generic)
	if err := s.ChangeBuildVolume(ctx, s.actor, id, "vol1", true); err != nil {
		t.Fatal(err)
	}
	if b := s.build(id); b["volume_name"] != "vol1" || !s.isDir("vol/vol1/packages/foo/1.0/1") || !s.isLink("packages/foo/1.0/1") || !s.isLink("vol/vol1/toplink") {
		t.Errorf("moved build %v", b)
	}
	refused(t, s.ChangeBuildVolume(ctx, s.actor, id, "vol1", true), fault.Generic)
	refused(t, s.RemoveVolume(ctx, s.actor, "vol1"), fault.Generic)
	if err := s.ChangeBuildVolume(ctx, s.actor, id, "DEFAULT", true); err != nil {
		t.Fatal(err)
	}
	s.checkTree(id)
	if err := s.RemoveVolume(ctx, s.actor, "vol1"); err != nil {
		t.Error(err)
	}
}

func TestDeleteAndResetBuild(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ctx := t.Context()
	id := s.completed(false)
	if done, err := s.DeleteBuild(ctx, s.actor, id, true, nil); err != nil || done != true {
		t.Fatalf("delete: %v, %v", done, err)
	}
	if b := s.build(id); b["state"] != int64(koji.BuildDeleted) || s.isDir("packages/foo/1.0/1") {
		t.Errorf("deleted build %v", b)
	}
	if done, err := s.DeleteBuild(ctx, s.actor, id, true, nil); err != nil || done != nil {
		t.Errorf("delete again: %v, %v", done, err)
	}
	s.task = s.openTask()
	n := foo()
	n.TaskID = &s.task
	_, err := s.InitBuild(ctx, s.actor, s.host, n)
	refused(t, err, fault.Generic) // the name stays taken
	if err := s.ResetBuild(ctx, s.actor, id); err != nil {
		t.Fatal(err)
	}
	rows, err := rpmmodel.List(ctx, s.DB, rpmmodel.Filter{Build: &id}, nil, query.Opts{})
	if err != nil || len(rows.([]query.Row)) != 0 {
		t.Errorf("rpms after the reset: %v, %v", rows, err)
	}
	if again := s.completed(false); again != id {
		t.Errorf("imported anew as %d, want %d", again, id)
	}
	s.checkTree(id)
}

func TestScratchBuild(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	d := s.delivery(0, 1)
	in := commands.ScratchBuild{HostID: s.host, TaskID: s.task, SRPM: d.SRPM, RPMs: d.RPMs, Logs: d.Logs}
	for range 2 { // a repeated call is harmless
		if err := s.MoveToScratch(t.Context(), s.actor, in); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []string{"foo-1.0-1.src.rpm", "foo-1.0-1.x86_64.rpm", "foo-doc-1.0-1.noarch.rpm", "logs/x86_64/build.log"} {
		if _, err := os.Stat(filepath.Join(s.dir, "scratch/kojiadmin/task_1", f)); err != nil {
			t.Error(err)
		}
	}
	if !s.isLink("work/" + d.SRPM) {
		t.Error("the upload is no link")
	}
	in.HostID = 99
	refused(t, s.MoveToScratch(t.Context(), s.actor, in), fault.ActionNotAllowed)
}
