package createrepo

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"

	"moromi/repoprojector/repodata"
)

const kinds = int(repodata.Kinds)

// table is what a run leaves for the next one: what the three files of a repository are made of. Its texts are in a
// pack, its members in the files themselves.
type table struct {
	settings [sha256.Size]byte // of the options that the bytes depend on
	pack     packID
	packSize int64 // how much of the pack belongs to the state
	files    [kinds]tableFile
	blocks   []tableBlock
	packages []tablePackage
}

// packID names a pack. It is random: a new pack never takes the place of one that another table needs.
type packID [16]byte

func (p packID) name() string { return packPrefix + hex.EncodeToString(p[:]) }

// tableFile is one of the three files: its checksum, and the member of its head.
type tableFile struct {
	checksum [sha256.Size]byte
	head     section
}

// section is a run of bytes and its checksum.
type section struct{ size, crc uint32 }

type tableBlock struct {
	first, count int   // its packages
	text         int64 // where its text is in the pack: primary, filelists, other
	parts        [kinds]tablePart
}

// tablePart is one file's part of a block.
type tablePart struct {
	at           int64 // of the member in the file
	member, open section
	after        midstate
}

// midstate is how the digests of a file stand behind a block: what crypto/sha256 marshals of the file's and of the
// uncompressed text's.
type midstate struct{ sum, open []byte }

type tablePackage struct {
	name        string
	mtime, size int64
	text        [kinds]uint32 // lengths
	ends        bool          // the name ends a block
}

// errState says that a kept state does not fit what is on disk, or is damaged. The run does without it.
var errState = errors.New("the kept state does not fit")

const (
	// tableMagic has the version of the format. It changes, too, when package repodata words something otherwise:
	// texts of two versions must not come together in one file.
	tableMagic = "moromi createrepo state 1\n"

	stateSize   = 4 + 8*4 + sha256.BlockSize + 8 // crypto/sha256's marshaled digest
	fileSize    = sha256.Size + 8
	partSize    = 4*4 + 2*stateSize
	blockSize   = 4 + 8 + kinds*partSize
	packageSize = 4 + 8 + 8 + kinds*4
	headSize    = len(tableMagic) + sha256.Size + len(packID{}) + 8 + kinds*fileSize + 3*4
	crcSize     = 4

	// endsBit marks a package in the length of its name.
	endsBit = 1 << 31
)

func checksum(pieces ...[]byte) (sum uint32) {
	for _, b := range pieces {
		sum = crc32.Update(sum, crc32.MakeTable(crc32.Castagnoli), b)
	}
	return sum
}

func (s section) append(b []byte) []byte {
	return binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(b, s.size), s.crc)
}

// encode gives the table's bytes.
func (t *table) encode() ([]byte, error) {
	le := binary.LittleEndian
	names := 0
	for i := range t.packages {
		names += len(t.packages[i].name)
	}
	b := make([]byte, 0, headSize+len(t.blocks)*blockSize+len(t.packages)*packageSize+names+crcSize)
	b = append(append(append(b, tableMagic...), t.settings[:]...), t.pack[:]...)
	b = le.AppendUint64(b, uint64(t.packSize))
	for _, f := range t.files {
		b = f.head.append(append(b, f.checksum[:]...))
	}
	b = le.AppendUint32(le.AppendUint32(le.AppendUint32(b, uint32(len(t.blocks))), uint32(len(t.packages))), uint32(names))
	for i := range t.blocks {
		x := &t.blocks[i]
		b = le.AppendUint64(le.AppendUint32(b, uint32(x.count)), uint64(x.text))
		for _, p := range x.parts {
			if len(p.after.sum) != stateSize || len(p.after.open) != stateSize {
				return nil, fmt.Errorf("keep the state: a digest's state has %d and %d bytes", len(p.after.sum), len(p.after.open))
			}
			b = append(append(p.open.append(p.member.append(b)), p.after.sum...), p.after.open...)
		}
	}
	for i := range t.packages {
		p := &t.packages[i]
		n := uint32(len(p.name))
		if p.ends {
			n |= endsBit
		}
		b = le.AppendUint64(le.AppendUint64(le.AppendUint32(b, n), uint64(p.mtime)), uint64(p.size))
		for _, n := range p.text {
			b = le.AppendUint32(b, n)
		}
	}
	for i := range t.packages {
		b = append(b, t.packages[i].name...)
	}
	return le.AppendUint32(b, checksum(b)), nil
}

// decodeTable reads a table, and holds it to its checksum and to itself. The table refers to b.
func decodeTable(b []byte) (*table, error) {
	le := binary.LittleEndian
	if len(b) < headSize+crcSize || string(b[:len(tableMagic)]) != tableMagic || le.Uint32(b[len(b)-crcSize:]) != checksum(b[:len(b)-crcSize]) {
		return nil, fmt.Errorf("%w: not a table of this version, or damaged", errState)
	}
	r := reader{b[len(tableMagic) : len(b)-crcSize]}
	t := &table{settings: [sha256.Size]byte(r.take(sha256.Size)), pack: packID(r.take(len(packID{}))), packSize: r.int64()}
	for k := range t.files {
		t.files[k] = tableFile{[sha256.Size]byte(r.take(sha256.Size)), r.section()}
	}
	blocks, packages, names := int64(r.uint32()), int64(r.uint32()), int64(r.uint32())
	if int64(len(r.b)) != blocks*int64(blockSize)+packages*int64(packageSize)+names {
		return nil, fmt.Errorf("%w: the table's parts have other sizes than it says", errState)
	}
	t.blocks, t.packages = make([]tableBlock, blocks), make([]tablePackage, packages)
	for i := range t.blocks {
		t.blocks[i].read(&r)
	}
	text := string(r.b[len(r.b)-int(names):])
	for i := range t.packages {
		var err error
		if text, err = t.packages[i].read(&r, text); err != nil {
			return nil, err
		}
	}
	return t, t.check()
}

// reader takes a table apart. Its caller knows that there are bytes enough.
type reader struct{ b []byte }

func (r *reader) take(n int) []byte {
	x := r.b[:n:n]
	r.b = r.b[n:]
	return x
}

func (r *reader) uint32() uint32 { return binary.LittleEndian.Uint32(r.take(4)) }
func (r *reader) int64() int64   { return int64(binary.LittleEndian.Uint64(r.take(8))) }
func (r *reader) section() section {
	return section{r.uint32(), r.uint32()}
}

func (x *tableBlock) read(r *reader) {
	x.count, x.text = int(r.uint32()), r.int64()
	for k := range x.parts {
		x.parts[k] = tablePart{member: r.section(), open: r.section(), after: midstate{r.take(stateSize), r.take(stateSize)}}
	}
}

// read takes a package's record, and its name off the names.
func (p *tablePackage) read(r *reader, names string) (rest string, err error) {
	n := r.uint32()
	p.ends, n = n&endsBit != 0, n&^endsBit
	p.mtime, p.size = r.int64(), r.int64()
	for k := range p.text {
		p.text[k] = r.uint32()
	}
	if n == 0 || int64(n) > int64(len(names)) {
		return "", fmt.Errorf("%w: a package's name has %d bytes", errState, n)
	}
	p.name = names[:n]
	return names[n:], nil
}

// check holds a table to itself: blocks and packages, lengths and places fit together. It finds where members are.
func (t *table) check() error {
	first := 0
	var at [kinds]int64
	for k := range t.files {
		at[k] = int64(t.files[k].head.size)
	}
	for i := range t.blocks {
		x := &t.blocks[i]
		if x.count < 1 || x.count > len(t.packages)-first {
			return fmt.Errorf("%w: a block of %d packages", errState, x.count)
		}
		x.first = first
		first += x.count
		var length int64
		for k := range x.parts {
			var open int64
			for _, p := range t.packages[x.first:first] {
				open += int64(p.text[k])
			}
			if open != int64(x.parts[k].open.size) {
				return fmt.Errorf("%w: a block's text is not that of its packages", errState)
			}
			x.parts[k].at = at[k]
			at[k] += int64(x.parts[k].member.size)
			length += open
		}
		if x.text < 0 || x.text > t.packSize-length {
			return fmt.Errorf("%w: a block's text is not in the pack", errState)
		}
	}
	if first != len(t.packages) {
		return fmt.Errorf("%w: %d packages are in no block", errState, len(t.packages)-first)
	}
	return nil
}

// textSize is how many bytes of the pack are in use.
func (t *table) textSize() (n int64) {
	for i := range t.blocks {
		n += t.blocks[i].length()
	}
	return n
}

func (x *tableBlock) length() (n int64) {
	for _, p := range x.parts {
		n += int64(p.open.size)
	}
	return n
}

// textAt is where a kind's text of the block is in the pack.
func (x *tableBlock) textAt(k int) int64 {
	at := x.text
	for _, p := range x.parts[:k] {
		at += int64(p.open.size)
	}
	return at
}
