package repodata

import (
	"context"
	"encoding/hex"
	"io"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// tally digests one of the files that list packages.
type tally struct {
	w     *Writer
	kind  kind
	infos []*blockInfo
	sums  *summer
	key   prefixKey
	// from is the first block that is not known to come after those before it: what the file sums up to before it is known, and nothing of it is read.
	from int
}

func (w *Writer) newTally(v *Version, k kind, blocks []block, infos []*blockInfo) (*tally, error) {
	head, foot := k.head(v.Packages), k.foot()
	for i, text := range [][]byte{head, foot} {
		var err error
		if v.ends[k][i], err = w.compressor.member(text); err != nil {
			return nil, err
		}
	}
	t := &tally{w: w, kind: k, infos: infos, sums: newSummer(), key: firstPrefix(k, head)}
	t.sums.add(part{v.ends[k][0], head})
	last, err := t.sums.prefix()
	if err != nil {
		return nil, err
	}
	for ; t.from < len(blocks); t.from++ {
		next := t.key.next(blocks[t.from], infos[t.from].member[k].sum)
		known, ok := w.prefixes.get(next)
		if !ok {
			break
		}
		t.key, last = next, known
	}
	return t, t.sums.restore(last)
}

// add takes the next block in.
func (t *tally) add(b block, l *loaded) error {
	p, err := l.part(t.kind)
	if err != nil {
		return err
	}
	t.sums.add(p)
	last, err := t.sums.prefix()
	if err != nil {
		return err
	}
	t.key = t.key.next(b, l.info.member[t.kind].sum)
	t.w.prefixes.put(t.key, last)
	return nil
}

// finish tells the version what the file sums up to.
func (t *tally) finish(v *Version) {
	k, s := t.kind, t.sums
	s.add(part{v.ends[k][1], k.foot()})
	f := File{Type: k.String(), Size: s.size, OpenSize: s.openSize, Checksum: hex.EncodeToString(s.sum.Sum(nil)), OpenChecksum: hex.EncodeToString(s.openSum.Sum(nil))}
	f.Name = f.Checksum + "-" + f.Type + ".xml." + t.w.compressor.kind.ext()
	v.Files[k] = f
	v.sizes[k] = make([]uint32, len(t.infos))
	for i, info := range t.infos {
		v.sizes[k][i] = info.member[k].size
	}
}

// loaded is a block's file in memory, for as many as read it.
type loaded struct {
	info  *blockInfo
	bytes []byte
	users atomic.Int32
	pool  *sync.Pool
}

// part gives a kind's bytes, which hold until release.
func (l *loaded) part(k kind) (part, error) {
	m, o := l.info.member[k], l.info.open[k]
	p := part{l.bytes[m.offset : m.offset+int64(m.size)], l.bytes[o.offset : o.offset+int64(o.size)]}
	if checksum(p.member) != m.sum || checksum(p.open) != o.sum {
		return part{}, errDamaged
	}
	return p, nil
}

func (l *loaded) release() {
	if l.users.Add(-1) == 0 {
		l.pool.Put(l)
	}
}

// readAhead is how many blocks are read before the slowest digest gets to them.
const readAhead = 4

// sumUp digests the files that list packages, side by side; each block is read once.
func (w *Writer) sumUp(ctx context.Context, v *Version, blocks []block, infos []*blockInfo) error {
	var tallies [kinds]*tally
	var feeds [kinds]chan *loaded
	first := len(blocks)
	for k := range kinds {
		var err error
		if tallies[k], err = w.newTally(v, k, blocks, infos); err != nil {
			return err
		}
		feeds[k] = make(chan *loaded, readAhead)
		first = min(first, tallies[k].from)
	}
	g, ctx := errgroup.WithContext(ctx)
	for k, t := range tallies {
		g.Go(func() error {
			for i := t.from; i < len(blocks); i++ {
				select {
				case l := <-feeds[k]:
					err := t.add(blocks[i], l)
					l.release()
					if err != nil {
						w.Forget()
						return err
					}
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			t.finish(v)
			return nil
		})
	}
	g.Go(func() error {
		for i := first; i < len(blocks); i++ {
			l, err := w.loadOrBuild(ctx, blocks[i], infos[i])
			if err != nil {
				return err
			}
			l.users.Store(int32(kinds))
			for k, t := range tallies {
				if i < t.from {
					l.release()
					continue
				}
				select {
				case feeds[k] <- l:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
		}
		return nil
	})
	return g.Wait()
}

// loadOrBuild loads a block and makes a block that is gone or damaged again.
func (w *Writer) loadOrBuild(ctx context.Context, b block, want *blockInfo) (*loaded, error) {
	l, err := w.loadBlock(b, want)
	if !Lost(err) {
		return l, err
	}
	if err := w.build(ctx, b); err != nil {
		return nil, err
	}
	return w.loadBlock(b, want)
}

// loadBlock reads a block's file. It is damaged if it is not the one that is wanted: another version of the compressor may have made it anew.
func (w *Writer) loadBlock(b block, want *blockInfo) (*loaded, error) {
	f, err := w.store.root.Open(b.path())
	if err != nil {
		return nil, err
	}
	defer f.Close()
	l, _ := w.buffers.Get().(*loaded)
	if l == nil {
		l = &loaded{pool: &w.buffers}
	}
	last := want.open[kinds-1]
	size := int(last.offset) + int(last.size)
	if cap(l.bytes) < size {
		l.bytes = make([]byte, size)
	}
	l.bytes = l.bytes[:size]
	if _, err := io.ReadFull(f, l.bytes); err != nil {
		return nil, errDamaged
	}
	if l.info, err = readInfo(l.bytes); err != nil {
		return nil, err
	}
	if *l.info != *want {
		w.infos.forget(b.key)
		return nil, errDamaged
	}
	return l, nil
}
