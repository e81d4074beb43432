package cli

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// contextUntil ends when a condition holds.
func contextUntil(t *testing.T, done func() bool) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil && !done() {
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
		cancel()
	}()
	return ctx, cancel
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestConfigure(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		files  map[string]string
		vars   map[string]string
		global globalOptions
		check  func(*config) bool
		err    string
	}{
		{name: "defaults", check: func(c *config) bool {
			return c.server == defaultServer && c.webURL == "http://127.0.0.1:8080" && c.topURL == "http://127.0.0.1:8080/kojifiles" && c.poll == defaultPoll && c.topDir == "/mnt/koji"
		}},
		{name: "later files win", files: map[string]string{
			"etc/koji.conf.d/a.conf": "[koji]\nserver = http://a\nuser = a\n", "etc/koji.conf": "[koji]\nserver = http://b/kojihub\n", "home/.koji/config": "[koji]\nuser = c\npoll_interval = 9\n",
		}, check: func(c *config) bool {
			return c.server == "http://b/kojihub" && c.user == "c" && c.poll == 9*time.Second && c.webURL == "http://b"
		}},
		{name: "own section first", files: map[string]string{"home/.koji/config.d/x.conf": "[koji]\nserver = http://k\n[moromi]\nserver = http://m\n"},
			check: func(c *config) bool { return c.server == "http://m" }},
		{name: "profile", files: map[string]string{"etc/koji.conf": "[koji]\nserver = http://k\n[stage]\nserver = http://s\noffline_retry = yes\nmax_retries = 3\n"},
			global: globalOptions{profile: "stage"}, check: func(c *config) bool { return c.server == "http://s" && c.offlineRetry && c.maxRetries == 3 }},
		{name: "config option replaces personal files", files: map[string]string{"home/.koji/config": "[koji]\nserver = http://home\n", "other": "[koji]\nserver = http://other\n"},
			global: globalOptions{configFile: "other"}, check: func(c *config) bool { return c.server == "http://other" }},
		{name: "environment over files", files: map[string]string{"etc/koji.conf": "[koji]\nserver = http://k\nuser = k\n"},
			vars: map[string]string{"MOROMI_SERVER": "http://e", "MOROMI_USER": "e", "MOROMI_PASSWORD": "p"}, check: func(c *config) bool { return c.server == "http://e" && c.user == "e" && c.password == "p" }},
		{name: "options over environment", vars: map[string]string{"MOROMI_SERVER": "http://e", "MOROMI_PASSWORD": "p"}, global: globalOptions{server: "http://o", password: "q"},
			check: func(c *config) bool { return c.server == "http://o" && c.password == "q" }},
		{name: "password file", files: map[string]string{"pw": "secret\n"}, vars: map[string]string{"MOROMI_PASSWORD_FILE": "pw"}, check: func(c *config) bool { return c.password == "secret" }},
		{name: "home in paths", files: map[string]string{"etc/koji.conf": "[koji]\ncert = ~/c.pem\n"}, check: func(c *config) bool { return strings.HasSuffix(c.cert, "/home/c.pem") }},
		{name: "unknown profile", files: map[string]string{"etc/koji.conf": "[koji]\n"}, global: globalOptions{profile: "x"}, err: `no profile "x" in the configuration; there are: koji`},
		{name: "missing config file", global: globalOptions{configFile: "none"}, err: "--config"},
		{name: "missing password file", vars: map[string]string{"MOROMI_PASSWORD_FILE": "none"}, err: "MOROMI_PASSWORD_FILE"},
		{name: "bad number", files: map[string]string{"etc/koji.conf": "[koji]\ntimeout = soon\n"}, err: `timeout must be a whole number, not "soon"`},
		{name: "bad boolean", files: map[string]string{"etc/koji.conf": "[koji]\nanon_retry = perhaps\n"}, err: "anon_retry"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for name, text := range tt.files {
				write(t, filepath.Join(dir, name), text)
			}
			p := &program{global: tt.global, Env: Env{Home: dir + "/home", SystemDir: dir + "/etc", Getenv: func(k string) string {
				if v := tt.vars[k]; v != "" && k == "MOROMI_PASSWORD_FILE" {
					return filepath.Join(dir, v)
				}
				return tt.vars[k]
			}}}
			if p.global.configFile != "" {
				p.global.configFile = filepath.Join(dir, p.global.configFile)
			}
			err := p.configure()
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("error %v, want %q", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !tt.check(p.cfg) {
				t.Errorf("configuration %+v", *p.cfg)
			}
		})
	}
}

func TestAuthentication(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, want string
		args       []string
		vars       map[string]string
	}{
		{"nothing", "Give --user", nil, nil},
		{"no password", "MOROMI_PASSWORD", []string{"--user", "a"}, nil},
		{"unknown", `authtype "carrier-pigeon" is not supported`, []string{"--authtype", "carrier-pigeon"}, nil},
		{"kerberos without https", "needs https", []string{"--authtype", "kerberos"}, nil},
		{"a keytab without https", "needs https", []string{"--keytab", "/nonexistent"}, nil},
		{"no certificate", "cert:", []string{"--authtype", "ssl"}, nil},
		{"certificate is no file", "cert", []string{"--cert", "/nonexistent"}, nil},
		{"certificate without https", "needs https", []string{"--authtype", "ssl", "--cert", "CERT"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newFakeHub(t)
			var out, errs bytes.Buffer
			env := h.env(t, &out, &errs)
			env.Getenv = func(k string) string { return map[string]string{"MOROMI_SERVER": h.URL + "/kojihub"}[k] }
			for i, a := range tt.args {
				if a == "CERT" {
					tt.args[i] = certificate(t)
				}
			}
			r := h.runIn(t, env, append(tt.args, "list-tasks")...)
			if r.status != 1 || !strings.Contains(r.err, tt.want) || strings.Count(r.err, "\n") != 1 {
				t.Errorf("status %d, %q", r.status, r.err)
			}
			out.Reset()
			if r := h.runIn(t, env, "--noauth", "list-tasks"); r.status != 0 {
				t.Errorf("--noauth: %d, %s", r.status, r.err)
			}
		})
	}
}

// TestAuthMethod: without authtype the way is chosen as Koji's client chooses it.
func TestAuthMethod(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "client.crt")
	write(t, file, "any")
	for _, c := range []struct {
		name   string
		cfg    config
		global globalOptions
		want   string
		chosen bool
	}{
		{"nothing", config{server: "https://h", cert: "/none"}, globalOptions{}, "kerberos", false},
		{"certificate", config{server: "https://h", cert: file, user: "alice"}, globalOptions{}, "ssl", true},
		{"certificate, but no TLS", config{server: "http://h", cert: file, user: "alice"}, globalOptions{}, "password", true},
		{"user", config{server: "https://h", cert: "/none", user: "alice"}, globalOptions{}, "password", true},
		{"told", config{server: "https://h", cert: file, user: "alice", authtype: "kerberos"}, globalOptions{}, "kerberos", true},
		{"keytab", config{server: "https://h", keytab: "k"}, globalOptions{}, "kerberos", true},
		{"certificate given that is not there", config{server: "https://h", cert: "/none"}, globalOptions{cert: "/none"}, "ssl", true},
	} {
		p := &program{cfg: &c.cfg, global: c.global}
		if got, chosen := p.authMethod(); got != c.want || chosen != c.chosen {
			t.Errorf("%s: %s, %t; want %s, %t", c.name, got, chosen, c.want, c.chosen)
		}
	}
}

// TestKerberosHint: where Kerberos was only what was left, its error also names the other ways.
func TestKerberosHint(t *testing.T) {
	t.Parallel()
	h := newFakeHub(t)
	conf := filepath.Join(t.TempDir(), "krb5.conf")
	write(t, conf, "[libdefaults]\n\tdefault_realm = TEST.LOCAL\n")
	for _, args := range [][]string{{}, {"--authtype", "kerberos"}} {
		var out, errs bytes.Buffer
		env := h.env(t, &out, &errs)
		env.Getenv = func(k string) string {
			return map[string]string{"MOROMI_SERVER": "https://localhost:1/kojihub", "KRB5_CONFIG": conf, "KRB5CCNAME": "FILE:/nonexistent"}[k]
		}
		r := h.runIn(t, env, append(args, "list-tasks")...)
		if r.status != 1 || !strings.Contains(r.err, "run kinit") || strings.Contains(r.err, "--user") != (len(args) == 0) {
			t.Errorf("%v: status %d, %q", args, r.status, r.err)
		}
	}
}

func TestGlobalOptionsAfterVerb(t *testing.T) {
	t.Parallel()
	h := newFakeHub(t)
	for _, args := range [][]string{{"-q", "list-targets"}, {"list-targets", "--quiet"}, {"list-targets", "-q"}} {
		if r := h.run(t, args...); r.status != 0 || strings.Contains(r.out, "Buildroot") {
			t.Errorf("%v: %d, %s%s", args, r.status, r.out, r.err)
		}
	}
	if r := h.run(t, "list-tasks", "--user", "alice"); r.status != 0 || len(h.called("getUser")) != 1 {
		t.Errorf("a verb's own --user: %d, %s", r.status, r.err)
	}
}
