package external

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"
)

// Limits of one package's XML. What real metadata has is far below.
const (
	maxDepth      = 16  // nested elements; primary has 5
	maxAttributes = 32  // of one element; dependencies have 6
	maxReference  = 10  // bytes between & and ;
	maxPrefixes   = 16  // namespace prefixes of a document
	maxName       = 256 // bytes of the name of an element or attribute
)

// errXML says that a document is not what this package takes for well-formed.
var errXML = errors.New("malformed XML")

func malformed(format string, a ...any) error {
	return fmt.Errorf("%w: %s", errXML, fmt.Sprintf(format, a...))
}

// attribute of an element. The value is raw, references and all.
type attribute struct {
	name, value []byte
	start, end  int // of the whole attribute in the document, with the blank before it
}

// element is a start tag.
type element struct {
	name       []byte
	attributes []attribute
	depth      int // 0: the outermost
	nameEnd    int // where the name ends in the document
}

// attr is the value of an attribute with its references resolved, "" if there is none.
func (e *element) attr(name string) string {
	for i := range e.attributes {
		if string(e.attributes[i].name) == name {
			return unescape(e.attributes[i].value)
		}
	}
	return ""
}

// scanner checks that bytes are exactly one well-formed element and tells of what is in it. It takes a subset of XML 1.0: ASCII names, no document
// types, no processing instructions, no entities but the predefined ones. It allocates nothing that grows with the input, apart from the stack.
type scanner struct {
	b        []byte
	pos      int
	stack    [][]byte
	prefixes []string // declared outside
	declared []string // by the outermost element
	free     bool     // namespaces are the caller's business
	// start is told of each element, text of the text directly in the innermost one, with references unresolved.
	start func(*element) error
	text  func(depth int, name, text []byte)
	e     element
}

// scan reads the document.
func (s *scanner) scan() error {
	if !utf8.Valid(s.b) {
		return malformed("not UTF-8")
	}
	for first := true; first || len(s.stack) > 0; first = false {
		if s.pos >= len(s.b) {
			return malformed("ends within an element")
		}
		var err error
		if s.b[s.pos] == '<' {
			err = s.markup()
		} else {
			err = s.chars()
		}
		if err != nil {
			return err
		}
	}
	if s.pos != len(s.b) {
		return malformed("more than one element")
	}
	return nil
}

func (s *scanner) rest() []byte { return s.b[s.pos:] }

func (s *scanner) markup() error {
	switch r := s.rest(); {
	case bytes.HasPrefix(r, []byte("</")):
		return s.endTag()
	case bytes.HasPrefix(r, []byte("<!--")):
		return s.comment()
	case bytes.HasPrefix(r, []byte("<![CDATA[")):
		return s.cdata()
	case bytes.HasPrefix(r, []byte("<!")), bytes.HasPrefix(r, []byte("<?")):
		return malformed("a declaration or an instruction within the document")
	}
	return s.startTag()
}

func (s *scanner) comment() error {
	if len(s.stack) == 0 {
		return malformed("no element")
	}
	end := bytes.Index(s.rest()[4:], []byte("--"))
	if end < 0 || !bytes.HasPrefix(s.rest()[4+end:], []byte("-->")) {
		return malformed("a comment that does not end")
	}
	if err := legal(s.rest()[4 : 4+end]); err != nil {
		return err
	}
	s.pos += 4 + end + 3
	return nil
}

func (s *scanner) cdata() error {
	const open = len("<![CDATA[")
	end := bytes.Index(s.rest(), []byte("]]>"))
	if len(s.stack) == 0 || end < 0 {
		return malformed("a CDATA section that does not end")
	}
	if err := legal(s.rest()[open:end]); err != nil {
		return err
	}
	s.pos += end + 3
	return nil
}

// chars reads text up to the next markup.
func (s *scanner) chars() error {
	end := bytes.IndexByte(s.rest(), '<')
	if end < 0 || len(s.stack) == 0 {
		return malformed("text outside of an element")
	}
	text := s.rest()[:end]
	if bytes.Contains(text, []byte("]]>")) {
		return malformed("]]> in text")
	}
	if err := references(text); err != nil {
		return err
	}
	if s.text != nil {
		s.text(len(s.stack)-1, s.stack[len(s.stack)-1], text)
	}
	s.pos += end
	return nil
}

func (s *scanner) endTag() error {
	s.pos += 2
	name, err := s.name()
	if err != nil {
		return err
	}
	s.blanks()
	if s.pos >= len(s.b) || s.b[s.pos] != '>' || len(s.stack) == 0 || !bytes.Equal(s.stack[len(s.stack)-1], name) {
		return malformed("end of %q where none is", name)
	}
	s.pos++
	s.stack = s.stack[:len(s.stack)-1]
	return nil
}

func (s *scanner) startTag() error {
	s.pos++
	name, err := s.name()
	if err != nil {
		return err
	}
	if len(s.stack) >= maxDepth {
		return malformed("more than %d elements within each other", maxDepth)
	}
	s.e = element{name: name, attributes: s.e.attributes[:0], depth: len(s.stack), nameEnd: s.pos}
	for {
		before := s.pos
		s.blanks()
		switch r := s.rest(); {
		case len(r) == 0:
			return malformed("a tag that does not end")
		case r[0] == '>':
			s.pos++
			s.stack = append(s.stack, name)
			return s.opened()
		case bytes.HasPrefix(r, []byte("/>")):
			s.pos += 2
			return s.opened()
		case before == s.pos:
			return malformed("no blank before an attribute")
		}
		if err := s.attribute(before); err != nil {
			return err
		}
	}
}

func (s *scanner) attribute(start int) error {
	name, err := s.name()
	if err != nil {
		return err
	}
	s.blanks()
	if s.pos >= len(s.b) || s.b[s.pos] != '=' {
		return malformed("attribute %q without a value", name)
	}
	s.pos++
	s.blanks()
	if s.pos >= len(s.b) || s.b[s.pos] != '"' && s.b[s.pos] != '\'' {
		return malformed("attribute %q without quotes", name)
	}
	end := bytes.IndexByte(s.rest()[1:], s.b[s.pos])
	if end < 0 {
		return malformed("attribute %q that does not end", name)
	}
	value := s.rest()[1 : 1+end]
	if bytes.IndexByte(value, '<') >= 0 {
		return malformed("< in attribute %q", name)
	}
	if err := references(value); err != nil {
		return err
	}
	for i := range s.e.attributes {
		if bytes.Equal(s.e.attributes[i].name, name) {
			return malformed("attribute %q twice", name)
		}
	}
	if len(s.e.attributes) >= maxAttributes {
		return malformed("more than %d attributes", maxAttributes)
	}
	s.pos += end + 2
	s.e.attributes = append(s.e.attributes, attribute{name, value, start, s.pos})
	return nil
}

// opened checks the namespaces of a start tag and tells of it.
func (s *scanner) opened() error {
	if s.free {
		return s.start(&s.e)
	}
	for i := range s.e.attributes {
		a := &s.e.attributes[i]
		prefix, declares := bytes.CutPrefix(a.name, []byte("xmlns:"))
		switch {
		case string(a.name) == "xmlns", declares && (s.e.depth > 0 || len(s.prefixes) > 0 || reserved(string(prefix))):
			return malformed("a namespace is declared within a package")
		case declares:
			s.declared = append(s.declared, string(prefix))
		}
	}
	if err := s.known(s.e.name); err != nil {
		return err
	}
	for i := range s.e.attributes {
		if err := s.known(s.e.attributes[i].name); err != nil {
			return err
		}
	}
	if s.start != nil {
		return s.start(&s.e)
	}
	return nil
}

// reserved prefixes have a meaning that a document cannot change here.
func reserved(prefix string) bool { return prefix == "rpm" || prefix == "xml" || prefix == "xmlns" }

func (s *scanner) known(name []byte) error {
	prefix, _, ok := bytes.Cut(name, []byte(":"))
	if !ok || reserved(string(prefix)) || slices.Contains(s.prefixes, string(prefix)) || slices.Contains(s.declared, string(prefix)) {
		return nil
	}
	return malformed("namespace prefix %q is not declared", prefix)
}

func (s *scanner) blanks() {
	for s.pos < len(s.b) && blank(s.b[s.pos]) {
		s.pos++
	}
}

func blank(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// name reads a name, with a prefix perhaps.
func (s *scanner) name() ([]byte, error) {
	start, colons := s.pos, 0
	for ; s.pos < len(s.b); s.pos++ {
		c := s.b[s.pos]
		first := s.pos == start || s.b[s.pos-1] == ':'
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '_':
		case !first && (c >= '0' && c <= '9' || c == '-' || c == '.'):
		case !first && c == ':' && colons == 0:
			colons++
		default:
			return s.named(start)
		}
	}
	return s.named(start)
}

func (s *scanner) named(start int) ([]byte, error) {
	n := s.b[start:s.pos]
	if len(n) == 0 || len(n) > maxName || n[len(n)-1] == ':' {
		return nil, malformed("a bad name")
	}
	return n, nil
}

// legal refuses characters that XML does not have. b is UTF-8.
func legal(b []byte) error {
	for i, c := range b {
		switch {
		case c < ' ' && c != '\t' && c != '\n' && c != '\r':
			return malformed("control character %#x", c)
		case c == 0xef && bytes.HasPrefix(b[i:], []byte("\xef\xbf\xbe")), c == 0xef && bytes.HasPrefix(b[i:], []byte("\xef\xbf\xbf")):
			return malformed("a character that XML does not have")
		}
	}
	return nil
}

// references checks text for legal characters and references.
func references(b []byte) error {
	if err := legal(b); err != nil {
		return err
	}
	for {
		_, after, ok := bytes.Cut(b, []byte("&"))
		if !ok {
			return nil
		}
		end := bytes.IndexByte(after[:min(len(after), maxReference)], ';')
		if end < 0 {
			return malformed("& without a reference")
		}
		if _, ok := resolve(after[:end]); !ok {
			return malformed("unknown reference &%s;", after[:end])
		}
		b = after[end+1:]
	}
}

// resolve gives the character that a reference stands for.
func resolve(ref []byte) (rune, bool) {
	switch string(ref) {
	case "amp":
		return '&', true
	case "lt":
		return '<', true
	case "gt":
		return '>', true
	case "quot":
		return '"', true
	case "apos":
		return '\'', true
	}
	digits, ok := bytes.CutPrefix(ref, []byte("#"))
	base := 10
	if hex, is := bytes.CutPrefix(digits, []byte("x")); is {
		digits, base = hex, 16
	}
	n, err := strconv.ParseUint(string(digits), base, 32)
	if !ok || err != nil {
		return 0, false
	}
	c := rune(n)
	return c, n <= utf8.MaxRune && utf8.ValidRune(c) && (c >= ' ' || c == '\t' || c == '\n' || c == '\r') && c != 0xfffe && c != 0xffff
}

// unescape resolves the references of checked text.
func unescape(b []byte) string {
	if bytes.IndexByte(b, '&') < 0 {
		return string(b)
	}
	out := make([]byte, 0, len(b))
	for {
		before, after, ok := bytes.Cut(b, []byte("&"))
		out = append(out, before...)
		if !ok {
			return string(out)
		}
		ref, rest, _ := bytes.Cut(after, []byte(";"))
		c, _ := resolve(ref)
		out = utf8.AppendRune(out, c)
		b = rest
	}
}
