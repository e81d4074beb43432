package koji

import (
	"strconv"
	"strings"
)

// NextRelease counts a build's release up by incr: N, N.DIST or DATE.WORD.N; no release becomes incr itself. ok is false for one of another
// form (kojihub.get_next_release).
func NextRelease(last string, incr int64) (next string, ok bool) {
	parts := strings.Split(last, ".")
	at := -1
	switch {
	case last == "":
		return strconv.FormatInt(incr, 10), true
	case len(parts) <= 2 && digits(parts[0]):
		at = 0
	case len(parts) == 3 && digits(parts[2]):
		at = 2
	default:
		return "", false
	}
	n, err := strconv.ParseInt(parts[at], 10, 64)
	if err != nil {
		return "", false
	}
	parts[at] = strconv.FormatInt(n+incr, 10)
	return strings.Join(parts, "."), true
}

func digits(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}
