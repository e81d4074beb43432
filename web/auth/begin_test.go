package auth_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/web/auth"
)

// stored is the number that the session's last call that changed something had, 0 for none.
func (b *bundle) stored(t testing.TB, g *auth.Grant) (n int64) {
	t.Helper()
	if err := b.pool.QueryRow(t.Context(), `select coalesce(callnum, 0) from ops.sessions where id = $1`, g.ID).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// Begin gives what Check and Claim give, and a call that it refuses leaves the stored number as it was.
func TestBegin(t *testing.T) {
	t.Parallel()
	const day = 24 * 3600
	for name, c := range map[string]struct {
		callnum int64 // 7 is stored
		key     string
		ip      string
		late    int64 // seconds
		before  func(b *bundle)
		method  string
		fault   fault.Code
	}{
		"as it should be":      {callnum: 8},
		"numbers left out":     {callnum: 20},
		"the number again":     {callnum: 7, fault: fault.Retry},
		"what may be repeated": {callnum: 7, method: "host.updateHost"},
		"an earlier number":    {callnum: 6, fault: fault.Sequence},
		"another key":          {callnum: 8, key: "2-x", fault: fault.Auth},
		"another address":      {callnum: 8, ip: "192.0.2.8", fault: fault.Auth},
		"an old session":       {callnum: 8, late: day + 1, fault: fault.AuthExpired},
		"a blocked user":       {callnum: 8, before: func(b *bundle) { b.people.setStatus(2, koji.StatusBlocked) }, fault: fault.Auth},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			g := b.open(t, auth.Opening{})
			first, err := b.Claim(t.Context(), check(t, b.Sessions, cred(g, 7)), "createTag")
			if err != nil {
				t.Fatal(err)
			}
			first.Keep()
			if c.before != nil {
				c.before(b)
			}
			b.now.Add(c.late)
			with, from, method := cred(g, c.callnum), ip, "createTag"
			if c.key != "" {
				with.Key = c.key
			}
			if c.ip != "" {
				from = c.ip
			}
			if c.method != "" {
				method = c.method
			}
			sess, claim, err := b.Begin(t.Context(), with, from, method)
			if c.fault != 0 {
				wantFault(t, err, c.fault)
				if n := b.stored(t, g); n != 7 || claim != nil {
					t.Errorf("refused, and the number is %d, claim %v", n, claim)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if sess.UserID != 2 || sess.User.Name != "alice" || *sess.Callnum != c.callnum || *sess.Info.Callnum != 7 {
				t.Errorf("session %+v", sess)
			}
			if claim == nil {
				if c.method == "" {
					t.Fatal("no claim")
				}
				if claim, err = b.Claim(t.Context(), sess, method); err != nil {
					t.Fatal(err)
				}
			}
			if n := b.stored(t, g); n != c.callnum {
				t.Errorf("stored number is %d", n)
			}
			if err := claim.Release(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n := b.stored(t, g); n != 7 {
				t.Errorf("after release the number is %d", n)
			}
		})
	}
}

// A session without numbers, and a login, begin as they are checked.
func TestBeginWithoutNumber(t *testing.T) {
	t.Parallel()
	b := setup(t)
	g := b.open(t, auth.Opening{})
	for _, c := range []struct {
		cred   auth.Credentials
		method string
	}{{cred(g), "createTag"}, {cred(g, 3), "login"}} {
		sess, claim, err := b.Begin(t.Context(), c.cred, ip, c.method)
		if err != nil || claim != nil || sess.UserID != 2 {
			t.Errorf("%s: %+v, %v, %v", c.method, sess, claim, err)
		}
	}
}

// Of many hubs that begin the same call, one has it; whoever repeats it there waits for its end.
func TestBeginIsWonOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	g := b.open(t, auth.Opening{})
	hubs := []*auth.Sessions{b.Sessions, b.another(t, auth.Config{}), b.another(t, auth.Config{})}
	const rounds, tries = 20, 12
	for n := int64(1); n <= rounds; n++ {
		var won atomic.Int64
		var wg sync.WaitGroup
		for i := range tries {
			wg.Go(func() {
				_, c, err := hubs[i%len(hubs)].Begin(t.Context(), cred(g, n), ip, "createTag")
				switch {
				case fault.Is(err, fault.Retry):
				case err != nil || c == nil:
					t.Errorf("claim %v, %v", c, err)
				default:
					won.Add(1)
					c.Keep()
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Fatalf("number %d was claimed %d times", n, won.Load())
		}
	}
	_, c, err := b.Begin(t.Context(), cred(g, rounds+1), ip, "createTag")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, _, err := b.Begin(context.WithoutCancel(t.Context()), cred(g, rounds+1), ip, "createTag")
		done <- err
	}()
	c.Keep()
	wantFault(t, <-done, fault.Retry)
}
