package hub_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/internal/xmlrpc"
	"moromi/web/auth"
	"moromi/web/hub"
)

// provider takes the identity from a header, as a test's certificate.
type provider struct{}

func (provider) Identify(r *http.Request) (*auth.Identity, error) {
	switch who := r.Header.Get("X-Who"); {
	case who == "":
		return nil, nil
	case who == "?":
		return nil, &auth.Challenge{Schemes: []string{"Negotiate"}}
	case strings.Contains(who, "@"):
		return &auth.Identity{AuthType: koji.AuthGSSAPI, Name: who, Subjects: []string{who}, Realm: "EXAMPLE.COM", Reply: http.Header{"Www-Authenticate": {"Negotiate dG9rZW4="}}}, nil
	default:
		return &auth.Identity{AuthType: koji.AuthSSL, Name: who, Subjects: []string{"CN=" + who, "/CN=" + who}}, nil
	}
}

func (c *client) sslLogin(who string, params ...any) (*http.Response, any, error) {
	c.t.Helper()
	c.header.Set("X-Who", who)
	var b bytes.Buffer
	if err := xmlrpc.EncodeCall(&b, "sslLogin", params); err != nil {
		c.t.Fatal(err)
	}
	resp, body := c.post("/kojihub/ssllogin", "text/xml", b.Bytes())
	v, err := xmlrpc.DecodeResponse(bytes.NewReader(body), xmlrpc.ResponseLimits())
	return resp, v, err
}

func TestSSLLogin(t *testing.T) {
	t.Parallel()
	s := setup(t, func(c *hub.Config) {
		c.Identity, c.ProxyDNs, c.ProxyPrincipals = provider{}, []string{"CN=web"}, []string{"web@EXAMPLE.COM"}
	})
	s.domain.users["alice"].Principals = []string{"alice@EXAMPLE.COM"}
	kw := func(pairs ...any) xmlrpc.Kwargs {
		k := xmlrpc.Kwargs{}
		for i := 0; i < len(pairs); i += 2 {
			k[pairs[i].(string)] = pairs[i+1]
		}
		return k
	}
	for _, c := range []struct {
		who      string
		kw       xmlrpc.Kwargs
		user     string // "" for AuthError
		authtype int64
	}{
		{"bob", kw("proxyuser", nil), "bob", 2},
		{"alice@EXAMPLE.COM", kw(), "alice", 3},
		{"nobody@EXAMPLE.COM", kw(), "", 0},
		{"stranger", kw(), "", 0},
		{"blockeduser", kw(), "", 0},
		{"", kw(), "", 0},
		{"web", kw("proxyuser", "bob"), "bob", 2},
		{"web@EXAMPLE.COM", kw("proxyuser", "alice@EXAMPLE.COM"), "alice", 3},
		{"web@EXAMPLE.COM", kw("proxyuser", "alice@EXAMPLE.COM", "proxyauthtype", 3), "alice", 3},
		{"web", kw("proxyuser", "bob", "proxyauthtype", 3), "", 0},
		{"bob", kw("proxyuser", "kojiadmin"), "", 0},
	} {
		resp, v, err := s.anonymous().sslLogin(c.who, c.kw)
		if c.user == "" {
			if f, ok := err.(*xmlrpc.Fault); !ok || f.Code != int(fault.Auth) {
				t.Errorf("%s %v: %v, %v", c.who, c.kw, v, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s %v: %v", c.who, c.kw, err)
			continue
		}
		if strings.Contains(c.who, "@") && resp.Header.Get("WWW-Authenticate") != "Negotiate dG9rZW4=" {
			t.Errorf("%s: the server's token is missing: %v", c.who, resp.Header)
		}
		me := s.anonymous()
		m := v.(map[string]any)
		me.query = "session-id=" + str(m["session-id"]) + "&session-key=" + str(m["session-key"])
		if got := me.must("getLoggedInUser").(map[string]any); got["name"] != c.user || got["authtype"] != c.authtype {
			t.Errorf("%s %v: logged in as %v", c.who, c.kw, got)
		}
	}
	resp, _, _ := s.anonymous().sslLogin("?")
	if resp.StatusCode != http.StatusUnauthorized || resp.Header.Get("WWW-Authenticate") != "Negotiate" {
		t.Errorf("challenge: %d %v", resp.StatusCode, resp.Header)
	}
	c := s.anonymous()
	c.header.Set("X-Who", "bob")
	c.wantFault(fault.Auth, "sslLogin") // not at /ssllogin
	s.login("alice").wantFault(fault.Auth, "sslLogin")
	if _, _, err := s.login("alice").sslLogin("bob"); err == nil || err.(*xmlrpc.Fault).String != "Already logged in" {
		t.Errorf("twice: %v", err)
	}
	if _, _, err := setup(t).anonymous().sslLogin("bob"); err == nil || err.(*xmlrpc.Fault).Code != int(fault.Auth) {
		t.Errorf("without a provider: %v", err)
	}
	if _, _, err := s.anonymous().sslLogin("bob", 1, 2, 3, 4, 5); err == nil || err.(*xmlrpc.Fault).Code != int(fault.Internal) {
		t.Errorf("too many arguments: %v", err)
	}
}

func str(v any) string { return fmt.Sprint(v) }

// TestForwardedAddress: a session is bound to what trusted proxies say, and to nothing that anyone else says.
func TestForwardedAddress(t *testing.T) {
	t.Parallel()
	trusting := setup(t, func(c *hub.Config) {
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")}
	})
	plain := setup(t)
	for _, c := range []struct {
		*site
		forwarded, want string
	}{
		{trusting, "203.0.113.5", "203.0.113.5"},
		{trusting, "198.51.100.9, 203.0.113.5", "203.0.113.5"}, // the first one is the client's own claim
		{trusting, "198.51.100.9, 10.1.1.1", "198.51.100.9"},
		{trusting, "nonsense", "127.0.0.1"},
		{trusting, "::ffff:203.0.113.5", "203.0.113.5"},
		{plain, "203.0.113.5", "127.0.0.1"},
	} {
		c.setPasswords("alice")
		me := c.anonymous()
		me.header.Set("X-Forwarded-For", c.forwarded)
		m := me.must("login", "alice", "alicepw").(map[string]any)
		me.header.Set("Koji-Session-Id", str(m["session-id"]))
		me.header.Set("Koji-Session-Key", str(m["session-key"]))
		if got := me.must("getSessionInfo", true).(map[string]any)["hostip"]; got != c.want {
			t.Errorf("%q: bound to %v, want %s", c.forwarded, got, c.want)
		}
	}
}
