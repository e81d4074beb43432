package pgledger

import (
	"testing"

	"moromi/events"
)

func numbered(from, to events.Position, size int) []events.Recorded {
	var recs []events.Recorded
	for p := from; p <= to; p++ {
		recs = append(recs, events.Recorded{Position: p, New: events.New{Data: make([]byte, size)}})
	}
	return recs
}

func TestTail(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name        string
		add         [][]events.Recorded
		after       events.Position
		n           int
		first, last events.Position // 0: nothing
		more, end   bool
	}{
		{"nothing was written", nil, 0, 10, 0, 0, false, false},
		{"all of it", [][]events.Recorded{numbered(5, 7, 1), numbered(8, 9, 1)}, 4, 10, 5, 9, false, false},
		{"the last", [][]events.Recorded{numbered(5, 7, 1), numbered(8, 9, 1)}, 8, 10, 9, 9, false, false},
		{"a page of it", [][]events.Recorded{numbered(5, 9, 1)}, 5, 2, 6, 7, true, false},
		{"whoever has all of it", [][]events.Recorded{numbered(5, 9, 1)}, 9, 10, 0, 0, false, true},
		{"whoever is further", [][]events.Recorded{numbered(5, 9, 1)}, 12, 10, 0, 0, false, false},
		{"what came before", [][]events.Recorded{numbered(5, 9, 1)}, 3, 10, 0, 0, false, false},
		{"a hole", [][]events.Recorded{numbered(5, 6, 1), numbered(9, 9, 1)}, 5, 10, 0, 0, false, false},
		{"after a hole", [][]events.Recorded{numbered(5, 6, 1), numbered(9, 9, 1)}, 8, 10, 9, 9, false, false},
		{"too many are forgotten", [][]events.Recorded{numbered(1, tailEvents+1, 1)}, 0, 10, 0, 0, false, false},
		{"but not the last", [][]events.Recorded{numbered(1, tailEvents+1, 1)}, tailEvents, 10, tailEvents + 1, tailEvents + 1, false, false},
		{"too large ones, too", [][]events.Recorded{numbered(1, 3, tailBytes/2)}, 0, 10, 0, 0, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var tl tail
			for _, recs := range c.add {
				tl.add(recs)
			}
			page, more, end := tl.after(c.after, c.n)
			var first, last events.Position
			if len(page) > 0 {
				first, last = page[0].Position, page[len(page)-1].Position
			}
			if first != c.first || last != c.last || more != c.more || end != c.end || len(page) != int(last-first)+1 && first != 0 {
				t.Errorf("got %d to %d, more %v, end %v, of %d", first, last, more, end, len(page))
			}
		})
	}
}
