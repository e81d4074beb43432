// Package kdctest runs a Kerberos KDC for tests: MIT's, with a realm and all its files in a directory of the test, on a loopback port.
package kdctest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Realm is a running KDC with its realm.
type Realm struct {
	t    testing.TB
	Name string // TEST.LOCAL
	Dir  string
	Conf string // krb5.conf for clients and servers
	kdc  string // kdc.conf
	n    int
}

// patience bounds the start of the KDC; it is only reached when something hangs.
const patience = time.Minute

// startTries is how often the start is tried: another program may take the port in between.
const startTries = 5

// Start makes a realm and starts its KDC, which ends with the test. Without MIT's programs the test is skipped.
func Start(t testing.TB) *Realm {
	t.Helper()
	for _, name := range []string{"krb5kdc", "kadmin.local", "kdb5_util", "kinit"} {
		if program(name) == "" {
			t.Skipf("%s is not there; scripts/install-deps.sh --test installs it", name)
		}
	}
	r := &Realm{t: t, Name: "TEST.LOCAL", Dir: t.TempDir()}
	r.Conf, r.kdc = filepath.Join(r.Dir, "krb5.conf"), filepath.Join(r.Dir, "kdc.conf")
	r.configure(freePort(t))
	r.run("kdb5_util", "create", "-s", "-r", r.Name, "-P", "master")
	for try := 1; ; try++ {
		err := r.start()
		if err == nil {
			return r
		}
		if try == startTries {
			t.Fatal(err)
		}
		r.configure(freePort(t))
	}
}

// program finds a program that may lie where only administrators look; empty if it is not there.
func program(name string) string {
	for _, path := range []string{name, "/usr/sbin/" + name, "/usr/lib/mit/sbin/" + name} {
		if found, err := exec.LookPath(path); err == nil {
			return found
		}
	}
	return ""
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // only its number is wanted
	return l.Addr().(*net.TCPAddr).Port
}

func (r *Realm) configure(port int) {
	r.t.Helper()
	r.Write("krb5.conf", fmt.Sprintf(`[libdefaults]
	default_realm = %s
	dns_lookup_kdc = false
	dns_lookup_realm = false
	dns_canonicalize_hostname = false
	rdns = false
	udp_preference_limit = 1
	forwardable = true
[realms]
	%s = {
		kdc = 127.0.0.1:%d
	}
[domain_realm]
	localhost = %s
`, r.Name, r.Name, port, r.Name))
	r.Write("kdc.conf", fmt.Sprintf(`[kdcdefaults]
	kdc_listen = 127.0.0.1:%d
	kdc_tcp_listen = 127.0.0.1:%d
[realms]
	%s = {
		database_name = %s/principal
		key_stash_file = %s/stash
		acl_file = %s/kadm5.acl
		max_life = 10h
		max_renewable_life = 1d
	}
[logging]
	kdc = STDERR
	default = STDERR
`, port, port, r.Name, r.Dir, r.Dir, r.Dir))
}

// Write writes a file into the realm's directory and gives its path.
func (r *Realm) Write(name, text string) string {
	r.t.Helper()
	file := filepath.Join(r.Dir, name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
	return file
}

// Env is the environment of programs in the realm, with a credential cache if it is not empty.
func (r *Realm) Env(ccache string) []string {
	env := append(os.Environ(), "KRB5_CONFIG="+r.Conf, "KRB5_KDC_PROFILE="+r.kdc, "KRB5RCACHENAME=none:")
	if ccache != "" {
		env = append(env, "KRB5CCNAME="+ccache)
	}
	return env
}

// start runs the KDC and returns when it listens.
func (r *Realm) start() error {
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program("krb5kdc"), "-n")
	cmd.Env = r.Env("")
	stderr, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		cancel()
		return fmt.Errorf("start krb5kdc: %w", err)
	}
	ready, ended := make(chan struct{}), make(chan string, 1)
	go func() {
		var said strings.Builder
		for s, told := bufio.NewScanner(stderr), false; s.Scan(); {
			said.WriteString(s.Text() + "\n")
			if !told && strings.Contains(s.Text(), "commencing operation") {
				told = true
				close(ready)
			}
		}
		_ = cmd.Wait() // killed at the end
		ended <- said.String()
	}()
	select {
	case <-ready:
		r.t.Cleanup(func() {
			cancel()
			<-ended
		})
		return nil
	case said := <-ended:
		cancel()
		return errors.New("krb5kdc ended: " + said)
	case <-time.After(patience):
		cancel()
		return errors.New("krb5kdc does not start: " + <-ended)
	}
}

// run runs one of the programs to its end and gives its output.
func (r *Realm) run(name string, args ...string) string {
	r.t.Helper()
	return r.runIn(r.Env(""), "", name, args...)
}

func (r *Realm) runIn(env []string, stdin, name string, args ...string) string {
	r.t.Helper()
	cmd := exec.CommandContext(r.t.Context(), program(name), args...)
	cmd.Env, cmd.Stdin = env, strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// Add makes principals with random keys and gives a keytab with theirs.
func (r *Realm) Add(principals ...string) string {
	r.t.Helper()
	r.n++
	file := filepath.Join(r.Dir, fmt.Sprintf("%d.keytab", r.n))
	var script strings.Builder
	for _, p := range principals {
		fmt.Fprintf(&script, "addprinc -randkey %s\nktadd -k %s %s\n", p, file, p)
	}
	r.runIn(r.Env(""), script.String(), "kadmin.local")
	if _, err := os.Stat(file); err != nil {
		r.t.Fatalf("kadmin.local made no keytab for %v: %v", principals, err)
	}
	return file
}

// Kinit gets a ticket-granting ticket by a keytab and gives the credential cache, FILE:….
func (r *Realm) Kinit(keytab, principal string, args ...string) string {
	r.t.Helper()
	r.n++
	cache := "FILE:" + filepath.Join(r.Dir, fmt.Sprintf("%d.ccache", r.n))
	r.runIn(r.Env(cache), "", "kinit", append(append([]string{"-k", "-t", keytab}, args...), principal)...)
	return cache
}
