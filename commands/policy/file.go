package policy

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of a policy file.
const (
	maxLine     = 64 << 10
	maxPolicies = 1000
	maxFile     = 8 << 20
)

// Section is one policy of a file.
type Section struct {
	Name string // in lower case
	// Text has the rules, one a line, with the comments among them. It is what Parse takes.
	Text  string
	Set   *Set
	lines []line
}

// ReadFile reads the [policy] section of a file in the form of Koji's hub.conf (Python's configparser): NAME = rules, where the lines after the
// first are indented deeper. The policies come in the order of the file. The error, if a rule is at fault, is a *Note with the file's lines.
func ReadFile(r io.Reader) ([]Section, error) {
	f := &fileReader{}
	sc := bufio.NewScanner(io.LimitReader(r, maxFile))
	sc.Buffer(make([]byte, 0, 4096), maxLine)
	for n := 1; sc.Scan(); n++ {
		if err := f.line(strings.TrimPrefix(sc.Text(), "\ufeff"), n); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
	}
	if err := sc.Err(); err != nil {
		return nil, fmt.Errorf("read policies: %w", err)
	}
	for i := range f.found {
		s := &f.found[i]
		set, err := parse(s.Name, s.lines)
		if err != nil {
			return nil, err
		}
		s.Text = textOf(s.lines)
		if s.Set, err = Parse(s.Name, s.Text); err != nil {
			return nil, err
		}
		s.Set.Notes = set.Notes // with the file's lines
	}
	return f.found, nil
}

// ParseFile is ReadFile for who only wants the rule sets.
func ParseFile(r io.Reader) (Policies, error) {
	list, err := ReadFile(r)
	if err != nil {
		return nil, err
	}
	p := Policies{}
	for _, s := range list {
		p[s.Name] = s.Set
	}
	return p, nil
}

// fileReader goes through the lines of a file.
type fileReader struct {
	found  []Section
	ours   bool // in the section [policy]
	inside bool // a section has begun
	option bool // an option has begun, whose value goes on in deeper lines
	indent int  // of that option's line
	seen   map[string]int
}

func (f *fileReader) line(text string, n int) error {
	if !utf8.ValidString(text) || strings.IndexByte(text, 0) >= 0 {
		return errors.New("the text is not UTF-8 without NUL")
	}
	trimmed := strings.TrimFunc(text, unicode.IsSpace)
	indent := len(text) - len(strings.TrimLeftFunc(text, unicode.IsSpace))
	comment := strings.HasPrefix(trimmed, "#") || strings.HasPrefix(trimmed, ";")
	switch {
	case trimmed == "" || comment:
		if f.option && f.ours && (trimmed == "" || indent > f.indent) {
			if comment {
				trimmed = "#" + trimmed[1:] // ; begins no comment in a rule
			}
			f.add(line{trimmed, n, indent + 1})
		}
		return nil
	case f.option && indent > f.indent:
		if f.ours {
			f.add(line{strings.TrimRightFunc(text, unicode.IsSpace), n, 1})
		}
		return nil
	case trimmed[0] == '[' && strings.IndexByte(trimmed, ']') > 1:
		name := trimmed[1:strings.IndexByte(trimmed, ']')]
		f.ours, f.inside, f.option = name == "policy", true, false
		return nil
	case !f.inside:
		return fmt.Errorf("%q before the first section: policies are in [policy]", clip(trimmed))
	}
	key, value, ok := cut(trimmed)
	if !ok {
		if !f.ours {
			return nil // whatever else a hub.conf has is not for us
		}
		return fmt.Errorf("neither NAME = nor a rule, which is indented: %q", clip(trimmed))
	}
	f.option, f.indent = true, indent
	if f.ours {
		return f.begin(strings.ToLower(key), line{value, n, 1 + strings.LastIndex(text, value)})
	}
	return nil
}

// begin begins a policy; first is what stands behind its name.
func (f *fileReader) begin(name string, first line) error {
	if f.seen[name] != 0 {
		return fmt.Errorf("policy %s is there twice, first in line %d", clip(name), f.seen[name])
	}
	if len(f.found) == maxPolicies {
		return fmt.Errorf("more than %d policies", maxPolicies)
	}
	if f.seen == nil {
		f.seen = map[string]int{}
	}
	f.seen[name] = first.number
	f.found = append(f.found, Section{Name: name})
	if first.text != "" {
		f.add(first)
	}
	return nil
}

func (f *fileReader) add(l line) {
	s := &f.found[len(f.found)-1]
	s.lines = append(s.lines, l)
}

// cut splits NAME = value (or NAME: value) at the first separator.
func cut(text string) (key, value string, ok bool) {
	i := strings.IndexAny(text, "=:")
	if i <= 0 {
		return "", "", false
	}
	return strings.TrimFunc(text[:i], unicode.IsSpace), strings.TrimFunc(text[i+1:], unicode.IsSpace), true
}

// textOf is the text of lines without the indentation that all have and without empty lines around.
func textOf(lines []line) string {
	var out []string
	least := -1
	for _, l := range lines {
		body := strings.TrimLeftFunc(l.text, unicode.IsSpace)
		text := strings.Repeat(" ", l.column-1) + strings.ReplaceAll(l.text[:len(l.text)-len(body)], "\t", "    ") + body
		if strings.TrimSpace(l.text) == "" {
			text = ""
		} else if in := len(text) - len(strings.TrimLeft(text, " ")); least < 0 || in < least {
			least = in
		}
		out = append(out, text)
	}
	for i, text := range out {
		out[i] = text[min(len(text), max(least, 0)):]
	}
	return Normal(strings.Join(out, "\n"))
}

// Normal is a policy's text as it is kept: lines end with a newline and nothing before it, and none around is empty.
func Normal(text string) string {
	lines := splitLines(text)
	for i := range lines {
		lines[i] = strings.TrimRightFunc(lines[i], unicode.IsSpace)
	}
	text = strings.Trim(strings.Join(lines, "\n"), "\n")
	if text == "" {
		return ""
	}
	return text + "\n"
}

// Names are those of the policies, sorted.
func (p Policies) Names() []string { return slices.Sorted(maps.Keys(p)) }

// Len is the number of rules, those of nested blocks included.
func (s *Set) Len() int { return count(s.rules) }

func count(rules []rule) int {
	n := len(rules)
	for _, r := range rules {
		n += count(r.block)
	}
	return n
}
