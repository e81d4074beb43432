package hub

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/web/auth"
)

// Newcomer is who logs in for the first time.
type Newcomer struct {
	Name      string // of the user
	Principal string // the Kerberos principal; empty for certificates
	// MayJoin says that the principal may become another one of a user who is there already. Koji always lets it; here it must be of the hub's
	// own realm or of one in AllowedKrbRealms, since a foreign realm may name its principals as it likes, admin@ELSEWHERE included.
	MayJoin bool
}

// Enrol makes the user of a first login and answers its id. Its faults are the client's.
type Enrol func(ctx context.Context, n Newcomer) (int64, error)

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
		return nil, fault.New(fault.Auth, "could not verify client: NONE") // mod_ssl's word for no certificate
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
	userID, err := c.userOfIdentity(id, name, authType)
	if err != nil {
		return nil, err
	}
	return c.open(auth.Opening{
		UserID: userID, AuthType: authType, HostIP: c.hub.cfg.Sessions.HostIP(c.RemoteAddr()),
		Renew: a.Bool("renew"), Exclusive: a.Bool("exclusive"), Prior: c.req.session,
	})
}

// actFor checks that the identity may log in the other user, and as authenticated how.
func (c *Call) actFor(id *auth.Identity, proxied string, a Args) (string, koji.AuthType, error) {
	allowed := c.hub.cfg.ProxyDNs
	if id.AuthType == koji.AuthGSSAPI {
		allowed = c.hub.cfg.ProxyPrincipals
	}
	if !slices.ContainsFunc(id.Subjects, func(s string) bool { return s != "" && slices.Contains(allowed, s) }) {
		c.log.WarnContext(c.ctx, "proxy login refused", "subject", id.Subjects, "for", clip(proxied))
		return "", 0, fault.New(fault.Auth, "%s is not authorized to login other users", id.Subjects[0])
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

// userOfIdentity finds the user of a principal or certificate name, or makes it (LoginCreatesUser).
func (c *Call) userOfIdentity(id *auth.Identity, name string, authType koji.AuthType) (int64, error) {
	find := c.hub.cfg.Users.UserByName
	newcomer := Newcomer{Name: name}
	if user, realm, ok := strings.Cut(name, "@"); ok && authType == koji.AuthGSSAPI {
		if err := c.hub.cfg.Realms.Check(name); err != nil {
			return 0, err
		}
		find = c.hub.cfg.Users.UserByPrincipal
		newcomer = Newcomer{Name: user, Principal: name, MayJoin: realm == id.Realm || len(c.hub.cfg.Realms) > 0}
	}
	user, err := find(c.ctx, name)
	switch {
	case err != nil:
		return 0, fmt.Errorf("find the user of a login: %w", err)
	case user != nil:
		return user.ID, nil
	case c.hub.cfg.Enrol == nil:
		return 0, fault.New(fault.Auth, "Unknown user: %s", clip(name))
	}
	userID, err := c.hub.cfg.Enrol(c.ctx, newcomer)
	if err == nil {
		c.log.InfoContext(c.ctx, "first login", "name", newcomer.Name, "principal", newcomer.Principal, "id", userID)
	}
	return userID, err
}
