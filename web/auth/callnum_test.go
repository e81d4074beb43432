package auth_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"moromi/internal/fault"
	"moromi/web/auth"
)

func TestCallnum(t *testing.T) {
	t.Parallel()
	b := setup(t)
	other := b.another(t, auth.Config{})
	g := b.open(t, auth.Opening{})
	claim := func(s *auth.Sessions, n int64) *auth.Claim {
		t.Helper()
		c, err := s.Claim(t.Context(), check(t, s, cred(g, n)), "createTag")
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	check(t, b.Sessions, cred(g, 4)) // a read
	check(t, other, cred(g, 4))      // again
	claim(b.Sessions, 5).Keep()
	for _, s := range []*auth.Sessions{b.Sessions, other} {
		_, err := s.Check(t.Context(), cred(g, 5), ip, "createTag")
		wantFault(t, err, fault.Retry)
		_, err = s.Check(t.Context(), cred(g, 5), ip, "getTag")
		wantFault(t, err, fault.Retry)
		_, err = s.Check(t.Context(), cred(g, 4), ip, "getTag")
		wantFault(t, err, fault.Sequence)
		if _, err = s.Check(t.Context(), cred(g, 5), ip, "host.updateHost"); err != nil {
			t.Errorf("repeating what may be repeated: %v", err)
		}
	}
	if err := claim(other, 10).Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	sess := check(t, b.Sessions, cred(g, 6))
	if sess.Info.Callnum == nil || *sess.Info.Callnum != 5 {
		t.Errorf("after release the number is %v", sess.Info.Callnum)
	}
	// Both processes have seen number 6 free; only one may have it.
	late := check(t, other, cred(g, 6))
	first, err := b.Claim(t.Context(), sess, "createTag")
	if err != nil {
		t.Fatal(err)
	}
	_, err = other.Claim(t.Context(), late, "createTag")
	wantFault(t, err, fault.Retry)
	first.Keep()
	// Sessions and clients without numbers claim nothing.
	none, err := b.Claim(t.Context(), check(t, b.Sessions, cred(g)), "createTag")
	if none != nil || err != nil {
		t.Errorf("claim without a number: %v, %v", none, err)
	}
	none.Keep()
	if err := none.Release(t.Context()); err != nil {
		t.Error(err)
	}
	if c, err := b.Claim(t.Context(), nil, "createTag"); c != nil || err != nil {
		t.Errorf("claim of nobody: %v, %v", c, err)
	}
	if err := b.Logout(t.Context(), check(t, b.Sessions, cred(g, 7))); err != nil {
		t.Fatal(err)
	}
	_, err = other.Claim(t.Context(), late, "createTag")
	wantFault(t, err, fault.Auth)
}

// A repeat that arrives while the call still runs waits and learns how it went.
func TestRepeatWaits(t *testing.T) {
	t.Parallel()
	b := setup(t)
	g := b.open(t, auth.Opening{})
	for _, refused := range []bool{false, true} {
		n := int64(5)
		if refused {
			n = 6
		}
		c, err := b.Claim(t.Context(), check(t, b.Sessions, cred(g, n)), "createTag")
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() {
			_, err := b.Check(context.WithoutCancel(t.Context()), cred(g, n), ip, "createTag")
			done <- err
		}()
		if refused {
			if err := c.Release(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := <-done; err != nil {
				t.Errorf("the first was refused, the repeat got %v", err)
			}
		} else {
			c.Keep()
			wantFault(t, <-done, fault.Retry)
		}
	}
}

func TestClaimIsWonOnce(t *testing.T) {
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
				s := hubs[i%len(hubs)]
				sess, err := s.Check(t.Context(), cred(g, n), ip, "createTag")
				if fault.Is(err, fault.Retry) {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				c, err := s.Claim(t.Context(), sess, "createTag")
				switch {
				case err == nil:
					won.Add(1)
					c.Keep()
				case !fault.Is(err, fault.Retry):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Fatalf("number %d was claimed %d times", n, won.Load())
		}
	}
}
