package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"gopkg.in/ini.v1"
)

const (
	// defaultServer is where "moromid up" listens unless told otherwise.
	defaultServer = "http://127.0.0.1:8080/kojihub"
	// defaultPoll is the pause between looks at a task. Koji's is 6 s; here the hub answers quickly.
	defaultPoll = 2 * time.Second
	// maxPasswordFile is more than any password.
	maxPasswordFile = 4096
)

// globalOptions are the options before the verb. Empty ones leave the choice to the environment and the configuration.
type globalOptions struct {
	profile, configFile                      string
	server, topURL, webURL                   string
	user, password, authtype, cert, serverCA string
	runAs                                    string
	noAuth, forceAuth, debug, quiet          bool
}

func (o *globalOptions) register(f *pflag.FlagSet) {
	f.SortFlags = false
	f.StringVarP(&o.profile, "profile", "p", "", "section of the configuration to use (default: moromi, or koji)")
	f.StringVarP(&o.configFile, "config", "c", "", "read profiles from this `FILE` instead of ~/.koji")
	f.StringVarP(&o.server, "server", "s", "", "address of the hub, as https://koji.example.com/kojihub")
	f.StringVar(&o.user, "user", "", "user to log in as")
	f.StringVar(&o.password, "password", "", "its password (others on this machine may see it; better MOROMI_PASSWORD or MOROMI_PASSWORD_FILE)")
	f.StringVar(&o.authtype, "authtype", "", "how to log in: password, ssl or noauth")
	f.StringVar(&o.cert, "cert", "", "client certificate and key (PEM `FILE`) for --authtype=ssl")
	f.StringVar(&o.serverCA, "serverca", "", "certificates to trust (PEM `FILE`)")
	f.StringVar(&o.runAs, "runas", "", "act as this user (needs a certificate that the hub allows to)")
	f.BoolVar(&o.noAuth, "noauth", false, "do not log in")
	f.BoolVar(&o.forceAuth, "force-auth", false, "log in even for commands that only read")
	f.StringVar(&o.topURL, "topurl", "", "address of the hub's files")
	f.StringVar(&o.webURL, "weburl", "", "address of the web pages")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "no headers, no progress")
	f.BoolVarP(&o.debug, "debug", "d", false, "show what is retried, and more about errors")
}

// config is what is in force after options, environment and files.
type config struct {
	server, topURL, webURL                          string
	user, password, authtype, cert, serverCA, runAs string
	topDir                                          string
	noAuth, forceAuth, noVerify                     bool
	anonRetry, offlineRetry                         bool
	maxRetries                                      int
	retryInterval, offlineInterval, poll            time.Duration
	timeout, authTimeout                            time.Duration
}

// configure reads the configuration, once.
func (p *program) configure() error {
	if p.cfg != nil {
		return nil
	}
	section, err := p.profile()
	if err != nil {
		return &usageError{err}
	}
	g := &p.global
	cfg := &config{topDir: "/mnt/koji", poll: defaultPoll, forceAuth: g.forceAuth, noAuth: g.noAuth, runAs: g.runAs}
	if err := cfg.fill(section); err != nil {
		return &usageError{err}
	}
	cfg.server = first(g.server, p.Getenv("MOROMI_SERVER"), cfg.server, defaultServer)
	cfg.user = first(g.user, p.Getenv("MOROMI_USER"), cfg.user)
	cfg.authtype = first(g.authtype, cfg.authtype)
	cfg.cert = p.expand(first(g.cert, cfg.cert))
	cfg.serverCA = p.expand(first(g.serverCA, cfg.serverCA))
	base := strings.TrimSuffix(strings.TrimRight(cfg.server, "/"), "/kojihub")
	cfg.webURL = strings.TrimRight(first(g.webURL, cfg.webURL, base), "/")
	cfg.topURL = strings.TrimRight(first(g.topURL, cfg.topURL, base+"/kojifiles"), "/")
	if cfg.password, err = p.password(cfg.password); err != nil {
		return &usageError{err}
	}
	if cfg.authtype == "noauth" {
		cfg.noAuth = true
	}
	p.cfg = cfg
	return nil
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
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		return filepath.Join(p.Home, rest)
	}
	return path
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

// profile finds the section of the configuration files to use. No files and no --profile is no error: nil.
func (p *program) profile() (*ini.Section, error) {
	files, err := p.configFiles()
	if err != nil {
		return nil, err
	}
	all := ini.Empty(ini.LoadOptions{
		IgnoreInlineComment: true, AllowPythonMultilineValues: true, PreserveSurroundedQuote: true, SkipUnrecognizableLines: true,
	})
	for _, f := range files {
		if err := all.Append(f); err != nil {
			return nil, fmt.Errorf("configuration %s: %w", f, err)
		}
	}
	if p.global.profile != "" {
		if !all.HasSection(p.global.profile) {
			return nil, fmt.Errorf("no profile %q in the configuration; there are: %s", p.global.profile, profileNames(all))
		}
		return all.Section(p.global.profile), nil
	}
	for _, name := range []string{"moromi", "koji"} {
		if all.HasSection(name) {
			return all.Section(name), nil
		}
	}
	return nil, nil
}

func profileNames(f *ini.File) string {
	names := slices.DeleteFunc(f.SectionStrings(), func(n string) bool { return n == ini.DefaultSection })
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// configFiles are the files there are, least important first.
func (p *program) configFiles() ([]string, error) {
	var files []string
	candidates := []string{filepath.Join(p.SystemDir, "koji.conf.d"), filepath.Join(p.SystemDir, "koji.conf")}
	if p.global.configFile != "" {
		if _, err := os.Stat(p.expand(p.global.configFile)); err != nil {
			return nil, fmt.Errorf("--config: %w", err)
		}
		candidates = append(candidates, p.expand(p.global.configFile))
	} else {
		candidates = append(candidates, filepath.Join(p.Home, ".koji", "config.d"), filepath.Join(p.Home, ".koji", "config"))
	}
	for _, c := range candidates {
		info, err := os.Stat(c)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return nil, fmt.Errorf("configuration: %w", err)
		}
		if !info.IsDir() {
			files = append(files, c)
			continue
		}
		inside, err := filepath.Glob(filepath.Join(c, "*.conf")) // sorted
		if err != nil {
			return nil, fmt.Errorf("configuration %s: %w", c, err)
		}
		files = append(files, inside...)
	}
	return files, nil
}

// fill takes the keys that Koji knows. Keys that it does not know are left alone, for other programs.
func (c *config) fill(s *ini.Section) error {
	if s == nil {
		return nil
	}
	texts := map[string]*string{
		"server": &c.server, "weburl": &c.webURL, "topurl": &c.topURL, "topdir": &c.topDir, "user": &c.user, "password": &c.password,
		"authtype": &c.authtype, "cert": &c.cert, "serverca": &c.serverCA,
	}
	flags := map[string]*bool{"force_auth": &c.forceAuth, "no_ssl_verify": &c.noVerify, "anon_retry": &c.anonRetry, "offline_retry": &c.offlineRetry}
	seconds := map[string]*time.Duration{
		"retry_interval": &c.retryInterval, "offline_retry_interval": &c.offlineInterval, "poll_interval": &c.poll,
		"timeout": &c.timeout, "auth_timeout": &c.authTimeout,
	}
	for _, key := range s.Keys() {
		name, value := key.Name(), strings.TrimSpace(key.Value())
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
		if p == nil && name != "max_retries" {
			continue
		}
		n, err := strconv.Atoi(value)
		if err != nil || n < 0 {
			return fmt.Errorf("configuration: %s must be a whole number, not %q", name, value)
		}
		if p != nil {
			*p = time.Duration(n) * time.Second
		} else {
			c.maxRetries = n
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
