package hub

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"moromi/commands"
	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/internal/xmlrpc"
	"moromi/web/auth"
)

// ServeHTTP answers everything under /kojihub but the builders' stream: POST only; an octet-stream is an upload, anything else XML-RPC.
func (h *Hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	req := h.newRequest(w, r)
	w.Header().Set("Koji-Version", koji.Version)
	log := h.cfg.Log.With("request", req.id, "remote", req.remote)
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		plain(w, http.StatusMethodNotAllowed, "Method Not Allowed\nThis is an XML-RPC server. Only POST requests are accepted.")
		return
	}
	if h.cfg.ServerOffline {
		msg := h.cfg.OfflineMessage
		if msg == "" {
			msg = "server is offline"
		}
		drain(w, &paced{r: r.Body, rc: http.NewResponseController(w), start: time.Now()})
		h.answerFault(w, r, log, fault.New(fault.ServerOffline, "%s", msg))
		return
	}
	if mediaType(r) == "application/octet-stream" {
		h.serveUpload(w, r, req, log)
		return
	}
	h.serveRPC(w, r, req, log)
}

// identified gives the answer an id that its log lines carry too, once.
func identified(w http.ResponseWriter) string {
	const header = "X-Request-Id"
	if id := w.Header().Get(header); id != "" {
		return id
	}
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	id := hex.EncodeToString(b[:])
	w.Header().Set(header, id)
	return id
}

func (h *Hub) newRequest(w http.ResponseWriter, r *http.Request) *request {
	req := &request{id: identified(w), remote: h.remoteAddr(r), reply: map[string][]string{}}
	req.sslLogin = strings.HasSuffix(strings.TrimRight(r.URL.Path, "/"), "/ssllogin")
	req.identify = func() (*auth.Identity, error) {
		if h.cfg.Identity == nil || !req.sslLogin {
			return nil, nil
		}
		return h.cfg.Identity.Identify(r)
	}
	return req
}

// mediaType is the request's content type without parameters.
func mediaType(r *http.Request) string {
	t, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	return strings.ToLower(strings.TrimSpace(t))
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	// A client that is gone needs no answer.
	_, _ = fmt.Fprintln(w, text)
}

func (h *Hub) serveRPC(w http.ResponseWriter, r *http.Request, req *request, log *slog.Logger) {
	key, body, err := h.readCacheable(w, r)
	if err == nil && key != nil {
		if kept := h.answers.find(*key); kept != nil {
			h.answerAgain(w, r, req, log, kept)
			return
		}
	}
	at := h.answersAt()
	var name string
	var params []any
	if err == nil {
		name, params, req.order, err = h.readCall(w, r, body)
	}
	if err != nil {
		log.DebugContext(r.Context(), "unreadable request", "error", err)
		if isTimeout(err) {
			plain(w, http.StatusRequestTimeout, "Request Timeout")
			return
		}
		w.Header().Set("Connection", "close") // what is left of the body is not worth reading
		h.readPast(r, err)
		plain(w, http.StatusBadRequest, "Invalid request: "+clip(err.Error()))
		return
	}
	start := time.Now()
	result, err := h.call(r, req, log, name, params)
	var challenge *auth.Challenge
	if errors.As(err, &challenge) {
		w.Header()["Www-Authenticate"] = challenge.Schemes
		plain(w, http.StatusUnauthorized, "Unauthorized")
		return
	}
	for k, v := range req.reply {
		w.Header()[k] = v
	}
	if err != nil {
		h.answerFault(w, r, log.With("method", clip(name)), err)
	} else {
		h.answer(w, r, log.With("method", name), result, h.worthKeeping(req, key, name, at))
	}
	log.DebugContext(r.Context(), "call", "method", clip(name), "user", userOf(req), "session", sessionOf(req), "elapsed", time.Since(start), "failed", err != nil)
}

func userOf(req *request) int64 {
	if req.session == nil {
		return 0
	}
	return req.session.UserID
}

func sessionOf(req *request) int64 {
	if req.session == nil {
		return 0
	}
	return req.session.ID
}

// readPast reads the rest of a request that was too long, within the time that it has, for its sender to come to reading the answer: who is cut
// off takes it for a broken connection and tries again and again. What is longer than that by its own account is not waited for.
func (h *Hub) readPast(r *http.Request, err error) {
	var long *xmlrpc.LimitError
	if errors.As(err, &long) && r.ContentLength <= h.cfg.Limits.Body+drainLimit {
		_, _ = io.CopyN(io.Discard, r.Body, drainLimit) // the answer is the same whatever comes of it
	}
}

// readCall decodes the request within the limits of size and time. What was read of it before is body.
func (h *Hub) readCall(w http.ResponseWriter, r *http.Request, body []byte) (string, []any, *xmlrpc.Order, error) {
	if r.ContentLength > h.cfg.Limits.Body {
		return "", nil, nil, &xmlrpc.LimitError{What: "bytes", Limit: h.cfg.Limits.Body}
	}
	rc := http.NewResponseController(w)
	if err := rc.SetReadDeadline(time.Now().Add(bodyTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return "", nil, nil, err
	}
	name, params, order, err := xmlrpc.DecodeCallInOrder(io.MultiReader(bytes.NewReader(body), r.Body), xmlrpc.Limits{MaxBytes: h.cfg.Limits.Body})
	if err != nil {
		return "", nil, nil, err
	}
	if err := rc.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return "", nil, nil, err
	}
	return name, params, order, nil
}

// call runs one request's outer method.
func (h *Hub) call(r *http.Request, req *request, log *slog.Logger, name string, params []any) (result any, err error) {
	m := h.methods[name]
	if m == nil {
		return nil, invalidMethod(name)
	}
	defer func() {
		if err = req.settle(r.Context(), log, err); err != nil {
			result = nil
		}
	}()
	if err := h.authenticate(r, req, name); err != nil {
		return nil, err
	}
	req.outer = name
	result, err = h.outer(req.claim.taken.Context(r.Context()), req, log, m, params)
	if err != nil && req.claim.taken.Rides() && !req.admitted {
		if err := req.lookAgain(r.Context()); err != nil {
			return nil, err
		}
		return h.outer(r.Context(), req, log, m, params)
	}
	return result, err
}

// outer runs the method that the client called.
func (h *Hub) outer(ctx context.Context, req *request, log *slog.Logger, m *Method, params []any) (any, error) {
	c := h.newCall(commands.InOrder(ctx, req.order), req, log, m)
	if err := c.lockOut(); err != nil {
		return nil, err
	}
	positional, kw := xmlrpc.SplitKwargs(params)
	return c.invoke(positional, kw)
}

func invalidMethod(name string) error {
	return fault.New(fault.Generic, "Invalid method: %s", clip(name))
}

func (h *Hub) newCall(ctx context.Context, req *request, log *slog.Logger, m *Method) *Call {
	return &Call{hub: h, method: m, req: req, ctx: ctx, log: log.With("method", m.Name, "user", userOf(req))}
}

// child is a call made by this one: an entry of a multicall, or the method that count counts.
func (c *Call) child(name string) (*Call, error) {
	m := c.hub.methods[name]
	if m == nil {
		return nil, invalidMethod(name)
	}
	if c.depth >= maxDepth {
		return nil, fault.New(fault.Generic, "calls are nested deeper than %d", maxDepth)
	}
	if err := c.ctx.Err(); err != nil {
		return nil, fmt.Errorf("call %s: %w", name, err)
	}
	k := *c
	k.method, k.depth, k.log = m, c.depth+1, c.log.With("inner", name)
	return &k, nil
}

// lockOut refuses the call while only admins are let in.
func (c *Call) lockOut() error {
	switch c.method.Name {
	case "login", "sslLogin", "logout":
		return nil
	}
	if !c.hub.cfg.LockOut {
		return nil
	}
	admin, err := c.HasPerm("admin")
	if err == nil && !admin {
		err = fault.New(fault.ServerOffline, "Server disabled for maintenance")
	}
	return err
}

// invoke binds, authorises and runs the call's method. A panic in it is an error like another.
func (c *Call) invoke(positional []any, kw map[string]any) (result any, err error) {
	args, err := c.method.sig.bind(c.method.Name, positional, kw)
	if err != nil {
		return nil, err
	}
	if c.method.First != nil {
		if err := c.first(args); err != nil {
			return nil, err
		}
	}
	if err := c.method.Auth.authorise(c); err != nil {
		return nil, err
	}
	c.req.admitted = true
	if c.method.Write {
		if err := c.takeClaim(c.req.outer); err != nil {
			return nil, err
		}
	}
	c.req.noteReads(c.method)
	defer func() {
		if p := recover(); p != nil {
			c.log.ErrorContext(c.ctx, "panic in method", "panic", p, "stack", string(debug.Stack()))
			result, err = nil, fmt.Errorf("method %s panicked: %v", c.method.Name, p)
		}
		if c.method.Write && (err == nil || fault.Of(err) == nil) {
			c.req.claim.changed = true // it did, or nobody knows
		}
	}()
	return c.method.Func(c, args)
}

// first runs the method's First. A panic in it is an error like another.
func (c *Call) first(args Args) (err error) {
	defer func() {
		if p := recover(); p != nil {
			c.log.ErrorContext(c.ctx, "panic before authorisation", "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("method %s panicked: %v", c.method.Name, p)
		}
	}()
	return c.method.First(c, args)
}

// longestFault bounds a fault's text in bytes: it may quote an argument, and an argument may be a whole request.
const longestFault = 4 << 10

// diskFull tells errors of a file system, or of PostgreSQL on one, that has no room or over whose quota a write would be.
func diskFull(err error) bool {
	var pg *pgconn.PgError
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.As(err, &pg) && pg.Code == "53100"
}

// faultOf is what a client is told of an error. All else goes to the log, under the request's id.
func (h *Hub) faultOf(ctx context.Context, log *slog.Logger, id string, err error) *fault.Error {
	f := fault.Of(err)
	if f == nil && badValue(err) {
		f = fault.Wrap(err, fault.Parameter, "a value is not of the type, or not in the range, of what it is compared with")
	}
	if f == nil && diskFull(err) {
		log.ErrorContext(ctx, "disk full", "error", err)
		f = fault.Wrap(err, fault.Generic, "a disk of the hub is full; try again when its administrator has made room")
	}
	if f != nil && len(f.Message) > longestFault {
		f = &fault.Error{Code: f.Code, Message: strings.ToValidUTF8(f.Message[:longestFault], "") + "…", Err: f.Err}
	}
	switch {
	case f == nil:
		log.ErrorContext(ctx, "internal error", "error", err)
		return fault.New(fault.Internal, "internal error; the hub's log has it as request %s", id)
	case f.Err != nil:
		log.WarnContext(ctx, "call refused", "code", f.Code, "message", f.Message, "cause", f.Err)
	default:
		log.DebugContext(ctx, "call refused", "code", f.Code, "message", f.Message)
	}
	return f
}

// badValue tells the errors of values that the database cannot take: class 22 of SQLSTATE, data exceptions. A value that has no form at all for
// its column is found by the driver, which has no type for that error.
func badValue(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return strings.HasPrefix(pg.Code, "22")
	}
	return strings.Contains(err.Error(), "failed to encode args[")
}
