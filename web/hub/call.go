package hub

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"moromi/internal/xmlrpc"
	"moromi/web/auth"
)

// Call is one call of a method: a request, or one entry of a multicall. It is used by one goroutine.
type Call struct {
	hub    *Hub
	method *Method
	req    *request
	ctx    context.Context
	log    *slog.Logger
	depth  int // of multiCall in multiCall, count in count …
}

// request is what the calls of one HTTP request share.
type request struct {
	id      string
	remote  string // the client's address, without port
	session *auth.Session
	message string // why there is no session
	outer   string // the name of the method that the client called
	claim   claim
	// admitted says that the outer method has begun, or a method in it.
	admitted bool
	order    *xmlrpc.Order // of the members of the structs that the client sent

	reads    map[string]bool // the families of events that the answer is made from
	personal bool            // the answer is made from more, or is not whole: it is for this request only

	perms  []string
	permed bool // perms were read
	host   *int64
	hosted bool // host was read

	sslLogin bool // the request came to /ssllogin
	identify func() (*auth.Identity, error)
	reply    map[string][]string // headers that an identity provider wants on the answer
}

// Context ends with the request.
func (c *Call) Context() context.Context { return c.ctx }

// Log is the hub's log with the request's id, the method and the user.
func (c *Call) Log() *slog.Logger { return c.log }

// RequestID identifies the HTTP request in the log and to the client (X-Request-Id).
func (c *Call) RequestID() string { return c.req.id }

// RemoteAddr is the client's address without a port.
func (c *Call) RemoteAddr() string { return c.req.remote }

// Now is the hub's time.
func (c *Call) Now() time.Time { return c.hub.cfg.Clock() }

// Method is the method's name.
func (c *Call) Method() string { return c.method.Name }

// LoggedIn tells whether there is a user.
func (c *Call) LoggedIn() bool { return c.req.session.LoggedIn() }

// Session is the caller's session, or nil.
func (c *Call) Session() *auth.Session {
	if !c.LoggedIn() {
		return nil
	}
	return c.req.session
}

// User is the caller, or nil.
func (c *Call) User() *auth.User {
	if !c.LoggedIn() {
		return nil
	}
	return c.req.session.User
}

// UserID is the caller's user id, or 0.
func (c *Call) UserID() int64 {
	if u := c.User(); u != nil {
		return u.ID
	}
	return 0
}

// HasPerm tells whether the caller has exactly this permission; admin implies nothing here, as in Koji's hasPerm.
func (c *Call) HasPerm(name string) (bool, error) {
	perms, err := c.Perms()
	return slices.Contains(perms, name), err
}

// Perms are the caller's permissions, those of groups included; none for nobody. They are read once per request.
func (c *Call) Perms() ([]string, error) {
	if !c.LoggedIn() {
		return nil, nil
	}
	if !c.req.permed {
		perms, err := c.hub.cfg.Users.Permissions(c.ctx, c.UserID())
		if err != nil {
			return nil, fmt.Errorf("read permissions: %w", err)
		}
		c.req.perms, c.req.permed = perms, true
	}
	return c.req.perms, nil
}

// HostID is the id of the build host whose user the caller is; ok is false if there is none. It is read once per request.
func (c *Call) HostID() (id int64, ok bool, err error) {
	if !c.LoggedIn() {
		return 0, false, nil
	}
	if !c.req.hosted {
		id, found, err := c.hub.cfg.Users.HostOf(c.ctx, c.UserID())
		if err != nil {
			return 0, false, fmt.Errorf("read host: %w", err)
		}
		if found {
			c.req.host = &id
		}
		c.req.hosted = true
	}
	if c.req.host == nil {
		return 0, false, nil
	}
	return *c.req.host, true, nil
}

// lookAgain asks the database for the session of a call that rode and was not admitted.
func (r *request) lookAgain(ctx context.Context) error {
	sess, taken, err := r.claim.taken.Instead(ctx)
	r.claim = claim{taken: taken, tried: taken != nil}
	if err != nil {
		return err
	}
	r.session, r.perms, r.permed, r.host, r.hosted = sess, nil, false, nil, false
	return sess.Lockout()
}

// claim is the call number of a request, taken before the first method that may change something and settled when the request is done.
type claim struct {
	taken   *auth.Claim
	tried   bool
	changed bool // some method changed something, or may have
}

// takeClaim claims the call number for the whole request, once.
func (c *Call) takeClaim(outer string) error {
	if c.req.claim.tried {
		return nil
	}
	taken, err := c.hub.cfg.Sessions.Claim(c.ctx, c.req.session, outer)
	if err != nil {
		return err
	}
	c.req.claim.taken, c.req.claim.tried = taken, true
	return nil
}

// settle ends the request's claim. It gives what the call has come to, which ended with err.
func (r *request) settle(ctx context.Context, log *slog.Logger, err error) error {
	switch taken := r.claim.taken; {
	case taken.Rides():
		return taken.Finish(ctx, err)
	case r.claim.changed:
		taken.Keep()
		return err
	}
	if err := r.claim.taken.Release(ctx); err != nil {
		log.ErrorContext(ctx, "call number not released: a repeat will be refused", "error", err)
	}
	return err
}
