package conformance_test

import (
	"errors"
	"testing"

	"moromi/internal/fault"
	"moromi/internal/xmlrpc"
)

// TestConversions calls with values of the wrong type where Koji converts or checks them itself (kojihub.convert_value), and tells what it does
// before and after.
func TestConversions(t *testing.T) {
	t.Parallel()
	h := newHosts(t)
	none := map[string]any{}
	kw := func(name string, v any) xmlrpc.Kwargs { return xmlrpc.Kwargs{name: v} }
	for _, c := range []struct {
		user, method string
		params       []any
		code         fault.Code // 0: it answers
	}{
		{"", "getEvent", []any{"x"}, fault.Parameter},
		{"", "getEvent", []any{nil}, fault.Parameter},
		{"", "getEvent", []any{"1"}, 0},
		{"", "getEvent", []any{1.5}, 0},
		{"", "getEvent", []any{int64(1), nil}, fault.Parameter},
		{"", "getEvent", []any{int64(0), ""}, 0},
		{"", "getLastEvent", []any{kw("strict", nil)}, fault.Parameter},
		{"", "getLastEvent", []any{"1", nil}, fault.Parameter},
		{"", "getLastEvent", []any{"1"}, fault.Generic},
		{"", "scheduler.doRun", []any{nil}, fault.Parameter},
		{"", "scheduler.doRun", []any{"x"}, fault.ActionNotAllowed},
		{"kojiadmin", "scheduler.doRun", []any{"x"}, 0},
		{"", "assignTask", []any{nil, "builder1"}, fault.Parameter},
		{"", "assignTask", []any{h.open, "nobody", nil}, fault.Generic},
		{"", "assignTask", []any{h.open, "builder1", nil}, fault.Parameter},
		{"", "assignTask", []any{h.open, "builder1", false, nil}, fault.Parameter},
		{"", "assignTask", []any{h.open, "builder1", false, false}, fault.ActionNotAllowed},
		{"", "tagLastChangeEvent", []any{"nosuch", "x"}, fault.Generic},
		{"", "tagLastChangeEvent", []any{"root", "x"}, fault.Parameter},
		{"", "tagLastChangeEvent", []any{"root", "1000"}, 0},
		{"", "tagFirstChangeEvent", []any{"nosuch", "x"}, fault.Generic},
		{"", "tagFirstChangeEvent", []any{"root", none}, fault.Parameter},
		{"", "tagFirstChangeEvent", []any{"root", nil}, 0},
		{"", "getTaskInfo", []any{"x"}, fault.Parameter},
		{"", "getTaskInfo", []any{nil}, fault.Parameter},
		{"", "taskFinished", []any{none}, fault.Parameter},
		{"kojiadmin", "setTaskPriority", []any{h.open, "x"}, fault.Parameter},
		{"kojiadmin", "setTaskPriority", []any{h.open, "5"}, 0},
		{"builder1", "host.setTaskWeight", []any{h.open, "x"}, fault.Parameter},
		{"builder1", "host.setTaskWeight", []any{h.open, "1.5"}, 0},
		{"kojiadmin", "makeTask", []any{int64(5), []any{}}, fault.Parameter},
		{"kojiadmin", "makeTask", []any{"sleep", []any{int64(1)}, kw("priority", "x")}, fault.Parameter},
		{"kojiadmin", "makeTask", []any{"sleep", []any{int64(1)}, kw("parent", "x")}, fault.Parameter},
		{"kojiadmin", "makeTask", []any{"sleep", []any{int64(1)}, xmlrpc.Kwargs{"parent": h.open, "label": int64(5)}}, fault.Parameter},
		{"alice", "editChannel", []any{"nosuch", kw("description", int64(5))}, fault.ActionNotAllowed},
		{"kojiadmin", "editChannel", []any{"nosuch", kw("description", int64(5))}, fault.Generic},
		{"kojiadmin", "editChannel", []any{"default", kw("description", int64(5))}, fault.Parameter},
		{"kojiadmin", "editChannel", []any{"default", kw("comment", none)}, fault.Parameter},
		{"kojiadmin", "editChannel", []any{"default", xmlrpc.Kwargs{"name": "a b", "comment": none}}, fault.Generic},
		{"kojiadmin", "enableChannel", []any{"nosuch", int64(5)}, fault.Parameter},
		{"kojiadmin", "enableChannel", []any{"nosuch"}, fault.Generic},
		{"alice", "disableChannel", []any{"nosuch", int64(5)}, fault.ActionNotAllowed},
		{"kojiadmin", "repoExpire", []any{"x"}, fault.Parameter},
		{"kojiadmin", "repoDelete", []any{nil}, fault.Parameter},
		{"alice", "repoDelete", []any{nil}, fault.ActionNotAllowed},
		{"", "repoInfo", []any{"x"}, fault.Parameter},
		{"", "repoInfo", []any{nil}, 0},
		{"", "getLastHostUpdate", []any{nil}, 0},
		{"", "getLastHostUpdate", []any{"1"}, 0},
		{"", "getLastHostUpdate", []any{"x"}, fault.Parameter},
		{"", "getBuildroot", []any{nil}, fault.Parameter},
		{"", "getBuildroot", []any{"x"}, fault.Parameter},
		{"", "getBuildroot", []any{"1000"}, 0},
		{"", "getTag", []any{kw("id", "x")}, fault.Parameter}, // no such parameter
		{"", "getTag", []any{map[string]any{"id": "x"}}, fault.Parameter},
		{"", "getNextRelease", []any{map[string]any{"name": "a", "version": "1"}, "x"}, fault.Parameter},
		{"kojiadmin", "addArchiveType", []any{"a", int64(5), "x"}, fault.Parameter},
		{"kojiadmin", "addArchiveType", []any{"a", "x", int64(5)}, fault.Parameter},
		{"kojiadmin", "addArchiveType", []any{"a", "x", "x", int64(5)}, fault.Parameter},
		{"", "getArchiveType", []any{int64(5)}, fault.Parameter},
		{"alice", "build", []any{int64(5), "way"}, fault.Parameter},
		{"alice", "mavenBuild", []any{nil, "way"}, fault.Parameter},
		{"alice", "chainMaven", []any{[]any{}, "way"}, fault.Parameter},
		{"kojiadmin", "grantPermission", []any{"alice", "new", true, int64(5)}, fault.Parameter},
		{"kojiadmin", "editPermission", []any{"repo", int64(5)}, fault.Parameter},
		{"kojiadmin", "editHost", []any{"builder1", kw("comment", int64(5))}, fault.Parameter},
		{"kojiadmin", "editTag2", []any{"out", kw("remove_extra", "x")}, fault.Parameter},
		{"kojiadmin", "editTag2", []any{"out", kw("block_extra", "x")}, fault.Parameter},
		{"", "downloadTaskOutput", []any{h.open, "x.log", int64(0), "x"}, fault.Parameter},
		{"kojiadmin", "createExternalRepo", []any{"more", "http://more.example.com/"}, 0},
		{"kojiadmin", "addExternalRepoToTag", []any{"out", "more", "x"}, fault.Parameter},
		{"kojiadmin", "addExternalRepoToTag", []any{"out", "more", nil}, fault.Parameter},
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
