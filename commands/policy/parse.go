package policy

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// Limits of a policy file: far above what sites have, low enough that a wrong file fails at once.
const (
	maxLine  = 64 << 10
	maxRules = 100_000
	maxDepth = 64 // nested blocks; evaluating recurses
)

// Policies are parsed rule sets by name (lower case). They are immutable.
type Policies map[string]*Set

// Set is one named rule set.
type Set struct {
	Name  string
	rules []rule
}

type rule struct {
	tests  []test
	negate bool
	action string
	block  []rule // instead of an action
	text   string // the line, for explanations
}

// test is one parsed test: its words and what they mean.
type test struct {
	words []string
	run   check
}

// ParseFile reads the [policy] section of a file in the form of Koji's hub.conf: NAME = lines, where continuation lines are indented.
func ParseFile(r io.Reader) (Policies, error) {
	p := Policies{}
	sc := bufio.NewScanner(r)
	sc.Buffer(make([]byte, 0, 4096), maxLine)
	section, name := "", ""
	lines := map[string][]string{}
	for n := 1; sc.Scan(); n++ {
		line := sc.Text()
		trimmed := strings.TrimSpace(line)
		switch {
		case trimmed == "" || strings.HasPrefix(trimmed, "#") || strings.HasPrefix(trimmed, ";"):
		case line[0] == ' ' || line[0] == '\t':
			if section == "policy" && name != "" {
				lines[name] = append(lines[name], trimmed)
			} else if section == "policy" {
				return nil, fmt.Errorf("line %d: a rule before the name of its policy", n)
			}
		case trimmed[0] == '[' && strings.HasSuffix(trimmed, "]"):
			section, name = trimmed[1:len(trimmed)-1], ""
		case section == "policy":
			key, value, ok := cut(trimmed)
			if !ok {
				return nil, fmt.Errorf("line %d: neither NAME = nor an indented rule: %.60q", n, trimmed)
			}
			name = strings.ToLower(key)
			lines[name] = nil
			if value != "" {
				lines[name] = []string{value}
			}
		}
	}
	if err := sc.Err(); err != nil {
		return nil, fmt.Errorf("read policies: %w", err)
	}
	for name, ls := range lines {
		set, err := Parse(name, ls)
		if err != nil {
			return nil, fmt.Errorf("policy %s: %w", name, err)
		}
		p[name] = set
	}
	return p, nil
}

// cut splits NAME = value (or NAME: value) at the first separator.
func cut(line string) (key, value string, ok bool) {
	i := strings.IndexAny(line, "=:")
	if i <= 0 {
		return "", "", false
	}
	return strings.TrimSpace(line[:i]), strings.TrimSpace(line[i+1:]), true
}

// Parse makes a rule set of its lines.
func Parse(name string, lines []string) (*Set, error) {
	if len(lines) > maxRules {
		return nil, fmt.Errorf("%d lines; at most %d", len(lines), maxRules)
	}
	s := &Set{Name: name}
	rest, err := s.block(&s.rules, lines, 0)
	if err != nil {
		return nil, err
	}
	if rest != nil {
		return nil, fmt.Errorf("a } without its {")
	}
	return s, nil
}

// block parses lines into rules up to its closing brace, and gives what follows that; nil at the end of the lines.
func (s *Set) block(into *[]rule, lines []string, depth int) ([]string, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("blocks nested more than %d deep", maxDepth)
	}
	for len(lines) > 0 {
		line, _, _ := strings.Cut(lines[0], "#")
		line = strings.TrimSpace(line)
		lines = lines[1:]
		if line == "" {
			continue
		}
		if line == "}" {
			if lines == nil {
				lines = []string{}
			}
			return lines, nil
		}
		r, err := parseRule(line)
		if err != nil {
			return nil, err
		}
		if r.action == "{" {
			r.action, r.block = "", []rule{}
			if lines, err = s.block(&r.block, lines, depth+1); err != nil {
				return nil, err
			}
			if lines == nil {
				return nil, fmt.Errorf("the block of %q is not closed", line)
			}
		}
		*into = append(*into, r)
	}
	return nil, nil
}

func parseRule(line string) (rule, error) {
	r := rule{text: line}
	at := strings.LastIndex(line, "::")
	if at < 0 {
		if at = strings.LastIndex(line, "!!"); at < 0 {
			return r, fmt.Errorf("neither :: nor !! in %q", line)
		}
		r.negate = true
	}
	r.action = strings.TrimSpace(line[at+2:])
	for _, text := range strings.Split(line[:at], "&&") {
		words := strings.Fields(text)
		if len(words) == 0 {
			return r, fmt.Errorf("a test is missing in %q", line)
		}
		run, err := compile(words)
		if err != nil {
			return r, fmt.Errorf("%w in %q", err, line)
		}
		r.tests = append(r.tests, test{words, run})
	}
	return r, nil
}
