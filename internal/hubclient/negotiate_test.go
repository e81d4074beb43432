package hubclient_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"moromi/internal/hubclient"
	"moromi/internal/xmlrpc"
)

// tokens is a Negotiator that counts.
type tokens struct {
	made   int
	host   string
	broken error
}

func (n *tokens) Begin(_ context.Context, host string) ([]byte, func([]byte) error, error) {
	if n.broken != nil {
		return nil, nil, n.broken
	}
	n.made++
	n.host = host
	want := fmt.Sprintf("answer %d", n.made)
	return fmt.Appendf(nil, "token %d", n.made), func(reply []byte) error {
		if string(reply) != want {
			return fmt.Errorf("the proof is %q, want %q", reply, want)
		}
		return nil
	}, nil
}

func TestLoginKerberos(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		answer func(w http.ResponseWriter, n int) // before the session; the status is its own
		broken error
		made   int
		err    string
	}{
		{name: "proved", answer: func(w http.ResponseWriter, n int) {
			w.Header().Add("WWW-Authenticate", "negotiate "+base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "answer %d", n)))
		}, made: 1},
		{name: "a proxy keeps the proof", answer: func(http.ResponseWriter, int) {}, made: 1},
		{name: "wrong proof", answer: func(w http.ResponseWriter, _ int) { w.Header().Set("WWW-Authenticate", "Negotiate d3Jvbmc=") }, made: 1, err: `the proof is "wrong"`},
		{name: "no proof at all", answer: func(w http.ResponseWriter, _ int) { w.Header().Set("WWW-Authenticate", "Negotiate !") }, made: 1, err: "illegal base64"},
		{name: "refused", answer: func(w http.ResponseWriter, _ int) { w.WriteHeader(http.StatusUnauthorized) }, made: 1, err: "does not accept the Kerberos ticket"},
		{name: "a new token for each try", answer: func(w http.ResponseWriter, n int) {
			if n == 1 {
				w.WriteHeader(http.StatusBadGateway)
			}
		}, made: 2},
		{name: "no ticket", broken: errors.New("run kinit"), err: "run kinit"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			seen := 0
			srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				seen++
				want := "Negotiate " + base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "token %d", seen))
				if r.URL.Path != "/kojihub/ssllogin" || r.Header.Get("Authorization") != want {
					t.Errorf("%s with %q, want %q", r.URL.Path, r.Header.Get("Authorization"), want)
				}
				if method, params, err := xmlrpc.DecodeCall(r.Body, xmlrpc.Limits{}); err != nil || method != "sslLogin" || len(params) != 1 {
					t.Errorf("%s%v, %v", method, params, err)
				}
				c.answer(w, seen)
				var b bytes.Buffer
				if err := xmlrpc.EncodeResponse(&b, map[string]any{"session-id": 7, "session-key": "k", "header-auth": true}); err != nil {
					t.Error(err)
				}
				_, _ = w.Write(b.Bytes()) // nobody reads it after a refusal
			}))
			defer srv.Close()
			n := &tokens{broken: c.broken}
			client := hubclient.New(srv.URL+"/kojihub", hubclient.Options{HTTP: srv.Client(), AnonymousRetry: true})
			err := client.LoginKerberos(t.Context(), n, "")
			if c.err == "" && (err != nil || !client.LoggedIn() || n.host != "127.0.0.1") {
				t.Errorf("%v, host %q", err, n.host)
			}
			if c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err) || client.LoggedIn()) {
				t.Errorf("%v, want %q", err, c.err)
			}
			if n.made != c.made || seen != c.made {
				t.Errorf("%d tokens and %d requests, want %d", n.made, seen, c.made)
			}
		})
	}
}
