package rpm

import (
	"cmp"
	"strings"
)

// EVR is epoch, version and release.
type EVR struct {
	Epoch            int
	Version, Release string
}

// Compare orders two packages' versions as rpm does: -1 when a is older, 0 when equal, 1 when a is newer.
func Compare(a, b EVR) int {
	if c := cmp.Compare(a.Epoch, b.Epoch); c != 0 {
		return c
	}
	if c := CompareVersion(a.Version, b.Version); c != 0 {
		return c
	}
	return CompareVersion(a.Release, b.Release)
}

// CompareVersion orders two version or release strings as rpm does (rpm's rpmio/rpmvercmp.cc, docs
// rpm-version.7): segments of digits and of letters, "~" before everything, "^" after the end but before more.
func CompareVersion(a, b string) int {
	if a == b {
		return 0
	}
	for a != "" || b != "" {
		a, b = strings.TrimLeftFunc(a, isSeparator), strings.TrimLeftFunc(b, isSeparator)
		if c, more := compareMark(&a, &b, '~'); !more {
			return c
		} else if c != 0 {
			continue
		}
		if c, more := compareMark(&a, &b, '^'); !more {
			return c
		} else if c != 0 {
			continue
		}
		if a == "" || b == "" {
			break
		}
		kind := isLetter
		numeric := isDigit(rune(a[0]))
		if numeric {
			kind = isDigit
		}
		var x, y string
		x, a = segment(a, kind)
		y, b = segment(b, kind)
		if y == "" { // a number is newer than a word
			if numeric {
				return 1
			}
			return -1
		}
		if numeric {
			x, y = strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
			if c := cmp.Compare(len(x), len(y)); c != 0 {
				return c
			}
		}
		if c := strings.Compare(x, y); c != 0 {
			return c
		}
	}
	return cmp.Compare(min(len(a), 1), min(len(b), 1)) // what has more left is newer
}

// compareMark handles "~" and "^" at the front of a or b. more is false when c decides; with more, c != 0 says that both
// had the mark and lost it.
func compareMark(a, b *string, mark byte) (c int, more bool) {
	inA, inB := *a != "" && (*a)[0] == mark, *b != "" && (*b)[0] == mark
	if !inA && !inB {
		return 0, true
	}
	if inA && inB {
		*a, *b = (*a)[1:], (*b)[1:]
		return 1, true
	}
	// "~" sorts before the end and before anything else; "^" after the end but before anything else
	c = -1
	if mark == '^' && (inA && *b == "" || inB && *a == "") {
		c = 1
	}
	if inB {
		c = -c
	}
	return c, false
}

func segment(s string, kind func(rune) bool) (head, rest string) {
	i := 0
	for i < len(s) && kind(rune(s[i])) {
		i++
	}
	return s[:i], s[i:]
}

func isDigit(r rune) bool     { return r >= '0' && r <= '9' }
func isLetter(r rune) bool    { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }
func isSeparator(r rune) bool { return !isDigit(r) && !isLetter(r) && r != '~' && r != '^' }
