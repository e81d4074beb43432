package localca_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"moromi/internal/localca"
)

const day = 24 * time.Hour

// at opens the authority as it would be that much later.
func at(t *testing.T, dir string, later time.Duration) *localca.Authority {
	t.Helper()
	a, err := localca.Open(dir, func() time.Time { return time.Now().Add(later) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

func cert(t *testing.T, dir, name string) *x509.Certificate {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	b, _ := pem.Decode(text)
	c, err := x509.ParseCertificate(b.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// ensure makes the hub's certificate and alice's.
func ensure(t *testing.T, a *localca.Authority, hosts ...string) {
	t.Helper()
	if err := a.EnsureHub(hosts); err != nil {
		t.Fatal(err)
	}
	if file, err := a.EnsureUser("alice"); err != nil || file != "alice.pem" {
		t.Fatalf("%s, %v", file, err)
	}
}

// wantValid checks what the directory holds as a hub and its clients do, at a time.
func wantValid(t *testing.T, dir string, later time.Duration) {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(cert(t, dir, "ca.pem"))
	now := time.Now().Add(later)
	if _, err := tls.LoadX509KeyPair(filepath.Join(dir, "hub.pem"), filepath.Join(dir, "hub.key")); err != nil {
		t.Error(err)
	}
	if _, err := tls.LoadX509KeyPair(filepath.Join(dir, "alice.pem"), filepath.Join(dir, "alice.pem")); err != nil {
		t.Error(err)
	}
	for _, host := range []string{"localhost", "127.0.0.1"} {
		if _, err := cert(t, dir, "hub.pem").Verify(x509.VerifyOptions{Roots: roots, DNSName: host, CurrentTime: now}); err != nil {
			t.Errorf("the hub's certificate: %v", err)
		}
	}
	if _, err := cert(t, dir, "alice.pem").Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		t.Errorf("alice's certificate: %v", err)
	}
	if _, err := cert(t, dir, "hub.pem").Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err == nil {
		t.Error("the hub's certificate logs in")
	}
}

func TestRenewal(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "tls")
	ensure(t, at(t, dir, 0), "localhost", "127.0.0.1")
	wantValid(t, dir, 0)
	first := map[string]*x509.Certificate{}
	for _, name := range []string{"ca.pem", "hub.pem", "alice.pem"} {
		first[name] = cert(t, dir, name)
	}
	same := func(name string, want bool) {
		t.Helper()
		if got := cert(t, dir, name).Equal(first[name]); got != want {
			t.Errorf("%s is the same: %t, want %t", name, got, want)
		}
	}
	ensure(t, at(t, dir, 300*day), "localhost", "127.0.0.1")
	same("hub.pem", true)
	same("alice.pem", true)
	ensure(t, at(t, dir, 360*day), "localhost", "127.0.0.1")
	same("hub.pem", false)
	same("alice.pem", false)
	same("ca.pem", true)
	wantValid(t, dir, 360*day)

	ensure(t, at(t, dir, 9*365*day), "localhost", "127.0.0.1")
	same("ca.pem", false)
	wantValid(t, dir, 9*365*day)
	old := x509.NewCertPool()
	old.AddCert(first["ca.pem"])
	if _, err := cert(t, dir, "hub.pem").Verify(x509.VerifyOptions{Roots: old, DNSName: "localhost", CurrentTime: time.Now().Add(9 * 365 * day)}); err != nil {
		t.Errorf("clients that have the old authority: %v", err)
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ensure(t, at(t, dir, 0), "localhost", "127.0.0.1")
	before := cert(t, dir, "hub.pem")
	ensure(t, at(t, dir, 0), "localhost", "127.0.0.1", "hub.example.com")
	if after := cert(t, dir, "hub.pem"); after.Equal(before) || after.VerifyHostname("hub.example.com") != nil {
		t.Error("a new name did not make a new certificate")
	}
	a := at(t, dir, 0)
	for _, bad := range []string{"", "ca", "hub", "../evil", "/etc/evil"} {
		if file, err := a.EnsureUser(bad); err == nil {
			t.Errorf("%q has %s", bad, file)
		}
	}
}

// TestCutShort: a start that ended between two files is made good by the next one; a file that cannot be read is not written over.
func TestCutShort(t *testing.T) {
	t.Parallel()
	for _, lost := range []string{"ca.pem", "ca.key", "hub.pem", "hub.key", "alice.pem"} {
		dir := t.TempDir()
		ensure(t, at(t, dir, 0), "localhost", "127.0.0.1")
		if err := os.Remove(filepath.Join(dir, lost)); err != nil {
			t.Fatal(err)
		}
		ensure(t, at(t, dir, 0), "localhost", "127.0.0.1")
		wantValid(t, dir, 0)
	}
	dir := t.TempDir()
	ensure(t, at(t, dir, 0), "localhost", "127.0.0.1")
	if err := os.WriteFile(filepath.Join(dir, "ca.key"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := localca.Open(dir, time.Now); err == nil || !strings.Contains(err.Error(), "ca.key") {
		t.Errorf("a key that is none: %v", err)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "ca.key")); err != nil || string(text) != "mine" {
		t.Errorf("it was written over: %s, %v", text, err)
	}
	// another key than the certificate's, as when a start was cut short
	other := t.TempDir()
	ensure(t, at(t, other, 0), "localhost", "127.0.0.1")
	key, err := os.ReadFile(filepath.Join(other, "ca.key"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "ca.key"), key, 0o600); err != nil {
		t.Fatal(err)
	}
	ensure(t, at(t, dir, 0), "localhost", "127.0.0.1")
	wantValid(t, dir, 0)
}
