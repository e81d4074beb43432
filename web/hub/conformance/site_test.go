package conformance_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"moromi/commands"
	"moromi/commands/commandtest"
	"moromi/commands/policy"
	"moromi/internal/koji"
	"moromi/internal/storage"
	"moromi/projections/catalog"
	"moromi/web/auth"
	"moromi/web/hub"
)

// account is a user of the state that the recordings start from. The first is made by the bootstrap.
type account struct {
	name, password string
	perm           string
	kind           koji.UserType
	blocked        bool
}

func accounts() []account {
	return []account{
		{name: commandtest.Admin, password: "adminpw"},
		{name: "alice", password: "alicepw"},
		{name: "bob", password: "bobpw"},
		{name: "kojira", password: "kojirapw", perm: "repo"},
		{name: "builder1", password: "builder1pw", kind: koji.UserHost},
		{name: "builder2", password: "builder2pw", kind: koji.UserHost},
		{name: "cguser", password: "cgpw"},
		{name: "blockeduser", password: "blockedpw", blocked: true},
	}
}

// site is a whole hub that listens, put together as moromid does it, but without what works at moments of its own: the projector that makes
// repositories, which would take newRepo tasks from the builders that the recordings have for them, and the scheduler's loop, which would race the
// recorded assignments. scheduler.doRun works.
type site struct {
	t        testing.TB
	url      string // of the hub: it ends in /kojihub
	top      string
	service  *commands.Service
	sessions *auth.Sessions
	hub      *hub.Hub
	// forgetful is the same hub, but for the answers that it does not keep. It does not listen.
	forgetful *hub.Hub
	// other makes another hub of the site: it has sessions of its own, and the commands in common with the first.
	other func() *site
	users map[string]int64
	log   *logBuffer
}

// newSite starts a hub in the bootstrap state of the recordings; policy is the name of a file with the site's policies, or empty.
func newSite(t testing.TB, policy string) *site {
	t.Helper()
	s := &site{t: t, top: t.TempDir(), service: commandtest.New(t), users: map[string]int64{}, log: &logBuffer{}}
	log := slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	db, engine := s.service.DB, s.service.Models
	if policy != "" {
		s.usePolicies(policy)
	}
	top, err := storage.Open(s.top)
	s.check(err)
	t.Cleanup(func() { s.check(top.Close()) })
	s.service.Files = top
	backend := hub.NewBackend(db, engine)
	s.sessions = s.newSessions(backend, log)
	notices := hub.NewNotices()
	engine.OnCommit(notices.Watch)
	config := hub.Config{Methods: hub.DomainMethods(hub.Deps{Service: s.service, DB: db, Storage: top}), Users: backend, Sessions: s.sessions,
		Storage: top, Tasks: backend, Volumes: backend, Notifier: notices, Log: log, ListPlugins: s.service.UsesPlugins}
	s.forgetful, err = hub.New(config)
	s.check(err)
	config.Changes, config.AnswerDir = engine, t.TempDir()
	s.hub, err = hub.New(config)
	s.check(err)
	s.addUsers()
	s.background(s.sessions.Run)
	s.url = s.listen(s.hub)
	config.Sessions, config.AnswerDir = s.newSessions(backend, log), t.TempDir()
	s.other = func() *site {
		h, err := hub.New(config)
		s.check(err)
		other := *s
		other.hub, other.url = h, s.listen(h)
		return &other
	}
	return s
}

// newSessions are those of one hub: what it remembers of sessions is its own.
func (s *site) newSessions(users auth.Users, log *slog.Logger) *auth.Sessions {
	s.t.Helper()
	out, err := auth.New(auth.Config{Pool: s.service.DB, Users: users, Log: log, WithLedger: true})
	s.check(err)
	return out
}

// listen gives a hub's address.
func (s *site) listen(h *hub.Hub) string {
	s.t.Helper()
	e := echo.New()
	h.Register(e)
	server := httptest.NewUnstartedServer(e)
	server.Config = hub.Server(e)
	server.Start()
	s.t.Cleanup(server.Close)
	return server.URL + "/kojihub"
}

func (s *site) check(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// makeDir makes a directory of the topdir.
func (s *site) makeDir(dir string) {
	s.t.Helper()
	s.check(os.MkdirAll(filepath.Join(s.top, dir), 0o755))
}

func (s *site) usePolicies(file string) {
	s.t.Helper()
	f, err := os.Open(file)
	s.check(err)
	defer f.Close() //nolint:errcheck // only read
	sections, err := policy.ReadFile(f)
	s.check(err)
	s.check(s.service.LoadPolicies(s.t.Context(), sections))
}

// background runs a part of the hub until the test ends.
func (s *site) background(run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	s.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			s.t.Errorf("part of the hub ended: %v", err)
		}
	})
}

func (s *site) addUsers() {
	s.t.Helper()
	for _, a := range accounts() {
		id := int64(1)
		if a.name != commandtest.Admin {
			id = s.addUser(a.name, a.kind, a.perm)
		}
		s.users[a.name] = id
		s.check(auth.NewPasswords(s.service.DB, time.Now).SetPassword(s.t.Context(), id, a.password))
		if a.blocked {
			s.check(s.service.SetUserStatus(s.t.Context(), commands.Actor{}, id, koji.StatusBlocked))
		}
	}
}

// addUser makes a user with a permission, or with none if perm is empty.
func (s *site) addUser(name string, kind koji.UserType, perm string) int64 {
	s.t.Helper()
	ctx := s.t.Context()
	id, err := s.service.CreateUser(ctx, commands.Actor{}, commands.CreateUser{Name: name, Type: kind})
	s.check(err)
	s.users[name] = id
	if perm != "" {
		row, err := catalog.Find(ctx, s.service.DB, "permission", perm)
		s.check(err)
		s.check(s.service.GrantPermission(ctx, commands.Actor{}, id, row["id"].(int64), perm))
	}
	return id
}

// logBuffer keeps what a hub logs.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
