package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"moromi/internal/hubclient"
	"moromi/internal/kdctest"
	"moromi/internal/koji"
	"moromi/internal/localca"
)

// TestBuilderLogins: a build host logs in by each of the ways that there are, over TLS. Its work directory is another builder's, so that is all
// it does.
func TestBuilderLogins(t *testing.T) {
	t.Parallel()
	realm := kdctest.Start(t)
	dir := siteDir(t)
	d := up(t, dir, "--tls", "--keytab", realm.Add("HTTP/localhost"))
	mustVerb(t, "pw\n", "user", "add", "b1", "--host", "--data", dir, "--password-stdin")
	if _, err := d.admin().Call(t.Context(), "addUserKrbPrincipal", "b1", "compile/b1.example.com@TEST.LOCAL"); err != nil {
		t.Fatal(err)
	}
	keytab := realm.Add("compile/b1.example.com")
	authority, err := localca.Open(filepath.Join(dir, "tls"), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer authority.Close() //nolint:errcheck // nothing is written at the end
	cert, err := authority.EnsureUser("b1")
	if err != nil {
		t.Fatal(err)
	}
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("pw\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	work := t.TempDir()
	lock, err := os.Create(filepath.Join(work, "lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close() //nolint:errcheck // it holds nothing
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	base := strings.Replace(d.url, "127.0.0.1", "localhost", 1)
	for _, c := range []struct {
		how      string
		authType koji.AuthType
	}{
		{"user = b1\npassword_file = " + password, koji.AuthNormal},
		{"cert = " + filepath.Join(dir, "tls", cert), koji.AuthSSL},
		{"keytab = " + keytab + "\nkrb_principal = compile/b1.example.com@TEST.LOCAL", koji.AuthGSSAPI},
		{"keytab = " + keytab + "\nhost_principal_format = wrong/%s@TEST.LOCAL", -1},
	} {
		conf := filepath.Join(t.TempDir(), "builder.conf")
		text := fmt.Sprintf("[builder]\nserver = %s/kojihub\ntopurl = %s/kojifiles\nserverca = %s\nworkdir = %s\nforce_lock = yes\n%s\n",
			base, base, filepath.Join(dir, "tls", "ca.pem"), work, c.how)
		if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := moromid(t.Context(), t, "builder", "--config", conf)
		cmd.Env = append(cmd.Env, "KRB5_CONFIG="+realm.Conf)
		said, _ := cmd.CombinedOutput() // it fails, one way or the other
		if c.authType < 0 {
			if !strings.Contains(string(said), "get a Kerberos ticket for wrong/") {
				t.Errorf("%s: it says %s", c.how, said)
			}
			continue
		}
		if !strings.Contains(string(said), "another builder works in") {
			t.Errorf("%s: it says %s", c.how, said)
		}
		v, err := d.admin().Call(t.Context(), "getSessionInfo", false, "b1")
		if err != nil {
			t.Fatal(err)
		}
		if last := hubclient.Structs(v); len(last) != 1 || last[0]["authtype"] != int64(c.authType) || last[0]["exclusive"] != true {
			t.Errorf("%s: sessions %v", c.how, v)
		}
	}
}
