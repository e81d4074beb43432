package scm

import (
	"crypto/md5"
	"crypto/sha512"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"moromi/internal/fault"
)

// gitServer serves git repositories over HTTP and returns the address of its top and a function that commits files.
func gitServer(t *testing.T) (host string, commit func(repo string, files map[string]string) string) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("needs git")
	}
	top := t.TempDir()
	srv := httptest.NewServer(http.FileServer(http.Dir(top)))
	t.Cleanup(srv.Close)
	git := func(dir string, args ...string) string {
		cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=t", "-c", "user.email=t@example.com"}, args...)...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	return strings.TrimPrefix(srv.URL, "http://"), func(repo string, files map[string]string) string {
		dir := filepath.Join(top, repo)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		git(dir, "init", "-q", "-b", "main")
		for name, text := range files {
			path := filepath.Join(dir, name)
			os.MkdirAll(filepath.Dir(path), 0o755)
			var err error
			if target, ok := strings.CutPrefix(text, "-> "); ok {
				err = os.Symlink(target, path)
			} else {
				err = os.WriteFile(path, []byte(text), 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		git(dir, "add", ".")
		git(dir, "commit", "-q", "-m", "change")
		git(dir, "update-server-info")
		return git(dir, "rev-parse", "HEAD")
	}
}

func checkoutURL(t *testing.T, url string, common bool) (dir string, tree Tree, log string, err error) {
	t.Helper()
	u, err := Parse(url, false)
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	var out strings.Builder
	tree, err = Checkout{URL: u, Dir: dir, UseCommon: common, Log: &out}.Run(t.Context())
	return dir, tree, out.String(), err
}

func TestCheckout(t *testing.T) {
	t.Parallel()
	host, commit := gitServer(t)
	first := commit("rpms/bash", map[string]string{"bash.spec": "one", "sub/x.spec": "sub", "out": "-> /etc"})
	second := commit("rpms/bash", map[string]string{"bash.spec": "two"})
	commit("rpms/common", map[string]string{"Makefile.common": "x"})
	base := "git+http://" + host + "/rpms/bash/.git"
	tests := []struct{ name, url, commit, spec string }{
		{"branch", base + "#main", second, "two"},
		{"remote branch", base + "#origin/main", second, "two"},
		{"commit", base + "#" + first, first, "one"},
		{"short commit", base + "#" + first[:10], first, "one"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir, tree, log, err := checkoutURL(t, tt.url, false)
			if err != nil {
				t.Fatalf("%v\n%s", err, log)
			}
			data, err := os.ReadFile(filepath.Join(dir, tree.Dir, "bash.spec"))
			if err != nil || string(data) != tt.spec || tree.Commit != tt.commit || tree.Dir != "bash" {
				t.Errorf("%+v: %s %v", tree, data, err)
			}
			if want := base + "#" + tt.commit; tree.Source != want {
				t.Errorf("source %s, want %s", tree.Source, want)
			}
		})
	}
	t.Run("module", func(t *testing.T) {
		t.Parallel()
		_, tree, _, err := checkoutURL(t, base+"?sub#main", false)
		if err != nil || tree.Dir != "bash/sub" || tree.Source != base+"?sub#"+second {
			t.Errorf("%+v, %v", tree, err)
		}
	})
	t.Run("common", func(t *testing.T) {
		t.Parallel()
		// Beside .git the common repository has the same form.
		dir, tree, log, err := checkoutURL(t, base+"?sub#main", true)
		if err != nil {
			t.Fatalf("%v\n%s", err, log)
		}
		if _, err := os.Stat(filepath.Join(dir, tree.Dir, "..", "common", "Makefile.common")); err != nil {
			t.Error(err)
		}
	})
	for name, url := range map[string]string{"no repository": "git+http://" + host + "/rpms/none/.git#main", "no revision": base + "#nope",
		"no module": base + "?nope#main", "module is a link outside": base + "?out#main"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, tree, log, err := checkoutURL(t, url, false)
			if !fault.Is(err, fault.Build) {
				t.Errorf("%+v, %v\n%s", tree, err, log)
			}
		})
	}
}

func TestMissingTool(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("cvs"); err == nil {
		t.Skip("cvs is installed")
	}
	_, _, _, err := checkoutURL(t, "cvs://host/cvs?bash#F-9", false)
	if !fault.Is(err, fault.Build) || !strings.Contains(err.Error(), "cvs is not installed") {
		t.Error(err)
	}
}

func TestFindSpec(t *testing.T) {
	t.Parallel()
	tests := []struct {
		files  []string
		layout bool
		want   string
	}{
		{[]string{"x.spec"}, false, "pkg/x.spec"},
		{[]string{"a.spec", "pkg.spec"}, false, "pkg/pkg.spec"},
		{[]string{"a.spec", "b.spec"}, false, ""},
		{[]string{"SPECS/x.spec"}, true, "pkg/SPECS/x.spec"},
		{[]string{"SPECS/x.spec"}, false, ""},
		{[]string{"readme"}, true, ""},
		{[]string{"-> /etc/passwd x.spec"}, false, ""},
		{[]string{"dir.spec/file"}, false, ""},
	}
	for _, tt := range tests {
		dir := t.TempDir()
		for _, f := range tt.files {
			link, isLink := strings.CutPrefix(f, "-> ")
			target, name, _ := strings.Cut(link, " ")
			if !isLink {
				name = f
			}
			path := filepath.Join(dir, "pkg", name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			var err error
			if isLink {
				err = os.Symlink(target, path)
			} else {
				err = os.WriteFile(path, nil, 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		got, err := FindSpec(dir, "pkg", tt.layout)
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%v: %q, %v", tt.files, got, err)
		}
	}
}

func TestCheckSpec(t *testing.T) {
	t.Parallel()
	tests := []struct{ text, want string }{
		{"Name: x\n%description\n", ""},
		{"Name: x\nVendor: me\n", "Vendor is not allowed to be set in spec file"},
		{"Packager: me\n", "Packager is not allowed to be set in spec file"},
		{"Name: x\ndistribution: me\n", "Distribution is not allowed to be set in spec file"},
		{"%define vendor me\n", "vendor is not allowed to be defined in spec file"},
		{"Name: x\n%global packager  me\n", "packager is not allowed to be defined in spec file"},
		{"%define vendors me\n", ""},
	}
	for _, tt := range tests {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "x.spec"), []byte(tt.text), 0o644); err != nil {
			t.Fatal(err)
		}
		err := CheckSpec(dir, "x.spec")
		if got := fmt.Sprint(err); tt.want == "" && err != nil || tt.want != "" && got != tt.want {
			t.Errorf("%q: %v", tt.text, err)
		}
	}
}

func TestParseSources(t *testing.T) {
	t.Parallel()
	sum := strings.Repeat("ab", 64)
	list, err := ParseSources(strings.NewReader("# comment\n\nSHA512 (a-1.0.tar.gz) = " + strings.ToUpper(sum) + "\n0123456789abcdef0123456789ABCDEF  old file.zip\nMD5 (b) = 0123456789abcdef0123456789abcdef\n"))
	want := []SourceFile{{"a-1.0.tar.gz", "sha512", sum}, {"old file.zip", "md5", "0123456789abcdef0123456789abcdef"}, {"b", "md5", "0123456789abcdef0123456789abcdef"}}
	if err != nil || fmt.Sprint(list) != fmt.Sprint(want) {
		t.Errorf("got %v, %v", list, err)
	}
	for _, bad := range []string{"x", "SHA512 (a) = 00", "SHA512 (../a) = " + sum, "SHA512 (/a) = " + sum, "SHA512 (.git) = " + sum, "SHA512 (-a) = " + sum, "SHA512 (sources) = " + sum,
		"CRC32 (a) = 00000000", "SHA512 (a\\b) = " + sum, "0123456789abcdef0123456789abcdef  ../x", strings.Repeat("x", 100<<10)} {
		if list, err := ParseSources(strings.NewReader(bad)); !fault.Is(err, fault.Build) {
			t.Errorf("%.80q: %v, %v", bad, list, err)
		}
	}
}

func TestLookaside(t *testing.T) {
	t.Parallel()
	good := []byte("source archive")
	sha, old := fmt.Sprintf("%x", sha512.Sum512(good)), fmt.Sprintf("%x", md5.Sum(good))
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/bash/a.tar/sha512/" + sha + "/a.tar", "/bash/old.zip/md5/" + old + "/old.zip", "/bash/bad.tar/md5/00000000000000000000000000000000/bad.tar":
			w.Write(good)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(srv.Close)
	fetch := func(sources string) (dir string, err error) {
		dir = t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "bash"), 0o755); err != nil {
			t.Fatal(err)
		}
		if sources != "" {
			if err := os.WriteFile(filepath.Join(dir, "bash", "sources"), []byte(sources), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		l := Lookaside{Pattern: srv.URL + "/{package}/{file}/{hashtype}/{hash}/{file}", Log: t.Output()}
		if err := l.Check(); err != nil {
			t.Fatal(err)
		}
		return dir, l.Fetch(t.Context(), dir, "bash", "bash")
	}
	dir, err := fetch("SHA512 (a.tar) = " + sha + "\n" + old + "  old.zip\n")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a.tar", "old.zip"} {
		if data, err := os.ReadFile(filepath.Join(dir, "bash", name)); err != nil || string(data) != string(good) {
			t.Errorf("%s: %q, %v", name, data, err)
		}
	}
	if _, err := fetch(""); err != nil {
		t.Errorf("without a sources file: %v", err)
	}
	for sources, want := range map[string]string{
		"MD5 (bad.tar) = 00000000000000000000000000000000": "source bad.tar has the wrong content",
		"MD5 (none) = 00000000000000000000000000000000":    "404 Not Found; upload it to the lookaside cache",
	} {
		if _, err := fetch(sources); !fault.Is(err, fault.Build) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", sources, err)
		}
	}
	for _, p := range []string{"", "ftp://h/{hash}", "http://h/{file}", "/{hash}", "http://h/{hash}/{x}"} {
		if (Lookaside{Pattern: p}).Check() == nil {
			t.Errorf("pattern %q is taken", p)
		}
	}
}
