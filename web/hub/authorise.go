package hub

import (
	"errors"
	"fmt"
	"strings"

	"moromi/internal/fault"
)

// Auth says who may call a method. It is one of Anonymous, Session, Host, Admin, Perm(…) and Custom(…).
type Auth interface {
	// authorise gives nil or the fault that Koji gives.
	authorise(c *Call) error
	// valid tells what is wrong with the declaration itself.
	valid() error
	// String is for documentation and the authorisation matrix: "anonymous", "perm tag" …
	String() string
}

type level int

// Who may call a method, apart from Perm and Custom.
const (
	// Anonymous is everyone, logged in or not.
	Anonymous level = iota + 1
	// Session is every logged-in user.
	Session
	// Host is the user of a build host, in that host's exclusive session.
	Host
	// Admin is who has the admin permission.
	Admin
)

func (l level) valid() error {
	if l < Anonymous || l > Admin {
		return errors.New("unknown authorisation")
	}
	return nil
}

func (l level) String() string {
	switch l {
	case Anonymous:
		return "anonymous"
	case Session:
		return "session"
	case Host:
		return "host"
	case Admin:
		return "admin"
	}
	return "invalid"
}

func (l level) authorise(c *Call) error {
	switch l {
	case Anonymous:
		return nil
	case Session:
		return c.RequireLogin()
	case Host:
		_, err := c.RequireHost()
		return err
	case Admin:
		return c.RequirePerm("admin")
	}
	return fmt.Errorf("method %s: unknown authorisation", c.method.Name)
}

type permAuth []string

// Perm is who has one of the permissions, or admin.
func Perm(names ...string) Auth { return permAuth(names) }

func (p permAuth) authorise(c *Call) error { return c.RequirePerm(p...) }

func (p permAuth) valid() error {
	if len(p) == 0 {
		return errors.New("no permission named")
	}
	for _, name := range p {
		if name == "" {
			return errors.New("an empty permission name")
		}
	}
	return nil
}

func (p permAuth) String() string { return "perm " + strings.Join(p, " or ") }

type customAuth string

// Custom is a method that decides inside, since who may call depends on the arguments. The reason says on what.
func Custom(reason string) Auth { return customAuth(reason) }

func (c customAuth) authorise(*Call) error { return nil }

func (c customAuth) valid() error {
	if strings.TrimSpace(string(c)) == "" {
		return errors.New("authorisation inside needs a reason")
	}
	return nil
}

func (c customAuth) String() string { return "custom: " + string(c) }

// RequireLogin gives Koji's fault if nobody is logged in.
func (c *Call) RequireLogin() error {
	if !c.LoggedIn() {
		return fault.New(fault.ActionNotAllowed, "you must be logged in for this operation")
	}
	return nil
}

// RequirePerm gives Koji's fault unless the user has one of the permissions, or admin.
func (c *Call) RequirePerm(names ...string) error {
	for _, name := range append(names, "admin") {
		ok, err := c.HasPerm(name)
		if err != nil {
			return err
		}
		if ok {
			return nil
		}
	}
	who := "user not logged in"
	if c.LoggedIn() {
		who = "logged in as " + c.User().Name
	}
	return fault.New(fault.ActionNotAllowed, "%s permission required (%s)", strings.Join(names, " or "), who)
}

// RequireHost gives the id of the caller's host, or Koji's fault if the user is not a host's or the session is not the exclusive one.
func (c *Call) RequireHost() (int64, error) {
	if !c.LoggedIn() {
		return 0, fault.New(fault.Auth, "Not logged-in")
	}
	id, ok, err := c.HostID()
	if err != nil {
		return 0, err
	}
	if !ok {
		return 0, fault.New(fault.Auth, "User %d is not a host", c.UserID())
	}
	if !c.req.session.Exclusive {
		return 0, fault.New(fault.Auth, "This method requires an exclusive session")
	}
	return id, nil
}
