package main

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"moromi/internal/hubclient"
)

// get asks for an address below the daemon's with headers, name and value in turn.
func (d *daemon) get(address string, headers ...string) (*http.Response, string) {
	d.t.Helper()
	req, err := http.NewRequestWithContext(d.t.Context(), http.MethodGet, d.url+address, nil)
	if err != nil {
		d.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := d.http.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	return resp, string(body)
}

// TestRepositoriesOverHTTP reads the latest repository, a numbered one, whose files may be written yet or not, and that of an event, which has none.
func TestRepositoriesOverHTTP(t *testing.T) {
	t.Parallel()
	d := up(t, t.TempDir())
	admin := d.admin()
	call := func(method string, args ...any) any {
		t.Helper()
		answer, err := admin.Call(t.Context(), method, args...)
		if err != nil {
			t.Fatalf("%s: %v", method, err)
		}
		return answer
	}
	call("createTag", "dist", nil, "x86_64")
	call("createBuildTarget", "dist", "dist", "dist")
	request := hubclient.Struct(hubclient.Struct(call("repo.request", "dist"))["request"])
	var repo map[string]any
	for repo == nil { // each question waits for the answer of the one before
		checked := hubclient.Struct(call("repo.checkRequest", request["id"]))
		repo, _ = checked["repo"].(map[string]any)
	}
	id, event := hubclient.Int(repo["id"]), hubclient.Int(repo["create_event"])
	href := regexp.MustCompile(`href="repodata/([^"]+-primary\.xml\.gz)"`)
	for name, base := range map[string]string{
		"numbered": fmt.Sprintf("/kojifiles/repos/dist/%d/x86_64/", id), "latest": "/kojifiles/repos/dist/latest/x86_64/", "as of its event": fmt.Sprintf("/repos/dist/at/%d/x86_64/", event),
	} {
		resp, index := d.get(base + "repodata/repomd.xml")
		primary := href.FindStringSubmatch(index)
		if resp.StatusCode != http.StatusOK || primary == nil {
			t.Errorf("%s: repomd.xml: %s\n%s", name, resp.Status, index)
			continue
		}
		resp, whole := d.get(base + "repodata/" + primary[1])
		etag := resp.Header.Get("ETag")
		if resp.StatusCode != http.StatusOK || len(whole) < 20 || etag == "" {
			t.Errorf("%s: %s: %s, ETag %s, %d bytes", name, primary[1], resp.Status, etag, len(whole))
			continue
		}
		if resp, part := d.get(base+"repodata/"+primary[1], "Range", "bytes=5-14"); resp.StatusCode != http.StatusPartialContent || part != whole[5:15] {
			t.Errorf("%s: a range: %s, %q", name, resp.Status, part)
		}
		if resp, _ := d.get(base+"repodata/"+primary[1], "If-None-Match", etag); resp.StatusCode != http.StatusNotModified {
			t.Errorf("%s: the same again: %s", name, resp.Status)
		}
		immutable := strings.Contains(resp.Header.Get("Cache-Control"), "immutable")
		if immutable != (name == "numbered") {
			t.Errorf("%s: Cache-Control %s", name, resp.Header.Get("Cache-Control"))
		}
		for _, missing := range []string{"repodata/primary.xml.gz", "repodata/../repodata/repomd.xml", "nothing"} {
			if resp, _ := d.get(base + missing); resp.StatusCode != http.StatusNotFound {
				t.Errorf("%s: %s: %s", name, missing, resp.Status)
			}
		}
	}
	for _, missing := range []string{"/repos/dist/at/1/x86_64/repodata/repomd.xml", "/repos/dist/at/x/x86_64/repodata/repomd.xml", "/repos/nothing/at/9/x86_64/repodata/repomd.xml",
		"/repos/dist/at/99/x86_64/toplink/../../etc/passwd", "/kojifiles/repos/dist/999/x86_64/repodata/repomd.xml", "/kojifiles/repos/other/latest/x86_64/repodata/repomd.xml"} {
		if resp, _ := d.get(missing); resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", missing, resp.Status)
		}
	}
}
