package conformance_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"testing"

	"moromi/internal/xmlrpc"
	"moromi/web/auth"
)

// client is a session on a hub, or nobody's.
type client struct {
	site *site
	id   string // of the session; empty: none
	key  string
	n    int64 // the next call number
}

// statusError is an answer that is not XML-RPC.
type statusError int

func (e statusError) Error() string { return "HTTP " + strconv.Itoa(int(e)) }

// open gives a user's new session without asking for a password.
func (s *site) open(t testing.TB, user string) *client {
	t.Helper()
	g, err := s.sessions.Open(t.Context(), auth.Opening{UserID: s.users[user], HostIP: "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	return &client{site: s, id: strconv.FormatInt(g.ID, 10), key: g.Key}
}

// call makes a call. A fault comes back as *xmlrpc.Fault, an answer of another kind as statusError.
func (c *client) call(method string, params []any, opts ...xmlrpc.Option) (any, error) {
	var body bytes.Buffer
	if err := xmlrpc.EncodeCall(&body, method, params, opts...); err != nil {
		return nil, fmt.Errorf("encode call: %w", err)
	}
	return c.post("", "text/xml", body.Bytes())
}

// post sends a body under the session's next call number.
func (c *client) post(query, contentType string, body []byte) (any, error) {
	url := c.site.url
	if query != "" {
		url += "?" + query
	}
	req, err := http.NewRequestWithContext(c.site.t.Context(), http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", contentType)
	if c.id != "" {
		req.Header.Set("Koji-Session-Id", c.id)
		req.Header.Set("Koji-Session-Key", c.key)
		req.Header.Set("Koji-Session-Callnum", strconv.FormatInt(c.n, 10))
		c.n++
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close() //nolint:errcheck // it was read to its end
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, statusError(resp.StatusCode)
	}
	return xmlrpc.DecodeResponse(bytes.NewReader(answer), xmlrpc.ResponseLimits())
}
