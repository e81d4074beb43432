package hub_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func (s *site) get(path string, header ...string) (*http.Response, string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.url+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp, string(b)
}

func TestFiles(t *testing.T) {
	t.Parallel()
	s := setup(t)
	for name, text := range map[string]string{
		"packages/foo/1/1/x86_64/foo.rpm":               "0123456789",
		"packages/foo/1/1/data/logs/x86_64/build.log":   "log",
		"packages/foo/1/1/metadata.json":                "{}",
		"vol/far/packages/foo/2/1/src/foo.src.rpm":      "far",
		"repos/f43-build/12/x86_64/repodata/repomd.xml": "<repomd/>",
		"work/cli/evil.html":                            "<script>alert(1)</script>",
		"work/cli/.user":                                "2",
		"work/cli/sub dir/a&b#c?.txt":                   "odd",
		"work/.hidden/file":                             "x",
	} {
		p := filepath.Join(s.top, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{"repos/f43-build/latest": "12", "repos/f43-build/12/x86_64/toplink": "../../../..", "work/escape": "/etc", "work/up": "../../..", "packages/foo/2": "../../vol/far/packages/foo/2"} {
		if err := os.Symlink(target, filepath.Join(s.top, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		path   string
		status int
		body   string
		cache  string
		ctype  string
	}{
		{"/packages/foo/1/1/x86_64/foo.rpm", 200, "0123456789", "public, max-age=31536000, immutable", "application/x-rpm"},
		{"/packages/foo/1/1/data/logs/x86_64/build.log", 200, "log", "public, max-age=300", "text/plain; charset=utf-8"},
		{"/packages/foo/1/1/data/logs/./x86_64/build.log", 200, "log", "public, max-age=300", "text/plain; charset=utf-8"},
		{"/packages/foo/1/1/metadata.json", 200, "{}", "public, max-age=300", "application/json"},
		{"/vol/far/packages/foo/2/1/src/foo.src.rpm", 200, "far", "public, max-age=31536000, immutable", "application/x-rpm"},
		{"/packages/foo/2/1/src/foo.src.rpm", 200, "far", "public, max-age=31536000, immutable", "application/x-rpm"},
		{"/repos/f43-build/12/x86_64/repodata/repomd.xml", 200, "<repomd/>", "public, max-age=31536000, immutable", "text/xml; charset=utf-8"},
		{"/repos/f43-build/latest/x86_64/repodata/repomd.xml", 200, "<repomd/>", "no-cache", "text/xml; charset=utf-8"},
		{"/repos/f43-build/12/x86_64/toplink/packages/foo/1/1/x86_64/foo.rpm", 200, "0123456789", "public, max-age=31536000, immutable", "application/x-rpm"},
		{"/work/cli/evil.html", 200, "<script>alert(1)</script>", "no-cache", "application/octet-stream"},
		{"/work/cli/sub%20dir/a&b%23c%3F.txt", 200, "odd", "no-cache", "text/plain; charset=utf-8"},
		{"/work/cli/.user", 404, "", "", ""}, {"/work/.hidden/file", 404, "", "", ""}, {"/work/.hidden/", 404, "", "", ""}, {"/nosuch", 404, "", "", ""},
		{"/work/escape/passwd", 404, "", "", ""}, {"/work/up/", 404, "", "", ""}, {"/work/escape/", 404, "", "", ""},
		{"/work/cli/evil.html/", 404, "", "", ""}, {"/work/%2e%2e/packages/foo/1/1/metadata.json", 404, "", "", ""}, {"/work/..%2fpackages/", 404, "", "", ""}, {"/work//cli/evil.html", 404, "", "", ""}, {"/work/a%00b", 404, "", "", ""},
		{"/work/cli", 301, "", "", ""},
	} {
		resp, body := s.get("/kojifiles" + c.path)
		if resp.StatusCode != c.status || c.status == 200 && body != c.body {
			t.Errorf("%s: %d %q", c.path, resp.StatusCode, body)
			continue
		}
		if c.status == 200 && (resp.Header.Get("Cache-Control") != c.cache || resp.Header.Get("Content-Type") != c.ctype || resp.Header.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(resp.Header.Get("Content-Security-Policy"), "sandbox")) {
			t.Errorf("%s: %v", c.path, resp.Header)
		}
		if c.status == 301 && resp.Header.Get("Location") != "cli/" {
			t.Errorf("%s leads to %s", c.path, resp.Header.Get("Location"))
		}
	}
	resp, body := s.get("/kojifiles/packages/foo/1/1/x86_64/foo.rpm", "Range", "bytes=2-4")
	if resp.StatusCode != http.StatusPartialContent || body != "234" {
		t.Errorf("range: %d %q", resp.StatusCode, body)
	}
	etag := resp.Header.Get("ETag")
	if resp, _ := s.get("/kojifiles/packages/foo/1/1/x86_64/foo.rpm", "If-None-Match", etag); etag == "" || resp.StatusCode != http.StatusNotModified {
		t.Errorf("with the etag %s: %d", etag, resp.StatusCode)
	}
	resp, err := http.Head(s.url + "/kojifiles/packages/foo/1/1/x86_64/foo.rpm")
	if err != nil || resp.StatusCode != 200 || resp.ContentLength != 10 {
		t.Errorf("head: %v, %v", resp, err)
	}
	resp, err = http.Post(s.url+"/kojifiles/work/", "text/plain", nil)
	if err != nil || resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("post: %v, %v", resp, err)
	}
}

func TestListing(t *testing.T) {
	t.Parallel()
	s := setup(t)
	dir := filepath.Join(s.top, "work/cli")
	if err := os.MkdirAll(filepath.Join(dir, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{`"><script>alert(1)</script>`, "a b#c", ".user", "javascript:alert(1)"} {
		if err := os.WriteFile(filepath.Join(dir, strings.ReplaceAll(name, "/", "")), []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	resp, body := s.get("/kojifiles/work/cli/")
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
	for _, want := range []string{`href="./sub/"`, `href="./a%20b%23c"`, `href="../"`, "/work/cli", `href="./javascript:alert%281%29"`} {
		if !strings.Contains(body, want) {
			t.Errorf("%s is not in the listing:\n%s", want, body)
		}
	}
	for _, bad := range []string{"<script", ".user", `href="javascript`} {
		if strings.Contains(body, bad) {
			t.Errorf("%s is in the listing:\n%s", bad, body)
		}
	}
	for _, root := range []string{"/kojifiles/", "/kojifiles"} {
		resp, body := s.get(root)
		if root == "/kojifiles" {
			if resp.StatusCode != 301 || resp.Header.Get("Location") != "kojifiles/" {
				t.Errorf("%s: %d %v", root, resp.StatusCode, resp.Header)
			}
		} else if !strings.Contains(body, `href="./packages/"`) || strings.Contains(body, `href="../"`) {
			t.Errorf("%s:\n%s", root, body)
		}
	}
}
