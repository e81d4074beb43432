package repodata

import (
	"context"
	"slices"
	"sync"
)

// readAhead is how many blocks are read before the slowest digester has taken them in, some 400 kB each.
const readAhead = 8

// book has the blocks' bytes for digesters that go through them side by side. Who comes first to a block reads it, and who would have to wait for that reads one that comes after it: so
// all have work as long as there is some, and none waits for another to be woken, which on a machine that was idle takes longer than to read dozens of blocks.
type book struct {
	w       *Writer
	tallies []*tally
	blocks  []block
	z       *compressor
	readers int // digesters

	mu      sync.Mutex
	changed sync.Cond
	pages   [readAhead]*page // block i is in page i modulo their number
	err     error            // that ended it for all
}

// page is what the tallies want of a block.
type page struct {
	block int
	buf   []byte
	parts []part
	ready bool
	users int // digesters that have still to take it in
}

func (w *Writer) newBook(tallies []*tally, blocks []block, z *compressor, readers int) *book {
	b := &book{w: w, tallies: tallies, blocks: blocks, z: z, readers: readers}
	b.changed.L = &b.mu
	for i := range b.pages {
		if b.pages[i], _ = w.pages.Get().(*page); b.pages[i] == nil {
			b.pages[i] = new(page)
		}
		b.pages[i].users = 0
	}
	return b
}

// close gives the pages' memory to the next book. Nobody may use the book any more.
func (b *book) close() {
	for _, p := range b.pages {
		clear(p.parts)
		b.w.pages.Put(p)
	}
}

// page gives the page of a block. The digester must call done with it before it asks for the next block's.
func (b *book) page(ctx context.Context, i int) (*page, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.err == nil {
		p := b.pages[i%readAhead]
		if p.users > 0 && p.block == i && p.ready {
			return p, nil
		}
		next := b.unread(i)
		if next < 0 {
			b.changed.Wait()
			continue
		}
		p = b.pages[next%readAhead]
		p.block, p.ready, p.users = next, false, b.readers
		b.mu.Unlock()
		err := b.read(ctx, p)
		b.mu.Lock()
		if err != nil {
			b.end(err)
			break
		}
		p.ready = true
		b.changed.Broadcast()
	}
	return nil, b.err
}

// unread gives the first block from i on that nobody reads and that there is a page for, -1 if there is none.
func (b *book) unread(i int) int {
	for j := i; j < min(i+readAhead, len(b.blocks)); j++ {
		switch p := b.pages[j%readAhead]; {
		case p.users == 0:
			return j
		case p.block < i: // somebody is as far behind as there are pages
			return -1
		}
	}
	return -1
}

// done gives a page back.
func (b *book) done(p *page) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p.users--; p.users == 0 {
		b.changed.Broadcast()
	}
}

// fail ends the book for all, with an error that it gives back.
func (b *book) fail(err error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.end(err)
	return err
}

func (b *book) end(err error) {
	if b.err == nil {
		b.err = err
	}
	b.changed.Broadcast()
}

// read reads what the tallies want of a page's block. A block that is damaged goes, so that it is made anew.
func (b *book) read(ctx context.Context, p *page) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	from := b.blocks[p.block]
	f, err := b.w.openOrBuild(ctx, from, b.z)
	if err != nil {
		return err
	}
	defer f.Close() // nothing was written
	size := 0
	for _, t := range b.tallies {
		size += int(t.section(p.block).size)
	}
	p.buf, p.parts = slices.Grow(p.buf[:0], size)[:size], p.parts[:0]
	rest := p.buf
	for _, t := range b.tallies {
		if p.block < t.from {
			continue
		}
		data, err := t.section(p.block).read(f, rest)
		if err != nil {
			b.w.infos.forget(from.key)
			_ = b.w.store.root.Remove(from.path()) // if it cannot be removed, the next to make it replaces it
			return err
		}
		p.parts, rest = append(p.parts, part{t, data}), rest[len(data):]
	}
	return nil
}
