package pgledger

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"time"

	"moromi/events"
)

// plan is what a batch comes to: an answer for each request, and the new rows as columns.
type plan struct {
	answers              []answer
	at                   time.Time
	positions, revisions []int64
	streams, types       []string
	ids                  [][16]byte // as the driver encodes it without a detour over text
	datas, metas         [][]byte
	riders               []*events.Rider // of the requests that have new rows
}

// columns are the arguments of sqlInsert.
func (p *plan) columns() []any {
	return []any{p.positions, p.streams, p.revisions, p.ids, p.types, p.datas, p.metas, p.at}
}

// decide goes through a batch in order, so that each append meets the ledger as those before it leave it: three appends to one stream
// that expect 5, 6 and 7 are all accepted. A refusal concerns its own request only, and those that are to follow it.
func decide(batch []*request, f *facts, at time.Time) *plan {
	p := &plan{answers: make([]answer, len(batch)), at: at}
	for i, r := range batch {
		had := len(p.ids)
		if !r.ready() {
			p.answers[i].err = fmt.Errorf("append: %w", events.ErrBefore)
		}
		for _, w := range r.writes {
			if p.answers[i].err != nil {
				break
			}
			at, err := p.append(w, f)
			if err != nil {
				p.answers[i].err = err
				break
			}
			p.answers[i].at = append(p.answers[i].at, at)
		}
		r.failed = p.answers[i].err != nil
		if r.rider != nil && len(p.ids) > had {
			p.riders = append(p.riders, r.rider)
		}
	}
	slices.SortStableFunc(p.riders, func(a, b *events.Rider) int { return cmp.Compare(a.Order, b.Order) })
	return p
}

// writesOf gives all appends of a batch.
func writesOf(batch []*request) iter.Seq[events.Write] {
	return func(yield func(events.Write) bool) {
		for _, r := range batch {
			for _, w := range r.writes {
				if !yield(w) {
					return
				}
			}
		}
	}
}

func (p *plan) append(r events.Write, f *facts) (events.Appended, error) {
	if at, ok := f.repeated(r); ok {
		return at, nil
	}
	tail := f.tails[r.Stream]
	if r.Expected != events.Any && r.Expected != tail {
		return events.Appended{}, &events.Conflict{Stream: r.Stream, Expected: r.Expected, Current: tail}
	}
	for _, e := range r.Events {
		if _, used := f.seen[e.ID]; used { // a retry would have been repeated: this id belongs to another append
			return events.Appended{}, fmt.Errorf("%w: id %s is used already", events.ErrInvalid, e.ID)
		}
	}
	for _, e := range r.Events {
		f.head, tail = f.head+1, tail+1
		f.seen[e.ID] = place{r.Stream, tail, f.head}
		p.positions, p.revisions = append(p.positions, int64(f.head)), append(p.revisions, int64(tail))
		p.streams, p.types, p.ids = append(p.streams, r.Stream), append(p.types, e.Type), append(p.ids, e.ID)
		p.datas, p.metas = append(p.datas, present(e.Data)), append(p.metas, present(e.Meta))
	}
	f.tails[r.Stream] = tail
	return events.Appended{Revision: tail, Position: f.head}, nil
}

// repeated finds the place of an append that was made before: all its events are in its stream, one after the other and, where an exact
// revision was expected, right after that.
func (f *facts) repeated(r events.Write) (events.Appended, bool) {
	next, last := r.Expected+1, place{}
	for i, e := range r.Events {
		at, ok := f.seen[e.ID]
		if !ok || at.stream != r.Stream {
			return events.Appended{}, false
		}
		if i == 0 && r.Expected == events.Any {
			next = at.revision
		}
		if at.revision != next {
			return events.Appended{}, false
		}
		next, last = next+1, at
	}
	return events.Appended{Revision: last.revision, Position: last.position}, true
}

// present keeps nil, which would be NULL, out of the rows.
func present(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
