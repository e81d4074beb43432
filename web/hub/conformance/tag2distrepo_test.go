package conformance_test

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"moromi/internal/xmlrpc"
)

// TestTagToDistRepo tags and untags builds in tags that want dist repositories of that, and in one that does not.
func TestTagToDistRepo(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	c := s.open(t, "kojiadmin")
	call := func(method string, params ...any) any {
		t.Helper()
		v, err := c.call(method, params)
		if err != nil {
			t.Fatalf("%s%v: %v", method, params, err)
		}
		return v
	}
	const rpm = "foo-1.0-1.src.rpm"
	data, err := os.ReadFile(filepath.Join("testdata/fixtures/signed", rpm))
	s.check(err)
	if _, err := c.post(url.Values{"filename": {rpm}, "filepath": {"in"}, "offset": {"0"}, "overwrite": {"1"}}.Encode(), "application/octet-stream", data); err != nil {
		t.Fatal(err)
	}
	call("importRPM", "in", rpm)
	key := ""
	for _, r := range call("queryRPMSigs").([]any) {
		key = r.(map[string]any)["sigkey"].(string)
	}
	if key == "" {
		t.Fatal("the rpm has no signature")
	}
	addTag := func(name, arches string, extra map[string]any) {
		call("createTag", name, xmlrpc.Kwargs{"arches": arches, "extra": extra})
		call("packageListAdd", name, "foo", "kojiadmin")
	}
	addTag("plain", "x86_64", map[string]any{"tag2distrepo.enabled": false})
	addTag("unsigned", "x86_64 aarch64", map[string]any{"tag2distrepo.enabled": true, "tag2distrepo.latest": true})
	addTag("signed", "x86_64", map[string]any{"tag2distrepo.enabled": true, "tag2distrepo.keys": key + " 00000000", "tag2distrepo.inherit": true})
	addTag("archless", "", map[string]any{"tag2distrepo.enabled": true})
	made := func(want ...string) {
		t.Helper()
		tasks := call("listTasks", map[string]any{"method": "distRepo", "decode": true}, map[string]any{"order": "id"}).([]any)
		var got []string
		for _, v := range tasks {
			r := v.(map[string]any)["request"].([]any)
			o := r[3].(map[string]any)
			got = append(got, fmt.Sprint(r[0], r[2], o["arch"], o["latest"], o["inherit"], o["allow_missing_signatures"]))
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("dist repositories: %q, want %q", got, want)
		}
	}
	const none, withKeys = "unsigned[] [x86_64 aarch64] true false true", "signed[%s 00000000] [x86_64] false true false"
	of := fmt.Sprintf(withKeys, key)
	call("tagBuildBypass", "plain", "foo-1.0-1")
	call("tagBuildBypass", "archless", "foo-1.0-1")
	made()
	call("tagBuildBypass", "unsigned", "foo-1.0-1")
	made(none)
	signedCopy := filepath.Join(s.top, "packages/foo/1.0/1/data/signed", key, "src", rpm)
	if _, err := os.Stat(signedCopy); err == nil {
		t.Error("a signed copy is there before anybody wants it")
	}
	call("tagBuildBypass", "signed", "foo-1.0-1")
	made(none, of)
	if _, err := os.Stat(signedCopy); err != nil {
		t.Errorf("the signed copy: %v", err)
	}
	call("untagBuild", "signed", "foo-1.0-1")
	made(none, of, of)
	if _, err := c.call("untagBuild", []any{"signed", "foo-1.0-1"}); err == nil {
		t.Error("a build is untagged twice")
	}
	made(none, of, of)
}
