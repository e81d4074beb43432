package kerberos

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jcmturner/gokrb5/v8/types"
)

// fedora is the shape of Fedora's /etc/krb5.conf.
const fedora = `# To opt out of the system crypto-policies configuration of krb5, remove the
# symlink at /etc/krb5.conf.d/crypto-policies which will not be recreated.
includedir DIR/krb5.conf.d/

[logging]
    default = FILE:/var/log/krb5libs.log

[libdefaults]
    dns_lookup_realm = false
    dns_canonicalize_hostname = fallback
    ticket_lifetime = 24h
    renew_lifetime = 7d
    forwardable = true
    rdns = false
    pkinit_anchors = FILE:/etc/pki/tls/certs/ca-bundle.crt
    spake_preauth_groups = edwards25519
    qualify_shortname = ""
    default_realm = EXAMPLE.COM
    default_ccache_name = KEYRING:persistent:%{uid}
    some_later_setting

[realms]
 EXAMPLE.COM = {
     kdc = kerberos.example.com
     admin_server = kerberos.example.com
 }

[domain_realm]
 .example.com = EXAMPLE.COM
`

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func load(files ...string) (*settings, error) {
	return loadConfig(func(name string) string {
		if name == "KRB5_CONFIG" {
			return strings.Join(files, ":")
		}
		return ""
	})
}

func TestConfig(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	main := writeFile(t, dir+"/krb5.conf", strings.ReplaceAll(fedora, "DIR", dir))
	writeFile(t, dir+"/krb5.conf.d/crypto-policies", "[libdefaults]\npermitted_enctypes = aes256-cts-hmac-sha1-96 aes256-cts-hmac-sha384-192\n")
	writeFile(t, dir+"/krb5.conf.d/fedoraproject_org", "[realms]\n FEDORAPROJECT.ORG = {\n  kdc = https://id.fedoraproject.org/KdcProxy\n  kdc = kdc.fedoraproject.org:89\n }\n[domain_realm]\n fedoraproject.org = FEDORAPROJECT.ORG\n .fedoraproject.org = FEDORAPROJECT.ORG\n")
	writeFile(t, dir+"/krb5.conf.d/editor.conf~", "this is no configuration")
	s, err := load(dir+"/none", main)
	if err != nil {
		t.Fatal(err)
	}
	if s.LibDefaults.DefaultRealm != "EXAMPLE.COM" || s.ccache != "KEYRING:persistent:%{uid}" || !s.LibDefaults.DNSLookupKDC || !s.LibDefaults.Forwardable {
		t.Errorf("%+v", s.LibDefaults)
	}
	if want := []string{"aes256-cts-hmac-sha1-96", "aes256-cts-hmac-sha384-192"}; !slices.Equal(s.LibDefaults.PermittedEnctypes, want) {
		t.Errorf("enctypes %v", s.LibDefaults.PermittedEnctypes)
	}
	for host, realm := range map[string]string{"koji.example.com": "EXAMPLE.COM", "koji.fedoraproject.org": "FEDORAPROJECT.ORG"} {
		if got := s.ResolveRealm(host); got != realm {
			t.Errorf("%s is of %q", host, got)
		}
	}
	for realm, kdc := range map[string]string{"EXAMPLE.COM": "kerberos.example.com:88", "FEDORAPROJECT.ORG": "kdc.fedoraproject.org:89"} {
		if n, kdcs, err := s.GetKDCs(realm, true); err != nil || n != 1 || kdcs[1] != kdc {
			t.Errorf("%s: %d, %v, %v", realm, n, kdcs, err)
		}
	}
	loop := writeFile(t, dir+"/loop.conf", "include "+dir+"/loop.conf\n")
	long := writeFile(t, dir+"/long.conf", strings.Repeat("# x\n", maxConfig))
	for file, want := range map[string]string{dir + "/none": "there is no", loop: "include each other", long: "longer than"} {
		if _, err := load(file); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func TestCacheFile(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ told, env, conf, want, err string }{
		{want: "/tmp/krb5cc_17"},
		{conf: "FILE:/run/user/%{uid}/cc", want: "/run/user/17/cc"},
		{conf: "KEYRING:persistent:%{uid}", err: "KEYRING:persistent:17 (from krb5.conf)"},
		{conf: "KCM:", env: "/a/b", want: "/a/b"},
		{env: "KCM:", err: "(from KRB5CCNAME) is not a file"},
		{env: "DIR:/a", err: "export KRB5CCNAME=FILE:/tmp/krb5cc_17"},
		{env: "FILE:/a", told: "FILE:/b", want: "/b"},
		{told: "MEMORY:", err: "(from the configuration)"},
	} {
		got, err := cacheFile(c.told, c.env, c.conf, 17)
		if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%+v: %q, %v", c, got, err)
		}
	}
}

func TestDamagedFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, text := range []string{"", "\x05", "\x05\x04", "\x05\x04\x00\x0c\x00\x01", "\x05\x04\x00\x00\x00\x00\x00\x01\xff\xff\xff\xff"} {
		file := writeFile(t, dir+"/file", text)
		if _, err := loadCCache(file, time.Now()); err == nil {
			t.Errorf("%q is a credential cache", text)
		}
		if _, err := loadKeytab(file); err == nil {
			t.Errorf("%q is a keytab", text)
		}
	}
}

func FuzzConfig(f *testing.F) {
	f.Add(fedora)
	f.Add("[realms]\nX={\n}}\n")
	f.Add("[libdefaults]\nudp_preference_limit = 99999999\n[domain_realm]\n=\n")
	f.Fuzz(func(t *testing.T, text string) {
		r := &configReader{sections: map[string][]string{}}
		for line := range strings.Lines(text) {
			if strings.Contains(line, "include") {
				continue // files are no part of this
			}
			if err := r.line(strings.TrimRight(line, "\n"), 0); err != nil {
				return
			}
		}
		if s, err := r.parse(); err == nil {
			s.ResolveRealm("host.example.com")
		}
	})
}

func FuzzReply(f *testing.F) {
	f.Add([]byte("\xa1\x14\x30\x12\xa0\x03\x0a\x01\x00\xa1\x0b\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if checkReply(b, types.EncryptionKey{KeyType: 18, KeyValue: make([]byte, 32)}, types.Authenticator{}) == nil {
			t.Error("a token made without the key is the hub's proof")
		}
	})
}
