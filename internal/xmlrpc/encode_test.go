package xmlrpc_test

import (
	"bytes"
	"errors"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"moromi/internal/xmlrpc"
)

var errEOF = io.EOF

type state int

type pair struct{ a, b string }

func (p pair) MarshalXMLRPC(e *xmlrpc.Encoder) error {
	e.BeginStruct()
	if err := e.Member("a", p.a); err != nil {
		return err
	}
	e.Name("b")
	e.String(p.b)
	e.EndMember()
	e.EndStruct()
	return nil
}

func response(t *testing.T, v any, opts ...xmlrpc.Option) string {
	t.Helper()
	var b bytes.Buffer
	if err := xmlrpc.EncodeResponse(&b, v, opts...); err != nil {
		t.Fatal(err)
	}
	s := strings.TrimPrefix(b.String(), "<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n")
	return strings.TrimSuffix(s, "</param>\n</params>\n</methodResponse>\n")
}

func TestEncodeValues(t *testing.T) {
	t.Parallel()
	seven := int32(7)
	when := time.Date(2026, 11, 21, 3, 35, 41, 422619000, time.FixedZone("", 3600))
	rows := func(yield func(any, error) bool) { _ = yield(1, nil) && yield("b", nil) }
	tests := []struct {
		name string
		v    any
		want string
	}{
		{"nil", nil, "<value><nil/></value>"},
		{"nil pointer", (*string)(nil), "<value><nil/></value>"},
		{"nil marshaler", (*pair)(nil), "<value><nil/></value>"},
		{"pointer", &seven, "<value><int>7</int></value>\n"},
		{"bool", true, "<value><boolean>1</boolean></value>\n"},
		{"derived int", state(3), "<value><int>3</int></value>\n"},
		{"int limits", []int64{2147483647, 2147483648, -2147483648, -2147483649},
			"<value><array><data>\n<value><int>2147483647</int></value>\n<value><i8>2147483648</i8></value>\n<value><int>-2147483648</int></value>\n<value><i8>-2147483649</i8></value>\n</data></array></value>\n"},
		{"float", 1795228541.422619, "<value><double>1795228541.422619</double></value>\n"},
		{"whole float", 1.0, "<value><double>1.0</double></value>\n"},
		{"large float", 1e16, "<value><double>1e+16</double></value>\n"},
		{"small float", 0.00001, "<value><double>1e-05</double></value>\n"},
		{"float32", float32(0.1), "<value><double>0.1</double></value>\n"},
		{"string", "a<b>&\t\nc\rd", "<value><string>a&lt;b&gt;&amp;\t\nc&#13;d</string></value>\n"},
		{"broken text", "a\x00\x1b[0m\xff\uFFFEé", "<value><string>a[0m\uFFFDé</string></value>\n"},
		{"bytes", []byte("hello"), "<value><base64>\naGVsbG8=\n</base64></value>\n"},
		{"date", when, "<value><dateTime.iso8601>20261121T02:35:41</dateTime.iso8601></value>\n"},
		{"array", []string{"a"}, "<value><array><data>\n<value><string>a</string></value>\n</data></array></value>\n"},
		{"nil slice", []string(nil), "<value><array><data>\n</data></array></value>\n"},
		{"stream", iter.Seq2[any, error](rows), "<value><array><data>\n<value><int>1</int></value>\n<value><string>b</string></value>\n</data></array></value>\n"},
		{"plain function stream", rows, "<value><array><data>\n<value><int>1</int></value>\n<value><string>b</string></value>\n</data></array></value>\n"},
		{"sorted map", map[string]any{"b": 1, "a": nil},
			"<value><struct>\n<member>\n<name>a</name>\n<value><nil/></value></member>\n<member>\n<name>b</name>\n<value><int>1</int></value>\n</member>\n</struct></value>\n"},
		{"other map", map[state2]bool{"x": false}, "<value><struct>\n<member>\n<name>x</name>\n<value><boolean>0</boolean></value>\n</member>\n</struct></value>\n"},
		{"ordered struct", xmlrpc.Struct{{Name: "b", Value: "1"}, {Name: "a", Value: "2"}},
			"<value><struct>\n<member>\n<name>b</name>\n<value><string>1</string></value>\n</member>\n<member>\n<name>a</name>\n<value><string>2</string></value>\n</member>\n</struct></value>\n"},
		{"marshaler", pair{"1", "2"},
			"<value><struct>\n<member>\n<name>a</name>\n<value><string>1</string></value>\n</member>\n<member>\n<name>b</name>\n<value><string>2</string></value>\n</member>\n</struct></value>\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if d := cmp.Diff(tt.want, response(t, tt.v)); d != "" {
				t.Error(d)
			}
		})
	}
	if got, want := response(t, when, xmlrpc.TimeAsString()), "<value><string>2026-11-21 02:35:41.422619+00:00</string></value>\n"; got != want {
		t.Errorf("hub time %q", got)
	}
	if got, want := response(t, when.Truncate(time.Second), xmlrpc.TimeAsString()), "<value><string>2026-11-21 02:35:41+00:00</string></value>\n"; got != want {
		t.Errorf("whole hub time %q", got)
	}
}

type state2 string

func TestEncodeRefuses(t *testing.T) {
	t.Parallel()
	loop := []any{nil}
	loop[0] = loop
	broken := errors.New("row 2 is broken")
	for name, v := range map[string]any{
		"struct":  struct{}{},
		"channel": make(chan int),
		"int key": map[int]string{1: "a"},
		"uint64":  uint64(1 << 63),
		"loop":    loop,
		"stream":  iter.Seq2[any, error](func(yield func(any, error) bool) { _ = yield(1, nil) && yield(nil, broken) }),
	} {
		err := xmlrpc.EncodeResponse(io.Discard, v)
		if err == nil {
			t.Errorf("%s: no error", name)
		}
		if name == "stream" && !errors.Is(err, broken) {
			t.Errorf("stream: %v", err)
		}
	}
	if err := xmlrpc.EncodeCall(io.Discard, "echo", []any{"a\x01"}); err == nil {
		t.Error("a call with a control character went out")
	}
	if err := xmlrpc.EncodeResponse(io.Discard, "\xff", xmlrpc.RefuseText()); err == nil {
		t.Error("RefuseText let bytes that are not UTF-8 through")
	}
	if err := xmlrpc.EncodeResponse(brokenWriter{}, strings.Repeat("x", 1<<20)); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("broken writer: %v", err)
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestEncodeCallKwargs(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := xmlrpc.EncodeCall(&b, "getTag", []any{"x", xmlrpc.Kwargs{"strict": true}}); err != nil {
		t.Fatal(err)
	}
	_, params, err := xmlrpc.DecodeCall(&b, xmlrpc.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]any{"x", map[string]any{"strict": true, "__starstar": true}}, params); d != "" {
		t.Error(d)
	}
	b.Reset()
	if err := xmlrpc.EncodeCall(&b, "getTag", []any{"x", xmlrpc.Kwargs{}}); err != nil {
		t.Fatal(err)
	}
	if _, params, err = xmlrpc.DecodeCall(&b, xmlrpc.Limits{}); err != nil || len(params) != 1 {
		t.Errorf("empty named arguments: %v, %v", params, err)
	}
}

// TestKojiExchanges reads real exchanges with a Koji 1.35.3 hub and writes them again: the same lines, in another order
// where a struct's members were not sorted.
func TestKojiExchanges(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/koji/*.txt")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			request, answer, ok := strings.Cut(string(data), "\n<<< HTTP 200\n")
			if !ok {
				t.Fatal("no answer in the file")
			}
			_, request, _ = strings.Cut(request, "\n\n")
			_, answer, _ = strings.Cut(answer, "\n\n")

			method, params, err := xmlrpc.DecodeCall(strings.NewReader(request), xmlrpc.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			var b bytes.Buffer
			if err := xmlrpc.EncodeCall(&b, method, params); err != nil {
				t.Fatal(err)
			}
			sameLines(t, strings.Replace(request, " encoding='utf-8'", "", 1), b.String())

			b.Reset()
			result, err := xmlrpc.DecodeResponse(strings.NewReader(answer), xmlrpc.ResponseLimits())
			var f *xmlrpc.Fault
			if errors.As(err, &f) {
				err = xmlrpc.EncodeFault(&b, f.Code, f.String)
			} else if err == nil {
				err = xmlrpc.EncodeResponse(&b, result)
			}
			if err != nil {
				t.Fatal(err)
			}
			sameLines(t, answer, b.String())
		})
	}
}

func sameLines(t *testing.T, want, got string) {
	t.Helper()
	w, g := strings.Split(strings.TrimSpace(want), "\n"), strings.Split(strings.TrimSpace(got), "\n")
	slices.Sort(w)
	slices.Sort(g)
	if d := cmp.Diff(w, g); d != "" {
		t.Error(d)
	}
}
