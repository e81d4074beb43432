package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func git(t *testing.T, args ...string) {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-c", "user.name=Test", "-c", "user.email=test@example.com"}, args...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git %v: %v: %s", args, err, out)
	}
}

func TestServe(t *testing.T) {
	t.Parallel()
	root, work := t.TempDir(), t.TempDir()
	repository := filepath.Join(root, "rpms", "thing.git")
	git(t, "init", "-q", "--bare", "-b", "main", repository)
	git(t, "init", "-q", "-b", "main", work)
	if err := os.WriteFile(filepath.Join(work, "thing.spec"), []byte("Name: thing\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	git(t, "-C", work, "add", ".")
	git(t, "-C", work, "commit", "-q", "-m", "First")
	git(t, "-C", work, "push", "-q", repository, "main")
	if err := os.MkdirAll(filepath.Join(root, "lookaside", "thing"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "lookaside", "thing", "a.tar"), []byte("archive"), 0o600); err != nil {
		t.Fatal(err)
	}
	handler, err := newHandler(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	defer server.Close()

	clone := filepath.Join(t.TempDir(), "clone")
	git(t, "clone", "-q", server.URL+"/rpms/thing.git", clone)
	if text, err := os.ReadFile(filepath.Join(clone, "thing.spec")); err != nil || string(text) != "Name: thing\n" {
		t.Errorf("cloned file: %q, %v", text, err)
	}
	for path, want := range map[string]struct {
		status int
		body   string
	}{
		"/lookaside/thing/a.tar":            {http.StatusOK, "archive"},
		"/lookaside/thing/none":             {http.StatusNotFound, ""},
		"/lookaside/../rpms/thing.git/HEAD": {http.StatusNotFound, ""},
		"/rpms/other.git/HEAD":              {http.StatusNotFound, ""},
		"/":                                 {http.StatusNotFound, ""},
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.URL.Opaque = path // as it is, not cleaned by the client
		client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		answer, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if want.body != "" && string(body) != want.body {
			t.Errorf("%s: body %q, want %q", path, body, want.body)
		}
		redirected := answer.StatusCode >= 300 && answer.StatusCode < 400 // the mux cleans a path by redirecting
		if answer.StatusCode != want.status && !redirected {
			t.Errorf("%s: status %d, want %d", path, answer.StatusCode, want.status)
		}
	}
	push := exec.Command("git", "-C", clone, "push", "-q", "origin", "main:other")
	if err := push.Run(); err == nil {
		t.Error("a push was taken")
	}
}
