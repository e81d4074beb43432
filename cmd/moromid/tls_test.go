package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"moromi/internal/certtest"
	"moromi/internal/cli"
	"moromi/internal/fault"
	"moromi/internal/hubclient"
	"moromi/internal/koji"
	"moromi/internal/localca"
	"moromi/internal/xmlrpc"
)

// as gives a client that shows a certificate.
func (d *daemon) as(authorities string, certs ...tls.Certificate) *hubclient.Client {
	d.t.Helper()
	return hubclient.New(d.url+"/kojihub", hubclient.Options{HTTP: &http.Client{Transport: transport(d.t, authorities, certs...)}, MaxRetries: -1})
}

func wantUser(t *testing.T, c *hubclient.Client, name string, authType koji.AuthType) {
	t.Helper()
	v, err := c.Call(t.Context(), "getLoggedInUser")
	if me := hubclient.Struct(v); err != nil || me["name"] != name || me["authtype"] != int64(authType) {
		t.Errorf("logged in as %v, %v; want %s by way %d", v, err, name, authType)
	}
	v, err = c.Call(t.Context(), "getSessionInfo")
	if info := hubclient.Struct(v); err != nil || info["authtype"] != int64(authType) {
		t.Errorf("session %v, %v; want authtype %d", v, err, authType)
	}
}

func wantAuthError(t *testing.T, err error, why string) {
	t.Helper()
	if !fault.Is(err, fault.Auth) || !strings.Contains(err.Error(), why) {
		t.Errorf("%v; want AuthError with %q", err, why)
	}
}

// moromi runs the client program and gives what it says.
func moromi(t *testing.T, vars map[string]string, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	home := t.TempDir()
	cli.Run(t.Context(), args, cli.Env{Out: &out, Err: &out, Getenv: func(name string) string { return vars[name] }, Home: home, SystemDir: home, Now: time.Now, Zone: time.UTC})
	return out.String()
}

// TestUpTLS is the first day of a site that makes its own certificates.
func TestUpTLS(t *testing.T) {
	t.Parallel()
	dir := siteDir(t)
	d := up(t, dir, "--tls")
	if !strings.HasPrefix(d.url, "https://") {
		t.Fatalf("it listens at %s", d.url)
	}
	conf := readFile(t, filepath.Join(dir, "koji.conf"))
	ca, pem := filepath.Join(dir, "tls", "ca.pem"), filepath.Join(dir, "tls", "kojiadmin.pem")
	for _, line := range []string{"server = " + d.url + "/kojihub", "authtype = ssl", "cert = " + pem, "serverca = " + ca} {
		if !strings.Contains(conf, line+"\n") && !strings.HasSuffix(conf, line) {
			t.Errorf("koji.conf lacks %q:\n%s", line, conf)
		}
	}
	if !strings.Contains(d.said(), pem) || !strings.Contains(d.said(), filepath.Join(dir, "koji.conf")) {
		t.Error("the output does not say what to log in with")
	}
	for _, name := range []string{"ca.key", "hub.key", "kojiadmin.pem"} {
		if info, err := os.Stat(filepath.Join(dir, "tls", name)); err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: %v, %v, want mode 0600", name, info, err)
		}
	}
	pair, err := tls.LoadX509KeyPair(pem, pem)
	if err != nil {
		t.Fatal(err)
	}
	c := d.as(ca, pair)
	if err := c.LoginCertificate(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	wantUser(t, c, "kojiadmin", koji.AuthSSL)
	if _, err := c.Call(t.Context(), "createTag", "dist"); err != nil {
		t.Error(err)
	}
	said := moromi(t, nil, "--config", filepath.Join(dir, "koji.conf"), "hello")
	if !strings.Contains(said, "hello, kojiadmin!") || !strings.Contains(said, "Authenticated via client certificate "+pem) {
		t.Errorf("with the configuration that was written, moromi says %s", said)
	}
	sub, err := c.Subsession(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wantUser(t, sub, "kojiadmin", koji.AuthSSL)
	if err := c.ExclusiveSession(t.Context(), false); err != nil {
		t.Error(err)
	}
	if err := d.as(ca, pair).LoginCertificate(t.Context(), ""); err != nil {
		t.Errorf("a second session beside the exclusive one: %v", err) // it may log in, but not act
	}
	if err := c.Logout(t.Context()); err != nil {
		t.Error(err)
	}
	wantUser(t, d.admin(), "kojiadmin", koji.AuthNormal)

	resp, err := d.http.Get(d.url + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.ProtoMajor != 2 || resp.TLS.Version < tls.VersionTLS12 {
		t.Errorf("%s over TLS %x, want HTTP/2", resp.Proto, resp.TLS.Version)
	}
	old := &tls.Config{MaxVersion: tls.VersionTLS11, InsecureSkipVerify: true} // only the version is of interest
	if conn, err := tls.Dial("tcp", strings.TrimPrefix(d.url, "https://"), old); err == nil {
		_ = conn.Close()
		t.Error("TLS 1.1 is spoken")
	}
	serial := resp.TLS.PeerCertificates[0].SerialNumber
	d.stop()

	// the second start keeps what is good
	d = up(t, dir, "--tls")
	if resp, err = d.http.Get(d.url + "/healthz"); err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.TLS.PeerCertificates[0].SerialNumber.Cmp(serial) != 0 {
		t.Error("the second start made another certificate")
	}
	// a certificate that is replaced while the hub runs is served at once
	authority, err := localca.Open(filepath.Join(dir, "tls"), func() time.Time { return time.Now().Add(360 * 24 * time.Hour) })
	if err != nil {
		t.Fatal(err)
	}
	defer authority.Close() //nolint:errcheck // only read from here on
	if err := authority.EnsureHub([]string{"localhost", "127.0.0.1"}); err != nil {
		t.Fatal(err)
	}
	later := transport(t, ca)
	later.TLSClientConfig.Time = func() time.Time { return time.Now().Add(361 * 24 * time.Hour) }
	if resp, err = (&http.Client{Transport: later}).Get(d.url + "/healthz"); err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.TLS.PeerCertificates[0].SerialNumber.Cmp(serial) == 0 {
		t.Error("the old certificate is still served")
	}
}

// hubCertificate writes a hub's certificate, followed by its authority, and its key.
func hubCertificate(t *testing.T, ca *certtest.CA) (cert, key string) {
	t.Helper()
	file := certtest.Write(t, ca.Server())
	text := readFile(t, file) + "\n" + string(ca.PEM())
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file, file
}

// TestCertificateLogin has every sort of certificate at one hub.
func TestCertificateLogin(t *testing.T) {
	t.Parallel()
	ca, other := certtest.New(t, "site"), certtest.New(t, "other")
	cert, key := hubCertificate(t, ca)
	dir := siteDir(t)
	conf := filepath.Join(t.TempDir(), "hub.conf")
	text := "[hub]\nProxyDNs = CN=web,O=Example | /O=Example/CN=oldweb\nAllowProxyAuthType = no\nDisableURLSessions = yes\nDNUsernameComponent = CN\n"
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	d := up(t, dir, "--tls-cert", cert, "--tls-key", key, "--client-ca", ca.WriteCA(), "--config", conf)
	bad := map[string]tls.Certificate{
		"expired":     ca.Client("kojiadmin", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }),
		"authority":   other.Client("kojiadmin"),
		"not for cli": ca.Server(func(c *x509.Certificate) { c.Subject.CommonName = "kojiadmin" }),
	}
	for why, b := range bad {
		c := d.as(cert, b)
		wantAuthError(t, c.LoginCertificate(t.Context(), ""), why)
		if v, err := c.Call(t.Context(), "getAPIVersion"); err != nil || v != int64(1) { // only the login fails
			t.Errorf("%s: getAPIVersion %v, %v", why, v, err)
		}
		if err := c.Login(t.Context(), "kojiadmin", readFile(t, filepath.Join(dir, "admin.password"))); err != nil {
			t.Errorf("%s: by password: %v", why, err)
		}
	}
	wantAuthError(t, d.as(cert).LoginCertificate(t.Context(), ""), "could not verify client: NONE")

	alice := d.as(cert, ca.Client("alice"))
	if err := alice.LoginCertificate(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	wantUser(t, alice, "alice", koji.AuthSSL) // made by logging in
	wantAuthError(t, d.as(cert, ca.Client("alice")).LoginCertificate(t.Context(), "kojiadmin"), "CN=alice is not authorized to login other users")
	example := func(c *x509.Certificate) { c.Subject.Organization = []string{"Example"} }
	for _, name := range []string{"web", "oldweb"} {
		c := d.as(cert, ca.Client(name, example))
		if err := c.LoginCertificate(t.Context(), "alice"); err != nil {
			t.Errorf("%s for alice: %v", name, err)
			continue
		}
		wantUser(t, c, "alice", koji.AuthSSL)
	}
	wantAuthError(t, d.as(cert, ca.Client("web", func(c *x509.Certificate) { c.Subject = pkix.Name{CommonName: "web"} })).LoginCertificate(t.Context(), "alice"), "not authorized")

	mustVerb(t, "", "user", "block", "alice", "--data", dir)
	wantAuthError(t, d.as(cert, ca.Client("alice")).LoginCertificate(t.Context(), ""), "logins by alice are not allowed")
	wantAuthError(t, d.as(cert, ca.Client("web", example)).LoginCertificate(t.Context(), "alice"), "logins by alice are not allowed")
	if err := d.as(cert, ca.Client("bad name!")).LoginCertificate(t.Context(), ""); err == nil || fault.Of(err) == nil {
		t.Errorf("a name that no user can have: %v", err)
	}
	if strings.Contains(d.said(), "level=ERROR") {
		t.Error("a client's mistake is an error in the log")
	}
	wantRefused(t, exitUsage, "go together", "up", "--data", t.TempDir(), "--tls-cert", cert)
	wantRefused(t, exitUsage, "--client-ca needs", "up", "--data", t.TempDir(), "--client-ca", cert)
	wantRefused(t, exitUsage, "leave it out", "up", "--data", t.TempDir(), "--tls", "--tls-cert", cert, "--tls-key", key)
	wantRefused(t, exitFailed, "the hub's certificate", "up", "--data", t.TempDir(), "--listen", "127.0.0.1:0", "--tls-cert", cert, "--tls-key", ca.WriteCA())
}

// TestLoginSettings: what the configuration file says of logins is checked at the start, and obeyed.
func TestLoginSettings(t *testing.T) {
	t.Parallel()
	ca := certtest.New(t, "site")
	cert, key := hubCertificate(t, ca)
	conf := filepath.Join(t.TempDir(), "hub.conf")
	dir := siteDir(t)
	for text, why := range map[string]string{
		"LoginCreatesUser = perhaps":        `LoginCreatesUser: "perhaps" is neither yes nor no`,
		"DNUsernameComponent = Shoe":        `"Shoe" is unknown`,
		"trusted_proxies = gateway":         `"gateway" is neither an address nor a network`,
		"client_cert_header = X-SSL-Client": "needs trusted_proxies",
		"ProxyDn = x":                       `unknown setting "proxydn"`,
	} {
		if err := os.WriteFile(conf, []byte("[hub]\n"+text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		wantRefused(t, exitUsage, why, "up", "--data", dir, "--listen", "127.0.0.1:0", "--no-builder", "--config", conf,
			"--tls-cert", cert, "--tls-key", key, "--client-ca", cert)
	}
	if err := os.WriteFile(conf, []byte("[hub]\nLoginCreatesUser = no\nCheckClientIP = off\ntrusted_proxies = 127.0.0.0/8, ::1\nclient_cert_header = X-Client-Cert\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d := up(t, dir, "--tls-cert", cert, "--tls-key", key, "--client-ca", ca.WriteCA(), "--config", conf)
	// the connection is a trusted proxy's: its own certificate is nobody's, the one it passes on counts
	wantAuthError(t, d.as(cert, ca.Client("kojiadmin")).LoginCertificate(t.Context(), ""), "NONE")
	login := func(c tls.Certificate) (map[string]any, error) {
		var body bytes.Buffer
		if err := xmlrpc.EncodeCall(&body, "sslLogin", nil); err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.url+"/kojihub/ssllogin", &body)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "text/xml")
		req.Header.Set("X-Client-Cert", pemInLine(c))
		resp, err := d.http.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close() //nolint:errcheck // read to its end
		v, err := xmlrpc.DecodeResponse(resp.Body, xmlrpc.ResponseLimits())
		return hubclient.Struct(v), err
	}
	if v, err := login(ca.Client("kojiadmin")); err != nil || v["session-id"] == nil {
		t.Errorf("%v, %v", v, err)
	}
	if v, err := login(ca.Client("stranger")); err == nil || !strings.Contains(err.Error(), "Unknown user: stranger") {
		t.Errorf("%v, %v", v, err)
	}
	v, err := d.admin().Call(t.Context(), "getSessionInfo", true)
	if info := hubclient.Struct(v); err != nil || info["hostip"] != "-" {
		t.Errorf("with CheckClientIP off the session is bound to %v, %v", info["hostip"], err)
	}
}

// pemInLine is a certificate as Apache puts it into a header.
func pemInLine(c tls.Certificate) string {
	return strings.ReplaceAll(strings.TrimSpace(string(certtest.PEM(c))), "\n", " ")
}

// TestCurlCertificate: a client that is not Go's, by HTTP/1.1 and 2.
func TestCurlCertificate(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("curl is not there")
	}
	dir := siteDir(t)
	d := up(t, dir, "--tls")
	ca, pem := filepath.Join(dir, "tls", "ca.pem"), filepath.Join(dir, "tls", "kojiadmin.pem")
	const call = `<?xml version="1.0"?><methodCall><methodName>sslLogin</methodName><params/></methodCall>`
	for _, version := range []string{"--http1.1", "--http2"} {
		out, err := exec.CommandContext(t.Context(), "curl", "-sS", version, "--cacert", ca, "--cert", pem, "-H", "Content-Type: text/xml",
			"--data-binary", call, d.url+"/kojihub/ssllogin").CombinedOutput()
		if err != nil || !strings.Contains(string(out), "session-key") {
			t.Errorf("%s: %v: %s", version, err, out)
		}
	}
}
