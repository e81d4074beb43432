package auth_test

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"

	"moromi/events"
	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/web/auth"
)

var errAppend = errors.New("append")

// change is what a call does: one change, which its rider may refuse. It stands in for the ledger's, which has tests of its own.
func (b *bundle) change(ctx context.Context) error {
	r := events.RiderOf(ctx)
	r.Board(b)
	if err := pgx.BeginFunc(ctx, b.pool, func(tx pgx.Tx) error { _, err := tx.Exec(ctx, r.SQL, r.Args...); return err }); err != nil {
		r.Leave(false, true)
		return errAppend
	}
	r.Leave(true, false)
	return nil
}

// rode gives a hub whose sessions ride, a session that does, and the next call of it.
func rode(t *testing.T) (*bundle, *auth.Grant) {
	t.Helper()
	b := setup(t, func(c *auth.Config) { c.WithLedger = true })
	g := b.open(t, auth.Opening{})
	if _, claim, err := b.Ride(t.Context(), cred(g, 1), ip, "createTag"); claim != nil || err != nil {
		t.Fatalf("a session that is not known yet rides: %v, %v", claim, err)
	}
	_, claim, err := b.Begin(t.Context(), cred(g, 1), ip, "createTag")
	if err != nil || claim == nil {
		t.Fatalf("begin: %v, %v", claim, err)
	}
	claim.Keep()
	return b, g
}

func (b *bundle) ride(t *testing.T, g *auth.Grant, n int64) (*auth.Session, *auth.Claim) {
	t.Helper()
	sess, claim, err := b.Ride(t.Context(), cred(g, n), ip, "createTag")
	if err != nil || claim == nil || !claim.Rides() {
		t.Fatalf("call %d: %v, %v", n, claim, err)
	}
	return sess, claim
}

// A call that rides has its number stored with its change and not before; each later one rides on.
func TestRide(t *testing.T) {
	t.Parallel()
	b, g := rode(t)
	for n := int64(2); n < 6; n++ {
		sess, claim := b.ride(t, g, n)
		if sess.UserID != 2 || sess.User.Name != "alice" || *sess.Callnum != n || *sess.Info.Callnum != n-1 {
			t.Fatalf("session %+v", sess)
		}
		ctx := claim.Context(t.Context())
		if b.stored(t, g) != n-1 {
			t.Errorf("number %d is stored before the change", n)
		}
		if err := claim.Finish(ctx, b.change(ctx)); err != nil {
			t.Fatal(err)
		}
		if b.stored(t, g) != n {
			t.Errorf("number %d is not stored", n)
		}
	}
	check(t, b.Sessions, cred(g, 6))
	_, err := b.Check(t.Context(), cred(g, 5), ip, "createTag")
	wantFault(t, err, fault.Retry)
}

// Who does not stand as remembered does not ride.
func TestRideNot(t *testing.T) {
	t.Parallel()
	b, g := rode(t)
	for name, c := range map[string]struct {
		cred   auth.Credentials
		ip     string
		method string
		late   int64
	}{
		"the number again":          {cred: cred(g, 1)},
		"no number":                 {cred: cred(g)},
		"another key":               {cred: auth.Credentials{ID: g.ID, Key: "2-x", Callnum: cred(g, 2).Callnum}},
		"another session":           {cred: auth.Credentials{ID: g.ID + 7, Key: g.Key, Callnum: cred(g, 2).Callnum}},
		"another address":           {cred: cred(g, 2), ip: "192.0.2.9"},
		"an older call, repeatable": {cred: cred(g, 0), method: "host.updateHost"},
		"too old":                   {cred: cred(g, 2), late: 24*3600 + 1},
	} {
		if c.ip == "" {
			c.ip = ip
		}
		if c.method == "" {
			c.method = "createTag"
		}
		b.now.Store(c.late)
		if sess, claim, err := b.Ride(t.Context(), c.cred, c.ip, c.method); sess != nil || claim != nil || err != nil {
			t.Errorf("%s: %v, %v, %v", name, sess, claim, err)
		}
	}
	b.now.Store(0)
	b.people.setStatus(2, koji.StatusBlocked)
	_, _, err := b.Ride(t.Context(), cred(g, 2), ip, "createTag")
	wantFault(t, err, fault.Auth)
	b.people.setStatus(2, koji.StatusNormal)
	_, claim := b.ride(t, g, 2) // what was refused keeps nobody waiting
	if err := claim.Finish(t.Context(), nil); err != nil {
		t.Error(err)
	}
}

// What has come of a session elsewhere since it was remembered is found when the call makes its change, or at its end if it makes none.
func TestRideElsewhere(t *testing.T) {
	t.Parallel()
	exec := func(sql string) func(t *testing.T, b *bundle, g *auth.Grant) {
		return func(t *testing.T, b *bundle, g *auth.Grant) {
			if _, err := b.pool.Exec(t.Context(), sql, g.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	refused := fault.New(fault.Generic, "no such tag")
	for name, c := range map[string]struct {
		before func(t *testing.T, b *bundle, g *auth.Grant)
		fault  fault.Code // 0: the call goes on
		stored int64      // by the other, 1: by nobody
		// unchanged is whether a call that is refused for another reason stays so.
		unchanged bool
	}{
		"nothing":           {before: func(*testing.T, *bundle, *auth.Grant) {}, stored: 1, unchanged: true},
		"logged out":        {before: exec(`update ops.sessions set closed = true where id = $1`), fault: fault.Auth, stored: 1},
		"removed":           {before: exec(`delete from ops.sessions where id = $1`), fault: fault.Auth},
		"expired":           {before: exec(`update ops.sessions set expired = true where id = $1`), fault: fault.AuthExpired, stored: 1},
		"another key":       {before: exec(`update ops.sessions set key_hash = sha256('x') where id = $1`), fault: fault.Auth, stored: 1},
		"the number stored": {before: exec(`update ops.sessions set callnum = 2 where id = $1`), fault: fault.Retry, stored: 2, unchanged: true},
		"a later number":    {before: exec(`update ops.sessions set callnum = 9 where id = $1`), fault: fault.Sequence, stored: 9, unchanged: true},
		"a lower number":    {before: exec(`update ops.sessions set callnum = 0 where id = $1`), unchanged: true},
		"itself exclusive":  {before: exec(`update ops.sessions set exclusive = true where id = $1`), fault: fault.Lock, stored: 1},
		"another exclusive": {before: func(t *testing.T, b *bundle, _ *auth.Grant) {
			exec(`update ops.sessions set exclusive = true where id = $1`)(t, b, b.open(t, auth.Opening{}))
		}, fault: fault.AuthLock, stored: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for what, call := range map[string]func(b *bundle, ctx context.Context) error{
				"a change": (*bundle).change,
				"nothing":  func(*bundle, context.Context) error { return nil },
				"a fault":  func(*bundle, context.Context) error { return refused },
			} {
				b, g := rode(t)
				_, claim := b.ride(t, g, 2)
				ctx := claim.Context(t.Context())
				c.before(t, b, g)
				err := claim.Finish(ctx, call(b, ctx))
				switch {
				case what == "a fault" && c.unchanged:
					if !errors.Is(err, refused) {
						t.Errorf("%s: %v", what, err)
					}
				case c.fault != 0:
					wantFault(t, err, c.fault)
				case what == "a fault":
					wantFault(t, err, fault.Generic)
				case err != nil:
					t.Errorf("%s: %v", what, err)
				}
				if c.fault == 0 && what != "a fault" {
					if n := b.stored(t, g); n != 2 {
						t.Errorf("%s: %d is stored", what, n)
					}
				} else if c.stored != 0 {
					if n := b.stored(t, g); n != c.stored {
						t.Errorf("%s: %d is stored, want %d", what, n, c.stored)
					}
				}
			}
		})
	}
}

// When nobody knows what became of a change, the database does.
func TestRideUnknown(t *testing.T) {
	t.Parallel()
	lost := errors.New("connection lost")
	for name, made := range map[string]bool{"made": true, "not made": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, g := rode(t)
			_, claim := b.ride(t, g, 2)
			ctx := claim.Context(t.Context())
			if made {
				r := events.RiderOf(ctx)
				_, err := b.pool.Exec(ctx, r.SQL, r.Args...) // and the answer is lost
				if err != nil {
					t.Fatal(err)
				}
			}
			if err := claim.Finish(ctx, lost); !errors.Is(err, lost) {
				t.Errorf("got %v", err)
			}
			_, again, err := b.Begin(t.Context(), cred(g, 2), ip, "createTag") // the client repeats
			if made {
				wantFault(t, err, fault.Retry)
			} else if again == nil || err != nil {
				t.Errorf("the repeat: %v, %v", again, err)
			}
		})
	}
}

// A repeat that arrives while the call rides waits for it, and so does a call with a later number.
func TestRideIsWaitedFor(t *testing.T) {
	t.Parallel()
	b, g := rode(t)
	_, claim := b.ride(t, g, 2)
	ctx := claim.Context(t.Context())
	repeat, later := make(chan error, 1), make(chan error, 1)
	go func() {
		_, _, err := b.Begin(context.WithoutCancel(ctx), cred(g, 2), ip, "createTag")
		repeat <- err
	}()
	go func() {
		_, next, err := b.Ride(context.WithoutCancel(ctx), cred(g, 3), ip, "createTag")
		if next != nil {
			err = next.Finish(ctx, nil)
		}
		later <- err
	}()
	gone, leave := context.WithCancel(t.Context())
	leave()
	if _, _, err := b.Ride(gone, cred(g, 3), ip, "createTag"); !errors.Is(err, context.Canceled) {
		t.Errorf("who goes while waiting: %v", err)
	}
	if _, err := b.Claim(gone, &auth.Session{ID: g.ID, Callnum: cred(g, 3).Callnum}, "createTag"); !errors.Is(err, context.Canceled) {
		t.Errorf("who goes while waiting to claim: %v", err)
	}
	select {
	case err := <-repeat:
		t.Errorf("the repeat did not wait: %v", err)
	case err := <-later:
		t.Errorf("the later call did not wait: %v", err)
	default:
	}
	if err := claim.Finish(ctx, b.change(ctx)); err != nil {
		t.Fatal(err)
	}
	// the repeat comes first or last
	if err := <-repeat; !fault.Is(err, fault.Retry) && !fault.Is(err, fault.Sequence) {
		t.Errorf("the repeat: %v", err)
	}
	if err := <-later; err != nil {
		t.Errorf("the later call: %v", err)
	}
}

// A call that may be repeated rides without a number: it is only made if the session stands.
func TestRideRepeatable(t *testing.T) {
	t.Parallel()
	const method = "host.updateHost"
	b := setup(t, func(c *auth.Config) { c.WithLedger = true })
	g := b.open(t, auth.Opening{})
	if _, claim, err := b.Ride(t.Context(), cred(g, 1), ip, method); claim != nil || err != nil {
		t.Fatalf("a session that is not known yet rides: %v, %v", claim, err)
	}
	if _, err := b.Check(t.Context(), cred(g, 1), ip, method); err != nil {
		t.Fatal(err)
	}
	ride := func(n int64) (context.Context, *auth.Claim) {
		t.Helper()
		_, claim, err := b.Ride(t.Context(), cred(g, n), ip, method)
		if err != nil || claim == nil {
			t.Fatalf("call %d: %v, %v", n, claim, err)
		}
		return claim.Context(t.Context()), claim
	}
	for _, n := range []int64{1, 2, 2, 3} {
		ctx, claim := ride(n)
		if err := claim.Finish(ctx, b.change(ctx)); err != nil {
			t.Errorf("call %d: %v", n, err)
		}
	}
	if n := b.stored(t, g); n != 0 {
		t.Errorf("number %d is stored", n)
	}
	_, claim, err := b.Ride(t.Context(), cred(g, 4), ip, "createTag") // what Check found may be ridden on by others
	if err != nil || claim == nil {
		t.Fatalf("%v, %v", claim, err)
	}
	ctx := claim.Context(t.Context())
	if err := claim.Finish(ctx, b.change(ctx)); err != nil || b.stored(t, g) != 4 {
		t.Errorf("%v, number %d is stored", err, b.stored(t, g))
	}
	ctx, claim = ride(4)
	if err := claim.Finish(ctx, b.change(ctx)); err != nil {
		t.Error(err)
	}
	ctx, claim = ride(5)
	if _, err := b.pool.Exec(t.Context(), `update ops.sessions set closed = true where id = $1`, g.ID); err != nil {
		t.Fatal(err)
	}
	wantFault(t, claim.Finish(ctx, b.change(ctx)), fault.Auth)
}
