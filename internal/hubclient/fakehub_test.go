package hubclient_test

import (
	"encoding/hex"
	"fmt"
	"hash/adler32"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"moromi/internal/hubclient"
	"moromi/internal/xmlrpc"
)

// fakeHub speaks the session protocol: sessions, call numbers, expiry, uploads. before, if set, may answer a request itself.
type fakeHub struct {
	*httptest.Server
	before func(w http.ResponseWriter, r *http.Request, method string) bool

	mu       sync.Mutex
	sessions map[int64]*fakeSession
	files    map[string][]byte
	calls    []fakeCall // that reached a method or an upload
	stream   http.HandlerFunc
}

type fakeSession struct {
	key     string
	callnum int64
	expired bool
	master  int64
}

type fakeCall struct {
	method  string
	callnum string
	params  []any
	kwargs  map[string]any
}

func newFakeHub(t *testing.T) *fakeHub {
	t.Helper()
	h := &fakeHub{sessions: map[int64]*fakeSession{}, files: map[string][]byte{}}
	h.Server = httptest.NewServer(http.HandlerFunc(h.serve))
	t.Cleanup(h.Close)
	return h
}

// newTLSHub is a fake hub with TLS.
func newTLSHub(t *testing.T) *fakeHub {
	t.Helper()
	h := &fakeHub{sessions: map[int64]*fakeSession{}, files: map[string][]byte{}}
	h.Server = httptest.NewTLSServer(http.HandlerFunc(h.serve))
	t.Cleanup(h.Close)
	return h
}

func (h *fakeHub) client(o hubclient.Options) *hubclient.Client {
	if o.RetryInterval == 0 {
		o.RetryInterval = time.Millisecond
	}
	if o.StreamBackoff == 0 {
		o.StreamBackoff = time.Millisecond
	}
	return hubclient.New(h.URL+"/kojihub", o)
}

func (h *fakeHub) login(t *testing.T, o hubclient.Options) *hubclient.Client {
	t.Helper()
	c := h.client(o)
	if err := c.Login(t.Context(), "alice", "alicepw"); err != nil {
		t.Fatal(err)
	}
	return c
}

func (h *fakeHub) methods() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var names []string
	for _, c := range h.calls {
		names = append(names, c.method)
	}
	return names
}

func (h *fakeHub) expire() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.sessions {
		s.expired = true
	}
}

func (h *fakeHub) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Koji-Version", "1.35.3")
	if r.Method == http.MethodGet && r.URL.Path == "/kojihub/stream" && h.stream != nil {
		h.stream(w, r)
		return
	}
	if r.Method != http.MethodPost {
		http.Error(w, "POST", http.StatusMethodNotAllowed)
		return
	}
	if r.Header.Get("Content-Type") == "application/octet-stream" {
		if h.before == nil || !h.before(w, r, "rawUpload") {
			h.upload(w, r)
		}
		return
	}
	method, params, err := xmlrpc.DecodeCall(r.Body, xmlrpc.Limits{})
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if h.before != nil && h.before(w, r, method) {
		return
	}
	result, code, msg := h.call(r, method, params)
	if code != 0 {
		_ = xmlrpc.EncodeFault(w, code, msg) // a client that went away is noticed by its test
		return
	}
	_ = xmlrpc.EncodeResponse(w, result)
}

// session finds the request's session; login is true if the method may be called with an expired one.
func (h *fakeHub) session(r *http.Request, login bool) (id int64, s *fakeSession, code int, msg string) {
	head := r.Header.Get("Koji-Session-Id")
	if head == "" {
		return 0, nil, 0, ""
	}
	id, _ = strconv.ParseInt(head, 10, 64)
	s = h.sessions[id]
	if s == nil || s.key != r.Header.Get("Koji-Session-Key") {
		return 0, nil, 1002, "Invalid session or bad credentials"
	}
	if s.expired && !login {
		return 0, nil, 1007, fmt.Sprintf("session %q has expired", head)
	}
	n, err := strconv.ParseInt(r.Header.Get("Koji-Session-Callnum"), 10, 64)
	switch {
	case err != nil || n < s.callnum:
		return 0, nil, 1008, fmt.Sprintf("%d > %d (session %d)", s.callnum, n, id)
	case n == s.callnum:
		return 0, nil, 1009, fmt.Sprintf("unable to retry call %d (method x) for session %d", n, id)
	}
	s.callnum = n
	return id, s, 0, ""
}

func (h *fakeHub) call(r *http.Request, method string, params []any) (result any, code int, msg string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	id, s, code, msg := h.session(r, method == "login")
	if code != 0 {
		return nil, code, msg
	}
	pos, kw := xmlrpc.SplitKwargs(params)
	h.calls = append(h.calls, fakeCall{method, r.Header.Get("Koji-Session-Callnum"), pos, kw})
	switch method {
	case "login":
		if len(pos) != 2 || pos[0] != "alice" || pos[1] != "alicepw" {
			return nil, 1002, "invalid username or password"
		}
		if kw["renew"] == true && s != nil {
			s.expired = false
			s.key += "r"
			return h.info(id, s), 0, ""
		}
		return h.open(0), 0, ""
	case "sslLogin":
		return h.open(0), 0, ""
	case "subsession":
		return h.open(id), 0, ""
	case "logout":
		delete(h.sessions, id)
	case "echo":
		return pos, 0, ""
	case "exclusiveSession":
		return nil, 0, ""
	case "checkUpload":
		data, ok := h.files[pos[0].(string)+"/"+pos[1].(string)]
		if !ok {
			return nil, 0, ""
		}
		return map[string]any{"size": len(data), "mtime": 0, "hexdigest": sum(data)}, 0, ""
	case "multiCall":
		return []any{[]any{"one"}, map[string]any{"faultCode": 1000, "faultString": "two is wrong", "traceback": []any{}}}, 0, ""
	default:
		return nil, 1000, "Invalid method: " + method
	}
	return nil, 0, ""
}

func (h *fakeHub) open(master int64) map[string]any {
	id := int64(len(h.sessions) + 1)
	s := &fakeSession{key: fmt.Sprintf("1-key%d", id), callnum: -1, master: master}
	h.sessions[id] = s
	return h.info(id, s)
}

func (h *fakeHub) info(id int64, s *fakeSession) map[string]any {
	return map[string]any{"session-id": id, "session-key": s.key, "header-auth": true}
}

func (h *fakeHub) upload(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, s, code, msg := h.session(r, false); code != 0 || s == nil {
		_ = xmlrpc.EncodeFault(w, max(code, 1002), msg)
		return
	}
	q := r.URL.Query()
	offset, _ := strconv.Atoi(q.Get("offset"))
	path := q.Get("filepath") + "/" + q.Get("filename")
	if q.Get("overwrite") != "1" || q.Get("fileverify") != "adler32" || offset > len(h.files[path]) {
		_ = xmlrpc.EncodeFault(w, 1000, "bad upload "+r.URL.RawQuery)
		return
	}
	h.files[path] = append(h.files[path][:offset:offset], body...)
	h.calls = append(h.calls, fakeCall{method: "rawUpload", callnum: r.Header.Get("Koji-Session-Callnum")})
	_ = xmlrpc.EncodeResponse(w, map[string]any{"size": len(body), "fileverify": "adler32", "offset": offset, "hexdigest": sum(body)})
}

func sum(b []byte) string {
	d := adler32.New()
	d.Write(b)
	return hex.EncodeToString(d.Sum(nil))
}

// drop closes the connection without an answer.
func drop(t *testing.T, w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	conn.Close()
}
