package external_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"golang.org/x/sys/unix"

	"moromi/internal/rpm/rpmtest"
	"moromi/repoprojector/external"
	"moromi/repoprojector/repodata"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	u.publish(spec("zsh", "1", "x86_64", ""), spec("ash", "1", "noarch", "shells-1-1.src.rpm"))
	hourAgo := time.Now().Add(-time.Hour)
	check(t, os.Chtimes(filepath.Join(u.dir, "repodata/repomd.xml"), hourAgo, hourAgo))
	c := newCache(t, t.TempDir())
	first, err := c.Check(t.Context(), u.url())
	check(t, err)
	if got := names(t, c, u.url()); got != "ash-1.noarch zsh-1.x86_64" {
		t.Fatalf("packages %q", got)
	}
	if first.Newest != 1700000002 || len(first.Repomd) != 64 || first.Failure != "" {
		t.Fatalf("state %+v", first)
	}
	content, err := c.Load(t.Context(), u.url())
	check(t, err)
	p := content.Packages[0]
	if p.SourceRPM != "shells-1-1.src.rpm" || p.Epoch != "0" || p.Release != "1" || p.Time != 1700000000 || p.ChecksumType != "sha256" || p.Entry.Base != u.URL ||
		p.Entry.Href != "Packages/ash-1-1.noarch.rpm" {
		t.Fatalf("package %+v", p)
	}

	u.tell(nil)
	again, err := c.Check(t.Context(), u.url())
	check(t, err)
	if again.Repomd != first.Repomd || u.answered["304 /repodata/repomd.xml"] != 1 || len(u.asked()) != 1 {
		t.Fatalf("an unchanged repository was asked for %q, answers %v", u.asked(), u.answered)
	}

	u.publish(spec("zsh", "2", "x86_64", ""))
	changed, err := c.Check(t.Context(), u.url())
	check(t, err)
	if changed.Repomd == first.Repomd || names(t, c, u.url()) != "zsh-2.x86_64" {
		t.Fatalf("after a change: %+v, %s", changed, names(t, c, u.url()))
	}
}

// What one process learned, the next one knows without asking.
func TestReopen(t *testing.T) {
	t.Parallel()
	u, dir := newUpstream(t), t.TempDir()
	u.publish(spec("zsh", "1", "x86_64", ""))
	if got := names(t, newCache(t, dir), u.url()); got != "zsh-1.x86_64" {
		t.Fatal(got)
	}
	u.Close()
	c := newCache(t, dir)
	if got := names(t, c, u.url()); got != "zsh-1.x86_64" {
		t.Fatal(got)
	}
	s, err := c.Check(t.Context(), u.url())
	if err == nil || s == nil || s.Failure == "" || s.Failing.IsZero() || s.Checked.IsZero() {
		t.Fatalf("a server that is gone: %+v, %v", s, err)
	}
	since := s.Failing
	if s, _ = c.Check(t.Context(), u.url()); !s.Failing.Equal(since) {
		t.Fatalf("failing since %s, then since %s", since, s.Failing)
	}
}

// However a server fails or lies, the last good state stays and the error says what it was.
func TestLies(t *testing.T) {
	t.Parallel()
	onFile := func(part string, f http.HandlerFunc) func(*upstream) {
		return func(u *upstream) {
			files := http.FileServer(http.Dir(u.dir))
			u.tell(func(w http.ResponseWriter, r *http.Request) {
				if strings.Contains(r.URL.Path, part) {
					f(w, r)
					return
				}
				files.ServeHTTP(w, r)
			})
		}
	}
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	stall := func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
	pad := func(text string) func(*upstream) {
		return func(u *upstream) { swap(u.tb, u.dir, "-primary", packed(u.tb, text)) }
	}
	const head = `<?xml version="1.0" encoding="UTF-8"?><metadata xmlns="http://linux.duke.edu/metadata/common" xmlns:rpm="http://linux.duke.edu/metadata/rpm" packages="1">`
	one := func(location string) string {
		return head + `<package type="rpm"><name>a</name><arch>noarch</arch><version epoch="0" ver="1" rel="1"/><checksum type="sha256" pkgid="YES">ab</checksum>` + location +
			`<format><rpm:sourcerpm>a-1-1.src.rpm</rpm:sourcerpm></format></package></metadata>`
	}
	for name, tt := range map[string]struct {
		lie  func(*upstream)
		want string
	}{
		"repomd.xml missing":     {onFile("repomd", status(404)), "404"},
		"server error":           {onFile("repomd", status(503)), "503"},
		"no content":             {onFile("repomd", status(206)), "206"},
		"304 for a file":         {onFile("-primary", status(304)), "304"},
		"file missing":           {onFile("-filelists", status(404)), "404"},
		"stalls at once":         {onFile("repomd", stall), "in time"},
		"stalls in a file":       {onFile("-other", stall), "in time"},
		"connection lost":        {onFile("-primary", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), "EOF"},
		"not XML":                {onFile("repomd", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>sorry</html>") }), "repomd"},
		"repomd.xml without end": {onFile("repomd", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(bytes.Repeat([]byte("<repomd>"), 1<<20)) }), "more than"},
		"redirected to itself":   {onFile("repomd", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, 302) }), "redirects"},
		"redirected to a file":   {onFile("repomd", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "file:///etc/passwd", 302) }), `"file"`},
		"truncated file":         {onFile("-primary", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("\x1f\x8b")) }), "unexpected EOF"},
		"more than was said":     {onFile("-primary", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 1<<20)) }), "more than"},
		"other bytes":            {func(u *upstream) { scribble(u.tb, metadata(u.tb, u.dir, "-primary")) }, "checksum"},
		"outside: up":            {func(u *upstream) { edit(u.tb, u.dir, `href="repodata/`, `href="../repodata/`) }, "outside"},
		"outside: escaped":       {func(u *upstream) { edit(u.tb, u.dir, `href="repodata/`, `href="%2e%2e/repodata/`) }, "outside"},
		"outside: root":          {func(u *upstream) { edit(u.tb, u.dir, `href="repodata/`, `href="/repodata/`) }, "outside"},
		"outside: host":          {func(u *upstream) { edit(u.tb, u.dir, `href="repodata/`, `href="//example.com/`) }, "outside"},
		"outside: address":       {func(u *upstream) { edit(u.tb, u.dir, `href="repodata/`, `href="http://example.com/`) }, "outside"},
		"outside: base": {func(u *upstream) {
			edit(u.tb, u.dir, `<location href`, `<location xml:base="http://example.com/" href`)
		}, "elsewhere"},
		"unknown checksum":   {func(u *upstream) { edit(u.tb, u.dir, `<checksum type="sha256"`, `<checksum type="crc32"`) }, "crc32"},
		"checksum too short": {func(u *upstream) { edit(u.tb, u.dir, `<checksum type="sha256">`, `<checksum type="sha512">`) }, "no sha512"},
		"size too large":     {func(u *upstream) { edit(u.tb, u.dir, `<size>`, `<size>9999999`) }, "size"},
		"size negative":      {func(u *upstream) { edit(u.tb, u.dir, `<size>`, `<size>-`) }, "size"},
		"no primary":         {func(u *upstream) { edit(u.tb, u.dir, `type="primary"`, `type="primaries"`) }, "no primary"},
		"one huge package":   {pad(head + "<package><name>" + strings.Repeat("a", 65<<20)), "more than"},
		"blanks only":        {pad(head + strings.Repeat(" ", 8<<20)), "between"},
		"cut off":            {pad(head), "cut off"},
		"entities":           {pad(`<?xml version="1.0"?><!DOCTYPE m [<!ENTITY a "&b;&b;">]>` + head), "where metadata should be"},
		"other namespace":    {pad(strings.Replace(one(""), "common", "uncommon", 1)), "namespace"},
		"other rpm prefix":   {pad(strings.Replace(one(""), "metadata/rpm\"", "metadata/elf\"", 1)), "prefix rpm"},
		"encoding":           {pad(strings.Replace(one(""), "UTF-8", "UTF-16", 1)), "encoding"},
		"absolute location":  {pad(one(`<location href="file:///etc/passwd"/>`)), "is at"},
		"location root":      {pad(one(`<location href="/etc/passwd"/>`)), "is at"},
		"base in files":      {pad(one(`<location xml:base="file:///etc" href="passwd"/>`)), "base"},
		"two locations":      {pad(one(`<location href="a"/><location href="b"/>`)), "two locations"},
		"no location":        {pad(one("")), "without"},
		"unbalanced":         {pad(strings.Replace(one(`<location href="a"/>`), "</format>", "</formats>", 1)), "malformed"},
		"deeply nested":      {pad(strings.Replace(one(""), "<format>", strings.Repeat("<format>", 100_000), 1)), "within each other"},
		"second document":    {pad(one(`<location href="a"/>`) + "<metadata/>"), "more after"},
		"zchunk":             {func(u *upstream) { swap(u.tb, u.dir, "-primary", []byte("\x00ZCK1 and so on")) }, "zchunk"},
		"filelists of a stranger": {func(u *upstream) {
			swap(u.tb, u.dir, "-filelists", packed(u.tb, `<filelists xmlns="http://linux.duke.edu/metadata/filelists"><package name="a"/></filelists>`))
		}, "pkgid"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newUpstream(t)
			u.publish(spec("zsh", "1", "x86_64", ""))
			c := newCache(t, t.TempDir())
			good, err := c.Check(t.Context(), u.url())
			check(t, err)
			u.publish(spec("zsh", "2", "x86_64", ""), spec("ash", "2", "x86_64", ""))
			tt.lie(u)
			s, err := c.Check(t.Context(), u.url())
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), u.url()) {
				t.Fatalf("error %v, want one with %q", err, tt.want)
			}
			if s == nil || s.Repomd != good.Repomd || !s.Checked.Equal(good.Checked) || s.Failure != err.Error() {
				t.Fatalf("state %+v, want the old one %+v", s, good)
			}
			if got := names(t, c, u.url()); got != "zsh-1.x86_64" {
				t.Fatalf("packages %q", got)
			}

			u.tell(nil)
			check(t, os.RemoveAll(u.dir+"/repodata"))
			u.publish(spec("zsh", "3", "x86_64", ""))
			if s, err = c.Check(t.Context(), u.url()); err != nil || s.Failure != "" || !s.Failing.IsZero() || names(t, c, u.url()) != "zsh-3.x86_64" {
				t.Fatalf("when all is well again: %+v, %v", s, err)
			}
		})
	}
}

// scribble changes a file's bytes but not their number.
func scribble(tb testing.TB, name string) {
	tb.Helper()
	b, err := os.ReadFile(name)
	check(tb, err)
	b[len(b)/2] ^= 1
	check(tb, os.WriteFile(name, b, 0o644))
}

func packed(tb testing.TB, text string) []byte {
	tb.Helper()
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	check(tb, err)
	_, err = io.WriteString(z, text)
	check(tb, errors.Join(err, z.Close()))
	return b.Bytes()
}

// A repository that was never read has no last good state.
func TestNever(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	c := newCache(t, t.TempDir())
	if s, err := c.Check(t.Context(), u.url()); s != nil || err == nil {
		t.Fatalf("%+v, %v", s, err)
	}
	secret := strings.Replace(u.url(), "http://", "http://user:secret@", 1)
	for _, address := range []string{secret + "?token=secret", "ftp://example.com/secret", "http:///secret", "relative", "file://host/x", "http://exa mple/\x7f?secret"} {
		_, err := c.Load(t.Context(), address)
		if err == nil || strings.Contains(err.Error(), "user") || strings.Contains(err.Error(), "token") {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// What came of a file before the connection was lost, or the process was ended, is not asked for again.
func TestResume(t *testing.T) {
	t.Parallel()
	for _, killed := range []bool{false, true} {
		t.Run(fmt.Sprint("killed ", killed), func(t *testing.T) {
			t.Parallel()
			u, dir := newUpstream(t), t.TempDir()
			u.publish(many(300)...)
			primary := metadata(t, u.dir, "-primary")
			content, err := os.ReadFile(primary)
			check(t, err)
			half := len(content) / 2
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			files := http.FileServer(http.Dir(u.dir))
			cut := 0
			u.tell(func(w http.ResponseWriter, r *http.Request) {
				if filepath.Base(r.URL.Path) != filepath.Base(primary) || cut > 0 {
					files.ServeHTTP(w, r)
					return
				}
				cut++
				w.Header().Set("Content-Length", fmt.Sprint(len(content)))
				_, _ = w.Write(content[:half])
				_ = http.NewResponseController(w).Flush()
				if killed {
					waitFor(t, dir, int64(half))
					cancel()
					<-r.Context().Done()
				}
				panic(http.ErrAbortHandler)
			})
			c := newCache(t, dir)
			_, err = c.Check(ctx, u.url())
			if killed != (err != nil) {
				t.Fatal(err)
			}
			if killed {
				c = newCache(t, dir)
				_, err = c.Check(t.Context(), u.url())
				check(t, err)
			}
			if got := len(strings.Fields(names(t, c, u.url()))); got != 300 {
				t.Fatalf("%d packages", got)
			}
			want := fmt.Sprintf("/repodata/%s bytes=%d-", filepath.Base(primary), half)
			if !slices.Contains(u.asked(), want) {
				t.Fatalf("asked for %q, not for %q", u.asked(), want)
			}
		})
	}
}

// waitFor waits until a file of the cache that is being fetched has so many bytes. The kernel tells of each write.
func waitFor(tb testing.TB, dir string, size int64) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		tb.Error(err)
		return
	}
	told := os.NewFile(uintptr(fd), "inotify")
	defer told.Close()
	if _, err := unix.InotifyAddWatch(fd, filepath.Join(dir, "data"), unix.IN_MODIFY|unix.IN_CREATE); err != nil {
		tb.Error(err)
		return
	}
	stop := context.AfterFunc(tb.Context(), func() { _ = told.SetReadDeadline(time.Now()) })
	defer stop()
	for events := make([]byte, 4096); ; {
		found, _ := filepath.Glob(filepath.Join(dir, "data", "*.part"))
		for _, f := range found {
			if st, err := os.Stat(f); err == nil && st.Size() == size {
				return
			}
		}
		if _, err := told.Read(events); err != nil {
			tb.Error(err)
			return
		}
	}
}

func many(n int) []rpmtest.Spec {
	var out []rpmtest.Spec
	for i := range n {
		out = append(out, spec(fmt.Sprintf("package%03d", i), "1", "noarch", ""))
	}
	return out
}

// While a server is asked, which may take long, the last good state is there for everybody.
func TestLoadWaitsForNobody(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	u.publish(spec("zsh", "1", "x86_64", ""))
	c, err := external.Open(openRoot(t, t.TempDir()), external.Options{Store: newStore(t), Stall: time.Minute})
	check(t, err)
	names(t, c, u.url())
	asked := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	u.tell(func(_ http.ResponseWriter, r *http.Request) {
		close(asked)
		<-r.Context().Done()
	})
	ended := make(chan error)
	go func() {
		_, err := c.Check(ctx, u.url())
		ended <- err
	}()
	<-asked
	if got := names(t, c, u.url()); got != "zsh-1.x86_64" {
		t.Error(got)
	}
	check(t, c.Prune(map[string]bool{u.url(): true}, time.Now().Add(time.Hour)))
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// A damaged index is fetched anew.
func TestDamagedIndex(t *testing.T) {
	t.Parallel()
	u, dir := newUpstream(t), t.TempDir()
	u.publish(spec("zsh", "1", "x86_64", ""))
	names(t, newCache(t, dir), u.url())
	found, err := filepath.Glob(filepath.Join(dir, "states/*/*.index"))
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	scribble(t, found[0])
	if got := names(t, newCache(t, dir), u.url()); got != "zsh-1.x86_64" {
		t.Error(got)
	}
}

// What was left by a fetch of something else is not taken for the beginning of the file.
func TestWrongBeginning(t *testing.T) {
	t.Parallel()
	u, dir := newUpstream(t), t.TempDir()
	u.publish(many(300)...)
	primary := filepath.Base(metadata(t, u.dir, "-primary"))
	check(t, os.MkdirAll(filepath.Join(dir, "data"), 0o755))
	check(t, os.WriteFile(filepath.Join(dir, "data", "sha256-"+primary[:64]+".part"), []byte("of something else"), 0o644))
	if got := len(strings.Fields(names(t, newCache(t, dir), u.url()))); got != 300 {
		t.Fatalf("%d packages", got)
	}
}

func TestCompressions(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"plain", "zstd", "xz", "bzip2"} {
		t.Run(tool, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			writeRepo(t, dir, repodata.Gzip, spec("zsh", "1", "x86_64", ""), spec("ash", "1", "x86_64", ""))
			for _, part := range []string{"-primary", "-filelists", "-other"} {
				f, err := os.Open(metadata(t, dir, part))
				check(t, err)
				z, err := gzip.NewReader(f)
				check(t, err)
				text, err := io.ReadAll(z)
				check(t, errors.Join(err, f.Close()))
				swap(t, dir, part, compress(t, tool, text))
			}
			if got := names(t, newCache(t, t.TempDir()), "file://"+dir+"/"); got != "ash-1.x86_64 zsh-1.x86_64" {
				t.Fatal(got)
			}
		})
	}
}

func compress(t *testing.T, tool string, text []byte) []byte {
	t.Helper()
	switch tool {
	case "plain":
		return text
	case "zstd":
		z, err := zstd.NewWriter(nil)
		check(t, err)
		return z.EncodeAll(text, nil)
	}
	if _, err := exec.LookPath(tool); err != nil {
		t.Skip(err)
	}
	cmd := exec.Command(tool, "-c")
	cmd.Stdin = bytes.NewReader(text)
	out, err := cmd.Output()
	check(t, err)
	return out
}

// Links out of a local repository are not followed.
func TestLocalLinks(t *testing.T) {
	t.Parallel()
	dir, out := t.TempDir(), t.TempDir()
	writeRepo(t, out, repodata.Gzip, spec("zsh", "1", "x86_64", ""))
	check(t, os.Symlink(filepath.Join(out, "repodata"), filepath.Join(dir, "repodata")))
	if _, err := newCache(t, t.TempDir()).Load(t.Context(), "file://"+dir+"/"); err == nil {
		t.Fatal("a link out of the directory was followed")
	}
}

// Prune forgets what is no longer used, and leaves what is.
func TestPrune(t *testing.T) {
	t.Parallel()
	a, b, dir := newUpstream(t), newUpstream(t), t.TempDir()
	a.publish(spec("zsh", "1", "x86_64", ""))
	b.publish(spec("ash", "1", "x86_64", ""))
	c := newCache(t, dir)
	names(t, c, a.url())
	names(t, c, b.url())
	check(t, c.Prune(map[string]bool{a.url(): true}, time.Now().Add(time.Hour)))
	files, err := os.ReadDir(filepath.Join(dir, "data"))
	check(t, err)
	states, err := os.ReadDir(filepath.Join(dir, "states"))
	check(t, err)
	if len(files) != 3 || len(states) != 1 {
		t.Fatalf("left: %v, %v", files, states)
	}
	a.Close()
	check(t, c.Restore(t.Context(), a.url()))
}

func TestExpand(t *testing.T) {
	t.Parallel()
	if got := external.Expand("http://h/$arch/os/$arch/", "s390x"); got != "http://h/s390x/os/s390x/" {
		t.Fatal(got)
	}
}
