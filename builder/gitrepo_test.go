package builder_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// gitRepo makes a git repository with the given files and serves it over HTTP; it returns the builder's address of the commit.
func gitRepo(tb testing.TB, name string, files map[string]string) string {
	tb.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		tb.Skip("needs git")
	}
	top := tb.TempDir()
	dir := filepath.Join(top, name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		tb.Fatal(err)
	}
	for n, text := range files {
		if err := os.WriteFile(filepath.Join(dir, n), []byte(text), 0o644); err != nil {
			tb.Fatal(err)
		}
	}
	git := func(args ...string) string {
		cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=t", "-c", "user.email=t@example.com"}, args...)...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			tb.Fatalf("git %v: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	git("init", "-q", "-b", "main")
	git("add", ".")
	git("commit", "-q", "-m", "one")
	// The dumb protocol needs nothing but a file server.
	git("update-server-info")
	srv := httptest.NewServer(http.FileServer(http.Dir(top)))
	tb.Cleanup(srv.Close)
	return fmt.Sprintf("git+%s/%s/.git#%s", srv.URL, name, git("rev-parse", "HEAD"))
}
