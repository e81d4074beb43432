package hub

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"moromi/internal/storage"
	"moromi/repoprojector"
)

// moving are repositories of which the latest, 5, has just followed 4; those of the past are too many.
type moving struct{ blocks }

func (moving) OpenFile(_ context.Context, _ string, id int64, name string) (*repoprojector.File, error) {
	switch {
	case id < 4:
		return nil, fmt.Errorf("repository %d: %w", id, repoprojector.ErrBusy)
	case name != fmt.Sprintf("x86_64/repodata/%d-primary.xml.gz", id):
		return nil, fs.ErrNotExist
	}
	return &repoprojector.File{ReadSeeker: bytes.NewReader([]byte(name))}, nil
}

func (m moving) OpenRecent(ctx context.Context, tag, name string) (*repoprojector.File, error) {
	return m.OpenFile(ctx, tag, 4, name)
}

// TestRepoFiles: a file of the repository that was the latest just before is found under "latest", and only there; who asks for too much is told when to come
// again.
func TestRepoFiles(t *testing.T) {
	t.Parallel()
	top, err := storage.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = top.Close() })
	f := &files{top: top, repos: moving{}, reads: newLatestReads(time.Now), log: slog.New(slog.DiscardHandler), remote: func(*http.Request) string { return "" }}
	for address, want := range map[string]int{
		"latest/x86_64/repodata/5-primary.xml.gz": http.StatusOK,
		"latest/x86_64/repodata/4-primary.xml.gz": http.StatusOK,
		"latest/x86_64/repodata/6-primary.xml.gz": http.StatusNotFound,
		"5/x86_64/repodata/5-primary.xml.gz":      http.StatusOK,
		"5/x86_64/repodata/4-primary.xml.gz":      http.StatusNotFound,
		"3/x86_64/repodata/3-primary.xml.gz":      http.StatusServiceUnavailable,
	} {
		w := httptest.NewRecorder()
		f.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/kojifiles/repos/dist/"+address, nil))
		if w.Code != want || (w.Header().Get("Retry-After") != "") != (want == http.StatusServiceUnavailable) {
			t.Errorf("%s: %d with %v, want %d", address, w.Code, w.Header(), want)
		}
	}
}
