package hubclient_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"moromi/internal/fault"
	"moromi/internal/hubclient"
	"moromi/internal/xmlrpc"
)

func TestCall(t *testing.T) {
	t.Parallel()
	h := newFakeHub(t)
	c := h.client(hubclient.Options{})
	v, err := c.Call(t.Context(), "echo", "a", 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]any{"a", int64(1), nil}, v); d != "" {
		t.Error(d)
	}
	if c.HubVersion() != "1.35.3" || c.LoggedIn() {
		t.Errorf("version %q, logged in %v", c.HubVersion(), c.LoggedIn())
	}
	_, err = c.Call(t.Context(), "nosuch")
	if f := fault.Of(err); f == nil || f.Code != fault.Generic || f.Message != "Invalid method: nosuch" {
		t.Errorf("fault %v", err)
	}
	if err := c.Login(t.Context(), "alice", "wrong"); !fault.Is(err, fault.Auth) {
		t.Errorf("bad password: %v", err)
	}
}

func TestSession(t *testing.T) {
	t.Parallel()
	h := newFakeHub(t)
	c := h.login(t, hubclient.Options{})
	if !c.LoggedIn() || c.SessionID() != 1 {
		t.Fatalf("session %d", c.SessionID())
	}
	for range 3 {
		if _, err := c.Call(t.Context(), "echo", xmlrpc.Kwargs{}); err != nil {
			t.Fatal(err)
		}
	}
	sub, err := c.Subsession(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if sub.SessionID() != 2 || h.sessions[2].master != 1 {
		t.Errorf("sub-session %d", sub.SessionID())
	}
	var wg sync.WaitGroup
	for range 8 { // calls of one client queue, or their numbers would come in the wrong order
		wg.Go(func() {
			for range 5 {
				if _, err := sub.Call(t.Context(), "echo", "x"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := c.Logout(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c.LoggedIn() || c.Logout(t.Context()) != nil {
		t.Error("still logged in")
	}
}

func TestRenewal(t *testing.T) {
	t.Parallel()
	h := newFakeHub(t)
	c := h.login(t, hubclient.Options{})
	if err := c.ExclusiveSession(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	h.expire()
	if v, err := c.Call(t.Context(), "echo", "again"); err != nil || hubclient.List(v)[0] != "again" {
		t.Fatalf("%v, %v", v, err)
	}
	last := h.calls[len(h.calls)-2]
	if last.method != "login" || last.kwargs["renew"] != true || last.kwargs["exclusive"] != true {
		t.Errorf("renewal was %+v", last)
	}
	h.expire()
	if err := c.UploadChunk(t.Context(), "d", "n", 0, []byte("x"), true); err != nil {
		t.Errorf("upload with an expired session: %v", err)
	}
}

func TestRetry(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		anonymous bool
		options   hubclient.Options
		broken    int // first requests that fail
		fail      func(t *testing.T, w http.ResponseWriter)
		wantTries int32
		wantErr   bool
	}{
		{"dropped connections", false, hubclient.Options{}, 4, drop, 5, false},
		{"server errors", false, hubclient.Options{}, 3, status(503), 4, false},
		{"too many", false, hubclient.Options{MaxRetries: 2}, 99, status(500), 3, true},
		{"no retries", false, hubclient.Options{MaxRetries: -1}, 99, status(500), 1, true},
		{"not found", false, hubclient.Options{}, 99, status(404), 1, true},
		{"bad request", false, hubclient.Options{}, 99, status(400), 1, true},
		{"anonymous, server error", true, hubclient.Options{}, 99, status(500), 1, true},
		{"anonymous, one dropped", true, hubclient.Options{}, 1, drop, 2, false},
		{"anonymous, two dropped", true, hubclient.Options{}, 2, drop, 2, true},
		{"anonymous retry", true, hubclient.Options{AnonymousRetry: true}, 3, status(502), 4, false},
		{"half an answer", false, hubclient.Options{}, 2, half, 3, false},
		{"offline", false, hubclient.Options{}, 99, offline, 1, true},
		{"offline, waited for", false, hubclient.Options{OfflineRetry: true, MaxRetries: 1}, 5, offline, 6, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newFakeHub(t)
			c := h.client(tt.options)
			if !tt.anonymous {
				c = h.login(t, tt.options)
			}
			var tries atomic.Int32
			numbers := map[string]bool{}
			h.before = func(w http.ResponseWriter, r *http.Request, method string) bool {
				numbers[r.Header.Get("Koji-Session-Callnum")] = true
				if int(tries.Add(1)) <= tt.broken {
					tt.fail(t, w)
					return true
				}
				return false
			}
			_, err := c.Call(t.Context(), "echo", "x")
			if (err != nil) != tt.wantErr || tries.Load() != tt.wantTries {
				t.Errorf("%d tries, error %v; want %d", tries.Load(), err, tt.wantTries)
			}
			if len(numbers) != 1 {
				t.Errorf("repetitions had other call numbers: %v", numbers)
			}
		})
	}
}

func status(code int) func(*testing.T, http.ResponseWriter) {
	return func(_ *testing.T, w http.ResponseWriter) { http.Error(w, "no", code) }
}

func half(_ *testing.T, w http.ResponseWriter) {
	_, _ = w.Write([]byte("<?xml version='1.0'?>\n<methodResponse>\n<params>"))
}

func offline(_ *testing.T, w http.ResponseWriter) {
	_ = xmlrpc.EncodeFault(w, int(fault.ServerOffline), "server is offline")
}

func TestLoginCertificate(t *testing.T) {
	t.Parallel()
	h := newTLSHub(t)
	path := ""
	h.before = func(_ http.ResponseWriter, r *http.Request, method string) bool {
		if method == "sslLogin" {
			path = r.URL.Path
		}
		return false
	}
	c := h.client(hubclient.Options{HTTP: h.Client()})
	if err := c.LoginCertificate(t.Context(), "bob"); err != nil {
		t.Fatal(err)
	}
	if path != "/kojihub/ssllogin" || h.calls[0].kwargs["proxyuser"] != "bob" || !c.LoggedIn() {
		t.Errorf("logged in at %s with %+v", path, h.calls[0])
	}
	if _, err := c.Call(t.Context(), "echo"); err != nil {
		t.Error(err)
	}
	stranger := h.client(hubclient.Options{AnonymousRetry: true}) // does not trust the hub: no use in trying again
	if err := stranger.LoginCertificate(t.Context(), ""); err == nil {
		t.Error("an unknown certificate was trusted")
	}
	plain := newFakeHub(t).client(hubclient.Options{})
	if err := plain.LoginCertificate(t.Context(), ""); err == nil || !strings.Contains(err.Error(), "https") {
		t.Errorf("without TLS: %v", err)
	}
}

func TestRetryEndsWithContext(t *testing.T) {
	t.Parallel()
	h := newFakeHub(t)
	c := h.login(t, hubclient.Options{RetryInterval: 1 << 40})
	ctx, cancel := context.WithCancel(t.Context())
	h.before = func(w http.ResponseWriter, r *http.Request, method string) bool {
		cancel()
		http.Error(w, "no", 500)
		return true
	}
	if _, err := c.Call(ctx, "echo"); err == nil {
		t.Error("no error")
	}
}

func TestLostReplyOfWrite(t *testing.T) {
	t.Parallel()
	h := newFakeHub(t)
	c := h.login(t, hubclient.Options{})
	first := true
	h.before = func(w http.ResponseWriter, r *http.Request, method string) bool {
		if first { // the hub does the call, but the answer is lost
			first = false
			h.mu.Lock()
			h.sessions[1].callnum = 0
			h.mu.Unlock()
			drop(t, w)
			return true
		}
		return false
	}
	if _, err := c.Call(t.Context(), "echo"); !fault.Is(err, fault.Retry) {
		t.Errorf("repetition of a call that was done: %v", err)
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	leaked := atomic.Bool{}
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { leaked.Store(true) }))
	defer other.Close()
	h := newFakeHub(t)
	c := h.login(t, hubclient.Options{})
	h.before = func(w http.ResponseWriter, r *http.Request, _ string) bool {
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
		return true
	}
	_, err := c.Call(t.Context(), "echo")
	if err == nil || !strings.Contains(err.Error(), "use that address") || leaked.Load() {
		t.Errorf("error %v, leaked %v", err, leaked.Load())
	}
}

func TestMultiCall(t *testing.T) {
	t.Parallel()
	h := newFakeHub(t)
	c := h.client(hubclient.Options{})
	results, err := c.MultiCall(t.Context(), []hubclient.Call{{"a", nil}, {"b", []any{1, xmlrpc.Kwargs{"x": 2}}}})
	if err != nil {
		t.Fatal(err)
	}
	if results[0].Value != "one" || !fault.Is(results[1].Err, fault.Generic) {
		t.Errorf("results %+v", results)
	}
	want := []any{
		map[string]any{"methodName": "a", "params": []any{}},
		map[string]any{"methodName": "b", "params": []any{int64(1), map[string]any{"x": int64(2), "__starstar": true}}},
	}
	if d := cmp.Diff(want, h.calls[0].params[0]); d != "" {
		t.Error(d)
	}
	if _, err := c.MultiCall(t.Context(), []hubclient.Call{{"a", nil}}); err == nil {
		t.Error("two answers to one call went unnoticed")
	}
}

func TestUploadFile(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("0123456789abcdef", 1<<16+2)[:1<<20+17]
	tests := []struct {
		name, content string
		chunks        int
		dropFirst     bool
	}{
		{"empty", "", 1, false},
		{"small", "hello", 1, false},
		{"two chunks", big, 2, false},
		{"a broken chunk", big, 2, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newFakeHub(t)
			c := h.login(t, hubclient.Options{})
			path := filepath.Join(t.TempDir(), "f")
			if err := os.WriteFile(path, []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
			dropped := false
			h.before = func(w http.ResponseWriter, r *http.Request, method string) bool {
				if tt.dropFirst && !dropped && method == "rawUpload" {
					dropped = true
					drop(t, w)
					return true
				}
				return false
			}
			var last, total int64
			if err := c.UploadFile(t.Context(), path, "cli-build/1", "foo.src.rpm", func(d, n int64) { last, total = d, n }); err != nil {
				t.Fatal(err)
			}
			if got := string(h.files["cli-build/1/foo.src.rpm"]); got != tt.content {
				t.Errorf("%d bytes arrived of %d", len(got), len(tt.content))
			}
			if last != int64(len(tt.content)) || total != last {
				t.Errorf("progress ended at %d of %d", last, total)
			}
			uploads := 0
			for _, m := range h.methods() {
				if m == "rawUpload" {
					uploads++
				}
			}
			check := h.calls[len(h.calls)-1]
			if uploads != tt.chunks || check.method != "checkUpload" || (check.kwargs["verify"] == "adler32") != tt.dropFirst {
				t.Errorf("%d chunks, check %+v", uploads, check)
			}
		})
	}
}

func TestUploadFileFails(t *testing.T) {
	t.Parallel()
	h := newFakeHub(t)
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := h.client(hubclient.Options{}).UploadFile(t.Context(), path, "d", "n", nil); !fault.Is(err, fault.ActionNotAllowed) {
		t.Errorf("anonymous: %v", err)
	}
	c := h.login(t, hubclient.Options{})
	if err := c.UploadFile(t.Context(), path+"x", "d", "n", nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	if err := c.UploadFile(t.Context(), filepath.Dir(path), "d", "n", nil); err == nil {
		t.Error("a directory was uploaded")
	}
	h.before = func(w http.ResponseWriter, r *http.Request, method string) bool {
		if method == "rawUpload" {
			_ = xmlrpc.EncodeResponse(w, map[string]any{"size": 5, "hexdigest": "00000000"})
			return true
		}
		return false
	}
	if err := c.UploadFile(t.Context(), path, "d", "n", nil); err == nil || !strings.Contains(err.Error(), "checksum") {
		t.Errorf("wrong checksum: %v", err)
	}
}
