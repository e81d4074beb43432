package cli

import "testing"

func TestTenure(t *testing.T) {
	t.Parallel()
	entry := func(build, from, to int) row {
		e := row{"build_id": int64(build), "create_event": int64(from), "create_ts": float64(from * 10), "revoke_event": nil, "revoke_ts": nil}
		if to > 0 {
			e["revoke_event"], e["revoke_ts"] = int64(to), float64(to*10)
		}
		return e
	}
	for name, test := range map[string]struct {
		history []row
		want    tenure
	}{
		"alone":                             {[]row{entry(1, 1, 0)}, tenure{tagged: true, latest: true}},
		"after another":                     {[]row{entry(2, 1, 0), entry(1, 2, 0)}, tenure{tagged: true, latest: true}},
		"replaced":                          {[]row{entry(1, 1, 0), entry(2, 2, 0)}, tenure{tagged: true, until: 20}},
		"replaced twice":                    {[]row{entry(1, 1, 0), entry(2, 2, 4), entry(3, 3, 0)}, tenure{tagged: true, until: 20}},
		"uncovered again":                   {[]row{entry(1, 1, 0), entry(2, 2, 3)}, tenure{tagged: true, latest: true}},
		"uncovered and covered":             {[]row{entry(1, 1, 0), entry(2, 2, 3), entry(3, 4, 0)}, tenure{tagged: true, until: 40}},
		"an older one leaves":               {[]row{entry(2, 1, 3), entry(1, 2, 0)}, tenure{tagged: true, latest: true}},
		"untagged":                          {[]row{entry(1, 1, 3)}, tenure{untagged: 30, until: 30}},
		"replaced, then untagged":           {[]row{entry(1, 1, 5), entry(2, 2, 0)}, tenure{untagged: 50, until: 20}},
		"untagged, then another":            {[]row{entry(1, 1, 3), entry(2, 4, 0)}, tenure{untagged: 30, until: 30}},
		"tagged again":                      {[]row{entry(1, 1, 2), entry(2, 3, 4), entry(1, 5, 0)}, tenure{tagged: true, latest: true}},
		"swapped in one event, ours is new": {[]row{entry(2, 1, 2), entry(1, 2, 0)}, tenure{tagged: true, latest: true}},
	} {
		got, err := tenureOf(test.history, 1)
		if err != nil || got != test.want {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if _, err := tenureOf([]row{entry(2, 1, 0)}, 1); err == nil {
		t.Error("a build that was never tagged has a tenure")
	}
}
