package hub

import (
	"fmt"
	"time"

	"moromi/internal/fault"
	"moromi/internal/xmlrpc"
	"moromi/web/auth"
)

// loginMethods open, renew and end sessions. They are Custom since they are what makes a caller known.
func (h *Hub) loginMethods() []Method {
	return []Method{
		{Name: "login", Params: "*args, **opts", Auth: Anonymous,
			Help: "Open a session by user name and password: (user, password, opts=None, renew=False, exclusive=False). opts.hostip binds it to another address.",
			Func: (*Call).passwordLogin},
		{Name: "sslLogin", Params: "*args, **opts", Auth: Anonymous,
			Help: "Open a session for the caller's certificate or Kerberos ticket: (proxyuser=None, proxyauthtype=None, renew=False, exclusive=None).",
			Func: func(c *Call, a Args) (any, error) {
				in, err := rebind(a, "sslLogin", "proxyuser=None, proxyauthtype=None, renew=False, exclusive=None")
				if err != nil {
					return nil, err
				}
				return c.sslLogin(in)
			}},
		{Name: "logout", Params: "session_id=None", Auth: Custom("a session is ended by its owner or an admin"), Write: true,
			Help: "End this session and its sub-sessions, or those of the given session.", Func: (*Call).logout},
		{Name: "subsession", Auth: Custom("without a session the fault is AuthError"), Write: true,
			Help: "Open a session under this one.",
			Func: func(c *Call, _ Args) (any, error) {
				g, err := c.hub.cfg.Sessions.Subsession(c.ctx, c.req.session)
				return grant(g), err
			}},
		{Name: "logoutChild", Params: "session_id", Auth: Custom("without a session the fault is AuthError"), Write: true,
			Help: "End a sub-session of this session.",
			Func: func(c *Call, a Args) (any, error) {
				id, err := a.Reject(fault.Internal).Int("session_id")
				if err != nil {
					return nil, err
				}
				return nil, c.hub.cfg.Sessions.LogoutChild(c.ctx, c.req.session, id)
			}},
		{Name: "exclusiveSession", Params: "*args, **opts", Auth: Custom("without a session the fault is AuthError"), Write: true,
			Help: "Make this session the only one of its user that may act: (force=False). force ends the one that is exclusive now.",
			Func: func(c *Call, a Args) (any, error) {
				in, err := rebind(a, "exclusiveSession", "force=False")
				if err != nil {
					return nil, err
				}
				return nil, c.hub.cfg.Sessions.MakeExclusive(c.ctx, c.req.session, in.Bool("force"))
			}},
		{Name: "sharedSession", Auth: Custom("without a session the fault is AuthError"), Write: true,
			Help: "End this session's exclusivity.",
			Func: func(c *Call, _ Args) (any, error) {
				return nil, c.hub.cfg.Sessions.MakeShared(c.ctx, c.req.session)
			}},
	}
}

// rebind binds what *args and **opts took to the parameters of the function behind the method. Koji does it a second time inside, where a
// mismatch is an ordinary exception: fault code 1.
func rebind(a Args, name, params string) (Args, error) {
	sig, err := parseParams(params)
	if err != nil {
		return Args{}, fmt.Errorf("parameters of %s: %w", name, err)
	}
	in, err := sig.bind(name, a.rest, a.extra)
	if err != nil {
		return Args{}, fault.New(fault.Internal, "%s", fault.Of(err).Message)
	}
	return in, nil
}

func errLoggedIn() error { return fault.New(fault.Auth, "Already logged in") }

func (c *Call) passwordLogin(a Args) (any, error) {
	in, err := rebind(a, "login", "user, password, opts=None, renew=False, exclusive=False")
	if err != nil {
		return nil, err
	}
	password, _ := in.Get("password").(string)
	name, _ := in.Get("user").(string)
	if password == "" {
		return nil, fault.New(fault.Auth, "invalid username or password")
	}
	if c.LoggedIn() {
		return nil, errLoggedIn()
	}
	hostip := c.hub.cfg.Sessions.HostIP(c.RemoteAddr())
	opts, err := in.Reject(fault.Internal).Map("opts")
	if err != nil {
		return nil, err
	}
	if ip, ok := opts["hostip"].(string); ok && ip != "" {
		hostip = c.hub.cfg.Sessions.HostIP(ip)
	}
	g, err := c.hub.cfg.Sessions.Login(c.ctx, name, password, hostip,
		auth.Opening{Renew: in.Bool("renew"), Exclusive: in.Bool("exclusive"), Prior: c.req.session})
	return grant(g), err
}

func (c *Call) open(o auth.Opening) (any, error) {
	g, err := c.hub.cfg.Sessions.Open(c.ctx, o)
	return grant(g), err
}

// grant is what a client gets of a new session. header-auth tells it to send the session in headers and not in the query.
func grant(g *auth.Grant) any {
	if g == nil {
		return nil
	}
	return xmlrpc.Struct{{Name: "session-id", Value: g.ID}, {Name: "session-key", Value: g.Key}, {Name: "header-auth", Value: true}}
}

func (c *Call) logout(a Args) (any, error) {
	if !c.LoggedIn() {
		return nil, fault.New(fault.Auth, "Not logged in")
	}
	if !a.Bool("session_id") {
		return nil, c.hub.cfg.Sessions.Logout(c.ctx, c.req.session)
	}
	id, err := a.Reject(fault.Internal).Int("session_id")
	if err != nil {
		return nil, err
	}
	admin, err := c.HasPerm("admin")
	if err != nil {
		return nil, err
	}
	return nil, c.hub.cfg.Sessions.LogoutOther(c.ctx, c.req.session, id, admin)
}

// sessionMethods tell callers about themselves.
func (h *Hub) sessionMethods() []Method {
	return []Method{
		{Name: "getLoggedInUser", Auth: Anonymous, Help: "Information about the caller, as getUser gives, with authtype; nothing for nobody.",
			Func: (*Call).loggedInUser},
		{Name: "getPerms", Auth: Anonymous, Help: "The names of the caller's permissions.",
			Func: func(c *Call, _ Args) (any, error) {
				perms, err := c.Perms()
				return append([]string{}, perms...), err
			}},
		{Name: "hasPerm", Params: "perm, strict=False", Auth: Anonymous,
			Help: "Whether the caller has the permission. With strict, a permission that is not defined is an error.",
			Func: (*Call).hasPermission},
		{Name: "getSessionInfo", Params: "details=False, user_id=None", Auth: Custom("others' sessions are for admins"),
			Help: "Information about this session, or a list of the sessions of a user. details adds id and hostip.",
			Func: (*Call).sessionInfo},
		{Name: "showSession", Auth: Anonymous, Help: "The caller's session as text, for people.",
			Func: func(c *Call, _ Args) (any, error) { return c.describeSession(), nil }},
		{Name: "showOpts", Params: "as_string=True", Auth: Admin, Help: "The hub's options, as text or as a struct.",
			Func: func(c *Call, a Args) (any, error) {
				opts := c.hub.cfg.Options
				if opts == nil {
					opts = map[string]any{}
				}
				if a.Bool("as_string") {
					return pyRepr(opts), nil
				}
				return opts, nil
			}},
	}
}

func (c *Call) loggedInUser(Args) (any, error) {
	u := c.User()
	if u == nil {
		return nil, nil
	}
	var first any
	if len(u.Principals) > 0 {
		first = u.Principals[0]
	}
	return xmlrpc.Struct{
		{Name: "id", Value: u.ID}, {Name: "name", Value: u.Name}, {Name: "status", Value: int(u.Status)}, {Name: "usertype", Value: int(u.Type)},
		{Name: "krb_principals", Value: append([]string{}, u.Principals...)}, {Name: "authtype", Value: int(c.req.session.AuthType)},
		{Name: "krb_principal", Value: first},
	}, nil
}

func (c *Call) hasPermission(a Args) (any, error) {
	name, ok := a.Get("perm").(string)
	if a.Bool("strict") {
		known := false
		if ok {
			var err error
			if known, err = c.hub.cfg.Users.PermissionExists(c.ctx, name); err != nil {
				return nil, fmt.Errorf("look up permission: %w", err)
			}
		}
		if !known {
			return nil, fault.New(fault.Generic, "No such permission %s defined", clip(pyRepr(a.Get("perm"))))
		}
	}
	if !ok {
		return false, nil
	}
	return c.HasPerm(name)
}

func (c *Call) sessionInfo(a Args) (any, error) {
	if !c.LoggedIn() {
		return nil, nil
	}
	details := a.Bool("details")
	if !a.Bool("user_id") {
		return infoStruct(c.req.session.Info, details), nil
	}
	user, err := c.lookUpUser(a.Get("user_id"))
	if err != nil {
		return nil, err
	}
	admin, err := c.HasPerm("admin")
	if err != nil {
		return nil, err
	}
	if !admin && user.ID != c.UserID() {
		return nil, fault.New(fault.ActionNotAllowed, "only admins or owners may see all active sessions")
	}
	infos, err := c.hub.cfg.Sessions.List(c.ctx, user.ID)
	if err != nil {
		return nil, err
	}
	list := make([]any, len(infos))
	for i, info := range infos {
		list[i] = infoStruct(info, details)
	}
	return list, nil
}

// lookUpUser finds a user by id, name or principal, as Koji's get_user with strict.
func (c *Call) lookUpUser(info any) (*auth.User, error) {
	var user *auth.User
	var err error
	switch info := info.(type) {
	case int64:
		user, err = c.hub.cfg.Users.User(c.ctx, info)
	case string:
		if user, err = c.hub.cfg.Users.UserByName(c.ctx, info); user == nil && err == nil {
			user, err = c.hub.cfg.Users.UserByPrincipal(c.ctx, info)
		}
	default:
		return nil, fault.New(fault.Generic, "Invalid type for userInfo: <class '%s'>", pyType(info))
	}
	if err != nil {
		return nil, fmt.Errorf("look up user: %w", err)
	}
	if user == nil {
		return nil, fault.New(fault.Generic, "No such user: %s", clip(pyRepr(info)))
	}
	return user, nil
}

// infoStruct is a session as getSessionInfo shows it.
func infoStruct(i auth.Info, details bool) map[string]any {
	m := map[string]any{
		"user_id": i.UserID, "authtype": int(i.AuthType), "callnum": i.Callnum, "master": i.Master, "expired": i.Expired, "exclusive": nil,
		"start_time": i.StartTime, "start_ts": epoch(i.StartTime), "update_time": i.UpdateTime, "update_ts": epoch(i.UpdateTime),
		"renew_time": nil, "renew_ts": nil,
	}
	if i.Exclusive {
		m["exclusive"] = true
	}
	if i.RenewTime != nil {
		m["renew_time"], m["renew_ts"] = *i.RenewTime, epoch(*i.RenewTime)
	}
	if details {
		m["id"], m["hostip"] = i.ID, i.HostIP
	}
	return m
}

// epoch is seconds since 1970 with microseconds, as PostgreSQL's date_part gives.
func epoch(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }

// describeSession is showSession's text, in the shape of Koji's and without the key.
func (c *Call) describeSession() string {
	if !c.LoggedIn() {
		if c.req.message != "" {
			return "session: not logged in (" + c.req.message + ")"
		}
		return "session: not logged in"
	}
	s := c.req.session
	master := any(nil)
	if s.Master != nil {
		master = *s.Master
	}
	callnum := any(nil)
	if s.Callnum != nil {
		callnum = *s.Callnum
	}
	return fmt.Sprintf("session %d: %s", s.ID, pyRepr(map[string]any{
		"logged_in": true, "id": s.ID, "master": master, "user_id": s.UserID, "authtype": int(s.AuthType), "hostip": s.HostIP,
		"user_data": map[string]any{"name": s.User.Name, "status": int(s.User.Status), "usertype": int(s.User.Type)},
		"exclusive": s.Exclusive, "callnum": callnum,
	}))
}
