package repodata

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/errgroup"
)

// Compression is how the files of a repository are compressed.
type Compression int

// Compressions. Gzip is read by everything since yum 2; Zstd by dnf of Fedora 28 or later.
const (
	Gzip Compression = iota
	Zstd
	compressions
)

// ext is the compression's file name extension and its name in the type of a compressed group file.
func (c Compression) ext() string {
	if c == Zstd {
		return "zst"
	}
	return "gz"
}

// gzipLevel is the level where the ratio stops to improve at a bearable cost.
const gzipLevel = 6

// compressor makes members: pieces that are valid compressed files, also one behind the other. Safe for
// concurrent use.
type compressor struct {
	kind Compression
	gz   sync.Pool
	zst  *zstd.Encoder
}

func newCompressor(c Compression) (*compressor, error) {
	z := &compressor{kind: c}
	if c == Zstd {
		var err error
		if z.zst, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithEncoderConcurrency(2)); err != nil {
			return nil, fmt.Errorf("start zstd: %w", err)
		}
	}
	return z, nil
}

// member compresses src to one member. Equal input gives equal output.
func (z *compressor) member(src []byte) ([]byte, error) { return z.append(nil, src) }

// append is member behind what dst has.
func (z *compressor) append(dst, src []byte) ([]byte, error) {
	if z.kind == Zstd {
		return z.zst.EncodeAll(src, dst), nil
	}
	b := bytes.NewBuffer(dst)
	w, _ := z.gz.Get().(*gzip.Writer)
	if w == nil {
		var err error
		if w, err = gzip.NewWriterLevel(b, gzipLevel); err != nil {
			return nil, fmt.Errorf("start gzip: %w", err)
		}
	}
	w.Reset(b)
	defer z.gz.Put(w)
	if _, err := w.Write(src); err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	return b.Bytes(), nil
}

// blockKey is the digest of all that a block's bytes depend on.
type blockKey [32]byte

// block is a run of packages and the digest of all that its bytes depend on.
type block struct {
	key      blockKey
	packages []Package
}

const (
	// usualRatio is how much smaller most texts become when they are compressed, at least.
	usualRatio = 4

	blockMagic   = "MRB1"
	blockSection = 8                                     // length, checksum
	blockHead    = 4 + 2*int(kinds)*blockSection + 4     // magic, sections, checksum of these
	blockVersion = "moromi repodata block 1, codec %d\n" // changes with whatever changes the bytes of a block
)

// block gives the run as a block of a compression.
func (r *run) block(c Compression) block {
	if key := r.keys[c].Load(); key != nil {
		return block{*key, r.list}
	}
	h := sha256.New()
	fmt.Fprintf(h, blockVersion, c)
	var b []byte
	for _, p := range r.list {
		b = append(b[:0], p.Digest[:]...)
		b = binary.BigEndian.AppendUint64(b, uint64(p.Time))
		b = binary.BigEndian.AppendUint32(b, uint32(len(p.Href)))
		h.Write(append(b, p.Href...))
	}
	key := blockKey(h.Sum(nil))
	r.keys[c].Store(&key)
	return block{key, r.list}
}

func (b block) path() string { return hexPath(blockDir, b.key) }

// build makes the block's file in the store from its packages' fragments. The file holds, for each kind, the
// member and then the same uncompressed, for the checksum of the uncompressed file.
func (w *Writer) build(ctx context.Context, b block, z *compressor) error {
	fragments, err := w.fragments(ctx, b.packages)
	if err != nil {
		return err
	}
	var members, opens [kinds][]byte
	var g errgroup.Group
	for k := range kinds {
		g.Go(func() (err error) {
			size := 0
			for i, f := range fragments {
				size += f.room(k, b.packages[i])
			}
			opens[k] = make([]byte, 0, size)
			for i, f := range fragments {
				opens[k] = f.append(opens[k], k, b.packages[i])
			}
			members[k], err = z.append(make([]byte, 0, len(opens[k])/usualRatio), opens[k])
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	size := blockHead
	for k := range kinds {
		size += len(members[k]) + len(opens[k])
	}
	head, file := append(make([]byte, 0, blockHead), blockMagic...), make([]byte, blockHead, size)
	for k := range kinds {
		for _, s := range [][]byte{members[k], opens[k]} {
			head = binary.BigEndian.AppendUint32(head, uint32(len(s)))
			head = binary.BigEndian.AppendUint32(head, checksum(s))
			file = append(file, s...)
		}
	}
	copy(file, binary.BigEndian.AppendUint32(head, checksum(head)))
	w.infos.forget(b.key)
	return w.store.write(b.path(), file)
}

// fragments gives the fragments of packages.
func (w *Writer) fragments(ctx context.Context, packages []Package) ([]*Fragment, error) {
	list := make([]*Fragment, len(packages))
	g, ctx := errgroup.WithContext(ctx)
	readers := runtime.GOMAXPROCS(0)
	for r := range readers {
		g.Go(func() error {
			for i := r; i < len(packages); i += readers {
				if err := ctx.Err(); err != nil {
					return err
				}
				var err error
				if list[i], err = w.fragment(ctx, packages[i]); err != nil {
					return fmt.Errorf("metadata of %s: %w", packages[i].Href, err)
				}
			}
			return nil
		})
	}
	return list, g.Wait()
}

// fragment gives the fragment of a package, from the store or else from the rpm.
func (w *Writer) fragment(ctx context.Context, p Package) (*Fragment, error) {
	if p.Base != "" {
		return w.store.foreign(p)
	}
	f, err := w.store.Fragment(p.Digest)
	if err == nil || !errors.Is(err, fs.ErrNotExist) || w.openRPM == nil {
		return f, err
	}
	r, err := w.openRPM(ctx, p)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if f, _, err = ReadRPM(r); err != nil {
		return nil, err
	}
	if f.Digest != p.Digest {
		return nil, fmt.Errorf("%w: its SHA-256 is %s, not %s", ErrCorrupt, f.Digest, p.Digest)
	}
	return f, w.store.replaceFragment(f)
}

// blockInfo is what a block's file says of itself before its bytes.
type blockInfo struct {
	member, open [kinds]section
}

// section is a run of bytes in a block's file.
type section struct {
	offset int64
	size   uint32
	sum    uint32
}

// openBlock opens a block's file and reads its head.
func (s *Store) openBlock(key blockKey) (*os.File, *blockInfo, error) {
	f, err := s.root.Open(hexPath(blockDir, key))
	if err != nil {
		return nil, nil, err
	}
	head := make([]byte, blockHead)
	_, err = io.ReadFull(f, head)
	var info *blockInfo
	if err == nil {
		info, err = readInfo(head)
	} else {
		err = errDamaged
	}
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return f, info, nil
}

// readInfo reads the head of a block's file.
func readInfo(head []byte) (*blockInfo, error) {
	n := blockHead - 4
	if len(head) < blockHead {
		return nil, errDamaged
	}
	head = head[:blockHead]
	if string(head[:4]) != blockMagic || binary.BigEndian.Uint32(head[n:]) != checksum(head[:n]) {
		return nil, errDamaged
	}
	info, offset := &blockInfo{}, int64(blockHead)
	for k := range kinds {
		for i, to := range []*section{&info.member[k], &info.open[k]} {
			h := head[4+(2*int(k)+i)*blockSection:]
			*to = section{offset, binary.BigEndian.Uint32(h), binary.BigEndian.Uint32(h[4:])}
			offset += int64(to.size)
		}
	}
	return info, nil
}

// readSection reads a run of bytes into buf, which must be long enough.
func (x section) read(f io.ReaderAt, buf []byte) ([]byte, error) {
	data := buf[:x.size]
	if _, err := f.ReadAt(data, x.offset); err != nil || checksum(data) != x.sum {
		return nil, errDamaged
	}
	return data, nil
}

// member reads the compressed bytes of a block's kind.
func (s *Store) member(key blockKey, k kind) ([]byte, error) {
	f, info, err := s.openBlock(key)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return info.member[k].read(f, make([]byte, info.member[k].size))
}
