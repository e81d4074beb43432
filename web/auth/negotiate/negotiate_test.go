package negotiate_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jcmturner/gofork/encoding/asn1"
	"github.com/jcmturner/gokrb5/v8/asn1tools"
	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/gssapi"
	"github.com/jcmturner/gokrb5/v8/iana/asnAppTag"
	"github.com/jcmturner/gokrb5/v8/iana/etypeID"
	"github.com/jcmturner/gokrb5/v8/iana/flags"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/iana/nametype"
	"github.com/jcmturner/gokrb5/v8/keytab"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/spnego"
	"github.com/jcmturner/gokrb5/v8/types"

	"moromi/internal/kdctest"
	"moromi/internal/kerberos"
	"moromi/internal/koji"
	"moromi/web/auth"
	"moromi/web/auth/negotiate"
)

// seen remembers authenticators in memory, as the hub does in its database.
type seen struct {
	mu  sync.Mutex
	all map[string]bool
}

func (s *seen) firstUse(_ context.Context, authenticator []byte, until time.Time) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if until.Before(time.Now()) {
		return false, errors.New("it would be forgotten at once")
	}
	was := s.all[string(authenticator)]
	s.all[string(authenticator)] = true
	return !was, nil
}

// hub is a Verifier with its log.
type hub struct {
	*negotiate.Verifier
	log *bytes.Buffer
}

func newHub(t *testing.T, kt *keytab.Keytab, principal string) *hub {
	t.Helper()
	h := &hub{log: &bytes.Buffer{}}
	v, err := negotiate.New(negotiate.Config{Keytab: func() *keytab.Keytab { return kt }, Principal: principal,
		FirstUse: (&seen{all: map[string]bool{}}).firstUse, Log: slog.New(slog.NewTextHandler(h.log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	h.Verifier = v
	return h
}

func (h *hub) login(token []byte) (*auth.Identity, error) {
	return h.header("Negotiate " + base64.StdEncoding.EncodeToString(token))
}

func (h *hub) header(value string) (*auth.Identity, error) {
	r := httptest.NewRequest(http.MethodPost, "/kojihub/ssllogin", nil)
	if value != "" {
		r.Header.Set("Authorization", value)
	}
	return h.Identify(r)
}

// wantChallenge checks that a token is refused with no more than a challenge, and that the log says why.
func (h *hub) wantChallenge(t *testing.T, id *auth.Identity, err error, why string) {
	t.Helper()
	var c *auth.Challenge
	if !errors.As(err, &c) || !slices.Equal(c.Schemes, []string{"Negotiate"}) {
		t.Errorf("%+v, %v; want a challenge", id, err)
	}
	if !strings.Contains(h.log.String(), why) {
		t.Errorf("the log says %q, not %q", h.log.String(), why)
	}
}

func loadKeytab(t *testing.T, file string) *keytab.Keytab {
	t.Helper()
	v, err := negotiate.LoadKeytab(slog.New(slog.DiscardHandler), file)
	if err != nil {
		t.Fatal(err)
	}
	return v.Get()
}

// TestRealm has real tickets of a real KDC.
func TestRealm(t *testing.T) {
	t.Parallel()
	realm := kdctest.Start(t)
	kt := loadKeytab(t, realm.Add("HTTP/localhost", "host/localhost"))
	users := realm.Add("alice", "compile/b1.example.com")
	env := func(ccache string) func(string) string {
		return func(name string) string {
			return map[string]string{"KRB5_CONFIG": realm.Conf, "KRB5CCNAME": ccache}[name]
		}
	}
	alice := realm.Kinit(users, "alice")

	t.Run("own client", func(t *testing.T) {
		t.Parallel()
		for principal, src := range map[string]kerberos.Source{
			"alice@TEST.LOCAL":                  {Getenv: env(alice)},
			"compile/b1.example.com@TEST.LOCAL": {Keytab: users, Principal: "compile/b1.example.com", Getenv: env("")},
		} {
			h := newHub(t, kt, "")
			token, verify, err := kerberos.New(src).Begin(t.Context(), "localhost")
			if err != nil {
				t.Fatal(err)
			}
			id, err := h.login(token)
			if err != nil {
				t.Fatalf("%v: %s", err, h.log)
			}
			if id.Name != principal || !slices.Equal(id.Subjects, []string{principal}) || id.AuthType != koji.AuthGSSAPI || id.Realm != "TEST.LOCAL" {
				t.Errorf("%+v", id)
			}
			reply := replyToken(t, id)
			if err := verify(reply); err != nil {
				t.Errorf("the hub's proof: %v", err)
			}
			again, err := h.login(token)
			h.wantChallenge(t, again, err, "was used before")

			// the answer to another login proves nothing for this one
			other, verifyOther, err := kerberos.New(src).Begin(t.Context(), "localhost")
			if err != nil {
				t.Fatal(err)
			}
			if verifyOther(reply) == nil {
				t.Error("the answer to one login is accepted for another")
			}
			if id, err := h.header("nEGOTIATE   " + base64.StdEncoding.EncodeToString(other)); err != nil || id.Name != principal {
				t.Errorf("in other case: %v, %v", id, err)
			}
		}
	})
	t.Run("own client, wrong", func(t *testing.T) {
		t.Parallel()
		for want, src := range map[string]kerberos.Source{
			"run kinit":                           {Getenv: env("FILE:" + realm.Dir + "/none")},
			"export KRB5CCNAME=FILE:":             {Getenv: env("KCM:")},
			"is alice@TEST.LOCAL's, not bob's":    {Getenv: env(alice), Principal: "bob"},
			"no such file":                        {Getenv: env(""), Keytab: realm.Dir + "/none"},
			"get a Kerberos ticket for bob@TEST.": {Getenv: env(""), Keytab: users, Principal: "bob"},
		} {
			if _, _, err := kerberos.New(src).Begin(t.Context(), "localhost"); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want %q", err, want)
			}
		}
		if _, _, err := kerberos.New(kerberos.Source{Getenv: env(alice)}).Begin(t.Context(), "127.0.0.1"); err == nil || !strings.Contains(err.Error(), "by its name") {
			t.Errorf("by address: %v", err)
		}
	})
	t.Run("MIT's library", func(t *testing.T) {
		t.Parallel()
		python := pythonWithGSSAPI(t)
		for _, mech := range []string{"spnego", "krb5"} {
			h := newHub(t, kt, "HTTP/localhost@TEST.LOCAL")
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				id, err := h.Identify(r)
				if err != nil {
					w.WriteHeader(http.StatusUnauthorized)
					return
				}
				for k, v := range id.Reply {
					w.Header()[k] = v
				}
				_, _ = w.Write([]byte(id.Name)) // the client says what it got
			}))
			cmd := exec.CommandContext(t.Context(), python, "-c", mitClient, srv.URL, mech)
			cmd.Env = realm.Env(alice)
			out, err := cmd.CombinedOutput()
			srv.Close()
			if err != nil || strings.TrimSpace(string(out)) != "alice@TEST.LOCAL complete" {
				t.Errorf("%s: %v: %s\n%s", mech, err, out, h.log)
			}
		}
	})
	t.Run("another key", func(t *testing.T) {
		t.Parallel()
		h := newHub(t, loadKeytab(t, realm.Add("HTTP/other.example.com")), "")
		token, _, err := kerberos.New(kerberos.Source{Getenv: env(alice)}).Begin(t.Context(), "localhost")
		if err != nil {
			t.Fatal(err)
		}
		id, err := h.login(token)
		h.wantChallenge(t, id, err, "not get key from keytab")
	})
}

// mitClient logs in with MIT's library, which checks the hub's answer when mutual authentication is asked for.
const mitClient = `
import base64, sys, urllib.request, gssapi
mech = gssapi.OID.from_int_seq({"spnego": "1.3.6.1.5.5.2", "krb5": "1.2.840.113554.1.2.2"}[sys.argv[2]])
name = gssapi.Name("HTTP@localhost", gssapi.NameType.hostbased_service)
ctx = gssapi.SecurityContext(name=name, mech=mech, usage="initiate", flags=gssapi.RequirementFlag.mutual_authentication)
req = urllib.request.Request(sys.argv[1], data=b"x", headers={"Authorization": "Negotiate " + base64.b64encode(ctx.step()).decode()})
with urllib.request.urlopen(req) as resp:
    ctx.step(base64.b64decode(resp.headers["WWW-Authenticate"].split()[1]))
    print(resp.read().decode(), "complete" if ctx.complete else "incomplete")
`

func pythonWithGSSAPI(t *testing.T) string {
	t.Helper()
	for _, python := range []string{"/usr/bin/python3", "python3"} { // the distribution's has the distribution's modules
		if exec.CommandContext(t.Context(), python, "-c", "import gssapi").Run() == nil {
			return python
		}
	}
	t.Skip("python3-gssapi is not there; scripts/install-deps.sh --test installs it")
	return ""
}

func replyToken(t *testing.T, id *auth.Identity) []byte {
	t.Helper()
	_, text, _ := strings.Cut(id.Reply.Get("WWW-Authenticate"), " ")
	token, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(token) == 0 {
		t.Fatalf("reply %v: %v", id.Reply, err)
	}
	return token
}

// forgery is a login with a ticket made with the service's own key, so that everything in it can be chosen.
type forgery struct {
	part      messages.EncTicketPart
	auth      types.Authenticator
	sname     types.PrincipalName
	realm     string
	bare      bool // without SPNEGO
	options   []int
	mechTypes []asn1.ObjectIdentifier
}

func newKeytab(t *testing.T, principals ...string) *keytab.Keytab {
	t.Helper()
	kt := keytab.New()
	for _, p := range principals {
		if err := kt.AddEntry(p, "TEST.LOCAL", "secret of "+p, time.Now(), 1, etypeID.AES256_CTS_HMAC_SHA1_96); err != nil {
			t.Fatal(err)
		}
	}
	return kt
}

func forge(t *testing.T, kt *keytab.Keytab, change func(*forgery)) []byte {
	t.Helper()
	alice := types.NewPrincipalName(nametype.KRB_NT_PRINCIPAL, "alice")
	session := types.EncryptionKey{KeyType: etypeID.AES256_CTS_HMAC_SHA1_96, KeyValue: bytes.Repeat([]byte{7}, 32)}
	now := time.Now().UTC()
	authenticator, err := types.NewAuthenticator("TEST.LOCAL", alice)
	if err != nil {
		t.Fatal(err)
	}
	authenticator.Cksum = types.Checksum{CksumType: 0x8003, Checksum: make([]byte, 24)}
	f := &forgery{auth: authenticator, realm: "TEST.LOCAL", sname: types.NewPrincipalName(nametype.KRB_NT_PRINCIPAL, "HTTP/localhost"), options: []int{flags.APOptionMutualRequired},
		mechTypes: []asn1.ObjectIdentifier{gssapi.OIDKRB5.OID()},
		part:      messages.EncTicketPart{Flags: types.NewKrbFlags(), Key: session, CRealm: "TEST.LOCAL", CName: alice, AuthTime: now, StartTime: now.Add(-time.Hour), EndTime: now.Add(time.Hour), RenewTill: now.Add(time.Hour)}}
	change(f)
	plain, err := asn1.Marshal(f.part)
	if err != nil {
		t.Fatal(err)
	}
	key, _, err := kt.GetEncryptionKey(f.sname, f.realm, 1, etypeID.AES256_CTS_HMAC_SHA1_96)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := crypto.GetEncryptedData(asn1tools.AddASNAppTag(plain, asnAppTag.EncTicketPart), key, keyusage.KDC_REP_TICKET, 1)
	if err != nil {
		t.Fatal(err)
	}
	req, err := messages.NewAPReq(messages.Ticket{TktVNO: 5, Realm: f.realm, SName: f.sname, EncPart: sealed}, session, f.auth)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range f.options {
		types.SetFlag(&req.APOptions, o)
	}
	message, err := req.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	mech, err := asn1.Marshal(gssapi.OIDKRB5.OID())
	if err != nil {
		t.Fatal(err)
	}
	inner := asn1tools.AddASNAppTag(slices.Concat(mech, []byte{1, 0}, message), 0)
	if f.bare {
		return inner
	}
	outer := spnego.SPNEGOToken{Init: true, NegTokenInit: spnego.NegTokenInit{MechTypes: f.mechTypes, MechTokenBytes: inner}}
	token, err := outer.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestTickets(t *testing.T) {
	t.Parallel()
	now := time.Now().UTC()
	client := func(f *forgery, parts ...string) {
		name := types.PrincipalName{NameType: nametype.KRB_NT_PRINCIPAL, NameString: parts}
		f.part.CName, f.auth.CName = name, name
	}
	realm := func(f *forgery, name string) { f.part.CRealm, f.auth.CRealm = name, name }
	kt := newKeytab(t, "HTTP/localhost", "HTTP/other", "host/localhost")
	for _, c := range []struct {
		name      string
		principal string // AuthPrincipal
		change    func(*forgery)
		want      string // the principal; or
		why       string // what the log says
	}{
		{"good", "", func(*forgery) {}, "alice@TEST.LOCAL", ""},
		{"bare", "", func(f *forgery) { f.bare = true }, "alice@TEST.LOCAL", ""},
		{"Microsoft's number", "", func(f *forgery) {
			f.mechTypes = []asn1.ObjectIdentifier{gssapi.OIDMSLegacyKRB5.OID(), gssapi.OIDKRB5.OID()}
		}, "alice@TEST.LOCAL", ""},
		{"NTLM first", "", func(f *forgery) {
			f.mechTypes = []asn1.ObjectIdentifier{{1, 3, 6, 1, 4, 1, 311, 2, 2, 10}, gssapi.OIDKRB5.OID()}
		}, "", "prefers mechanism"},
		{"another name of the hub", "", func(f *forgery) { f.sname = types.NewPrincipalName(1, "HTTP/other") }, "alice@TEST.LOCAL", ""},
		{"not AuthPrincipal", "HTTP/localhost", func(f *forgery) { f.sname = types.NewPrincipalName(1, "HTTP/other") }, "", "not for HTTP/localhost"},
		{"AuthPrincipal with realm", "HTTP/localhost@TEST.LOCAL", func(*forgery) {}, "alice@TEST.LOCAL", ""},
		{"AuthPrincipal of another realm", "HTTP/localhost@ELSEWHERE", func(*forgery) {}, "", "not for HTTP/localhost@ELSEWHERE"},
		{"another service in the keytab", "", func(f *forgery) { f.sname = types.NewPrincipalName(1, "host/localhost") }, "", "not for a web service"},
		{"expired", "", func(f *forgery) { f.part.EndTime = now.Add(-6 * time.Minute) }, "", "expired"},
		{"not yet", "", func(f *forgery) { f.part.StartTime = now.Add(6 * time.Minute) }, "", "not yet valid"},
		{"invalid", "", func(f *forgery) { types.SetFlag(&f.part.Flags, flags.Invalid) }, "", "not yet valid"},
		{"clock behind", "", func(f *forgery) { f.auth.CTime = now.Add(-6 * time.Minute) }, "", "clock skew"},
		{"clock ahead", "", func(f *forgery) { f.auth.CTime = now.Add(6 * time.Minute) }, "", "clock skew"},
		{"another's ticket", "", func(f *forgery) { f.auth.CName = types.NewPrincipalName(1, "bob") }, "", "does not match"},
		{"realm of the client's choice", "", func(f *forgery) { f.auth.CRealm = "ELSEWHERE" }, "", "ELSEWHERE"},
		{"a trusted realm", "", func(f *forgery) { realm(f, "ELSEWHERE") }, "alice@ELSEWHERE", ""},
		{"by way of others", "", func(f *forgery) {
			realm(f, "ELSEWHERE")
			f.part.Transited = messages.TransitedEncoding{TRType: 1, Contents: []byte("BETWEEN")}
		}, "", "nobody has checked"},
		{"by way that was checked", "", func(f *forgery) {
			realm(f, "ELSEWHERE")
			f.part.Transited = messages.TransitedEncoding{TRType: 1, Contents: []byte("BETWEEN")}
			types.SetFlag(&f.part.Flags, flags.TransitedPolicyChecked)
		}, "alice@ELSEWHERE", ""},
		{"two parts", "", func(f *forgery) { client(f, "compile", "b1.example.com") }, "compile/b1.example.com@TEST.LOCAL", ""},
		{"a slash in a part", "", func(f *forgery) { client(f, "compile/b1.example.com") }, "", "no user can have"},
		{"a realm in a part", "", func(f *forgery) { client(f, "admin@TEST.LOCAL") }, "", "no user can have"},
		{"a newline", "", func(f *forgery) { client(f, "a\nb") }, "", "no user can have"},
		{"an empty part", "", func(f *forgery) { client(f, "a", "") }, "", "no user can have"},
		{"anonymous", "", func(f *forgery) { client(f, "WELLKNOWN", "ANONYMOUS") }, "", "anonymous"},
		{"bound to another address", "", func(f *forgery) {
			f.part.CAddr = types.HostAddresses{{AddrType: 2, Address: []byte{203, 0, 113, 9}}}
		}, "", "client address"},
		{"bound to the client's address", "", func(f *forgery) {
			f.part.CAddr = types.HostAddresses{{AddrType: 2, Address: []byte{192, 0, 2, 1}}} // httptest's
		}, "alice@TEST.LOCAL", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newHub(t, kt, c.principal)
			id, err := h.login(forge(t, kt, c.change))
			if c.why != "" {
				h.wantChallenge(t, id, err, c.why)
				return
			}
			if err != nil || id.Name != c.want || id.Realm != "TEST.LOCAL" {
				t.Errorf("%+v, %v\n%s", id, err, h.log)
			}
		})
	}
	other := newKeytab(t)
	if err := other.AddEntry("HTTP/localhost", "TEST.LOCAL", "another secret", time.Now(), 1, etypeID.AES256_CTS_HMAC_SHA1_96); err != nil {
		t.Fatal(err)
	}
	h := newHub(t, kt, "")
	id, err := h.login(forge(t, other, func(*forgery) {}))
	h.wantChallenge(t, id, err, "decrypt")

	// who does not ask for the hub's proof gets none
	h = newHub(t, kt, "")
	id, err = h.login(forge(t, kt, func(f *forgery) { f.bare, f.options = true, nil }))
	if err != nil || len(id.Reply) != 0 {
		t.Errorf("%+v, %v", id, err)
	}
}

// TestNoTokens: what is no token of Kerberos gets a challenge.
func TestNoTokens(t *testing.T) {
	t.Parallel()
	kt := newKeytab(t, "HTTP/localhost")
	good := forge(t, kt, func(*forgery) {})
	for name, header := range map[string]string{
		"none": "", "basic": "Basic YTpi", "empty": "Negotiate", "not base64": "Negotiate !!!", "NTLM": "Negotiate TlRMTVNTUAABAAAAB4IIogAAAAAAAAAAAAAAAAAAAAAKAGFKAAAADw==",
		"half": "Negotiate " + base64.StdEncoding.EncodeToString(good[:len(good)/2]), "huge": "Negotiate " + strings.Repeat("A", 100<<10),
		"an answer": "Negotiate oRQwEqADCgEAoQsGCSqGSIb3EgECAg==",
	} {
		h := newHub(t, kt, "")
		id, err := h.header(header)
		h.wantChallenge(t, id, err, "")
		if name != "none" && name != "basic" && h.log.Len() == 0 {
			t.Errorf("%s: the log does not say why", name)
		}
		if strings.Contains(h.log.String(), "YTpi") || strings.Contains(h.log.String(), base64.StdEncoding.EncodeToString(good)[:40]) {
			t.Errorf("%s: the log has the credentials", name)
		}
	}
}

func TestKeytab(t *testing.T) {
	t.Parallel()
	log := slog.New(slog.DiscardHandler)
	file := t.TempDir() + "/keytab"
	for _, text := range []string{"", "\x05\x02", "\x05\x02\x00\x00\x00\x40abc", "no keytab"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := negotiate.LoadKeytab(log, file); err == nil {
			t.Errorf("%q is a keytab", text)
		}
	}
	if _, err := negotiate.LoadKeytab(log, file+".no"); err == nil {
		t.Error("a keytab that is not there")
	}
}
