package policy

// Match tells whether one of the shell patterns of a policy matches the whole text; for settings that Koji reads by the same rules.
func Match(text string, patterns ...string) bool { return matchAny(text, patterns) }

// matchAny tells whether one of the shell patterns matches the whole text, as Python's fnmatch does it: * and ? also match a slash,
// [seq] and [!seq] a character; there is no escape.
func matchAny(text string, patterns []string) bool {
	t := []rune(text)
	for _, p := range patterns {
		if glob([]rune(p), t) {
			return true
		}
	}
	return false
}

// glob takes time in proportion to the product of the lengths at most: it goes back to the last star only.
func glob(p, t []rune) bool {
	star, mark := -1, 0
	i, j := 0, 0
	for j < len(t) {
		next, ok := 0, false
		if i < len(p) {
			next, ok = one(p, i, t[j])
		}
		switch {
		case i < len(p) && p[i] == '*':
			star, mark = i, j
			i++
		case ok:
			i, j = next, j+1
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	for i < len(p) && p[i] == '*' {
		i++
	}
	return i == len(p)
}

// one matches a single character against the pattern at i, and gives where the pattern goes on.
func one(p []rune, i int, c rune) (int, bool) {
	switch p[i] {
	case '?':
		return i + 1, true
	case '[':
		if end := classEnd(p, i); end > 0 {
			return end + 1, inClass(p[i+1:end], c)
		}
	}
	return i + 1, p[i] == c
}

// classEnd finds the closing bracket of a class, 0 if there is none: the [ then stands for itself.
func classEnd(p []rune, i int) int {
	k := i + 1
	if k < len(p) && p[k] == '!' {
		k++
	}
	if k < len(p) && p[k] == ']' {
		k++
	}
	for ; k < len(p); k++ {
		if p[k] == ']' {
			return k
		}
	}
	return 0
}

func inClass(class []rune, c rune) bool {
	negate := len(class) > 0 && class[0] == '!'
	if negate {
		class = class[1:]
	}
	for k := 0; k < len(class); k++ {
		if k+2 < len(class) && class[k+1] == '-' {
			if class[k] <= c && c <= class[k+2] {
				return !negate
			}
			k += 2
		} else if class[k] == c {
			return !negate
		}
	}
	return negate
}
