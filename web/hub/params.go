package hub

import (
	"fmt"
	"strconv"
	"strings"
)

// signature is a parsed Params specification: what a Python function signature without annotations and keyword-only parameters says.
type signature struct {
	params []param
	rest   string // name of *args, or ""
	extra  string // name of **opts, or ""
	index  map[string]int
}

type param struct {
	name     string
	value    any // the default
	optional bool
}

// required is how many parameters have no default; they come first.
func (s *signature) required() int {
	n := 0
	for _, p := range s.params {
		if !p.optional {
			n++
		}
	}
	return n
}

// parseParams reads a specification such as "tagInfo, strict=False, event=None", "methodName, *args, **kw" or "". Defaults are None, True,
// False, integers, floats, quoted strings, [] and {}.
func parseParams(spec string) (*signature, error) {
	s := &signature{index: map[string]int{}}
	l := &lexer{in: spec}
	if l.skip(); l.done() {
		return s, nil
	}
	for {
		if err := s.parseOne(l); err != nil {
			return nil, fmt.Errorf("at %q: %w", clip(l.in), err)
		}
		if l.done() {
			return s, nil
		}
		if !l.take(",") {
			return nil, fmt.Errorf("at %q: a comma is missing", clip(l.in))
		}
	}
}

func (s *signature) parseOne(l *lexer) error {
	stars := ""
	switch {
	case l.take("**"):
		stars = "**"
	case l.take("*"):
		stars = "*"
	}
	name, err := l.name()
	if err != nil {
		return err
	}
	if _, dup := s.index[name]; dup || name == s.rest || name == s.extra {
		return fmt.Errorf("parameter %s is there twice", name)
	}
	switch {
	case s.extra != "":
		return fmt.Errorf("parameter %s follows **%s", name, s.extra)
	case stars == "**":
		s.extra = name
		return nil
	case s.rest != "":
		return fmt.Errorf("parameter %s follows *%s", name, s.rest)
	case stars == "*":
		s.rest = name
		return nil
	}
	p := param{name: name}
	if l.take("=") {
		p.optional = true
		if p.value, err = l.literal(); err != nil {
			return err
		}
	} else if n := len(s.params); n > 0 && s.params[n-1].optional {
		return fmt.Errorf("parameter %s without a default follows one with", name)
	}
	s.index[name] = len(s.params)
	s.params = append(s.params, p)
	return nil
}

// lexer walks over a specification; in is what is left.
type lexer struct{ in string }

func (l *lexer) skip()      { l.in = strings.TrimLeft(l.in, " \t\n") }
func (l *lexer) done() bool { return l.in == "" }

func (l *lexer) take(token string) bool {
	if !strings.HasPrefix(l.in, token) {
		return false
	}
	l.in = l.in[len(token):]
	l.skip()
	return true
}

func (l *lexer) name() (string, error) {
	n := 0
	for n < len(l.in) && (isLetter(l.in[n]) || n > 0 && isDigit(l.in[n])) {
		n++
	}
	if n == 0 {
		return "", fmt.Errorf("a name is missing")
	}
	name := l.in[:n]
	l.in = l.in[n:]
	l.skip()
	return name, nil
}

func (l *lexer) literal() (any, error) {
	for _, lit := range []struct {
		text  string
		value any
	}{{"None", nil}, {"True", true}, {"False", false}, {"[]", []any{}}, {"{}", map[string]any{}}} {
		if l.take(lit.text) {
			return lit.value, nil
		}
	}
	if l.in != "" && (l.in[0] == '\'' || l.in[0] == '"') {
		end := strings.IndexByte(l.in[1:], l.in[0])
		text := ""
		if end >= 0 {
			text = l.in[1 : 1+end]
		}
		if end < 0 || strings.ContainsRune(text, '\\') {
			return nil, fmt.Errorf("a string is not closed or has an escape")
		}
		l.in = l.in[end+2:]
		l.skip()
		return text, nil
	}
	n := 0
	for n < len(l.in) && (isDigit(l.in[n]) || strings.IndexByte("+-.e", l.in[n]) >= 0) {
		n++
	}
	text := l.in[:n]
	l.in = l.in[n:]
	l.skip()
	if i, err := strconv.ParseInt(text, 10, 64); err == nil {
		return i, nil
	}
	if f, err := strconv.ParseFloat(text, 64); err == nil {
		return f, nil
	}
	return nil, fmt.Errorf("a default is missing or unknown")
}

func isLetter(c byte) bool { return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }

// String is the signature as Python shows it, with the parentheses.
func (s *signature) String() string {
	var parts []string
	for _, p := range s.params {
		if p.optional {
			parts = append(parts, p.name+"="+pyRepr(p.value))
		} else {
			parts = append(parts, p.name)
		}
	}
	if s.rest != "" {
		parts = append(parts, "*"+s.rest)
	}
	if s.extra != "" {
		parts = append(parts, "**"+s.extra)
	}
	return "(" + strings.Join(parts, ", ") + ")"
}
