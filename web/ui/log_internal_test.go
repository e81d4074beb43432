package ui

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func numbered(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "line %d\n", i+1)
	}
	return b.String()
}

func TestReadLog(t *testing.T) {
	t.Parallel()
	long := numbered(100_000)
	for _, c := range []struct {
		name, text, find string
		end              int64
		growing          bool
		first, last      int64 // line numbers; a line late in the long text is 11 bytes, so 23,831 fill a window
		atEnd            bool
	}{
		{name: "short", text: numbered(3), first: 1, last: 3, atEnd: true},
		{name: "without a last newline", text: "a\nb", first: 1, last: 2, atEnd: true},
		{name: "growing", text: "a\nb", growing: true, first: 1, last: 1, atEnd: true},
		{name: "growing, no line yet", text: "a", growing: true, atEnd: true},
		{name: "the end of a long one", text: long, first: 76_170, last: 100_000, atEnd: true},
		{name: "an earlier piece", text: long, end: int64(strings.Index(long, "line 50000\n")), first: 26_169, last: 49_999},
		{name: "found near the end", text: long, find: "line 99000", first: 93_043, last: 100_000, atEnd: true},
		{name: "nothing found", text: long, find: "line x", first: 76_170, last: 100_000, atEnd: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			v, err := readLog(strings.NewReader(c.text), int64(len(c.text)), c.end, c.find, c.growing, nil)
			if err != nil {
				t.Fatal(err)
			}
			var first, last int64
			if len(v.Lines) > 0 {
				first, last = v.Lines[0].N, v.Lines[len(v.Lines)-1].N
				if want := fmt.Sprintf("line %d", first); strings.HasPrefix(c.text, "line") && v.Lines[0].Text != want {
					t.Errorf("the first line is %q, want %q", v.Lines[0].Text, want)
				}
			}
			if first != c.first || last != c.last || v.AtEnd != c.atEnd {
				t.Errorf("lines %d to %d, at the end %v; want %d to %d, %v", first, last, v.AtEnd, c.first, c.last, c.atEnd)
			}
			for _, l := range v.Lines {
				if l.Found != (c.find != "" && l.Text == c.find) {
					t.Errorf("%q is found: %v", l.Text, l.Found)
				}
			}
		})
	}
}

// TestPieces goes back through a log piece by piece and gets every line once.
func TestPieces(t *testing.T) {
	t.Parallel()
	text := numbered(200_000)
	end, next := int64(0), int64(200_001)
	for {
		v, err := readLog(strings.NewReader(text), int64(len(text)), end, "", false, nil)
		if err != nil {
			t.Fatal(err)
		}
		if v.Next != next {
			t.Fatalf("a piece ends before line %d, the one after it begins with %d", v.Next, next)
		}
		if end, next = v.Start, v.Lines[0].N; end == 0 {
			break
		}
	}
	if next != 1 {
		t.Errorf("the first piece begins with line %d", next)
	}
}

func TestClassify(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"foo.c:3:1: error: expected ';'": "error", "/usr/bin/ld: cannot find -lbar: No such file or directory": "error", "make: *** [Makefile:3: all] Error 1": "error",
		"error: Bad exit status from /var/tmp/x (%build)": "error", "fatal error: foo.h: No such file": "error", "sh: line 1: foo: command not found": "error",
		"--- FAIL: TestX (0.00s)": "error", "Child return code was: 1": "error", "error[E0433]: failed to resolve": "error",
		"gcc -Werror -c error.c": "", "checking for error: no": "", "0 errors, 0 warnings": "", "+ echo error: x": "", "make[1]: [x] Error 1 (ignored)": "",
		"Child return code was: 0": "", "terror: x": "", "foo.c:3:1: warning: unused": "warning", "DEPRECATED feature": "warning",
	} {
		if got := classify(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

func TestStamps(t *testing.T) {
	t.Parallel()
	stamps := readStamps(strings.NewReader("0 0\nnonsense\n60 10\n120 20\n180 x\n"))
	lines, next := splitLog([]byte("12345678\n12345678\n12345678\n"), 0, 1, stamps)
	var got []string
	for _, l := range lines {
		got = append(got, l.Time)
	}
	if diff := cmp.Diff([]string{"00:01:00", "00:01:00", "00:02:00"}, got); diff != "" || next != 4 {
		t.Errorf("times (-want +got):\n%s next %d", diff, next)
	}
	if late, _ := splitLog([]byte("x\n"), 20, 4, stamps); late[0].Time != "" {
		t.Errorf("a line after the last note has the time %q", late[0].Time)
	}
}

func TestReadFault(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]failure{
		"error building package (arch x86_64), rpmbuild exited with status 1 in %build: a; b; see build.log for more information": {
			What: "error building package (arch x86_64), rpmbuild exited with status 1", Phase: "%build", Lines: []string{"a", "b"}, Logs: []string{"build.log"}},
		"error building package (arch i686), mock exited with status 1; see build.log or root.log for more information": {
			What: "error building package (arch i686), mock exited with status 1", Logs: []string{"build.log", "root.log"}},
		"could not init mock buildroot, mock exited with status 30: Error: nothing provides x; see root.log for more information": {
			What: "could not init mock buildroot, mock exited with status 30", Lines: []string{"Error: nothing provides x"}, Logs: []string{"root.log"}},
		"Build already exists (id=3, state=COMPLETE): {}": {What: "Build already exists (id=3, state=COMPLETE): {}"},
		"": {},
	} {
		want.Text = text
		if diff := cmp.Diff(want, readFault(text)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}

func TestNamedParams(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		method, subject string
		params          []any
		want            []param
	}{
		{"build", "f42, foo 0123456789", []any{"git://x/foo.git?p#0123456789012345678901234567890123456789", "f42", map[string]any{"scratch": true}},
			[]param{{"src", "git://x/foo.git?p#0123456789012345678901234567890123456789"}, {"target", "f42"}, {"opts", map[string]any{"scratch": true}}}},
		{"newRepo", "f42-build", []any{"f42-build", map[string]any{"__starstar": true, "event": int64(3)}}, []param{{"tag", "f42-build"}, {"event", int64(3)}}},
		{"buildArch", "foo-1-1.src.rpm", []any{map[string]any{"__method__": "buildArch", "pkg": "a/foo-1-1.src.rpm", "arch": "x86_64"}}, []param{{"arch", "x86_64"}, {"pkg", "a/foo-1-1.src.rpm"}}},
		{"unheard", "", []any{int64(1), nil}, []param{{"parameter 1", int64(1)}, {"parameter 2", nil}}},
		{"build", "", nil, nil},
	} {
		got := namedParams(c.method, c.params)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.method, diff)
		}
		if got := subject(c.method, c.params); got != c.subject {
			t.Errorf("%s is about %q, want %q", c.method, got, c.subject)
		}
	}
}

// TestSlowReader fills the queue of a reader who takes nothing: it is let go, and the others go on.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	b := &board{ui: &UI{}, topics: map[string]*topic{}}
	slow, quick := make(chan update, clientQueue), make(chan update, clientQueue)
	tp := &topic{stop: func() {}, clients: map[chan update]bool{slow: true, quick: true}}
	for i := range clientQueue + 1 {
		b.publish(tp, update{Sections: []section{{"a", fmt.Sprint(i)}}}, nil)
		if up := <-quick; up.Sections[0].HTML != fmt.Sprint(i) {
			t.Fatalf("update %d: %+v", i, up)
		}
	}
	if tp.clients[slow] || !tp.clients[quick] {
		t.Fatalf("readers: %v", tp.clients)
	}
	n := 0
	for range slow { // it is closed
		n++
	}
	if n != clientQueue {
		t.Errorf("the slow reader got %d updates before it was let go, want %d", n, clientQueue)
	}
	b.publish(tp, update{Sections: []section{{"a", fmt.Sprint(clientQueue)}}}, nil)
	select {
	case up := <-quick:
		t.Errorf("what did not change was sent: %+v", up)
	default:
	}
}

func FuzzReadLog(f *testing.F) {
	f.Add([]byte("a\nb\r\x1b[31mc\x1b[0m\n\xff\x00d"), int64(0), "b", true)
	f.Add([]byte(numbered(50)), int64(30), "", false)
	f.Fuzz(func(t *testing.T, data []byte, end int64, find string, growing bool) {
		v, err := readLog(bytes.NewReader(data), int64(len(data)), end, find, growing, []stamp{{1, 2}, {3, 9}})
		if err != nil {
			t.Fatal(err)
		}
		if v.Start < 0 || v.End > v.Size || v.Start > v.End {
			t.Fatalf("window %d to %d of %d", v.Start, v.End, v.Size)
		}
		for _, l := range v.Lines {
			if !utf8.ValidString(l.Text) || strings.ContainsAny(l.Text, "\n\r\x00\x1b") || len(l.Text) > lineMost {
				t.Fatalf("line %q", l.Text)
			}
		}
	})
}

func FuzzReadFault(f *testing.F) {
	f.Add("error building package (arch x86_64), rpmbuild exited with status 1 in %build: a; b; see build.log for more information")
	f.Fuzz(func(t *testing.T, text string) {
		got := readFault(text)
		for _, l := range got.Lines {
			if !strings.Contains(text, l) {
				t.Fatalf("%q is not in the fault", l)
			}
		}
	})
}

func BenchmarkReadLog(b *testing.B) {
	text := strings.Repeat("gcc -O2 -flto=auto -Wall -fPIC -c -o src/part.o src/part.c\n", 1<<16)
	r := strings.NewReader(text)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := readLog(r, int64(len(text)), 0, "", false, nil); err != nil {
			b.Fatal(err)
		}
	}
}
