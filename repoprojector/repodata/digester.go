package repodata

import (
	"cmp"
	"context"
	"slices"

	"golang.org/x/sync/errgroup"

	"moromi/internal/sha256pair"
)

// part is what a file has of a block.
type part struct {
	t    *tally
	data []byte
}

// digester digests files two at a time.
type digester struct {
	lanes [2]lane
	pair  sha256pair.Pair
}

// lane is files of which one is digested after the other, beside those of the other lane.
type lane struct {
	tallies []*tally
	bytes   int64 // that they have still to take in
	parts   []part
}

// newDigesters shares the work out. How long all takes is how long the largest file takes alone, so the two largest go together and leave the other
// processors to what is read and to the small ones. Where two at a time take as long as one after the other, each goes alone.
func newDigesters(tallies []*tally, pairs bool) (list []*digester) {
	tallies = slices.SortedFunc(slices.Values(tallies), func(a, b *tally) int { return cmp.Compare(b.left(), a.left()) })
	for i, t := range tallies {
		if i == 0 || i == 2 || !pairs {
			list = append(list, &digester{})
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
	first := len(blocks)
	for _, t := range tallies {
		first = min(first, t.from)
	}
	digesters := newDigesters(tallies, w.pairs)
	book := w.newBook(tallies, blocks, z, len(digesters))
	defer book.close()
	g, ctx := errgroup.WithContext(ctx)
	for _, d := range digesters {
		g.Go(func() error {
			for i := first; i < len(blocks); i++ {
				p, err := book.page(ctx, i)
				if err != nil {
					return err
				}
				if err := d.take(p, blocks[i].key); err != nil {
					return book.fail(err)
				}
				book.done(p)
			}
			return nil
		})
	}
	return g.Wait()
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
