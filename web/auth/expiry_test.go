package auth_test

import (
	"log/slog"
	"testing"

	"moromi/internal/fault"
	"moromi/web/auth"
)

func TestExpiryAndRenewal(t *testing.T) {
	t.Parallel()
	b := setup(t)
	g := b.open(t, auth.Opening{})
	child, err := b.Subsession(t.Context(), check(t, b.Sessions, cred(g)))
	if err != nil {
		t.Fatal(err)
	}
	c, err := b.Claim(t.Context(), check(t, b.Sessions, cred(g, 40)), "createTag")
	if err != nil {
		t.Fatal(err)
	}
	c.Keep()
	b.now.Add(24*3600 + 1)
	_, err = b.Check(t.Context(), cred(g, 41), ip, "getTag")
	wantFault(t, err, fault.AuthExpired)
	_, err = b.Check(t.Context(), cred(child), ip, "getTag")
	wantFault(t, err, fault.AuthExpired)
	old, err := b.Check(t.Context(), cred(g, 41), ip, "login")
	if err != nil || old.LoggedIn() || !old.Expired {
		t.Fatalf("login with an expired session: %+v, %v", old, err)
	}
	_, err = b.Open(t.Context(), auth.Opening{UserID: 3, HostIP: ip, Renew: true, Prior: old})
	wantFault(t, err, fault.Auth) // bob may not have alice's session
	again := b.open(t, auth.Opening{Renew: true, Prior: old, Exclusive: true})
	if again.ID != g.ID || again.Key == g.Key {
		t.Errorf("renewed: %+v from %+v", again, g)
	}
	_, err = b.Check(t.Context(), cred(g), ip, "getTag")
	wantFault(t, err, fault.Auth)
	sess := check(t, b.Sessions, cred(again, 0)) // clients count from 0 again
	if sess.Info.RenewTime == nil || sess.Info.Callnum != nil || !sess.Exclusive {
		t.Errorf("renewed session: %+v", sess)
	}
	_, err = b.Open(t.Context(), auth.Opening{UserID: 2, HostIP: ip, Renew: true, Prior: old})
	wantFault(t, err, fault.Auth) // the old key is spent

	oldChild, err := b.Check(t.Context(), cred(child), ip, "sslLogin")
	if err != nil {
		t.Fatal(err)
	}
	newChild := b.open(t, auth.Opening{Renew: true, Prior: oldChild})
	check(t, b.Sessions, cred(newChild))
	b.now.Add(24*3600 + 1)
	oldChild, err = b.Check(t.Context(), cred(newChild), ip, "login")
	if err != nil {
		t.Fatal(err)
	}
	if err := b.CloseUser(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	if g, err := b.Open(t.Context(), auth.Opening{UserID: 2, HostIP: ip, Renew: true, Prior: oldChild}); g != nil || err != nil {
		t.Errorf("renewing below a closed master: %v, %v", g, err)
	}
	forever := b.another(t, auth.Config{Pool: b.pool, Users: b.people, Log: slog.New(slog.DiscardHandler), Clock: b.clock, Renewal: -1})
	f := b.open(t, auth.Opening{})
	b.now.Add(400 * 24 * 3600)
	if _, err := forever.Check(t.Context(), cred(f), ip, "getTag"); err != nil {
		t.Errorf("sessions never expire here: %v", err)
	}
}
