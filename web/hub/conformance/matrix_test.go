package conformance_test

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"moromi/commands"
	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/internal/xmlrpc"
	"moromi/projections/catalog"
	"moromi/web/hub"
)

// principal is somebody who calls.
type principal struct {
	name      string
	user      string // empty: nobody is logged in
	perms     []string
	host      bool
	exclusive bool
}

// principals are nobody, a plain user, hosts with and without the exclusive session that they need, one user for each permission, and an admin.
// The users that are not of the bootstrap are made.
func principals(s *site) []principal {
	s.t.Helper()
	all := []principal{
		{name: "anonymous"},
		{name: "plain user", user: "alice"},
		{name: "host", user: "builder1", host: true, exclusive: true},
		{name: "host without exclusive session", user: "builder2", host: true},
	}
	// Koji's plugin has this permission, but no site from the start
	_, err := s.service.DefinePermission(s.t.Context(), commands.Actor{}, "runroot", "")
	s.check(err)
	rows, err := catalog.Permissions(s.t.Context(), s.service.DB)
	s.check(err)
	for _, row := range rows {
		perm := row["name"].(string)
		user := "with-" + perm
		s.addUser(user, koji.UserNormal, perm)
		all = append(all, principal{name: "perm " + perm, user: user, perms: []string{perm}})
	}
	admin := s.open(s.t, "kojiadmin")
	if _, err := admin.call("createTag", []any{"matrix"}); err != nil {
		s.t.Fatal(err)
	}
	for _, h := range []string{"builder1", "builder2"} {
		if _, err := admin.call("addHost", []any{h, []any{"x86_64"}}); err != nil {
			s.t.Fatal(err)
		}
	}
	return all
}

// refusal is the fault of a caller who may not call.
type refusal struct {
	code fault.Code
	text string // which it begins with
}

// want gives the refusal that a method's declaration means for a caller, nil if the caller may call. known is false for a declaration that says
// nothing about callers.
func want(auth hub.Auth, p principal) (r *refusal, known bool) {
	switch text := auth.String(); {
	case text == "anonymous":
		return nil, true
	case text == "session":
		if p.user == "" {
			return &refusal{fault.ActionNotAllowed, "you must be logged in for this operation"}, true
		}
		return nil, true
	case text == "host":
		return wantHost(p), true
	case text == "admin":
		return wantPerms(p, "admin"), true
	case strings.HasPrefix(text, "perm "):
		return wantPerms(p, strings.Split(strings.TrimPrefix(text, "perm "), " or ")...), true
	}
	return nil, false
}

func wantHost(p principal) *refusal {
	switch {
	case p.user == "":
		return &refusal{fault.Auth, "Not logged-in"}
	case !p.host:
		return &refusal{fault.Auth, "User "}
	case !p.exclusive:
		return &refusal{fault.Auth, "This method requires an exclusive session"}
	}
	return nil
}

func wantPerms(p principal, names ...string) *refusal {
	for _, name := range append(names, "admin") {
		if slices.Contains(p.perms, name) {
			return nil
		}
	}
	return &refusal{fault.ActionNotAllowed, strings.Join(names, " or ") + " permission required"}
}

// wantCustom gives what TestMatrix expects of the methods that decide inside; what they decide is in TestCustomAuthorisation.
func wantCustom() map[string]func(principal) *refusal {
	session := func(p principal) *refusal {
		if p.user == "" {
			return &refusal{fault.Auth, "Not logged in"}
		}
		return nil
	}
	anyone := func(principal) *refusal { return nil }
	return map[string]func(principal) *refusal{
		"logout": session, "subsession": session, "logoutChild": session, "exclusiveSession": session, "sharedSession": session,
		"getSessionInfo": anyone, "multiCall": anyone, "system.multicall": anyone, "cancelTask": anyone, "count": anyone, "filterResults": anyone,
		"countAndFilterResults": anyone, "createNotification": anyone, "createNotificationBlock": anyone, "updateNotification": anyone,
		"deleteNotification": anyone, "deleteNotificationBlock": anyone, "packageListAdd": anyone, "packageListBlock": anyone,
		"packageListRemove": anyone, "packageListSetArches": anyone, "packageListSetOwner": anyone, "packageListUnblock": anyone,
		"buildImage": anyone, "importArchive": anyone, "CGInitBuild": anyone, "CGImport": anyone, "CGRefundBuild": anyone,
		"host.moveImageBuildToScratch": anyone,
	}
}

// past are arguments that get past what a method refuses before it asks who calls (hub.Method.First), so that its declaration decides.
func past() map[string][]any {
	return map[string][]any{
		"assignTask": {int64(1), "builder1"}, "enableUser": {"cguser"}, "disableUser": {"cguser"}, "setInheritanceData": {"matrix", nil},
		"buildImageOz": {"image", "1", nil, nil, "tree"}, "distRepo": {"matrix", []any{}}, "host.writeSignedRPM": {"foo-1-1.noarch", "key"},
	}
}

// nothing are arguments that every method can be called with as far as their number goes. No user is named by a name that nobody has: to many
// methods none means the caller.
func nothing(m hub.Method) []any {
	if params, there := past()[m.Name]; there {
		return params
	}
	names, required := paramsOf(m)
	var params []any
	for _, name := range names[:required] {
		switch {
		case strings.HasPrefix(name, "user"):
			params = append(params, "nobody-of-this-name")
		case name == "session_id":
			params = append(params, int64(0))
		default:
			params = append(params, nil)
		}
	}
	return params
}

// allMethods are the methods and the two that Koji does not list. The methods of sessions are last but for these: exclusiveSession locks a user's
// other sessions out.
func (s *site) allMethods() []hub.Method {
	all := s.hub.Methods()
	slices.SortStableFunc(all, func(a, b hub.Method) int {
		switch {
		case a.Plugin && !b.Plugin:
			return -1
		case b.Plugin && !a.Plugin:
			return 1
		}
		return 0
	})
	for _, name := range []string{"multiCall", "system.multicall"} {
		all = append(all, hub.Method{Name: name, Params: "calls", Auth: hub.Custom("each entry is authorised by itself"), Write: true})
	}
	return all
}

// TestMatrix calls every method as everybody: the verdict must be the one that the method declares. Who may call gets another fault, or an
// answer: the arguments are none. No argument may bring the hub to an internal error.
func TestMatrix(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	methods, custom := s.allMethods(), wantCustom()
	for _, m := range methods {
		if _, known := want(m.Auth, principal{}); known == (custom[m.Name] != nil) {
			t.Errorf("%s is declared %q; the declaration alone decides: %v, expected here: %v", m.Name, m.Auth, known, custom[m.Name] != nil)
		}
	}
	for _, p := range principals(s) {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			refused := 0
			for _, m := range methods {
				r, known := want(m.Auth, p)
				if expect := custom[m.Name]; !known && expect != nil {
					r = expect(p)
				}
				if r != nil {
					refused++
				}
				if problem := verdict(t, s, m, p, r); problem != "" {
					t.Errorf("%s, declared %q: %s", m.Name, m.Auth, problem)
				}
			}
			t.Logf("%d of %d calls were refused", refused, len(methods))
		})
	}
}

// verdict makes one call and tells what is wrong with the answer.
func verdict(t *testing.T, s *site, m hub.Method, p principal, r *refusal) string {
	c := &client{site: s}
	if p.user != "" {
		c = s.session(t, p)
	}
	_, err := c.call(m.Name, nothing(m))
	var f *xmlrpc.Fault
	if err != nil && !errors.As(err, &f) {
		return err.Error()
	}
	switch {
	case r == nil && f == nil:
		return ""
	case r != nil && f == nil:
		return fmt.Sprintf("answered; it should be refused with %d %s", r.code, r.text)
	case r != nil && (f.Code != int(r.code) || !strings.HasPrefix(f.String, r.text)):
		return fmt.Sprintf("refused with %d %q instead of %d %q", f.Code, f.String, r.code, r.text)
	case r == nil && refusedByTable(m, f):
		return fmt.Sprintf("refused with %d %q", f.Code, f.String)
	case internal(f):
		return fmt.Sprintf("internal error; log:\n%s", s.log.lines(f.String))
	}
	return ""
}

// session gives the principal a session that no earlier call ended or changed.
func (s *site) session(t *testing.T, p principal) *client {
	t.Helper()
	c := s.open(t, p.user)
	if p.exclusive {
		if _, err := c.call("exclusiveSession", []any{xmlrpc.Kwargs{"force": true}}); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// refusedByTable tells whether a fault is the one that the method's declaration gives to some caller.
func refusedByTable(m hub.Method, f *xmlrpc.Fault) bool {
	for _, p := range []principal{{}, {user: "alice"}, {user: "builder2", host: true}} {
		if r, known := want(m.Auth, p); known && r != nil && f.Code == int(r.code) && strings.HasPrefix(f.String, r.text) {
			return true
		}
	}
	return false
}

// internal tells an error that the hub did not foresee from the faults of code 1 that are Koji's answer.
func internal(f *xmlrpc.Fault) bool {
	return f.Code == int(fault.Internal) && strings.HasPrefix(f.String, "internal error")
}

// lines are those of the log about the request that a fault names.
func (l *logBuffer) lines(faultText string) string {
	request := faultText[strings.LastIndex(faultText, " ")+1:]
	var found []string
	for line := range strings.Lines(l.String()) {
		if strings.Contains(line, request) {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return strings.Join(found, "\n")
}

// TestCustomAuthorisation asks the methods that decide inside about what they decide on.
func TestCustomAuthorisation(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	admin := s.open(t, "kojiadmin")
	task := func() any {
		t.Helper()
		id, err := admin.call("makeTask", []any{"sleep", []any{int64(1)}})
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	victim := func() any {
		t.Helper()
		m, err := admin.call("subsession", nil)
		if err != nil {
			t.Fatal(err)
		}
		return m.(map[string]any)["session-id"]
	}
	inner := func(params ...any) []any {
		return []any{[]any{map[string]any{"methodName": "createTag", "params": params}}}
	}
	reservation := map[string]any{"name": "cg", "version": "1", "release": "1"}
	const contentDocument = `{"metadata_version": 0, "build": {"name": "x", "version": "1", "release": "1", "source": "", "start_time": 0, "end_time": 0, "extra": {}},
		"buildroots": [{"id": 1, "content_generator": {"name": "osb", "version": "1"}, "container": {"type": "", "arch": ""}, "host": {"os": "", "arch": ""}, "components": [], "tools": []}],
		"output": [{"buildroot_id": 1, "type": "log", "filename": "x.log", "filesize": 1, "checksum": "x", "checksum_type": "md5"}]}`
	for _, c := range []struct {
		user, method string
		params       []any
		code         fault.Code // 0: it is done
	}{
		{"", "cancelTask", []any{task()}, fault.ActionNotAllowed},
		{"alice", "cancelTask", []any{task()}, fault.ActionNotAllowed},
		{"kojira", "cancelTask", []any{task()}, fault.ActionNotAllowed},
		{"kojiadmin", "cancelTask", []any{task()}, 0},
		{"alice", "getSessionInfo", []any{true, int64(1)}, fault.ActionNotAllowed},
		{"alice", "getSessionInfo", []any{true, s.users["alice"]}, 0},
		{"kojiadmin", "getSessionInfo", []any{true, s.users["alice"]}, 0},
		{"", "logout", []any{victim()}, fault.Auth},
		{"alice", "logout", []any{victim()}, fault.Generic},
		{"kojiadmin", "logout", []any{victim()}, 0},
		{"", "createNotification", []any{s.users["alice"], nil, nil, false}, fault.Generic},
		{"bob", "createNotification", []any{s.users["alice"], nil, nil, false}, fault.Generic},
		{"alice", "createNotification", []any{s.users["alice"], nil, nil, false}, 0},
		{"kojiadmin", "createNotification", []any{s.users["bob"], nil, nil, false}, 0},
		{"", "deleteNotification", []any{int64(1)}, fault.Generic},
		{"bob", "deleteNotification", []any{int64(1)}, fault.Generic},
		{"bob", "updateNotification", []any{int64(1), nil, nil, true}, fault.Generic},
		{"alice", "deleteNotification", []any{int64(1)}, 0},
		{"kojiadmin", "deleteNotification", []any{int64(2)}, 0},
		{"bob", "createNotificationBlock", []any{s.users["alice"], nil, nil}, fault.Generic},
		{"alice", "createNotificationBlock", []any{s.users["alice"], nil, nil}, 0},
		{"bob", "deleteNotificationBlock", []any{int64(1)}, fault.Generic},
		{"alice", "deleteNotificationBlock", []any{int64(1)}, 0},
		{"kojiadmin", "createTag", []any{"t"}, 0},
		{"", "packageListAdd", []any{"t", "p", "alice"}, fault.ActionNotAllowed},
		{"alice", "packageListAdd", []any{"t", "p", "alice"}, fault.ActionNotAllowed},
		{"kojiadmin", "packageListAdd", []any{"t", "p", "alice"}, 0},
		{"alice", "packageListBlock", []any{"t", "p"}, fault.ActionNotAllowed},
		{"alice", "packageListUnblock", []any{"t", "p"}, fault.ActionNotAllowed},
		{"alice", "packageListSetOwner", []any{"t", "p", "bob"}, fault.ActionNotAllowed},
		{"alice", "packageListSetArches", []any{"t", "p", "x86_64"}, fault.ActionNotAllowed},
		{"alice", "packageListRemove", []any{"t", "p"}, fault.ActionNotAllowed},
		{"kojiadmin", "packageListRemove", []any{"t", "p"}, 0},
		{"", "host.moveImageBuildToScratch", []any{task(), map[string]any{}}, fault.Auth},
		{"kojiadmin", "host.moveImageBuildToScratch", []any{task(), map[string]any{}}, fault.Auth},
		{"", "buildImage", []any{"i", "1", "x86_64", "tg", "ks", "livecd"}, fault.ActionNotAllowed},
		{"alice", "buildImage", []any{"i", "1", "x86_64", "tg", "ks", "livemedia"}, fault.ActionNotAllowed},
		{"alice", "buildImage", []any{"i", "1", "x86_64", "tg", "ks", "appliance"}, fault.ActionNotAllowed},
		{"kojiadmin", "buildImage", []any{"i", "1", "x86_64", "tg", "ks", "appliance"}, 0},
		{"", "count", []any{"listHosts"}, 0},
		{"alice", "count", []any{"showOpts"}, fault.ActionNotAllowed},
		{"alice", "filterResults", []any{"showOpts"}, fault.Generic}, // it words its method's fault anew, as Koji,
		{"alice", "countAndFilterResults", []any{"showOpts"}, fault.Generic},
		{"", "multiCall", inner("t0"), fault.ActionNotAllowed},
		{"alice", "multiCall", inner("t1"), fault.ActionNotAllowed},
		{"alice", "system.multicall", inner("t2"), fault.ActionNotAllowed},
		{"kojiadmin", "multiCall", inner("t3"), 0},
		{"", "importArchive", []any{"a/x", "foo-1-1", "image", map[string]any{}}, fault.ActionNotAllowed},
		{"alice", "importArchive", []any{"a/x", "foo-1-1", "maven", map[string]any{}}, fault.ActionNotAllowed},
		{"alice", "importArchive", []any{"a/x", "foo-1-1", "nosuch", map[string]any{}}, fault.Generic},
		{"kojiadmin", "grantPermission", []any{"bob", "win-import"}, 0},
		{"bob", "importArchive", []any{"a/x", "foo-1-1", "maven", map[string]any{}}, fault.ActionNotAllowed},
		{"bob", "importArchive", []any{"a/x", "foo-1-1", "image", map[string]any{}}, fault.ActionNotAllowed},
		{"bob", "importArchive", []any{"a/x", "foo-1-1", "win", map[string]any{}}, fault.Generic}, // no such build
		{"kojiadmin", "grantCGAccess", []any{"cguser", "osb", xmlrpc.Kwargs{"create": true}}, 0},
		{"kojiadmin", "grantCGAccess", []any{"alice", "other", xmlrpc.Kwargs{"create": true}}, 0},
		{"", "CGInitBuild", []any{"osb", reservation}, fault.Auth},
		{"", "CGInitBuild", []any{"nosuch", reservation}, fault.Generic}, // the generator is looked up first, as in Koji
		{"alice", "CGInitBuild", []any{"osb", reservation}, fault.Auth},
		{"kojiadmin", "CGInitBuild", []any{"osb", reservation}, fault.Auth}, // an administrator is no user of it
		{"cguser", "CGInitBuild", []any{"osb", reservation}, 0},
		{"alice", "CGRefundBuild", []any{"osb", "cg-1-1", "x"}, fault.Auth},
		{"alice", "CGRefundBuild", []any{"other", "cg-1-1", "x"}, fault.Generic}, // it has no token
		{"", "CGImport", []any{"metadata.json", "d"}, fault.Auth},
		{"", "CGImport", []any{"no document", "d"}, fault.Generic},
		{"alice", "CGImport", []any{contentDocument, "d"}, fault.Auth},
		{"kojiadmin", "CGImport", []any{contentDocument, "d"}, fault.Auth},
		{"cguser", "CGImport", []any{contentDocument, "d"}, fault.Generic}, // nothing was uploaded
		{"kojiadmin", "revokeCGAccess", []any{"cguser", "osb"}, 0},
		{"cguser", "CGImport", []any{contentDocument, "d"}, fault.Auth},
	} {
		caller := &client{site: s}
		if c.user != "" {
			caller = s.open(t, c.user)
		}
		got, err := caller.call(c.method, c.params)
		code := fault.Code(0)
		var f *xmlrpc.Fault
		if errors.As(err, &f) {
			code = fault.Code(f.Code)
		} else if err != nil {
			t.Fatal(err)
		}
		if list, ok := got.([]any); ok && len(list) == 1 {
			if entry, ok := list[0].(map[string]any); ok && entry["faultCode"] != nil {
				code = fault.Code(entry["faultCode"].(int64))
			}
		}
		if code != c.code {
			t.Errorf("%s%v as %q: got %d (%v), want %d", c.method, c.params, c.user, code, err, c.code)
		}
	}
}

// TestForeignChild tries to end a session that is not a child of the caller's: as in Koji nothing happens, and no error says so.
func TestForeignChild(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	bob := s.open(t, "bob")
	id, err := strconv.ParseInt(bob.id, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	for _, user := range []string{"alice", "bob", "kojiadmin"} {
		if got, err := s.open(t, user).call("logoutChild", []any{id}); got != nil || err != nil {
			t.Errorf("as %s: got %v, %v", user, got, err)
		}
	}
	got, err := bob.call("getLoggedInUser", nil)
	if m, ok := got.(map[string]any); err != nil || !ok || m["name"] != "bob" {
		t.Errorf("the session is not bob's any more: %v, %v", got, err)
	}
}
