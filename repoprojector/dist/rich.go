package dist

import (
	"fmt"
	"strings"

	"moromi/internal/rpm"
)

// expr is a dependency: one capability, or several with an operator between them (rpm's boolean dependencies, docs/manual/boolean_dependencies.md).
type expr struct {
	dep  rpm.Dependency // if op is empty
	op   string         // and, or, if, unless, with, without
	args []*expr        // of if and unless: what, condition and, of unless, else if there is one
}

// maxDepth bounds how deep boolean dependencies nest: more is no real package.
const maxDepth = 32

// parseDep reads a dependency of a header.
func parseDep(d rpm.Dependency) (*expr, error) {
	if !strings.HasPrefix(d.Name, "(") {
		return &expr{dep: d}, nil
	}
	p := &richParser{words: richWords(d.Name)}
	x, err := p.group(0)
	if err == nil && p.at != len(p.words) {
		err = fmt.Errorf("%q goes on behind its end", d.Name)
	}
	if err != nil {
		return nil, fmt.Errorf("boolean dependency %q: %w", d.Name, err)
	}
	return x, nil
}

// richWords takes a boolean dependency apart: brackets that are not of a name, and words.
func richWords(s string) []string {
	var out []string
	for len(s) > 0 {
		switch s[0] {
		case ' ':
			s = s[1:]
			continue
		case '(', ')':
			out, s = append(out, s[:1]), s[1:]
			continue
		}
		depth, end := 0, len(s) // a name may have brackets of its own: libfoo.so.1()(64bit)
		for i := range len(s) {
			if s[i] == '(' {
				depth++
			} else if s[i] == ')' {
				depth--
			}
			if depth < 0 || s[i] == ' ' && depth == 0 {
				end = i
				break
			}
		}
		out, s = append(out, s[:end]), s[end:]
	}
	return out
}

type richParser struct {
	words []string
	at    int
}

func (p *richParser) next() string {
	if p.at == len(p.words) {
		return ""
	}
	p.at++
	return p.words[p.at-1]
}

func (p *richParser) peek() string {
	if p.at == len(p.words) {
		return ""
	}
	return p.words[p.at]
}

// group reads ( operand op operand … ).
func (p *richParser) group(depth int) (*expr, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("deeper than %d", maxDepth)
	}
	if p.next() != "(" {
		return nil, fmt.Errorf("no bracket")
	}
	first, err := p.operand(depth)
	if err != nil {
		return nil, err
	}
	if p.peek() == ")" {
		p.at++
		return first, nil
	}
	x := &expr{op: p.peek(), args: []*expr{first}}
	for {
		op := p.next()
		switch {
		case op == ")":
			if x.op == "if" && len(x.args) == 3 { // how dnf looks at it, which may take the condition
				return &expr{op: "and", args: []*expr{{op: "if", args: x.args[:2]}, {op: "or", args: x.args[1:]}}}, nil
			}
			return x, nil
		case op == "else" && (x.op == "if" || x.op == "unless") && len(x.args) == 2:
		case op == x.op && (op == "and" || op == "or" || op == "with" || len(x.args) == 1 && (op == "if" || op == "unless" || op == "without")):
		default:
			return nil, fmt.Errorf("%q is not expected", op)
		}
		arg, err := p.operand(depth)
		if err != nil {
			return nil, err
		}
		x.args = append(x.args, arg)
	}
}

// operand reads a group or a capability.
func (p *richParser) operand(depth int) (*expr, error) {
	switch p.peek() {
	case "(":
		return p.group(depth + 1)
	case ")", "":
		return nil, fmt.Errorf("a capability is missing")
	}
	d := rpm.Dependency{Name: p.next()}
	senses := map[string]uint32{"<": rpm.SenseLess, "<=": rpm.SenseLess | rpm.SenseEqual, "=": rpm.SenseEqual, ">=": rpm.SenseGreater | rpm.SenseEqual, ">": rpm.SenseGreater}
	if sense, ok := senses[p.peek()]; ok {
		p.at++
		if d.Flags, d.Version = sense, p.next(); d.Version == "" {
			return nil, fmt.Errorf("a version is missing")
		}
	}
	return &expr{dep: d}, nil
}
