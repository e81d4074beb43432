package policy

import (
	"strings"
	"unicode/utf8"
)

// ownRule reads a line in what this language has beyond Koji's: ||, not, parentheses and quoted words.
func (p *parser) ownRule(l line) (rule, error) {
	s := &scanner{p: p, l: l}
	var r rule
	var err error
	if r.when, err = s.either(); err != nil {
		return r, err
	}
	s.skip()
	sep := s.rest()
	switch {
	case separates(sep):
		r.negate = strings.HasPrefix(sep, "!!")
		s.at += len("::")
	case s.ended() && strings.Contains(l.text, "::"):
		return r, p.note(l, s.at, ":: is missing; in a rule with ||, not, parentheses or quotes it has blanks around it")
	case s.ended():
		return r, p.note(l, s.at, "neither :: nor !!")
	case strings.HasPrefix(sep, ")"):
		return r, p.note(l, s.at, "a ) without its (")
	default:
		return r, p.note(l, s.at, "&&, ||, :: or !! is expected")
	}
	action, _, _ := strings.Cut(s.rest(), "#")
	r.action = strings.TrimFunc(action, blank)
	r.ref.Text = strings.TrimFunc(l.text[:s.at]+action, blank)
	return r, nil
}

// separates tells whether a text begins with :: or !! as a word.
func separates(text string) bool { return isWord(text, "::") || isWord(text, "!!") }

// isWord tells whether a text begins with a word.
func isWord(text, w string) bool {
	rest, ok := strings.CutPrefix(text, w)
	next, _ := utf8.DecodeRuneInString(rest)
	return ok && (rest == "" || blank(next) || next == '#')
}

// scanner goes through the condition of one line.
type scanner struct {
	p     *parser
	l     line
	at    int // in bytes
	depth int // of parentheses
	deep  int // of parentheses and nots
}

func (s *scanner) rest() string { return s.l.text[s.at:] }

// ended tells whether only a comment is left, if anything.
func (s *scanner) ended() bool { return s.rest() == "" || s.rest()[0] == '#' }

func (s *scanner) skip() {
	s.at = len(s.l.text) - len(strings.TrimLeftFunc(s.rest(), blank))
}

// takes goes on behind an operator that stands here.
func (s *scanner) takes(op string) bool {
	s.skip()
	if !strings.HasPrefix(s.rest(), op) {
		return false
	}
	s.at += len(op)
	return true
}

func (s *scanner) either() (expr, error) { return s.list(opOr, "||", s.both) }

func (s *scanner) both() (expr, error) { return s.list(opAnd, "&&", s.one) }

// list is one or more of what next reads, with the operator between them.
func (s *scanner) list(o op, sign string, next func() (expr, error)) (expr, error) {
	all := expr{op: o}
	for {
		x, err := next()
		if err != nil {
			return x, err
		}
		all.kids = append(all.kids, x)
		if !s.takes(sign) {
			break
		}
	}
	if len(all.kids) == 1 {
		return all.kids[0], nil
	}
	return all, nil
}

// one is a test, or a condition in parentheses, or either turned around.
func (s *scanner) one() (expr, error) {
	if s.deep++; s.deep > maxDepth {
		return expr{}, s.p.note(s.l, s.at, "parentheses are nested more than %d deep", maxDepth)
	}
	defer func() { s.deep-- }()
	s.skip()
	start := s.at
	if s.takes("(") {
		s.depth++
		x, err := s.either()
		if err != nil {
			return x, err
		}
		s.depth--
		if !s.takes(")") {
			return x, s.p.note(s.l, start, "the parenthesis that begins here is not closed")
		}
		return x, nil
	}
	if negates(s.rest()) {
		s.at += len("not")
		x, err := s.one()
		return expr{op: opNot, kids: []expr{x}}, err
	}
	words, err := s.words()
	if err != nil {
		return expr{}, err
	}
	t, err := s.p.test(s.l, words, s.at)
	return expr{test: t}, err
}

// negates tells whether a test's text begins with the word not.
func negates(text string) bool {
	rest, ok := strings.CutPrefix(text, "not")
	next, _ := utf8.DecodeRuneInString(rest)
	return ok && (rest == "" || blank(next) || next == '(')
}

// words are those of one test.
func (s *scanner) words() ([]word, error) {
	var out []word
	for {
		s.skip()
		rest := s.rest()
		if s.ended() || strings.HasPrefix(rest, "&&") || separates(rest) || rest[0] == ')' || isWord(rest, "||") {
			return out, nil
		}
		w, err := s.word()
		if err != nil {
			return nil, err
		}
		out = append(out, w)
	}
}

// word reads the word that begins here.
func (s *scanner) word() (word, error) {
	if s.rest()[0] == '"' {
		return s.quoted()
	}
	w := word{at: s.at}
	end := strings.IndexFunc(s.rest(), func(r rune) bool { return blank(r) || r == '#' || r == ')' && s.depth > 0 })
	if end < 0 {
		end = len(s.rest())
	}
	if and := strings.Index(s.rest()[:end], "&&"); and >= 0 {
		end = and
	}
	w.text = s.rest()[:end]
	if strings.Contains(w.text, "||") {
		return w, s.p.note(s.l, w.at, `put blanks around ||, or quotes around the word`)
	}
	s.at += end
	return w, nil
}

// quoted reads a word in quotes.
func (s *scanner) quoted() (word, error) {
	w := word{at: s.at, quoted: true}
	var b strings.Builder
	text := s.l.text
	for i := s.at + 1; i < len(text); i++ {
		switch text[i] {
		case '"':
			s.at, w.text = i+1, b.String()
			next, _ := utf8.DecodeRuneInString(s.rest())
			if s.ended() || blank(next) || next == ')' && s.depth > 0 || strings.HasPrefix(s.rest(), "&&") {
				return w, nil
			}
			return w, s.p.note(s.l, s.at, "a blank is expected after the closing quote")
		case '\\':
			if i++; i == len(text) || text[i] != '"' && text[i] != '\\' {
				return w, s.p.note(s.l, i-1, `in quotes, only \" and \\ may follow a backslash`)
			}
			b.WriteByte(text[i])
		default:
			b.WriteByte(text[i])
		}
	}
	return w, s.p.note(s.l, w.at, "the quote that begins here is not closed")
}
