package buildroot_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"moromi/builder/buildroot"
)

// tree makes a root with one of everything, and a file outside that links lead to.
func tree(t *testing.T) *os.Root {
	t.Helper()
	top := t.TempDir()
	dir := filepath.Join(top, "root")
	for _, d := range []string{"builddir/build", "etc/krb", "etc/locked"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"builddir/build/a.c": "int a;\n", "etc/krb/x.keytab": "secret", "etc/x.conf": "x", "../outside": "outside", "etc/locked/f": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, to := range map[string]string{"builddir/out": "../../outside", "builddir/abs": filepath.Join(top, "outside"), "builddir/in": "build/a.c", "builddir/up": "../.."} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mkfifo(filepath.Join(dir, "builddir/pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root
}

func list(t *testing.T, data []byte) []string {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			slices.Sort(out)
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Uname != "" || h.Gname != "" {
			t.Errorf("%s is %s's and %s's", h.Name, h.Uname, h.Gname)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s%s", h.Name, h.Linkname, text)))
	}
}

func TestPack(t *testing.T) {
	t.Parallel()
	root := tree(t)
	var out bytes.Buffer
	if err := buildroot.Pack(&out, root, buildroot.PackOptions{Dir: "builddir", Prefix: "b-1-2"}); err != nil {
		t.Fatal(err)
	}
	abs, err := root.Readlink("builddir/abs")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"b-1-2/builddir/", "b-1-2/builddir/abs " + abs, "b-1-2/builddir/build/", "b-1-2/builddir/build/a.c int a;", "b-1-2/builddir/in build/a.c",
		"b-1-2/builddir/out ../../outside", "b-1-2/builddir/up ../.."}
	if got := list(t, out.Bytes()); !slices.Equal(got, want) {
		t.Errorf("packed %q\nwant %q", got, want)
	}
	out.Reset()
	if err := buildroot.Pack(&out, root, buildroot.PackOptions{Dir: ".", Prefix: "b", Omit: []string{"*/etc/*.keytab", "b/builddir/?*", "b/etc/locked"}}); err != nil {
		t.Fatal(err)
	}
	if got := list(t, out.Bytes()); !slices.Equal(got, []string{"b/", "b/builddir/", "b/etc/", "b/etc/krb/", "b/etc/x.conf x"}) {
		t.Errorf("packed %q", got)
	}
	for _, dir := range []string{"none", "etc/x.conf", "builddir/up", "builddir/out"} {
		if err := buildroot.Pack(io.Discard, root, buildroot.PackOptions{Dir: dir}); !errors.Is(err, buildroot.ErrNotThere) {
			t.Errorf("pack %s: %v", dir, err)
		}
	}
}

func TestCopyOut(t *testing.T) {
	t.Parallel()
	root := tree(t)
	for name, want := range map[string]string{"builddir/build/a.c": "int a;\n", "builddir/in": "int a;\n", "builddir/out": "", "builddir/abs": "", "builddir/pipe": "",
		"builddir": "", "none": "", "../outside": ""} {
		var out bytes.Buffer
		if err := buildroot.CopyOut(&out, root, name); want == "" && !errors.Is(err, buildroot.ErrNotThere) || out.String() != want {
			t.Errorf("%s: %q %v", name, out.String(), err)
		}
	}
}

func TestLimitWriter(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	w := &buildroot.LimitWriter{W: &out, Left: 5}
	for _, c := range []struct {
		text string
		ok   bool
	}{{"abc", true}, {"def", false}, {"de", true}, {"f", false}} {
		if _, err := io.WriteString(w, c.text); (err == nil) != c.ok || !c.ok && !errors.Is(err, buildroot.ErrTooLarge) {
			t.Errorf("%s: %v", c.text, err)
		}
	}
	if out.String() != "abcde" || !w.Full {
		t.Errorf("written %q, full %v", out.String(), w.Full)
	}
}
