package hub_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/labstack/echo/v4"

	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/internal/pgtest"
	"moromi/internal/storage"
	"moromi/internal/xmlrpc"
	"moromi/web/auth"
	"moromi/web/hub"
)

// domain is the little domain that the tests' hub has: users, tags, notifications and tasks in memory.
type domain struct {
	mu     sync.Mutex
	users  map[string]*auth.User
	perms  map[int64][]string
	hosts  map[int64]int64 // user → host
	open   map[int64]int64 // task → host
	tags   []string
	notes  map[string]bool
	notify map[int64]chan hub.Notice

	subscribed chan int64 // host ids, as they subscribe
	entered    chan struct{}
	leave      chan struct{}
	writes     atomic.Int64
}

// bootstrap is the users that the recordings start from.
func bootstrap() *domain {
	d := &domain{users: map[string]*auth.User{}, perms: map[int64][]string{1: {"admin"}, 4: {"repo"}}, hosts: map[int64]int64{5: 1, 6: 2},
		open: map[int64]int64{20: 1, 12345: 1, 7: 0}, notes: map[string]bool{}, notify: map[int64]chan hub.Notice{},
		subscribed: make(chan int64, 8), entered: make(chan struct{}, 64), leave: make(chan struct{})}
	for i, name := range []string{"kojiadmin", "alice", "bob", "kojira", "builder1", "builder2", "cguser", "blockeduser"} {
		u := &auth.User{ID: int64(i + 1), Name: name}
		if strings.HasPrefix(name, "builder") {
			u.Type = koji.UserHost
		}
		if name == "blockeduser" {
			u.Status = koji.StatusBlocked
		}
		d.users[name] = u
	}
	return d
}

func (d *domain) find(ok func(*auth.User) bool) (*auth.User, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, u := range d.users {
		if ok(u) {
			c := *u
			return &c, nil
		}
	}
	return nil, nil
}

func (d *domain) User(_ context.Context, id int64) (*auth.User, error) {
	return d.find(func(u *auth.User) bool { return u.ID == id })
}

func (d *domain) UserByName(_ context.Context, name string) (*auth.User, error) {
	return d.find(func(u *auth.User) bool { return u.Name == name })
}

func (d *domain) UserByPrincipal(_ context.Context, p string) (*auth.User, error) {
	return d.find(func(u *auth.User) bool { return slices.Contains(u.Principals, p) })
}

func (d *domain) Permissions(_ context.Context, id int64) ([]string, error) { return d.perms[id], nil }

func (d *domain) PermissionExists(_ context.Context, name string) (bool, error) {
	return slices.Contains([]string{"admin", "repo", "tag"}, name), nil
}

func (d *domain) HostOf(_ context.Context, user int64) (int64, bool, error) {
	id, ok := d.hosts[user]
	return id, ok, nil
}

func (d *domain) OpenOn(_ context.Context, task int64) (int64, bool, error) {
	host, ok := d.open[task]
	return host, ok, nil
}

func (d *domain) VolumeNames(context.Context) ([]string, error) {
	return []string{"DEFAULT", "far", "unmade"}, nil
}

func (d *domain) Subscribe(host int64) (<-chan hub.Notice, func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := make(chan hub.Notice, 4)
	d.notify[host] = c
	d.subscribed <- host
	return c, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.notify, host)
	}
}

func (d *domain) setStatus(name string, s koji.UserStatus) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.users[name].Status = s
}

// methods are the domain's methods as far as the recordings need them, and some that behave badly.
func (d *domain) methods() []hub.Method {
	const help = "For tests."
	status := func(s koji.UserStatus) func(*hub.Call, hub.Args) (any, error) {
		return func(_ *hub.Call, a hub.Args) (any, error) {
			name, err := a.String("username")
			if err != nil {
				return nil, err
			}
			d.setStatus(name, s)
			return nil, nil
		}
	}
	return []hub.Method{
		{Name: "getTag", Params: "tagInfo, strict=False, event=None, blocked=False", Auth: hub.Anonymous, Help: help, Func: d.getTag},
		{Name: "createTag", Params: "name, parent=None, arches=None, perm=None, locked=False", Auth: hub.Perm("tag"), Write: true, Help: help, Func: d.createTag},
		{Name: "listTags", Params: "queryOpts=None", Auth: hub.Anonymous, Help: help, Func: d.listTags},
		{Name: "getUser", Params: "userInfo=None, strict=False", Auth: hub.Anonymous, Help: help, Func: d.getUser},
		{Name: "createNotification", Params: "user_id, package_id, tag_id, success_only", Auth: hub.Session, Write: true, Help: help, Func: d.createNotification},
		{Name: "disableUser", Params: "username", Auth: hub.Admin, Write: true, Help: help, Func: status(koji.StatusBlocked)},
		{Name: "enableUser", Params: "username", Auth: hub.Admin, Write: true, Help: help, Func: status(koji.StatusNormal)},
		{Name: "makeTask", Params: "*args, **opts", Auth: hub.Admin, Write: true, Help: help, Func: func(*hub.Call, hub.Args) (any, error) { return 1, nil }},
		{Name: "createUser", Params: "username, status=None, krb_principal=None", Auth: hub.Admin, Write: true, Help: help, Func: func(*hub.Call, hub.Args) (any, error) { return 9, nil }},
		{Name: "host.getHost", Auth: hub.Host, Help: help, Func: func(c *hub.Call, _ hub.Args) (any, error) {
			id, _, err := c.HostID()
			return map[string]any{"id": id}, err
		}},
		{Name: "host.updateHost", Params: "task_load, ready", Auth: hub.Host, Write: true, Help: help, Func: func(*hub.Call, hub.Args) (any, error) {
			return d.writes.Add(1), nil
		}},
		{Name: "repoMethod", Auth: hub.Perm("repo", "tag"), Help: help, Func: func(*hub.Call, hub.Args) (any, error) { return "fine", nil }},
		{Name: "bad.panic", Auth: hub.Anonymous, Help: help, Func: func(*hub.Call, hub.Args) (any, error) { panic("secret detail") }},
		{Name: "bad.param", Params: "x=1", Auth: hub.Anonymous, Help: help, Func: func(_ *hub.Call, a hub.Args) (any, error) { return a.Int("y") }},
		{Name: "bad.internal", Auth: hub.Anonymous, Help: help, Func: func(*hub.Call, hub.Args) (any, error) {
			return nil, io.ErrUnexpectedEOF
		}},
		{Name: "bad.full", Auth: hub.Anonymous, Help: help, Func: func(*hub.Call, hub.Args) (any, error) {
			return nil, &fs.PathError{Op: "write", Path: "/srv/secret/file", Err: syscall.ENOSPC}
		}},
		{Name: "bad.cause", Auth: hub.Anonymous, Help: help, Func: func(*hub.Call, hub.Args) (any, error) {
			return nil, fault.Wrap(io.ErrUnexpectedEOF, fault.Build, "no such build")
		}},
		{Name: "bad.stream", Params: "n, size=10", Auth: hub.Anonymous, Help: help, Func: badStream},
		{Name: "bad.unencodable", Auth: hub.Anonymous, Help: help, Func: func(*hub.Call, hub.Args) (any, error) { return []any{1, make(chan int)}, nil }},
		{Name: "bad.write", Auth: hub.Session, Write: true, Help: help, Func: func(*hub.Call, hub.Args) (any, error) { return nil, io.ErrUnexpectedEOF }},
		{Name: "slow.write", Auth: hub.Session, Write: true, Help: help, Func: func(*hub.Call, hub.Args) (any, error) {
			d.entered <- struct{}{}
			<-d.leave
			return d.writes.Add(1), nil
		}},
	}
}

// badStream gives n texts of a size and then fails; with n negative it does not fail.
func badStream(_ *hub.Call, a hub.Args) (any, error) {
	n, err := a.Int("n")
	if err != nil {
		return nil, err
	}
	size, err := a.Int("size")
	if err != nil {
		return nil, err
	}
	text := strings.Repeat("x", int(size))
	return func(yield func(any, error) bool) {
		for range max(n, -n) {
			if !yield(text, nil) {
				return
			}
		}
		if n >= 0 {
			yield(nil, fault.New(fault.Generic, "the stream broke"))
		}
	}, nil
}

func (d *domain) getTag(_ *hub.Call, a hub.Args) (any, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if name, ok := a.Get("tagInfo").(string); ok && slices.Contains(d.tags, name) {
		return tagStruct(slices.Index(d.tags, name)+1, name), nil
	}
	if a.Bool("strict") {
		return nil, fault.New(fault.Generic, "No such tagInfo: '%v'", a.Get("tagInfo"))
	}
	return nil, nil
}

func tagStruct(id int, name string) map[string]any {
	return map[string]any{"arches": "", "id": id, "locked": false, "maven_include_all": false, "maven_support": false, "name": name, "perm": nil, "perm_id": nil}
}

func (d *domain) createTag(_ *hub.Call, a hub.Args) (any, error) {
	name, err := a.String("name")
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if slices.Contains(d.tags, name) {
		return nil, fault.New(fault.Generic, "A tag with the name '%s' already exists", name)
	}
	d.tags = append(d.tags, name)
	d.writes.Add(1)
	return len(d.tags), nil
}

func (d *domain) listTags(*hub.Call, hub.Args) (any, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	list := []map[string]any{}
	for i, name := range d.tags {
		list = append(list, tagStruct(i+1, name))
	}
	return list, nil
}

func (d *domain) getUser(c *hub.Call, a hub.Args) (any, error) {
	name, _ := a.Get("userInfo").(string)
	u, err := d.UserByName(c.Context(), name)
	if err != nil || u == nil {
		return nil, err
	}
	return map[string]any{"id": u.ID, "name": u.Name, "status": int(u.Status), "usertype": int(u.Type), "krb_principals": []string{}}, nil
}

func (d *domain) createNotification(_ *hub.Call, a hub.Args) (any, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	key := strconv.FormatBool(a.Bool("success_only"))
	if d.notes[key] {
		return nil, fault.New(fault.Generic, "notification already exists")
	}
	d.notes[key] = true
	return nil, nil
}

// site is a running hub with what a test looks at.
type site struct {
	t      testing.TB
	url    string
	domain *domain
	pool   *pgxpool.Pool
	auth   *auth.Sessions
	top    string
	logs   *logs
	hub    *hub.Hub
}

// logs is a log that tests can read.
type logs struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// setup starts a hub. The sessions are the recordings' users', with their passwords.
func setup(t testing.TB, change ...func(*hub.Config)) *site {
	t.Helper()
	s := &site{t: t, domain: bootstrap(), pool: pgtest.DB(t), top: t.TempDir(), logs: &logs{}}
	log := slog.New(slog.NewTextHandler(s.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var err error
	if s.auth, err = auth.New(auth.Config{Pool: s.pool, Users: s.domain, Log: log}); err != nil {
		t.Fatal(err)
	}
	top, err := storage.Open(s.top)
	if err != nil {
		t.Fatal(err)
	}
	cfg := hub.Config{Methods: s.domain.methods(), Users: s.domain, Sessions: s.auth, Storage: top, Tasks: s.domain, Volumes: s.domain, Notifier: s.domain, Log: log}
	for _, c := range change {
		c(&cfg)
	}
	h, err := hub.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.hub = h
	e := echo.New()
	h.Register(e)
	server := httptest.NewUnstartedServer(e)
	server.Config = hub.Server(e)
	server.Start()
	s.url = server.URL
	t.Cleanup(func() {
		server.Close()
		if err := top.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// setPasswords gives the users of the recordings the passwords that they log in with there.
func (s *site) setPasswords(names ...string) {
	s.t.Helper()
	special := map[string]string{"kojiadmin": "adminpw", "cguser": "cgpw", "blockeduser": "blockedpw"}
	for _, name := range names {
		pw := special[name]
		if pw == "" {
			pw = name + "pw"
		}
		if err := s.auth.Passwords().SetPassword(s.t.Context(), s.domain.users[name].ID, pw); err != nil {
			s.t.Fatal(err)
		}
	}
}

// client is one session, or none.
type client struct {
	*site
	header http.Header
	query  string
	n      int64
}

func (s *site) anonymous() *client { return &client{site: s, header: http.Header{}, n: -1} }

// login opens a session for a user without a password.
func (s *site) login(name string, exclusive ...bool) *client {
	s.t.Helper()
	g, err := s.auth.Open(s.t.Context(), auth.Opening{UserID: s.domain.users[name].ID, HostIP: "127.0.0.1", Exclusive: len(exclusive) > 0})
	if err != nil {
		s.t.Fatal(err)
	}
	c := s.anonymous()
	c.header.Set("Koji-Session-Id", strconv.FormatInt(g.ID, 10))
	c.header.Set("Koji-Session-Key", g.Key)
	c.n = 0
	return c
}

// post sends a body and gives the status and the answer's body.
func (c *client) post(path, contentType string, body []byte) (*http.Response, []byte) {
	c.t.Helper()
	url := c.url + path
	if c.query != "" {
		url += "?" + c.query
	}
	req, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header = c.header.Clone()
	if c.n >= 0 {
		req.Header.Set("Koji-Session-Callnum", strconv.FormatInt(c.n, 10))
		c.n++
	}
	req.Header.Set("Content-Type", contentType)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp, b
}

// call makes a call; a fault comes back as *xmlrpc.Fault.
func (c *client) call(method string, params ...any) (any, error) {
	c.t.Helper()
	var b bytes.Buffer
	if err := xmlrpc.EncodeCall(&b, method, params); err != nil {
		c.t.Fatal(err)
	}
	resp, body := c.post("/kojihub", "text/xml", b.Bytes())
	if resp.StatusCode != http.StatusOK {
		c.t.Fatalf("%s: status %d: %s", method, resp.StatusCode, body)
	}
	return xmlrpc.DecodeResponse(bytes.NewReader(body), xmlrpc.ResponseLimits())
}

// must makes a call that has to succeed.
func (c *client) must(method string, params ...any) any {
	c.t.Helper()
	v, err := c.call(method, params...)
	if err != nil {
		c.t.Fatalf("%s%v: %v", method, params, err)
	}
	return v
}

// wantFault makes a call that has to fail so.
func (c *client) wantFault(code fault.Code, method string, params ...any) *xmlrpc.Fault {
	c.t.Helper()
	v, err := c.call(method, params...)
	f, ok := err.(*xmlrpc.Fault)
	if !ok || f.Code != int(code) {
		c.t.Errorf("%s%v: got %v, %v; want fault %d", method, params, v, err, code)
		return &xmlrpc.Fault{}
	}
	return f
}

// upload sends a raw upload.
func (c *client) upload(query string, body []byte) (map[string]any, error) {
	c.t.Helper()
	q := *c
	q.query = query
	resp, b := q.post("/kojihub", "application/octet-stream", body)
	c.n = q.n
	if resp.StatusCode != http.StatusOK {
		c.t.Fatalf("upload %s: status %d: %s", query, resp.StatusCode, b)
	}
	v, err := xmlrpc.DecodeResponse(bytes.NewReader(b), xmlrpc.ResponseLimits())
	m, _ := v.(map[string]any)
	return m, err
}

// wire turns a recording's JSON into what would be decoded from the wire.
func wire(t testing.TB, v any) any {
	switch v := v.(type) {
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return i
		}
		f, err := v.Float64()
		if err != nil {
			t.Fatal(err)
		}
		return f
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = wire(t, e)
		}
		return out
	case map[string]any:
		if s, ok := v["__base64__"].(string); ok {
			b, err := base64.StdEncoding.DecodeString(s)
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = wire(t, e)
		}
		return out
	}
	return v
}

// soon fails the test if nothing comes in time; it is generous since machines differ.
func soon[T any](t testing.TB, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(20 * time.Second):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

func setupLog() *slog.Logger { return slog.New(slog.DiscardHandler) }
