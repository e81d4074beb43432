// Package localca makes and renews the certificates of a site that has no authority of its own: an authority, the hub's certificate, and
// certificates of users to log in with.
package localca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"
)

// How long certificates are valid, and how long before their end they are made anew. Clocks may differ by backdate.
const (
	authorityLife  = 10 * 365 * 24 * time.Hour
	authorityRenew = 2 * 365 * 24 * time.Hour // longer than any certificate that it signed lives
	life           = 397 * 24 * time.Hour     // the longest that browsers accept
	renew          = 60 * 24 * time.Hour
	backdate       = time.Hour
)

// The files of an authority's directory. A user's file is NAME.pem.
const (
	CertFile    = "ca.pem"
	keyFile     = "ca.key"
	HubCertFile = "hub.pem"
	HubKeyFile  = "hub.key"
)

// Authority is a directory with a certificate authority and what it has signed. Keys are readable by the owner only.
type Authority struct {
	root *os.Root
	now  func() time.Time
	cert *x509.Certificate
	der  []byte
	key  crypto.Signer
}

// Open opens the authority in a directory, and makes both if they are not there. An authority that nears its end is renewed with its old key
// and name, so what it signed stays valid for those who have the new certificate, and for those who have the old one until that ends.
func Open(dir string, now func() time.Time) (_ *Authority, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make directory of certificates: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open directory of certificates: %w", err)
	}
	a := &Authority{root: root, now: now}
	defer func() {
		if err != nil {
			_ = root.Close()
		}
	}()
	cert, key, err := a.load(CertFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("read the authority in %s: %w", dir, err)
	}
	if cert != nil && now().Before(cert.NotAfter.Add(-authorityRenew)) {
		a.cert, a.der, a.key = cert, cert.Raw, key
		return a, nil
	}
	return a, a.make(key)
}

// Close closes the directory.
func (a *Authority) Close() error { return a.root.Close() }

// make makes the authority, with the key that it had or a new one.
func (a *Authority) make(key crypto.Signer) error {
	if key == nil {
		fresh, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return fmt.Errorf("make the authority's key: %w", err)
		}
		if err := a.writeKey(keyFile, fresh); err != nil {
			return err
		}
		key = fresh
	}
	t := &x509.Certificate{Subject: pkix.Name{CommonName: "Moromi site authority"}, IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign}
	a.key, a.cert = key, t
	der, err := a.sign(t, key, authorityLife)
	if err != nil {
		return fmt.Errorf("make the authority's certificate: %w", err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		return fmt.Errorf("make the authority's certificate: %w", err)
	}
	a.der = der
	return a.write(CertFile, 0o644, block("CERTIFICATE", der))
}

// EnsureHub sees to it that there is a hub's certificate for exactly these names and addresses, which does not end soon.
func (a *Authority) EnsureHub(hosts []string) error {
	cert, key, err := a.load(HubCertFile, HubKeyFile)
	if err != nil {
		return fmt.Errorf("read the hub's certificate: %w", err)
	}
	t := &x509.Certificate{Subject: pkix.Name{CommonName: hosts[0]}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		KeyUsage: x509.KeyUsageDigitalSignature}
	for _, h := range hosts {
		if ip, err := netip.ParseAddr(h); err == nil {
			t.IPAddresses = append(t.IPAddresses, net.IP(ip.AsSlice()))
		} else {
			t.DNSNames = append(t.DNSNames, h)
		}
	}
	if a.good(cert) && slices.Equal(cert.DNSNames, t.DNSNames) && slices.EqualFunc(cert.IPAddresses, t.IPAddresses, net.IP.Equal) {
		return nil
	}
	if key == nil {
		fresh, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return fmt.Errorf("make the hub's key: %w", err)
		}
		if err := a.writeKey(HubKeyFile, fresh); err != nil {
			return err
		}
		key = fresh
	}
	der, err := a.sign(t, key, life)
	if err != nil {
		return fmt.Errorf("make the hub's certificate: %w", err)
	}
	return a.write(HubCertFile, 0o644, block("CERTIFICATE", der), block("CERTIFICATE", a.der))
}

// EnsureUser sees to it that there is a file NAME.pem with a certificate and its key by which the user logs in, which does not end soon.
// It answers the name of the file.
func (a *Authority) EnsureUser(user string) (string, error) {
	if user == "" || slices.Contains([]string{CertFile, HubCertFile}, user+".pem") {
		return "", fmt.Errorf("a certificate for a user %q cannot be kept beside %s and %s", user, CertFile, HubCertFile)
	}
	file := user + ".pem"
	cert, _, err := a.load(file, file)
	if err != nil {
		return "", fmt.Errorf("read the certificate of %s: %w", user, err)
	}
	if a.good(cert) && cert.Subject.CommonName == user {
		return file, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", fmt.Errorf("make the key of %s: %w", user, err)
	}
	der, err := a.sign(&x509.Certificate{Subject: pkix.Name{CommonName: user}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		KeyUsage: x509.KeyUsageDigitalSignature}, key, life)
	if err != nil {
		return "", fmt.Errorf("make the certificate of %s: %w", user, err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", fmt.Errorf("make the certificate of %s: %w", user, err)
	}
	return file, a.write(file, 0o600, block("CERTIFICATE", der), block("PRIVATE KEY", pkcs8))
}

// good tells whether a certificate is ours and does not end soon.
func (a *Authority) good(cert *x509.Certificate) bool {
	return cert != nil && cert.CheckSignatureFrom(a.cert) == nil && a.now().Before(cert.NotAfter.Add(-renew)) && !a.now().Before(cert.NotBefore)
}

// sign makes a certificate for a key from a template.
func (a *Authority) sign(t *x509.Certificate, key crypto.Signer, d time.Duration) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	t.SerialNumber, t.NotBefore, t.NotAfter = serial, a.now().Add(-backdate), a.now().Add(d)
	return x509.CreateCertificate(rand.Reader, t, a.cert, key.Public(), a.key)
}

// load reads a certificate and its key. A certificate that is not there, or is not the key's because a start was cut short between writing the
// two, is none; ones that cannot be read are an error, so that nothing of an administrator's is written over.
func (a *Authority) load(certFile, keyFile string) (*x509.Certificate, crypto.Signer, error) {
	keyPEM, err := a.root.ReadFile(keyFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	} else if err != nil {
		return nil, nil, err
	}
	key, err := parseKey(keyPEM)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", keyFile, err)
	}
	certPEM, err := a.root.ReadFile(certFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, key, nil
	} else if err != nil {
		return nil, nil, err
	}
	b, _ := pem.Decode(certPEM)
	if b == nil || b.Type != "CERTIFICATE" {
		return nil, nil, fmt.Errorf("%s: it does not begin with a certificate", certFile)
	}
	cert, err := x509.ParseCertificate(b.Bytes)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", certFile, err)
	}
	if public, ok := key.Public().(*ecdsa.PublicKey); !ok || !public.Equal(cert.PublicKey) {
		return nil, key, nil
	}
	return cert, key, nil
}

// parseKey finds the key in PEM text, which may hold a certificate, too.
func parseKey(text []byte) (crypto.Signer, error) {
	for b, rest := pem.Decode(text); b != nil; b, rest = pem.Decode(rest) {
		if b.Type != "PRIVATE KEY" {
			continue
		}
		key, err := x509.ParsePKCS8PrivateKey(b.Bytes)
		if err != nil {
			return nil, err
		}
		if signer, ok := key.(crypto.Signer); ok {
			return signer, nil
		}
	}
	return nil, errors.New("there is no key in it")
}

func (a *Authority) writeKey(name string, key crypto.Signer) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return a.write(name, 0o600, block("PRIVATE KEY", der))
}

func block(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// write replaces a file whole, so that nobody reads half of it.
func (a *Authority) write(name string, mode fs.FileMode, parts ...[]byte) error {
	fresh := "." + name + ".new"
	if err := a.root.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("write %s: %w", name, err)
	}
	f, err := a.root.OpenFile(fresh, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	_, err = f.Write(slices.Concat(parts...))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err := a.root.Rename(fresh, name); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}
