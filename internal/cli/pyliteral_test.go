package cli

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPyLiteral(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]any{
		"17": int64(17), " -3 ": int64(-3), "0x10": int64(16), "2.5": 2.5, "1e3": 1000.0, "None": nil, "True": true, "False": false,
		`'it\'s'`: "it's", `"a\n\x41é"`: "a\nAé", "[]": []any{}, "[1, 'b', [True],]": []any{int64(1), "b", []any{true}},
		"(1,)": []any{int64(1)}, "(1)": int64(1), "()": []any{}, "(1, 2)": []any{int64(1), int64(2)}, "('a,')": "a,",
		"{'a': 1, \"b\": {'c': None},}": row{"a": int64(1), "b": row{"c": nil}}, "{}": row{},
	} {
		got, err := pyLiteral(in)
		if err != nil {
			t.Errorf("%s: %v", in, err)
		} else if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", in, d)
		}
	}
	for _, in := range []string{"", "x", "[1", "[1 2]", "{1: 2}", "{'a' 1}", "'a", `'\x4'`, "1 2", "nan", "inf", "true", "os.system('x')"} {
		if got, err := pyLiteral(in); err == nil {
			t.Errorf("%s is taken as %v", in, got)
		}
	}
}

// FuzzPyLiteral: whatever is read can be written and read again.
func FuzzPyLiteral(f *testing.F) {
	for _, s := range []string{"[1, 'b', (True,), {'a': None}]", `"a\n\x41\u00e9"`, "((((1))))", "-2.5e3", "'"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := pyLiteral(s)
		if err != nil {
			return
		}
		again, err := pyLiteral(pyRepr(v))
		if err != nil {
			t.Fatalf("%q was read as %s, which is not read: %v", s, pyRepr(v), err)
		}
		if d := cmp.Diff(pyRepr(v), pyRepr(again)); d != "" {
			t.Error(d)
		}
	})
}
