package repodata

import (
	"context"
	"crypto/sha256"
	"encoding"
	"encoding/hex"
	"fmt"
	"hash"
	"os"
)

// tally digests one of the files that list packages, as it is or uncompressed.
type tally struct {
	w     *Writer
	kind  kind
	open  bool
	infos []*blockInfo
	sum   hash.Hash
	size  int64
	key   prefixKey
	// from is the first block that is not known to come after those before it: what the file sums up to before it is known, and nothing of it is read.
	from int
}

// newTally starts with what is known: head is the file's start.
func (w *Writer) newTally(k kind, open bool, head []byte, name string, blocks []block, infos []*blockInfo) (*tally, error) {
	t := &tally{w: w, kind: k, open: open, infos: infos, sum: sha256.New(), key: firstPrefix(k, open, []byte(name))}
	t.write(head)
	var last prefix
	for ; t.from < len(blocks); t.from++ {
		next := t.key.next(blocks[t.from].key, t.section(t.from).sum)
		known, ok := w.prefixes.get(next)
		if !ok {
			break
		}
		t.key, last = next, known
	}
	if t.from == 0 {
		return t, nil
	}
	t.size = last.size
	if err := t.sum.(encoding.BinaryUnmarshaler).UnmarshalBinary(last.state[:]); err != nil {
		return nil, fmt.Errorf("resume digest: %w", err)
	}
	return t, nil
}

func (t *tally) write(b []byte) {
	t.sum.Write(b)
	t.size += int64(len(b))
}

// section is where a block has the tally's bytes.
func (t *tally) section(i int) section {
	if t.open {
		return t.infos[i].open[t.kind]
	}
	return t.infos[i].member[t.kind]
}

// left is how many bytes the tally has still to take in.
func (t *tally) left() (n int64) {
	for i := t.from; i < len(t.infos); i++ {
		n += int64(t.section(i).size)
	}
	return n
}

// keep remembers where the tally is when it has taken in a block.
func (t *tally) keep(i int, key blockKey) error {
	x := t.section(i)
	t.size += int64(x.size)
	p := prefix{size: t.size}
	state, err := t.sum.(encoding.BinaryAppender).AppendBinary(p.state[:0])
	if err != nil || len(state) != digestState {
		return fmt.Errorf("keep digest of %d bytes: %w", len(state), err)
	}
	t.key = t.key.next(key, x.sum)
	t.w.prefixes.put(t.key, p)
	return nil
}

// finish gives what the file sums up to with its end.
func (t *tally) finish(foot []byte) (sum string, size int64) {
	t.write(foot)
	return hex.EncodeToString(t.sum.Sum(nil)), t.size
}

// sumUp digests the files that list packages, side by side, from the first block on that is not known.
func (w *Writer) sumUp(ctx context.Context, v *Version, noOpen bool, z *compressor, blocks []block, infos []*blockInfo) error {
	var tallies []*tally
	for k := range kinds {
		head, foot := k.head(v.Packages), k.foot()
		for i, text := range [][]byte{head, foot} {
			var err error
			if v.ends[k][i], err = z.member(text); err != nil {
				return err
			}
		}
		t, err := w.newTally(k, false, v.ends[k][0], fmt.Sprint(z.kind, string(head)), blocks, infos)
		if err != nil {
			return err
		}
		if tallies = append(tallies, t); noOpen {
			continue
		}
		if t, err = w.newTally(k, true, head, string(head), blocks, infos); err != nil {
			return err
		}
		tallies = append(tallies, t)
	}
	if err := w.takeIn(ctx, tallies, blocks, z); err != nil {
		return err
	}
	for _, t := range tallies {
		k := t.kind
		if t.open {
			v.Files[k].OpenChecksum, v.Files[k].OpenSize = t.finish(k.foot())
			continue
		}
		f := File{Type: k.String()}
		f.Checksum, f.Size = t.finish(v.ends[k][1])
		f.Name = f.Checksum + "-" + f.Type + ".xml." + z.kind.ext()
		v.Files[k], v.sizes[k] = f, make([]uint32, len(infos))
		for i, info := range infos {
			v.sizes[k][i] = info.member[k].size
		}
	}
	return nil
}

// openOrBuild opens a block's file and makes a block that is gone again.
func (w *Writer) openOrBuild(ctx context.Context, b block, z *compressor) (*os.File, error) {
	f, err := w.store.root.Open(b.path())
	if !Lost(err) {
		return f, err
	}
	if err := w.build(ctx, b, z); err != nil {
		return nil, err
	}
	return w.store.root.Open(b.path())
}
