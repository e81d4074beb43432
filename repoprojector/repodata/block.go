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
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Compression is how the files of a repository are compressed.
type Compression int

// Compressions. Gzip is read by everything since yum 2; Zstd by dnf of Fedora 28 or later.
const (
	Gzip Compression = iota
	Zstd
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
func (z *compressor) member(src []byte) ([]byte, error) {
	if z.kind == Zstd {
		return z.zst.EncodeAll(src, nil), nil
	}
	var b bytes.Buffer
	w, _ := z.gz.Get().(*gzip.Writer)
	if w == nil {
		var err error
		if w, err = gzip.NewWriterLevel(&b, gzipLevel); err != nil {
			return nil, fmt.Errorf("start gzip: %w", err)
		}
	}
	w.Reset(&b)
	defer z.gz.Put(w)
	if _, err := w.Write(src); err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	return b.Bytes(), nil
}

// block is a run of packages and the digest of all that its bytes depend on.
type block struct {
	key      [32]byte
	packages []Package
}

const (
	blockMagic   = "MRB1"
	blockSection = 8                                     // length, checksum
	blockHead    = 4 + 2*int(kinds)*blockSection + 4     // magic, sections, checksum of these
	blockVersion = "moromi repodata block 1, codec %d\n" // changes with whatever changes the bytes of a block
)

func makeBlock(packages []Package, c Compression) block {
	h := sha256.New()
	fmt.Fprintf(h, blockVersion, c)
	var b []byte
	for _, p := range packages {
		b = append(b[:0], p.Digest[:]...)
		b = binary.BigEndian.AppendUint64(b, uint64(p.Time))
		b = binary.BigEndian.AppendUint32(b, uint32(len(p.Href)))
		h.Write(append(b, p.Href...))
	}
	return block{[32]byte(h.Sum(nil)), packages}
}

func (b block) path() string { return hexPath(blockDir, b.key) }

// build makes the block's file in the store from its packages' fragments. The file holds, for each kind, the
// member and then the same uncompressed, for the checksum of the uncompressed file.
func (w *Writer) build(ctx context.Context, b block) error {
	fragments := make([]*Fragment, len(b.packages))
	for i, p := range b.packages {
		if err := ctx.Err(); err != nil {
			return err
		}
		var err error
		if fragments[i], err = w.fragment(ctx, p); err != nil {
			return fmt.Errorf("metadata of %s: %w", p.Href, err)
		}
	}
	head := append(make([]byte, 0, blockHead), blockMagic...)
	var body []byte
	for k := range kinds {
		var open []byte
		for i, f := range fragments {
			open = f.append(open, k, b.packages[i])
		}
		member, err := w.compressor.member(open)
		if err != nil {
			return err
		}
		for _, s := range [][]byte{member, open} {
			head = binary.BigEndian.AppendUint32(head, uint32(len(s)))
			head = binary.BigEndian.AppendUint32(head, checksum(s))
			body = append(body, s...)
		}
	}
	head = binary.BigEndian.AppendUint32(head, checksum(head))
	return w.store.write(b.path(), append(head, body...))
}

// fragment gives the fragment of a package, from the store or else from the rpm.
func (w *Writer) fragment(ctx context.Context, p Package) (*Fragment, error) {
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

// part is one kind's bytes of a block: the member, and what it is uncompressed or nil.
type part struct{ member, open []byte }

// load reads a block's part from the store into buf, which it may replace by a larger one. withOpen is told the
// member's checksum and says whether the uncompressed bytes are needed.
func (w *Writer) load(b block, k kind, buf *[]byte, withOpen func(memberSum uint32) bool) (part, error) {
	f, err := w.store.root.Open(b.path())
	if err != nil {
		return part{}, err
	}
	defer f.Close()
	head := make([]byte, blockHead)
	if _, err := io.ReadFull(f, head); err != nil {
		return part{}, errDamaged
	}
	n := blockHead - 4
	if string(head[:4]) != blockMagic || binary.BigEndian.Uint32(head[n:]) != checksum(head[:n]) {
		return part{}, errDamaged
	}
	section := func(i int) (size int, sum uint32) {
		s := head[4+i*blockSection:]
		return int(binary.BigEndian.Uint32(s)), binary.BigEndian.Uint32(s[4:])
	}
	off := int64(blockHead)
	for i := range 2 * int(k) {
		size, _ := section(i)
		off += int64(size)
	}
	members, memberSum := section(2 * int(k))
	opens, openSum := section(2*int(k) + 1)
	wanted := withOpen(memberSum)
	if !wanted {
		opens = 0
	}
	if cap(*buf) < members+opens {
		*buf = make([]byte, members+opens)
	}
	data := (*buf)[:members+opens]
	if _, err := f.ReadAt(data, off); err != nil {
		return part{}, errDamaged
	}
	p := part{member: data[:members]}
	if wanted {
		p.open = data[members:]
	}
	if checksum(p.member) != memberSum || wanted && checksum(p.open) != openSum {
		return part{}, errDamaged
	}
	return p, nil
}
