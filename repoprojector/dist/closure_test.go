package dist

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"moromi/internal/rpm"
	"moromi/internal/rpm/rpmtest"
)

// spec makes a package of a text: its name, then what it provides (+), requires (-), recommends (?), supplements (<), conflicts with (!) and has as a file (/), by words; = joins a
// capability to its version, and _ stands for a blank.
func spec(text string) rpmtest.Spec {
	words := strings.Fields(text)
	s := rpmtest.Spec{Name: words[0], Version: "1", Release: "1", Arch: "i686", Summary: words[0], License: "MIT", Group: "x"}
	if n, v, ok := strings.Cut(words[0], "="); ok {
		s.Name, s.Version = n, v
	}
	s.Dependencies = append(s.Dependencies, rpm.Dependency{Type: rpm.DepProvide, Name: s.Name, Version: s.Version + "-1", Flags: rpm.SenseEqual})
	kinds := map[byte]rpm.DepType{'+': rpm.DepProvide, '-': rpm.DepRequire, '?': rpm.DepRecommend, '<': rpm.DepSupplement, '!': rpm.DepConflict}
	for _, w := range words[1:] {
		w = strings.ReplaceAll(w, "_", " ")
		if w[0] == '/' {
			s.Files = append(s.Files, rpm.File{Name: w, Mode: 0o100644, User: "root", Group: "root", Digest: strings.Repeat("0", 64)})
			continue
		}
		d := rpm.Dependency{Type: kinds[w[0]], Name: w[1:]}
		if n, v, ok := strings.Cut(w[1:], ">="); ok && n[0] != '(' {
			d.Name, d.Version, d.Flags = n, v, rpm.SenseGreater|rpm.SenseEqual
		} else if n, v, ok := strings.Cut(w[1:], "="); ok && n[0] != '(' {
			d.Name, d.Version, d.Flags = n, v, rpm.SenseEqual
		}
		s.Dependencies = append(s.Dependencies, d)
	}
	return s
}

// universeOf writes the packages to a directory and indexes them.
func universeOf(t *testing.T, dir string, texts ...string) *universe {
	t.Helper()
	headers := map[string]*rpm.Header{}
	for _, text := range texts {
		s := spec(text)
		raw := s.Bytes()
		h, err := rpm.ReadHeader(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		headers[s.NEVRA().FileName()] = h
		if err := os.WriteFile(filepath.Join(dir, s.NEVRA().FileName()), raw, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	u, err := newUniverse(headers)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// byDNF lets dnf say what it would install, nil if it refuses.
func byDNF(t *testing.T, dir string, wanted []string) []string {
	t.Helper()
	if out, err := exec.Command("createrepo_c", "-q", "--no-database", dir).CombinedOutput(); err != nil {
		t.Fatalf("createrepo_c: %v: %s", err, out)
	}
	temp := t.TempDir()
	args := []string{"-q", "-y", "--disablerepo=*", "--repofrompath=r,file://" + dir, "--enablerepo=r", "--setopt=cachedir=" + temp + "/cache", "--setopt=reposdir=" + temp, "--installroot=" + temp + "/root",
		"--releasever=1", "--setopt=r.gpgcheck=0", "--forcearch=i686", "--downloadonly", "--downloaddir=" + temp + "/got", "install"}
	for _, w := range wanted {
		args = append(args, strings.TrimSuffix(w, ".rpm"))
	}
	if out, err := exec.Command("dnf", args...).CombinedOutput(); err != nil {
		t.Logf("dnf: %v: %s", err, out)
		return nil
	}
	entries, err := os.ReadDir(temp + "/got")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	return got
}

func needsDNF(t *testing.T) {
	t.Helper()
	for _, p := range []string{"dnf", "createrepo_c"} {
		if _, err := exec.LookPath(p); err != nil {
			t.Skip("needs " + p)
		}
	}
}

// TestClosure holds what is chosen against dnf.
func TestClosure(t *testing.T) {
	t.Parallel()
	needsDNF(t)
	for name, c := range map[string]struct {
		packages []string
		wanted   string
		problem  string // that dnf has, too
	}{
		"a chain":              {[]string{"a -b", "b -libc.so.6", "c +libc.so.6", "d"}, "a", ""},
		"a file":               {[]string{"a -/bin/sh", "b /bin/sh /bin/cat", "c /bin/ash"}, "a", ""},
		"a version":            {[]string{"a -b>=2", "b", "b=2", "b=3"}, "a", ""},
		"an exact version":     {[]string{"a -b=2", "b", "b=2", "b=3"}, "a", ""},
		"no such version":      {[]string{"a -b>=4", "b", "b=3"}, "a", "nothing provides b >= 4 needed by a-1-1.i686"},
		"the name itself":      {[]string{"a -z", "b +z", "z"}, "a", ""},
		"the first by name":    {[]string{"a -x", "c +x", "b +x"}, "a", ""},
		"what is there":        {[]string{"a -x -c", "c +x", "b +x"}, "a", ""},
		"recommended":          {[]string{"a ?b ?nothing", "b -c", "c"}, "a", ""},
		"supplements":          {[]string{"a", "b <a -c", "c", "d <x"}, "a", ""},
		"or":                   {[]string{"a -(x_or_b)", "b", "c"}, "a", ""},
		"and":                  {[]string{"a -(b_and_c)", "b", "c", "d"}, "a", ""},
		"if with":              {[]string{"a -(b_if_c) -c", "b", "c"}, "a", ""},
		"if without":           {[]string{"a -(b_if_c)", "b", "c"}, "a", ""},
		"if later":             {[]string{"a -(b_if_d) -c", "b", "c -d", "d"}, "a", ""},
		"if else":              {[]string{"a -(b_if_c_else_d)", "b", "c", "d"}, "a", ""},
		"with":                 {[]string{"a -(x_with_y)", "b +x", "c +x +y", "d +y"}, "a", ""},
		"without":              {[]string{"a -(x_without_y)", "b +x +y", "c +x", "d +y"}, "a", ""},
		"versions in brackets": {[]string{"a -(b_>=_2_or_c)", "b", "b=2", "c"}, "a", ""},
		"a name with brackets": {[]string{"a -libx.so.1()(64bit) -(liby.so.1()(64bit)_and_c)", "b +libx.so.1()(64bit)", "c +liby.so.1()(64bit)"}, "a", ""},
		"a loop":               {[]string{"a -b", "b -a"}, "b", ""},
		"several":              {[]string{"a -x", "b -y", "c +x", "d +y", "e"}, "a b", ""},
		"nothing":              {[]string{"a -b -c", "b"}, "a", "nothing provides c needed by a-1-1.i686"},
		"a conflict":           {[]string{"a -b !b", "b"}, "a", "a-1-1.i686 conflicts with b-1-1.i686"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			u := universeOf(t, dir, c.packages...)
			var wanted []string
			for _, w := range strings.Fields(c.wanted) {
				wanted = append(wanted, w+"-1-1.i686.rpm")
			}
			got, problems := u.close(wanted)
			want := byDNF(t, dir, wanted)
			if c.problem != "" {
				if want != nil || !slices.Contains(problems, c.problem) {
					t.Errorf("problems %q, want %q; dnf takes %q", problems, c.problem, want)
				}
				return
			}
			if len(problems) > 0 || !slices.Equal(got, want) {
				t.Errorf("%q (%q), dnf takes %q", got, problems, want)
			}
		})
	}
}

// TestRandomClosure holds random repositories, in which there are no choices, against dnf.
func TestRandomClosure(t *testing.T) {
	t.Parallel()
	needsDNF(t)
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(seed, 7))
			const n = 60
			var texts []string
			for i := range n {
				text := fmt.Sprintf("p%d +lib%d.so /usr/bin/p%d", i, i, i)
				for range r.IntN(3) {
					to := r.IntN(n)
					text += []string{fmt.Sprintf(" -p%d", to), fmt.Sprintf(" -lib%d.so", to), fmt.Sprintf(" -/usr/bin/p%d", to), fmt.Sprintf(" ?p%d>=1", to), fmt.Sprintf(" -(p%d_if_p%d)", to, r.IntN(n)), fmt.Sprintf(" <p%d", to)}[r.IntN(6)]
				}
				texts = append(texts, text)
			}
			dir := t.TempDir()
			u := universeOf(t, dir, texts...)
			wanted := []string{"p3-1-1.i686.rpm", "p17-1-1.i686.rpm"}
			got, problems := u.close(wanted)
			if want := byDNF(t, dir, wanted); len(problems) > 0 || !slices.Equal(got, want) {
				t.Errorf("%q (%q), dnf takes %q\n%s", got, problems, want, strings.Join(texts, "\n"))
			}
		})
	}
}

// FuzzRich reads any text as a boolean dependency: what is taken reads the same when it is written again.
func FuzzRich(f *testing.F) {
	for _, s := range []string{"(a or b)", "(a >= 1 and (b if c else d))", "(libx.so.1()(64bit) with y < 2)", "(a unless b)", "((a))", "(a and b or c)", "(", "(a", "(a if)"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		x, err := parseDep(rpm.Dependency{Name: "(" + s})
		if err != nil || x.op == "" {
			return
		}
		again, err := parseDep(rpm.Dependency{Name: x.String()})
		if err != nil || again.String() != x.String() {
			t.Errorf("%q is %q, which is %v, %v", s, x, again, err)
		}
	})
}

// TestLoads has files that make a package a multilib one, and files that do not.
func TestLoads(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]bool{
		"/usr/lib64/libfoo.so.1": true, "/lib64/libc.so.6": true, "/usr/lib64/libfoo.so": false, "/usr/lib64/foo/libfoo.so.1": false, "/opt/lib64/libfoo.so.1": false,
		"/lib64/security/pam_x.so": true, "/usr/lib64/security/pam_x.so": false, "/lib64/libnss_x.so": true, "/usr/lib64/libnss_x.so": false, "/lib64/libdb-5.so": true,
		"/etc/ld.so.conf.d/x.conf": true, "/etc/ld.so.conf.d/x": false, "/etc/lsb-release.d/core": true, "/usr/lib64/sasl2/libx.so": true, "/usr/lib64/dri/i915.so": true,
		"/usr/lib64/gtk-2.0/2.10.0/engines/x.so": true, "/usr/lib64/gtk-2.0/modules/x.so": true, "/usr/lib64/gtk-2.0/2.10.0/other/x.so": false, "/usr/lib64/gtk-3.0/3/engines/x.so": false,
		"/usr/lib64/gstreamer-1.0/x.so": true, "/usr/lib64/qt5/plugins/styles/x.so": true, "/usr/lib64/qt5/plugins/x.so": false, "/usr/lib64/qt5/qml/QtQuick/x": true,
		"/usr/lib64/gdk-pixbuf-2.0/2.10.0/loaders/x.so": true, "/usr/lib64/oprofile/libx.so.1": true, "/usr/lib64/oprofile/x.so": false, "/usr/lib64/wine/x.so": true, "/usr/lib64/sane/libsane-x.so": true,
		"/usr/lib64/sane/x.so": false, "/usr/libexec/foo": false, "/usr/bin/foo": false,
	} {
		if got := loads(file); got != want {
			t.Errorf("%s: %t", file, got)
		}
	}
}

// TestMethod has packages that are taken and such that are not, by name, by what they provide and by the lists.
func TestMethod(t *testing.T) {
	t.Parallel()
	m, err := parseMethod([]byte("# lists\n[runtime]\nwhite = wine\n    valgrind\nblack = httpd\n    php\n[devel]\nwhite =\nblack = php-devel\n[multilib]\npackages = x\n"))
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{
		"foo /usr/bin/foo": false, "foo-libs /usr/lib64/libfoo.so.1": true, "foo-devel": true, "foo-static": true, "php-devel": false, "wine": true, "valgrind": true, "httpd /usr/lib64/libx.so.1": false,
		"ghc-x-devel": false, "gdb": true, "kernel-core": false, "kernel-x +kernel": true, "kernel-y +kernel-devel": true, "kernel-z +z-devel": true,
	} {
		s := spec(text)
		s.Arch = "x86_64"
		h, err := rpm.ReadHeader(bytes.NewReader(s.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := m.takes(h); err != nil || got != want {
			t.Errorf("%s: %t, %v", text, got, err)
		}
	}
	for _, bad := range []string{"", "[runtime]\nwhite = a\n", "[devel]\n", "nonsense"} {
		if _, err := parseMethod([]byte(bad)); err == nil {
			t.Errorf("%q is a configuration", bad)
		}
	}
}

// FuzzMethod reads any text as a configuration.
func FuzzMethod(f *testing.F) {
	f.Add([]byte("[runtime]\nwhite = a\n b\n[devel]\nblack=c\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if m, err := parseMethod(text); (m == nil) == (err == nil) {
			t.Error(m, err)
		}
	})
}
