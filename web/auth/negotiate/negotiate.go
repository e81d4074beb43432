// Package negotiate logs in by Kerberos: HTTP's Negotiate scheme (RFC 4559) with SPNEGO or bare Kerberos tokens.
//
// It uses gokrb5 for the messages and their cryptography, and not gokrb5's own HTTP handler, which sends no answer to clients that want the hub
// to prove itself, takes the client's realm from what the client says instead of from the ticket, and reads Microsoft's authorisation data
// where MIT's KDCs put something else. Channel bindings are not checked: they are optional for clients, and TLS protects the token.
package negotiate

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/jcmturner/gokrb5/v8/iana/flags"
	"github.com/jcmturner/gokrb5/v8/keytab"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"

	"moromi/internal/koji"
	"moromi/web/auth"
)

// scheme is HTTP's name for it; compared without regard to case.
const scheme = "Negotiate"

// maxSkew is how far a client's clock may be off, Kerberos' usual five minutes.
const maxSkew = 5 * time.Minute

// serviceName is the first part of the principals that HTTP servers have; keys of other services in the keytab are not used.
const serviceName = "HTTP"

// Config is what a Verifier needs. Keytab, FirstUse and Log are required.
type Config struct {
	// Keytab has the service's keys. It is asked at each login. Any key for HTTP/… counts, since a hub may have several names.
	Keytab func() *keytab.Keytab
	// Principal, if not empty, is the only service principal that counts, HTTP/NAME or HTTP/NAME@REALM (Koji's AuthPrincipal).
	Principal string
	// FirstUse remembers an authenticator until a time and tells whether it was new.
	FirstUse func(ctx context.Context, authenticator []byte, until time.Time) (bool, error)
	Log      *slog.Logger
}

// Verifier identifies clients by their Kerberos tickets. It implements auth.IdentityProvider and is safe for concurrent use.
type Verifier struct{ cfg Config }

// New makes a Verifier.
func New(cfg Config) (*Verifier, error) {
	if cfg.Keytab == nil || cfg.FirstUse == nil || cfg.Log == nil {
		return nil, errors.New("kerberos logins: Keytab, FirstUse and Log are required")
	}
	return &Verifier{cfg: cfg}, nil
}

// refusal is why a token is not accepted. It goes to the log; the client gets a challenge.
type refusal struct{ error }

// Identify implements auth.IdentityProvider. A request without a good token gets a challenge, whatever is wrong: the reason is in the log.
func (v *Verifier) Identify(r *http.Request) (*auth.Identity, error) {
	name, text, _ := strings.Cut(strings.TrimSpace(r.Header.Get("Authorization")), " ")
	if !strings.EqualFold(name, scheme) {
		return nil, &auth.Challenge{Schemes: []string{scheme}}
	}
	id, err := v.identify(r, strings.TrimSpace(text))
	var no refusal
	if errors.As(err, &no) {
		v.cfg.Log.WarnContext(r.Context(), "kerberos login refused", "remote", r.RemoteAddr, "error", err)
		return nil, &auth.Challenge{Schemes: []string{scheme}}
	}
	return id, err
}

func (v *Verifier) identify(r *http.Request, text string) (*auth.Identity, error) {
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, refusal{fmt.Errorf("the token is not base64: %w", err)}
	}
	t, err := parseToken(raw)
	if err != nil {
		return nil, refusal{err}
	}
	principal, err := v.verify(r, &t.request)
	if err != nil {
		return nil, refusal{err}
	}
	made := t.request.Authenticator.CTime.Add(time.Duration(t.request.Authenticator.Cusec) * time.Microsecond)
	fresh, err := v.cfg.FirstUse(r.Context(), t.request.EncryptedAuthenticator.Cipher, made.Add(2*maxSkew))
	if err != nil {
		return nil, err
	}
	if !fresh {
		return nil, refusal{fmt.Errorf("the request of %s was used before", principal)}
	}
	token, err := t.reply()
	if err != nil {
		return nil, err
	}
	id := &auth.Identity{AuthType: koji.AuthGSSAPI, Name: principal, Subjects: []string{principal}, Realm: t.request.Ticket.Realm}
	if len(token) > 0 {
		id.Reply = http.Header{"Www-Authenticate": {scheme + " " + base64.StdEncoding.EncodeToString(token)}}
	}
	return id, nil
}

// verify decrypts the ticket and the authenticator and checks both, and gives the client's principal.
func (v *Verifier) verify(r *http.Request, req *messages.APReq) (principal string, err error) {
	defer func() {
		if p := recover(); p != nil { // as in parseToken; only somebody with a good ticket gets this far
			err = fmt.Errorf("the request cannot be read: %v", p)
		}
	}()
	if err := v.service(&req.Ticket); err != nil {
		return "", err
	}
	address, err := types.GetHostAddress(r.RemoteAddr)
	if err != nil {
		address = types.HostAddress{} // equals none of a ticket that is bound to addresses
	}
	if ok, err := req.Verify(v.cfg.Keytab(), maxSkew, address, nil); err != nil {
		return "", err
	} else if !ok {
		return "", errors.New("the request is not valid")
	}
	ticket := &req.Ticket.DecryptedEncPart
	if req.Authenticator.CRealm != ticket.CRealm {
		return "", fmt.Errorf("the client says that it is of realm %q, its ticket says %q", req.Authenticator.CRealm, ticket.CRealm)
	}
	// A ticket that came by way of other realms counts if a KDC has checked the way.
	if ticket.CRealm != req.Ticket.Realm && len(ticket.Transited.Contents) > 0 && !types.IsFlagSet(&ticket.Flags, flags.TransitedPolicyChecked) {
		return "", fmt.Errorf("the ticket of realm %q came by way of other realms, and nobody has checked which", ticket.CRealm)
	}
	return principalName(ticket.CName, ticket.CRealm)
}

// service checks that the ticket is for the hub, and not for another service whose key is in the same keytab.
func (v *Verifier) service(t *messages.Ticket) error {
	name := t.SName.PrincipalNameString()
	if want, realm, ok := strings.Cut(v.cfg.Principal, "@"); v.cfg.Principal != "" && (name != want || ok && realm != t.Realm) {
		return fmt.Errorf("the ticket is for %s@%s, not for %s", name, t.Realm, v.cfg.Principal)
	}
	if v.cfg.Principal == "" && (len(t.SName.NameString) < 2 || t.SName.NameString[0] != serviceName) {
		return fmt.Errorf("the ticket is for %s@%s, not for a web service", name, t.Realm)
	}
	return nil
}

// principalName writes a principal as users' principals are written. One whose parts hold the characters between parts could be taken for
// another, and an anonymous one is nobody: both are refused.
func principalName(name types.PrincipalName, realm string) (string, error) {
	odd := func(s string) bool {
		return s == "" || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune(`/@\`, r) })
	}
	if len(name.NameString) == 0 || slices.ContainsFunc(name.NameString, odd) || odd(realm) {
		return "", fmt.Errorf("the principal %q of realm %q has characters that no user can have", name.NameString, realm)
	}
	if name.NameString[0] == "WELLKNOWN" {
		return "", errors.New("the principal is anonymous")
	}
	return strings.Join(name.NameString, "/") + "@" + realm, nil
}
