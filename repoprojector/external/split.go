package external

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Limits of one metadata file.
const (
	// maxFragment is the most bytes of XML of one package in one file: several times the largest known (a hundred thousand files).
	maxFragment = 64 << 20
	// maxHead is the most bytes of a declaration, of a comment and of blanks between packages.
	maxHead = 64 << 10
	// maxPackages is the most packages of a repository; all of Fedora with its sources has a tenth.
	maxPackages = 1 << 20
)

// The namespaces of the format.
const (
	nsCommon    = "http://linux.duke.edu/metadata/common"
	nsFilelists = "http://linux.duke.edu/metadata/filelists"
	nsOther     = "http://linux.duke.edu/metadata/other"
	nsRPM       = "http://linux.duke.edu/metadata/rpm"
)

// document is one of the three kinds of files.
type document struct{ kind, root, namespace string }

func documents() [3]document {
	return [3]document{{"primary", "metadata", nsCommon}, {"filelists", "filelists", nsFilelists}, {"other", "otherdata", nsOther}}
}

// splitter cuts a metadata file into its packages, as they stand in it.
type splitter struct {
	document
	r        *bufio.Reader
	prefixes []string // beside rpm and xml
	declare  []byte   // the declarations of these, for the packages
	buf      []byte
	began    bool
	ended    bool
	count    int
}

func newSplitter(d document, r io.Reader) *splitter {
	return &splitter{document: d, r: bufio.NewReaderSize(r, 64<<10)}
}

// next gives the next package from "<package" to "</package>"; the bytes are valid until the next call. It is checked to end where it should, and no
// more: scanner does that. io.EOF comes after a whole document only.
func (s *splitter) next() ([]byte, error) {
	b, err := s.cut()
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: %w", s.kind, err)
	}
	if err != nil && !s.ended {
		return nil, fmt.Errorf("%s: %w", s.kind, malformed("the document is cut off"))
	}
	return b, err
}

func (s *splitter) cut() ([]byte, error) {
	if s.ended {
		return nil, io.EOF
	}
	if !s.began {
		if err := s.head(); err != nil {
			return nil, err
		}
		s.began = true
	}
	for !s.ended {
		tag, err := s.tag()
		if err != nil {
			return nil, err
		}
		switch name := tagName(tag); {
		case bytes.HasPrefix(tag, []byte("<!--")):
			if err := s.skipComment(); err != nil {
				return nil, err
			}
		case name == "package":
			return s.fragment()
		case name == "/"+s.root:
			return nil, s.foot()
		default:
			return nil, malformed("%.40q where a package should be", tag)
		}
	}
	return nil, io.EOF
}

// tag reads the blanks before a tag and the tag itself into buf.
func (s *splitter) tag() ([]byte, error) {
	for n := 0; ; n++ {
		c, err := s.r.ReadByte()
		if err != nil {
			return nil, err
		}
		if c == '<' {
			break
		}
		if !blank(c) || n > maxHead {
			return nil, malformed("text between elements")
		}
	}
	s.buf = append(s.buf[:0], '<')
	err := s.until(maxHead)
	return s.buf, err
}

// until appends up to and with the next '>' to buf.
func (s *splitter) until(limit int) error {
	for {
		part, err := s.r.ReadSlice('>')
		if len(s.buf)+len(part) > limit {
			return malformed("an element of more than %d bytes", limit)
		}
		s.buf = append(s.buf, part...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
	}
}

// tagName is what stands behind "<", with the slash of an end tag.
func tagName(tag []byte) string {
	n := tag[1:]
	if i := bytes.IndexAny(n[min(1, len(n)):], " \t\r\n/>"); i >= 0 {
		n = n[:i+1]
	}
	return string(n)
}

// head reads the declaration and the root element.
func (s *splitter) head() error {
	if bom, err := s.r.Peek(3); err == nil && string(bom) == "\xef\xbb\xbf" {
		_, _ = s.r.Discard(3)
	}
	for {
		tag, err := s.tag()
		switch {
		case err != nil:
			return err
		case bytes.HasPrefix(tag, []byte("<?xml ")):
			if enc := pseudoAttr(tag, "encoding"); enc != "" && enc != "utf-8" && enc != "us-ascii" {
				return malformed("encoding %.20q; only UTF-8 is read", enc)
			}
		case bytes.HasPrefix(tag, []byte("<!--")):
			if err := s.skipComment(); err != nil {
				return err
			}
		case tagName(tag) == s.root:
			return s.openRoot(tag)
		default:
			return malformed("%.40q where %s should be", tag, s.root)
		}
	}
}

// pseudoAttr is the value of what looks like an attribute in an XML declaration, in lower case.
func pseudoAttr(tag []byte, name string) string {
	_, v, ok := bytes.Cut(tag, []byte(name+"="))
	if !ok || len(v) == 0 {
		return ""
	}
	if end := bytes.IndexByte(v[1:], v[0]); end >= 0 {
		return string(bytes.ToLower(v[1 : 1+end]))
	}
	return "?"
}

// openRoot reads the namespaces of the root element.
func (s *splitter) openRoot(tag []byte) error {
	if bytes.HasSuffix(tag, []byte("/>")) { // an empty document
		s.ended = true
	} else {
		tag = append(slices.Clone(tag[:len(tag)-1]), "/>"...)
	}
	own := false
	sc := scanner{b: tag, free: true, start: func(e *element) error {
		for i := range e.attributes {
			a := &e.attributes[i]
			prefix, declares := bytes.CutPrefix(a.name, []byte("xmlns:"))
			switch {
			case declares && string(prefix) == "rpm" && unescape(a.value) != nsRPM:
				return malformed("prefix rpm stands for %.80q", a.value)
			case declares && !reserved(string(prefix)):
				s.prefixes = append(s.prefixes, string(prefix))
				s.declare = append(append(append(s.declare, " xmlns:"...), prefix...), '=', '"')
				s.declare = append(appendEscaped(s.declare, unescape(a.value)), '"')
			}
		}
		own = e.attr("xmlns") == s.namespace
		return nil
	}}
	if err := sc.scan(); err != nil {
		return err
	}
	if !own || len(s.prefixes) > maxPrefixes {
		return malformed("%s is not of the namespace %s", s.root, s.namespace)
	}
	return nil
}

// skipComment reads the rest of a comment of which buf has the beginning.
func (s *splitter) skipComment() error {
	for !bytes.HasSuffix(s.buf, []byte("-->")) || len(s.buf) < len("<!---->") {
		if err := s.until(maxHead); err != nil {
			return err
		}
	}
	return nil
}

// fragment reads a package of which buf has the start tag.
func (s *splitter) fragment() ([]byte, error) {
	if s.count++; s.count > maxPackages {
		return nil, fmt.Errorf("more than %d packages", maxPackages)
	}
	if bytes.HasSuffix(s.buf, []byte("/>")) {
		return s.buf, nil
	}
	for {
		from := len(s.buf)
		if err := s.until(maxFragment); err != nil {
			return nil, err
		}
		// The end tag begins in what was just read: no other text may hold "<".
		last := s.buf[from:]
		i := bytes.LastIndex(last, []byte("</package"))
		if i >= 0 && len(bytes.TrimRight(last[i+len("</package"):len(last)-1], " \t\r\n")) == 0 {
			return s.buf, nil
		}
	}
}

// foot makes sure that nothing follows the root element.
func (s *splitter) foot() error {
	for n := 0; ; n++ {
		c, err := s.r.ReadByte()
		if errors.Is(err, io.EOF) {
			s.ended = true
			return io.EOF
		}
		if err != nil {
			return err
		}
		if !blank(c) || n > maxHead {
			return malformed("more after the end of %s", s.root)
		}
	}
}
