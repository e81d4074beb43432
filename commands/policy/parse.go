package policy

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of a policy: far above what sites have, low enough that a wrong file fails at once.
const (
	// MaxText bounds a policy's text in bytes, so that it fits an event however much of it JSON escapes.
	MaxText  = 160 << 10
	maxRules = 10_000
	maxDepth = 100 // nested blocks and parentheses; parsing and evaluating recurse
)

// Policies are parsed rule sets by name (lower case). They are immutable.
type Policies map[string]*Set

// Set is one named rule set. It is immutable.
type Set struct {
	Name string
	// Notes are about rules that Koji takes, too, and reads in another way.
	Notes []*Note
	rules []rule
	asks  []string
}

// Asks are the names of the policies that this one asks.
func (s *Set) Asks() []string { return s.asks }

type rule struct {
	ref    RuleRef
	when   expr
	negate bool
	action string
	block  []rule // instead of an action; not nil then
}

type op int

const (
	opTest op = iota
	opAnd     // of no kids: holds
	opOr
	opNot
)

// expr is a condition: a test, or others put together.
type expr struct {
	op   op
	kids []expr
	test *test
}

// test is one parsed test: its words and what they mean.
type test struct {
	text string
	run  check
}

// Note is a place in a policy with what is to say about it. As an error it says why the policy cannot be used.
type Note struct {
	Policy       string
	Line, Column int // from 1, in characters
	Message      string
}

// Error names the place and what is wrong there.
func (n *Note) Error() string {
	return fmt.Sprintf("policy %s, line %d, column %d: %s", n.Policy, n.Line, n.Column, n.Message)
}

// line is a line of a policy's text, with where its first character stands.
type line struct {
	text           string
	number, column int
}

// begin is where the first character is that is not blank.
func (l line) begin() int { return len(l.text) - len(strings.TrimLeftFunc(l.text, blank)) }

// Parse makes a rule set of a policy's text. The error, if the text is at fault, is a *Note.
func Parse(name, text string) (*Set, error) {
	if len(text) > MaxText {
		return nil, &Note{name, 1, 1, fmt.Sprintf("%d bytes are too long; at most %d", len(text), MaxText)}
	}
	if at := strings.IndexByte(text, 0); at >= 0 || !utf8.ValidString(text) {
		return nil, &Note{name, 1, 1, "the text is not UTF-8 without NUL"}
	}
	var lines []line
	for i, l := range splitLines(text) {
		lines = append(lines, line{l, i + 1, 1})
	}
	return parse(name, lines)
}

// splitLines is Python's splitlines.
func splitLines(text string) []string {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	text = strings.Map(func(r rune) rune {
		switch r {
		case '\r', '\v', '\f', 0x1c, 0x1d, 0x1e, 0x85, 0x2028, 0x2029:
			return '\n'
		}
		return r
	}, text)
	return strings.Split(text, "\n")
}

func parse(name string, lines []line) (*Set, error) {
	p := &parser{set: &Set{Name: name}, lines: lines}
	var err error
	if p.set.rules, err = p.block("", nil); err != nil {
		return nil, err
	}
	return p.set, nil
}

type parser struct {
	set   *Set
	lines []line
	at    int
	rules int
	depth int
}

// block reads rules up to the closing brace of the block that opened opens; nil: up to the end of the text.
func (p *parser) block(prefix string, opened *line) ([]rule, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, p.note(*opened, opened.begin(), "blocks are nested more than %d deep", maxDepth)
	}
	defer func() { p.depth-- }()
	rules := []rule{}
	for p.at < len(p.lines) {
		l := p.lines[p.at]
		p.at++
		text, _, _ := strings.Cut(l.text, "#")
		switch strings.TrimFunc(text, blank) {
		case "":
			continue
		case "}":
			if opened == nil {
				return nil, p.note(l, l.begin(), "a } without its {")
			}
			return rules, nil
		}
		r, err := p.rule(l)
		if err != nil {
			return nil, err
		}
		if p.rules++; p.rules > maxRules {
			return nil, p.note(l, l.begin(), "more than %d rules", maxRules)
		}
		r.ref.Number, r.ref.Line = fmt.Sprintf("%s%d", prefix, len(rules)+1), l.number
		if r.action == "{" {
			r.action = ""
			if r.block, err = p.block(r.ref.Number+".", &l); err != nil {
				return nil, err
			}
		}
		rules = append(rules, r)
	}
	if opened != nil {
		return nil, p.note(*opened, opened.begin(), "the block that begins here is not closed")
	}
	return rules, nil
}

// note makes an error about the character of a line at a byte offset.
func (p *parser) note(l line, offset int, format string, args ...any) *Note {
	return &Note{p.set.Name, l.number, l.column + utf8.RuneCountInString(l.text[:offset]), fmt.Sprintf(format, args...)}
}

// rule reads one line.
func (p *parser) rule(l line) (rule, error) {
	r, ours, err := p.kojiRule(l)
	if !ours {
		if err == nil {
			p.noteRunOn(l)
		}
		return r, err
	}
	kojis := err == nil
	r, err = p.ownRule(l)
	if err == nil && kojis {
		p.set.Notes = append(p.set.Notes, p.note(l, l.begin(), `to Koji, ||, "not", parentheses and quotes in this rule are patterns like other words`))
	}
	return r, err
}

// noteRunOn notes words that look like an operator without its blanks.
func (p *parser) noteRunOn(l line) {
	tests, _, _ := strings.Cut(l.text, "::")
	for _, w := range fields(tests, 0) {
		if strings.Contains(w.text, "||") {
			p.set.Notes = append(p.set.Notes, p.note(l, w.at, "%s is one word here, as in Koji: put blanks around || to mean or", clip(w.text)))
		}
	}
}

// kojiRule reads a line as Koji does. ours tells that the rule is written in what this language has beyond Koji's; err then tells whether Koji
// would refuse it.
func (p *parser) kojiRule(l line) (_ rule, ours bool, _ error) {
	text, _, _ := strings.Cut(l.text, "#")
	r := rule{when: expr{op: opAnd}}
	at := strings.LastIndex(text, "::")
	if at < 0 {
		if at = strings.LastIndex(text, "!!"); at < 0 {
			return r, beyondKoji(l.text), p.note(l, l.begin(), "neither :: nor !!")
		}
		r.negate = true
	}
	r.action, r.ref.Text = strings.TrimFunc(text[at+2:], blank), strings.TrimFunc(text, blank)
	offset := 0
	var first error
	for _, part := range strings.Split(text[:at], "&&") {
		words := fields(part, offset)
		ours = ours || beyondKoji(part)
		if t, err := p.test(l, words, offset); err == nil {
			r.when.kids = append(r.when.kids, expr{test: t})
		} else if first == nil {
			first = err
		}
		offset += len(part) + len("&&")
	}
	return r, ours, first
}

// beyondKoji tells whether a test's text has what Koji knows nothing of.
func beyondKoji(text string) bool {
	for i, w := range fields(text, 0) {
		if i == 0 && (negates(w.text) || strings.HasPrefix(w.text, "(")) || w.text == "||" || strings.HasPrefix(w.text, `"`) {
			return true
		}
	}
	return false
}

// test compiles the words of a test; at is where it should stand.
func (p *parser) test(l line, words []word, at int) (*test, error) {
	if len(words) == 0 {
		return nil, p.note(l, at, "a test is missing")
	}
	if words[0].quoted {
		return nil, p.note(l, words[0].at, "the name of a test is expected, not %q", clip(words[0].text))
	}
	args := make([]string, 0, len(words)-1)
	shown := words[0].text
	for _, w := range words[1:] {
		args = append(args, w.text)
		shown += " " + w.String()
	}
	if words[0].text == "policy" && len(args) > 0 && !slices.Contains(p.set.asks, args[0]) {
		p.set.asks = append(p.set.asks, args[0])
	}
	t := &test{text: shown}
	run, err := compile(t, words[0].text, args)
	if err != nil {
		return nil, p.note(l, words[0].at, "%v", err)
	}
	t.run = run
	return t, nil
}

// word is a word of a line, with where it begins.
type word struct {
	text   string
	at     int // in bytes
	quoted bool
}

// String is the word as it was written, give or take escapes.
func (w word) String() string {
	if w.quoted {
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(w.text) + `"`
	}
	return w.text
}

// blank tells what separates words in Python.
func blank(r rune) bool { return unicode.IsSpace(r) || 0x1c <= r && r <= 0x1f }

// fields splits a text, which begins at offset, at its blanks.
func fields(text string, offset int) []word {
	var out []word
	start := -1
	for i, r := range text {
		switch {
		case blank(r) && start >= 0:
			out = append(out, word{text: text[start:i], at: offset + start})
			start = -1
		case !blank(r) && start < 0:
			start = i
		}
	}
	if start >= 0 {
		out = append(out, word{text: text[start:], at: offset + start})
	}
	return out
}
