package buildroot

import (
	"math/rand/v2"
	"slices"
	"testing"

	"moromi/events"
)

// rebuild is what a list on record stands for, given its base.
func rebuild(e events.ContentRecorded, base []int64) []int64 {
	var out []int64
	if e.Base != "" {
		for _, id := range base {
			if !slices.Contains(e.Removed, id) {
				out = append(out, id)
			}
		}
	}
	return Normal(append(out, e.Added...))
}

func TestContentDelta(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	list := func(n int) []int64 {
		var ids []int64
		for range n {
			ids = append(ids, r.Int64N(400))
		}
		return Normal(ids)
	}
	for range 500 {
		base, ids := list(r.IntN(200)), list(r.IntN(200))
		if r.IntN(2) == 0 && len(base) > 2 { // a near one
			ids = Normal(append(slices.Clone(base[1:]), 999))
		}
		evs := (&Content{}).Record(ids, Digest(base), base)
		e := evs[0].(events.ContentRecorded)
		if got := rebuild(e, base); !slices.Equal(got, ids) || e.Digest != Digest(ids) {
			t.Fatalf("base %v, list %v: event %+v stands for %v", base, ids, e, got)
		}
		if len(e.Added)+len(e.Removed) > len(ids) {
			t.Fatalf("the event is longer than the list: %+v", e)
		}
		var c Content
		c.Apply(e)
		if again := c.Record(ids, "", nil); again != nil {
			t.Fatalf("recorded twice: %v", again)
		}
	}
}

func TestDigest(t *testing.T) {
	t.Parallel()
	// printf '1\n20\n' | sha256sum
	if got, want := Digest([]int64{1, 20}), "783e5bca6f660d66ef3c0ddc0b14ed2dc86c70b1cabef7c0b33a76179149618d"; got != want {
		t.Errorf("digest %s, want %s", got, want)
	}
	if Digest([]int64{1, 20}) == Digest([]int64{12, 0}) || Digest([]int64{1}) == Digest(nil) {
		t.Error("different lists have one digest")
	}
}
