package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"moromi/internal/localca"
)

// tlsDir is where `up --tls` keeps the site's certificates.
func (st *site) tlsDir() string { return filepath.Join(st.settings.Data, "tls") }

// makeCertificates makes or renews the site's own authority, the hub's certificate and the administrator's, and serves with them.
func (s *settings) makeCertificates(admin string) error {
	if s.Login.TLSCert != "" || s.Login.TLSKey != "" {
		return usageError{errors.New("--tls makes certificates; with --tls-cert and --tls-key leave it out")}
	}
	dir := filepath.Join(s.Data, "tls")
	ca, err := localca.Open(dir, time.Now)
	if err != nil {
		return err
	}
	defer ca.Close() //nolint:errcheck // nothing is written at the end
	if err := ca.EnsureHub(s.ownNames()); err != nil {
		return err
	}
	if _, err := ca.EnsureUser(admin); err != nil {
		return err
	}
	s.Login.TLSCert, s.Login.TLSKey = filepath.Join(dir, localca.HubCertFile), filepath.Join(dir, localca.HubKeyFile)
	if s.Login.ClientCA == "" {
		s.Login.ClientCA = filepath.Join(dir, localca.CertFile)
	}
	return nil
}

// ownNames are the names and addresses by which clients may call this machine's hub.
func (s *settings) ownNames() []string {
	names := []string{"localhost", "127.0.0.1", "::1"}
	add := func(name string) {
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if name, err := os.Hostname(); err == nil { // a machine without a name is called by its address
		add(strings.ToLower(name))
	}
	if host, _, err := net.SplitHostPort(s.Listen); err == nil {
		if ip, err := netip.ParseAddr(host); err != nil || !ip.IsUnspecified() {
			add(host)
		}
	}
	if u, err := url.Parse(s.PublicURL); err == nil {
		add(strings.ToLower(u.Hostname()))
	}
	return names
}

// localURL is how this machine's own programs reach the hub. A certificate that was given is not for a loopback address, so its name is used.
func (st *site) localURL(addr net.Addr) string {
	scheme := st.logins.scheme()
	host := addr.String()
	tcp, ok := addr.(*net.TCPAddr)
	if ok && tcp.IP.IsUnspecified() {
		host = fmt.Sprintf("127.0.0.1:%d", tcp.Port)
	}
	if st.logins.pair == nil || st.localCA() != "" || !ok {
		return scheme + "://" + host
	}
	if u, err := url.Parse(st.settings.PublicURL); err == nil && u.Scheme == "https" && net.ParseIP(u.Hostname()) == nil {
		return strings.TrimRight(st.settings.PublicURL, "/")
	}
	for _, name := range st.logins.pair.Get().Leaf.DNSNames {
		if !strings.HasPrefix(name, "*") {
			return fmt.Sprintf("https://%s:%d", name, tcp.Port)
		}
	}
	return scheme + "://" + host
}

// localCA is the authority of the certificates that `up --tls` made, if it serves with them.
func (st *site) localCA() string {
	if st.settings.Login.TLSCert != filepath.Join(st.tlsDir(), localca.HubCertFile) {
		return ""
	}
	return filepath.Join(st.tlsDir(), localca.CertFile)
}

// explainTLS writes a configuration for clients that log in with the administrator's certificate, and says where it is.
func (st *site) explainTLS(addr net.Addr, admin string) error {
	file, base := filepath.Join(st.settings.Data, "koji.conf"), st.localURL(addr)
	cert := filepath.Join(st.tlsDir(), admin+".pem")
	text := fmt.Sprintf(`# for koji and moromi: -c %s; made anew at every start
[koji]
server = %s/kojihub
weburl = %s
topurl = %s/kojifiles
authtype = ssl
cert = %s
serverca = %s
`, file, base, base, base, cert, st.localCA())
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return fmt.Errorf("write the clients' configuration: %w", err)
	}
	st.log.Info("clients check the hub with and log in with", "serverca", st.localCA(), "cert", cert, "user", admin)
	st.log.Info("clients are configured by", "file", file, "example", "moromi --config "+file+" list-tags")
	return nil
}
