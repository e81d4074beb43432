package repodata

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"runtime"

	"golang.org/x/sync/errgroup"
)

// Compose makes the version of a repository that holds c, without writing its files: it makes the blocks that the store lacks and sums up the
// files. The error of an rpm that cannot be read names it.
func (w *Writer) Compose(ctx context.Context, c Content) (*Version, error) {
	v, err := w.compose(ctx, c)
	if Lost(err) { // a block was damaged or is gone, and is made anew now
		w.Forget()
		v, err = w.compose(ctx, c)
	}
	return v, err
}

// Forget makes the next Compose look whether the store has what the writer knows of: after something was found to be lost.
func (w *Writer) Forget() { w.infos.reset() }

func (w *Writer) compose(ctx context.Context, c Content) (*Version, error) {
	blocks, built, err := w.prepare(ctx, c.Packages)
	if err != nil {
		return nil, err
	}
	v := &Version{Revision: c.Revision.Unix(), Packages: c.Packages.Len(), Built: built, Files: make([]File, kinds), compression: w.compressor.kind,
		blocks: make([]blockKey, len(blocks))}
	infos := make([]*blockInfo, len(blocks))
	for i, b := range blocks {
		v.blocks[i] = b.key
		if infos[i], err = w.infoOrBuild(ctx, b); err != nil {
			return nil, err
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	for k := range kinds {
		g.Go(func() error { return w.sumUp(ctx, v, k, blocks, infos) })
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	if c.Comps != nil {
		if err := w.addGroup(v, c.Comps); err != nil {
			return nil, err
		}
	}
	if c.Origins != nil {
		if err := v.addOrigins(c.Origins); err != nil {
			return nil, err
		}
	}
	v.Repomd = repomd(v.Files, v.Revision)
	return v, nil
}

// prepare cuts the packages into blocks and makes those that the store lacks.
func (w *Writer) prepare(ctx context.Context, p Packages) (blocks []block, built int, err error) {
	runs := p.blocks()
	blocks = make([]block, len(runs))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, run := range runs {
		b := makeBlock(run, w.compressor.kind)
		blocks[i] = b
		if _, known := w.infos.get(b.key, w.store.clock()); known || w.store.used(b.path()) {
			continue
		}
		built++
		g.Go(func() error { return w.build(ctx, b) })
	}
	return blocks, built, g.Wait()
}

// infoOrBuild reads what a block says of itself, and makes one that is gone or damaged again.
func (w *Writer) infoOrBuild(ctx context.Context, b block) (*blockInfo, error) {
	if info, ok := w.infos.get(b.key, w.store.clock()); ok {
		return info, nil
	}
	read := func() (*blockInfo, error) {
		f, info, err := w.store.openBlock(b.key)
		if err != nil {
			return nil, err
		}
		return info, f.Close()
	}
	info, err := read()
	if Lost(err) {
		if err = w.build(ctx, b); err == nil {
			info, err = read()
		}
	}
	if err != nil {
		return nil, err
	}
	w.infos.put(b.key, info, w.store.clock())
	return info, nil
}

// Lost tells whether an error means that the store has lost something of a version: to compose it again makes it again.
func Lost(err error) bool { return errors.Is(err, errDamaged) || errors.Is(err, fs.ErrNotExist) }

// sumUp digests one of the files that list packages. Up to the first block that is not known to come after the others nothing is read: its sums are
// known.
func (w *Writer) sumUp(ctx context.Context, v *Version, k kind, blocks []block, infos []*blockInfo) error {
	s := newSummer()
	head, foot := k.head(v.Packages), k.foot()
	for i, text := range [][]byte{head, foot} {
		var err error
		if v.ends[k][i], err = w.compressor.member(text); err != nil {
			return err
		}
	}
	s.add(part{v.ends[k][0], head})
	key := firstPrefix(k, head)
	last, err := s.prefix()
	if err != nil {
		return err
	}
	i := 0
	for ; i < len(blocks); i++ {
		next := key.next(blocks[i], infos[i].member[k].sum)
		known, ok := w.prefixes.get(next)
		if !ok {
			break
		}
		key, last = next, known
	}
	if err := s.restore(last); err != nil {
		return err
	}
	var buf []byte
	for ; i < len(blocks); i++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		p, err := w.loadOrBuild(ctx, blocks[i], k, &buf)
		if err != nil {
			return err
		}
		if m := infos[i].member[k]; m.size != uint32(len(p.member)) || m.sum != checksum(p.member) {
			w.infos.forget(blocks[i].key) // another version of the compressor made the block anew
			return errDamaged
		}
		s.add(p)
		if last, err = s.prefix(); err != nil {
			return err
		}
		key = key.next(blocks[i], infos[i].member[k].sum)
		w.prefixes.put(key, last)
	}
	s.add(part{v.ends[k][1], foot})
	f := File{Type: k.String(), Size: s.size, OpenSize: s.openSize, Checksum: hex.EncodeToString(s.sum.Sum(nil)), OpenChecksum: hex.EncodeToString(s.openSum.Sum(nil))}
	f.Name = f.Checksum + "-" + f.Type + ".xml." + w.compressor.kind.ext()
	v.Files[k] = f
	v.sizes[k] = make([]uint32, len(infos))
	for i, info := range infos {
		v.sizes[k][i] = info.member[k].size
	}
	return nil
}

// loadOrBuild loads a block's part and makes a block that is gone or damaged again: its bytes are the same, or the version's sums would not be.
func (w *Writer) loadOrBuild(ctx context.Context, b block, k kind, buf *[]byte) (part, error) {
	p, err := w.store.load(b.key, k, buf)
	if !Lost(err) {
		return p, err
	}
	if err := w.build(ctx, b); err != nil {
		return part{}, err
	}
	return w.store.load(b.key, k, buf)
}

// addGroup adds the group file, plain and compressed as createrepo_c does.
func (w *Writer) addGroup(v *Version, comps []byte) error {
	member, err := w.compressor.member(comps)
	if err != nil {
		return err
	}
	ext := w.compressor.kind.ext()
	sum, packed := sha256.Sum256(comps), sha256.Sum256(member)
	plain := File{Type: "group", Checksum: hex.EncodeToString(sum[:]), Size: int64(len(comps))}
	plain.Name = plain.Checksum + "-comps.xml"
	small := File{Type: "group_" + ext, Checksum: hex.EncodeToString(packed[:]), Size: int64(len(member)),
		OpenChecksum: plain.Checksum, OpenSize: plain.Size}
	small.Name = small.Checksum + "-comps.xml." + ext
	v.group = member
	v.Files = append(v.Files, plain, small)
	return nil
}
