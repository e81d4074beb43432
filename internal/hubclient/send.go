package hubclient

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"moromi/internal/fault"
	"moromi/internal/xmlrpc"
)

// maxErrorBody is how much of a refusal that is not XML-RPC is shown.
const maxErrorBody = 500

// userAgent names the program; Koji's hubs take any.
const userAgent = "moromi"

// request is a prepared call. It is sent again unchanged, call number included, so that the hub can tell a repetition.
type request struct {
	method  string
	url     string
	header  http.Header
	body    []byte
	timeout time.Duration

	negotiator Negotiator // of a Kerberos login: each try has a token of its own
}

// StatusError is an HTTP answer that is not XML-RPC.
type StatusError struct {
	Status int    // HTTP status
	Text   string // beginning of the body, or the address of a redirect
	URL    string
}

func (e *StatusError) Error() string {
	if e.Status >= 300 && e.Status < 400 {
		return fmt.Sprintf("%s redirects to %s: use that address", e.URL, e.Text)
	}
	return strings.TrimSuffix(fmt.Sprintf("%s answered %d %s: %s", e.URL, e.Status, http.StatusText(e.Status), e.Text), ": ")
}

// prepare encodes a call. The gate is held.
func (c *Client) prepare(method string, args []any) (*request, error) {
	var b bytes.Buffer
	if err := xmlrpc.EncodeCall(&b, method, args); err != nil {
		return nil, fmt.Errorf("call %s: %w", method, err)
	}
	req := &request{method: method, url: c.base, header: http.Header{}, body: b.Bytes(), timeout: c.opts.Timeout}
	req.header.Set("Content-Type", "text/xml")
	c.identify(req)
	return req, nil
}

// identify adds the session, logged in or expired, and counts the call.
func (c *Client) identify(req *request) {
	req.header.Set("User-Agent", userAgent)
	if c.session.id == 0 {
		return
	}
	req.header.Set("Koji-Session-Id", strconv.FormatInt(c.session.id, 10))
	req.header.Set("Koji-Session-Key", c.session.key)
	req.header.Set("Koji-Session-Callnum", strconv.FormatInt(c.session.callnum, 10))
	c.session.callnum++
}

// sendRetrying sends until an answer comes. Faults are answers; only ServerOffline is waited for, if that is wanted.
func (c *Client) sendRetrying(ctx context.Context, req *request, retry bool) (v any, tries int, err error) {
	for failures := 1; ; failures++ {
		tries++
		v, err = c.send(ctx, req)
		switch {
		case err == nil:
			return v, tries, nil
		case c.opts.OfflineRetry && fault.Is(err, fault.ServerOffline):
			c.opts.Log.InfoContext(ctx, "hub is offline, waiting", "method", req.method)
			failures = 0
			if err := sleep(ctx, c.opts.OfflineRetryInterval); err != nil {
				return nil, tries, fmt.Errorf("call %s: %w", req.method, err)
			}
			continue
		case fault.Of(err) != nil:
			return nil, tries, err
		}
		err = fmt.Errorf("call %s: %w", req.method, err)
		if failures == 1 && brokenConnection(err) && ctx.Err() == nil {
			continue // the hub closed a connection that was kept open: not a failure yet, even for anonymous calls
		}
		if !retry || failures > c.opts.MaxRetries || !transient(err) || ctx.Err() != nil {
			return nil, tries, err
		}
		c.opts.Log.InfoContext(ctx, "call failed, trying again", "method", req.method, "try", tries, "error", err)
		if failures > 1 {
			if err := sleep(ctx, c.opts.RetryInterval); err != nil {
				return nil, tries, fmt.Errorf("call %s: %w", req.method, err)
			}
		}
	}
}

// send sends a request once.
func (c *Client) send(ctx context.Context, req *request) (any, error) {
	ctx, cancel := context.WithTimeout(ctx, req.timeout)
	defer cancel()
	hr, err := http.NewRequestWithContext(ctx, http.MethodPost, req.url, bytes.NewReader(req.body))
	if err != nil {
		return nil, fmt.Errorf("hub address: %w", err)
	}
	hr.Header = req.header
	verify, err := authorize(ctx, hr, req.negotiator)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(hr)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if err := verify(resp); err != nil {
		return nil, err
	}
	if v := resp.Header.Get("Koji-Version"); v != "" {
		c.hubVersion.Store(&v)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, statusError(resp, c.base)
	}
	v, err := xmlrpc.DecodeResponse(resp.Body, xmlrpc.ResponseLimits())
	var f *xmlrpc.Fault
	if errors.As(err, &f) {
		return nil, fault.New(fault.Code(f.Code), "%s", f.String)
	} else if err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	return v, nil
}

func statusError(resp *http.Response, address string) error {
	e := &StatusError{Status: resp.StatusCode, URL: address}
	if loc := resp.Header.Get("Location"); loc != "" {
		e.Text = loc
		return e
	}
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
		return e // a page for a browser
	}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody)) // what can be read is shown; the status says the rest
	e.Text = strings.TrimSpace(string(body))
	return e
}

// brokenConnection tells errors of the connection, before or within an answer, from others.
func brokenConnection(err error) bool {
	var status *StatusError
	return !errors.As(err, &status) && !credentialError(err) && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled)
}

// transient tells whether waiting may help.
func transient(err error) bool {
	var status *StatusError
	if errors.As(err, &status) {
		return status.Status >= 500 || status.Status == http.StatusRequestTimeout || status.Status == http.StatusTooManyRequests
	}
	return !credentialError(err)
}

func credentialError(err error) bool {
	var no *negotiateError
	if errors.As(err, &no) {
		return true
	}
	var verify *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	return errors.As(err, &verify) || errors.As(err, &record)
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
