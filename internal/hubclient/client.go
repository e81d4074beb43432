// Package hubclient is a client of a hub that speaks Koji's protocol: Moromi's own or Koji's. The builder and the
// command line use it.
//
// It keeps to the rules of Koji's Python client (koji/__init__.py of 1.35, ClientSession) for sessions, call numbers,
// retries, renewal and uploads, with these differences: HTTP statuses that cannot get better by waiting (most of 4xx)
// are not retried, redirects are not followed, and the call number goes on after a renewal, which Koji's hub 1.35 needs.
package hubclient

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"moromi/internal/fault"
	"moromi/internal/xmlrpc"
)

// Defaults of Koji's client.
const (
	defaultMaxRetries    = 30
	defaultRetryInterval = 20 * time.Second
	defaultTimeout       = 12 * time.Hour // calls may wait for long queries; a dead peer is noticed by TCP keep-alive
	defaultAuthTimeout   = 60 * time.Second
	defaultStreamBackoff = time.Second
)

// Options of a client. The zero value is Koji's behaviour.
type Options struct {
	HTTP *http.Client // transport and TLS, without a Timeout, which would end streams; http.DefaultTransport if nil
	Log  *slog.Logger // retries go here; nothing is logged if nil

	MaxRetries     int           // tries after the first; 30 if 0, none if negative
	RetryInterval  time.Duration // pause between tries (the first retry is at once); 20 s if 0
	AnonymousRetry bool          // retry calls of a client that has not logged in

	OfflineRetry         bool          // wait while the hub says that it is offline (fault 1014), without end
	OfflineRetryInterval time.Duration // RetryInterval if 0

	Timeout     time.Duration // of one request; 12 h if 0
	AuthTimeout time.Duration // of one login request; 60 s if 0

	UploadChunk   int64         // size of one upload request; 1 MiB if 0
	UploadVerify  string        // digest of uploaded chunks: "adler32" (also if empty) or "sha256"
	StreamBackoff time.Duration // first pause before Stream connects again, doubled up to 30 s; 1 s if 0
}

func (o Options) withDefaults() Options {
	if o.HTTP == nil {
		o.HTTP = &http.Client{}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.MaxRetries == 0 {
		o.MaxRetries = defaultMaxRetries
	}
	if o.RetryInterval <= 0 {
		o.RetryInterval = defaultRetryInterval
	}
	if o.OfflineRetryInterval <= 0 {
		o.OfflineRetryInterval = o.RetryInterval
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.AuthTimeout <= 0 {
		o.AuthTimeout = defaultAuthTimeout
	}
	if o.UploadChunk <= 0 {
		o.UploadChunk = defaultUploadChunk
	}
	if o.UploadVerify == "" {
		o.UploadVerify = "adler32"
	}
	if o.StreamBackoff <= 0 {
		o.StreamBackoff = defaultStreamBackoff
	}
	return o
}

// Client calls one hub, in one session or anonymously. It may be used from several goroutines; its calls go out one
// after the other, as the hub demands of a session. For parallel calls take a Subsession each.
type Client struct {
	base string
	opts Options
	http *http.Client // opts.HTTP without redirects: they would carry the session's key elsewhere

	gate       chan struct{} // holds one token while a call is under way; guards the fields below
	session    session
	renew      func(context.Context, *Client) error // logs in again; nil for anonymous clients
	exclusive  bool
	sess       atomic.Pointer[session] // copy of session for readers outside the gate
	hubVersion atomic.Pointer[string]
}

// New makes a client of the hub at hubURL, for example https://koji.example.com/kojihub. It does not connect.
func New(hubURL string, o Options) *Client {
	o = o.withDefaults()
	h := *o.HTTP
	h.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{base: strings.TrimRight(hubURL, "/"), opts: o, http: &h, gate: make(chan struct{}, 1)}
}

// URL is the hub's address.
func (c *Client) URL() string { return c.base }

// HubVersion is the Koji version that the hub named in its last answer, or empty.
func (c *Client) HubVersion() string {
	if v := c.hubVersion.Load(); v != nil {
		return *v
	}
	return ""
}

// Call calls a method. An xmlrpc.Kwargs as the last argument becomes named arguments.
// What the hub refuses comes back as a *fault.Error with the hub's code; other errors mean that no answer came.
func (c *Client) Call(ctx context.Context, method string, args ...any) (any, error) {
	if err := c.lock(ctx); err != nil {
		return nil, fmt.Errorf("call %s: %w", method, err)
	}
	defer c.unlock()
	var v any
	err := c.renewing(ctx, func() (err error) {
		v, _, err = c.call(ctx, method, args)
		return err
	})
	return v, err
}

// renewing runs a call, and once more with a renewed session if the hub says that it has expired. The gate is held.
func (c *Client) renewing(ctx context.Context, call func() error) error {
	err := call()
	if c.renew == nil || !fault.Is(err, fault.AuthExpired) {
		return err
	}
	c.opts.Log.InfoContext(ctx, "renew session", "session", c.session.id)
	if err := c.renew(ctx, c); err != nil {
		return fmt.Errorf("renew session: %w", err)
	}
	return call()
}

// call encodes a call and sends it, with retries. The gate is held. tries counts requests.
func (c *Client) call(ctx context.Context, method string, args []any) (v any, tries int, err error) {
	req, err := c.prepare(method, args)
	if err != nil {
		return nil, 0, err
	}
	return c.sendRetrying(ctx, req, c.session.ok || c.opts.AnonymousRetry)
}

func (c *Client) lock(ctx context.Context) error {
	select {
	case c.gate <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *Client) unlock() { <-c.gate }

// Call is one entry of MultiCall. Args are as in Client.Call.
type Call struct {
	Method string
	Args   []any
}

// Result is the answer to one entry: a value, or a *fault.Error.
type Result struct {
	Value any
	Err   error
}

// MultiCall makes several calls in one request. The hub runs them one after the other in one transaction; one that fails
// does not stop the next. The results are in the order of the calls.
func (c *Client) MultiCall(ctx context.Context, calls []Call) ([]Result, error) {
	if len(calls) == 0 {
		return nil, nil
	}
	entries := make([]any, len(calls))
	for i, call := range calls {
		params := call.Args
		if n := len(params); n > 0 {
			if kw, ok := params[n-1].(xmlrpc.Kwargs); ok && len(kw) == 0 {
				params = params[:n-1]
			}
		}
		if params == nil {
			params = []any{}
		}
		entries[i] = xmlrpc.Struct{{Name: "methodName", Value: call.Method}, {Name: "params", Value: params}}
	}
	v, err := c.Call(ctx, "multiCall", entries)
	if err != nil {
		return nil, err
	}
	answers := List(v)
	if len(answers) != len(calls) {
		return nil, fmt.Errorf("multiCall: %d answers to %d calls", len(answers), len(calls))
	}
	results := make([]Result, len(answers))
	for i, a := range answers {
		switch a := a.(type) {
		case []any:
			if len(a) != 1 {
				return nil, fmt.Errorf("multiCall: answer %d has %d values", i, len(a))
			}
			results[i].Value = a[0]
		case map[string]any:
			results[i].Err = fault.New(fault.Code(Int(a["faultCode"])), "%s", String(a["faultString"]))
		default:
			return nil, fmt.Errorf("multiCall: answer %d is a %T", i, a)
		}
	}
	return results, nil
}

// loginURL is where certificates and tickets are checked.
func (c *Client) loginURL() (string, error) {
	u, err := url.Parse(c.base)
	if err != nil {
		return "", fmt.Errorf("hub address: %w", err)
	}
	if u.Scheme != "https" {
		return "", fmt.Errorf("hub address %s: logging in with a certificate or a Kerberos ticket needs https", c.base)
	}
	return c.base + "/ssllogin", nil
}
