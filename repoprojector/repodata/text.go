package repodata

import (
	"strconv"
	"unicode/utf8"
)

// xmlText makes header text fit for XML as createrepo_c does: text that is not UTF-8 is taken for Latin-1, whose
// bytes from 0x80 to 0xBF it drops. Characters that XML forbids are dropped too; createrepo_c refuses a package
// that has them, and with it the whole repository.
func xmlText(s []byte) []byte {
	if plainText(s) {
		return s
	}
	if !utf8.Valid(s) {
		out := make([]byte, 0, 2*len(s))
		for _, c := range s {
			switch {
			case c < 0x80:
				out = append(out, c)
			case c >= 0xc0:
				out = append(out, 0xc3, c&0x3f|0x80)
			}
		}
		s = out
	}
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRune(s[i:])
		if forbidden(r) {
			return dropForbidden(s)
		}
		i += n
	}
	return s
}

// plainText tells of nearly all text that it is ASCII without control characters.
func plainText(s []byte) bool {
	for _, c := range s {
		if c >= utf8.RuneSelf || c < ' ' && c != '\n' && c != '\t' && c != '\r' {
			return false
		}
	}
	return true
}

func forbidden(r rune) bool {
	return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xfffe || r == 0xffff
}

func dropForbidden(s []byte) []byte {
	out := make([]byte, 0, len(s))
	for _, r := range string(s) {
		if !forbidden(r) {
			out = utf8.AppendRune(out, r)
		}
	}
	return out
}

// appendText appends element content, escaped as libxml2 does.
func appendText(b, s []byte) []byte {
	s = xmlText(s)
	last := 0
	for i, c := range s {
		var r string
		switch c {
		case '&':
			r = "&amp;"
		case '<':
			r = "&lt;"
		case '>':
			r = "&gt;"
		case '\r':
			r = "&#13;"
		default:
			continue
		}
		b = append(append(b, s[last:i]...), r...)
		last = i + 1
	}
	return append(b, s[last:]...)
}

// appendValue appends an attribute's value, escaped as libxml2 does in a node without a document, which is
// createrepo_c's case: everything that is not ASCII becomes a character reference.
func appendValue(b, s []byte) []byte {
	s = xmlText(s)
	last := 0
	for i := 0; i < len(s); {
		c, n := s[i], 1
		var r string
		switch c {
		case '&':
			r = "&amp;"
		case '<':
			r = "&lt;"
		case '>':
			r = "&gt;"
		case '"':
			r = "&quot;"
		case '\n':
			r = "&#10;"
		case '\r':
			r = "&#13;"
		case '\t':
			r = "&#9;"
		default:
			if c < utf8.RuneSelf {
				i++
				continue
			}
		}
		b = append(b, s[last:i]...)
		if r != "" {
			b = append(b, r...)
		} else {
			var ru rune
			ru, n = utf8.DecodeRune(s[i:])
			b = append(appendHex(append(b, "&#x"...), uint32(ru)), ';')
		}
		i += n
		last = i
	}
	return append(b, s[last:]...)
}

func appendHex(b []byte, v uint32) []byte {
	start := len(b)
	b = strconv.AppendUint(b, uint64(v), 16)
	for i := start; i < len(b); i++ {
		if b[i] >= 'a' {
			b[i] -= 'a' - 'A'
		}
	}
	return b
}

func appendAttr(b []byte, name string, value []byte) []byte {
	b = append(append(append(b, ' '), name...), '=', '"')
	return append(appendValue(b, value), '"')
}

func appendElem(b []byte, indent, name string, value []byte) []byte {
	b = append(append(append(append(b, indent...), '<'), name...), '>')
	b = appendText(b, value)
	return append(append(append(b, '<', '/'), name...), '>', '\n')
}
