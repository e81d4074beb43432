package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"moromi/internal/hubclient"
)

// patience bounds each wait for a site on a machine that does other things, too. It is only reached when something hangs.
const patience = 2 * time.Minute

// daemon is a running `moromid up` or `moromid hub`.
type daemon struct {
	t     testing.TB
	dir   string
	url   string // http://127.0.0.1:PORT, or https
	http  *http.Client
	cmd   *exec.Cmd
	ended chan struct{}

	mu  sync.Mutex
	log strings.Builder
}

var listening = regexp.MustCompile(`msg=listening address=(\S+) tls=(\S+)`)

// up starts a site without builder in dir and returns when it is ready.
func up(t testing.TB, dir string, args ...string) *daemon {
	t.Helper()
	d := start(t, dir, args...)
	if d.url == "" {
		t.Fatalf("it ended before it listened:\n%s", d.said())
	}
	d.waitReady()
	return d
}

// start is up without the wait for readiness. The daemon listens, or has ended.
func start(t testing.TB, dir string, args ...string) *daemon {
	t.Helper()
	args = append([]string{"up", "--data", dir, "--listen", "127.0.0.1:0", "--no-builder"}, args...)
	d := &daemon{t: t, dir: dir, ended: make(chan struct{}), cmd: moromid(context.WithoutCancel(t.Context()), t, args...)}
	stderr, err := d.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	address := make(chan string, 1)
	go func() {
		d.read(stderr, address)
		_ = d.cmd.Wait() // how it ended is in ProcessState
		close(address)
		close(d.ended)
	}()
	t.Cleanup(func() {
		d.signal(syscall.SIGTERM)
		d.wait()
		if t.Failed() {
			t.Logf("the daemon said:\n%s", d.said())
		}
	})
	select {
	case a, ok := <-address:
		if ok {
			d.url = a
			d.http = &http.Client{Transport: transport(t, d.authorities(args))}
		}
	case <-time.After(patience):
		t.Fatalf("it does not listen:\n%s", d.said())
	}
	return d
}

// authorities is the file with the certificates that a daemon's clients trust; empty without TLS.
func (d *daemon) authorities(args []string) string {
	if slices.Contains(args, "--tls") {
		return filepath.Join(d.dir, "tls", "ca.pem")
	}
	if i := slices.Index(args, "--tls-cert"); i >= 0 {
		return args[i+1]
	}
	return ""
}

// transport makes connections of its own that trust the certificates in a file, and shows the certificates given.
func transport(t testing.TB, authorities string, certs ...tls.Certificate) *http.Transport {
	t.Helper()
	tr := http.DefaultTransport.(*http.Transport).Clone()
	t.Cleanup(tr.CloseIdleConnections)
	tr.TLSClientConfig = &tls.Config{RootCAs: x509.NewCertPool(), GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		if len(certs) == 0 {
			return &tls.Certificate{}, nil
		}
		return &certs[0], nil // also one that the hub would not want
	}}
	if authorities != "" && !tr.TLSClientConfig.RootCAs.AppendCertsFromPEM([]byte(readFile(t, authorities))) {
		t.Fatalf("%s has no certificate", authorities)
	}
	return tr
}

func (d *daemon) read(r io.Reader, address chan<- string) {
	found := false
	for s := bufio.NewScanner(r); s.Scan(); {
		d.mu.Lock()
		d.log.WriteString(s.Text() + "\n")
		d.mu.Unlock()
		if m := listening.FindStringSubmatch(s.Text()); m != nil && !found {
			found = true
			address <- map[string]string{"true": "https://", "false": "http://"}[m[2]] + m[1]
		}
	}
}

func (d *daemon) said() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.log.String()
}

func (d *daemon) signal(s syscall.Signal) {
	select {
	case <-d.ended:
	default:
		_ = d.cmd.Process.Signal(s) // it may have ended just now
	}
}

// wait waits for the daemon's end and gives its exit status, -1 if a signal ended it.
func (d *daemon) wait() int {
	d.t.Helper()
	select {
	case <-d.ended:
		return d.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		_ = d.cmd.Process.Kill()
		d.t.Fatalf("the daemon does not end:\n%s", d.said())
		return -1
	}
}

// stop ends it as an operator does.
func (d *daemon) stop() {
	d.t.Helper()
	d.signal(syscall.SIGTERM)
	if status := d.wait(); status != 0 {
		d.t.Fatalf("status %d after SIGTERM:\n%s", status, d.said())
	}
}

// kill ends it as a crash does.
func (d *daemon) kill() {
	d.t.Helper()
	d.signal(syscall.SIGKILL)
	d.wait()
}

// waitReady asks for readiness as a monitor does.
func (d *daemon) waitReady() { d.t.Helper(); d.waitReadyFor(patience) }

// waitReadyFor is waitReady for a site that has much to do before.
func (d *daemon) waitReadyFor(patience time.Duration) {
	d.t.Helper()
	end := time.Now().Add(patience)
	for {
		resp, err := d.http.Get(d.url + "/readyz")
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-d.ended:
			d.t.Fatalf("it ended:\n%s", d.said())
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(end) {
			d.t.Fatalf("not ready: %v\n%s", err, d.said())
		}
	}
}

// client is a client that does not hide failures by trying again.
func (d *daemon) client() *hubclient.Client {
	return hubclient.New(d.url+"/kojihub", hubclient.Options{HTTP: d.http, MaxRetries: -1})
}

// login gives a client that is logged in.
func (d *daemon) login(user, password string) (*hubclient.Client, error) {
	c := d.client()
	return c, c.Login(d.t.Context(), user, password)
}

// admin gives a client of the administrator that the first start made.
func (d *daemon) admin() *hubclient.Client {
	d.t.Helper()
	c, err := d.login("kojiadmin", readFile(d.t, filepath.Join(d.dir, "admin.password")))
	if err != nil {
		d.t.Fatal(err)
	}
	return c
}

// postgres is the process id of the site's PostgreSQL.
func (d *daemon) postgres() int {
	d.t.Helper()
	first, _, _ := strings.Cut(readFile(d.t, filepath.Join(d.dir, "postgres", "data", "postmaster.pid")), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		d.t.Fatal(err)
	}
	return pid
}

// siteDir is a directory for a site. Where there is room in memory it lies there: a crash of a program loses nothing that it
// has written, so these tests would only wait for the disk.
func siteDir(t testing.TB) string {
	t.Helper()
	const memory, room = "/dev/shm", 4 << 30
	var fs unix.Statfs_t
	if unix.Statfs(memory, &fs) != nil || fs.Bavail*uint64(fs.Bsize) < room || unix.Access(memory, unix.W_OK|unix.X_OK) != nil {
		return filepath.Join(t.TempDir(), "site")
	}
	dir, err := os.MkdirTemp(memory, "moromid-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return filepath.Join(dir, "site")
}

func readFile(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

// isRunning tells whether a process is there and is PostgreSQL: the number may be somebody else's by now.
func isRunning(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return err == nil && strings.HasPrefix(string(b), "postgres")
}

// wantSound checks the ledger and the read models of a site, running or not.
func wantSound(t testing.TB, args ...string) {
	t.Helper()
	if out := mustVerb(t, "", append([]string{"fsck"}, args...)...); !strings.HasPrefix(out, "whole: ") {
		t.Errorf("fsck says %q", out)
	}
	if out := mustVerb(t, "", append([]string{"replay", "--verify"}, args...)...); !strings.HasPrefix(out, "equal: ") {
		t.Errorf("replay says %q", out)
	}
}
