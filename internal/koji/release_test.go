package koji_test

import (
	"testing"

	"moromi/internal/koji"
)

func TestNextRelease(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		last string
		incr int64
		want string
	}{
		{"", 1, "1"}, {"", 3, "3"}, {"123", 1, "124"}, {"123.el8", 1, "124.el8"}, {"20260101.nightly.7", 2, "20260101.nightly.9"},
		{"9", 1, "10"}, {"el8", 1, ""}, {"1.2.3.4", 1, ""}, {"1.a.b", 1, ""}, {"99999999999999999999", 1, ""},
	} {
		got, ok := koji.NextRelease(c.last, c.incr)
		if got != c.want || ok != (c.want != "") {
			t.Errorf("NextRelease(%q, %d) = %q, %v", c.last, c.incr, got, ok)
		}
	}
}
