package conformance_test

import (
	"errors"
	"reflect"
	"testing"

	"moromi/internal/fault"
	"moromi/internal/xmlrpc"
)

// hosts are a site with two builders, each in its exclusive session, of which the first has an open task, a task that it finished, a repository
// and a buildroot for its task.
type hosts struct {
	site                           *site
	callers                        map[string]*client
	open, done, other, repo, ready any
	root, loose                    any // buildroots: of the open task, and of none
}

func newHosts(t *testing.T) *hosts {
	t.Helper()
	s := newSite(t, "")
	h := &hosts{site: s, callers: map[string]*client{"": {site: s}, "alice": s.open(t, "alice"), "bob": s.open(t, "bob"), "kojiadmin": s.open(t, "kojiadmin")}}
	do := func(user, method string, params ...any) any {
		t.Helper()
		v, err := h.callers[user].call(method, params)
		if err != nil {
			t.Fatalf("%s%v as %s: %v", method, params, user, err)
		}
		return v
	}
	for _, b := range []string{"builder1", "builder2"} {
		do("kojiadmin", "addHost", b, []any{"x86_64"})
		h.callers[b] = s.session(t, principal{user: b, exclusive: true})
		do(b, "host.updateHost", 0.0, true)
	}
	do("kojiadmin", "createTag", "root", xmlrpc.Kwargs{"arches": "x86_64"})
	do("kojiadmin", "createTag", "out")
	do("kojiadmin", "createBuildTarget", "way", "root", "out")
	task := func(builder string) any {
		id := do("kojiadmin", "makeTask", "sleep", []any{int64(1)})
		do("kojiadmin", "assignTask", id, builder, xmlrpc.Kwargs{"force": true})
		do(builder, "host.openTask", id)
		return id
	}
	h.open, h.done, h.other = task("builder1"), task("builder1"), task("builder2")
	do("builder1", "host.closeTask", h.done, "<params><param><value><int>1</int></value></param></params>")
	h.repo = do("builder1", "host.repoInit", "root").([]any)[0]
	h.ready = do("builder1", "host.repoInit", "root").([]any)[0]
	do("builder1", "host.repoDone", h.ready, map[string]any{})
	h.root = do("builder1", "host.newBuildRoot", h.ready, "x86_64", xmlrpc.Kwargs{"task_id": h.open})
	h.loose = do("builder1", "host.newBuildRoot", h.ready, "x86_64")
	return h
}

// TestOrderOfHostChecks makes calls of builders in which several things are wrong: the fault tells which of them Koji looks at first.
func TestOrderOfHostChecks(t *testing.T) {
	t.Parallel()
	h := newHosts(t)
	missing, none := int64(1)<<30, map[string]any{}
	long := make([]byte, 300)
	for i := range long {
		long[i] = 'x'
	}
	named := func(name string, v any) xmlrpc.Kwargs { return xmlrpc.Kwargs{name: v} }
	for _, c := range []struct {
		user, method string
		params       []any
		code         fault.Code // 0: it answers
	}{
		{"alice", "host.assertPolicy", []any{"channel", none}, fault.Auth},
		{"", "host.checkPolicy", []any{"channel", none}, fault.Auth},
		{"builder1", "host.assertPolicy", []any{int64(5), none}, fault.Generic},
		{"builder1", "host.checkPolicy", []any{"nosuch", none}, 0}, // allowed, as MissingPolicyOk has it

		// a refusal says whether and why before Koji asks who calls
		{"", "host.refuseTask", []any{h.open, nil}, fault.Parameter},
		{"", "host.refuseTask", []any{h.open, named("msg", nil)}, fault.Parameter},
		{"", "host.refuseTask", []any{h.open}, fault.Auth},
		{"builder1", "host.refuseTask", []any{"x"}, fault.Parameter},
		{"builder1", "host.refuseTask", []any{missing}, fault.Generic},
		{"builder1", "host.refuseTask", []any{h.other}, 0}, // and nothing happens
		{"builder1", "host.refuseTask", []any{h.done}, fault.Generic},

		// a buildroot: the task, then the buildroot, then whose it is, then what is said about it
		{"builder1", "host.newBuildRoot", []any{"x", "a b", named("task_id", missing)}, fault.Generic},
		{"builder1", "host.newBuildRoot", []any{"x", "a b", named("task_id", h.other)}, fault.ActionNotAllowed},
		{"builder1", "host.newBuildRoot", []any{h.ready, int64(5), named("task_id", h.done)}, fault.ActionNotAllowed},
		{"builder1", "host.newBuildRoot", []any{h.ready, "a b"}, fault.Generic},
		{"builder1", "host.newBuildRoot", []any{missing, "x86_64"}, fault.Generic},
		{"builder1", "host.setBuildRootState", []any{missing, "nosuch", named("task_id", h.other)}, fault.ActionNotAllowed},
		{"builder1", "host.setBuildRootState", []any{missing, "nosuch"}, fault.Generic},
		{"builder2", "host.setBuildRootState", []any{h.root, "nosuch"}, fault.ActionNotAllowed},
		{"builder2", "host.setBuildRootState", []any{h.root, "BUILDING", named("task_id", h.other)}, fault.ActionNotAllowed},
		{"builder1", "host.setBuildRootState", []any{h.loose, "nosuch", named("task_id", h.open)}, fault.ActionNotAllowed},
		{"builder1", "host.setBuildRootState", []any{h.root, "nosuch"}, fault.Generic},
		{"builder1", "host.setBuildRootState", []any{h.root, "INIT"}, fault.Generic},
		{"builder1", "host.setBuildRootList", []any{missing, int64(5), named("task_id", h.other)}, fault.ActionNotAllowed},
		{"builder2", "host.setBuildRootList", []any{h.root, int64(5)}, fault.ActionNotAllowed},
		{"builder1", "host.updateBuildRootList", []any{h.root, []any{}}, fault.Generic}, // it is not BUILDING yet
		{"builder1", "host.updateBuildrootArchives", []any{missing, h.other, int64(5)}, fault.ActionNotAllowed},
		{"builder1", "host.updateBuildrootArchives", []any{missing, h.open, int64(5)}, fault.Generic},
		{"builder1", "host.updateBuildrootArchives", []any{h.loose, h.open, int64(5)}, fault.ActionNotAllowed},
		{"builder1", "host.updateMavenBuildRootList", []any{h.loose, h.open, int64(5)}, fault.ActionNotAllowed},
		{"builder1", "host.setBuildRootState", []any{h.root, "EXPIRED"}, 0},
		{"builder1", "host.setBuildRootState", []any{h.root, "EXPIRED"}, 0},
		{"builder1", "host.setBuildRootState", []any{h.root, "BUILDING"}, fault.Generic},
		{"builder1", "host.setBuildRootList", []any{h.root, []any{}}, fault.Generic},

		// a repository: that it is there, the form of the files, its state
		{"builder1", "host.repoDone", []any{missing, int64(5)}, fault.Generic},
		{"builder1", "host.repoDone", []any{h.ready, int64(5)}, fault.Parameter},
		{"builder1", "host.repoDone", []any{h.ready, nil}, fault.Parameter},
		{"builder1", "host.repoDone", []any{h.ready, none}, fault.Generic},
		{"builder1", "host.repoDone", []any{h.repo, map[string]any{"nosuch": []any{"x", []any{}}}}, fault.Generic},
		{"builder1", "host.repoDone", []any{h.repo, map[string]any{"x86_64": []any{"x", []any{"nosuch"}}}}, fault.Generic},
		{"alice", "host.repoDone", []any{missing, int64(5)}, fault.Auth},
		{"builder1", "host.distRepoMove", []any{missing, "x", "x86_64"}, fault.Generic},
		{"builder1", "host.distRepoMove", []any{h.repo, "x", "x86_64"}, fault.Generic},

		// waiting
		{"builder1", "host.taskSetWait", []any{h.open, "x"}, fault.Parameter},
		{"builder1", "host.taskSetWait", []any{h.open, none}, fault.Parameter},
		{"", "host.taskSetWait", []any{h.open, "x"}, fault.Auth},
		{"builder1", "host.taskSetWait", []any{h.open, []any{}}, 0},
		{"builder1", "host.taskWait", []any{h.open}, 0},
		{"builder1", "host.taskWait", []any{missing}, 0}, // nobody's sub-tasks
		{"builder1", "host.taskSetWait", []any{missing, nil}, 0},
		{"builder1", "host.taskWaitResults", []any{missing, []any{missing}}, fault.Generic},

		// sub-tasks
		{"builder1", "host.subtask", []any{"sleep", []any{int64(1)}, missing, named("owner", int64(1))}, fault.Generic},
		{"builder1", "host.subtask", []any{"sleep", []any{int64(1)}, h.open, named("owner", int64(1))}, fault.ActionNotAllowed},
		{"builder1", "host.subtask2", []any{h.open, map[string]any{"owner": int64(1)}, "sleep", int64(1)}, fault.ActionNotAllowed},
		{"builder1", "host.subtask", []any{"sleep", []any{int64(1)}, h.open, named("channel", "nosuch")}, fault.Generic},
		{"builder1", "host.subtask", []any{"sleep", []any{int64(1)}, h.open, named("nosuch", 1)}, 0}, // Koji takes no notice
		{"builder1", "host.subtask", []any{int64(5), []any{}, h.open}, fault.Parameter},
		{"builder1", "host.subtask", []any{int64(5), []any{}, h.other}, fault.ActionNotAllowed},

		// who is told of a tagging
		{"builder1", "host.tagNotification", []any{true, "root", nil, "nosuch-1-1", "nobody"}, fault.Generic},
		{"builder1", "host.tagNotification", []any{true, "root", nil, "nosuch-1-1", nil}, 0},
		{"builder1", "host.tagNotification", []any{true, "root", nil, missing, h.site.users["alice"]}, 0},
		{"bob", "host.tagNotification", []any{true, "root", nil, missing, nil}, fault.Auth},

		// tasks of people
		{"", "chainBuild", []any{"x", "way"}, fault.ActionNotAllowed},
		{"alice", "chainBuild", []any{"x", "way"}, fault.Parameter},
		{"alice", "chainBuild", []any{none, "way"}, fault.Parameter},
		{"alice", "chainBuild", []any{nil, "way"}, fault.Parameter},
		{"alice", "chainBuild", []any{[]any{[]any{nil, none}, int64(5), []any{[]any{[]any{}}}}, "way"}, 0}, // the builder sees to what is in it
		{"alice", "chainBuild", []any{"x", "way", none, int64(-1)}, fault.Parameter},
		{"alice", "chainBuild", []any{[]any{}, "way", none, int64(-1)}, fault.ActionNotAllowed},
		{"alice", "chainBuild", []any{[]any{}, "way", none, nil, "nosuch"}, fault.Generic},
		{"", "winBuild", []any{int64(5), int64(5), none}, fault.ActionNotAllowed},
		{"alice", "winBuild", []any{int64(5), "url", "nosuch"}, fault.Parameter},
		{"alice", "winBuild", []any{"vm", nil, "nosuch"}, fault.Parameter},
		{"alice", "winBuild", []any{"vm", "url", "nosuch", none, int64(-1)}, fault.Generic},
		{"alice", "winBuild", []any{"vm", "url", "way", none, int64(-1)}, fault.ActionNotAllowed},

		// names of hosts
		{"alice", "addHost", []any{"a b", int64(5)}, fault.ActionNotAllowed},
		{"kojiadmin", "addHost", []any{"a b", int64(5)}, fault.Generic},
		{"kojiadmin", "addHost", []any{"a+b", []any{"x86_64"}}, fault.Generic}, // a name of things, but no user's
		{"kojiadmin", "addHost", []any{"a@b", []any{"x86_64"}}, fault.Generic}, // and the other way round
		{"kojiadmin", "addHost", []any{string(long), []any{"x86_64"}}, fault.Generic},
		{"kojiadmin", "addHost", []any{"", []any{"x86_64"}}, fault.Generic},
		{"kojiadmin", "addHost", []any{"builder1", []any{"not an arch!"}}, fault.Generic},
		{"kojiadmin", "addHost", []any{"builder1", []any{"x86_64"}}, fault.Generic},
		{"kojiadmin", "addHost", []any{"alice", []any{"x86_64"}}, fault.Generic},
		{"kojiadmin", "newGroup", []any{"writers"}, 0},
		{"kojiadmin", "addHost", []any{"writers", []any{"x86_64"}, named("force", true)}, fault.Generic}, // a group is nobody
		{"kojiadmin", "addHost", []any{"bob", []any{"x86_64"}, named("force", true)}, 0},

		// notifications: who, that it is there, whose it is, what about
		{"", "updateNotification", []any{"x", nil, nil, true}, fault.Generic},
		{"alice", "createNotification", []any{h.site.users["alice"], nil, nil, true}, 0},
		{"", "updateNotification", []any{int64(1), none, nil, true}, fault.Generic},
		{"bob", "updateNotification", []any{missing, none, nil, true}, fault.Generic},
		{"bob", "updateNotification", []any{int64(1), none, nil, true}, fault.Generic},
		{"alice", "updateNotification", []any{int64(1), none, nil, true}, fault.Parameter},
		{"alice", "updateNotification", []any{int64(1), "nosuch", none, true}, fault.Generic},
		{"alice", "updateNotification", []any{int64(1), nil, nil, true}, fault.Generic}, // as it is already
		{"kojiadmin", "updateNotification", []any{int64(1), nil, nil, false}, 0},
		{"bob", "createNotification", []any{h.site.users["alice"], none, nil, true}, fault.Generic},
		{"bob", "createNotificationBlock", []any{h.site.users["alice"], none, nil}, fault.Generic},
	} {
		got, err := h.callers[c.user].call(c.method, c.params)
		var f *xmlrpc.Fault
		switch {
		case c.code == 0 && err != nil:
			t.Errorf("%s%v as %q: %v, want an answer", c.method, c.params, c.user, err)
		case c.code != 0 && (!errors.As(err, &f) || f.Code != int(c.code)):
			t.Errorf("%s%v as %q: got %v %v, want fault %d", c.method, c.params, c.user, got, err, c.code)
		}
	}
}

// TestOtherHosts has one builder speak about another's tasks: it is refused, and nothing changes.
func TestOtherHosts(t *testing.T) {
	t.Parallel()
	h := newHosts(t)
	b2 := h.callers["builder2"]
	response := "<params><param><value><int>1</int></value></param></params>"
	for method, params := range map[string][]any{
		"host.closeTask": {h.open, response}, "host.failTask": {h.open, response}, "host.setTaskWeight": {h.open, 1.5}, "host.subtask": {"sleep", []any{}, h.open},
		"host.subtask2": {h.open, map[string]any{}, "sleep"}, "host.newBuildRoot": {h.ready, "x86_64", h.open}, "host.setBuildRootState": {h.root, "BUILDING"},
		"host.setBuildRootList": {h.root, []any{}}, "host.updateBuildRootList": {h.root, []any{}}, "host.updateBuildrootArchives": {h.root, h.open, []any{}},
		"host.initBuild":          {map[string]any{"task_id": h.open, "name": "a", "version": "1", "release": "1", "epoch": nil, "owner": int64(1)}},
		"host.moveBuildToScratch": {h.open, "a.src.rpm", []any{}}, "host.tagBuild": {h.open, "out", "a-1-1"},
	} {
		got, err := b2.call(method, params)
		var f *xmlrpc.Fault
		if !errors.As(err, &f) || f.Code != int(fault.ActionNotAllowed) {
			t.Errorf("%s%v: got %v %v, want fault %d", method, params, got, err, fault.ActionNotAllowed)
		}
	}
	// these ask for what is not to be had, or give back what another has: they answer, and do nothing
	for method, params := range map[string][]any{"host.openTask": {h.open}, "host.freeTasks": {[]any{h.open}}, "host.refuseTask": {h.open}} {
		if got, err := b2.call(method, params); got != nil || err != nil {
			t.Errorf("%s%v: got %v %v, want none", method, params, got, err)
		}
	}
	got, err := b2.call("getTaskInfo", []any{h.open})
	if err != nil {
		t.Fatal(err)
	}
	row := got.(map[string]any)
	host, err := h.callers["builder1"].call("host.getID", nil)
	if err != nil {
		t.Fatal(err)
	}
	if row["state"] != int64(1) || row["host_id"] != host || row["weight"] != 1.0 {
		t.Errorf("the task is %v", row)
	}
}

// TestWaiting has a task wait for sub-tasks, as builders say it: for one, for none in particular, which changes nothing, for all, and for another
// task's, which are none of its.
func TestWaiting(t *testing.T) {
	t.Parallel()
	h := newHosts(t)
	b1 := h.callers["builder1"]
	do := func(method string, params ...any) any {
		t.Helper()
		v, err := b1.call(method, params)
		if err != nil {
			t.Fatalf("%s%v: %v", method, params, err)
		}
		return v
	}
	one, two := do("host.subtask", "sleep", []any{int64(1)}, h.open), do("host.subtask2", h.open, map[string]any{}, "sleep", int64(1))
	none := []any{}
	for _, c := range []struct {
		tasks any
		want  []any // what is waited for
	}{
		{none, none}, {[]any{one}, []any{one}}, {none, []any{one}}, {[]any{two}, []any{two}}, {[]any{h.other}, none}, {nil, []any{one, two}}, {none, []any{one, two}},
	} {
		do("host.taskSetWait", h.open, c.tasks)
		if got := do("host.taskWait", h.open); !reflect.DeepEqual(got, []any{none, c.want}) {
			t.Errorf("after waiting for %v: %v, want %v", c.tasks, got, c.want)
		}
		if info := do("getTaskInfo", h.open).(map[string]any); info["waiting"] != true {
			t.Errorf("after waiting for %v: %v", c.tasks, info)
		}
	}
	if got := do("host.taskWaitResults", h.open, none); !reflect.DeepEqual(got, none) {
		t.Errorf("results of no tasks: %v", got)
	}
	if got := do("host.taskWait", h.open); !reflect.DeepEqual(got, []any{none, none}) {
		t.Errorf("after the results: %v", got)
	}
}
