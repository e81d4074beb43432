package kerberos

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/jcmturner/gokrb5/v8/client"
	"github.com/jcmturner/gokrb5/v8/keytab"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// Source says where tickets come from. The zero value is a person's: the credential cache that kinit filled.
type Source struct {
	// Keytab is a file with the keys of Principal (NAME or NAME@REALM; the keytab's first if empty), by which tickets are got. Empty uses CCache.
	Keytab, Principal string
	// CCache is the credential cache, FILE:… or a path; the usual one if empty. With a Principal, it must be that one's.
	CCache string
	// Getenv gives KRB5_CONFIG and KRB5CCNAME; os.Getenv if nil.
	Getenv func(string) string
}

// Negotiator makes tokens for logins. It holds no connection and no ticket between logins and is safe for concurrent use.
type Negotiator struct{ src Source }

// New makes a Negotiator. Nothing is read yet.
func New(src Source) *Negotiator {
	if src.Getenv == nil {
		src.Getenv = os.Getenv
	}
	return &Negotiator{src: src}
}

// Begin makes a token for the web service on a host, with SPNEGO around it. Each request needs one of its own. verify checks the service's token
// in the answer, by which the service proves that it is the one the ticket is for.
func (n *Negotiator) Begin(ctx context.Context, host string) (token []byte, verify func(reply []byte) error, err error) {
	c, err := n.client()
	if err != nil {
		return nil, nil, err
	}
	defer c.Destroy()
	ticket, key, err := serviceTicket(ctx, c, host)
	if err != nil {
		return nil, nil, err
	}
	return initiate(c, ticket, key)
}

// client makes a client that has a ticket-granting ticket. The caller destroys it.
func (n *Negotiator) client() (*client.Client, error) {
	conf, err := loadConfig(n.src.Getenv)
	if err != nil {
		return nil, err
	}
	if n.src.Keytab != "" {
		return n.byKeytab(conf)
	}
	file, err := cacheFile(n.src.CCache, n.src.Getenv("KRB5CCNAME"), conf.ccache, os.Getuid())
	if err != nil {
		return nil, err
	}
	cache, err := loadCCache(file, time.Now())
	if err != nil {
		return nil, err
	}
	if name, realm := splitPrincipal(n.src.Principal, cache.DefaultPrincipal.Realm); name != "" &&
		(name != cache.DefaultPrincipal.PrincipalName.PrincipalNameString() || realm != cache.DefaultPrincipal.Realm) {
		return nil, fmt.Errorf("the credential cache %s is %s@%s's, not %s's: run kinit %s", file,
			cache.DefaultPrincipal.PrincipalName.PrincipalNameString(), cache.DefaultPrincipal.Realm, n.src.Principal, n.src.Principal)
	}
	c, err := client.NewFromCCache(cache, conf.Config, client.DisablePAFXFAST(true))
	if err != nil {
		return nil, fmt.Errorf("use the credential cache %s: %w", file, err)
	}
	return c, nil
}

func (n *Negotiator) byKeytab(conf *settings) (*client.Client, error) {
	kt, err := loadKeytab(n.src.Keytab)
	if err != nil {
		return nil, err
	}
	name, realm := splitPrincipal(n.src.Principal, conf.LibDefaults.DefaultRealm)
	if name == "" {
		first := kt.Entries[0].Principal
		name, realm = strings.Join(first.Components, "/"), first.Realm
	}
	if realm == "" {
		return nil, fmt.Errorf("the principal %s has no realm, and krb5.conf has no default_realm", name)
	}
	c := client.NewWithKeytab(name, realm, kt, conf.Config, client.DisablePAFXFAST(true))
	if err := c.Login(); err != nil {
		c.Destroy()
		return nil, fmt.Errorf("get a Kerberos ticket for %s@%s by %s: %w", name, realm, n.src.Keytab, err)
	}
	return c, nil
}

func loadKeytab(file string) (kt *keytab.Keytab, err error) {
	defer func() {
		if p := recover(); p != nil { // the decoder indexes into what it is given
			kt, err = nil, fmt.Errorf("the keytab %s is damaged", file)
		}
	}()
	if kt, err = keytab.Load(file); err != nil {
		return nil, fmt.Errorf("read keytab %s: %w", file, err)
	}
	if len(kt.Entries) == 0 {
		return nil, fmt.Errorf("the keytab %s has no keys", file)
	}
	return kt, nil
}

// splitPrincipal takes NAME@REALM apart.
func splitPrincipal(principal, defaultRealm string) (name, realm string) {
	name, realm, ok := strings.Cut(principal, "@")
	if !ok {
		realm = defaultRealm
	}
	return name, realm
}

// serviceTicket gets the ticket for the web service of a host. If the realm does not know the host by the name that it was called by, the name
// that this one stands for in the DNS is tried (as with dns_canonicalize_hostname = fallback).
func serviceTicket(ctx context.Context, c *client.Client, host string) (messages.Ticket, types.EncryptionKey, error) {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	ticket, key, err := c.GetServiceTicket("HTTP/" + host)
	if err == nil {
		return ticket, key, nil
	}
	if canonical, dnsErr := net.DefaultResolver.LookupCNAME(ctx, host); dnsErr == nil && net.ParseIP(host) == nil {
		if canonical = strings.ToLower(strings.TrimSuffix(canonical, ".")); canonical != host {
			if ticket, key, err2 := c.GetServiceTicket("HTTP/" + canonical); err2 == nil {
				return ticket, key, nil
			}
		}
	}
	if net.ParseIP(host) != nil {
		err = errors.Join(errors.New("services have names in Kerberos: call the hub by its name, not by its address"), err)
	}
	return ticket, key, fmt.Errorf("get a Kerberos ticket for HTTP/%s: %w", host, err)
}
