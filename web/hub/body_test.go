package hub_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"moromi/internal/fault"
	"moromi/internal/xmlrpc"
	"moromi/web/hub"
)

const helloCall = "<methodCall><methodName>hello</methodName></methodCall>"

// TestLyingLengths sends bodies that are not as long as the request says. The connection stays open, so that a hub that waits for what was
// promised is caught.
func TestLyingLengths(t *testing.T) {
	t.Parallel()
	s := setup(t)
	for _, c := range []struct{ name, headers, body, want string }{
		{"as it says", fmt.Sprintf("Content-Length: %d\r\n", len(helloCall)), helloCall, "200"},
		{"a gigabyte promised, nothing sent", "Content-Length: 1073741824\r\n", "", "400"},
		{"a gigabyte promised, a call sent", "Content-Length: 1073741824\r\n", helloCall, "400"},
		{"more than a number", "Content-Length: 99999999999999999999\r\n", helloCall, "400"},
		{"negative", "Content-Length: -1\r\n", helloCall, "400"},
		{"no number", "Content-Length: many\r\n", helloCall, "400"},
		{"two lengths", "Content-Length: 10\r\nContent-Length: 20\r\n", helloCall, "400"},
		{"too short", "Content-Length: 20\r\n", helloCall, "400"},
		{"none", "", "", "400"},
		{"nothing", "Content-Length: 0\r\n", "", "400"},
		{"in pieces", "Transfer-Encoding: chunked\r\n", fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(helloCall), helloCall), "200"},
		{"a piece of no length", "Transfer-Encoding: chunked\r\n", "zz\r\n", "400"},
		{"a piece longer than memory", "Transfer-Encoding: chunked\r\n", "fffffffffffffffff\r\nx", "400"},
		{"an encoding nobody knows", "Transfer-Encoding: gzip\r\n", helloCall, "501"},
		{"headers without end", "X-Filler: " + strings.Repeat("x", 100<<10) + "\r\n", "", "431"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil { // far below what the hub gives a slow body
				t.Fatal(err)
			}
			// A hub that has seen enough may close while the rest is sent.
			_, _ = fmt.Fprintf(conn, "POST /kojihub HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\n%s\r\n%s", c.headers, c.body)
			status, err := bufio.NewReader(conn).ReadString('\n')
			if err != nil || !strings.HasPrefix(status, "HTTP/1.1 "+c.want) {
				t.Errorf("got %q %v, want %s", status, err, c.want)
			}
		})
	}
}

// endless is a body without end.
type endless struct{ read int64 }

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	e.read += int64(len(p))
	return len(p), nil
}

func TestBodyWithoutEnd(t *testing.T) {
	t.Parallel()
	s := setup(t, func(c *hub.Config) { c.Limits.Body = 100_000 })
	const enough = 100_000 + 16<<20 + 1<<20 // what may be read, what is read past, and some for buffers
	for _, start := range []string{"", "<methodCall><methodName>", "<methodCall><methodName>echo</methodName><params><param><value>", "<methodCall><!--"} {
		body := &endless{}
		r := httptest.NewRequest(http.MethodPost, "/kojihub", io.MultiReader(strings.NewReader(start), body))
		w := httptest.NewRecorder()
		s.hub.ServeHTTP(w, r)
		if w.Code != http.StatusBadRequest || body.read > enough {
			t.Errorf("%q and so on: %d after %d bytes", start, w.Code, body.read)
		}
	}
}

// TestLongRequestIsAnswered sends more than is taken, as an honest client does: it must see the refusal, not a broken connection.
func TestLongRequestIsAnswered(t *testing.T) {
	t.Parallel()
	s := setup(t)
	long := "<methodCall><methodName>echo</methodName><params><param><value>" + strings.Repeat("x", 8<<20) + "</value></param></params></methodCall>"
	for range 5 {
		for _, body := range []io.Reader{strings.NewReader(long), io.MultiReader(strings.NewReader(long))} { // the second has no length
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/kojihub", body)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(resp.Body)
			if cerr := resp.Body.Close(); err != nil || cerr != nil {
				t.Fatal(err, cerr)
			}
			if resp.StatusCode != http.StatusBadRequest || !strings.Contains(string(text), "more than 4194304 bytes") {
				t.Errorf("%d %s", resp.StatusCode, text)
			}
		}
	}
}

// stalled is a connection of a client that sends the beginning of a request and then nothing, seen from the hub.
type stalled struct {
	*httptest.ResponseRecorder
	begin    *strings.Reader
	deadline time.Time
}

func (s *stalled) SetReadDeadline(t time.Time) error { s.deadline = t; return nil }

func (s *stalled) Close() error { return nil }

// Read gives the beginning, and then what a connection gives at its deadline.
func (s *stalled) Read(p []byte) (int, error) {
	if s.begin.Len() > 0 {
		return s.begin.Read(p)
	}
	if s.deadline.IsZero() {
		return 0, errors.New("the hub would wait for ever")
	}
	return 0, os.ErrDeadlineExceeded
}

// TestStalledBody has the client stop in the middle of an XML-RPC request, of a refused one that is too long, and of an upload.
func TestStalledBody(t *testing.T) {
	t.Parallel()
	s := setup(t, func(c *hub.Config) { c.Limits.Body = 10_000 })
	long := "<methodCall><methodName>echo</methodName><params><param><value>" + strings.Repeat("x", 11_000)
	alice := s.login("alice")
	for _, c := range []struct {
		name, begin, kind string
		length            int64
		want              int
	}{
		{"nothing", "", "text/xml", 1000, http.StatusRequestTimeout},
		{"half a call", helloCall[:20], "text/xml", 1000, http.StatusRequestTimeout},
		{"half a call without length", helloCall[:20], "text/xml", -1, http.StatusRequestTimeout},
		{"a call, and more to come", helloCall, "text/xml", 1000, http.StatusRequestTimeout},
		{"too long", long, "text/xml", 12_000, http.StatusBadRequest},
		{"too long without length", long, "text/xml", -1, http.StatusBadRequest},
		{"an upload", "abc", "application/octet-stream", 1000, http.StatusRequestTimeout},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			conn := &stalled{ResponseRecorder: httptest.NewRecorder(), begin: strings.NewReader(c.begin)}
			r := httptest.NewRequest(http.MethodPost, "/kojihub?filename=f&filepath=stalled", nil)
			r.Body, r.ContentLength = conn, c.length
			r.Header.Set("Content-Type", c.kind)
			for _, h := range []string{"Koji-Session-Id", "Koji-Session-Key"} {
				r.Header.Set(h, alice.header.Get(h))
			}
			start := time.Now()
			s.hub.ServeHTTP(conn, r)
			if conn.Code != c.want {
				t.Errorf("got %d %q, want %d", conn.Code, conn.Body, c.want)
			}
			if wait := conn.deadline.Sub(start); !conn.deadline.IsZero() && (wait <= 0 || wait > 2*time.Minute) {
				t.Errorf("the hub would wait %s", wait)
			}
		})
	}
}

// TestManyParameters calls with as many parameters as a request has room for.
func TestManyParameters(t *testing.T) {
	t.Parallel()
	s := setup(t)
	c := s.login("alice")
	many := make([]any, 90_000)
	if got, err := c.call("echo", many...); err != nil || len(got.([]any)) != len(many) {
		t.Errorf("echo: %T %v", got, err)
	}
	named := xmlrpc.Kwargs{}
	for i := range 30_000 {
		named[fmt.Sprint("p", i)] = i
	}
	for _, params := range [][]any{many, {named}, {"x", named}} {
		if f := c.wantFault(fault.Parameter, "getTag", params...); len(f.String) > 10_000 {
			t.Errorf("a refusal of %d bytes", len(f.String))
		}
	}
}
