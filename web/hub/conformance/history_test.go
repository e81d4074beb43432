package conformance_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"moromi/internal/fault"
	"moromi/internal/xmlrpc"
)

// TestQueryHistory asks for histories by filters that go together and ones that do not (kojihub.query_history): a filter leaves out the tables
// that have nothing to do with it.
func TestQueryHistory(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	r := newReplay(s, paramNames(t), readFixtures(t))
	for _, st := range readRecording(t, "testdata/recordings/90_populate.jsonl") {
		r.play(st)
	}
	admin := s.open(t, "kojiadmin")
	for _, call := range [][]any{
		{"newGroup", "writers"}, {"addGroupMember", "writers", "alice"}, {"createTag", "root", xmlrpc.Kwargs{"arches": "x86_64"}}, {"createTag", "out"}, {"createBuildTarget", "way", "root", "out"},
		{"groupListAdd", "out", "a"}, {"groupListAdd", "out", "b"}, {"groupReqListAdd", "out", "a", "b"}, {"groupPackageListAdd", "out", "a", "foo"},
		{"editTag2", "out", xmlrpc.Kwargs{"extra": map[string]any{"k": "v"}}}, {"editTag2", "out", xmlrpc.Kwargs{"remove_extra": []any{"k"}}},
	} {
		if _, err := admin.call(call[0].(string), call[1:]); err != nil {
			t.Fatalf("%v: %v", call, err)
		}
	}
	last, err := admin.call("getLastEvent", nil)
	if err != nil {
		t.Fatal(err)
	}
	now := last.(map[string]any)["id"].(int64)
	type named = map[string]any
	for _, c := range []struct {
		ask    named
		tables string // "table:rows", the tables without rows left out; "-" there is none at all
		code   fault.Code
	}{
		{named{"user": "alice", "tables": []any{"user_groups"}}, "", 0}, // Koji's filter is the group
		{named{"user": "writers", "tables": []any{"user_groups"}}, "user_groups:1", 0},
		{named{"tag": "root", "tables": []any{"build_target_config", "tag_config"}}, "tag_config:1", 0}, // … the destination
		{named{"tag": "out", "tables": []any{"build_target_config", "tag_config"}}, "build_target_config:1 tag_config:1", 0},
		{named{"group": "a", "tag": "out"}, "group_config:1 group_package_listing:1", 0}, // … and the group that is required
		{named{"group": "b", "tag": "out"}, "group_config:1 group_req_listing:1", 0},
		{named{"group": "a", "user": "alice"}, "-", 0}, // no table has both
		{named{"xkey": "k"}, "tag_extra:1", 0},
		{named{"xkey": "k", "active": true}, "", 0},
		{named{"xkey": "k", "active": false}, "tag_extra:1", 0},
		{named{"xkey": "k", "active": nil}, "tag_extra:1", 0},
		{named{"xkey": "k", "editor": "kojiadmin"}, "tag_extra:1", 0},
		{named{"xkey": "k", "editor": "bob"}, "", 0},
		{named{"xkey": "k", "beforeEvent": now}, "tag_extra:1", 0},
		{named{"xkey": "k", "afterEvent": now}, "", 0},
		{named{"xkey": "k", "afterEvent": now - 1}, "tag_extra:1", 0},
		{named{"xkey": "k", "afterEvent": "1", "after": int64(0), "before": "2100-01-01 00:00:00"}, "tag_extra:1", 0},
		{named{"xkey": "k", "before": 1.5}, "", 0},
		{named{"build_target": "way", "tag": "out", "editor": "kojiadmin", "active": true}, "build_target_config:1", 0},
		{named{"host": "nobody", "channel": "nosuch"}, "", 0}, // what is not there has no rows
		{named{"build": "foo-1.0-1", "tables": []any{"tag_config"}}, "-", 0},
		{named{"bogus": true, "tables": []any{"cg_users"}}, "cg_users:2", 0},
		{named{"tables": []any{}}, "-", 0},
		{named{"tables": []any{"tag_config", "nosuch"}}, "", fault.Generic},
		{named{"tables": "tag_config"}, "", fault.Generic}, // Python goes through its letters
		{named{"tag": "nosuch"}, "", fault.Generic},
		{named{"build": "nosuch-1-1"}, "", fault.Generic},
		{named{"package": "nosuch"}, "", fault.Generic},
		{named{"user": "nobody"}, "", fault.Generic},
		{named{"editor": "nobody"}, "", fault.Generic},
		{named{"permission": "nosuch"}, "", fault.Generic},
		{named{"cg": "nosuch"}, "", fault.Generic},
		{named{"external_repo": "nosuch"}, "", fault.Generic},
		{named{"build_target": "nosuch"}, "", fault.Generic},
		{named{"group": "nosuch"}, "", fault.Generic},
		{named{"after": "yesterday-ish"}, "", fault.Parameter},
		{named{"afterEvent": "x"}, "", fault.Parameter},
		{named{"queryOpts": named{"order": "tag_id"}}, "", fault.Generic}, // not every table has it
	} {
		v, err := admin.call("queryHistory", []any{xmlrpc.Kwargs(c.ask)})
		var f *xmlrpc.Fault
		if c.code != 0 {
			if !errors.As(err, &f) || f.Code != int(c.code) {
				t.Errorf("%v: got %v %v, want fault %d", c.ask, v, err, c.code)
			}
			continue
		}
		tables, ok := v.(map[string]any)
		if err != nil || !ok || (len(tables) == 0) != (c.tables == "-") {
			t.Errorf("%v: got %v %v, want %q", c.ask, v, err, c.tables)
			continue
		}
		var got []string
		for _, name := range slices.Sorted(maps.Keys(tables)) {
			if n := len(tables[name].([]any)); n > 0 {
				got = append(got, name+":"+string(rune('0'+n)))
			}
		}
		if text := strings.Join(got, " "); text != strings.TrimPrefix(c.tables, "-") {
			t.Errorf("%v: got %q, want %q", c.ask, text, c.tables)
		}
	}
}
