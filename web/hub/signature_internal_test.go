package hub

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"moromi/commands"
	"moromi/internal/storage"
	"moromi/repoprojector"
)

// blocks are repositories out of blocks: every file is there.
type blocks struct{}

func (blocks) Latest(context.Context, string) (int64, error) { return 5, nil }

func (blocks) OpenFile(_ context.Context, _ string, _ int64, name string) (*repoprojector.File, error) {
	return &repoprojector.File{ReadSeeker: bytes.NewReader([]byte("block " + name)), ETag: "block"}, nil
}

func (blocks) At(context.Context, string, int64) (id, tag, begin int64, err error) {
	return 5, 1, 1, nil
}

func (b blocks) OpenAt(ctx context.Context, _, _ int64, name string) (*repoprojector.File, error) {
	return b.OpenFile(ctx, "", 0, name)
}

func (blocks) DistAt(context.Context, string, int64) (int64, error) { return 6, nil }

func (b blocks) OpenRecent(ctx context.Context, _, name string) (*repoprojector.File, error) {
	return b.OpenFile(ctx, "", 0, name)
}

// TestSignedByBuilders signs the metadata that builders made, and serves a signature with the index that it is of: never one out of the blocks with an index from a file.
func TestSignedByBuilders(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	top, err := storage.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = top.Close() })
	for _, at := range []string{"repos/dist/5/x86_64/repodata", "repos-dist/dist/6/x86_64/repodata", "repos-dist/dist/6/x86_64/debug/repodata", "repos-dist/dist/6/groups"} {
		if err := os.MkdirAll(filepath.Join(dir, at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, at, "repomd.xml"), []byte(at), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	d := Deps{Service: &commands.Service{Clock: time.Now}, Storage: top}
	r := storage.Repo{Tag: "dist", ID: 6, Dist: true}
	if err := d.signRepo(t.Context(), r); err != nil {
		t.Fatal(err) // nothing is to be signed
	}
	d.Sign = func(_ context.Context, text []byte, _ time.Time) ([]byte, error) {
		return append([]byte("signed "), text...), nil
	}
	if err := d.signRepo(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	f := &files{top: top, repos: blocks{}, key: []byte("key"), reads: newLatestReads(time.Now), log: slog.New(slog.DiscardHandler), remote: func(*http.Request) string { return "" }}
	for address, want := range map[string]string{
		"repos-dist/dist/6/x86_64/repodata/repomd.xml.asc":       "signed repos-dist/dist/6/x86_64/repodata",
		"repos-dist/dist/6/x86_64/debug/repodata/repomd.xml.asc": "signed repos-dist/dist/6/x86_64/debug/repodata",
		"repos-dist/dist/6/groups/repomd.xml.asc":                "",
		"repos/dist/5/x86_64/repodata/repomd.xml.asc":            "", // its index was written before anything was signed
		"repos/dist/5/aarch64/repodata/repomd.xml.asc":           "block aarch64/repodata/repomd.xml.asc",
		repoKeyName: "key",
	} {
		w := httptest.NewRecorder()
		f.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/kojifiles/"+address, nil))
		if got := w.Body.String(); want != "" && (w.Code != http.StatusOK || got != want) || want == "" && w.Code != http.StatusNotFound {
			t.Errorf("%s: %d %q, want %q", address, w.Code, got, want)
		}
		if cc := w.Header().Get("Cache-Control"); want != "" && cc != cacheNever {
			t.Errorf("%s: Cache-Control %s", address, cc)
		}
	}
}
