package storage

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"moromi/internal/fault"
)

func open(t *testing.T) (*Topdir, string) {
	t.Helper()
	dir := t.TempDir()
	top, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := top.Close(); err != nil {
			t.Error(err)
		}
	})
	return top, dir
}

func must(t *testing.T) func(Path, error) Path {
	return func(p Path, err error) Path {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
}

func TestLayout(t *testing.T) {
	t.Parallel()
	foo := Build{Name: "foo", Version: "1.0", Release: "1"}
	far := Build{Volume: "vol3", Name: "foo", Version: "1.0", Release: "1,draft_17"}
	for _, c := range []struct {
		want string
		make func() (Path, error)
	}{
		{"packages/foo/1.0/1", foo.Dir},
		{"packages/foo/1.0/1/x86_64/foo-1.0-1.x86_64.rpm", func() (Path, error) { return foo.RPM("x86_64", "foo-1.0-1.x86_64.rpm") }},
		{"packages/foo/1.0/1/data/logs/noarch", func() (Path, error) { return foo.Logs("noarch") }},
		{"packages/foo/1.0/1/data/sigcache/abcd/src/f.src.rpm.sig", func() (Path, error) { return foo.SigHeader("abcd", "src", "f.src.rpm") }},
		{"packages/foo/1.0/1/data/sigcache/src/f.src.rpm.sig", func() (Path, error) { return foo.SigHeader("", "src", "f.src.rpm") }},
		{"packages/foo/1.0/1/data/signed/abcd/src/f.src.rpm", func() (Path, error) { return foo.Signed("abcd", "src", "f.src.rpm") }},
		{"packages/foo/1.0/1/metadata.json", foo.Metadata},
		{"vol/vol3/packages/foo/1.0/1,draft_17", far.Dir},
		{"packages/foo/1.0/1,draft_17", far.Link},
		{"work", func() (Path, error) { return WorkDir(DefaultVolume) }},
		{"vol/vol3/work", func() (Path, error) { return WorkDir("vol3") }},
		{"work/tasks/2345/12345", func() (Path, error) { return TaskDir("", 12345) }},
		{"scratch/host/builder.example.com/task_17", func() (Path, error) { return ScratchDir("", "host/builder.example.com", 17) }},
		{"repos/f43-build/12", Repo{Tag: "f43-build", ID: 12}.Dir},
		{"repos/f43-build/12/x86_64", func() (Path, error) { return Repo{Tag: "f43-build", ID: 12}.Arch("x86_64") }},
		{"repos/f43-build/latest", Repo{Tag: "f43-build", ID: 12}.Latest},
		{"repos-dist/f43/12", Repo{Tag: "f43", ID: 12, Dist: true}.Dir},
	} {
		got, err := c.make()
		if err != nil || got.String() != c.want {
			t.Errorf("got %q, %v; want %q", got, err, c.want)
		}
	}
}

func TestBadElements(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", ".", "..", ".hidden", "a/b", "a\x00b", "a\nb", "\xff", "a\x7f", strings.Repeat("x", 256)} {
		for name, err := range map[string]error{
			"element": CheckElement(bad),
			"build":   second(Build{Name: bad, Version: "1", Release: "1"}.Dir()),
			"volume":  second(Build{Volume: bad + "/", Name: "a", Version: "1", Release: "1"}.Dir()),
			"repo":    second(Repo{Tag: bad, ID: 1}.Dir()),
			"parse":   second(Parse("work/../../" + bad)),
		} {
			if fault.Of(err) == nil {
				t.Errorf("%s %q: %v is no fault", name, bad, err)
			}
		}
	}
	for _, bad := range []string{"/etc/passwd", "", "../x", "a/../../b", strings.Repeat("a/", 2000) + "b"} {
		if _, err := Parse(bad); err == nil {
			t.Errorf("Parse(%q) went through", bad)
		}
	}
}

func second(_ Path, err error) error { return err }

func TestWriteIsWholeOrNothing(t *testing.T) {
	t.Parallel()
	top, dir := open(t)
	p := must(t)(Parse("repos/tag/1/repo.json"))
	if err := top.WriteFile(p, []byte("one")); err != nil {
		t.Fatal(err)
	}
	w, err := top.Create(p)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.WriteString("half of tw"); err != nil {
		t.Fatal(err)
	}
	if b, err := top.ReadFile(p, 10); err != nil || string(b) != "one" {
		t.Errorf("before Commit: %q, %v", b, err)
	}
	w.Abort()
	w.Abort()
	if err := top.WriteFile(p, []byte("two")); err != nil {
		t.Fatal(err)
	}
	if b, err := top.ReadFile(p, 10); err != nil || string(b) != "two" {
		t.Errorf("after Commit: %q, %v", b, err)
	}
	if _, err := top.ReadFile(p, 2); err == nil {
		t.Error("a file past the limit was read")
	}
	left, err := os.ReadDir(filepath.Join(dir, "repos/tag/1"))
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestMoveCopyLink(t *testing.T) {
	t.Parallel()
	top, _ := open(t)
	from := must(t)(Parse("work/tasks/1/1"))
	to := must(t)(Parse("scratch/alice/task_1"))
	for name, content := range map[string]string{"a.rpm": "rpm", "logs/x86_64/build.log": "log"} {
		if err := top.WriteFile(must(t)(from.Join(strings.Split(name, "/")...)), []byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	copied := must(t)(Parse("work/copy"))
	if err := top.Copy(from, copied); err != nil {
		t.Fatal(err)
	}
	if err := top.Move(from, to); err != nil {
		t.Fatal(err)
	}
	if err := top.Move(copied, to); !errors.Is(err, fs.ErrExist) {
		t.Errorf("moving onto a tree: %v", err)
	}
	var names []string
	if err := top.Walk(to, func(rel string, _ fs.DirEntry) error { names = append(names, rel); return nil }); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(names, " "); got != "a.rpm logs/x86_64/build.log" {
		t.Errorf("moved: %s", got)
	}
	link := must(t)(Parse("work/tasks/1/1/a.rpm"))
	if err := top.Symlink(must(t)(to.Join("a.rpm")), link); err != nil {
		t.Fatal(err)
	}
	if text, err := top.Readlink(link); err != nil || text != "../../../../scratch/alice/task_1/a.rpm" {
		t.Errorf("link is %q, %v", text, err)
	}
	if b, err := top.ReadFile(link, 10); err != nil || string(b) != "rpm" {
		t.Errorf("through the link: %q, %v", b, err)
	}
	if err := top.Symlink(to, must(t)(to.Join("logs"))); !errors.Is(err, fs.ErrExist) {
		t.Errorf("symlink over a directory: %v", err)
	}
	hard := must(t)(Parse("repos/t/1/a.rpm"))
	if err := top.Link(must(t)(to.Join("a.rpm")), hard); err != nil {
		t.Fatal(err)
	}
	if err := top.Link(must(t)(to.Join("a.rpm")), hard); !errors.Is(err, fs.ErrExist) {
		t.Errorf("second hard link: %v", err)
	}
	latest := must(t)(Repo{Tag: "t", ID: 1}.Latest())
	for _, id := range []int64{1, 2} {
		if err := top.Symlink(must(t)(Repo{Tag: "t", ID: id}.Dir()), latest); err != nil {
			t.Fatal(err)
		}
	}
	if text, err := top.Readlink(latest); err != nil || text != "2" {
		t.Errorf("latest is %q, %v", text, err)
	}
	toplink := must(t)(Parse("repos/t/1/x86_64/toplink"))
	for range 2 {
		if err := top.TopLink(toplink); err != nil {
			t.Fatal(err)
		}
	}
	if text, err := top.Readlink(toplink); err != nil || text != "../../../.." {
		t.Errorf("toplink is %q, %v", text, err)
	}
	if b, err := top.ReadFile(must(t)(toplink.Join("scratch", "alice", "task_1", "a.rpm")), 10); err != nil || string(b) != "rpm" {
		t.Errorf("through the toplink: %q, %v", b, err)
	}
	if err := top.RemoveAll(must(t)(Parse("packages"))); err == nil {
		t.Error("a main directory was removed")
	}
	if err := top.RemoveAll(to); err != nil {
		t.Fatal(err)
	}
	if err := top.Walk(to, func(string, fs.DirEntry) error { return errors.New("not empty") }); err != nil {
		t.Errorf("walk of nothing: %v", err)
	}
}

func TestNoEscape(t *testing.T) {
	t.Parallel()
	top, dir := open(t)
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	up, err := filepath.Rel(filepath.Join(dir, "work"), secret)
	if err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"abs": secret, "up": up, "dir": "/etc"} {
		if err := os.Symlink(target, filepath.Join(dir, "work", name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, rel := range []string{"work/abs", "work/up", "work/dir/passwd"} {
		p := must(t)(Parse(rel))
		if _, err := top.Open(p); err == nil {
			t.Errorf("%s was opened", rel)
		}
		if _, err := top.Stat(p); err == nil {
			t.Errorf("%s was described", rel)
		}
	}
	if err := top.WriteFile(must(t)(Parse("work/dir/new")), nil); err == nil {
		t.Error("a file was written through a symlink out of the topdir")
	}
	if _, err := top.Stat(Path{}); err == nil {
		t.Error("the zero path was taken")
	}
}

func TestUploadOwnership(t *testing.T) {
	t.Parallel()
	top, dir := open(t)
	parse := func(d, name string) Upload {
		u, err := ParseUpload("", d, name)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	put := func(u Upload, user int64) error {
		f, _, err := top.OpenUpload(u, user)
		if err != nil {
			return err
		}
		return f.Close()
	}
	if err := put(parse("cli-build/1.x", "a"), 2); err != nil {
		t.Fatal(err)
	}
	if err := put(parse("cli-build/./1.x/", "b"), 2); err != nil {
		t.Errorf("the owner's second file: %v", err)
	}
	if err := put(parse("cli-build/1.x", "c"), 3); !fault.Is(err, fault.Generic) {
		t.Errorf("a stranger's file: %v", err)
	}
	if err := put(parse("cli-build/2.x", "c"), 3); err != nil {
		t.Errorf("a directory beside: %v", err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "work/cli-build/1.x/.user")); err != nil || string(b) != "2" {
		t.Errorf("owner file: %q, %v", b, err)
	}
	f, existed, err := top.OpenUpload(parse("cli-build/1.x", "a"), 2)
	if err != nil || !existed {
		t.Fatalf("open again: %v, %v", existed, err)
	}
	if err := put(parse("cli-build/1.x", "a"), 2); !fault.Is(err, fault.Lock) {
		t.Errorf("a second writer: %v", err)
	}
	if _, err := top.OpenUploaded(parse("cli-build/1.x", "a")); !fault.Is(err, fault.Lock) {
		t.Errorf("a reader beside a writer: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for name, make := range map[string]func(string) error{
		"link":  func(p string) error { return os.Symlink("a", p) },
		"loose": func(p string) error { return os.Symlink("nowhere", p) },
		"fifo":  func(p string) error { return syscall.Mkfifo(p, 0o600) },
		"dir":   func(p string) error { return os.Mkdir(p, 0o700) },
	} {
		if err := make(filepath.Join(dir, "work/cli-build/1.x", name)); err != nil {
			t.Fatal(err)
		}
		if err := put(parse("cli-build/1.x", name), 2); !fault.Is(err, fault.Generic) {
			t.Errorf("upload onto a %s: %v", name, err)
		}
	}
	if err := os.Symlink("cli-build", filepath.Join(dir, "work/alias")); err != nil {
		t.Fatal(err)
	}
	if err := put(parse("alias/3.x", "a"), 3); !fault.Is(err, fault.Generic) {
		t.Errorf("upload through a symlinked directory: %v", err)
	}
}

func TestUploadTask(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		dir  string
		id   int64
		task bool
		bad  bool
	}{
		{"cli/x", 0, false, false},
		{"tasks/2345/12345", 12345, true, false},
		{"./tasks//2345/12345/logs", 12345, true, false},
		{"cli/../tasks/1/1", 1, true, false},
		{"tasks", 0, false, true},
		{"tasks/1", 0, false, true},
		{"tasks/1/2", 0, false, true},
		{"tasks/1/x", 0, false, true},
		{"tasks/1/01", 0, false, true},
		{"tasks/1/+1", 0, false, true},
		{"tasks/0/0", 0, false, true},
		{"tasks/-1/-1", 0, false, true},
	} {
		u, err := ParseUpload("", c.dir, "f")
		if err != nil {
			t.Fatalf("%s: %v", c.dir, err)
		}
		id, task, err := u.Task()
		if id != c.id || task != c.task || (fault.Of(err) != nil) != c.bad {
			t.Errorf("%s: %d, %v, %v", c.dir, id, task, err)
		}
	}
}

func FuzzParseUpload(f *testing.F) {
	for _, s := range [][3]string{{"", "cli/x", "a"}, {"vol", "../x", "b"}, {"DEFAULT", "tasks/1/1", ".c"}, {"a/b", "/etc", "d/e"}, {"", "", "x"}, {"", "a/../..", "x"}} {
		f.Add(s[0], s[1], s[2])
	}
	f.Fuzz(func(t *testing.T, vol, dir, name string) {
		u, err := ParseUpload(vol, dir, name)
		if err != nil {
			if fault.Of(err) == nil {
				t.Fatalf("%v is no fault", err)
			}
			return
		}
		s := u.String()
		if !filepath.IsLocal(s) || filepath.Clean(s) != s || strings.Contains(s, "/.") || strings.ContainsRune(s, 0) {
			t.Fatalf("%q, %q, %q became %q", vol, dir, name, s)
		}
		base := "work/"
		if vol != "" && vol != DefaultVolume {
			base = "vol/" + vol + "/work/"
		}
		if !strings.HasPrefix(s, base) {
			t.Fatalf("%q, %q, %q became %q", vol, dir, name, s)
		}
		if _, _, err := u.Task(); err != nil && fault.Of(err) == nil {
			t.Fatalf("%v is no fault", err)
		}
	})
}
