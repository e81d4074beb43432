package conformance_test

import (
	"strings"
	"testing"

	"moromi/internal/xmlrpc"
)

// TestExternalRPMsInBuildroot: builders say by id, as kojid does, which external repository an rpm came from, and the buildroot's list tells it with the
// payload's digest. Who writes a name is understood, too.
func TestExternalRPMsInBuildroot(t *testing.T) {
	t.Parallel()
	h := newHosts(t)
	admin, builder := h.callers["kojiadmin"], h.callers["builder1"]
	made, err := admin.call("createExternalRepo", []any{"fedora", "http://example.org/$arch/"})
	if err != nil {
		t.Fatal(err)
	}
	ext := made.(map[string]any)["id"]
	one := func(name string, location any) map[string]any {
		return map[string]any{"name": name, "version": "5", "release": "1", "epoch": nil, "arch": "x86_64", "payloadhash": strings.Repeat("ab", 16), "size": int64(7),
			"buildtime": int64(1700000000), "location": location, "external_repo": made}
	}
	if _, err := builder.call("host.setBuildRootList", []any{h.root, []any{one("bash", int64(77))}, xmlrpc.Kwargs{"task_id": h.open}}); err == nil ||
		!strings.Contains(err.Error(), "No such entry in table external_repo: 77") {
		t.Errorf("an external repository that is not there: %v", err)
	}
	if _, err := builder.call("host.setBuildRootList", []any{h.root, []any{one("bash", ext), one("glibc", "fedora")}, xmlrpc.Kwargs{"task_id": h.open}}); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.call("addExternalRPM", []any{one("bash", nil), ext, false}); err != nil {
		t.Errorf("one that is known: %v", err)
	}
	list, err := admin.call("listRPMs", []any{xmlrpc.Kwargs{"componentBuildrootID": h.root}})
	if err != nil {
		t.Fatal(err)
	}
	rows := list.([]any)
	if len(rows) != 2 {
		t.Fatalf("%d rpms are listed: %v", len(rows), rows)
	}
	for _, v := range rows {
		r := v.(map[string]any)
		if r["external_repo_id"] != ext || r["external_repo_name"] != "fedora" || r["payloadhash"] != strings.Repeat("ab", 16) || r["build_id"] != nil {
			t.Errorf("listed as %v", r)
		}
	}
}
