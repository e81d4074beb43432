package xmlrpc

import (
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

const (
	scanBuffer  = 8 << 10 // one read of the source; most requests are smaller
	maxNameLen  = 128     // element names are "dateTime.iso8601" at the longest; namespaces come on top
	maxEntity   = 10      // "&#x10FFFF;" without its ends, the longest reference there is
	maxDeclLen  = 256     // the XML declaration
	textToKeep  = 1 << 20 // a larger text buffer is given back after use
	invalidRune = "character that XML does not allow"
)

type token int

const (
	tokStart token = iota // an element begins; its name is in scanner.name
	tokEnd                // an element ends
	tokEOF                // the document is over
)

type charset int

const (
	charsetUTF8 charset = iota
	charsetLatin1
	charsetASCII
)

// scanner cuts a document into element starts and ends, collecting the text before each in text.
type scanner struct {
	src      io.Reader
	buf      []byte
	r, w     int
	read     int64 // bytes taken from src
	readErr  error
	lim      Limits
	elements int
	cs       charset

	line      int
	lineStart int64 // offset of the first byte of the line

	name    []byte // of the last token, without namespace prefix
	text    []byte // character data before the last token
	cr      bool   // the last character was a carriage return
	selfEnd bool   // the last start was <x/>: its end comes next
}

func newScanner(src io.Reader, lim Limits) *scanner {
	return &scanner{src: src, buf: make([]byte, scanBuffer), lim: lim.withDefaults(), line: 1}
}

func (s *scanner) offset() int64 { return s.read - int64(s.w-s.r) }

func (s *scanner) errorf(format string, args ...any) error {
	return &SyntaxError{Line: s.line, Column: int(max(s.offset()-s.lineStart, 0)), Msg: fmt.Sprintf(format, args...)}
}

// fill reads more; it returns io.EOF at the end of the source.
func (s *scanner) fill() error {
	if s.readErr != nil {
		return s.readErr
	}
	s.r, s.w = 0, 0
	for range 100 { // as bufio, give up on a reader that returns nothing for ever
		n, err := s.src.Read(s.buf)
		s.w = n
		s.read += int64(n)
		s.readErr = err
		if s.read > s.lim.MaxBytes {
			s.readErr = &LimitError{What: "bytes", Limit: s.lim.MaxBytes}
			s.w = 0
			return s.readErr
		}
		if n > 0 {
			return nil
		}
		if err != nil {
			return err
		}
	}
	s.readErr = io.ErrNoProgress
	return s.readErr
}

// byte takes the next byte; the end of the source is a syntax error.
func (s *scanner) byte() (byte, error) {
	if s.r == s.w {
		if err := s.fill(); errors.Is(err, io.EOF) {
			return 0, s.errorf("unexpected end of document")
		} else if err != nil {
			return 0, err
		}
	}
	c := s.buf[s.r]
	s.r++
	if c == '\n' {
		s.line++
		s.lineStart = s.offset()
	}
	return c, nil
}

// prolog takes a byte order mark and the XML declaration.
func (s *scanner) prolog() error {
	if err := s.fill(); errors.Is(err, io.EOF) {
		return s.errorf("no element found")
	} else if err != nil {
		return err
	}
	head, err := s.peek(len("<?xml "))
	if err != nil {
		return err
	}
	if len(head) >= 3 && string(head[:3]) == "\xef\xbb\xbf" {
		s.r += 3
		if head, err = s.peek(len("<?xml ")); err != nil {
			return err
		}
	}
	if len(head) < 6 || string(head[:5]) != "<?xml" || !isSpace(head[5]) {
		return nil
	}
	s.r += 5
	return s.declaration()
}

// peek gives the next n bytes, fewer at the end of the document, without taking them.
func (s *scanner) peek(n int) ([]byte, error) {
	for range 100 {
		if s.w-s.r >= n || s.readErr != nil {
			break
		}
		kept := copy(s.buf, s.buf[s.r:s.w])
		s.r, s.w = 0, kept
		m, err := s.src.Read(s.buf[kept:])
		s.w += m
		s.read += int64(m)
		s.readErr = err
	}
	if s.read > s.lim.MaxBytes {
		return nil, &LimitError{What: "bytes", Limit: s.lim.MaxBytes}
	}
	if s.readErr != nil && !errors.Is(s.readErr, io.EOF) {
		return nil, s.readErr
	}
	return s.buf[s.r:min(s.r+n, s.w)], nil
}

// next moves to the next element start or end, leaving the text before it in s.text.
func (s *scanner) next() (token, error) {
	if cap(s.text) > textToKeep {
		s.text = nil
	}
	s.text = s.text[:0]
	if s.selfEnd {
		s.selfEnd = false
		return tokEnd, nil
	}
	multibyte := false
	for {
		if s.r == s.w {
			if err := s.fill(); errors.Is(err, io.EOF) {
				return tokEOF, s.checkText(multibyte)
			} else if err != nil {
				return tokEOF, err
			}
		}
		if err := s.chars(&multibyte); err != nil {
			return tokEOF, err
		}
		if s.r == s.w {
			continue
		}
		c, err := s.byte()
		if err != nil {
			return tokEOF, err
		}
		if c == '&' {
			if err := s.reference(); err != nil {
				return tokEOF, err
			}
			continue
		}
		tok, found, err := s.markup()
		if err != nil {
			return tokEOF, err
		}
		if found {
			return tok, s.checkText(multibyte)
		}
		multibyte = true // CDATA may have brought any byte
	}
}

// chars appends buffered character data up to the next '<' or '&'.
func (s *scanner) chars(multibyte *bool) error {
	for s.r < s.w {
		start := s.r
		b := s.buf[start:s.w]
		i := 0
		for i < len(b) && b[i] >= 0x20 && b[i] < 0x80 && b[i] != '<' && b[i] != '&' {
			i++
		}
		if i > 0 {
			s.text = append(s.text, b[:i]...)
			s.r += i
			s.cr = false
			continue
		}
		c := b[0]
		if c == '<' || c == '&' {
			s.cr = false
			return nil
		}
		s.r++
		if c == '\n' {
			s.line++
			s.lineStart = s.offset()
		}
		if c >= 0x80 {
			*multibyte = true
		}
		if err := s.append(c); err != nil {
			return err
		}
	}
	return nil
}

// append adds one raw byte of text: line ends become "\n" (XML 1.0, 2.11), other charsets become UTF-8.
func (s *scanner) append(c byte) error {
	afterCR := s.cr
	s.cr = c == '\r'
	switch {
	case c == '\r':
		s.text = append(s.text, '\n')
	case c == '\n':
		if !afterCR {
			s.text = append(s.text, '\n')
		}
	case c == '\t' || c >= 0x20 && c < 0x80:
		s.text = append(s.text, c)
	case c < 0x20:
		return s.errorf(invalidRune)
	case s.cs == charsetLatin1:
		s.text = utf8.AppendRune(s.text, rune(c))
	case s.cs == charsetASCII:
		return s.errorf("byte outside us-ascii")
	default:
		s.text = append(s.text, c)
	}
	return nil
}

// checkText refuses text that is not UTF-8, or has characters XML does not have.
func (s *scanner) checkText(multibyte bool) error {
	if multibyte && !validText(s.text) {
		return s.errorf("invalid UTF-8 or " + invalidRune)
	}
	return nil
}

func validText(text []byte) bool {
	for i := 0; i < len(text); {
		if text[i] < utf8.RuneSelf {
			i++
			continue
		}
		r, n := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && n == 1 || !isChar(r) {
			return false
		}
		i += n
	}
	return true
}

// isChar says whether XML 1.0 can carry the character.
func isChar(r rune) bool {
	switch {
	case r == '\t' || r == '\n' || r == '\r':
		return true
	case r < 0x20, r >= 0xD800 && r <= 0xDFFF, r == 0xFFFE, r == 0xFFFF, r > utf8.MaxRune:
		return false
	}
	return true
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }
