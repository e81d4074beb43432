package hubclient_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"moromi/internal/hubclient"
)

func TestStreamReconnects(t *testing.T) {
	t.Parallel()
	h := newFakeHub(t)
	var connections atomic.Int32
	h.stream = func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Koji-Session-Key") == "" || r.Header.Get("Koji-Session-Callnum") != "" {
			http.Error(w, "session", http.StatusUnauthorized)
			return
		}
		n := connections.Add(1)
		if n == 2 {
			http.Error(w, "restarting", http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprintf(w, "event: wake\ndata: {\"reason\":\"hello\"}\n\n: ping\n\nevent: other\ndata: {}\n\nevent: wake\ndata: {\"reason\":\"assigned\",\"task\":%d}\n\n", n)
	}
	c := h.login(t, hubclient.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	notices, err := c.Stream(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var got []hubclient.Notice
	for n := range notices {
		if got = append(got, n); len(got) == 4 {
			cancel()
			break
		}
	}
	want := []hubclient.Notice{{Reason: "hello"}, {Reason: "assigned", Task: 1}, {Reason: "hello"}, {Reason: "assigned", Task: 3}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for range notices { // closes when the context ends
	}
}

func TestStreamRefused(t *testing.T) {
	t.Parallel()
	h := newFakeHub(t) // as Koji's hub: 405
	if _, err := h.login(t, hubclient.Options{}).Stream(t.Context()); err == nil {
		t.Error("a hub without streams gave one")
	}
	h.stream = func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "<html>") }
	if _, err := h.client(hubclient.Options{}).Stream(t.Context()); err == nil {
		t.Error("a page was taken for a stream")
	}
}

func TestDownloadURL(t *testing.T) {
	t.Parallel()
	content := strings.Repeat("0123456789", 10_000)
	modified := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var requests atomic.Int32
	mux := http.NewServeMux()
	mux.HandleFunc("/plain", func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", modified, strings.NewReader(content))
	})
	mux.HandleFunc("/breaks", func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1) == 1 {
			w.Header().Set("ETag", `"1"`)
			w.Header().Set("Content-Length", "100000")
			fmt.Fprint(w, content[:40_000])
			drop(t, w)
			return
		}
		if r.Header.Get("If-Range") != `"1"` || r.Header.Get("Range") != "bytes=40000-" {
			t.Errorf("taken up with %v", r.Header)
		}
		w.Header().Set("ETag", `"1"`)
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(content))
	})
	mux.HandleFunc("/changes", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", fmt.Sprint(`"`, time.Now().UnixNano(), `"`))
		w.Header().Set("Content-Length", "100000")
		fmt.Fprint(w, content[:40_000])
		drop(t, w)
	})
	s := httptest.NewServer(mux)
	defer s.Close()
	c := hubclient.New(s.URL, hubclient.Options{RetryInterval: time.Millisecond})
	for _, path := range []string{"/plain", "/breaks"} {
		var b bytes.Buffer
		var done, total int64
		n, err := c.DownloadURL(t.Context(), s.URL+path, &b, func(d, n int64) { done, total = d, n })
		if err != nil || n != int64(len(content)) || b.String() != content || done != n || total != n {
			t.Errorf("%s: %d bytes, progress %d of %d, error %v", path, n, done, total, err)
		}
	}
	var b bytes.Buffer
	if _, err := c.DownloadURL(t.Context(), s.URL+"/changes", &b, nil); err == nil {
		t.Error("parts of two files were put together")
	}
	_, err := c.DownloadURL(t.Context(), s.URL+"/none", &b, nil)
	if err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("missing file: %v", err)
	}
}

func TestPick(t *testing.T) {
	t.Parallel()
	if hubclient.Int(nil) != 0 || hubclient.Int(2.9) != 2 || hubclient.Int(int64(3)) != 3 || hubclient.Int("x") != 0 {
		t.Error("Int")
	}
	if hubclient.Float(int64(3)) != 3 || hubclient.Float(nil) != 0 || !hubclient.Bool(int64(1)) || hubclient.Bool("x") {
		t.Error("Float, Bool")
	}
	if d := cmp.Diff([]string{"a"}, hubclient.Strings([]any{"a", nil})); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]int64{1}, hubclient.Ints([]any{int64(1), "x"})); d != "" {
		t.Error(d)
	}
	if got := hubclient.Structs([]any{map[string]any{"a": nil}, 1}); len(got) != 1 || hubclient.Struct(3) != nil {
		t.Error("Structs, Struct")
	}
}
