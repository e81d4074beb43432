package policy

import (
	"strings"
	"testing"
)

// plain is a site without anything: for tests of rules that only look at the data.
type plain struct{ Facts }

func TestApply(t *testing.T) {
	t.Parallel()
	p, err := ParseFile(strings.NewReader(`
[hub]
KojiDir = /mnt/koji
[policy]
first =
    match a x* y :: A x or y   # a comment
    match a z && match b 1 :: B z1
    # none
    match a z !! C not z
Nested =
    has a :: {
        match a 1 :: one
        has b :: {
            match b 2 :: one-two
        }
        match c ? :: c single
    }
    all :: fallthrough
numbers =
    compare n < 5 :: small
    compare n >= 100 :: huge
    compare n = 7 :: seven
sub =
    policy yes && match a x :: via yes
    policy no :: never
    all :: not via
yes =
    all :: allow
no =
    all :: deny
loop =
    policy loop :: x
lists =
    match_any l foo* 7 :: any
    match_all l b* :: all
    none :: never
empty =
[other]
x = 1
`))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		policy string
		data   map[string]any
		action string
		rules  int
	}{
		{"first", map[string]any{"a": "xyz"}, "A x or y", 1},
		{"first", map[string]any{"a": "z", "b": "1"}, "B z1", 1},
		{"first", map[string]any{"a": "z", "b": "2"}, "", 0},
		{"first", map[string]any{}, "C not z", 1},
		{"nested", map[string]any{"a": "2", "b": "2"}, "one-two", 3},
		{"nested", map[string]any{"a": "2", "b": "4"}, "fallthrough", 1},
		{"nested", map[string]any{"a": "2", "c": "q"}, "c single", 2},
		{"numbers", map[string]any{"n": int64(3)}, "small", 1},
		{"numbers", map[string]any{"n": 4.5}, "small", 1},
		{"numbers", map[string]any{"n": int64(7)}, "seven", 1},
		{"numbers", map[string]any{}, "", 0},
		{"sub", map[string]any{"a": "x"}, "via yes", 1},
		{"sub", map[string]any{"a": "y"}, "not via", 1},
		{"empty", map[string]any{"a": "y"}, "", 0},
		{"lists", map[string]any{"l": []any{"x", "foobar"}}, "any", 1},
		{"lists", map[string]any{"l": []any{"x", int64(7)}}, "any", 1},
		{"lists", map[string]any{"l": []any{"ba", "bo"}}, "all", 1},
		{"lists", map[string]any{"l": []any{"ba", nil}}, "", 0},
		{"lists", map[string]any{"l": []any{}}, "", 0},
		{"lists", map[string]any{"l": "foo"}, "", 0}, // no list
		{"lists", map[string]any{"l": int64(7)}, "", 0},
	} {
		v, err := p.Apply(t.Context(), plain{}, Request{Policy: c.policy, Data: c.data})
		if err != nil || v.Action != c.action || v.Matched != (c.rules > 0) || len(v.Rules) != c.rules {
			t.Errorf("%s %v: %+v %v, want %q after %d rules", c.policy, c.data, v, err, c.action, c.rules)
		}
	}
	for _, bad := range []struct {
		policy string
		data   map[string]any
	}{{"loop", nil}, {"nosuch", nil}, {"numbers", map[string]any{"n": "3"}}, {"first", map[string]any{"a": int64(5)}}} {
		if v, err := p.Apply(t.Context(), plain{}, Request{Policy: bad.policy, Data: bad.data}); err == nil {
			t.Errorf("%s %v: %+v, want an error", bad.policy, bad.data, v)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"[policy]\n all :: allow", "[policy]\nx =\n all allow", "[policy]\nx =\n nosuchtest :: allow", "[policy]\nx =\n all :: {\n all :: allow",
		"[policy]\nx =\n all :: allow\n }", "[policy]\nx =\n && all :: allow", "[policy]\nx =\n compare n ~ 3 :: allow", "[policy]\nx =\n compare n < y :: allow",
		"[policy]\nx =\n match :: allow", "[policy]\njust words",
	} {
		if p, err := ParseFile(strings.NewReader(text)); err == nil {
			t.Errorf("%q: %v, want an error", text, p)
		}
	}
}

func TestGlob(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"*", "", true}, {"", "", true}, {"", "a", false}, {"a*", "abc", true}, {"*c", "abc", true}, {"a*c*e", "abcde", true}, {"a?c", "abc", true},
		{"a?c", "ac", false}, {"/rpms/*", "/rpms/a/b", true}, {"[a-c]x", "bx", true}, {"[!a-c]x", "bx", false}, {"[!a-c]x", "dx", true}, {"[]]", "]", true},
		{"[a", "[a", true}, {"f*-*-1", "foo-1.0-1", true}, {"ä*", "äb", true}, {strings.Repeat("*a", 50), strings.Repeat("a", 200), true},
		{strings.Repeat("*a", 50) + "b", strings.Repeat("a", 2000), false},
	} {
		if got := matchAny(c.text, []string{c.pattern}); got != c.want {
			t.Errorf("%q against %q: %v", c.text, c.pattern, got)
		}
	}
}
