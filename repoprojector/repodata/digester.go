package repodata

import (
	"cmp"
	"context"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"moromi/internal/sha256pair"
)

// readAhead is how many blocks are read before the slowest digest gets to them, some 400 kB each.
const readAhead = 4

// page is what the tallies want of a block, for as many digesters as use it.
type page struct {
	block int
	buf   []byte
	parts []part
	users atomic.Int32
}

// part is what a file has of a block.
type part struct {
	t    *tally
	data []byte
}

// digester digests files two at a time.
type digester struct {
	lanes [2]lane
	pair  sha256pair.Pair
	feed  chan *page
}

// lane is files of which one is digested after the other, beside those of the other lane.
type lane struct {
	tallies []*tally
	bytes   int64 // that they have still to take in
	parts   []part
}

// newDigesters shares the work out. How long all takes is how long the largest file takes alone, so the two largest go together and leave the other
// processors to what is read and to the small ones. Where two at a time take as long as one after the other, each goes alone.
func newDigesters(tallies []*tally) (list []*digester) {
	tallies = slices.SortedFunc(slices.Values(tallies), func(a, b *tally) int { return cmp.Compare(b.left(), a.left()) })
	for i, t := range tallies {
		if i == 0 || i == 2 || !sha256pair.Fast() {
			list = append(list, &digester{feed: make(chan *page, readAhead)})
		}
		lanes := &list[len(list)-1].lanes
		l := &lanes[0]
		if lanes[1].bytes < l.bytes {
			l = &lanes[1]
		}
		l.tallies, l.bytes = append(l.tallies, t), l.bytes+t.left()
	}
	return list
}

// takeIn reads the blocks, from the first on that some tally does not know, and has all tallies take them in.
func (w *Writer) takeIn(ctx context.Context, tallies []*tally, blocks []block, z *compressor) error {
	digesters := newDigesters(tallies)
	free := make(chan *page, readAhead)
	for range readAhead {
		p, _ := w.pages.Get().(*page)
		if p == nil {
			p = new(page)
		}
		free <- p
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, d := range digesters {
		g.Go(func() error { return d.run(ctx, blocks, free) })
	}
	g.Go(func() error { return w.feed(ctx, tallies, blocks, z, free, digesters) })
	err := g.Wait()
	for range len(free) {
		w.pages.Put(<-free)
	}
	return err
}

// feed reads each block once, for all digesters.
func (w *Writer) feed(ctx context.Context, tallies []*tally, blocks []block, z *compressor, free <-chan *page, digesters []*digester) error {
	for i := range blocks {
		if !slices.ContainsFunc(tallies, func(t *tally) bool { return i >= t.from }) {
			continue
		}
		var p *page
		select {
		case p = <-free:
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := w.readPage(ctx, p, tallies, blocks[i], i, z); err != nil {
			return err
		}
		p.users.Store(int32(len(digesters)))
		for _, d := range digesters {
			select {
			case d.feed <- p:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	for _, d := range digesters {
		close(d.feed)
	}
	return nil
}

// readPage reads what the tallies want of a block. A block that is damaged goes, so that it is made anew.
func (w *Writer) readPage(ctx context.Context, p *page, tallies []*tally, b block, i int, z *compressor) error {
	f, err := w.openOrBuild(ctx, b, z)
	if err != nil {
		return err
	}
	defer f.Close() // nothing was written
	size := 0
	for _, t := range tallies {
		size += int(t.section(i).size)
	}
	p.block, p.buf, p.parts = i, slices.Grow(p.buf[:0], size)[:size], p.parts[:0]
	rest := p.buf
	for _, t := range tallies {
		if i < t.from {
			continue
		}
		data, err := t.section(i).read(f, rest)
		if err != nil {
			w.infos.forget(b.key)
			_ = w.store.root.Remove(b.path()) // if it cannot be removed, the next to make it replaces it
			return err
		}
		p.parts, rest = append(p.parts, part{t, data}), rest[len(data):]
	}
	return nil
}

// run takes in the blocks that are fed, and gives their pages free.
func (d *digester) run(ctx context.Context, blocks []block, free chan<- *page) error {
	for {
		var p *page
		var more bool
		select {
		case p, more = <-d.feed:
		case <-ctx.Done():
			return ctx.Err()
		}
		if !more {
			return nil
		}
		if err := d.take(p, blocks[p.block].key); err != nil {
			return err
		}
		if p.users.Add(-1) == 0 {
			clear(p.parts) // what they belong to is not kept with the page
			free <- p
		}
	}
}

// take takes in what the digester's files have of a block.
func (d *digester) take(p *page, key blockKey) error {
	for i := range d.lanes {
		l := &d.lanes[i]
		l.parts = l.parts[:0]
		for _, part := range p.parts {
			if slices.Contains(l.tallies, part.t) {
				l.parts = append(l.parts, part)
			}
		}
	}
	if err := d.digest(); err != nil {
		return err
	}
	for _, l := range d.lanes {
		for _, part := range l.parts {
			if err := part.t.keep(p.block, key); err != nil {
				return err
			}
		}
	}
	return nil
}

// digest digests the lanes' parts, side by side as long as both have some.
func (d *digester) digest() error {
	a, b := d.lanes[0].parts, d.lanes[1].parts
	for len(a) > 0 && len(b) > 0 {
		n := min(len(a[0].data), len(b[0].data))
		d.pair.A, d.pair.B = a[0].t.sum, b[0].t.sum
		if err := d.pair.Write(a[0].data[:n], b[0].data[:n]); err != nil {
			return err
		}
		a, b = advance(a, n), advance(b, n)
	}
	for _, rest := range [...][]part{a, b} {
		for _, p := range rest {
			p.t.sum.Write(p.data)
		}
	}
	return nil
}

// advance takes n bytes off the first part.
func advance(parts []part, n int) []part {
	if parts[0].data = parts[0].data[n:]; len(parts[0].data) == 0 {
		return parts[1:]
	}
	return parts
}
