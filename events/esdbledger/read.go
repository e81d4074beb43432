package esdbledger

import (
	"context"
	"errors"
	"io"
	"iter"
	"math"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"

	"moromi/events"
)

const (
	// pageEvents is how many events one read asks for. Whole pages, so that no stream of the server waits for a slow caller, and a
	// caller may use the ledger between two events.
	pageEvents = 2000
	// pageBytes ends a page early: with large events it bounds the memory of a reader to this and one event.
	pageBytes = 8 << 20
)

// page is a part of a stream or of all.
type page struct {
	events []events.Recorded
	more   bool            // there may be others behind it
	end    events.Position // of the last event looked at, the server's own included
}

// Read implements events.Store.
func (l *Ledger) Read(ctx context.Context, stream string, from events.Revision, limit int) iter.Seq2[events.Recorded, error] {
	return func(yield func(events.Recorded, error) bool) {
		next := max(from, 0)
		pages(limit, yield, func(n int) (page, error) {
			p, err := do(ctx, l, "read stream", func(ctx context.Context) (page, error) {
				return l.page(ctx, n, func(ctx context.Context) (*esdb.ReadStream, error) {
					return l.client.ReadStream(ctx, stream, esdb.ReadStreamOptions{From: esdb.Revision(uint64(next))}, uint64(n))
				})
			})
			if len(p.events) > 0 {
				next = p.events[len(p.events)-1].Revision + 1
			}
			return p, err
		})
	}
}

// ReadAll implements events.Store. Without a limit it stops at what was the end when it began.
func (l *Ledger) ReadAll(ctx context.Context, after events.Position, limit int) iter.Seq2[events.Recorded, error] {
	return func(yield func(events.Recorded, error) bool) {
		last, end := max(after, 0), events.Position(math.MaxInt64)
		if limit <= 0 {
			head, err := l.Head(ctx)
			if err != nil {
				yield(events.Recorded{}, err)
				return
			}
			end = head
		}
		pages(limit, yield, func(n int) (page, error) {
			p, err := l.pageAfter(ctx, last, n)
			last = max(last, p.end)
			for i, r := range p.events {
				if r.Position > end {
					return page{events: p.events[:i]}, err
				}
			}
			return p, err
		})
	}
}

// pages yields page after page until one is the last, limit is reached (0: none) or the caller stops.
func pages(limit int, yield func(events.Recorded, error) bool, fetch func(n int) (page, error)) {
	for left := limit; ; {
		n := pageEvents
		if limit > 0 {
			n = min(n, left)
		}
		p, err := fetch(n)
		if err != nil {
			yield(events.Recorded{}, err)
			return
		}
		for _, r := range p.events {
			if limit > 0 && left == 0 {
				return
			}
			if !yield(r, nil) {
				return
			}
			left--
		}
		if !p.more || limit > 0 && left == 0 {
			return
		}
	}
}

// pageAfter reads what follows a position. The server's reads begin with the event at the position, so one more is asked for.
func (l *Ledger) pageAfter(ctx context.Context, last events.Position, n int) (page, error) {
	return do(ctx, l, "read all", func(ctx context.Context) (page, error) {
		p, err := l.page(ctx, n+1, func(ctx context.Context) (*esdb.ReadStream, error) {
			return l.client.ReadAll(ctx, esdb.ReadAllOptions{From: from(last)}, uint64(n+1))
		})
		for len(p.events) > 0 && p.events[0].Position <= last {
			p.events = p.events[1:]
		}
		return p, err
	})
}

// from is the server's position of an event. Its two halves differ only in explicit transactions, which nobody writes here.
func from(p events.Position) esdb.AllPosition {
	if p <= 0 {
		return esdb.Start{}
	}
	return esdb.Position{Commit: uint64(p), Prepare: uint64(p)}
}

// page drains one read of at most n events. A stream that does not exist is empty. It runs inside do.
func (l *Ledger) page(ctx context.Context, n int, open func(context.Context) (*esdb.ReadStream, error)) (page, error) {
	var p page
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	rs, err := open(ctx)
	if err != nil {
		return p, err
	}
	defer rs.Close()
	for seen, size := 0, 0; ; {
		e, err := rs.Recv()
		switch {
		case errors.Is(err, io.EOF):
			p.more = seen == n
			return p, nil
		case isCode(err, esdb.ErrorCodeResourceNotFound):
			return p, nil
		case err != nil:
			return page{}, err
		}
		seen++
		if at, err := position(e.OriginalEvent().Position.Commit); err == nil {
			p.end = max(p.end, at)
		}
		r, system, err := recorded(e)
		if err != nil {
			return page{}, err
		}
		if system {
			continue
		}
		p.events = append(p.events, r)
		l.saw(r.Position)
		if size += len(r.Data) + len(r.Meta); size >= pageBytes {
			p.more = true
			return p, nil
		}
	}
}

// Head implements events.Store. The newest events may be the server's own, so it looks back to the first that is not, or that is known.
func (l *Ledger) Head(ctx context.Context) (events.Position, error) {
	l.mu.Lock()
	known := l.known
	l.mu.Unlock()
	for back := esdb.AllPosition(esdb.End{}); ; {
		p, err := do(ctx, l, "head", func(ctx context.Context) (headPage, error) { return l.headPage(ctx, back, known) })
		if err != nil {
			return 0, err
		}
		if p.found {
			l.saw(p.head)
			return p.head, nil
		}
		back = from(p.oldest)
	}
}

// headPage is one step of the search for the head: found, or how far back it got.
type headPage struct {
	head, oldest events.Position
	found        bool
}

func (l *Ledger) headPage(ctx context.Context, back esdb.AllPosition, known events.Position) (headPage, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	rs, err := l.client.ReadAll(ctx, esdb.ReadAllOptions{Direction: esdb.Backwards, From: back}, pageEvents)
	if err != nil {
		return headPage{}, err
	}
	defer rs.Close()
	var p headPage
	for seen := 0; ; seen++ {
		e, err := rs.Recv()
		if errors.Is(err, io.EOF) {
			p.head, p.found = known, seen < pageEvents || p.oldest <= 0 // the beginning: nothing but what is known
			return p, nil
		}
		if err != nil {
			return headPage{}, err
		}
		if p.oldest, err = position(e.OriginalEvent().Position.Commit); err != nil {
			return headPage{}, err
		}
		r, system, err := recorded(e)
		if err != nil {
			return headPage{}, err
		}
		if !system {
			return headPage{head: r.Position, found: true}, nil
		}
		if p.oldest <= known {
			return headPage{head: known, found: true}, nil
		}
	}
}
