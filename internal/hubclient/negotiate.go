package hubclient

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
)

// negotiateError is a Kerberos login that trying again does not mend.
type negotiateError struct{ error }

func (e *negotiateError) Unwrap() error { return e.error }

// authorize adds a Kerberos token to a login's request, if it is one, and gives the check of the answer.
//
// The token goes with the first request: the hub would only ask for it. What authenticates the hub is TLS; its own token is checked if it sends
// one, which a proxy between may not let through.
func authorize(ctx context.Context, r *http.Request, n Negotiator) (func(*http.Response) error, error) {
	const scheme = "Negotiate "
	if n == nil {
		return func(*http.Response) error { return nil }, nil
	}
	token, verify, err := n.Begin(ctx, r.URL.Hostname())
	if err != nil {
		return nil, &negotiateError{err}
	}
	r.Header = r.Header.Clone()
	r.Header.Set("Authorization", scheme+base64.StdEncoding.EncodeToString(token))
	return func(resp *http.Response) error {
		if resp.StatusCode == http.StatusUnauthorized {
			return &negotiateError{errors.New("the hub does not accept the Kerberos ticket, or has no Kerberos logins; its log says why")}
		}
		for _, v := range resp.Header.Values("WWW-Authenticate") {
			if len(v) <= len(scheme) || !strings.EqualFold(v[:len(scheme)], scheme) {
				continue
			}
			reply, err := base64.StdEncoding.DecodeString(strings.TrimSpace(v[len(scheme):]))
			if err == nil {
				err = verify(reply)
			}
			if err != nil {
				return &negotiateError{err}
			}
		}
		return nil
	}, nil
}
