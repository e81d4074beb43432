package hubclient

import (
	"context"
	"errors"
	"fmt"

	"moromi/internal/fault"
	"moromi/internal/xmlrpc"
)

// session is what identifies a session at the hub. The key is a secret: it is never logged and never in an address.
type session struct {
	id      int64
	key     string
	callnum int64
	ok      bool
}

// Login opens a session with a user's name and password. It is renewed by itself when it expires.
func (c *Client) Login(ctx context.Context, user, password string) error {
	return c.open(ctx, func(c *Client, renew xmlrpc.Kwargs) (*request, error) {
		kw := xmlrpc.Kwargs{"opts": nil}
		for k, v := range renew {
			kw[k] = v
		}
		return c.prepare("login", []any{user, password, kw})
	})
}

// LoginCertificate opens a session with the TLS client certificate of Options.HTTP. proxyUser, if not empty, is the user
// to act as, which the hub allows to few.
func (c *Client) LoginCertificate(ctx context.Context, proxyUser string) error {
	return c.open(ctx, func(c *Client, renew xmlrpc.Kwargs) (*request, error) {
		return c.prepareSSLLogin(proxyUser, renew)
	})
}

// Negotiator makes the tokens of Kerberos logins; package kerberos has one.
type Negotiator interface {
	// Begin makes a token for one request to a host, and the check of the token that the host answers.
	Begin(ctx context.Context, host string) (token []byte, verify func(reply []byte) error, err error)
}

// LoginKerberos opens a session with a Kerberos ticket. proxyUser is as in LoginCertificate.
func (c *Client) LoginKerberos(ctx context.Context, n Negotiator, proxyUser string) error {
	return c.open(ctx, func(c *Client, renew xmlrpc.Kwargs) (*request, error) {
		req, err := c.prepareSSLLogin(proxyUser, renew)
		if err != nil {
			return nil, err
		}
		req.negotiator = n
		return req, nil
	})
}

// prepareSSLLogin encodes the login by certificate or ticket; for both the method is sslLogin.
func (c *Client) prepareSSLLogin(proxyUser string, renew xmlrpc.Kwargs) (*request, error) {
	kw := xmlrpc.Kwargs{"proxyuser": nil}
	if proxyUser != "" {
		kw["proxyuser"] = proxyUser
	}
	for k, v := range renew {
		kw[k] = v
	}
	address, err := c.loginURL()
	if err != nil {
		return nil, err
	}
	req, err := c.prepare("sslLogin", []any{kw})
	if err != nil {
		return nil, err
	}
	req.url = address
	return req, nil
}

// open logs in with a request that prepare makes, and keeps it for renewals.
func (c *Client) open(ctx context.Context, prepare func(*Client, xmlrpc.Kwargs) (*request, error)) error {
	if err := c.lock(ctx); err != nil {
		return fmt.Errorf("log in: %w", err)
	}
	defer c.unlock()
	login := func(ctx context.Context, c *Client, kw xmlrpc.Kwargs) error {
		req, err := prepare(c, kw)
		if err != nil {
			return err
		}
		req.timeout = c.opts.AuthTimeout
		// As in Koji's client, a login may be tried again only by one that retries anonymous calls.
		v, _, err := c.sendRetrying(ctx, req, c.session.ok || c.opts.AnonymousRetry)
		if err != nil {
			return err
		}
		return c.adopt(v)
	}
	if err := login(ctx, c, nil); err != nil {
		return fmt.Errorf("log in: %w", err)
	}
	c.renew = func(ctx context.Context, c *Client) error {
		return login(ctx, c, xmlrpc.Kwargs{"renew": true, "exclusive": c.exclusive})
	}
	return nil
}

// adopt takes over the session that a login answered. The call number goes on counting.
func (c *Client) adopt(v any) error {
	m := Struct(v)
	id, key := Int(m["session-id"]), String(m["session-key"])
	if id == 0 || key == "" {
		return fault.New(fault.Auth, "unable to obtain a session: the hub's answer has none")
	}
	if !Bool(m["header-auth"]) {
		return errors.New("the hub is too old: it wants the session in the address (Koji 1.31 or newer is needed)")
	}
	c.setSession(session{id: id, key: key, callnum: c.session.callnum, ok: true})
	return nil
}

func (c *Client) setSession(s session) {
	c.session = s
	c.sess.Store(&s)
}

// snapshot is the session for those who make no calls with it. Its call number means nothing.
func (c *Client) snapshot() session {
	if s := c.sess.Load(); s != nil {
		return *s
	}
	return session{}
}

// LoggedIn tells whether the client has a session.
func (c *Client) LoggedIn() bool { return c.snapshot().ok }

// SessionID is the session's id at the hub, for LogoutChild; 0 without one.
func (c *Client) SessionID() int64 { return c.snapshot().id }

// ExclusiveSession makes this the only session of its user, as builders must. force ends another exclusive session.
func (c *Client) ExclusiveSession(ctx context.Context, force bool) error {
	if _, err := c.Call(ctx, "exclusiveSession", xmlrpc.Kwargs{"force": force}); err != nil {
		return err
	}
	if err := c.lock(ctx); err != nil {
		return err
	}
	defer c.unlock()
	c.exclusive = true
	return nil
}

// Subsession opens a child session, which shares the master's rights and ends with it. Its calls run beside the master's.
func (c *Client) Subsession(ctx context.Context) (*Client, error) {
	v, err := c.Call(ctx, "subsession")
	if err != nil {
		return nil, err
	}
	sub := New(c.base, c.opts)
	if err := sub.adopt(v); err != nil {
		return nil, err
	}
	if err := c.lock(ctx); err != nil {
		return nil, err
	}
	defer c.unlock()
	sub.renew = c.renew
	return sub, nil
}

// Logout ends the session and its children. It is not retried; without a session it does nothing.
func (c *Client) Logout(ctx context.Context) error {
	if err := c.lock(ctx); err != nil {
		return fmt.Errorf("log out: %w", err)
	}
	defer c.unlock()
	if !c.session.ok {
		return nil
	}
	req, err := c.prepare("logout", nil)
	if err != nil {
		return err
	}
	req.timeout = c.opts.AuthTimeout
	_, err = c.send(ctx, req)
	c.renew = nil
	c.setSession(session{})
	if err != nil && !fault.Is(err, fault.AuthExpired) {
		return fmt.Errorf("log out: %w", err)
	}
	return nil
}

// LogoutChild ends a child session by its id.
func (c *Client) LogoutChild(ctx context.Context, id int64) error {
	_, err := c.Call(ctx, "logoutChild", id)
	return err
}
