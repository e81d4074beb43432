package createrepo

import "unicode/utf8"

// match tells whether text matches a pattern of GLib's GPatternSpec, which createrepo_c uses for excludes: * stands
// for any characters, slashes too, ? for any one, and nothing else is special.
func match(pattern, text string) bool {
	p, t := 0, 0
	star, from := -1, 0 // the last *, and the text up to which it was tried
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, from = p, t
			p++
			continue
		case p < len(pattern) && pattern[p] == '?':
			_, n := utf8.DecodeRuneInString(text[t:])
			p, t = p+1, t+n
			continue
		case p < len(pattern) && pattern[p] == text[t]:
			p, t = p+1, t+1
			continue
		case star < 0:
			return false
		}
		from++
		p, t = star+1, from
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}
