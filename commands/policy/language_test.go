package policy

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// TestLanguage evaluates conditions beyond Koji's.
func TestLanguage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rule string
		data map[string]any
		want string // the action; "-" if the rule does not hold
	}{
		{`match a x || match b y :: yes`, map[string]any{"a": "x"}, "yes"},
		{`match a x || match b y :: yes`, map[string]any{"b": "y"}, "yes"},
		{`match a x || match b y :: yes`, map[string]any{"a": "y", "b": "x"}, "-"},
		{`match a x && match b y || match c z :: yes`, map[string]any{"c": "z"}, "yes"},
		{`match a x && match b y || match c z :: yes`, map[string]any{"a": "x"}, "-"},
		{`match a x && (match b y || match c z) :: yes`, map[string]any{"c": "z"}, "-"},
		{`match a x && (match b y || match c z) :: yes`, map[string]any{"a": "x", "c": "z"}, "yes"},
		{`(match a x || match b y) && match c z !! no`, map[string]any{"a": "x"}, "no"},
		{`(match a x || match b y) && match c z !! no`, map[string]any{"a": "x", "c": "z"}, "-"},
		{`((match a x)):: yes`, map[string]any{"a": "x"}, "yes"},
		{`not match a x :: yes`, map[string]any{"a": "y"}, "yes"},
		{`not match a x :: yes`, map[string]any{"a": "x"}, "-"},
		{`not(match a x && match b y) && has a :: yes`, map[string]any{"a": "x"}, "yes"},
		{`not not has a :: yes`, map[string]any{"a": "x"}, "yes"},
		{`not has a !! yes`, map[string]any{"a": "x"}, "yes"},
		{`match a "two words" :: yes`, map[string]any{"a": "two words"}, "yes"},
		{`match a "t* \"w\\*" z :: yes`, map[string]any{"a": `two "w\o`}, "yes"},
		{`match a "x :: y && z || # (" :: yes`, map[string]any{"a": "x :: y && z || # ("}, "yes"},
		{`match a "" :: yes`, map[string]any{"a": ""}, "yes"},
		{`match a "||" || none :: yes`, map[string]any{"a": "||"}, "yes"},
		{`(match a ")" x) :: yes`, map[string]any{"a": ")"}, "yes"},
		{`(match a x(1) ) :: yes`, map[string]any{"a": "x(1"}, "error"}, // the first ) closes
		{`match a x(1) || none :: yes`, map[string]any{"a": "x(1)"}, "yes"},
		{`match a ::1 || none :: yes # no || (`, map[string]any{"a": "::1"}, "yes"},
		{`all || none :: deny say "hi || ( :: there"`, nil, `deny say "hi || ( :: there"`},
		{`all :: deny "a :: b"`, nil, `deny "a :: b"`},
		// Koji's, which stay so
		{`all :: deny say "hi # there"`, nil, `deny say "hi`},
		{`all :: use "x" || y`, nil, `use "x" || y`},
		{`match a x(1) y) :: yes`, map[string]any{"a": "y)"}, "yes"},
		{`match a x" y"z" :: yes`, map[string]any{"a": `y"z"`}, "yes"},
		{`match a a||b :: yes`, map[string]any{"a": "a||b"}, "yes"},
		{`match a not :: yes`, map[string]any{"a": "not"}, "yes"},
		{`match a x::y :: yes`, map[string]any{"a": "x::y"}, "yes"},
		{`match a x&&match b y::yes`, map[string]any{"a": "x", "b": "y"}, "yes"},
		{`match a x!!yes`, map[string]any{"a": "y"}, "yes"},
		{`match a !! :: yes`, map[string]any{"a": "!!"}, "yes"},
	} {
		set, err := Parse("p", c.rule)
		if err != nil {
			if c.want != "error" {
				t.Errorf("%s: %v", c.rule, err)
			}
			continue
		}
		v, err := Policies{"p": set}.Apply(t.Context(), plain{}, Request{Policy: "p", Data: c.data})
		got := v.Action
		if !v.Matched {
			got = "-"
		}
		if err != nil || got != c.want {
			t.Errorf("%s with %v: %q %v, want %q", c.rule, c.data, got, err, c.want)
		}
	}
}

// TestPlaces sees that errors name the place.
func TestPlaces(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text         string
		line, column int
		says         string
	}{
		{"all allow", 1, 1, "neither :: nor !!"},
		{"all :: allow\n\n  ähm allow", 3, 3, "neither"},
		{"# x\nall :: {\n tag a && tagg b :: x\n}", 3, 11, `unknown test "tagg"`},
		{"(tag a || tagg b) :: x", 1, 11, `unknown test "tagg"`},
		{"tag a && :: x", 1, 9, "a test is missing"},
		{"tag ä && && :: x", 1, 9, "a test is missing"},
		{"tag a || :: x", 1, 10, "a test is missing"},
		{"() :: x", 1, 2, "a test is missing"},
		{"not :: x", 1, 5, "a test is missing"},
		{"(tag a :: x", 1, 1, "the parenthesis that begins here is not closed"},
		{"(tag a)) :: x", 1, 8, "a ) without its ("},
		{"(tag a) tag b :: x", 1, 9, "&&, ||, :: or !! is expected"},
		{`tag "a :: x`, 1, 5, "the quote that begins here is not closed"},
		{`tag "a"b :: x`, 1, 8, "a blank is expected"},
		{`tag "a\n" :: x`, 1, 7, "may follow a backslash"},
		{`"tag" a :: x`, 1, 1, "the name of a test is expected"},
		{"(tag a ||tag b) :: x", 1, 8, "put blanks around ||"},
		{"(tag a) ::x", 1, 9, "&&, ||, :: or !!"},
		{"tag a || tag b", 1, 15, "neither :: nor !!"},
		{"tag a || tag b::x", 1, 18, "has blanks around it"},
		{"all :: {\nall :: x", 1, 1, "is not closed"},
		{"all :: x\n }", 2, 2, "a } without its {"},
		{"compare n < 5 6 :: x", 1, 1, "compare wants"},
		{"compare n < 0x10 :: x", 1, 1, "not a number"},
		{"match :: x", 1, 1, "a field is missing"},
		{strings.Repeat("(", 1000) + "all :: x", 1, maxDepth + 1, "nested more than"},
		{strings.Repeat("not ", 1000) + "all :: x", 1, 4 * maxDepth, "nested more than"},
		{strings.Repeat("all :: {\n", 1000), maxDepth, 1, "nested more than"},
		{"all :: x\x00", 1, 1, "NUL"},
		{"all :: x\xff", 1, 1, "UTF-8"},
		{strings.Repeat("#", MaxText+1), 1, 1, "too long"},
		{strings.Repeat("all::x\n", maxRules+1), maxRules + 1, 1, "more than"},
	} {
		_, err := Parse("p", c.text)
		var n *Note
		if !errors.As(err, &n) || n.Policy != "p" || n.Line != c.line || n.Column != c.column || !strings.Contains(n.Message, c.says) {
			t.Errorf("%.60q: %v, want %d:%d %s", c.text, err, c.line, c.column, c.says)
		}
	}
}

// TestNotes sees that every rule that Koji would read in another way is told of, and no other.
func TestNotes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"tag a || tag b :: allow":         "1:1",
		`match a "x" :: allow`:            "1:1",
		`all :: deny "a :: b"`:            "1:1",
		"tag a||b :: allow":               "1:5",
		"(tag a || tag b) :: allow":       "",
		"not tag a :: allow":              "",
		"tag a || (tag b) :: allow":       "1:1",
		`tag a && nosuch "b" || all :: x`: "error",
		`all :: use "x" || y`:             "",
		"match a b) (c :: allow":          "",
	} {
		set, err := Parse("p", text)
		got := ""
		if err != nil {
			got = "error"
		} else {
			for _, n := range set.Notes {
				got += fmt.Sprintf("%d:%d", n.Line, n.Column)
			}
		}
		if got != want {
			t.Errorf("%s: notes %q %v, want %q", text, got, err, want)
		}
	}
}

// kojiLine is Koji's parse_line, plainly.
func kojiLine(line string) (tests [][]string, negate bool, action string, ok bool) {
	line, _, _ = strings.Cut(line, "#")
	line = strings.TrimSpace(line)
	at := strings.LastIndex(line, "::")
	if at < 0 {
		if at = strings.LastIndex(line, "!!"); at < 0 {
			return nil, false, "", false
		}
		negate = true
	}
	for _, part := range strings.Split(line[:at], "&&") {
		words := strings.Fields(part)
		if len(words) == 0 || !slices.Contains(Tests(), words[0]) {
			return nil, false, "", false
		}
		tests = append(tests, words)
	}
	return tests, negate, strings.TrimSpace(line[at+2:]), true
}

// TestKojisRulesMeanTheSame makes rules of words that sites and mistakes have, and compares how they are read with Koji's way. Rules with what
// this language adds are left out, where Koji would read that as patterns.
func TestKojisRulesMeanTheSame(t *testing.T) {
	t.Parallel()
	words := []string{"tag", "user", "all", "none", "has", "match", "nosuch", "a", "foo*", "[a-z]?", "&&", "&&", "::", "::", "!!", "#", "a&&b", "a::b", "a!!b", "(", "x(y)", ")", `a"b`, "a||b", "not", "{", "}",
		"allow", "deny", "ä", "\t", "x:y", ":", "&", "|", "!", "\u00a0", `\"`, "||", `"a`, `"a"`}
	random := rand.New(rand.NewPCG(1, 2))
	kojis, refused, ours := 0, 0, 0
	for range 200_000 {
		var line string
		for range 1 + random.IntN(9) {
			line += words[random.IntN(len(words))] + []string{" ", " ", "  ", ""}[random.IntN(4)]
		}
		tests, negate, action, ok := kojiLine(line)
		if strings.TrimSpace(line) == "}" || action == "{" {
			continue
		}
		set, err := Parse("p", line)
		if !ok {
			refused++
			if err == nil && len(set.rules) > 0 && !hasOurs(line) {
				t.Fatalf("%q is taken, and not by Koji", line)
			}
			continue
		}
		if slices.ContainsFunc(tests, func(words []string) bool { return beyondKoji(strings.Join(words, " ")) }) {
			if ours++; err == nil && len(set.Notes) == 0 {
				t.Fatalf("%q means something else to Koji, and no note tells", line)
			}
			continue
		}
		if slices.ContainsFunc(tests, func(w []string) bool { return len(w) < 2 && (w[0] == "has" || w[0] == "match") }) {
			continue // Koji refuses these later
		}
		kojis++
		if err != nil || len(set.rules) != 1 {
			t.Fatalf("%q is refused, and not by Koji: %v", line, err)
		}
		r := set.rules[0]
		var got [][]string
		for _, k := range r.when.kids {
			got = append(got, strings.Fields(k.test.text))
		}
		if r.when.op != opAnd || !reflect.DeepEqual(got, tests) || r.negate != negate || r.action != action || r.block != nil {
			t.Fatalf("%q: read as %q %v %q, Koji reads %q %v %q", line, got, r.negate, r.action, tests, negate, action)
		}
	}
	if kojis < 1000 || refused < 1000 || ours < 100 {
		t.Errorf("too few of a kind: %d are Koji's, %d refused, %d ours", kojis, refused, ours)
	}
}

func hasOurs(line string) bool {
	return strings.Contains(line, "||") || strings.Contains(line, `"`) || strings.Contains(line, "(") || strings.Contains(line, "not")
}

// TestFile reads files as Python's configparser does.
func TestFile(t *testing.T) {
	t.Parallel()
	file, err := ReadFile(strings.NewReader(`; a hub.conf
[hub]
KojiDir = /mnt/koji
  goes on
[policy]
  indented =
      all :: one
      ; a comment
      # another

      none :: two
  next: all :: allow
     none :: x
Upper =
empty=
[policy] and junk
late =
	tag "x	y" :: yes
	all :: {
		all :: no
	}
`))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range file {
		got = append(got, s.Name+"|"+s.Text)
	}
	want := []string{"indented|all :: one\n# a comment\n# another\n\nnone :: two\n", "next|all :: allow\nnone :: x\n", "upper|", "empty|", "late|tag \"x\ty\" :: yes\nall :: {\n    all :: no\n}\n"}
	if len(got) != len(want) {
		t.Fatalf("%q", got)
	}
	for i := range want {
		if i != 1 && got[i] != want[i] {
			t.Errorf("got %q, want %q", got[i], want[i])
		}
	}
	if file[1].Set.Len() != 2 || file[4].Set.Len() != 3 {
		t.Errorf("%d and %d rules", file[1].Set.Len(), file[4].Set.Len())
	}
	for text, says := range map[string]string{
		"[policy]\na =\n all :: x\n  tagg y :: z\n":      "policy a, line 4, column 3: unknown test",
		"[policy]\na = tagg y :: z\n":                    "policy a, line 2, column 5: unknown test",
		"[policy]\na =\n all :: x\nb =\na =\n":           "line 5: policy a is there twice, first in line 2",
		"a = all :: x":                                   "before the first section",
		"[policy]\njust words":                           "line 2: neither NAME = nor a rule",
		"[policy]\n\n\nb =\n (tag a || tag b :: x":       "policy b, line 5, column 2: the parenthesis",
		"[policy]\na =\n" + strings.Repeat("x", maxLine): "line is too long",
	} {
		if _, err := ReadFile(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), says) && !strings.Contains(err.Error(), "too long") {
			t.Errorf("%.60q: %v, want %s", text, err, says)
		}
	}
}

// TestTextOfFile sees that a policy's text as it is kept means what the file meant.
func TestTextOfFile(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("testdata/site.policy")
	if err != nil {
		t.Fatal(err)
	}
	file, err := ReadFile(strings.NewReader(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range file {
		whole, err := parse(s.Name, s.lines)
		if err != nil {
			t.Fatal(err)
		}
		if a, b := shape(whole.rules), shape(s.Set.rules); a != b {
			t.Errorf("%s: in the file %s, kept %s", s.Name, a, b)
		}
		if again := Normal(s.Text); again != s.Text {
			t.Errorf("%s: %q is not normal: %q", s.Name, s.Text, again)
		}
	}
}

// shape writes rules down as they are read.
func shape(rules []rule) string {
	var b strings.Builder
	for _, r := range rules {
		fmt.Fprintf(&b, "%s[%s negate=%v action=%q block={%s}]", r.ref.Number, when(r.when), r.negate, r.action, shape(r.block))
	}
	return b.String()
}

func when(x expr) string {
	if x.test != nil {
		return fmt.Sprintf("%q", x.test.text)
	}
	s := fmt.Sprintf("(%d", x.op)
	for _, k := range x.kids {
		s += " " + when(k)
	}
	return s + ")"
}

// TestTests sees that there is a test of every name that Koji's hub has.
func TestTests(t *testing.T) {
	t.Parallel()
	want := strings.Fields(`all bool buildtag buildtag_inherits_from buildtype cg_match_all cg_match_any compare false fromtag has has_perm hastag imported is_build_owner is_child_task is_draft
		is_new_package match match_all match_any method none operation package policy release skip_tag source tag target true user user_in_group version vm_name volume`)
	for _, name := range want {
		if !slices.Contains(Tests(), name) {
			t.Errorf("no test %s", name)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"all :: allow", "(tag a || not tag \"b c\") && all !! x", "all :: {\n none :: x\n}\n", `match a "\"" :: y`, "tag a||b :: x # y"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		set, err := Parse("p", text)
		if err != nil {
			var n *Note
			if !errors.As(err, &n) || n.Line < 1 || n.Column < 1 {
				t.Fatalf("%v", err)
			}
			return
		}
		again, err := Parse("p", Normal(text))
		if err != nil || shape(again.rules) != shape(set.rules) {
			t.Fatalf("kept text means another thing: %v", err)
		}
		if !usesFacts(set.rules) {
			_, _ = Policies{"p": set}.Apply(t.Context(), plain{}, Request{Policy: "p", Data: map[string]any{"a": "b", "n": int64(1)}, Trace: true})
		}
	})
}

func FuzzReadFile(f *testing.F) {
	f.Add("[policy]\nx =\n all :: allow\n has a && match b c* !! deny no\n all :: {\n  none :: x\n }\n")
	f.Add("[policy]\nx : compare n < 3 :: set +1\n  [y]\n# c\n")
	f.Fuzz(func(t *testing.T, text string) {
		file, err := ReadFile(strings.NewReader(text))
		if err != nil {
			return
		}
		for _, s := range file {
			whole, err := parse(s.Name, s.lines)
			if err != nil || shape(whole.rules) != shape(s.Set.rules) {
				t.Fatalf("policy %q: what is kept means another thing: %v\n%s\n%s", s.Name, err, shape(whole.rules), shape(s.Set.rules))
			}
		}
	})
}

// usesFacts tells whether a rule asks about the site, which the fuzz targets do not have.
func usesFacts(rules []rule) bool {
	return slices.ContainsFunc(rules, func(r rule) bool { return exprUsesFacts(r.when) || usesFacts(r.block) })
}

func exprUsesFacts(x expr) bool {
	if x.test != nil {
		name, _, _ := strings.Cut(x.test.text, " ")
		return factTests[name] != nil
	}
	return slices.ContainsFunc(x.kids, exprUsesFacts)
}
