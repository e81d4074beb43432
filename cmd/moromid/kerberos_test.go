package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"moromi/internal/hubclient"
	"moromi/internal/kdctest"
	"moromi/internal/kerberos"
	"moromi/internal/koji"
	"moromi/internal/xmlrpc"
)

// recorded keeps the tokens that a login made, to send them again.
type recorded struct {
	*kerberos.Negotiator
	tokens [][]byte
}

func (r *recorded) Begin(ctx context.Context, host string) ([]byte, func([]byte) error, error) {
	token, verify, err := r.Negotiator.Begin(ctx, host)
	r.tokens = append(r.tokens, token)
	return token, verify, err
}

// TestKerberos is a site with a realm: who logs in, as whom, and who does not.
func TestKerberos(t *testing.T) {
	t.Parallel()
	realm := kdctest.Start(t)
	service := realm.Add("HTTP/localhost")
	users := realm.Add("kojiadmin", "alice", "bob", "carol", "web/koji.example.com", "compile/b1.example.com")
	dir := siteDir(t)
	conf := filepath.Join(t.TempDir(), "hub.conf")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(conf, []byte("[hub]\n"+text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("ProxyPrincipals = web/koji.example.com@TEST.LOCAL\nAuthPrincipal = HTTP/localhost\n")
	d := up(t, dir, "--tls", "--keytab", service, "--config", conf)
	ca := filepath.Join(dir, "tls", "ca.pem")
	getenv := func(name string) string { return map[string]string{"KRB5_CONFIG": realm.Conf}[name] }
	by := func(principal string) *kerberos.Negotiator {
		return kerberos.New(kerberos.Source{Keytab: users, Principal: principal, Getenv: getenv})
	}
	base := strings.Replace(d.url, "127.0.0.1", "localhost", 1)
	client := func() *hubclient.Client {
		return hubclient.New(base+"/kojihub", hubclient.Options{HTTP: &http.Client{Transport: transport(t, ca)}, MaxRetries: -1})
	}

	admin := client()
	if err := admin.LoginKerberos(t.Context(), by("kojiadmin"), ""); err != nil {
		t.Fatal(err)
	}
	wantUser(t, admin, "kojiadmin", koji.AuthGSSAPI) // the principal became one of the user who was there
	if v, err := admin.Call(t.Context(), "createTag", "dist"); err != nil || v != int64(1) {
		t.Errorf("createTag: %v, %v", v, err)
	}
	if err := admin.ExclusiveSession(t.Context(), false); err != nil {
		t.Error(err)
	}
	sub, err := admin.Subsession(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wantUser(t, sub, "kojiadmin", koji.AuthGSSAPI)
	if _, err := admin.Call(t.Context(), "sharedSession"); err != nil {
		t.Error(err)
	}

	alice := &recorded{Negotiator: by("alice")}
	c := client()
	if err := c.LoginKerberos(t.Context(), alice, ""); err != nil {
		t.Fatal(err)
	}
	wantUser(t, c, "alice", koji.AuthGSSAPI)
	v, err := c.Call(t.Context(), "getUser")
	if p := hubclient.Strings(hubclient.Struct(v)["krb_principals"]); err != nil || len(p) != 1 || p[0] != "alice@TEST.LOCAL" {
		t.Errorf("alice is %v, %v", v, err)
	}
	wantAuthError(t, client().LoginKerberos(t.Context(), by("alice"), "kojiadmin"), "alice@TEST.LOCAL is not authorized to login other users")
	for _, proxied := range []string{"alice", "alice@TEST.LOCAL"} {
		web := client()
		if err := web.LoginKerberos(t.Context(), by("web/koji.example.com"), proxied); err != nil {
			t.Errorf("web for %s: %v", proxied, err)
			continue
		}
		wantUser(t, web, "alice", koji.AuthGSSAPI)
	}
	builder := client()
	if err := builder.LoginKerberos(t.Context(), by("compile/b1.example.com"), ""); err != nil {
		t.Fatal(err)
	}
	wantUser(t, builder, "compile/b1.example.com", koji.AuthGSSAPI)

	if status := sendToken(t, d, alice.tokens[0]); status != http.StatusUnauthorized {
		t.Errorf("a token that was used before: status %d", status)
	}
	mustVerb(t, "", "user", "block", "alice", "--data", dir)
	wantAuthError(t, client().LoginKerberos(t.Context(), by("alice"), ""), "logins by alice are not allowed")
	testCurl(t, d, realm, users, base)
	vars := map[string]string{"KRB5_CONFIG": realm.Conf, "KRB5CCNAME": realm.Kinit(users, "bob"), "MOROMI_SERVER": base + "/kojihub"}
	for _, args := range [][]string{{}, {"--authtype", "kerberos"}, {"--principal", "bob@TEST.LOCAL", "--keytab", users}} {
		said := moromi(t, vars, append(args, "--serverca", ca, "hello")...)
		if !strings.Contains(said, "hello, bob!") || !strings.Contains(said, "Authenticated via GSSAPI") {
			t.Errorf("moromi %v says %s", args, said)
		}
	}
	for _, secret := range []string{base64.StdEncoding.EncodeToString(alice.tokens[0])[:60], "Negotiate "} {
		if strings.Contains(d.said(), secret) {
			t.Errorf("the log has %q", secret)
		}
	}
	d.stop()

	// tokens are remembered by the site, not by the process
	if err := client().LoginKerberos(t.Context(), by("bob"), ""); err == nil {
		t.Error("logged in at a hub that is not there")
	}
	write("AllowedKrbRealms = EXAMPLE.COM\nLoginCreatesUser = no\n")
	d = up(t, dir, "--tls", "--keytab", service, "--config", conf)
	base = strings.Replace(d.url, "127.0.0.1", "localhost", 1)
	if status := sendToken(t, d, alice.tokens[0]); status != http.StatusUnauthorized {
		t.Errorf("a token that was used before, after a restart: status %d", status)
	}
	wantAuthError(t, client().LoginKerberos(t.Context(), by("kojiadmin"), ""), "Kerberos principal's realm: TEST.LOCAL is not allowed")
	_, err = d.admin().Call(t.Context(), "addUserKrbPrincipal", "kojiadmin", "kojiadmin@ELSEWHERE")
	wantAuthError(t, err, "realm: ELSEWHERE is not allowed")
	d.stop()

	write("LoginCreatesUser = no\n")
	d = up(t, dir, "--tls", "--keytab", service, "--config", conf)
	base = strings.Replace(d.url, "127.0.0.1", "localhost", 1)
	wantAuthError(t, client().LoginKerberos(t.Context(), by("carol"), ""), "Unknown user: carol@TEST.LOCAL")
	if err := client().LoginKerberos(t.Context(), by("kojiadmin"), ""); err != nil {
		t.Error(err)
	}
	if status := sendToken(t, d, nil); status != http.StatusUnauthorized {
		t.Errorf("without a token: status %d", status)
	}
}

// sendToken sends a login with a token, or with none, and gives the HTTP status.
func sendToken(t *testing.T, d *daemon, token []byte) int {
	t.Helper()
	var body bytes.Buffer
	if err := xmlrpc.EncodeCall(&body, "sslLogin", nil); err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.url+"/kojihub/ssllogin", &body)
	if err != nil {
		t.Fatal(err)
	}
	if token != nil {
		req.Header.Set("Authorization", "Negotiate "+base64.StdEncoding.EncodeToString(token))
	}
	resp, err := d.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
	if got := resp.Header.Get("WWW-Authenticate"); resp.StatusCode == http.StatusUnauthorized && got != "Negotiate" {
		t.Errorf("the challenge is %q", got)
	}
	return resp.StatusCode
}

// testCurl logs in with curl, which first asks without a token.
func testCurl(t *testing.T, d *daemon, realm *kdctest.Realm, users, base string) {
	t.Helper()
	version, err := exec.CommandContext(t.Context(), "curl", "--version").Output()
	if err != nil || !strings.Contains(string(version), "GSS-API") {
		t.Log("curl with GSS-API is not there")
		return
	}
	cache := realm.Kinit(users, "bob")
	const call = `<?xml version="1.0"?><methodCall><methodName>sslLogin</methodName><params/></methodCall>`
	for _, version := range []string{"--http1.1", "--http2"} {
		cmd := exec.CommandContext(t.Context(), "curl", "-sS", version, "--negotiate", "-u", ":", "--cacert", filepath.Join(d.dir, "tls", "ca.pem"),
			"-H", "Content-Type: text/xml", "--data-binary", call, base+"/kojihub/ssllogin")
		cmd.Env = realm.Env(cache)
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "session-key") {
			t.Errorf("curl %s: %v: %s", version, err, out)
		}
	}
}
