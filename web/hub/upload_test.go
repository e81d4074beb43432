package hub_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"moromi/internal/fault"
	"moromi/internal/xmlrpc"
	"moromi/web/hub"
)

func (c *client) wantUploadFault(code fault.Code, query string, body string) {
	c.t.Helper()
	got, err := c.upload(query, []byte(body))
	if f, ok := err.(*xmlrpc.Fault); !ok || f.Code != int(code) {
		c.t.Errorf("upload %s: %v, %v; want fault %d", query, got, err, code)
	}
}

func (c *client) mustUpload(query, body string) map[string]any {
	c.t.Helper()
	got, err := c.upload(query, []byte(body))
	if err != nil {
		c.t.Fatalf("upload %s: %v", query, err)
	}
	return got
}

func (s *site) content(rel string) string {
	s.t.Helper()
	b, err := os.ReadFile(filepath.Join(s.top, rel))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(b)
}

func TestUploadMatrix(t *testing.T) {
	t.Parallel()
	s := setup(t)
	c := s.login("alice")
	q := func(rest string) string { return "filename=f&filepath=d" + rest }
	steps := []struct {
		query, body string
		code        fault.Code // 0: goes through
		content     string     // afterwards
		digest      string
		offset      int64
	}{
		{q("&fileverify=adler32"), "12345", 0, "12345", "02f80100", 0},
		{q("&fileverify=md5"), "x", fault.Generic, "12345", "", 0}, // exists
		{q("&fileverify=md5&offset=5"), "67", 0, "1234567", "735b90b4568125ed6c3f678819b6e058", 5},
		{q("&fileverify=md5&offset=5"), "67", 0, "1234567", "735b90b4568125ed6c3f678819b6e058", 5}, // the repeat of a piece
		{q("&fileverify=sha256&offset=-1"), "89", 0, "123456789", "cd70bea023f752a0564abb6ed08d42c1440f2e33e29914e55e0be1595e24f45a", 7},
		{q("&fileverify=adler32&offset=3"), "x", fault.Generic, "123x56789", "", 0}, // not where the file ends
		{q("&fileverify=adler32&offset=4&overwrite=1"), "Z", 0, "123xZ", "005b005b", 4},
		{q("&fileverify=adler32&overwrite=1"), "", 0, "", "00000001", 0},
		{q("&overwrite=1"), "no sum", 0, "no sum", "", 0},
		{q("&fileverify=&overwrite=1"), "nor here", 0, "nor here", "", 0},
		{q("&fileverify=crc32&overwrite=1"), "x", fault.Generic, "nor here", "", 0},
		{q("&offset=-2"), "x", fault.Generic, "nor here", "", 0},
		{q("&offset=x"), "x", fault.Internal, "nor here", "", 0},
		{q("&overwrite=1&volume=nosuch"), "x", fault.Generic, "nor here", "", 0},
		{q("&overwrite=1&volume=unmade"), "x", fault.Generic, "nor here", "", 0},
		{"filepath=d", "x", fault.Internal, "nor here", "", 0},
		{"filename=f", "x", fault.Generic, "nor here", "", 0},
		{"filename=f&filepath=d&junk", "x", fault.Internal, "nor here", "", 0},
		{q("&offset=12&fileverify=adler32"), "end", 0, "nor here\x00\x00\x00\x00end", "02720138", 12}, // a gap is fine
	}
	for _, st := range steps {
		got, err := c.upload(st.query, []byte(st.body))
		if st.code != 0 {
			if f, ok := err.(*xmlrpc.Fault); !ok || f.Code != int(st.code) {
				t.Errorf("%s: %v, %v; want fault %d", st.query, got, err, st.code)
			}
		} else if err != nil {
			t.Errorf("%s: %v", st.query, err)
		} else {
			digest, _ := got["hexdigest"].(string)
			if digest != st.digest || got["size"] != int64(len(st.body)) || got["offset"] != st.offset {
				t.Errorf("%s: %v", st.query, got)
			}
		}
		if have := s.content("work/d/f"); have != st.content {
			t.Errorf("after %s: %q, want %q", st.query, have, st.content)
		}
	}
	if err := os.MkdirAll(filepath.Join(s.top, "vol/far"), 0o755); err != nil {
		t.Fatal(err)
	}
	c.mustUpload(q("&volume=far"), "on the far volume")
	if s.content("vol/far/work/d/f") != "on the far volume" {
		t.Error("the upload is not on its volume")
	}
	if got := c.must("checkUpload", "d", "f", "md5", int64(6), "far").(map[string]any); got["sumlength"] != int64(6) || got["size"] != int64(17) {
		t.Errorf("checkUpload on a volume: %v", got)
	}
	// Uploads take part in the call numbers only by being refused with an old one: pieces may be repeated.
	c.n = 500
	c.mustUpload(q("&overwrite=1"), "a")
	c.n = 500
	c.mustUpload(q("&overwrite=1"), "a")
	s.anonymous().wantUploadFault(fault.Auth, "filename=f&filepath=d", "x")
}

func TestUploadsOfTasks(t *testing.T) {
	t.Parallel()
	s := setup(t)
	b1, b2, admin := s.login("builder1", true), s.login("builder2", true), s.login("kojiadmin")
	const q = "filename=build.log&filepath=tasks%2F2345%2F12345%2Flogs&overwrite=1"
	b1.mustUpload(q, "line1\nline2\n")
	if s.content("work/tasks/2345/12345/logs/build.log") != "line1\nline2\n" {
		t.Error("not where it belongs")
	}
	b2.wantUploadFault(fault.ActionNotAllowed, q, "x")
	admin.wantUploadFault(fault.Auth, q, "x")
	s.login("builder1").wantUploadFault(fault.AuthLock, q, "x") // not the exclusive session
	b1.wantUploadFault(fault.Generic, "filename=f&filepath=tasks%2F999%2F999", "x")
	b1.wantUploadFault(fault.ActionNotAllowed, "filename=f&filepath=tasks%2F7%2F7", "x") // not open
	b1.wantUploadFault(fault.Generic, "filename=f&filepath=tasks%2F1%2F12345", "x")
	b1.wantUploadFault(fault.Generic, "filename=f&filepath=tasks", "x")
	b1.must("uploadFile", "tasks/20/20", "root.log", 12, nil, 0, "bGluZTEKbGluZTIK")
	b2.wantFault(fault.ActionNotAllowed, "uploadFile", "tasks/20/20", "x", 1, nil, 0, "eA==")

	c := s.anonymous()
	if got := c.must("listTaskOutput", 12345); !cmp.Equal(got, []any{"logs/build.log"}) {
		t.Errorf("listTaskOutput: %v", got)
	}
	all := c.must("listTaskOutput", 20, xmlrpc.Kwargs{"stat": true, "all_volumes": true}).(map[string]any)
	st := all["root.log"].(map[string]any)["DEFAULT"].(map[string]any)
	if st["st_size"] != "12" || len(st) != 4 {
		t.Errorf("stat: %v", st)
	}
	if got := c.must("listTaskOutput", 20, xmlrpc.Kwargs{"all_volumes": true}); !cmp.Equal(got, map[string]any{"root.log": []any{"DEFAULT"}}) {
		t.Errorf("all volumes: %v", got)
	}
	if got := c.must("listTaskOutput", 999); !cmp.Equal(got, []any{}) {
		t.Errorf("no output: %v", got)
	}
	c.wantFault(fault.Generic, "listTaskOutput", 999, xmlrpc.Kwargs{"strict": true})
	c.wantFault(fault.Internal, "listTaskOutput", "x")
	for _, d := range []struct {
		args []any
		want string
	}{
		{[]any{20, "root.log"}, "line1\nline2\n"}, {[]any{20, "root.log", 2, 4}, "ne1\n"}, {[]any{20, "root.log", xmlrpc.Kwargs{"offset": -3}}, "e2\n"},
		{[]any{20, "root.log", -99}, "line1\nline2\n"}, {[]any{20, "root.log", 99}, ""}, {[]any{20, "root.log", "6"}, "line2\n"}, {[]any{12345, "logs/build.log", 0, 5}, "line1"},
	} {
		if got := c.must("downloadTaskOutput", d.args...); got != base64.StdEncoding.EncodeToString([]byte(d.want)) {
			t.Errorf("downloadTaskOutput%v: %v", d.args, got)
		}
	}
	for _, d := range []struct {
		code fault.Code
		args []any
	}{
		{fault.Generic, []any{20, "nosuch.log"}}, {fault.Generic, []any{20, "../x"}}, {fault.Generic, []any{20, "/etc/passwd"}}, {fault.Generic, []any{12345, "logs"}}, {fault.Generic, []any{20, ".user"}},
		{fault.Internal, []any{20, "root.log", "x"}}, {fault.Generic, []any{20, "root.log", xmlrpc.Kwargs{"volume": "nosuch"}}}, {fault.Internal, []any{"x", "root.log"}}, {fault.Generic, []any{0, "root.log"}},
	} {
		c.wantFault(d.code, "downloadTaskOutput", d.args...)
	}
}

func TestOldUploads(t *testing.T) {
	t.Parallel()
	s := setup(t)
	c := s.login("alice")
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	for _, st := range []struct {
		args []any
		want any // bool, or a fault code
	}{
		{[]any{"d", "f", 3, []any{"sha256", fmt.Sprintf("%x", sha256.Sum256([]byte("abc")))}, 0, b64("abc")}, true},
		{[]any{"d", "f", "3", nil, "3", []byte(b64("def"))}, true},
		{[]any{"d", "f", 9, nil, -1, b64("ghi")}, true},
		{[]any{"d", "f", 3, nil, 0, b64("abc")}, fault.Generic},
		{[]any{"d", "short", 9, nil, -1, b64("abc")}, false},
		{[]any{"d", "whole", 3, []any{"adler32", "024d0127"}, -1, b64("abc")}, true},
		{[]any{"d", "whole", 3, []any{"adler32", "00000000"}, -1, b64("abd")}, false},
		{[]any{"d", "f.log", 3, nil, 0, b64("old")}, true},
		{[]any{"d", "f.log", 3, nil, 0, b64("new")}, true},
		{[]any{"d", "g", 3, []any{"crc", "x"}, 0, b64("abc")}, fault.Generic},
		{[]any{"d", "g", 3, []any{"md5"}, 0, b64("abc")}, fault.Internal},
		{[]any{"d", "g", 3, 5, 0, b64("abc")}, fault.Internal},
		{[]any{"d", "g", 3, nil, -5, b64("abc")}, fault.Generic},
		{[]any{"d", "g", 3, nil, int64(math.MaxInt64), b64("abc")}, fault.Generic},
		{[]any{"d", "g", 3, nil, 0, 5}, fault.Internal},
		{[]any{nil, "g", 3, nil, 0, b64("abc")}, fault.Internal},
	} {
		got, err := c.call("uploadFile", st.args...)
		if code, ok := st.want.(fault.Code); ok {
			if f, ok := err.(*xmlrpc.Fault); !ok || f.Code != int(code) {
				t.Errorf("uploadFile%v: %v, %v; want fault %d", st.args, got, err, code)
			}
		} else if err != nil || got != st.want {
			t.Errorf("uploadFile%v: %v, %v", st.args, got, err)
		}
	}
	if got := s.content("work/d/f"); got != "abcdefghi" {
		t.Errorf("content %q", got)
	}
	if got := s.content("work/d/f.log"); got != "new" {
		t.Errorf("log %q", got)
	}
	c.wantFault(fault.Generic, "checkUpload", "d", "f", "md5", -1)
	if got := c.must("checkUpload", "d", "nothing"); got != nil {
		t.Errorf("checkUpload of nothing: %v", got)
	}
}

// TestUploadIsLocked: while one upload of a file runs, another of it is refused, and one that breaks off gives the file back.
func TestUploadIsLocked(t *testing.T) {
	t.Parallel()
	s := setup(t)
	c := s.login("alice")
	body, feed := io.Pipe()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/kojihub?filename=f&filepath=d&overwrite=1", body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = c.header.Clone()
	req.Header.Set("Content-Type", "application/octet-stream")
	done := make(chan error, 1)
	go func() {
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			resp.Body.Close()
		}
		done <- err
	}()
	if _, err := feed.Write(bytes.Repeat([]byte("x"), 1<<20)); err != nil { // larger than what is buffered on the way: the hub has begun to write
		t.Fatal(err)
	}
	for {
		st, err := os.Stat(filepath.Join(s.top, "work/d/f"))
		if err == nil && st.Size() > 0 {
			break
		}
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	c.wantUploadFault(fault.Lock, "filename=f&filepath=d&overwrite=1", "y")
	c.wantFault(fault.Lock, "checkUpload", "d", "f")
	feed.CloseWithError(io.ErrClosedPipe)
	if err := soon(t, done); err == nil {
		t.Error("the broken upload was answered as if whole")
	}
	for { // the hub notices when it reads next
		if _, err := c.upload("filename=f&filepath=d&overwrite=1", []byte("y")); err == nil {
			break
		} else if f, ok := err.(*xmlrpc.Fault); !ok || f.Code != int(fault.Lock) {
			t.Fatal(err)
		}
	}
	if got := s.content("work/d/f"); got != "y" {
		t.Errorf("content %q", got)
	}
}

func TestUploadLimit(t *testing.T) {
	t.Parallel()
	s := setup(t, func(c *hub.Config) { c.Limits.UploadFile = 100 })
	c := s.login("alice")
	c.mustUpload("filename=f&filepath=d", strings.Repeat("x", 100))
	c.wantUploadFault(fault.Generic, "filename=f&filepath=d&offset=100", "x")
	c.wantUploadFault(fault.Generic, "filename=g&filepath=d", strings.Repeat("x", 101))
	c.wantUploadFault(fault.Generic, "filename=g&filepath=d&offset=101&overwrite=1", "x")
	c.wantUploadFault(fault.Generic, "filename=g&filepath=d&offset=9223372036854775807&overwrite=1", "x")
}

// TestConcurrentFirstUpload: of many users that want a new directory at once, one gets it.
func TestConcurrentFirstUpload(t *testing.T) {
	t.Parallel()
	s := setup(t)
	for round := range 5 {
		var wg sync.WaitGroup
		var mu sync.Mutex
		winners := map[string]bool{}
		for _, name := range []string{"alice", "bob", "kojira", "cguser"} {
			c := s.login(name)
			for i := range 3 {
				mine := *c
				wg.Go(func() {
					if _, err := mine.upload(fmt.Sprintf("filename=%s%d&filepath=race%d", name, i, round), []byte("x")); err == nil {
						mu.Lock()
						winners[name] = true
						mu.Unlock()
					}
				})
			}
		}
		wg.Wait()
		if len(winners) != 1 {
			t.Errorf("round %d: %v own the directory", round, winners)
		}
	}
}

// treeHash describes everything under dir but what is under the directories left out.
func treeHash(t *testing.T, dir string, out ...string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		for _, o := range out {
			if rel == o {
				return fs.SkipDir
			}
		}
		st, err := os.Lstat(p)
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%s %v", rel, st.Mode())
		switch {
		case st.Mode().IsRegular():
			data, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, " %x", sha256.Sum256(data))
		case st.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(p)
			if err != nil {
				return err
			}
			b.WriteString(" " + target)
		}
		b.WriteByte('\n')
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestCraftedUploads (S4): 500 crafted destinations change nothing outside the directories of the one who uploads.
func TestCraftedUploads(t *testing.T) {
	t.Parallel()
	s := setup(t)
	outside := t.TempDir()
	victim, mallory := s.login("bob"), s.login("alice")
	write := func(p, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(outside, "secret"), "outside")
	write(filepath.Join(s.top, "packages/foo/1/1/src/foo.src.rpm"), "package")
	write(filepath.Join(s.top, "vol/far/work/keep"), "far")
	victim.mustUpload("filename=mine&filepath=victim", "bob's")
	mallory.mustUpload("filename=own&filepath=m", "alice's")
	for name, target := range map[string]string{
		"abs": outside, "up": "../../packages", "file": filepath.Join(outside, "secret"), "relfile": "../../packages/foo/1/1/src/foo.src.rpm",
		"dangling": filepath.Join(outside, "new"), "peer": "../victim", "peerfile": "../victim/mine", "self": "self", "userlink": "../victim/.user", "top": "../../..",
	} {
		if err := os.Symlink(target, filepath.Join(s.top, "work/m", name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(s.top, "work/m/fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	dirs := []string{"m", "m/abs", "m/up", "m/up/foo/1/1/src", "m/peer", "m/top/etc", "m/self", "m/dangling", "m/../victim", "victim", "victim/", "./victim", "m//../victim", "..", "../packages", "../../etc",
		"m/../../packages", "/etc", "//etc", outside, "/", ".", "", "m/.", "m/..", "m/.user", ".user", "victim/.user", "m/..\\..\\x", "\\etc", "m\\..\\victim", "m/%2e%2e", "%2e%2e/victim", "m\x00/../victim", "victim\x00",
		"m/\xc0\xae\xc0\xae/victim", "m/\xff", "m/\u2025/victim", "m/.../x", "m/own", "m/fifo", "M", "Victim", "victim.", "victim ", " victim", "m/" + strings.Repeat("a/", 1000), strings.Repeat("b", 300), "tasks/1/1", "tasks/../victim", "tasks",
		"../work/victim", "../vol/far/work", "vol/far/work", "~", "$HOME", "m/\n/x", "m/\r\nx"}
	names := []string{"new", "own", "mine", "secret", "passwd", "..", ".", "", ".user", ".hidden", "a/b", "../x", "/etc/passwd", "a\x00b", "file", "relfile", "dangling", "peerfile", "fifo", "abs", "userlink", "self", "trailing.", "UP", "\\x", "..\\x", "\xff", strings.Repeat("n", 256), "a\nb", "\u202ename"}
	volumes := []string{"", "DEFAULT", "far", "unmade", "nosuch", "..", "../..", ".", "far/../..", "/", outside, "far\x00"}
	verifies := []string{"adler32", "", "bogus"}
	mine := []string{"work/m"}
	for _, d := range []string{"Victim", "victim.", "victim ", " victim", "M", "vol", "~", "$HOME", "\\etc", "m\\..\\victim", "%2e%2e"} {
		mine = append(mine, "work/"+d, "vol/far/work/"+d) // names that are only odd: directories of her own
	}
	mine = append(mine, "vol/far/work/m", "vol/far/work/victim")
	before, beforeOut := treeHash(t, s.top, mine...), treeHash(t, outside)
	rng := rand.New(rand.NewPCG(1, 2))
	accepted := 0
	for i := range 500 {
		q := url.Values{"filename": {names[rng.IntN(len(names))]}, "filepath": {dirs[i%len(dirs)]}, "volume": {volumes[rng.IntN(len(volumes))]}, "fileverify": {verifies[rng.IntN(len(verifies))]}}
		if i%3 > 0 {
			q.Del("volume")
		}
		if i%2 > 0 {
			q.Set("overwrite", "1")
		}
		if _, err := mallory.upload(q.Encode(), []byte("evil")); err == nil {
			accepted++
		} else if f, ok := err.(*xmlrpc.Fault); !ok || strings.Contains(f.String, s.top) || strings.Contains(f.String, "internal error") {
			t.Errorf("%s: %v", q.Encode(), err)
		}
	}
	if diff := cmp.Diff(before, treeHash(t, s.top, mine...)); diff != "" {
		t.Errorf("the topdir changed (-before +after)\n%s", diff)
	}
	if diff := cmp.Diff(beforeOut, treeHash(t, outside)); diff != "" {
		t.Errorf("outside changed (-before +after)\n%s", diff)
	}
	if accepted == 0 {
		t.Error("everything was refused: the test shows nothing")
	}
	for _, link := range []string{"file", "relfile", "dangling", "peerfile"} {
		if st, err := os.Lstat(filepath.Join(s.top, "work/m", link)); err != nil || st.Mode()&fs.ModeSymlink == 0 {
			t.Errorf("%s is no symlink any more", link)
		}
	}
}

// A refused upload is answered even though its body is large: a client must see the fault (an expired session, say), not a broken connection.
func TestRefusedUploadIsAnswered(t *testing.T) {
	t.Parallel()
	s := setup(t)
	c := s.login("alice")
	if _, err := s.pool.Exec(t.Context(), `update ops.sessions set expired = true`); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		c.wantUploadFault(fault.AuthExpired, "filename=f&filepath=d", strings.Repeat("x", 8<<20))
	}
}

// A client that promises a body and sends nothing is not waited for forever, and one that closes early is told nothing.
func TestUploadBodyBreaksOff(t *testing.T) {
	t.Parallel()
	s := setup(t)
	c := s.login("alice")
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /kojihub?filename=f&filepath=d HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\nContent-Length: 1000000000\r\nKoji-Session-Id: %s\r\nKoji-Session-Key: %s\r\n\r\nabc",
		c.header.Get("Koji-Session-Id"), c.header.Get("Koji-Session-Key"))
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(b), "HTTP/1.1 400 ") {
		t.Errorf("answer: %q", b)
	}
	if got := c.must("checkUpload", "d", "f").(map[string]any); got["size"] != int64(3) {
		t.Errorf("what arrived: %v", got)
	}
}
