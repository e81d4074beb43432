package hub

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"moromi/internal/storage"
	"moromi/repoprojector"
)

// numbered are repositories whose files say of which they are.
type numbered struct {
	blocks
	latest *int64
}

func (n numbered) Latest(context.Context, string) (int64, error) { return *n.latest, nil }

func (n numbered) OpenFile(_ context.Context, _ string, id int64, name string) (*repoprojector.File, error) {
	if id < 3 {
		return nil, fs.ErrNotExist
	}
	return &repoprojector.File{ReadSeeker: bytes.NewReader(fmt.Appendf(nil, "%d %s\n", id, filepath.Base(name)))}, nil
}

// TestSignatureAfterMove: who read repomd.xml behind "latest" gets its signature after "latest" became another, if it can be told from others, for a while.
func TestSignatureAfterMove(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	top, err := storage.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = top.Close() })
	var latest int64
	lead := func(id int64) {
		latest = id
		at := filepath.Join(dir, "repos-dist/t", fmt.Sprint(id), "x86_64/repodata")
		link := filepath.Join(dir, "repos-dist/t/latest")
		_ = os.Remove(link) // there is none at first
		for _, err := range []error{os.MkdirAll(at, 0o755), os.Symlink(fmt.Sprint(id), link),
			os.WriteFile(filepath.Join(at, "repomd.xml"), fmt.Appendf(nil, "%d repomd.xml\n", id), 0o644),
			os.WriteFile(filepath.Join(at, fmt.Sprintf("%d-primary.xml.gz", id)), []byte("primary"), 0o644),
			os.WriteFile(filepath.Join(at, "repomd.xml.asc"), fmt.Appendf(nil, "%d repomd.xml.asc\n", id), 0o644)} {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, tree := range []string{"repos", "repos-dist"} {
		now := time.Unix(1800000000, 0)
		f := &files{top: top, repos: numbered{latest: &latest}, key: []byte("key"), reads: newLatestReads(func() time.Time { return now }), log: slog.New(slog.DiscardHandler),
			remote: func(r *http.Request) string { return r.RemoteAddr }}
		get := func(who, address string) string {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/kojifiles/"+tree+"/t/"+address, nil)
			address, program, _ := strings.Cut(who, "/")
			r.RemoteAddr = address
			r.Header.Set("User-Agent", program)
			w := httptest.NewRecorder()
			f.ServeHTTP(w, r)
			return strings.ReplaceAll(strings.ReplaceAll(w.Body.String(), " repomd.xml", ""), "\n", " ")
		}
		index := func(who string) {
			t.Helper()
			if got := get(who, "latest/x86_64/repodata/repomd.xml"); got != fmt.Sprintf("%d ", latest) {
				t.Errorf("%s: %s reads %q, latest is %d", tree, who, got, latest)
			}
		}
		signature := func(who, want string) {
			t.Helper()
			if got := get(who, "latest/x86_64/repodata/repomd.xml.asc"); got != want {
				t.Errorf("%s: %s gets the signatures %q, want %q", tree, who, got, want)
			}
		}
		lead(4)
		index("a/dnf")
		index("b/dnf")
		signature("b/dnf", "4.asc ")
		lead(5)
		index("b/dnf")
		index("a/zypper")
		lead(6)
		signature("a/dnf", "4.asc ") // the one that it read
		signature("a/dnf", "4.asc ")
		signature("b/dnf", "5.asc ")    // it had that of 4
		signature("a/zypper", "5.asc ") // another program
		signature("c/dnf", "6.asc ")    // who read nothing
		if got := get("a/dnf", "5/x86_64/repodata/repomd.xml.asc"); got != "5.asc " {
			t.Errorf("%s: under its number: %q", tree, got)
		}
		if tree == "repos-dist" { // those of tags are found among the newest
			for who, want := range map[string]string{"b/dnf": "primary", "c/dnf": "404 page not found "} {
				if got := get(who, "latest/x86_64/repodata/5-primary.xml.gz"); got != want {
					t.Errorf("%s reads %q, want %q", who, got, want)
				}
			}
		}
		index("d/dnf")
		lead(7)
		index("d/dnf") // another that looks alike
		signature("d/dnf", "7.asc ")
		index("e/dnf")
		lead(8)
		now = now.Add(signatureWait)
		signature("e/dnf", "7.asc ")
		now = now.Add(2 * signatureWait)
		signature("e/dnf", "8.asc ")
	}
}

// TestLatestReadsAreBounded: clients past the bound are not remembered, those before are, and in time there is room again.
func TestLatestReadsAreBounded(t *testing.T) {
	t.Parallel()
	now := time.Unix(1800000000, 0)
	l := newLatestReads(func() time.Time { return now })
	var all sync.WaitGroup
	for part := range 4 { // at once, for the race detector
		all.Go(func() {
			for i := range maxReaders / 4 {
				l.note(reader{address: fmt.Sprint(part, i)}, 1)
			}
		})
	}
	all.Wait()
	first, last := reader{address: "0 0"}, reader{address: "last"}
	want := func(r reader, repo int64) {
		t.Helper()
		if got, ok := l.last(r); got != repo || ok != (repo != 0) {
			t.Errorf("of %s %d is remembered, want %d", r.address, got, repo)
		}
	}
	l.note(last, 2)
	want(last, 0)
	want(first, 1)
	now = now.Add(signatureWait)
	want(first, 1)
	l.note(last, 3)
	want(last, 3)
	for i := range maxReaders {
		l.note(reader{address: fmt.Sprint("more", i)}, 4)
	}
	l.note(first, 5) // for which there is no room: what it read before is not true any more
	want(first, 0)
	if n := len(l.young) + len(l.old); n > 2*maxReaders {
		t.Errorf("%d are remembered", n)
	}
}
