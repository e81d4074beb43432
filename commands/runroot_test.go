package commands_test

import (
	"reflect"
	"testing"

	"moromi/aggregates/host"
	"moromi/commands"
	"moromi/commands/commandtest"
	"moromi/internal/fault"
	"moromi/projections/query"
	"moromi/projections/task"
)

func TestRunRootArch(t *testing.T) {
	t.Parallel()
	s := commandtest.New(t)
	ctx := t.Context()
	channel := must[int64](t)(s.CreateChannel(ctx, admin, "runroot", nil))
	near := builder(t, s, "near", "x86_64", "i686")
	builder(t, s, "far", "aarch64")
	if err := s.JoinChannel(ctx, admin, near, channel, "runroot"); err != nil {
		t.Fatal(err)
	}
	run := func(arches, arch string, command any) (query.Row, error) {
		in := commands.RunRoot{Tag: query.Row{"id": int64(1), "name": "t", "arches": arches}, TagInfo: "t", Arch: arch, Command: command,
			Opts: map[string]any{"packages": []any{"bash"}}}
		id, err := s.RunRoot(ctx, admin, in)
		if err != nil {
			return nil, err
		}
		return task.ByID(ctx, s.DB, id, true, nil)
	}
	for _, c := range []struct{ arches, asked, got string }{
		{"x86_64 aarch64", "noarch", "x86_64"}, {"i686 ppc64le", "noarch", "i386"}, {"x86_64 i686 aarch64", "noarch", "noarch"}, {"aarch64", "x86_64", "x86_64"},
	} {
		row, err := run(c.arches, c.asked, "ls -l")
		if err != nil || row["arch"] != c.got || row["channel_id"] != channel || row["priority"] != int64(15) {
			t.Errorf("%+v: %v %v", c, row, err)
			continue
		}
		want := []any{"t", c.asked, "ls -l", map[string]any{"packages": []any{"bash"}, "__starstar": true}}
		if !reflect.DeepEqual(row["request"], want) {
			t.Errorf("%+v: request %v, want %v", c, row["request"], want)
		}
	}
	for _, c := range []struct {
		arches, asked string
		command       any
	}{{"", "noarch", "ls"}, {"aarch64", "noarch", "ls"}, {"x86_64", "x86_64;", "ls"}, {"x86_64", "x86_64", int64(5)}, {"x86_64", "x86_64", nil}} {
		_, err := run(c.arches, c.asked, c.command)
		wantFault(t, err, fault.Generic)
	}
}

func TestSaveFailedTreeRules(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ctx := t.Context()
	owner := commands.Actor{UserID: s.actor.UserID}
	root, err := s.NewBuildroot(ctx, s.actor, s.host, s.repoID, "x86_64", &s.task)
	if err != nil {
		t.Fatal(err)
	}
	save := func(a commands.Actor, id int64) error {
		_, err := s.SaveFailedTree(ctx, a, id, true, nil)
		return err
	}
	s.FailedTree.Methods = []string{"*"}
	refused(t, save(s.actor, 999), fault.Generic)
	refused(t, save(s.actor, root), fault.PreBuild) // it still runs
	if err := s.FinishTask(ctx, s.actor, s.task, s.host, "<methodResponse><fault><value><struct><member><name>faultCode</name><value><int>1</int></value></member><member><name>faultString</name><value><string>x</string></value></member></struct></value></fault></methodResponse>", true); err != nil {
		t.Fatal(err)
	}
	bob, err := s.CreateUser(ctx, s.actor, commands.CreateUser{Name: "bob"})
	if err != nil {
		t.Fatal(err)
	}
	refused(t, save(commands.Actor{UserID: bob}, root), fault.ActionNotAllowed)
	s.FailedTree = commands.DefaultFailedTreeConfig()
	refused(t, save(s.actor, root), fault.PreBuild) // a build task is no buildArch
	s.FailedTree.Methods = []string{"buildArch", "build"}
	for _, a := range []commands.Actor{owner, {UserID: bob, Admin: true}} {
		id, err := s.SaveFailedTree(ctx, a, root, false, nil)
		if err != nil {
			t.Fatal(err)
		}
		row, err := task.ByID(ctx, s.DB, id, true, nil)
		if err != nil || row["host_id"] != s.host || row["method"] != "saveFailedTree" || !reflect.DeepEqual(row["request"], []any{root, false}) {
			t.Errorf("the task is %v %v", row, err)
		}
	}
	off := false
	if _, err := s.EditHost(ctx, s.actor, s.host, host.Change{Enabled: &off}); err != nil {
		t.Fatal(err)
	}
	refused(t, save(s.actor, root), fault.PreBuild)
}
