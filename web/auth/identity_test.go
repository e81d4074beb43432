package auth_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"moromi/internal/fault"
	"moromi/web/auth"
)

// said is a provider with one answer.
type said struct {
	id  *auth.Identity
	err error
}

func (s said) Identify(*http.Request) (*auth.Identity, error) { return s.id, s.err }

func TestProviders(t *testing.T) {
	t.Parallel()
	alice, bob := said{id: &auth.Identity{Name: "alice"}}, said{id: &auth.Identity{Name: "bob"}}
	bad, worse := said{err: fault.New(fault.Auth, "expired")}, said{err: errors.New("database away")}
	ask := said{err: &auth.Challenge{Schemes: []string{"Negotiate"}}}
	for _, c := range []struct {
		name string
		all  auth.Providers
		want said
	}{
		{"nobody to ask", nil, said{}},
		{"no identity", auth.Providers{said{}, said{}}, said{}},
		{"the first", auth.Providers{alice, bob}, alice},
		{"a bad certificate and a good ticket", auth.Providers{bad, bob}, bob},
		{"a bad certificate and no ticket", auth.Providers{bad, ask}, bad},
		{"a bad certificate and another error", auth.Providers{bad, worse}, bad},
		{"no certificate and no ticket", auth.Providers{said{}, ask}, ask},
		{"no certificate and another error", auth.Providers{said{}, worse}, worse},
	} {
		id, err := c.all.Identify(httptest.NewRequest(http.MethodPost, "/", nil))
		if id != c.want.id || !errors.Is(err, c.want.err) {
			t.Errorf("%s: %v, %v", c.name, id, err)
		}
	}
}
