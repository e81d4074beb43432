package builder

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"moromi/internal/hubclient"
	"moromi/internal/kerberos"
)

// login opens the builder's exclusive session.
func login(ctx context.Context, cfg *Config) (Session, error) {
	client, err := hubHTTP(cfg)
	if err != nil {
		return nil, err
	}
	c := hubclient.New(cfg.Server, hubclient.Options{HTTP: client, Log: cfg.Log, MaxRetries: cfg.MaxRetries, RetryInterval: cfg.RetryInterval, OfflineRetry: true})
	who := cfg.User
	switch { // in kojid's order
	case cfg.Cert != "":
		who = "the owner of " + cfg.Cert
		err = c.LoginCertificate(ctx, "")
	case cfg.User != "":
		var password string
		if password, err = cfg.password(); err != nil {
			return nil, err
		}
		err = c.Login(ctx, cfg.User, password)
	default:
		var source kerberos.Source
		if source, err = cfg.tickets(); err != nil {
			return nil, err
		}
		who = cmp.Or(source.Principal, "the owner of "+cmp.Or(source.Keytab, source.CCache))
		err = c.LoginKerberos(ctx, kerberos.New(source), "")
	}
	if err != nil {
		return nil, fmt.Errorf("log in at %s as %s: %w", cfg.Server, who, err)
	}
	s := session{c}
	if err := s.Exclusive(ctx, cfg.ForceLock); err != nil {
		return nil, errors.Join(fmt.Errorf("take the exclusive session: %w (force_lock takes it from another builder)", err), s.Logout(ctx))
	}
	return s, nil
}

// tickets says where the builder's Kerberos tickets come from. With a keytab they are got anew at each login, and no cache is needed.
func (c *Config) tickets() (kerberos.Source, error) {
	src := kerberos.Source{Keytab: c.Keytab, Principal: c.KrbPrincipal, CCache: c.CCache}
	if src.Principal == "" && c.HostPrincipalFormat != "" {
		name, err := fullHostname()
		if err != nil {
			return src, err
		}
		src.Principal = strings.Replace(c.HostPrincipalFormat, "%s", name, 1)
	}
	return src, nil
}

// fullHostname is the machine's name with its domain, as Python's getfqdn finds it: the machine's own if that has one, else that of its address.
func fullHostname() (string, error) {
	name, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("the host's name, for its principal: %w", err)
	}
	if strings.Contains(name, ".") {
		return name, nil
	}
	addresses, err := net.LookupHost(name)
	if err != nil {
		return name, nil //nolint:nilerr // a machine without a domain has its short name
	}
	for _, a := range addresses {
		names, err := net.LookupAddr(a)
		if err != nil {
			continue
		}
		for _, n := range names {
			if n = strings.TrimSuffix(n, "."); strings.Contains(n, ".") {
				return n, nil
			}
		}
	}
	return name, nil
}

// hubHTTP is the client for the hub: with the builder's certificate and its authority where they are configured.
func hubHTTP(cfg *Config) (*http.Client, error) {
	if cfg.Cert == "" && cfg.ServerCA == "" {
		return cfg.HTTP, nil
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if cfg.Cert != "" {
		pair, err := tls.LoadX509KeyPair(cfg.Cert, cfg.Cert) // one file with both, as Koji has it
		if err != nil {
			return nil, fmt.Errorf("load the certificate: %w", err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	if cfg.ServerCA != "" {
		conf.RootCAs = x509.NewCertPool() // the hub's authority and no other, as kojid has it
		if err := addAuthority(conf.RootCAs, cfg.ServerCA); err != nil {
			return nil, err
		}
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = conf
	return &http.Client{Transport: t}, nil
}

func addAuthority(pool *x509.CertPool, file string) error {
	pem, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("load the hub's authority: %w", err)
	}
	if !pool.AppendCertsFromPEM(pem) {
		return fmt.Errorf("load the hub's authority: no certificate in %s", file)
	}
	return nil
}

// fileHTTP is the client for repositories, sources and other files. It trusts the hub's authority besides the machine's own.
func fileHTTP(cfg *Config) (*http.Client, error) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.ResponseHeaderTimeout = headerTimeout
	if cfg.ServerCA == "" {
		return &http.Client{Transport: t}, nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("load the machine's authorities: %w", err)
	}
	if err := addAuthority(pool, cfg.ServerCA); err != nil {
		return nil, err
	}
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}
	return &http.Client{Transport: t}, nil
}

// systemAuthorities are the places where distributions keep the certificates that a machine trusts, in one file.
func systemAuthorities() []string {
	return []string{"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem"}
}

// writeAuthorities makes a file with the machine's authorities and the hub's, for package managers, which take one file. Without an
// authority of the hub's there is none.
func writeAuthorities(cfg *Config) (string, error) {
	if cfg.ServerCA == "" {
		return "", nil
	}
	all, err := os.ReadFile(cfg.ServerCA)
	if err != nil {
		return "", fmt.Errorf("load the hub's authority: %w", err)
	}
	for _, name := range systemAuthorities() {
		if more, err := os.ReadFile(name); err == nil {
			all = append(append(all, '\n'), more...)
			break
		}
	}
	file := filepath.Join(cfg.WorkDir, "authorities.pem")
	if err := os.WriteFile(file, all, 0o644); err != nil {
		return "", fmt.Errorf("write the authorities: %w", err)
	}
	return file, nil
}

// session is a hubclient.Client as the daemon sees it.
type session struct{ *hubclient.Client }

// ID is the session's number.
func (s session) ID() int64 { return s.SessionID() }

// Exclusive makes this the user's only session.
func (s session) Exclusive(ctx context.Context, force bool) error {
	return s.ExclusiveSession(ctx, force)
}

// Child opens a sub-session.
func (s session) Child(ctx context.Context) (Session, error) {
	c, err := s.Subsession(ctx)
	if err != nil {
		return nil, err
	}
	return session{c}, nil
}

// EndChild ends a sub-session.
func (s session) EndChild(ctx context.Context, id int64) error { return s.LogoutChild(ctx, id) }

// Notices is the hub's push stream.
func (s session) Notices(ctx context.Context) (<-chan Notice, error) {
	in, err := s.Stream(ctx)
	if err != nil {
		return nil, err
	}
	out := make(chan Notice)
	go func() {
		defer close(out)
		for n := range in {
			select {
			case out <- Notice{Reason: n.Reason, Task: n.Task}:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out, nil
}
