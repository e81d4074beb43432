package conformance_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"moromi/internal/fault"
	"moromi/internal/xmlrpc"
)

type row = map[string]any

// TestTasksOfOtherBuilds makes the tasks of Maven, Windows and image builds: who may, what they are asked for, in which channel they wait.
func TestTasksOfOtherBuilds(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	admin := s.open(t, "kojiadmin")
	do := func(method string, params ...any) any {
		t.Helper()
		got, err := admin.call(method, params)
		if err != nil {
			t.Fatal(method, err)
		}
		return got
	}
	do("createTag", "dest")
	do("createTag", "b")
	do("createBuildTarget", "tg", "b", "dest")
	do("createEmptyBuild", "p", "1", "1", nil)
	do("addChannel", "other")
	target := do("getBuildTarget", "tg")
	for _, c := range []struct {
		name, user, method string
		params             []any
		want               row        // of the task, by getTaskInfo
		code               fault.Code // of the refusal, where there is no task
	}{
		{"maven", "alice", "mavenBuild", []any{"git://x", "tg"}, row{"method": "maven", "request": []any{"git://x", "tg", row{}}, "channel": "maven", "priority": int64(20), "arch": "noarch"}, 0},
		{"less urgent", "alice", "mavenBuild", []any{"git://x", "tg", nil, int64(5)}, row{"priority": int64(25)}, 0},
		{"more urgent", "alice", "mavenBuild", []any{"git://x", "tg", nil, int64(-5)}, nil, fault.ActionNotAllowed},
		{"more urgent by an admin", "kojiadmin", "mavenBuild", []any{"git://x", "tg", nil, int64(-5)}, row{"priority": int64(15)}, 0},
		{"no address", "alice", "mavenBuild", []any{nil, "tg"}, nil, fault.Parameter},
		{"in another channel", "alice", "mavenBuild", []any{"git://x", "tg", xmlrpc.Kwargs{"channel": "other"}}, row{"channel": "other"}, 0},
		{"in a channel that is not there", "alice", "mavenBuild", []any{"git://x", "tg", xmlrpc.Kwargs{"channel": "nosuch"}}, nil, fault.Generic},
		{"chain", "alice", "chainMaven", []any{row{"a": row{"scmurl": "git://x"}}, "tg"}, row{"method": "chainmaven", "request": []any{row{"a": row{"scmurl": "git://x"}}, "tg", nil}, "channel": "maven"}, 0},
		{"chain without builds", "alice", "chainMaven", []any{nil, "tg"}, nil, fault.Parameter},
		{"wrapper", "alice", "wrapperRPM", []any{"p-1-1", "git://x", "tg", xmlrpc.Kwargs{"opts": row{"repo_id": int64(7), "scratch": true}}}, row{"method": "wrapperRPM", "channel": "maven"}, 0},
		{"wrapper of no build", "alice", "wrapperRPM", []any{"q-1-1", "git://x", "tg"}, nil, fault.Generic},
		{"wrapper without channel", "alice", "wrapperRPM", []any{"p-1-1", "git://x", "tg", nil, nil}, nil, fault.Parameter},
		{"windows", "alice", "winBuild", []any{"vm", "git://x", "tg"}, nil, fault.ActionNotAllowed},
		{"windows by who may", "kojiadmin", "winBuild", []any{"vm", "git://x", "tg"}, row{"method": "winbuild", "request": []any{"vm", "git://x", "tg", row{}}, "channel": "vm"}, 0},
		{"windows for no target", "alice", "winBuild", []any{"vm", "git://x", "nosuch"}, nil, fault.Generic},
		{"live CD", "kojiadmin", "buildImage", []any{"i", "1", "x86_64", "tg", "ks", "livecd"}, row{"method": "livecd", "arch": "x86_64", "request": []any{"i", "1", "x86_64", "tg", "ks", nil}, "channel": "livecd"}, 0},
		{"live media", "kojiadmin", "buildImage", []any{"i", "1", []any{"x86_64", "i386"}, "tg", "ks", "livemedia"}, row{"method": "livemedia", "arch": "noarch", "channel": "livemedia"}, 0},
		{"appliance without arch", "kojiadmin", "buildImage", []any{"i", "1", nil, "tg", "ks", "appliance"}, nil, fault.Parameter},
		{"disk", "kojiadmin", "buildImageOz", []any{"i", "1", []any{"x86_64"}, "tg", "http://t", row{"ksurl": "git://k"}}, row{"method": "image", "request": []any{"i", "1", []any{"x86_64"}, "tg", "http://t", row{"ksurl": "git://k"}}, "channel": "image"}, 0},
		{"disk without tree", "kojiadmin", "buildImageOz", []any{"i", "1", []any{"x86_64"}, "tg", nil}, nil, fault.Parameter},
		{"template", "kojiadmin", "buildImageIndirection", []any{row{"indirection_template_url": "git://t", "arch": "x86_64"}}, row{"method": "indirectionimage", "arch": "x86_64", "channel": "image"}, 0},
		{"template of a scratch image", "kojiadmin", "buildImageIndirection", []any{row{"scratch": true}}, row{"arch": "noarch"}, 0},
		{"no template", "kojiadmin", "buildImageIndirection", nil, nil, fault.ActionNotAllowed},
	} {
		t.Run(c.name, func(t *testing.T) {
			id, err := s.open(t, c.user).call(c.method, c.params)
			if c.code != 0 {
				var f *xmlrpc.Fault
				if !errors.As(err, &f) || f.Code != int(c.code) {
					t.Fatalf("%v, %v; want fault %d", id, err, c.code)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			task := do("getTaskInfo", id, true).(row)
			task["channel"] = do("getChannel", task["channel_id"]).(row)["name"]
			got := row{}
			for k := range c.want {
				got[k] = task[k]
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
			if c.method == "wrapperRPM" {
				request := task["request"].([]any)
				request[2] = request[2].(row)["nvr"]
				if d := cmp.Diff([]any{"git://x", target, "p-1-1", nil, row{"scratch": true}}, request); d != "" {
					t.Error(d)
				}
			}
		})
	}
}
