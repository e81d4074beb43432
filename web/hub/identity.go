package hub

import (
	"net/http"
	"slices"
	"strings"

	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/web/auth"
)

// IdentityProvider tells who sends a request to /ssllogin: by its TLS client certificate or by Kerberos (Negotiate).
type IdentityProvider interface {
	// Identify gives the caller's identity; a *Challenge to be answered with 401; nil when the request carries none; or a fault.
	Identify(r *http.Request) (*Identity, error)
}

// Identity is who a request comes from.
type Identity struct {
	AuthType koji.AuthType // AuthSSL or AuthGSSAPI
	// Name is the user name (from the certificate's subject) or the full Kerberos principal.
	Name string
	// Subject is what the proxy list is compared with: the certificate's DN, or the principal.
	Subject string
	// Reply are headers for the answer, such as the Kerberos server's own token.
	Reply http.Header
}

// Challenge is the error of an IdentityProvider that wants the client to authenticate: status 401 with these WWW-Authenticate headers.
type Challenge struct{ Schemes []string }

// Error says what is asked for.
func (c *Challenge) Error() string { return "authentication wanted: " + strings.Join(c.Schemes, ", ") }

// sslLogin logs in whoever the identity provider names, or the user whom that one may act for.
func (c *Call) sslLogin(a Args) (any, error) {
	if c.LoggedIn() {
		return nil, errLoggedIn()
	}
	id, err := c.req.identify()
	if err != nil {
		return nil, err
	}
	if id == nil {
		return nil, fault.New(fault.Auth, "could not verify client: this hub has no certificate or Kerberos identity for the request")
	}
	for k, v := range id.Reply {
		c.req.reply[k] = v
	}
	name, authType := id.Name, id.AuthType
	if proxied, _ := a.Get("proxyuser").(string); proxied != "" {
		if name, authType, err = c.actFor(id, proxied, a); err != nil {
			return nil, err
		}
	}
	user, err := c.userOfIdentity(name, authType)
	if err != nil {
		return nil, err
	}
	return c.open(auth.Opening{
		UserID: user.ID, AuthType: authType, HostIP: c.hub.cfg.Sessions.HostIP(c.RemoteAddr()),
		Renew: a.Bool("renew"), Exclusive: a.Bool("exclusive"), Prior: c.req.session,
	})
}

// actFor checks that the identity may log in the other user, and as authenticated how.
func (c *Call) actFor(id *Identity, proxied string, a Args) (string, koji.AuthType, error) {
	if !slices.Contains(c.hub.cfg.Proxies, id.Subject) {
		return "", 0, fault.New(fault.Auth, "%s is not authorized to login other users", id.Subject)
	}
	authType := id.AuthType
	if !a.IsNil("proxyauthtype") {
		n, err := a.Int("proxyauthtype")
		if err != nil {
			return "", 0, err
		}
		want := koji.AuthType(n)
		switch {
		case want != authType && !c.hub.cfg.AnyProxyAuthType:
			return "", 0, fault.New(fault.Auth, "Proxy must use same auth mechanism as hub (behaviour can be overriden via AllowProxyAuthType hub option)")
		case want != koji.AuthSSL && want != koji.AuthGSSAPI:
			return "", 0, fault.New(fault.Auth, "Proxied authtype %d is not valid for sslLogin", n)
		}
		authType = want
	}
	return proxied, authType, nil
}

// userOfIdentity finds the user of a principal or certificate name. Users are not made by logging in: an admin adds them.
func (c *Call) userOfIdentity(name string, authType koji.AuthType) (*auth.User, error) {
	find := c.hub.cfg.Users.UserByName
	if authType == koji.AuthGSSAPI && strings.Contains(name, "@") {
		find = c.hub.cfg.Users.UserByPrincipal
	}
	user, err := find(c.ctx, name)
	if err == nil && user == nil {
		err = fault.New(fault.Auth, "Unknown user: %s", clip(name))
	}
	return user, err
}
