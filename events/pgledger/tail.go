package pgledger

import (
	"sync"

	"moromi/events"
)

// How much of the ledger's end a process remembers: enough for readers that keep up, whatever a command appends at once.
const (
	tailEvents = 4096
	tailBytes  = 8 << 20
)

// tail is the end of the ledger as this process wrote it, so that those who follow need not read from the database what was in this memory a
// moment ago. It has no holes: what another process wrote in between empties it. Safe for concurrent use.
type tail struct {
	mu    sync.Mutex
	recs  []events.Recorded
	bytes int
}

// add takes events that were committed.
func (t *tail) add(recs []events.Recorded) {
	if len(recs) == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := len(t.recs); n > 0 && t.recs[n-1].Position+1 != recs[0].Position {
		t.recs, t.bytes = nil, 0
	}
	for _, r := range recs {
		t.bytes += len(r.Data) + len(r.Meta)
	}
	t.recs = append(t.recs, recs...)
	drop := 0
	for len(t.recs)-drop > tailEvents || t.bytes > tailBytes && drop < len(t.recs) {
		t.bytes -= len(t.recs[drop].Data) + len(t.recs[drop].Meta)
		t.recs[drop] = events.Recorded{} // readers have copies; the memory is not held by the array
		drop++
	}
	t.recs = t.recs[drop:]
}

// after gives up to n events that follow a position, none if it does not remember the first of them. more: there are others behind these.
// end: the position is that of the last event that it remembers.
func (t *tail) after(last events.Position, n int) (page []events.Recorded, more, end bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.recs) == 0 || last+1 < t.recs[0].Position || last >= t.recs[len(t.recs)-1].Position {
		return nil, false, len(t.recs) > 0 && last == t.recs[len(t.recs)-1].Position
	}
	rest := t.recs[last+1-t.recs[0].Position:]
	more = len(rest) > n
	return append([]events.Recorded(nil), rest[:min(n, len(rest))]...), more, false
}

// recorded are the events that a plan adds to the ledger.
func (p *plan) recorded() []events.Recorded {
	recs := make([]events.Recorded, len(p.positions))
	for i := range recs {
		recs[i] = events.Recorded{New: events.New{ID: p.ids[i], Type: p.types[i], Data: p.datas[i], Meta: p.metas[i]}, Stream: p.streams[i],
			Revision: events.Revision(p.revisions[i]), Position: events.Position(p.positions[i]), At: p.at}
	}
	return recs
}
