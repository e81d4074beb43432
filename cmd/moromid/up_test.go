package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"moromi/events/esdbledger/testnode"
	"moromi/internal/fault"
	"moromi/internal/hubclient"
	"moromi/internal/koji"
)

// TestUp is a site's first day: everything that an operator does with it, while it runs and while it does not.
func TestUp(t *testing.T) {
	t.Parallel()
	dir := siteDir(t)
	d := up(t, dir)
	info, err := os.Stat(filepath.Join(dir, "admin.password"))
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("admin.password: %v, %v, want mode 0600", info, err)
	}
	c := d.admin()
	if v, err := c.Call(t.Context(), "createTag", "dist"); err != nil || v != int64(1) {
		t.Errorf("createTag: %v, %v", v, err)
	}
	wantRefused(t, exitFailed, dir+" is already running", "up", "--data", dir, "--listen", "127.0.0.1:0", "--no-builder")
	wantRefused(t, exitFailed, "listen on "+strings.TrimPrefix(d.url, "http://"), "up", "--data", t.TempDir(), "--listen", strings.TrimPrefix(d.url, "http://"))

	mustVerb(t, "rosebud\n", "user", "add", "alice", "--data", dir, "--password-stdin", "--perm", "tag", "--perm", "repo")
	alice, err := d.login("alice", "rosebud")
	if err != nil {
		t.Fatal(err)
	}
	if v, err := alice.Call(t.Context(), "getPerms"); err != nil || !slices.Equal(slices.Sorted(slices.Values(hubclient.Strings(v))), []string{"repo", "tag"}) {
		t.Errorf("alice may %v, %v", v, err)
	}
	wantRefused(t, exitFailed, "alice", "user", "add", "alice", "--data", dir)
	wantRefused(t, exitFailed, `no permission "everything"`, "user", "add", "eve", "--data", dir, "--perm", "everything")
	if v, err := c.Call(t.Context(), "getUser", "eve"); err != nil || v != nil {
		t.Errorf("eve is %v, %v after she was refused", v, err)
	}
	mustVerb(t, "builderpw\n", "user", "add", "builder1", "--host", "--data", dir, "--password-stdin")
	if v, err := c.Call(t.Context(), "getUser", "builder1"); err != nil || hubclient.Int(hubclient.Struct(v)["usertype"]) != int64(koji.UserHost) {
		t.Errorf("builder1 is %v, %v", v, err)
	}
	mustVerb(t, "sled\n", "user", "password", "alice", "--password-stdin", "--data", dir)
	wantLogin(t, d, "alice", "rosebud", false)
	wantLogin(t, d, "alice", "sled", true)
	mustVerb(t, "", "user", "block", "alice", "--data", dir)
	wantLogin(t, d, "alice", "sled", false)
	if out := mustVerb(t, "", "migrate", "--data", dir); !strings.HasPrefix(out, "up to date at event ") {
		t.Errorf("migrate says %q", out)
	}
	wantSound(t, "--data", dir)

	pid := d.postgres()
	if !isRunning(pid) {
		t.Fatalf("PostgreSQL is not process %d", pid)
	}
	d.stop()
	if isRunning(pid) {
		t.Errorf("PostgreSQL, process %d, is left", pid)
	}

	// the same verbs start PostgreSQL for themselves, and end it
	mustVerb(t, "", "user", "unblock", "alice", "--data", dir)
	mustVerb(t, "bobpw\n", "user", "add", "bob", "--data", dir, "--password-stdin")
	mustVerb(t, "bobpw2\n", "user", "password", "bob", "--password-stdin", "--data", dir)
	wantRefused(t, exitFailed, `there is no user "nobody"`, "user", "block", "nobody", "--data", dir)
	mustVerb(t, "", "migrate", "--data", dir)
	wantSound(t, "--data", dir)
	if _, err := os.Stat(filepath.Join(dir, "postgres", "data", "postmaster.pid")); !os.IsNotExist(err) {
		t.Errorf("a verb left PostgreSQL running: %v", err)
	}

	d = up(t, dir)
	wantLogin(t, d, "alice", "sled", true)
	wantLogin(t, d, "bob", "bobpw2", true)
	if v, err := d.admin().Call(t.Context(), "getTagID", "dist"); err != nil || v != int64(1) {
		t.Errorf("the tag is %v, %v after a restart", v, err)
	}
	d.signal(syscall.SIGINT)
	if status := d.wait(); status != 0 {
		t.Errorf("status %d after SIGINT", status)
	}
}

func wantLogin(t *testing.T, d *daemon, user, password string, want bool) {
	t.Helper()
	c, err := d.login(user, password)
	switch {
	case want && err != nil:
		t.Errorf("%s cannot log in: %v", user, err)
	case !want && !fault.Is(err, fault.Auth):
		t.Errorf("%s with a wrong password or blocked: %v, want a fault %d", user, err, fault.Auth)
	case want:
		if err := c.Logout(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func TestPolicyFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "hub.conf")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	site := siteDir(t)
	for _, c := range []struct{ why, text string }{
		{"hub.conf", "[policy]\ntag =\n    is_child_of :: allow\n"},
		{"hub.conf", "[policy]\ntag =\n    has_perm tag allow\n"},
		{"hub.conf", "[policy]\ntag =\n    has_perm tag :: {\n"},
	} {
		write(c.text)
		wantRefused(t, exitFailed, c.why, "up", "--data", site, "--listen", "127.0.0.1:0", "--no-builder", "--policy", file)
	}
	wantRefused(t, exitFailed, "no such file", "up", "--data", site, "--listen", "127.0.0.1:0", "--no-builder", "--policy", file+".other")

	write("[policy]\ntag =\n    all :: deny not on Fridays\n")
	d := up(t, site, "--policy", file)
	says := func(want string) {
		t.Helper()
		if v, err := d.client().Call(t.Context(), "evalPolicy", "tag", map[string]any{}); err != nil || v != want {
			t.Errorf("the policy says %v, %v, want %s", v, err, want)
		}
	}
	says("deny not on Fridays")
	d.stop()
	d = up(t, site) // what the file said is in the ledger
	says("deny not on Fridays")
	if _, err := d.admin().Call(t.Context(), "moromi.setPolicy", "tag", "all :: deny not today"); err != nil {
		t.Fatal(err)
	}
	says("deny not today")
	d.stop()
	d = up(t, site)
	says("deny not today")
	d.stop()
	d = up(t, site, "--policy", file) // the file wins
	says("deny not on Fridays")
	d.stop()
	if log := d.said(); !strings.Contains(log, "replaced what a user had set") {
		t.Errorf("it does not say so:\n%s", log)
	}
	wantSound(t, "--data", site)
}

// TestLedgerOnEventStore has the ledger on another server than the read models.
func TestLedgerOnEventStore(t *testing.T) {
	t.Parallel()
	node := testnode.Start(t)
	dir := siteDir(t)
	d := up(t, dir, "--ledger", node.URL())
	if _, err := d.admin().Call(t.Context(), "createTag", "dist"); err != nil {
		t.Fatal(err)
	}
	d.stop()
	d = up(t, dir, "--ledger", node.URL())
	if v, err := d.client().Call(t.Context(), "getTagID", "dist"); err != nil || v != int64(1) {
		t.Errorf("the tag is %v, %v after a restart", v, err)
	}
	wantSound(t, "--data", dir, "--ledger", node.URL())
	wantRefused(t, exitUsage, "want esdb://", "fsck", "--data", dir, "--ledger", "http://localhost:2113")
}
