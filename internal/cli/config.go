package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

const (
	// defaultServer is where "moromid up" listens unless told otherwise.
	defaultServer = "http://127.0.0.1:8080/kojihub"
	// defaultCert is where Koji's clients look for a certificate.
	defaultCert = "~/.koji/client.crt"
	// defaultPoll is the pause between looks at a task. Koji's is 6 s; here the hub answers quickly.
	defaultPoll = 2 * time.Second
	// maxPasswordFile is more than any password.
	maxPasswordFile = 4096
	// defaultServerCA is where Koji's clients look for the certificates to trust.
	defaultServerCA = "~/.koji/serverca.crt"
	// defaultTopDir is where Koji has its files.
	defaultTopDir = "/mnt/koji"
)

// globalOptions are the options before the verb. Empty ones leave the choice to the environment and the configuration.
type globalOptions struct {
	profile, configFile                      string
	server, topURL, webURL                   string
	user, password, authtype, cert, serverCA string
	runAs, principal, keytab                 string
	noAuth, forceAuth, debug, quiet          bool
	topDir, pkgURL, pluginPaths              string
	debugXMLRPC, listCommands, skipMain      bool
}

func (o *globalOptions) register(f *pflag.FlagSet) {
	f.SortFlags = false
	f.StringVarP(&o.profile, "profile", "p", "", "section of the configuration to use (default: moromi, or koji)")
	f.StringVarP(&o.configFile, "config", "c", "", "read profiles from this `FILE` instead of ~/.koji")
	f.StringVarP(&o.server, "server", "s", "", "address of the hub, as https://koji.example.com/kojihub")
	f.StringVar(&o.user, "user", "", "user to log in as")
	f.StringVar(&o.password, "password", "", "its password (others on this machine may see it; better MOROMI_PASSWORD or MOROMI_PASSWORD_FILE)")
	f.StringVar(&o.authtype, "authtype", "", "how to log in: password, ssl, kerberos or noauth (default: by a certificate if there is one, by a password if there is a user, else by Kerberos)")
	f.StringVar(&o.cert, "cert", "", "client certificate and key (PEM `FILE`) for --authtype=ssl")
	f.StringVar(&o.serverCA, "serverca", "", "certificates to trust (PEM `FILE`)")
	f.StringVar(&o.principal, "principal", "", "Kerberos principal to log in as (default: the ticket's)")
	f.StringVar(&o.keytab, "keytab", "", "`FILE` with the principal's keys, instead of a ticket by kinit")
	f.StringVar(&o.runAs, "runas", "", "act as this user (needs a certificate or principal that the hub allows to)")
	f.BoolVar(&o.noAuth, "noauth", false, "do not log in")
	f.BoolVar(&o.forceAuth, "force-auth", false, "log in even for commands that only read")
	f.StringVar(&o.topURL, "topurl", "", "address of the hub's files")
	f.StringVar(&o.webURL, "weburl", "", "address of the web pages")
	f.StringVar(&o.topDir, "topdir", "", "directory of the hub's files, where it is mounted here (default: /mnt/koji)")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "no headers, no progress")
	f.BoolVarP(&o.debug, "debug", "d", false, "show what is retried, and more about errors")
	f.BoolVar(&o.debugXMLRPC, "debug-xmlrpc", false, "show what is sent and received, but for logins")
	f.BoolVar(&o.listCommands, "help-commands", false, "list the commands")
	// Options of Koji's client that have nothing to do here.
	f.StringVar(&o.pkgURL, "pkgurl", "", "what came before --topurl")
	f.StringVar(&o.pluginPaths, "plugin-paths", "", "ignored: there are no plugins")
	f.BoolVar(&o.skipMain, "skip-main", false, "do nothing")
	for _, old := range []string{"pkgurl", "plugin-paths", "skip-main"} {
		f.Lookup(old).Hidden = true
	}
}

// config is what is in force after options, environment and files.
type config struct {
	server, topURL, webURL                          string
	user, password, authtype, cert, serverCA, runAs string
	principal, keytab                               string
	topDir                                          string
	noAuth, forceAuth, noVerify                     bool
	anonRetry, offlineRetry                         bool
	debug, debugXMLRPC                              bool
	maxRetries                                      int
	uploadChunk                                     int64
	pkgURL                                          string // where packages were before there was topurl
	retryInterval, offlineInterval, poll            time.Duration
	timeout, authTimeout                            time.Duration
}

// configure reads the configuration, once.
func (p *program) configure() error {
	if p.cfg != nil {
		return nil
	}
	profile, err := p.profile()
	if err != nil {
		return &usageError{err}
	}
	g := &p.global
	cfg := &config{poll: defaultPoll, forceAuth: g.forceAuth, noAuth: g.noAuth, debug: g.debug, debugXMLRPC: g.debugXMLRPC}
	if err := cfg.fill(profile); err != nil {
		return &usageError{err}
	}
	g.debug = cfg.debug
	cfg.runAs = first(g.runAs, cfg.runAs)
	cfg.topDir = p.expand(first(g.topDir, cfg.topDir, defaultTopDir))
	cfg.server = first(g.server, p.Getenv("MOROMI_SERVER"), cfg.server, defaultServer)
	cfg.user = first(g.user, p.Getenv("MOROMI_USER"), cfg.user)
	cfg.authtype = first(g.authtype, cfg.authtype)
	cfg.cert = p.expand(first(g.cert, cfg.cert, defaultCert))
	cfg.principal = first(g.principal, cfg.principal)
	cfg.keytab = p.expand(first(g.keytab, cfg.keytab))
	cfg.serverCA = p.expand(first(g.serverCA, cfg.serverCA))
	if ca := p.expand(defaultServerCA); cfg.serverCA == "" && isFile(ca) {
		cfg.serverCA = ca
	}
	base := strings.TrimSuffix(strings.TrimRight(cfg.server, "/"), "/kojihub")
	cfg.webURL = strings.TrimRight(first(g.webURL, cfg.webURL, base), "/")
	cfg.topURL = strings.TrimRight(first(g.topURL, cfg.topURL, oldTopURL(first(g.pkgURL, cfg.pkgURL)), base+"/kojifiles"), "/")
	if cfg.password, err = p.password(cfg.password); err != nil {
		return &usageError{err}
	}
	if cfg.authtype == "noauth" {
		cfg.noAuth = true
	}
	p.cfg = cfg
	return nil
}

// oldTopURL is the address of the hub's files by that of its packages, as configurations of old have it, or empty.
func oldTopURL(packages string) string {
	top, ok := strings.CutSuffix(strings.TrimRight(packages, "/"), "/packages")
	if !ok {
		return ""
	}
	return top
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

func (p *program) expand(path string) string {
	if path == "~" {
		return p.Home
	}
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		return filepath.Join(p.Home, rest)
	}
	return path
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// password is the option's, the environment's, that of a file, or the profile's.
func (p *program) password(profile string) (string, error) {
	if pw := first(p.global.password, p.Getenv("MOROMI_PASSWORD")); pw != "" {
		return pw, nil
	}
	name := p.Getenv("MOROMI_PASSWORD_FILE")
	if name == "" {
		return profile, nil
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return "", fmt.Errorf("MOROMI_PASSWORD_FILE: %w", err)
	}
	if len(data) > maxPasswordFile {
		return "", fmt.Errorf("MOROMI_PASSWORD_FILE: %s is too large for a password", name)
	}
	return strings.TrimRight(string(data), "\r\n"), nil
}

// fill takes the keys that Koji knows. Keys that it does not know are left alone, for other programs.
func (c *config) fill(profile map[string]string) error {
	texts := map[string]*string{
		"server": &c.server, "weburl": &c.webURL, "topurl": &c.topURL, "topdir": &c.topDir, "user": &c.user, "password": &c.password,
		"authtype": &c.authtype, "cert": &c.cert, "serverca": &c.serverCA, "runas": &c.runAs, "pkgurl": &c.pkgURL,
		"principal": &c.principal, "keytab": &c.keytab,
	}
	flags := map[string]*bool{"force_auth": &c.forceAuth, "no_ssl_verify": &c.noVerify, "anon_retry": &c.anonRetry, "offline_retry": &c.offlineRetry, "debug": &c.debug, "debug_xmlrpc": &c.debugXMLRPC}
	seconds := map[string]*time.Duration{
		"retry_interval": &c.retryInterval, "offline_retry_interval": &c.offlineInterval, "poll_interval": &c.poll,
		"timeout": &c.timeout, "auth_timeout": &c.authTimeout,
	}
	for _, name := range sortedKeys(profile) {
		value := profile[name]
		if p := texts[name]; p != nil {
			*p = value
		}
		if p := flags[name]; p != nil {
			b, err := pythonBool(value)
			if err != nil {
				return fmt.Errorf("configuration: %s: %w", name, err)
			}
			*p = *p || b
		}
		p := seconds[name]
		if p == nil && name != "max_retries" && name != "upload_blocksize" {
			continue
		}
		n, err := strconv.Atoi(value)
		if err != nil || n < 0 {
			return fmt.Errorf("configuration: %s must be a whole number, not %q", name, value)
		}
		switch {
		case p != nil:
			*p = time.Duration(n) * time.Second
		case name == "max_retries":
			c.maxRetries = n
		default:
			c.uploadChunk = int64(n)
		}
	}
	return nil
}

// pythonBool takes what configparser takes.
func pythonBool(s string) (bool, error) {
	switch strings.ToLower(s) {
	case "1", "yes", "true", "on":
		return true, nil
	case "0", "no", "false", "off":
		return false, nil
	}
	return false, fmt.Errorf("%q is neither true nor false", s)
}
