package policy_test

import (
	"testing"

	"moromi/aggregates/policy"
	"moromi/events"
	"moromi/internal/fault"
)

func at(v int64) *int64 { return &v }

func TestVersions(t *testing.T) {
	t.Parallel()
	p := &policy.Policy{}
	for i, step := range []struct {
		do      string
		text    string
		expect  *int64
		version int64 // of the event; 0: none
		code    fault.Code
	}{
		{"remove", "", nil, 0, fault.Generic},
		{"change", "a", at(1), 0, fault.Lock},
		{"change", "a", at(0), 1, 0},
		{"change", "a", nil, 0, 0},
		{"change", "b", at(0), 0, fault.Lock},
		{"change", "b", at(1), 2, 0},
		{"remove", "", at(1), 0, fault.Lock},
		{"remove", "", at(2), 3, 0},
		{"remove", "", nil, 0, fault.Generic},
		{"change", "", at(3), 4, 0}, // of no rules, which is not none
		{"change", "", nil, 0, 0},
		{"remove", "", nil, 5, 0},
	} {
		var evs []events.Event
		var err error
		if step.do == "change" {
			evs, err = p.Change("tag", step.text, step.expect)
		} else {
			evs, err = p.Remove("tag", step.expect)
		}
		if (step.code != 0) != (err != nil) || err != nil && !fault.Is(err, step.code) || (step.version != 0) != (len(evs) == 1) {
			t.Fatalf("step %d: %v %v", i, evs, err)
		}
		for _, e := range evs {
			p.Apply(e)
			if p.Version != step.version || p.Name != "tag" || p.Set != (step.do == "change") || p.Text != step.text {
				t.Fatalf("step %d: %+v", i, p)
			}
		}
	}
}
