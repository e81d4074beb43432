package cli

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxLiteralDepth bounds nested lists and dictionaries on a command line.
const maxLiteralDepth = 50

// pyLiteral reads a Python literal, as ast.literal_eval does: numbers, text, None, True, False, lists, tuples (as lists) and
// dictionaries whose keys are text.
func pyLiteral(s string) (any, error) {
	p := &literalParser{rest: strings.TrimSpace(s)}
	v, err := p.value(0)
	if err == nil && p.space() != "" {
		err = fmt.Errorf("%q is left over", p.rest)
	}
	return v, err
}

type literalParser struct{ rest string }

// space skips space and gives what is left.
func (p *literalParser) space() string {
	p.rest = strings.TrimLeft(p.rest, " \t\r\n")
	return p.rest
}

// take takes a token, if it comes next.
func (p *literalParser) take(token string) bool {
	rest, ok := strings.CutPrefix(p.space(), token)
	if ok {
		p.rest = rest
	}
	return ok
}

func (p *literalParser) value(depth int) (any, error) {
	switch {
	case depth > maxLiteralDepth:
		return nil, errors.New("nested too deeply")
	case p.space() == "":
		return nil, errors.New("a value is missing")
	case p.take("["):
		return p.list("]", depth)
	case p.take("("):
		return p.tuple(depth)
	case p.take("{"):
		return p.dict(depth)
	case p.rest[0] == '\'' || p.rest[0] == '"':
		return p.text()
	}
	end := strings.IndexAny(p.rest, " \t\r\n,:]})")
	if end < 0 {
		end = len(p.rest)
	}
	word := p.rest[:end]
	p.rest = p.rest[end:]
	switch word {
	case "None":
		return nil, nil
	case "True":
		return true, nil
	case "False":
		return false, nil
	}
	return pyNumber(word)
}

func pyNumber(word string) (any, error) {
	if n, err := strconv.ParseInt(word, 0, 64); err == nil {
		return n, nil
	}
	f, err := strconv.ParseFloat(word, 64)
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) || strings.ContainsAny(word, "xXpP") {
		return nil, fmt.Errorf("%q is not a value", word)
	}
	return f, nil
}

// list reads what comes after an opening bracket.
func (p *literalParser) list(end string, depth int) ([]any, error) {
	list := []any{}
	for !p.take(end) {
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
		if !p.take(",") {
			if !p.take(end) {
				return nil, fmt.Errorf("%s is missing", end)
			}
			break
		}
	}
	return list, nil
}

// tuple reads what comes after an opening parenthesis: a tuple if it has a comma, else a value in parentheses.
func (p *literalParser) tuple(depth int) (any, error) {
	before := p.rest
	list, err := p.list(")", depth)
	if err != nil {
		return nil, err
	}
	inside := strings.TrimSpace(strings.TrimSuffix(before[:len(before)-len(p.rest)], ")"))
	if len(list) == 1 && !strings.HasSuffix(inside, ",") {
		return list[0], nil
	}
	return list, nil
}

func (p *literalParser) dict(depth int) (any, error) {
	dict := map[string]any{}
	for !p.take("}") {
		key, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		name, ok := key.(string)
		if !ok {
			return nil, fmt.Errorf("the key %s is not text", pyRepr(key))
		}
		if !p.take(":") {
			return nil, errors.New(": is missing")
		}
		if dict[name], err = p.value(depth + 1); err != nil {
			return nil, err
		}
		if !p.take(",") {
			if !p.take("}") {
				return nil, errors.New("} is missing")
			}
			break
		}
	}
	return dict, nil
}

// text reads text in single or double quotes.
func (p *literalParser) text() (any, error) {
	quote := p.rest[0]
	var b strings.Builder
	for i := 1; i < len(p.rest); {
		switch c := p.rest[i]; c {
		case quote:
			p.rest = p.rest[i+1:]
			return b.String(), nil
		case '\\':
			n, err := unescape(&b, p.rest[i+1:])
			if err != nil {
				return nil, err
			}
			i += 1 + n
		default:
			b.WriteByte(c)
			i++
		}
	}
	return nil, errors.New("text does not end")
}

// unescape writes what an escape stands for; s begins after the backslash. It gives how much of s that was.
func unescape(b *strings.Builder, s string) (int, error) {
	if s == "" {
		return 0, errors.New("text does not end")
	}
	if i := strings.IndexByte(`\'"abfnrtv`, s[0]); i >= 0 {
		b.WriteByte("\\'\"\a\b\f\n\r\t\v"[i])
		return 1, nil
	}
	digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}[s[0]]
	if digits == 0 {
		b.WriteByte('\\') // as Python: an unknown escape stands for itself
		return 0, nil
	}
	if len(s) <= digits {
		return 0, errors.New("an escape is cut")
	}
	n, err := strconv.ParseUint(s[1:1+digits], 16, 32)
	if err != nil || n > utf8.MaxRune {
		return 0, fmt.Errorf("\\%s is no character", s[:1+digits])
	}
	b.WriteRune(rune(n))
	return 1 + digits, nil
}
