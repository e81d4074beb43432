package conformance_test

import (
	"errors"
	"testing"

	"moromi/internal/fault"
	"moromi/internal/xmlrpc"
)

// TestOrderOfChecks makes calls in which several things are wrong: the fault tells which of them Koji looks at first (kojihub.kojihub).
func TestOrderOfChecks(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	r := newReplay(s, paramNames(t), readFixtures(t))
	for _, st := range readRecording(t, "testdata/recordings/90_populate.jsonl") {
		r.play(st)
	}
	callers := map[string]*client{"": {site: s}, "alice": s.open(t, "alice"), "kojiadmin": s.open(t, "kojiadmin"), "builder1": s.session(t, principal{user: "builder1", exclusive: true})}
	none := map[string]any{}
	for _, c := range []struct {
		user, method string
		params       []any
		code         fault.Code
	}{
		// what is refused before it is asked who calls
		{"", "assignTask", []any{"x", "y"}, fault.Parameter},
		{"", "assignTask", []any{int64(1), "nobody"}, fault.Generic},
		{"", "assignTask", []any{int64(1), "builder1"}, fault.ActionNotAllowed},
		{"alice", "disableUser", []any{"nobody"}, fault.Generic},
		{"alice", "enableUser", []any{"bob"}, fault.ActionNotAllowed},
		{"", "setInheritanceData", []any{none, nil}, fault.Parameter},
		{"", "setInheritanceData", []any{"nothing", nil}, fault.Generic},
		{"", "setInheritanceData", []any{"base", nil}, fault.ActionNotAllowed},
		{"", "buildImageOz", []any{int64(1), "1", nil, nil, "tree"}, fault.Parameter},
		{"", "distRepo", []any{"nothing", "key"}, fault.Parameter},
		{"", "distRepo", []any{"nothing", []any{"key"}}, fault.Generic},
		{"", "host.writeSignedRPM", []any{"nothing", "key"}, fault.Generic},
		{"", "host.writeSignedRPM", []any{"foo-1.0-1.noarch", "key"}, fault.Auth},
		{"", "cancelTask", []any{int64(1) << 40}, fault.ActionNotAllowed},
		{"kojiadmin", "cancelTask", []any{int64(1) << 40}, fault.Generic},
		// which argument is looked at first
		{"kojiadmin", "untagBuild", []any{none, none}, fault.Parameter},
		{"kojiadmin", "tagBuildBypass", []any{"nothing", none}, fault.Generic},
		{"kojiadmin", "changeBuildVolume", []any{none, none}, fault.Parameter},
		{"kojiadmin", "changeBuildVolume", []any{none, "nothing"}, fault.Generic},
		{"kojiadmin", "addExternalRPM", []any{"x", "y"}, fault.Generic},
		{"kojiadmin", "getFullInheritance", []any{none, none}, fault.Parameter},
		{"kojiadmin", "getRPMFile", []any{nil, nil}, fault.Generic},
		{"kojiadmin", "search", []any{int64(5), int64(5), nil}, fault.Generic},
		{"kojiadmin", "getVolume", []any{nil}, fault.Parameter},
		{"kojiadmin", "getAverageBuildDuration", []any{nil}, fault.Parameter},
		{"kojiadmin", "getBuildrootListing", []any{nil}, fault.Generic},
		{"kojiadmin", "repo.request", []any{none}, fault.Parameter},
		{"kojiadmin", "getLatestMavenArchives", []any{int64(99999)}, fault.Generic},
		// a host's task, or its buildroot, comes before what is said about it
		{"builder1", "host.closeTask", []any{int64(1) << 30, int64(5)}, fault.Generic},
		{"builder1", "host.failTask", []any{int64(1), int64(5)}, fault.ActionNotAllowed},
		{"builder1", "host.setTaskWeight", []any{int64(1), "heavy"}, fault.ActionNotAllowed},
		{"builder1", "host.completeBuild", []any{int64(1), "x", "x", "x"}, fault.ActionNotAllowed},
		{"builder1", "host.failBuild", []any{int64(1), "x"}, fault.ActionNotAllowed},
		{"builder1", "host.moveBuildToScratch", []any{int64(1), int64(5), int64(5)}, fault.ActionNotAllowed},
		{"builder1", "host.setBuildRootList", []any{int64(1) << 30, int64(5)}, fault.Generic},
		{"builder1", "host.updateBuildRootList", []any{int64(1) << 30, int64(5)}, fault.Generic},
	} {
		_, err := callers[c.user].call(c.method, c.params)
		var f *xmlrpc.Fault
		if !errors.As(err, &f) || f.Code != int(c.code) {
			t.Errorf("%s%v as %q: got %v, want fault %d", c.method, c.params, c.user, err, c.code)
		}
	}
	// what is looked up by none is not there, and a deleted tag keeps its repositories
	for _, c := range []struct {
		method string
		params []any
	}{
		{"getPackageID", []any{nil}}, {"getExternalRepo", []any{nil}}, {"getArchive", []any{nil}}, {"getMavenArchive", []any{nil}}, {"getArchiveFile", []any{nil, "x"}},
		{"getBuildNotification", []any{nil}}, {"getBuildNotificationBlock", []any{nil}},
	} {
		if got, err := callers[""].call(c.method, c.params); got != nil || err != nil {
			t.Errorf("%s%v: got %v, %v, want none", c.method, c.params, got, err)
		}
	}
	admin := callers["kojiadmin"]
	for _, call := range []string{"createTag", "deleteTag"} {
		if _, err := admin.call(call, []any{"passing"}); err != nil {
			t.Fatal(err)
		}
	}
	for _, method := range []string{"getRepo", "repo.get"} {
		if got, err := admin.call(method, []any{"passing"}); got != nil || err != nil {
			t.Errorf("%s of a deleted tag: got %v, %v, want none", method, got, err)
		}
	}
}
