package hub

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"moromi/internal/fault"
)

func TestParseParams(t *testing.T) {
	t.Parallel()
	for spec, want := range map[string]string{
		"":                                    "()",
		"tagInfo":                             "(tagInfo)",
		" tagInfo ,strict = False,event=None": "(tagInfo, strict=False, event=None)",
		"methodName, *args, **kw":             "(methodName, *args, **kw)",
		"*args, **opts":                       "(*args, **opts)",
		"hostInfo, **kw":                      "(hostInfo, **kw)",
		`a=1, b=-1, c=604800, d=1.5, e='koji', f="", g=[], h={}, i=True`: "(a=1, b=-1, c=604800, d=1.5, e='koji', f='', g=[], h={}, i=True)",
	} {
		sig, err := parseParams(spec)
		if err != nil {
			t.Errorf("%q: %v", spec, err)
		} else if got := sig.String(); got != want {
			t.Errorf("%q became %q, want %q", spec, got, want)
		}
	}
	for _, bad := range []string{",", "a,", "a b", "1a", "a=", "a=foo", "a=1,b", "a,a", "*a,b", "**a,b", "**a,*b", "**a,**b", "*a,*b", "a,*a", "a='x", `a='\n'`, "a=1e", "*", "a=--1", "a,,b", "é"} {
		if _, err := parseParams(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func FuzzParseParams(f *testing.F) {
	for _, s := range []string{"", "a, b=None", "*args, **kw", "a='x', b=-1.5e3", "a=[], b={}", "a=\"\"", "a b", "a=1e999", "a=+1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, spec string) {
		sig, err := parseParams(spec)
		if err != nil {
			return
		}
		shown := strings.Trim(sig.String(), "()")
		again, err := parseParams(shown)
		if err != nil {
			if strings.Contains(shown, "Inf") || strings.Contains(shown, "\\") || strings.Contains(shown, "\"'") {
				return
			}
			t.Fatalf("%q shows as %q, which is refused: %v", spec, shown, err)
		}
		if again.String() != sig.String() {
			t.Fatalf("%q shows as %q, then as %q", spec, sig, again)
		}
	})
}

func TestBind(t *testing.T) {
	t.Parallel()
	type kw = map[string]any
	for _, c := range []struct {
		params     string
		positional []any
		kw         kw
		want       string // JSON of values, rest, extra; or the fault's message
	}{
		{"a, b=2", []any{int64(1)}, nil, `[[1,2],null,null]`},
		{"a, b=2", []any{int64(1), int64(3)}, nil, `[[1,3],null,null]`},
		{"a, b=2", nil, kw{"b": int64(5), "a": "x"}, `[["x",5],null,null]`},
		{"a, *rest", []any{"x", "y", "z"}, nil, `[["x"],["y","z"],null]`},
		{"a, **opts", []any{"x"}, kw{"k": true}, `[["x"],null,{"k":true}]`},
		{"*args, **opts", nil, nil, `[[],null,{}]`},
		{"a", nil, nil, `m() missing 1 required positional argument: 'a'`},
		{"a, b, c=1", nil, nil, `m() missing 2 required positional arguments: 'a' and 'b'`},
		{"a, b, c", nil, nil, `m() missing 3 required positional arguments: 'a', 'b', and 'c'`},
		{"a, b", nil, kw{"a": nil}, `m() missing 1 required positional argument: 'b'`},
		{"", []any{"x"}, nil, `m() takes 0 positional arguments but 1 was given`},
		{"a", []any{"x", "y"}, nil, `m() takes 1 positional argument but 2 were given`},
		{"a, b=1", []any{"x", "y", "z"}, nil, `m() takes from 1 to 2 positional arguments but 3 were given`},
		{"a", []any{"x"}, kw{"a": "y"}, `m() got multiple values for argument 'a'`},
		{"a", []any{"x"}, kw{"bogus": 1}, `m() got an unexpected keyword argument 'bogus'`},
	} {
		sig, err := parseParams(c.params)
		if err != nil {
			t.Fatal(err)
		}
		a, err := sig.bind("m", c.positional, c.kw)
		if err != nil {
			if f := fault.Of(err); f == nil || f.Code != fault.Parameter || f.Message != c.want {
				t.Errorf("(%s): %v, want %s", c.params, err, c.want)
			}
			continue
		}
		got, err := json.Marshal([]any{a.values, a.rest, a.extra})
		if err != nil || string(got) != c.want {
			t.Errorf("(%s): %s, %v, want %s", c.params, got, err, c.want)
		}
	}
}

// A default list or struct belongs to one call.
func TestDefaultsAreNotShared(t *testing.T) {
	t.Parallel()
	sig, err := parseParams("opts={}")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		a, err := sig.bind("m", nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		m, err := a.Map("opts")
		if err != nil || len(m) != 0 {
			t.Fatalf("%v, %v", m, err)
		}
		m["x"] = 1
	}
}

func TestGetters(t *testing.T) {
	t.Parallel()
	sig, err := parseParams("v")
	if err != nil {
		t.Fatal(err)
	}
	with := func(v any) Args {
		a, err := sig.bind("m", []any{v}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	getters := map[string]func(Args) (any, error){
		"Int":         func(a Args) (any, error) { return a.Int("v") },
		"IntOrNil":    func(a Args) (any, error) { p, err := a.IntOrNil("v"); return deref(p), err },
		"ID":          func(a Args) (any, error) { return a.ID("v") },
		"Float":       func(a Args) (any, error) { return a.Float("v") },
		"FloatOrNil":  func(a Args) (any, error) { p, err := a.FloatOrNil("v"); return deref(p), err },
		"String":      func(a Args) (any, error) { return a.String("v") },
		"StringOrNil": func(a Args) (any, error) { p, err := a.StringOrNil("v"); return deref(p), err },
		"StringOr":    func(a Args) (any, error) { return a.StringOr("v", "none") },
		"Strings":     func(a Args) (any, error) { l, err := a.Strings("v"); return l, err },
		"IDs":         func(a Args) (any, error) { l, err := a.IDs("v"); return l, err },
		"Bool":        func(a Args) (any, error) { return a.Bool("v"), nil },
		"Time": func(a Args) (any, error) {
			p, err := a.Time("v")
			if p == nil {
				return nil, err
			}
			return p.Format("2006-01-02T15:04:05.999Z07:00"), err
		},
	}
	bad := "a fault"
	for _, c := range []struct {
		getter string
		in     any
		want   any
	}{
		{"Int", int64(5), int64(5)}, {"Int", "17", int64(17)}, {"Int", true, int64(1)}, {"Int", 2.9, int64(2)}, {"Int", nil, bad}, {"Int", "x", bad}, {"Int", 1e300, bad}, {"Int", []any{}, bad},
		{"IntOrNil", nil, nil}, {"IntOrNil", int64(1), int64(1)}, {"IntOrNil", "x", bad},
		{"ID", int64(5), int64(5)}, {"ID", "5", bad}, {"ID", true, bad},
		{"Float", int64(5), 5.0}, {"Float", 1.5, 1.5}, {"Float", "x", bad}, {"FloatOrNil", nil, nil}, {"FloatOrNil", "x", bad},
		{"String", "x", "x"}, {"String", nil, bad}, {"String", int64(1), bad}, {"StringOrNil", nil, nil}, {"StringOrNil", "", ""}, {"StringOr", nil, "none"}, {"StringOr", int64(1), bad},
		{"Strings", []any{"a"}, []string{"a"}}, {"Strings", nil, []string(nil)}, {"Strings", []any{int64(1)}, bad}, {"Strings", "a", bad},
		{"IDs", []any{int64(1)}, []int64{1}}, {"IDs", []any{"1"}, bad},
		{"Bool", nil, false}, {"Bool", "", false}, {"Bool", "no", true}, {"Bool", int64(0), false}, {"Bool", map[string]any{}, false}, {"Bool", []any{nil}, true},
		{"Time", int64(1767614400), "2026-01-05T12:00:00Z"}, {"Time", 1767614400.5, "2026-01-05T12:00:00.5Z"}, {"Time", "2026-01-05 12:00:00.5+00:00", "2026-01-05T12:00:00.5Z"},
		{"Time", "2026-01-05", "2026-01-05T00:00:00Z"}, {"Time", nil, nil}, {"Time", "soon", bad}, {"Time", 1e300, bad}, {"Time", true, bad},
	} {
		got, err := getters[c.getter](with(c.in))
		if c.want == any(bad) {
			if !fault.Is(err, fault.Parameter) {
				t.Errorf("%s(%v) = %v, %v", c.getter, c.in, got, err)
			}
			if _, err := getters[c.getter](with(c.in).Reject(fault.Generic)); !fault.Is(err, fault.Generic) {
				t.Errorf("%s(%v) with another code: %v", c.getter, c.in, err)
			}
			continue
		}
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
			t.Errorf("%s(%v): %v %s", c.getter, c.in, err, diff)
		}
	}
}

func deref[T any](p *T) any {
	if p == nil {
		return nil
	}
	return *p
}

func TestPyRepr(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in   any
		want string
	}{
		{nil, "None"}, {true, "True"}, {int64(-5), "-5"}, {1.0, "1.0"}, {"it's", `"it's"`}, {`a'b"c`, `'a\'b"c'`}, {"a\n\x01", `'a\n\x01'`},
		{[]any{int64(1), "a"}, "[1, 'a']"}, {map[string]any{"b": false, "a": nil}, "{'a': None, 'b': False}"}, {[]byte("x"), "b'x'"},
	} {
		if got := pyRepr(c.in); got != c.want {
			t.Errorf("%#v: %s, want %s", c.in, got, c.want)
		}
	}
}

func FuzzUploadQuery(f *testing.F) {
	for _, q := range []string{"filename=a&filepath=b&offset=0&fileverify=adler32", "filename=%2e%2e&filepath=../..", "filename=a&offset=-1&overwrite=1", "a", "filename=a&filepath=x%00y", "filename=a&filepath=x&offset=99999999999999999999", "filename=&filepath=x", "filename=a&volume=..%2F..&filepath=b"} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		q, err := strictQuery(raw)
		if err == nil {
			var u rawUpload
			if u, err = parseUpload(q); err == nil {
				s := u.to.String()
				if strings.Contains(s, "..") && strings.Contains(s, "/../") || strings.HasPrefix(s, "/") || !strings.Contains(s, "work/") || u.offset < -1 {
					t.Fatalf("%q became %q at %d", raw, s, u.offset)
				}
			}
		}
		if err != nil && fault.Of(err) == nil {
			t.Fatalf("%q: %v is no fault", raw, err)
		}
	})
}
