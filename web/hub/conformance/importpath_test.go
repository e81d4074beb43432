package conformance_test

import (
	"errors"
	"net/url"
	"path/filepath"
	"testing"

	"moromi/internal/fault"
	"moromi/internal/xmlrpc"
)

// Koji has builders name an archive by its whole path on the hub: files below the work directory may be named so, others not at all.
func TestHostImportArchivePath(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	admin, builder := s.open(t, "kojiadmin"), s.open(t, "builder1")
	for _, x := range []struct {
		method string
		params []any
	}{
		{"addHost", []any{"builder1", []any{"x86_64"}}},
		{"createEmptyBuild", []any{"foo", "1", "1", nil}},
		{"createMavenBuild", []any{"foo-1-1", map[string]any{"group_id": "g", "artifact_id": "foo", "version": "1"}}},
	} {
		_, err := admin.call(x.method, x.params)
		s.check(err)
	}
	_, err := builder.call("exclusiveSession", []any{xmlrpc.Kwargs{"force": true}})
	s.check(err)
	_, err = admin.post(url.Values{"filename": {"foo-1.jar"}, "filepath": {"in"}, "offset": {"0"}, "overwrite": {"1"}}.Encode(), "application/octet-stream", []byte("a jar"))
	s.check(err)
	for _, tt := range []struct {
		path string
		ok   bool
	}{
		{"/etc/hostname", false},
		{filepath.Join(s.top, "packages", "foo-1.jar"), false},
		{filepath.Join(s.top, "work") + "/../packages/foo-1.jar", false},
		{filepath.Join(s.top, "works/in/foo-1.jar"), false},
		{filepath.Join(s.top, "work/in/foo-1.jar"), true},
	} {
		info := map[string]any{"group_id": "g", "artifact_id": "foo", "version": "1"}
		_, err := builder.call("host.importArchive", []any{tt.path, "foo-1-1", "maven", info})
		var f *xmlrpc.Fault
		if tt.ok && err != nil || !tt.ok && (!errors.As(err, &f) || f.Code != int(fault.Generic)) {
			t.Errorf("%s: %v", tt.path, err)
		}
	}
	list, err := admin.call("listArchives", []any{int64(1)})
	if err != nil || len(list.([]any)) != 1 {
		t.Errorf("archives are %v, %v", list, err)
	}
}
