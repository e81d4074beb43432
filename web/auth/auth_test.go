package auth_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/internal/pgtest"
	"moromi/web/auth"
)

const ip = "192.0.2.7"

// people is a directory of users in memory.
type people struct {
	mu   sync.Mutex
	byID map[int64]*auth.User
}

func (p *people) User(_ context.Context, id int64) (*auth.User, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if u := p.byID[id]; u != nil {
		c := *u
		return &c, nil
	}
	return nil, nil
}

func (p *people) UserByName(_ context.Context, name string) (*auth.User, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, u := range p.byID {
		if u.Name == name {
			c := *u
			return &c, nil
		}
	}
	return nil, nil
}

func (p *people) UserByPrincipal(context.Context, string) (*auth.User, error) { return nil, nil }

func (p *people) setStatus(id int64, s koji.UserStatus) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.byID[id].Status = s
}

// bundle is a hub's sessions with what a test turns.
type bundle struct {
	*auth.Sessions
	people *people
	pool   *pgxpool.Pool
	now    atomic.Int64 // seconds past the start

}

func (b *bundle) clock() time.Time {
	return time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC).Add(time.Duration(b.now.Load()) * time.Second)
}

func setup(t testing.TB, change ...func(*auth.Config)) *bundle {
	t.Helper()
	b := &bundle{pool: pgtest.DB(t), people: &people{byID: map[int64]*auth.User{
		2: {ID: 2, Name: "alice"}, 3: {ID: 3, Name: "bob"}, 8: {ID: 8, Name: "blockeduser", Status: koji.StatusBlocked},
	}}}
	cfg := auth.Config{Pool: b.pool, Users: b.people, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Clock: b.clock}
	for _, c := range change {
		c(&cfg)
	}
	b.Sessions = b.another(t, cfg)
	return b
}

// another is a second hub process on the same database.
func (b *bundle) another(t testing.TB, cfg auth.Config) *auth.Sessions {
	t.Helper()
	if cfg.Pool == nil {
		cfg = auth.Config{Pool: b.pool, Users: b.people, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Clock: b.clock}
	}
	s, err := auth.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (b *bundle) open(t testing.TB, o auth.Opening) *auth.Grant {
	t.Helper()
	if o.UserID == 0 {
		o.UserID = 2
	}
	if o.HostIP == "" {
		o.HostIP = ip
	}
	g, err := b.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func cred(g *auth.Grant, callnum ...int64) auth.Credentials {
	c := auth.Credentials{ID: g.ID, Key: g.Key}
	if len(callnum) > 0 {
		c.Callnum = &callnum[0]
	}
	return c
}

func check(t testing.TB, s *auth.Sessions, c auth.Credentials) *auth.Session {
	t.Helper()
	sess, err := s.Check(t.Context(), c, ip, "getTag")
	if err != nil {
		t.Fatal(err)
	}
	return sess
}

func wantFault(t testing.TB, err error, code fault.Code) {
	t.Helper()
	if !fault.Is(err, code) {
		t.Errorf("got %v, want fault %d", err, code)
	}
}

func TestLogin(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for id, pw := range map[int64]string{2: "alicepw", 8: "blockedpw"} {
		if err := b.Passwords().SetPassword(t.Context(), id, pw); err != nil {
			t.Fatal(err)
		}
	}
	g, err := b.Login(t.Context(), "alice", "alicepw", ip, auth.Opening{})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(g.Key, "2-") || len(g.Key) != 2+19 {
		t.Errorf("key %q", g.Key)
	}
	sess := check(t, b.Sessions, cred(g))
	if !sess.LoggedIn() || sess.User.Name != "alice" || sess.AuthType != koji.AuthNormal || sess.Exclusive || sess.Locked {
		t.Errorf("session %+v", sess)
	}
	for _, c := range [][2]string{{"alice", "wrong"}, {"alice", ""}, {"nobody", "alicepw"}, {"bob", "alicepw"}, {"blockeduser", "blockedpw"}, {"alice", strings.Repeat("x", auth.MaxPassword+1)}} {
		_, err := b.Login(t.Context(), c[0], c[1], ip, auth.Opening{})
		wantFault(t, err, fault.Auth)
	}
	wantFault(t, b.Passwords().SetPassword(t.Context(), 2, ""), fault.Generic)
	if err := b.Passwords().RemovePassword(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	_, err = b.Login(t.Context(), "alice", "alicepw", ip, auth.Opening{})
	wantFault(t, err, fault.Auth)
}

func TestNothingSecretIsStored(t *testing.T) {
	t.Parallel()
	b := setup(t)
	if err := b.Passwords().SetPassword(t.Context(), 2, "s3cret-password"); err != nil {
		t.Fatal(err)
	}
	g := b.open(t, auth.Opening{})
	var dump string
	err := b.pool.QueryRow(t.Context(), `select (select string_agg(s::text, ' ') from ops.sessions s) || (select string_agg(p::text, ' ') from ops.passwords p)`).Scan(&dump)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{g.Key, g.Key[2:], "s3cret-password"} {
		if strings.Contains(dump, secret) || strings.Contains(dump, fmt.Sprintf("%x", secret)) {
			t.Errorf("the database holds %q", secret)
		}
	}
	if !strings.Contains(dump, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("no argon2id hash in %q", dump)
	}
}

func TestOldHashIsReplacedAtLogin(t *testing.T) {
	t.Parallel()
	b := setup(t)
	// argon2id of "alicepw" with m=64,t=1,p=1, made with the library's own function
	if _, err := b.pool.Exec(t.Context(), `insert into ops.passwords values (2, $1, now())`, cheapHash("alicepw")); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Login(t.Context(), "alice", "wrong", ip, auth.Opening{}); !fault.Is(err, fault.Auth) {
		t.Errorf("wrong password: %v", err)
	}
	for range 2 { // the second time with the new hash
		if _, err := b.Login(t.Context(), "alice", "alicepw", ip, auth.Opening{}); err != nil {
			t.Fatal(err)
		}
	}
	var stored string
	if err := b.pool.QueryRow(t.Context(), `select hash from ops.passwords where user_id = 2`).Scan(&stored); err != nil || !strings.Contains(stored, "m=19456") {
		t.Errorf("stored %q, %v", stored, err)
	}
	if _, err := b.pool.Exec(t.Context(), `update ops.passwords set hash = '$argon2id$v=19$m=99999999,t=1,p=1$AAAA$AAAA'`); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Login(t.Context(), "alice", "alicepw", ip, auth.Opening{}); err == nil || fault.Of(err) != nil {
		t.Errorf("a corrupt hash gave %v", err)
	}
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	b := setup(t)
	g := b.open(t, auth.Opening{})
	for name, c := range map[string]auth.Credentials{
		"key":   {ID: g.ID, Key: "2-aaaaaaaaaaaaaaaaaaa"},
		"empty": {ID: g.ID},
		"id":    {ID: 99999, Key: g.Key},
	} {
		if _, err := b.Check(t.Context(), c, ip, "echo"); !fault.Is(err, fault.Auth) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := b.Check(t.Context(), cred(g), "192.0.2.8", "echo")
	wantFault(t, err, fault.Auth)
	b.people.setStatus(2, koji.StatusBlocked)
	_, err = b.Check(t.Context(), cred(g), ip, "echo")
	wantFault(t, err, fault.Auth)
	b.people.setStatus(2, koji.StatusNormal)
	check(t, b.Sessions, cred(g))

	free := b.another(t, auth.Config{Pool: b.pool, Users: b.people, Log: slog.New(slog.DiscardHandler), Clock: b.clock, AnyClientIP: true})
	f, err := free.Open(t.Context(), auth.Opening{UserID: 2, HostIP: free.HostIP(ip)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := free.Check(t.Context(), cred(f), "203.0.113.1", "echo"); err != nil {
		t.Errorf("from another address, which nobody checks: %v", err)
	}
}

func TestExclusive(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first, second := b.open(t, auth.Opening{}), b.open(t, auth.Opening{})
	child, err := b.Subsession(t.Context(), check(t, b.Sessions, cred(first)))
	if err != nil {
		t.Fatal(err)
	}
	wantFault(t, b.MakeExclusive(t.Context(), check(t, b.Sessions, cred(child)), false), fault.Generic)
	wantFault(t, b.MakeExclusive(t.Context(), nil, false), fault.Auth)
	if err := b.MakeExclusive(t.Context(), check(t, b.Sessions, cred(first)), false); err != nil {
		t.Fatal(err)
	}
	wantFault(t, b.MakeExclusive(t.Context(), check(t, b.Sessions, cred(first)), true), fault.Generic)
	if s := check(t, b.Sessions, cred(child)); !s.Exclusive || s.Locked {
		t.Errorf("the child of the exclusive session: %+v", s)
	}
	if s := check(t, b.Sessions, cred(second)); s.Exclusive || !s.Locked {
		t.Errorf("the other session: %+v", s)
	}
	if s := check(t, b.Sessions, cred(b.open(t, auth.Opening{UserID: 3}))); s.Locked {
		t.Error("another user is locked out too")
	}
	wantFault(t, b.MakeExclusive(t.Context(), check(t, b.Sessions, cred(second)), false), fault.AuthLock)
	_, err = b.Open(t.Context(), auth.Opening{UserID: 2, HostIP: ip, Exclusive: true})
	wantFault(t, err, fault.AuthLock)
	if err := b.MakeExclusive(t.Context(), check(t, b.Sessions, cred(second)), true); err != nil {
		t.Fatal(err)
	}
	_, err = b.Check(t.Context(), cred(first), ip, "getTag")
	wantFault(t, err, fault.Auth)
	if s := check(t, b.Sessions, cred(child)); !s.Locked { // not closed with its master
		t.Errorf("the child of the old exclusive session: %+v", s)
	}
	if err := b.MakeShared(t.Context(), check(t, b.Sessions, cred(second))); err != nil {
		t.Fatal(err)
	}
	if s := check(t, b.Sessions, cred(b.open(t, auth.Opening{Exclusive: true}))); !s.Exclusive {
		t.Errorf("opened as exclusive: %+v", s)
	}
}

func TestExclusiveIsWonOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var sessions []*auth.Session
	for range 8 {
		sessions = append(sessions, check(t, b.Sessions, cred(b.open(t, auth.Opening{}))))
	}
	var won atomic.Int64
	var wg sync.WaitGroup
	for _, s := range sessions {
		wg.Go(func() {
			switch err := b.MakeExclusive(t.Context(), s, false); {
			case err == nil:
				won.Add(1)
			case !fault.Is(err, fault.AuthLock):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d sessions became exclusive", won.Load())
	}
}

func TestLogout(t *testing.T) {
	t.Parallel()
	b := setup(t)
	master := b.open(t, auth.Opening{})
	sub := func() *auth.Grant {
		t.Helper()
		g, err := b.Subsession(t.Context(), check(t, b.Sessions, cred(master)))
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	one, two := sub(), sub()
	grand, err := b.Subsession(t.Context(), check(t, b.Sessions, cred(one)))
	if err != nil {
		t.Fatal(err)
	}
	if s := check(t, b.Sessions, cred(grand)); s.Master == nil || *s.Master != master.ID {
		t.Errorf("a sub-session's sub-session has master %v", s.Master)
	}
	ended := func(g *auth.Grant) bool {
		_, err := b.Check(t.Context(), cred(g), ip, "getTag")
		return fault.Is(err, fault.Auth)
	}
	m := check(t, b.Sessions, cred(master))
	for _, id := range []int64{9999, master.ID} { // neither is a child
		if err := b.LogoutChild(t.Context(), m, id); err != nil {
			t.Error(err)
		}
	}
	if err := b.LogoutChild(t.Context(), m, one.ID); err != nil {
		t.Fatal(err)
	}
	if !ended(one) || ended(two) || ended(master) {
		t.Error("logoutChild ended something else")
	}
	bob := check(t, b.Sessions, cred(b.open(t, auth.Opening{UserID: 3})))
	wantFault(t, b.LogoutOther(t.Context(), bob, two.ID, false), fault.Generic)
	wantFault(t, b.LogoutOther(t.Context(), bob, 9999, false), fault.Generic)
	if err := b.LogoutOther(t.Context(), bob, two.ID, true); err != nil || !ended(two) {
		t.Errorf("an admin's logout: %v", err)
	}
	infos, err := b.List(t.Context(), 2)
	if err != nil || len(infos) != 2 || infos[0].ID != master.ID || infos[1].ID != grand.ID {
		t.Errorf("list: %+v, %v", infos, err)
	}
	if err := b.Logout(t.Context(), m); err != nil || !ended(master) || !ended(grand) {
		t.Errorf("logout: %v", err)
	}
	wantFault(t, b.Logout(t.Context(), nil), fault.Auth)
	_, err = b.Subsession(t.Context(), nil)
	wantFault(t, err, fault.Auth)
}

func TestReadsWriteNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	g := b.open(t, auth.Opening{})
	version := func() (x string) {
		t.Helper()
		if err := b.pool.QueryRow(t.Context(), `select xmin::text || update_time::text from ops.sessions where id = $1`, g.ID).Scan(&x); err != nil {
			t.Fatal(err)
		}
		return x
	}
	before := version()
	b.now.Add(90)
	for n := range int64(50) {
		check(t, b.Sessions, cred(g, n))
	}
	if version() != before {
		t.Error("checking a session wrote to it")
	}
	if got := check(t, b.Sessions, cred(g)).Info.UpdateTime; !got.Equal(b.clock()) {
		t.Errorf("last use is told as %v", got)
	}
	for range 2 {
		if err := b.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := check(t, b.another(t, auth.Config{}), cred(g)).Info.UpdateTime; !got.Equal(b.clock()) {
		t.Errorf("another process sees last use %v", got)
	}
}

func TestReap(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *auth.Config) { c.Renewal = -1 })
	idle, used := b.open(t, auth.Opening{}), b.open(t, auth.Opening{})
	child, err := b.Subsession(t.Context(), check(t, b.Sessions, cred(used)))
	if err != nil {
		t.Fatal(err)
	}
	b.now.Add(int64(auth.IdleLimit/time.Second) + 1)
	check(t, b.Sessions, cred(child)) // keeps its master too
	if err := b.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, err := b.Reap(t.Context()); n != 1 || err != nil {
		t.Errorf("reaped %d, %v", n, err)
	}
	check(t, b.Sessions, cred(used))
	_, err = b.Check(t.Context(), cred(idle), ip, "getTag")
	wantFault(t, err, fault.Auth)
}

func TestRunWritesAtTheEnd(t *testing.T) {
	t.Parallel()
	b := setup(t)
	g := b.open(t, auth.Opening{})
	b.now.Add(60)
	check(t, b.Sessions, cred(g))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- b.Run(ctx) }()
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := check(t, b.another(t, auth.Config{}), cred(g)).Info.UpdateTime; !got.Equal(b.clock()) {
		t.Errorf("last use was not written: %v", got)
	}
}

func TestDatabaseOutage(t *testing.T) {
	t.Parallel()
	pool, err := pgxpool.New(t.Context(), "host=127.0.0.1 port=1 user=x dbname=x connect_timeout=1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	s, err := auth.New(auth.Config{Pool: pool, Users: &people{}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Check(t.Context(), auth.Credentials{ID: 1, Key: "x"}, ip, "echo")
	wantFault(t, err, fault.ServerOffline)
}

func TestConfig(t *testing.T) {
	t.Parallel()
	if _, err := auth.New(auth.Config{}); err == nil {
		t.Error("sessions without a database were made")
	}
}

func BenchmarkCheck(b *testing.B) {
	s := setup(b)
	g := s.open(b, auth.Opening{})
	for b.Loop() {
		check(b, s.Sessions, cred(g))
	}
}

func BenchmarkVerify(b *testing.B) {
	s := setup(b)
	if err := s.Passwords().SetPassword(b.Context(), 2, "alicepw"); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if ok, err := s.Passwords().Verify(b.Context(), 2, "alicepw"); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}
