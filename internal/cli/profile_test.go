package cli

import (
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// siteConf is how a distribution ships its configuration: comments, keys with nothing behind them, keys for other programs.
const siteConf = `[koji]

;configuration for koji cli tool

;url of XMLRPC server
server = https://koji.example.org/kojihub

;url of web interface
weburl = https://koji.example.org/koji

;url of package download site
topurl = https://kojipkgs.example.org/

;path to the koji top directory
;topdir = /mnt/koji

;configuration for Kerberos authentication
;the principal to auth as for automated clients
;principal = client@EXAMPLE.COM
authtype = kerberos
krb_rdns = false

;enabled plugins for CLI, runroot and save_failed_tree are available
plugins = runroot

;timeout of XMLRPC requests by seconds, default: 60 * 60 * 12 = 43200
timeout = 600
anon_retry: true
use_fast_upload = yes
upload_blocksize = 2097152
; one of them in capitals
Max_Retries = 7
# and a comment of the other kind
serverca = ~/.koji/site-ca.crt
`

func TestProfiles(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, program string
		files         map[string]string
		global        globalOptions
		check         func(*config) bool
		err           string
	}{
		{name: "as distributions ship it", files: map[string]string{"etc/koji.conf": siteConf}, check: func(c *config) bool {
			return c.server == "https://koji.example.org/kojihub" && c.webURL == "https://koji.example.org/koji" && c.topURL == "https://kojipkgs.example.org" && c.topDir == "/mnt/koji" &&
				c.authtype == "kerberos" && c.timeout == 10*time.Minute && c.anonRetry && c.uploadChunk == 2<<20 && c.maxRetries == 7 && strings.HasSuffix(c.serverCA, "/home/.koji/site-ca.crt")
		}},
		{name: "a staging profile beside it", files: map[string]string{"etc/koji.conf": siteConf, "etc/koji.conf.d/stg-koji.conf": "[stg]\nserver = https://koji.stg.example.org/kojihub\ntopdir = ~/stg\n"},
			global: globalOptions{profile: "stg"}, check: func(c *config) bool {
				return c.server == "https://koji.stg.example.org/kojihub" && strings.HasSuffix(c.topDir, "/home/stg") && c.maxRetries == 0
			}},
		{name: "the command's name", program: "stg-koji", files: map[string]string{"etc/koji.conf": "[koji]\nserver = http://a\n[stg-koji]\nserver = http://b\n"}, check: func(c *config) bool { return c.server == "http://b" }},
		{name: "no profile of that name", program: "other", files: map[string]string{"etc/koji.conf": "[koji]\nserver = http://a\n"}, check: func(c *config) bool { return c.server == "http://a" }},
		{name: "references", files: map[string]string{"etc/koji.conf": "[DEFAULT]\nsite = h.example.org\n[koji]\nserver = https://%(site)s/kojihub\ntopurl = %(WebURL)s/files\nweburl = https://%(site)s/w\npassword = 100%%\nuser = 5%\n"},
			check: func(c *config) bool {
				return c.server == "https://h.example.org/kojihub" && c.topURL == "https://h.example.org/w/files" && c.password == "100%" && c.user == "5%"
			}},
		{name: "references without end", files: map[string]string{"etc/koji.conf": "[koji]\nserver = %(weburl)s\nweburl = %(server)s\n"}, err: "without end"},
		{name: "a reference to nothing", files: map[string]string{"etc/koji.conf": "[koji]\nserver = %(nothing)s\n"}, err: "there is no nothing"},
		{name: "directories in order", files: map[string]string{
			"home/.koji/config.d/10.conf": "[koji]\nserver = http://10\nuser = u\n", "home/.koji/config.d/20.conf": "[koji]\nserver = http://20\n", "home/.koji/config.d/30.conf~": "[koji]\nserver = http://30\n",
		}, check: func(c *config) bool { return c.server == "http://20" && c.user == "u" }},
		{name: "a directory for --config", files: map[string]string{"d/a.conf": "[koji]\nserver = http://a\n"}, global: globalOptions{configFile: "d"}, check: func(c *config) bool { return c.server == "http://a" }},
		{name: "an empty one", files: map[string]string{"d/a.txt": ""}, global: globalOptions{configFile: "d"}, err: "no *.conf files"},
		{name: "certificates to trust where they are as a rule", files: map[string]string{"home/.koji/serverca.crt": "x"}, check: func(c *config) bool { return strings.HasSuffix(c.serverCA, "/home/.koji/serverca.crt") }},
		{name: "packages of old", files: map[string]string{"etc/koji.conf": "[koji]\npkgurl = http://k/files/packages/\n"}, check: func(c *config) bool { return c.topURL == "http://k/files" }},
		{name: "options", files: map[string]string{"etc/koji.conf": siteConf}, global: globalOptions{topDir: "~/k", topURL: "http://t/", webURL: "http://w/", runAs: "bob"}, check: func(c *config) bool {
			return strings.HasSuffix(c.topDir, "/home/k") && c.topURL == "http://t" && c.webURL == "http://w" && c.runAs == "bob"
		}},
		{name: "a backslash at the end", files: map[string]string{"etc/koji.conf": "[koji]\ntopdir = C:\\\nuser = u\n"}, check: func(c *config) bool { return c.topDir == `C:\` && c.user == "u" }},
		{name: "a negative number", files: map[string]string{"etc/koji.conf": "[koji]\nupload_blocksize = -1\n"}, err: "upload_blocksize"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for name, text := range tt.files {
				write(t, filepath.Join(dir, name), text)
			}
			if tt.global.configFile != "" {
				tt.global.configFile = filepath.Join(dir, tt.global.configFile)
			}
			p := &program{global: tt.global, Env: Env{Name: tt.program, Home: dir + "/home", SystemDir: dir + "/etc", Getenv: func(string) string { return "" }}}
			err := p.configure()
			switch {
			case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
				t.Errorf("error %v, want %q", err, tt.err)
			case tt.err == "" && err != nil:
				t.Error(err)
			case tt.err == "" && !tt.check(p.cfg):
				t.Errorf("configuration %+v", *p.cfg)
			}
		})
	}
}

func FuzzInterpolate(f *testing.F) {
	f.Add("%(a)s %% %(b", "x%(b)s")
	f.Fuzz(func(t *testing.T, value, a string) {
		text, err := interpolate(value, map[string]string{"a": a, "b": "plain"}, new(int))
		if err == nil && !strings.Contains(value, "%") && text != value {
			t.Errorf("%q became %q", value, text)
		}
	})
}

func TestDebugXMLRPC(t *testing.T) {
	t.Parallel()
	h := newFakeHub(t)
	r := h.run(t, "--debug-xmlrpc", "list-tasks")
	if r.status != statusOK {
		t.Fatal(r.err)
	}
	for _, want := range []string{"POST http://hub/kojihub", "(login is not shown)", "<methodName>listTasks</methodName>", "<methodResponse>", "answer: 200 OK"} {
		if !strings.Contains(r.err, want) {
			t.Errorf("lacks %s", want)
		}
	}
	if strings.Contains(r.err, "<methodName>login") || strings.Contains(r.err, "1-abc") {
		t.Errorf("a login is shown: %s", r.err)
	}
	if plain := h.run(t, "list-tasks"); plain.out != r.out {
		t.Errorf("another answer: %s", r.out)
	}
}
