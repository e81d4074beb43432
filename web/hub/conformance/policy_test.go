package conformance_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"moromi/internal/cli"
	"moromi/internal/fault"
	"moromi/internal/xmlrpc"
)

// cliRun runs the client against a site and gives its status and what it printed.
func (s *site) cliRun(t *testing.T, user, in string, args ...string) (status int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	vars := map[string]string{"MOROMI_SERVER": s.url}
	if user != "" {
		vars["MOROMI_USER"], vars["MOROMI_PASSWORD"] = user, passwordOf(t, user)
	}
	status = cli.Run(t.Context(), args, cli.Env{In: strings.NewReader(in), Out: &o, Err: &e, Getenv: func(k string) string { return vars[k] }, Dir: t.TempDir(), Home: t.TempDir(),
		SystemDir: t.TempDir(), Now: time.Now, Zone: time.UTC})
	return status, o.String(), e.String()
}

func passwordOf(t *testing.T, user string) string {
	t.Helper()
	for _, a := range accounts() {
		if a.name == user {
			return a.password
		}
	}
	t.Fatalf("no password of %s", user)
	return ""
}

// TestPolicyClient goes through the life of a policy with the client.
func TestPolicyClient(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	file := filepath.Join(t.TempDir(), "new.conf")
	if err := os.WriteFile(file, []byte("[policy]\ntag =\n  user bob || match package foo :: allow\n  all :: deny not you\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for i, c := range []struct {
		user, in string
		args     string
		status   int
		out      []string // parts, in order
		err      string
	}{
		{"", "", "policy list", 0, []string{"Name", "Version", "build_rpm", "0  default", "volume"}, ""},
		{"", "", "policy show priority", 0, []string{"all :: stay\n"}, ""},
		{"", "", "policy show tag", 1, nil, "no such policy: tag"},
		{"alice", "all :: allow\n", "policy set tag", 1, nil, "admin permission required"},
		{"", "all :: allow\n", "policy set tag", 1, nil, ""},
		{"kojiadmin", "all :: allow\nnosuch x :: deny\n", "policy set tag", 1, nil, `policy tag, line 2, column 1: unknown test "nosuch"`},
		{"kojiadmin", "user alice && not has x :: deny no x\nall :: allow\n", "policy set tag --expect 0", 0, []string{"policy tag: version 1 (event "}, ""},
		{"kojiadmin", "all :: allow\n", "policy set tag --expect 0", 1, nil, "policy tag is at version 1, not 0"},
		{"kojiadmin", "user alice && not has x :: deny no x\nall :: allow\n", "policy set tag", 0, []string{"like that already (version 1)"}, ""},
		{"", "", "policy show tag", 0, []string{"user alice && not has x :: deny no x\nall :: allow\n"}, ""},
		{"", "", "policy explain tag user_id=alice", 0, []string{"+ tag 1: user alice && not has x :: deny no x\n", "yes   user alice\n", "no    has x\n", "deny no x (rule 1: user alice"}, ""},
		{"alice", "", "policy explain tag x:=null", 0, []string{"- tag 1", "yes   has x", "+ tag 2: all :: allow\n", "allow (rule 2"}, ""},
		{"alice", "none :: x", "policy explain tag --rules -", 1, nil, "admin permission required"},
		{"kojiadmin", "none :: x", "policy explain tag --rules -", 0, []string{"- tag 1: none :: x\n", "no rule holds (no rule holds)"}, ""},
		{"", "", "policy explain tag x:=[", 2, nil, "x: decode JSON"},
		{"", "", "policy nosuch", 2, nil, `unknown verb "nosuch" of policy`},
		{"kojiadmin", "", "policy check " + file, 0, []string{"policy tag: 2 rules\n"}, "policy tag, line 3, column 3: to Koji"},
		{"kojiadmin", "[policy]\na =\n (all :: x", "policy check -", 1, nil, "policy a, line 3, column 2: the parenthesis"},
	} {
		status, out, errs := s.cliRun(t, c.user, c.in, strings.Fields(c.args)...)
		if status != c.status || !strings.Contains(errs, c.err) || !inOrder(out, c.out) {
			t.Errorf("%d. %s as %q: status %d\n%s\n%s\nwant %d, %q and %q", i, c.args, c.user, status, out, errs, c.status, c.out, c.err)
		}
	}
	s.decide(t)
	for i, c := range []struct {
		args   string
		status int
		out    []string
	}{
		{"policy decisions tag --refused", 0, []string{"tag (version 1) for alice: deny no x (rule 1", "asked: build=1 operation=tag tag=1"}},
		{"policy try " + file, 1, []string{"tag (version 1) for alice: deny no x", "would be: deny not you", "2 decisions:"}},
		{"policy try " + file + " --since 2100-01-01", 0, []string{"0 decisions: 0 would be different, 0 cannot be told"}},
		{"policy try " + file + " --json", 1, []string{`"new_because": "rule 2: all :: deny not you"`, `"decisions": 2`}},
		{"policy remove tag --expect 1", 0, []string{"policy tag: version 2 (event "}},
		{"policy history tag", 0, []string{"tag version 1 by kojiadmin", "tag removed by kojiadmin"}},
		{"policy show tag --version 1", 0, []string{"user alice"}},
	} {
		status, out, errs := s.cliRun(t, "kojiadmin", "", strings.Fields(c.args)...)
		if i == 1 || i == 3 { // of the two, the admin's would be another
			c.out = c.out[len(c.out)-1:]
		}
		if status != c.status || !inOrder(out, c.out) {
			t.Errorf("%d. %s: status %d\n%s\n%s\nwant %d, %q", i, c.args, status, out, errs, c.status, c.out)
		}
	}
	names, err := (&client{site: s}).call("system.listMethods", nil)
	s.check(err)
	for _, n := range names.([]any) {
		if strings.HasPrefix(n.(string), "moromi.") {
			t.Errorf("%v is listed", n)
		}
	}
}

// decide has the policy tag refuse alice and let an administrator.
func (s *site) decide(t *testing.T) {
	t.Helper()
	admin := s.open(t, "kojiadmin")
	for _, c := range []struct {
		method string
		params []any
	}{{"createTag", []any{"t"}}, {"packageListAdd", []any{"t", "foo", "alice"}}, {"createEmptyBuild", []any{"foo", "1", "1", nil}}, {"grantPermission", []any{"alice", "tag"}}} {
		if _, err := admin.call(c.method, c.params); err != nil {
			t.Fatalf("%s: %v", c.method, err)
		}
	}
	_, err := s.open(t, "alice").call("tagBuildBypass", []any{"t", "foo-1-1"})
	var f *xmlrpc.Fault
	if !errors.As(err, &f) || f.Code != int(fault.ActionNotAllowed) || f.String != "policy violation (tag): no x [rule 1: user alice && not has x :: deny no x]" {
		t.Errorf("alice: %v", err)
	}
	if _, err := admin.call("tagBuildBypass", []any{"t", "foo-1-1"}); err != nil {
		t.Errorf("admin: %v", err)
	}
}

func inOrder(text string, parts []string) bool {
	for _, p := range parts {
		_, after, ok := strings.Cut(text, p)
		if !ok {
			return false
		}
		text = after
	}
	return true
}
