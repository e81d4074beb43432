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
	z, err := w.compressors.get(c.Format.Compression)
	if err != nil {
		return nil, err
	}
	packages, err := c.Packages.In(c.Format.Order)
	if err != nil {
		return nil, err
	}
	blocks, built, err := w.prepare(ctx, packages, z)
	if err != nil {
		return nil, err
	}
	v := &Version{Revision: c.Revision.Unix(), Packages: packages.Len(), Built: built, Files: make([]File, kinds), compression: z.kind,
		blocks: make([]blockKey, len(blocks))}
	infos := make([]*blockInfo, len(blocks))
	for i, b := range blocks {
		v.blocks[i] = b.key
		if infos[i], err = w.infoOrBuild(ctx, b, z); err != nil {
			return nil, err
		}
	}
	if err := w.sumUp(ctx, v, c.Format.NoOpenChecksum, z, blocks, infos); err != nil {
		return nil, err
	}
	if c.Comps != nil {
		if err := v.addGroup(c.Comps, z); err != nil {
			return nil, err
		}
	}
	for _, e := range c.Extra {
		if err := v.addExtra(e); err != nil {
			return nil, err
		}
	}
	if c.Format.NoOpenChecksum {
		for i := range v.Files {
			v.Files[i].OpenChecksum, v.Files[i].OpenSize = "", 0
		}
	}
	v.Repomd = repomd(v.Files, v.Revision)
	return v, nil
}

// prepare finds the blocks of the packages and makes those that the store lacks.
func (w *Writer) prepare(ctx context.Context, p Packages, z *compressor) (blocks []block, built int, err error) {
	blocks = make([]block, len(p.runs))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, run := range p.runs {
		b := run.block(z.kind)
		blocks[i] = b
		if _, known := w.infos.get(b.key, w.store.clock()); known || w.store.used(b.path()) {
			continue
		}
		built++
		g.Go(func() error { return w.build(ctx, b, z) })
	}
	return blocks, built, g.Wait()
}

// infoOrBuild reads what a block says of itself, and makes one that is gone or damaged again.
func (w *Writer) infoOrBuild(ctx context.Context, b block, z *compressor) (*blockInfo, error) {
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
		if err = w.build(ctx, b, z); err == nil {
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

// groupType is the type of the group file, and the start of that of its compressed twin.
const groupType = "group"

// addGroup adds the group file, plain and compressed as createrepo_c does.
func (v *Version) addGroup(comps []byte, z *compressor) error {
	member, err := z.member(comps)
	if err != nil {
		return err
	}
	ext := z.kind.ext()
	sum, packed := sha256.Sum256(comps), sha256.Sum256(member)
	plain := File{Type: groupType, Checksum: hex.EncodeToString(sum[:]), Size: int64(len(comps))}
	plain.Name = plain.Checksum + "-comps.xml"
	small := File{Type: groupType + "_" + ext, Checksum: hex.EncodeToString(packed[:]), Size: int64(len(member)),
		OpenChecksum: plain.Checksum, OpenSize: plain.Size}
	small.Name = small.Checksum + "-comps.xml." + ext
	v.group = member
	v.Files = append(v.Files, plain, small)
	return nil
}
