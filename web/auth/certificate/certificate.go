// Package certificate logs in by TLS client certificates.
//
// The listener only asks for a certificate and does not judge it (tls.RequestClientCert), because Go can neither renegotiate nor ask later,
// as Apache does for one address: a client with an expired certificate must still be able to read. The certificate is verified here, when
// somebody logs in by it.
//
// Names of subjects follow mod_ssl, because Koji's settings DNUsernameComponent and ProxyDNs hold what mod_ssl writes.
package certificate

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/web/auth"
)

// Config is what a Verifier needs. Roots and Log are required.
type Config struct {
	// Roots are the authorities whose certificates log in. It is asked at each login.
	Roots func() *x509.CertPool
	// UsernameComponent names the attribute of the subject that is the user's name (Koji's DNUsernameComponent); CN if empty.
	UsernameComponent string
	// ProxyHeader is the header in which a reverse proxy that ends TLS passes the client's certificate on, if FromProxy says that the request comes
	// from one. Empty believes nobody.
	ProxyHeader string
	FromProxy   func(*http.Request) bool
	Clock       func() time.Time // nil: time.Now
	Log         *slog.Logger
}

// Verifier identifies clients by their certificates. It implements auth.IdentityProvider and is safe for concurrent use.
type Verifier struct {
	cfg Config
	oid string
}

// New makes a Verifier. It refuses a UsernameComponent that it does not know.
func New(cfg Config) (*Verifier, error) {
	if cfg.Roots == nil || cfg.Log == nil {
		return nil, errors.New("certificate logins: Roots and Log are required")
	}
	if cfg.ProxyHeader != "" && cfg.FromProxy == nil {
		return nil, errors.New("certificate logins: a header without a proxy that may send it")
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.UsernameComponent == "" {
		cfg.UsernameComponent = "CN"
	}
	oid, err := componentOID(cfg.UsernameComponent)
	return &Verifier{cfg: cfg, oid: oid}, err
}

// Identify implements auth.IdentityProvider. Without a certificate it gives nil; a bad one is a fault (AuthError).
func (v *Verifier) Identify(r *http.Request) (*auth.Identity, error) {
	chain, err := v.presented(r)
	if err != nil {
		v.cfg.Log.WarnContext(r.Context(), "certificate login refused", "remote", r.RemoteAddr, "error", err)
		return nil, fault.New(fault.Auth, "could not verify client: FAILED:the certificate that the proxy passed on cannot be read")
	}
	if len(chain) == 0 {
		return nil, nil
	}
	if err := v.verify(chain); err != nil {
		v.cfg.Log.WarnContext(r.Context(), "certificate login refused", "remote", r.RemoteAddr, "subject", chain[0].Subject.String(),
			"issuer", chain[0].Issuer.String(), "error", err)
		return nil, fault.New(fault.Auth, "could not verify client: FAILED:%s", reason(err))
	}
	dn, err := subject(chain[0])
	if err != nil {
		return nil, fault.Wrap(err, fault.Auth, "could not verify client: FAILED:its subject cannot be read")
	}
	name := first(dn, v.oid)
	if name == "" {
		return nil, fault.New(fault.Auth, "unable to get user information (%s) from client certificate", v.cfg.UsernameComponent)
	}
	return &auth.Identity{AuthType: koji.AuthSSL, Name: name, Subjects: spellings(dn)}, nil
}

// verify checks a chain that begins with the client's certificate.
func (v *Verifier) verify(chain []*x509.Certificate) error {
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{Roots: v.cfg.Roots(), Intermediates: between, CurrentTime: v.cfg.Clock(),
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	return err
}

// reason tells the client what is wrong with its certificate, in words that say nothing of the hub.
func reason(err error) string {
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.As(err, &unknown):
		return "the certificate is not from an authority that this hub trusts"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "the certificate has expired or is not yet valid"
	case errors.As(err, &invalid) && invalid.Reason == x509.IncompatibleUsage:
		return "the certificate is not for clients"
	}
	return "the certificate is not valid"
}

// presented gives the certificates that came with the request: those of its connection, or the one that a trusted proxy passed on.
func (v *Verifier) presented(r *http.Request) ([]*x509.Certificate, error) {
	if v.cfg.ProxyHeader != "" && v.cfg.FromProxy(r) {
		text := r.Header.Get(v.cfg.ProxyHeader)
		if text == "" {
			return nil, nil
		}
		der, err := passedOn(text)
		if err != nil {
			return nil, err
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		return []*x509.Certificate{c}, nil
	}
	if r.TLS == nil {
		return nil, nil
	}
	return r.TLS.PeerCertificates, nil
}

// passedOn reads a certificate from a header, in the forms that proxies write: RFC 9440 (:base64:), PEM with percent escapes (nginx's
// $ssl_client_escaped_cert), or PEM in one line (Apache's and HAProxy's base64 of the DER without armour, too).
func passedOn(text string) ([]byte, error) {
	text = strings.TrimSpace(text)
	if inner, ok := strings.CutPrefix(text, ":"); ok {
		return base64.StdEncoding.DecodeString(strings.TrimSuffix(inner, ":"))
	}
	if strings.Contains(text, "%") {
		plain, err := url.PathUnescape(text) // base64 has a plus sign that is no space
		if err != nil {
			return nil, err
		}
		text = plain
	}
	if block, _ := pem.Decode([]byte(text)); block != nil {
		if block.Type != "CERTIFICATE" {
			return nil, errors.New("it is a " + block.Type)
		}
		return block.Bytes, nil
	}
	text = strings.TrimPrefix(strings.TrimSuffix(text, "-----END CERTIFICATE-----"), "-----BEGIN CERTIFICATE-----")
	return base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
}
