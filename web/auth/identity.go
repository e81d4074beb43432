package auth

import (
	"errors"
	"net/http"
	"strings"

	"moromi/internal/koji"
)

// Identity is who a request to /ssllogin comes from.
type Identity struct {
	AuthType koji.AuthType // AuthSSL or AuthGSSAPI
	// Name is the user name (from the certificate's subject) or the full Kerberos principal.
	Name string
	// Subjects is what the list of those who may log in others is compared with: the certificate's DN in each of its usual spellings, or
	// the principal. The first is the one to show.
	Subjects []string
	// Realm is the hub's own, in which the client's ticket was issued; empty for certificates.
	Realm string
	// Reply are headers for the answer, such as the Kerberos server's own token.
	Reply http.Header
}

// Challenge is the error of an IdentityProvider that wants the client to authenticate: status 401 with these WWW-Authenticate headers.
type Challenge struct{ Schemes []string }

// Error says what is asked for.
func (c *Challenge) Error() string { return "authentication wanted: " + strings.Join(c.Schemes, ", ") }

// IdentityProvider tells who sends a request to /ssllogin: by its TLS client certificate or by Kerberos (Negotiate).
type IdentityProvider interface {
	// Identify gives the caller's identity; a *Challenge to be answered with 401; nil when the request carries none; or a fault.
	Identify(r *http.Request) (*Identity, error)
}

// Providers asks one provider after the other. The first identity counts, also after a refusal by another provider: a client may have a
// certificate for other purposes and a ticket for this one. Without an identity the first refusal counts, and a challenge is the last resort.
type Providers []IdentityProvider

// Identify implements IdentityProvider.
func (p Providers) Identify(r *http.Request) (*Identity, error) {
	var refusal, challenge error
	for _, provider := range p {
		id, err := provider.Identify(r)
		var wanted *Challenge
		switch {
		case err == nil && id != nil:
			return id, nil
		case errors.As(err, &wanted):
			challenge = err
		case err != nil && refusal == nil:
			refusal = err
		}
	}
	if refusal == nil {
		refusal = challenge
	}
	return nil, refusal
}
