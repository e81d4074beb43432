package cli

import (
	"cmp"
	"errors"
	"slices"

	"moromi/internal/hubclient"
)

// tenure is what a package's history in a tag says of one build since it was tagged last.
type tenure struct {
	tagged   bool    // it still is in the tag
	untagged float64 // when it was untagged, if it was
	latest   bool    // it is the latest of its package
	until    float64 // when it ceased to be the latest, if it did
}

// turn is a build that enters a tag or leaves it.
type turn struct {
	event  int64
	enters bool
	entry  row
}

// tenureOf reads the history of a package in a tag, as queryHistory gives it. Builds become the latest as they are tagged. One that
// was covered becomes the latest again when all that were tagged after it have left.
func tenureOf(history []row, build int64) (tenure, error) {
	var turns []turn
	for _, e := range history {
		turns = append(turns, turn{hubclient.Int(e["create_event"]), true, e})
		if e["revoke_event"] != nil {
			turns = append(turns, turn{hubclient.Int(e["revoke_event"]), false, e})
		}
	}
	// In one event, builds leave before others enter.
	slices.SortStableFunc(turns, func(a, b turn) int {
		if c := cmp.Compare(a.event, b.event); c != 0 || a.enters == b.enters {
			return c
		}
		if b.enters {
			return -1
		}
		return 1
	})
	begin := -1
	for i, t := range turns {
		if t.enters && hubclient.Int(t.entry["build_id"]) == build {
			begin = i
		}
	}
	if begin < 0 {
		return tenure{}, errors.New("there is no entry of its tagging")
	}
	t := tenure{tagged: true}
	covering := map[int64]bool{}
	replaced := 0.0
	for _, x := range turns[begin+1:] {
		other := hubclient.Int(x.entry["build_id"])
		switch {
		case other == build:
			t.tagged, t.untagged = false, hubclient.Float(x.entry["revoke_ts"])
		case x.enters:
			covering[other] = true
			if replaced == 0 {
				replaced = hubclient.Float(x.entry["create_ts"])
			}
		default:
			if delete(covering, other); len(covering) == 0 {
				replaced = 0
			}
		}
		if !t.tagged {
			break
		}
	}
	switch {
	case t.tagged && replaced == 0:
		t.latest = true
	case t.tagged:
		t.until = replaced
	case replaced == 0:
		t.until = t.untagged
	default:
		t.until = min(t.untagged, replaced)
	}
	return t, nil
}
