package scm

import (
	"slices"
	"strings"
	"testing"

	"moromi/internal/fault"
)

// urlCases are addresses and their canonical form; empty means refused.
func urlCases() [][2]string {
	long := strings.Repeat("a", 10<<10)
	same := func(s string) [2]string { return [2]string{s, s} }
	no := func(s string) [2]string { return [2]string{s, ""} }
	var cases [][2]string
	for _, scheme := range []string{"git+https", "git+ssh", "svn", "cvs"} {
		for _, rest := range []string{"h", "h/a", "h/#r", "-h/a?m#r", "u:p@h/a?m#r", "h/%2e%2e/a?m#r", "h/a;b?m#r", "h/a?../m#r", "h/a?m#-r", "h/a?m#r:s"} {
			cases = append(cases, no(scheme+"://"+rest))
		}
	}
	return append(cases, [][2]string{
		// Plain ones, every scheme.
		same("git://host/path#rev"), same("git+http://host/path#rev"), same("git+https://host/path#rev"), same("git+rsync://host/path#rev"),
		same("git+ssh://user@host/path#rev"), same("svn://host/path?trunk#12"), same("svn+http://host/path?trunk#12"),
		same("svn+https://host/path?trunk#12"), same("svn+ssh://user@host/path?trunk#12"), same("cvs://host/path?module#HEAD"), same("cvs+ssh://user@host/path?module#HEAD"),
		same("git+https://src.example.org/rpms/bash.git#f42"), same("git+https://src.example.org/rpms/bash/.git#f42"),
		same("git+https://src.example.org:8443/rpms/bash#0123456789012345678901234567890123456789"), same("git://127.0.0.1:9418/rpms/x#main"),
		same("git://[::1]/rpms/x#main"), same("git://[fe80::1]:9418/rpms/x#main"), same("git+https://u_ser.na-me@host/x#main"),
		same("git+https://host/a/b/c/d?sub/dir#origin/main"), same("git://host/x?dir#a/b"), same("git://host/x#HEAD~1"), same("git://host/x#v1.0^0"),
		same("git://host/x?a#b#c"), same("git://host/~user/x#main"), same("git://host/x+y/z_1.2-3#main"), same("git://host/x%20y#main"), same("git://host/été#main"),
		same("git://host/x#refs/heads/main"), same("git://host/x@y#main"), same("git://host/x:y#main"),
		// Cleaned.
		{"git://host/a//b#main", "git://host/a/b#main"}, {"git://host//a/b#main", "git://host/a/b#main"}, {"git://host/a/b/#main", "git://host/a/b#main"},
		{"git://host/a/./b#main", "git://host/a/b#main"}, {"git://host/a/../b#main", "git://host/b#main"}, {"git://host/../../b#main", "git://host/b#main"},
		{"git://host/a/b/..#main", "git://host/a#main"}, {"git://host/a?sub/#main", "git://host/a?sub#main"}, {"git://host/a?#main", "git://host/a#main"},
		{"git://host///////a#main", "git://host/a#main"}, {"git://@host/a#main", "git://host/a#main"}, {"git://host/a?/#main", "git://host/a#main"},
		{"git+https://good/rpms/../../evil/x#main", "git+https://good/evil/x#main"},
		// No source control at all.
		no(""), no("x"), no("x.src.rpm"), no("cli-build/123/x.src.rpm"), no("http://host/x#main"), no("https://host/x#main"), no("ssh://host/x#main"), no("file:///x#main"),
		no("git+file:///x#main"), no("git+ext://host/x#main"), no("ext::sh -c id#main"), no("git::ext::sh#main"), no("git+ext::sh://host/x#main"), no("GIT://host/x#main"),
		no("git:/host/x#main"), no("git:host/x#main"), no(" git://host/x#main"), no("git+svn://host/x#main"), no("hg://host/x#main"), no("bzr://host/x#main"), no("cvs+http://host/x?m#r"),
		no("://host/x#main"), no("git"), no("git://"), no("git+://host/x#r"),
		// Missing parts.
		no("git://host#main"), no("git://host/#main"), no("git://host/a"), no("git://host/a#"), no("git:///a#main"), no("git://host?x#main"), no("git://#main"), no("git://host//#main"),
		no("git://host/..#main"), no("git://host/.#main"), no("git://host/a/..#main"), no("git://host/.git#main"), no("git://host/x/../.git#main"),
		// Users, passwords and hosts.
		no("git://user:pw@host/a#main"), no("git://user:@host/a#main"), no("git://:pw@host/a#main"), no("git://a@b@host/a#main"), no("git://-user@host/a#main"), no("git+ssh://-oProxyCommand=id@host/a#main"),
		no("git+ssh://-oProxyCommand=id/a#main"), no("git://-host/a#main"), no("git://ho st/a#main"), no("git://host:port/a#main"), no("git://host:/a#main"), no("git://host:123456/a#main"),
		no("git://host:22:33/a#main"), no("git://[::1/a#main"), no("git://[::1]x/a#main"), no("git://[]/a#main"), no("git://[-]/a#main"), no("git://ho%2fst/a#main"), no("git://höst/a#main"),
		no("git://host\x00/a#main"), no("git://host,evil/a#main"), no("git://host$x/a#main"), no("git://`id`/a#main"), no("git://host;id/a#main"), no("git://us`er@host/a#main"), no("git://../a#main"), no("git://.host/a#main"), no("git://a..b/a#main"),
		// Paths that mean something else to a server, a shell or git.
		no("git://host/a;x=1#main"), no("git://host/a;x/b#main"), no("git://host/%2e%2e/b#main"), no("git://host/a/%2E%2E/b#main"), no("git://host/a/.%2e/b#main"), no("git://host/a/%2e/b#main"),
		no("git://host/a%2fb#main"), no("git://host/a%2Fb#main"), no("git://host/a%5cb#main"), no("git://host/a\\b#main"), no("git://host/a\\..\\b#main"), no("git://host/a%00b#main"), no("git://host/a\x00b#main"),
		no("git://host/a%0ab#main"), no("git://host/a\nb#main"), no("git://host/a\tb#main"), no("git://host/a\rb#main"), no("git://host/a b#main"), no("git://host/a%#main"), no("git://host/a%zz#main"),
		no("git://host/%252e%252e/b#main"), no("git://host/\u2024\u2024/b#main"), no("git://host/\uff0e\uff0e/b#main"), no("git://host/a\u2215b#main"), no("git://host/a\u200bb#main"), no("git://host/a\ufeffb#main"), no("git://host/a\x7fb#main"),
		no("git://host/-x#main"), no("git://host/a/-x#main"), no("git://host/--upload-pack=id#main"), no("git://host/a/--upload-pack=id#main"), no("git://host/a/..git#main"), no("git://host/a%ff#main"),
		// Modules.
		no("git://host/a?../b#main"), no("git://host/a?b/../../c#main"), no("git://host/a?/etc#main"), no("git://host/a?-x#main"), no("git://host/a?--x#main"), no("git://host/a?.git#main"), no("git://host/a?b/.git/hooks#main"),
		no("git://host/a?b//c#main"), no("git://host/a?./b#main"), no("git://host/a?%2e%2e#main"), no("git://host/a?b%2fc#main"), no("git://host/a?b c#main"), no("git://host/a?.#main"), no("git://host/a?..#main"), no("git://host/a?b%00#main"),
		// Revisions.
		no("git://host/a#-x"), no("git://host/a#--upload-pack=id"), no("git://host/a#+main"), no("git://host/a#main:refs/heads/x"), no("git://host/a#a b"), no("git://host/a#a*"), no("git://host/a#a?"), no("git://host/a#[a"),
		no("git://host/a#a..b"), no("git://host/a#a\\b"), no("git://host/a#a\nb"), no("git://host/a#origin/"), no("git://host/a#origin/-x"), no("git://host/a#origin/+x"), no("git://host/a#a@{1}"), no("git://host/a#^main"), no("git://host/a#\x00"),
		// Size.
		no("git://host/" + long + "#main"), no("git://" + long + "/a#main"), no("git://host/a?" + long + "#main"), no("git://host/a#" + long),
	}...)
}

func TestParse(t *testing.T) {
	t.Parallel()
	cases := urlCases()
	if len(cases) < 200 {
		t.Errorf("%d cases, there should be 200", len(cases))
	}
	for _, c := range cases {
		u, err := Parse(c[0], false)
		switch {
		case c[1] == "" && err == nil:
			t.Errorf("%.100q is taken as %+v", c[0], u)
		case c[1] == "" && fault.Of(err) == nil:
			t.Errorf("%.100q: %v is no fault", c[0], err)
		case c[1] != "" && err != nil:
			t.Errorf("%.100q: %v", c[0], err)
		case c[1] != "" && u.String() != c[1]:
			t.Errorf("%.100q is %q, want %q", c[0], u, c[1])
		}
	}
}

func TestParseFields(t *testing.T) {
	t.Parallel()
	u, err := Parse("git+https://me:se%40cret@host:8443/rpms/bash.git?sub/dir#origin/f42", true)
	want := URL{"git+https", "me", "se%40cret", "host:8443", "/rpms/bash.git", "sub/dir", "origin/f42"}
	if err != nil || u != want {
		t.Errorf("got %+v, %v", u, err)
	}
	if u.Kind() != Git || u.Name() != "bash" || u.Source("abc") != "git+https://host:8443/rpms/bash.git?sub/dir#abc" {
		t.Errorf("kind %s, name %s, source %s", u.Kind(), u.Name(), u.Source("abc"))
	}
	info := u.Info()
	if strings.Contains(info["url"].(string), "cret") || info["scmtype"] != "GIT" || info["scheme"] != "git+https://" || info["user"] != "me" {
		t.Errorf("info %v", info)
	}
	if _, err := Parse("git://me:secret@host/a#b", false); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("the message tells the password: %v", err)
	}
}

func TestAllow(t *testing.T) {
	t.Parallel()
	const rules = "!bad.example.org:* src.example.org:/rpms/*:no: pkgs.*:/[a-c]?/*:yes:fedpkg,sources 127.0.0.1*:/*:0 !host:/private/* host:/* nonsense"
	parsed, bad := ParseRules(rules)
	if len(parsed) != 6 || len(bad) != 1 || bad[0] != "nonsense" {
		t.Fatalf("%d rules, bad %v", len(parsed), bad)
	}
	tests := []struct {
		url     string
		ok      bool
		common  bool
		command string
	}{
		{"git://src.example.org/rpms/x#r", true, false, ""},
		{"git://src.example.org/rpms/a/b#r", true, false, ""},
		{"git://src.example.org/other/x#r", false, false, ""},
		{"git://src.example.org/rpms/../other/x#r", false, false, ""},
		{"git://pkgs.fedoraproject.org/ab/x#r", true, true, "fedpkg sources"},
		{"git://pkgs.fedoraproject.org/db/x#r", false, false, ""},
		{"git://127.0.0.1:9418/x#r", true, false, "make sources"},
		{"git://bad.example.org/x#r", false, false, ""},
		{"git://host/x#r", true, true, "make sources"},
		{"git://host/private/x#r", false, false, ""},
		{"git://host:9418/x#r", false, false, ""},
		{"git://xhost/x#r", false, false, ""},
	}
	for _, tt := range tests {
		u, err := Parse(tt.url, false)
		if err != nil {
			t.Fatal(err)
		}
		o, err := Allow(parsed, u)
		if (err == nil) != tt.ok || o.UseCommon != tt.common || strings.Join(o.Command, " ") != tt.command {
			t.Errorf("%s: %+v, %v", tt.url, o, err)
		}
		if err != nil && (!fault.Is(err, fault.Build) || !strings.Contains(err.Error(), u.Host+":"+u.Repository+" is not in the list of allowed SCMs")) {
			t.Errorf("%s: %v", tt.url, err)
		}
	}
}

func TestApplyPolicy(t *testing.T) {
	t.Parallel()
	u := URL{Scheme: "git", Host: "h", Repository: "/r", Revision: "x"}
	tests := []struct {
		answer, command, fail string
		common                bool
	}{
		{"allow", "make sources", "", false},
		{"allow use_common", "make sources", "", true},
		{"allow none", "", "", false},
		{"ALLOW use_common fedpkg sources", "fedpkg sources", "", true},
		{"deny", "", "SCM: h:/r is not allowed, reason: None", false},
		{"deny not here", "", "SCM: h:/r is not allowed, reason: not here", false},
		{"", "", "SCM: h:/r is not allowed, reason: None", false},
	}
	for _, tt := range tests {
		o, err := ApplyPolicy(tt.answer, u, DefaultOptions())
		if tt.fail != "" {
			if err == nil || err.Error() != tt.fail {
				t.Errorf("%q: %v", tt.answer, err)
			}
		} else if err != nil || strings.Join(o.Command, " ") != tt.command || o.UseCommon != tt.common {
			t.Errorf("%q: %+v, %v", tt.answer, o, err)
		}
	}
}

func TestMatchAny(t *testing.T) {
	t.Parallel()
	tests := []struct {
		patterns, text string
		want           bool
	}{
		{"", "i686", false}, {"i?86", "i686", true}, {"a b*", "bc", true}, {"[!a]b", "ab", false}, {"[!a]b", "cb", true}, {"[a-c]x", "bx", true},
		{"[", "[", true}, {"[]x]", "]", true}, {"*", "a/b", true}, {"a.b", "axb", false}, {"[z-a]", "z", false}, {"[^a]", "^", true}, {`[\]`, `\`, true},
	}
	for _, tt := range tests {
		if got := MatchAny(tt.patterns, tt.text); got != tt.want {
			t.Errorf("MatchAny(%q, %q) = %t", tt.patterns, tt.text, got)
		}
	}
}

// checkArgv holds what must be true of the command lines for any address that was taken.
func checkArgv(t *testing.T, u URL) {
	t.Helper()
	p, err := commands(u)
	if err != nil {
		return // such as svn+ssh without a user
	}
	fixed := map[string]bool{"-c": true, "-n": true, "--": true, "--hard": true, "--non-interactive": true, "-r": true, "-d": true}
	list := append([]Command{p.common}, p.get...)
	if p.recover != nil {
		list = append(list, *p.recover)
	}
	for _, c := range list {
		for _, word := range c.Argv {
			if strings.HasPrefix(word, "-") && !fixed[word] {
				t.Errorf("%s: word %q of %q", u, word, c.Argv)
			}
			if strings.Contains(word, "://") && (!strings.Contains(word, u.Host) || strings.Contains(word, "/../")) {
				t.Errorf("%s: word %q leaves the host or path", u, word)
			}
			if strings.ContainsAny(word, "\x00\n\r ") {
				t.Errorf("%s: word %q", u, word)
			}
		}
		if strings.HasPrefix(c.Dir, "/") || slices.Contains(strings.Split(c.Dir, "/"), "..") {
			t.Errorf("%s: directory %q", u, c.Dir)
		}
	}
}

func TestCommands(t *testing.T) {
	t.Parallel()
	flags := "git -c core.hooksPath=/dev/null -c core.fsmonitor=false -c submodule.recurse=false "
	tests := []struct{ url, first, common string }{
		{"git+https://host/rpms/bash.git#f42", flags + "clone -n -- https://host/rpms/bash.git bash", "https://host/rpms/common.git"},
		{"git+https://host/rpms/bash/.git#f42", flags + "clone -n -- https://host/rpms/bash/.git bash", "https://host/rpms/common/.git"},
		{"git://host/rpms/bash#f42", flags + "clone -n -- git://host/rpms/bash bash", "git://host/rpms/common"},
		{"git+ssh://me@host/rpms/bash#f42", flags + "clone -n -- ssh://me@host/rpms/bash bash", "ssh://me@host/rpms/common"},
		{"svn+https://host/repo?trunk/x#12", "svn checkout --non-interactive -r 12 -- https://host/repo/trunk/x@ trunk/x", "https://host/repo/common@"},
		{"svn+ssh://me@host/repo?trunk#12", "svn checkout --non-interactive -r 12 -- svn+ssh://me@host/repo/trunk@ trunk", "svn+ssh://me@host/repo/common@"},
		{"cvs://host/cvs?bash#F-9", "cvs -d :pserver:anonymous@host:/cvs checkout -r F-9 -- bash", "common"},
		{"cvs+ssh://me@host/cvs?bash#F-9", "cvs -d :ext:me@host:/cvs checkout -r F-9 -- bash", "common"},
	}
	for _, tt := range tests {
		u, err := Parse(tt.url, false)
		if err != nil {
			t.Fatal(err)
		}
		p, err := commands(u)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(p.get[0].Argv, " "); got != tt.first {
			t.Errorf("%s:\n got %s\nwant %s", tt.url, got, tt.first)
		}
		if !strings.Contains(strings.Join(p.common.Argv, " ")+" ", tt.common+" ") {
			t.Errorf("%s: common %v", tt.url, p.common.Argv)
		}
		checkArgv(t, u)
	}
	for _, url := range []string{"git+ssh://host/x#r", "svn+ssh://host/x?m#r", "cvs+ssh://host/x?m#r", "cvs://host/x#r"} {
		u, err := Parse(url, false)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := commands(u); !fault.Is(err, fault.Build) {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, c := range urlCases() {
		f.Add(c[0])
	}
	f.Fuzz(func(t *testing.T, text string) {
		u, err := Parse(text, true)
		if err != nil {
			if fault.Of(err) == nil {
				t.Errorf("%q: %v is no fault", text, err)
			}
			return
		}
		again, err := Parse(u.String(), true)
		if err != nil || again != u {
			t.Errorf("%q: %+v parses again to %+v, %v", text, u, again, err)
		}
		checkArgv(t, u)
	})
}
