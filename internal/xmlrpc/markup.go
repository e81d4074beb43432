package xmlrpc

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"
)

// declaration takes the rest of <?xml … ?> and sets the charset.
func (s *scanner) declaration() error {
	var decl []byte
	for !bytes.HasSuffix(decl, []byte("?>")) {
		c, err := s.byte()
		if err != nil {
			return err
		}
		if decl = append(decl, c); len(decl) > maxDeclLen {
			return s.errorf("XML declaration too long")
		}
	}
	rest := string(bytes.TrimSpace(decl[:len(decl)-2]))
	for rest != "" {
		name, after, ok := strings.Cut(rest, "=")
		after = strings.TrimLeft(after, " \t\r\n")
		if !ok || after == "" || after[0] != '"' && after[0] != '\'' {
			return s.errorf("XML declaration not well-formed")
		}
		value, more, ok := strings.Cut(after[1:], after[:1])
		if !ok {
			return s.errorf("XML declaration not well-formed")
		}
		if err := s.declared(strings.TrimSpace(name), value); err != nil {
			return err
		}
		rest = strings.TrimSpace(more)
	}
	return nil
}

// declared acts on one pseudo attribute of the XML declaration.
func (s *scanner) declared(name, value string) error {
	switch name {
	case "version":
		if value != "1.0" {
			return s.errorf("XML version %q not supported", value)
		}
	case "encoding":
		switch strings.ToLower(value) {
		case "utf-8", "utf8":
		case "iso-8859-1", "latin1", "latin-1":
			s.cs = charsetLatin1
		case "us-ascii", "ascii":
			s.cs = charsetASCII
		default:
			return s.errorf("encoding %q not supported, use utf-8", value)
		}
	case "standalone":
	default:
		return s.errorf("XML declaration not well-formed")
	}
	return nil
}

// markup takes what follows a '<'. found says that it was an element's start or end; comments and CDATA are not.
func (s *scanner) markup() (tok token, found bool, err error) {
	if tok, ok := s.plainTag(); ok {
		if tok == tokStart {
			err = s.countElement()
		}
		return tok, true, err
	}
	c, err := s.byte()
	if err != nil {
		return tokEOF, false, err
	}
	switch c {
	case '/':
		return tokEnd, true, s.endTag()
	case '!':
		return tokEOF, false, s.exclamation()
	case '?':
		return tokEOF, false, s.errorf("processing instructions are not allowed")
	}
	if err := s.countElement(); err != nil {
		return tokEOF, false, err
	}
	return tokStart, true, s.startTag(c)
}

func (s *scanner) countElement() error {
	if s.elements++; s.elements > s.lim.MaxElements {
		return &LimitError{What: "elements", Limit: int64(s.lim.MaxElements)}
	}
	return nil
}

// plainTag takes <name> or </name> when it stands in the buffer whole, which is nearly always: a document is mostly tags.
func (s *scanner) plainTag() (token, bool) {
	b := s.buf[s.r:min(s.w, s.r+maxNameLen)]
	tok, start := tokStart, 0
	if len(b) > 0 && b[0] == '/' {
		tok, start = tokEnd, 1
	}
	i := start
	for i < len(b) && (b[i] >= 'a' && b[i] <= 'z' || b[i] >= 'A' && b[i] <= 'Z' || i > start && b[i] >= '0' && b[i] <= '9') {
		i++
	}
	if i == start || i == len(b) || b[i] != '>' {
		return tok, false
	}
	s.name = append(s.name[:0], b[start:i]...)
	s.r += i + 1
	return tok, true
}

// startTag takes the name, attributes and end of a start tag whose first byte is c.
func (s *scanner) startTag(c byte) error {
	c, err := s.elementName(c)
	if err != nil {
		return err
	}
	for c != '>' {
		switch {
		case c == '/':
			if c, err = s.byte(); err != nil {
				return err
			}
			if c != '>' {
				return s.errorf("tag not well-formed")
			}
			s.selfEnd = true
			return nil
		case c == '"' || c == '\'':
			if err := s.quoted(c); err != nil {
				return err
			}
		case c == '<':
			return s.errorf("tag not well-formed")
		}
		if c, err = s.byte(); err != nil {
			return err
		}
	}
	return nil
}

// quoted skips an attribute's value. Attributes mean nothing in XML-RPC.
func (s *scanner) quoted(quote byte) error {
	for {
		c, err := s.byte()
		if err != nil {
			return err
		}
		if c == quote {
			return nil
		}
		if c == '<' {
			return s.errorf("attribute not well-formed")
		}
	}
}

// endTag takes the rest of </name>.
func (s *scanner) endTag() error {
	c, err := s.byte()
	if err != nil {
		return err
	}
	if c, err = s.elementName(c); err != nil {
		return err
	}
	for isSpace(c) {
		if c, err = s.byte(); err != nil {
			return err
		}
	}
	if c != '>' {
		return s.errorf("end tag not well-formed")
	}
	return nil
}

// elementName takes a name that begins with c into s.name and gives the byte after it. A namespace prefix is dropped,
// as Python's reader does (Apache's Java library writes <ex:nil/>).
func (s *scanner) elementName(c byte) (byte, error) {
	s.name = s.name[:0]
	for n := 0; ; n++ {
		switch {
		case c == ':':
			s.name = s.name[:0]
		case c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z', n > 0 && (c >= '0' && c <= '9' || c == '.' || c == '-'):
			s.name = append(s.name, c)
		default:
			if len(s.name) == 0 || !isSpace(c) && c != '/' && c != '>' {
				return 0, s.errorf("tag not well-formed")
			}
			return c, nil
		}
		if n > maxNameLen {
			return 0, s.errorf("tag name too long")
		}
		var err error
		if c, err = s.byte(); err != nil {
			return 0, err
		}
	}
}

// exclamation takes a comment or CDATA section; a document type is refused.
func (s *scanner) exclamation() error {
	c, err := s.byte()
	if err != nil {
		return err
	}
	switch c {
	case '-':
		if err := s.expect("-"); err != nil {
			return err
		}
		return s.comment()
	case '[':
		if err := s.expect("CDATA["); err != nil {
			return err
		}
		return s.cdata()
	}
	return s.errorf("document types are not allowed")
}

func (s *scanner) expect(want string) error {
	for i := range len(want) {
		c, err := s.byte()
		if err != nil {
			return err
		}
		if c != want[i] {
			return s.errorf("markup not well-formed")
		}
	}
	return nil
}

func (s *scanner) comment() error {
	dashes := 0
	for {
		c, err := s.byte()
		if err != nil {
			return err
		}
		switch {
		case c == '-':
			if dashes++; dashes > 2 {
				return s.errorf("comment not well-formed")
			}
		case c == '>' && dashes == 2:
			return nil
		case dashes == 2:
			return s.errorf("comment not well-formed")
		default:
			dashes = 0
		}
	}
}

func (s *scanner) cdata() error {
	brackets := 0
	for {
		c, err := s.byte()
		if err != nil {
			return err
		}
		if c == '>' && brackets >= 2 {
			s.cr = false
			s.text = s.text[:len(s.text)-2] // the brackets of the end
			return nil
		}
		if brackets++; c != ']' {
			brackets = 0
		}
		if err := s.append(c); err != nil {
			return err
		}
	}
}

// reference takes what follows a '&'. Only the five entities of XML itself and characters by number exist.
func (s *scanner) reference() error {
	var ref []byte
	for {
		c, err := s.byte()
		if err != nil {
			return err
		}
		if c == ';' {
			break
		}
		if ref = append(ref, c); len(ref) > maxEntity {
			return s.errorf("entity not well-formed")
		}
	}
	switch string(ref) {
	case "lt":
		s.text = append(s.text, '<')
	case "gt":
		s.text = append(s.text, '>')
	case "amp":
		s.text = append(s.text, '&')
	case "quot":
		s.text = append(s.text, '"')
	case "apos":
		s.text = append(s.text, '\'')
	default:
		return s.charRef(string(ref))
	}
	return nil
}

func (s *scanner) charRef(ref string) error {
	digits, ok := strings.CutPrefix(ref, "#")
	if !ok {
		return s.errorf("undefined entity")
	}
	base := 10
	if hex, ok := strings.CutPrefix(digits, "x"); ok {
		digits, base = hex, 16
	}
	n, err := strconv.ParseUint(digits, base, 32)
	if err != nil || n == 0 || n > utf8.MaxRune || !isChar(rune(n)) {
		return s.errorf("reference to a %s", invalidRune)
	}
	s.text = utf8.AppendRune(s.text, rune(n))
	return nil
}
