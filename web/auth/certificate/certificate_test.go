package certificate_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"moromi/internal/certtest"
	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/web/auth/certificate"
)

func verifier(t *testing.T, ca *certtest.CA, change ...func(*certificate.Config)) *certificate.Verifier {
	t.Helper()
	cfg := certificate.Config{Roots: ca.Pool, Log: slog.New(slog.DiscardHandler)}
	for _, c := range change {
		c(&cfg)
	}
	v, err := certificate.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func with(certs ...tls.Certificate) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/kojihub/ssllogin", nil)
	r.TLS = &tls.ConnectionState{}
	for _, c := range certs {
		r.TLS.PeerCertificates = append(r.TLS.PeerCertificates, c.Leaf)
	}
	return r
}

func TestIdentify(t *testing.T) {
	t.Parallel()
	ca, other := certtest.New(t, "good"), certtest.New(t, "other")
	now := time.Now()
	for _, c := range []struct {
		name string
		cert tls.Certificate
		want string // in the fault; "" for success
	}{
		{"good", ca.Client("alice"), ""},
		{"expired", ca.Client("alice", func(c *x509.Certificate) { c.NotAfter = now.Add(-time.Minute) }), "expired"},
		{"not yet", ca.Client("alice", func(c *x509.Certificate) { c.NotBefore = now.Add(time.Minute) }), "not yet valid"},
		{"another authority", other.Client("alice"), "authority"},
		{"for servers", ca.Server(func(c *x509.Certificate) { c.Subject.CommonName = "alice" }), "not for clients"},
		{"no name", ca.Client(""), "unable to get user information (CN)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			id, err := verifier(t, ca).Identify(with(c.cert))
			if c.want != "" {
				if !fault.Is(err, fault.Auth) || !strings.Contains(err.Error(), c.want) {
					t.Errorf("%v, %v; want a fault with %q", id, err, c.want)
				}
				return
			}
			if err != nil || id.Name != "alice" || id.AuthType != koji.AuthSSL || !slices.Equal(id.Subjects, []string{"CN=alice", "/CN=alice"}) {
				t.Errorf("%+v, %v", id, err)
			}
		})
	}
	v := verifier(t, ca)
	plain := httptest.NewRequest(http.MethodPost, "/", nil)
	for _, r := range []*http.Request{with(), plain} {
		if id, err := v.Identify(r); id != nil || err != nil {
			t.Errorf("nobody is %v, %v", id, err)
		}
	}
}

// TestIntermediate: a chain that the client sends leads to the authority.
func TestIntermediate(t *testing.T) {
	t.Parallel()
	root := certtest.New(t, "root")
	between := certtest.New(t, "between")
	leaf := between.Client("alice")
	signed := root.Cross(between)
	if _, err := verifier(t, root).Identify(with(leaf)); !fault.Is(err, fault.Auth) {
		t.Errorf("without the certificate between: %v", err)
	}
	if id, err := verifier(t, root).Identify(with(leaf, tls.Certificate{Leaf: signed})); err != nil || id.Name != "alice" {
		t.Errorf("%v, %v", id, err)
	}
}

// TestSubjects compares with what OpenSSL 3.0 prints: `openssl x509 -nameopt RFC2253,-esc_msb` and `X509_NAME_oneline`.
func TestSubjects(t *testing.T) {
	t.Parallel()
	oid := func(n ...int) asn1.ObjectIdentifier { return n }
	email, uid := oid(1, 2, 840, 113549, 1, 9, 1), oid(0, 9, 2342, 19200300, 100, 1, 1)
	c, st, o, ou, cn := oid(2, 5, 4, 6), oid(2, 5, 4, 8), oid(2, 5, 4, 10), oid(2, 5, 4, 11), oid(2, 5, 4, 3)
	one := func(t asn1.ObjectIdentifier, v any) pkix.RelativeDistinguishedNameSET {
		return pkix.RelativeDistinguishedNameSET{{Type: t, Value: v}}
	}
	ca := certtest.New(t, "ca")
	for _, tt := range []struct {
		name string
		dn   pkix.RDNSequence
		want []string
	}{
		{"usual", pkix.RDNSequence{one(c, "XX"), one(st, "State"), one(o, "Example"), one(ou, "Web"), one(cn, "koji-web"), one(email, "a@b.example")},
			[]string{"emailAddress=a@b.example,CN=koji-web,OU=Web,O=Example,ST=State,C=XX", "/C=XX/ST=State/O=Example/OU=Web/CN=koji-web/emailAddress=a@b.example"}},
		{"escapes", pkix.RDNSequence{one(o, `a, "b" + c\d <e>;`), one(ou, "#x"), one(cn, " sp ")},
			[]string{`CN=\ sp\ ,OU=\#x,O=a\, \"b\" \+ c\\d \<e\>\;`, `/O=a, "b" + c\d <e>;/OU=#x/CN= sp `}},
		{"letters beyond ASCII", pkix.RDNSequence{one(cn, "Jörg")}, []string{"CN=Jörg"}},
		{"slashes that look like parts", pkix.RDNSequence{one(o, "x/CN=web"), one(cn, "a")}, []string{"CN=a,O=x/CN=web"}},
		{"several in one part", pkix.RDNSequence{one(c, "XX"), {{Type: cn, Value: "a"}, {Type: uid, Value: "b"}}}, []string{"UID=b+CN=a,C=XX", "/C=XX/CN=a/UID=b"}},
		{"control characters", pkix.RDNSequence{one(cn, "a\nb")}, []string{`CN=a\0Ab`}},
		{"unknown attribute", pkix.RDNSequence{one(oid(1, 2, 3, 4), "x"), one(cn, "a")}, []string{"CN=a,1.2.3.4=#130178"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			raw, err := asn1.Marshal(tt.dn)
			if err != nil {
				t.Fatal(err)
			}
			id, err := verifier(t, ca).Identify(with(ca.Client("", func(c *x509.Certificate) { c.RawSubject = raw })))
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(id.Subjects, tt.want) {
				t.Errorf("got  %q\nwant %q", id.Subjects, tt.want)
			}
		})
	}
}

func TestUsernameComponent(t *testing.T) {
	t.Parallel()
	ca := certtest.New(t, "ca")
	raw, err := asn1.Marshal(pkix.RDNSequence{
		{{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "first"}}, {{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "second"}},
		{{Type: asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 1}, Value: "uid"}}, {{Type: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}, Value: "a@b"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	cert := ca.Client("", func(c *x509.Certificate) { c.RawSubject = raw })
	for component, want := range map[string]string{"": "first", "CN": "first", "UID": "uid", "Email": "a@b", "emailAddress": "a@b", "OU": ""} {
		id, err := verifier(t, ca, func(c *certificate.Config) { c.UsernameComponent = component }).Identify(with(cert))
		if want == "" {
			if !fault.Is(err, fault.Auth) {
				t.Errorf("%s: %v, %v", component, id, err)
			}
		} else if err != nil || id.Name != want {
			t.Errorf("%s: %v, %v", component, id, err)
		}
	}
	if _, err := certificate.New(certificate.Config{Roots: ca.Pool, Log: slog.Default(), UsernameComponent: "Nickname"}); err == nil || !strings.Contains(err.Error(), "Nickname") {
		t.Errorf("an unknown component: %v", err)
	}
}

// TestPassedOn: a proxy that ends TLS is believed when it is told so, and in all the forms that proxies write.
func TestPassedOn(t *testing.T) {
	t.Parallel()
	ca := certtest.New(t, "ca")
	cert, proxy := ca.Client("alice"), ca.Client("proxy")
	text := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Leaf.Raw}))
	b64 := base64.StdEncoding.EncodeToString(cert.Leaf.Raw)
	v := verifier(t, ca, func(c *certificate.Config) {
		c.ProxyHeader, c.FromProxy = "Client-Cert", func(r *http.Request) bool { return r.RemoteAddr == "192.0.2.1:1234" }
	})
	for name, header := range map[string]string{
		"RFC 9440": ":" + b64 + ":", "nginx": url.PathEscape(text), "Apache": strings.ReplaceAll(strings.TrimSpace(text), "\n", " "), "HAProxy": b64,
	} {
		r := with(proxy) // the proxy's own certificate is nobody's here
		r.Header.Set("Client-Cert", header)
		if id, err := v.Identify(r); err != nil || id == nil || id.Name != "alice" {
			t.Errorf("%s: %v, %v", name, id, err)
		}
		r.RemoteAddr = "192.0.2.2:1234"
		r.TLS = nil
		if id, err := v.Identify(r); id != nil || err != nil {
			t.Errorf("%s from a stranger: %v, %v", name, id, err)
		}
	}
	for _, bad := range []string{"%zz", "x", ":x:", url.PathEscape(strings.ReplaceAll(text, "CERTIFICATE", "PRIVATE KEY")), b64[4:]} {
		r := with()
		r.Header.Set("Client-Cert", bad)
		if id, err := v.Identify(r); id != nil || !fault.Is(err, fault.Auth) {
			t.Errorf("%.20q: %v, %v", bad, id, err)
		}
	}
	if id, err := v.Identify(with(proxy)); id != nil || err != nil {
		t.Errorf("a proxy without a client's certificate is %v, %v", id, err)
	}
	other := certtest.New(t, "other")
	r := with()
	r.Header.Set("Client-Cert", ":"+base64.StdEncoding.EncodeToString(other.Client("alice").Leaf.Raw)+":")
	if id, err := v.Identify(r); !fault.Is(err, fault.Auth) {
		t.Errorf("passed on, from another authority: %v, %v", id, err)
	}
}

// TestReasonInLog: the log says why, and who it was.
func TestReasonInLog(t *testing.T) {
	t.Parallel()
	ca := certtest.New(t, "ca")
	var log bytes.Buffer
	v := verifier(t, ca, func(c *certificate.Config) { c.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	if _, err := v.Identify(with(certtest.New(t, "other").Client("mallory"))); err == nil {
		t.Fatal("accepted")
	}
	if !strings.Contains(log.String(), "CN=mallory") || !strings.Contains(log.String(), "unknown authority") {
		t.Errorf("the log says %q", log.String())
	}
}
