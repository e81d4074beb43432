package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// asProgram makes a run of the test program a run of moromid itself, with the command line that follows.
const asProgram = "MOROMID_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// moromid is a command that runs the program. It is killed when ctx ends.
func moromid(ctx context.Context, t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	return cmd
}

// verb runs one of the operator's verbs to its end.
func verb(t testing.TB, stdin string, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	var out, complaint bytes.Buffer
	cmd := moromid(t.Context(), t, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &complaint
	err := cmd.Run()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		t.Fatalf("moromid %s: %v", strings.Join(args, " "), err)
	}
	return out.String(), complaint.String(), cmd.ProcessState.ExitCode()
}

// mustVerb runs a verb that has to succeed, and gives what it said.
func mustVerb(t testing.TB, stdin string, args ...string) string {
	t.Helper()
	out, complaint, status := verb(t, stdin, args...)
	if status != 0 {
		t.Fatalf("moromid %s: status %d: %s%s", strings.Join(args, " "), status, out, complaint)
	}
	return out
}

// wantRefused runs a verb that has to end with a status and say why, in one line.
func wantRefused(t testing.TB, status int, why string, args ...string) {
	t.Helper()
	_, complaint, got := verb(t, "", args...)
	last := strings.TrimSpace(complaint)
	if i := strings.LastIndexByte(last, '\n'); i >= 0 {
		last = last[i+1:]
	}
	if got != status || !strings.HasPrefix(last, "moromid: ") || !strings.Contains(last, why) {
		t.Errorf("moromid %s: status %d, says %q; want status %d and %q", strings.Join(args, " "), got, complaint, status, why)
	}
}

func TestWrongUsage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		why  string
		args []string
	}{
		{`unknown verb "strat"`, []string{"strat"}},
		{"--data DIR", []string{"up"}},
		{"--no-such", []string{"up", "--no-such"}},
		{"see moromid up --help", []string{"up", "--data", "x", "extra"}},
		{"--config FILE", []string{"builder"}},
		{"where the site is", []string{"hub"}},
		{"where the site is", []string{"fsck"}},
		{"where the site is", []string{"migrate"}},
		{"--verify", []string{"replay", "--data", "x"}},
		{"arg(s)", []string{"user", "add", "--data", "x"}},
		{"--password-stdin", []string{"user", "password", "alice", "--data", "x"}},
		{`unknown command "ad"`, []string{"user", "ad", "alice"}},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			t.Parallel()
			wantRefused(t, exitUsage, c.why, c.args...)
		})
	}
}

func TestVersionAndHelp(t *testing.T) {
	t.Parallel()
	if out := mustVerb(t, "", "--version"); !strings.Contains(out, version) {
		t.Errorf("--version says %q", out)
	}
	out := mustVerb(t, "", "--help")
	for _, name := range []string{"up", "hub", "builder", "migrate", "replay", "fsck", "user"} {
		if !strings.Contains(out, "\n  "+name+" ") {
			t.Errorf("--help does not name %s:\n%s", name, out)
		}
	}
}

func TestNoSite(t *testing.T) {
	t.Parallel()
	wantRefused(t, exitFailed, "there is no site in", "fsck", "--data", t.TempDir())
}

// TestDatabaseURLKeepsItsPassword: an address that cannot be read is refused without being quoted.
func TestDatabaseURLKeepsItsPassword(t *testing.T) {
	t.Parallel()
	const password = "pa55word"
	for _, url := range []string{"postgres://u:" + password + "@host:port/x", "postgres://h/x?password=" + password + "&sslmode=odd", "%" + password} {
		out, complaint, status := verb(t, "", "fsck", "--database-url", url)
		if status == 0 || strings.Contains(out+complaint, password) || !strings.Contains(complaint, "database URL") {
			t.Errorf("%s: status %d, %q %q", url, status, out, complaint)
		}
	}
}
