package hub

import "testing"

func TestLinkNumber(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		value any
		want  int64
		ok    bool
	}{{int64(7), 7, true}, {"10", 10, true}, {" -1 ", -1, true}, {"", 0, false}, {"1.5", 0, false}, {"99999999999", 0, false}, {1.0, 0, false}, {nil, 0, false}, {true, 0, false}} {
		got, err := linkNumber(map[string]any{"priority": test.value}, "priority")
		if (err == nil) != test.ok || got != test.want {
			t.Errorf("%v is %d, %v", test.value, got, err)
		}
	}
}
