package logstream

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// hub keeps uploaded files in memory.
type hub struct {
	mu     sync.Mutex
	files  map[string][]byte
	chunks []int
	fail   error
	wrote  chan struct{}
}

func newHub() *hub { return &hub{files: map[string][]byte{}, wrote: make(chan struct{}, 1000)} }

func (h *hub) UploadChunk(_ context.Context, dir, name string, offset int64, data []byte, overwrite bool) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.fail != nil {
		return h.fail
	}
	f := h.files[dir+"/"+name]
	if offset > int64(len(f)) || !overwrite {
		return errors.New("a gap")
	}
	h.files[dir+"/"+name] = append(f[:offset:offset], data...)
	h.chunks = append(h.chunks, len(data))
	h.wrote <- struct{}{}
	return nil
}

func (h *hub) read(name string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return string(h.files["d/"+name])
}

func write(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	f.Close()
}

func start(t *testing.T, h *hub, opt Options, patterns ...string) *Stream {
	opt.Dir = "d"
	return Start(t.Context(), h, opt, patterns...)
}

func TestFollowsWhileWritten(t *testing.T) {
	t.Parallel()
	h, dir := newHub(), t.TempDir()
	s := start(t, h, Options{}, filepath.Join(dir, "*.log"))
	path := filepath.Join(dir, "build.log")
	for _, text := range []string{"one\n", "two\n"} {
		write(t, path, text)
		select {
		case <-h.wrote:
		case <-time.After(10 * time.Second):
			t.Fatal("nothing was sent")
		}
	}
	if got := h.read("build.log"); got != "one\ntwo\n" {
		t.Errorf("%q", got)
	}
	write(t, path, "end\n")
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := h.read("build.log"); got != "one\ntwo\nend\n" {
		t.Errorf("%q", got)
	}
	if got := s.Names(); !slices.Equal(got, []string{"build.log"}) {
		t.Errorf("names %v", got)
	}
}

func TestLargeLogsGoInChunks(t *testing.T) {
	t.Parallel()
	h, dir := newHub(), t.TempDir()
	text := strings.Repeat("0123456789", 20000)
	write(t, filepath.Join(dir, "x.log"), text)
	if err := start(t, h, Options{}, filepath.Join(dir, "*.log")).Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if h.read("x.log") != text || slices.Max(h.chunks) > chunkSize || len(h.chunks) != 4 {
		t.Errorf("chunks %v", h.chunks)
	}
}

func TestRewrittenLogsStartAgain(t *testing.T) {
	t.Parallel()
	for name, rewrite := range map[string]func(path string) error{
		"truncated": func(p string) error { return os.WriteFile(p, []byte("new"), 0o644) },
		"replaced": func(p string) error {
			os.Rename(p, p+".old")
			return os.WriteFile(p, []byte("a new and longer text"), 0o644)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, dir := newHub(), t.TempDir()
			path := filepath.Join(dir, "x.log")
			write(t, path, "old text")
			s := start(t, h, Options{}, path)
			<-h.wrote
			if err := rewrite(path); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			want, _ := os.ReadFile(path)
			if got := h.read("x.log"); got != string(want) {
				t.Errorf("%q, want %q", got, want)
			}
		})
	}
}

func TestOnlyPlainFilesAreRead(t *testing.T) {
	t.Parallel()
	h, dir := newHub(), t.TempDir()
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "stolen.log")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "dir.log"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := start(t, h, Options{}, filepath.Join(dir, "*.log")).Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(h.files) > 0 {
		t.Errorf("sent %v", h.files)
	}
}

func TestNamesAndTimestamps(t *testing.T) {
	t.Parallel()
	h, dir := newHub(), t.TempDir()
	for _, d := range []string{"a", "b"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, d, "dnf.log"), d)
	}
	now := func() time.Time { return time.Unix(1700000000, 0) }
	s := start(t, h, Options{Timestamps: true, Now: now}, filepath.Join(dir, "a/*.log"), filepath.Join(dir, "b/*.log"))
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if h.read("dnf.log") != "a" || h.read("dnf.DUP00.log") != "b" || h.read("dnf.log-ts.log") != "1700000000 0\n1700000000 1\n" {
		t.Errorf("files %q", h.files)
	}
}

func TestFailedUploadsAreTriedAgain(t *testing.T) {
	t.Parallel()
	h, dir := newHub(), t.TempDir()
	h.fail = errors.New("the hub is away")
	write(t, filepath.Join(dir, "x.log"), "text")
	s := start(t, h, Options{}, filepath.Join(dir, "*.log"))
	h.mu.Lock()
	h.fail = nil
	h.mu.Unlock()
	if err := s.Close(t.Context()); err != nil || h.read("x.log") != "text" {
		t.Errorf("%q, %v", h.read("x.log"), err)
	}
	h.fail = errors.New("the hub is away")
	s = start(t, h, Options{}, filepath.Join(dir, "*.log"))
	if err := s.Close(t.Context()); err == nil {
		t.Error("the failure of the last round is not told")
	}
}
