package commands_test

import (
	"sync"
	"testing"

	"moromi/commands"
	"moromi/commands/commandtest"
	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/projections/user"
)

func TestEnrol(t *testing.T) {
	t.Parallel()
	s := commandtest.New(t)
	ctx := t.Context()
	bob := must[int64](t)(s.Enrol(ctx, commands.Enrol{Name: "bob"}))
	if again := must[int64](t)(s.Enrol(ctx, commands.Enrol{Name: "bob"})); again != bob {
		t.Errorf("bob is %d and %d", bob, again)
	}
	host := must[int64](t)(s.Enrol(ctx, commands.Enrol{Name: "compile/b1.example.com", Principal: "compile/b1.example.com@EXAMPLE.COM"}))
	if u := must[map[string]any](t)(user.ByPrincipal(ctx, s.DB, "compile/b1.example.com@EXAMPLE.COM")); u["id"] != host || u["name"] != "compile/b1.example.com" {
		t.Errorf("the principal is %v's, want %d's", u, host)
	}
	// a principal joins the user of its name only where its realm is to be trusted with that
	_, err := s.Enrol(ctx, commands.Enrol{Name: "bob", Principal: "bob@ELSEWHERE"})
	wantFault(t, err, fault.Auth)
	if u := must[map[string]any](t)(user.ByPrincipal(ctx, s.DB, "bob@ELSEWHERE")); u != nil {
		t.Errorf("it joined all the same: %v", u)
	}
	if id := must[int64](t)(s.Enrol(ctx, commands.Enrol{Name: "bob", Principal: "bob@EXAMPLE.COM", Join: true})); id != bob {
		t.Errorf("bob@EXAMPLE.COM is %d, want %d", id, bob)
	}
	must[int64](t)(s.CreateUser(ctx, admin, commands.CreateUser{Name: "devs", Type: koji.UserGroup}))
	must[int64](t)(s.CreateUser(ctx, admin, commands.CreateUser{Name: "eve", Status: koji.StatusBlocked}))
	for _, bad := range []commands.Enrol{{Name: "devs", Principal: "devs@EXAMPLE.COM", Join: true}, {Name: "eve", Principal: "eve@EXAMPLE.COM", Join: true}} {
		_, err := s.Enrol(ctx, bad)
		wantFault(t, err, fault.Auth)
	}
	_, err = s.Enrol(ctx, commands.Enrol{Name: "no such name!"})
	wantFault(t, err, fault.Generic)
	// the name of a certificate that is another user's principal makes nobody that user
	_, err = s.Enrol(ctx, commands.Enrol{Name: "bob@EXAMPLE.COM"})
	wantFault(t, err, fault.Auth)
}

// TestEnrolAtOnce: first logins of one person at the same time make one user.
func TestEnrolAtOnce(t *testing.T) {
	t.Parallel()
	s := commandtest.New(t)
	for _, in := range []commands.Enrol{{Name: "carol"}, {Name: "dave", Principal: "dave@EXAMPLE.COM", Join: true}} {
		ids := make([]int64, 8)
		var group sync.WaitGroup
		for i := range ids {
			group.Go(func() {
				id, err := s.Enrol(t.Context(), in)
				if err != nil {
					t.Errorf("%s: %v", in.Name, err)
				}
				ids[i] = id
			})
		}
		group.Wait()
		for _, id := range ids {
			if id == 0 || id != ids[0] {
				t.Errorf("%s became %v", in.Name, ids)
				break
			}
		}
	}
}

func TestRealms(t *testing.T) {
	t.Parallel()
	s := commandtest.New(t)
	s.Realms = koji.ParseRealms("EXAMPLE.COM, EXAMPLE.ORG")
	ctx := t.Context()
	alice := must[int64](t)(s.CreateUser(ctx, admin, commands.CreateUser{Name: "alice", Principal: "alice@EXAMPLE.ORG"}))
	wantFault(t, s.AddPrincipal(ctx, admin, alice, "alice@ELSEWHERE"), fault.Auth)
	wantFault(t, s.AddPrincipal(ctx, admin, alice, "alice"), fault.Auth)
	if err := s.AddPrincipal(ctx, admin, alice, "alice@EXAMPLE.COM"); err != nil {
		t.Error(err)
	}
}
