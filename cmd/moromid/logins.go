package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"

	"github.com/jcmturner/gokrb5/v8/keytab"
	"github.com/spf13/cobra"

	"moromi/commands"
	"moromi/internal/koji"
	"moromi/internal/reload"
	"moromi/web/auth"
	"moromi/web/auth/certificate"
	"moromi/web/auth/negotiate"
	"moromi/web/hub"
)

// loginSettings say how a hub is reached and who may log in how. Those with Koji's names mean what they mean in its hub.conf.
type loginSettings struct {
	TLSCert, TLSKey string // PEM files; both or none
	ClientCA        string // PEM file with the authorities of client certificates
	TrustedProxies  string // addresses and networks of reverse proxies, separated by commas or space
	ClientCertFrom  string // the header in which those pass client certificates on
	Keytab          string // the hub's keys for Kerberos
	AuthPrincipal   string // the service principal that counts; empty: each HTTP/… in the keytab

	DNUsernameComponent string
	ProxyDNs            string // separated by |
	ProxyPrincipals     string // separated by commas
	AllowedKrbRealms    string // separated by commas; * is any
	LoginCreatesUser    string
	AllowProxyAuthType  string
	DisableURLSessions  string
	CheckClientIP       string
}

// addFlags adds the flags of what is often given by hand; the rest is for the configuration file.
func (l *loginSettings) addFlags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&l.TLSCert, "tls-cert", "", "certificate of the hub (PEM `FILE`, with its intermediates): serve HTTPS")
	f.StringVar(&l.TLSKey, "tls-key", "", "key of that certificate (PEM `FILE`)")
	f.StringVar(&l.ClientCA, "client-ca", "", "authorities whose certificates log in users (PEM `FILE`)")
	f.StringVar(&l.Keytab, "keytab", "", "keys of the service HTTP/NAME: log in users by Kerberos (keytab `FILE`)")
	f.StringVar(&l.TrustedProxies, "trusted-proxies", "", "addresses or networks of reverse proxies whose X-Forwarded-For is believed")
}

// known are the settings by their names in a configuration file.
func (l *loginSettings) known() map[string]*string {
	return map[string]*string{"tls_cert": &l.TLSCert, "tls_key": &l.TLSKey, "client_ca": &l.ClientCA, "trusted_proxies": &l.TrustedProxies,
		"client_cert_header": &l.ClientCertFrom, "AuthKeytab": &l.Keytab, "AuthPrincipal": &l.AuthPrincipal, "DNUsernameComponent": &l.DNUsernameComponent, "ProxyDNs": &l.ProxyDNs,
		"ProxyPrincipals": &l.ProxyPrincipals, "AllowedKrbRealms": &l.AllowedKrbRealms, "LoginCreatesUser": &l.LoginCreatesUser,
		"AllowProxyAuthType": &l.AllowProxyAuthType, "DisableURLSessions": &l.DisableURLSessions, "CheckClientIP": &l.CheckClientIP}
}

// logins is what the settings come to.
type logins struct {
	settings *loginSettings
	log      *slog.Logger

	proxies            []netip.Prefix
	createUsers        bool
	anyProxyAuthType   bool
	headerSessionsOnly bool
	checkClientIP      bool

	pair    *reload.Value[*tls.Certificate] // nil: plain HTTP
	clients *reload.Value[*x509.CertPool]   // nil: no certificate logins
	keytab  *reload.Value[*keytab.Keytab]   // nil: no Kerberos logins
}

// open reads the files and refuses settings that cannot be.
func (l *loginSettings) open(log *slog.Logger) (*logins, error) {
	in := &logins{settings: l, log: log}
	for _, s := range []struct {
		name, text string
		otherwise  bool
		to         *bool
	}{
		{"LoginCreatesUser", l.LoginCreatesUser, true, &in.createUsers},
		{"AllowProxyAuthType", l.AllowProxyAuthType, false, &in.anyProxyAuthType},
		{"DisableURLSessions", l.DisableURLSessions, false, &in.headerSessionsOnly},
		{"CheckClientIP", l.CheckClientIP, true, &in.checkClientIP},
	} {
		var err error
		if *s.to, err = truth(s.text, s.otherwise); err != nil {
			return nil, usageError{fmt.Errorf("%s: %w", s.name, err)}
		}
	}
	var err error
	if in.proxies, err = prefixes(l.TrustedProxies); err != nil {
		return nil, usageError{fmt.Errorf("trusted_proxies: %w", err)}
	}
	if l.ClientCertFrom != "" && (len(in.proxies) == 0 || l.ClientCA == "") {
		return nil, usageError{errors.New("client_cert_header needs trusted_proxies, who may send it, and client_ca")}
	}
	if l.AuthPrincipal != "" && l.Keytab == "" {
		return nil, usageError{errors.New("AuthPrincipal needs AuthKeytab")}
	}
	if l.Keytab != "" {
		if in.keytab, err = negotiate.LoadKeytab(log, l.Keytab); err != nil {
			return nil, err
		}
	}
	return in, in.openCertificates()
}

func (in *logins) openCertificates() (err error) {
	l := in.settings
	switch {
	case (l.TLSCert == "") != (l.TLSKey == ""):
		return usageError{errors.New("--tls-cert and --tls-key go together")}
	case l.TLSCert != "":
		read := func() (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(l.TLSCert, l.TLSKey)
			return &pair, err
		}
		if in.pair, err = reload.New(in.log, read, l.TLSCert, l.TLSKey); err != nil {
			return fmt.Errorf("read the hub's certificate: %w", err)
		}
	case l.ClientCA != "" && l.ClientCertFrom == "":
		return usageError{errors.New("--client-ca needs --tls-cert and --tls-key: certificates are only seen where TLS ends")}
	}
	if l.ClientCA == "" {
		return nil
	}
	read := func() (*x509.CertPool, error) {
		text, err := os.ReadFile(l.ClientCA)
		if err != nil {
			return nil, err
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("%s has no certificate", l.ClientCA)
		}
		return pool, nil
	}
	if in.clients, err = reload.New(in.log, read, l.ClientCA); err != nil {
		return fmt.Errorf("read the authorities of clients: %w", err)
	}
	return nil
}

// truth reads a truth value as Koji's hub.conf has them.
func truth(text string, otherwise bool) (bool, error) {
	switch strings.ToLower(text) {
	case "":
		return otherwise, nil
	case "yes", "on", "true", "1":
		return true, nil
	case "no", "off", "false", "0":
		return false, nil
	}
	return false, fmt.Errorf("%q is neither yes nor no", text)
}

// list takes a list apart.
func list(text, separators string) []string {
	var all []string
	for _, s := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(separators, r) }) {
		if s = strings.TrimSpace(s); s != "" {
			all = append(all, s)
		}
	}
	return all
}

// prefixes reads addresses and networks.
func prefixes(text string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, s := range list(text, ", \t\n") {
		if addr, err := netip.ParseAddr(s); err == nil {
			addr = addr.Unmap()
			all = append(all, netip.PrefixFrom(addr, addr.BitLen()))
			continue
		}
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return nil, fmt.Errorf("%q is neither an address nor a network", s)
		}
		all = append(all, p)
	}
	return all, nil
}

// listener puts TLS on a listener, if there is a certificate. HTTP/2 is offered.
func (in *logins) listener(l net.Listener) net.Listener {
	if in.pair == nil {
		return l
	}
	base := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return in.pair.Get(), nil }}
	if in.clients != nil {
		base.ClientAuth = tls.RequestClientCert // judged at the login, not here: see package certificate
		base.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
			c := base.Clone()
			c.GetConfigForClient, c.ClientCAs = nil, in.clients.Get()
			return c, nil
		}
	}
	return tls.NewListener(l, base)
}

// scheme is that of the hub's own address.
func (in *logins) scheme() string {
	if in.pair == nil {
		return "http"
	}
	return "https"
}

// fromProxy tells whether a request's connection is a trusted proxy's.
func (in *logins) fromProxy(r *http.Request) bool {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	addr := from.Addr().Unmap().WithZone("")
	for _, p := range in.proxies {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// configure puts into the hub's configuration what concerns logins.
func (in *logins) configure(c *hub.Config, service *commands.Service, sessions *auth.Sessions) error {
	l := in.settings
	realms := koji.ParseRealms(l.AllowedKrbRealms)
	service.Realms = realms
	c.Realms, c.ProxyDNs, c.ProxyPrincipals = realms, list(l.ProxyDNs, "|"), list(l.ProxyPrincipals, ",")
	c.AnyProxyAuthType, c.HeaderSessionsOnly, c.TrustedProxies = in.anyProxyAuthType, in.headerSessionsOnly, in.proxies
	if in.createUsers {
		c.Enrol = func(ctx context.Context, n hub.Newcomer) (int64, error) {
			return service.Enrol(ctx, commands.Enrol{Name: n.Name, Principal: n.Principal, Join: n.MayJoin})
		}
	}
	var providers auth.Providers
	if in.clients != nil {
		v, err := certificate.New(certificate.Config{Roots: in.clients.Get, UsernameComponent: l.DNUsernameComponent,
			ProxyHeader: l.ClientCertFrom, FromProxy: in.fromProxy, Log: in.log})
		if err != nil {
			return usageError{err}
		}
		providers = append(providers, v)
	}
	if in.keytab != nil {
		v, err := negotiate.New(negotiate.Config{Keytab: in.keytab.Get, Principal: l.AuthPrincipal, FirstUse: sessions.FirstUse, Log: in.log})
		if err != nil {
			return err
		}
		providers = append(providers, v)
	}
	if len(providers) > 0 {
		c.Identity = providers
	}
	return nil
}
