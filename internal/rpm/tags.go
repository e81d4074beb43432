package rpm

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// Limits of one header. They are librpm's where librpm has one, and lower where it would let a file decide how
// much memory its reader needs.
const (
	// MaxTags is the most index entries of a main header (librpm's HEADER_TAGS_MAX).
	MaxTags = 0xffff
	// MaxSignatureTags is the most index entries of a signature header (librpm's limit).
	MaxSignatureTags = 32
	// MaxData is the most data bytes of a main header: about 600,000 files. librpm takes 256 MiB.
	MaxData = 128 << 20
	// MaxSignatureData is the most data bytes of a signature header (librpm's limit; IMA and fs-verity
	// signatures of every file live there).
	MaxSignatureData = 64 << 20
	// MaxElements is the most elements of one array: a Go string of every element costs 16 bytes besides its text.
	MaxElements = 1 << 21
)

// Errors of headers that cannot be read. Every error of ReadHeader wraps one of these or the reader's own.
var (
	// ErrNotRPM says that the bytes are not those of an rpm at all.
	ErrNotRPM = errors.New("not an rpm")
	// ErrMalformed says that a header breaks the format.
	ErrMalformed = errors.New("malformed rpm header")
	// ErrTooLarge says that a header is above one of the Max limits.
	ErrTooLarge = errors.New("rpm header above the limit")
)

const (
	introSize = 16 // magic, version, reserved, number of entries, number of data bytes
	entrySize = 16 // tag, type, offset, count
)

// Type is the type of a tag's data.
type Type uint32

// Types of tag data (rpm's rpmTagType).
const (
	TypeNull Type = iota
	TypeChar
	TypeInt8
	TypeInt16
	TypeInt32
	TypeInt64
	TypeString
	TypeBin
	TypeStringArray
	TypeI18NString
)

// width is the size of one element of a type in bytes; 0 for those that end at a NUL.
func (t Type) width() int {
	switch t {
	case TypeChar, TypeInt8, TypeBin:
		return 1
	case TypeInt16:
		return 2
	case TypeInt32:
		return 4
	case TypeInt64:
		return 8
	}
	return 0
}

type entry struct {
	tag   Tag
	typ   Type
	count int
	data  []byte // exactly the entry's bytes
}

// Tags is the data of one header by tag. A tag that is absent, or of another kind than asked for, gives the
// zero value: Has and Count tell the difference.
type Tags struct {
	entries []entry // sorted by tag
}

func (t *Tags) find(tag Tag) *entry {
	i, ok := slices.BinarySearchFunc(t.entries, tag, func(e entry, tag Tag) int { return cmp.Compare(e.tag, tag) })
	if !ok {
		return nil
	}
	return &t.entries[i]
}

// Has tells whether the header has the tag.
func (t *Tags) Has(tag Tag) bool { return t.find(tag) != nil }

// Count is the number of elements of a tag: bytes for binary data, strings for text, 0 when absent.
func (t *Tags) Count(tag Tag) int {
	if e := t.find(tag); e != nil {
		return e.count
	}
	return 0
}

// Type is the type of a tag's data, TypeNull when absent.
func (t *Tags) Type(tag Tag) Type {
	if e := t.find(tag); e != nil {
		return e.typ
	}
	return TypeNull
}

// All gives the tags that the header has, in ascending order.
func (t *Tags) All() []Tag {
	out := make([]Tag, len(t.entries))
	for i := range t.entries {
		out[i] = t.entries[i].tag
	}
	return out
}

// Bytes gives the raw data of a binary or char tag. The caller must not change it.
func (t *Tags) Bytes(tag Tag) []byte {
	e := t.find(tag)
	if e == nil || e.typ != TypeBin && e.typ != TypeChar && e.typ != TypeInt8 {
		return nil
	}
	return e.data
}

// RawString gives the first string of a text tag as it stands in the file, in whatever encoding. The caller must
// not change it. For translated text the first string is the C locale's.
func (t *Tags) RawString(tag Tag) []byte {
	e := t.find(tag)
	if e == nil || !e.isText() || e.count == 0 {
		return nil
	}
	return e.data[:bytes.IndexByte(e.data, 0)]
}

// RawStrings gives the strings of a text tag as they stand in the file. The caller must not change them.
func (t *Tags) RawStrings(tag Tag) [][]byte { return t.AppendRawStrings(nil, tag) }

// AppendRawStrings appends what RawStrings gives.
func (t *Tags) AppendRawStrings(to [][]byte, tag Tag) [][]byte {
	e := t.find(tag)
	if e == nil || !e.isText() || e.count == 0 {
		return to
	}
	to = slices.Grow(to, e.count)
	b := e.data
	for range e.count {
		n := bytes.IndexByte(b, 0)
		to, b = append(to, b[:n:n]), b[n+1:]
	}
	return to
}

// String gives the first string of a text tag as UTF-8 (see Text).
func (t *Tags) String(tag Tag) string { return Text(t.RawString(tag)) }

// I18N gives a translated text (summary, description, group) in the C locale as UTF-8.
func (t *Tags) I18N(tag Tag) string { return t.String(tag) }

// Strings gives the strings of a text tag as UTF-8 (see Text), nil when absent.
func (t *Tags) Strings(tag Tag) []string {
	raw := t.RawStrings(tag)
	if raw == nil {
		return nil
	}
	out := make([]string, len(raw))
	for i, b := range raw {
		out[i] = Text(b)
	}
	return out
}

// Uint gives element i of an integer tag of any width; ok is false when there is none.
func (t *Tags) Uint(tag Tag, i int) (v uint64, ok bool) {
	e := t.find(tag)
	if e == nil || i < 0 || i >= e.count {
		return 0, false
	}
	switch e.typ {
	case TypeInt8, TypeChar:
		return uint64(e.data[i]), true
	case TypeInt16:
		return uint64(binary.BigEndian.Uint16(e.data[2*i:])), true
	case TypeInt32:
		return uint64(binary.BigEndian.Uint32(e.data[4*i:])), true
	case TypeInt64:
		return binary.BigEndian.Uint64(e.data[8*i:]), true
	}
	return 0, false
}

// Uint64s gives the elements of an integer tag of any width, nil when absent.
func (t *Tags) Uint64s(tag Tag) []uint64 {
	if _, ok := t.Uint(tag, 0); !ok {
		return nil
	}
	out := make([]uint64, t.Count(tag))
	for i := range out {
		out[i], _ = t.Uint(tag, i)
	}
	return out
}

// Uint32s gives the elements of an integer tag of at most 32 bits, nil when absent or wider.
func (t *Tags) Uint32s(tag Tag) []uint32 {
	if _, ok := t.Uint(tag, 0); !ok || t.Type(tag) == TypeInt64 {
		return nil
	}
	out := make([]uint32, t.Count(tag))
	for i := range out {
		v, _ := t.Uint(tag, i)
		out[i] = uint32(v)
	}
	return out
}

func (e *entry) isText() bool {
	return e.typ == TypeString || e.typ == TypeStringArray || e.typ == TypeI18NString
}

// Text makes header text UTF-8: bytes that are not valid UTF-8 are read as ISO-8859-15, as Koji reads them
// (koji/util.py, decode_bytes).
func Text(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	s, err := charmap.ISO8859_15.NewDecoder().Bytes(b)
	if err != nil { // the decoder maps every byte
		return string(bytes.ToValidUTF8(b, []byte("?")))
	}
	return string(s)
}

// limits of a header that is about to be read.
type limits struct{ tags, data uint32 }

// firstRead is the most bytes that a header's size alone gets memory for. Most headers have less.
const firstRead = 64 << 10

// readTags reads one header. raw is the header as it stood in the file, without padding.
func readTags(r io.Reader, lim limits, m *memory) (t Tags, raw []byte, err error) {
	intro := m.intro[:]
	if _, err := io.ReadFull(r, intro); err != nil {
		return t, nil, short(err)
	}
	size, err := headerSize(intro, lim)
	if err != nil {
		return t, nil, err
	}
	// large buffers grow with the bytes that come, not with the size that the file claims
	buf := bytes.NewBuffer(m.raw[:0])
	buf.Grow(min(size, firstRead) + bytes.MinRead)
	buf.Write(intro)
	if _, err := io.CopyN(buf, r, int64(size-introSize)); err != nil {
		return t, nil, short(err)
	}
	raw = buf.Bytes()
	t, err = parseTags(raw, m.entries)
	m.keep(raw, t.entries)
	return t, raw, err
}

// memory is what one header takes, for the next one.
type memory struct {
	intro   [introSize]byte
	raw     []byte
	entries []entry
}

// What a header may take to be kept as memory for the next one. Nearly all headers take less.
const (
	maxKept     = 64 << 10 // bytes
	maxKeptTags = 1024
)

func (m *memory) keep(raw []byte, entries []entry) {
	if cap(raw) > maxKept || cap(entries) > maxKeptTags {
		raw, entries = nil, nil
	}
	m.raw, m.entries = raw, entries
}

func short(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: %w", ErrMalformed, io.ErrUnexpectedEOF)
	}
	return err
}

// headerSize is the size of a whole header (intro, index, data) from its intro.
func headerSize(intro []byte, lim limits) (int, error) {
	if !bytes.Equal(intro[:4], []byte{0x8e, 0xad, 0xe8, 0x01}) {
		return 0, fmt.Errorf("%w: bad magic % x", ErrMalformed, intro[:4])
	}
	n, data := binary.BigEndian.Uint32(intro[8:]), binary.BigEndian.Uint32(intro[12:])
	switch {
	case n == 0 || data == 0:
		return 0, fmt.Errorf("%w: empty", ErrMalformed)
	case n > lim.tags:
		return 0, fmt.Errorf("%w: %d tags, at most %d", ErrTooLarge, n, lim.tags)
	case data > lim.data:
		return 0, fmt.Errorf("%w: %d data bytes, at most %d", ErrTooLarge, data, lim.data)
	}
	return introSize + int(n)*entrySize + int(data), nil
}

const (
	tagRegionFirst Tag = 61 // HEADERIMAGE
	tagRegionLast  Tag = 63 // HEADERIMMUTABLE
)

// parseTags indexes a whole header whose size was checked. Offsets must ascend without overlap, as librpm
// demands (hdrblobVerifyInfo): so no byte is looked at twice, however the index is made. The entries take the place
// of those in room.
func parseTags(b []byte, room []entry) (Tags, error) {
	n := int(binary.BigEndian.Uint32(b[8:]))
	store := b[introSize+n*entrySize:]
	entries := slices.Grow(room[:0], n)
	sorted, end := true, 0
	for i := range n {
		x := b[introSize+i*entrySize:]
		e := entry{tag: Tag(binary.BigEndian.Uint32(x)), typ: Type(binary.BigEndian.Uint32(x[4:]))}
		off, count := binary.BigEndian.Uint32(x[8:]), binary.BigEndian.Uint32(x[12:])
		if i == 0 && e.tag >= tagRegionFirst && e.tag <= tagRegionLast {
			if e.typ != TypeBin || count != entrySize || uint64(off)+entrySize > uint64(len(store)) {
				return Tags{}, fmt.Errorf("%w: bad region", ErrMalformed)
			}
			continue // its data is a trailer inside the store, of no use to a reader
		}
		data, err := entryData(store, end, e, off, count)
		if err != nil {
			return Tags{}, fmt.Errorf("tag %d: %w", e.tag, err)
		}
		end = int(off) + len(data)
		e.data, e.count = data, int(count)
		sorted = sorted && (len(entries) == 0 || entries[len(entries)-1].tag < e.tag)
		entries = append(entries, e)
	}
	if !sorted {
		slices.SortStableFunc(entries, func(a, b entry) int { return cmp.Compare(a.tag, b.tag) })
		entries = slices.CompactFunc(entries, func(a, b entry) bool { return a.tag == b.tag })
	}
	return Tags{entries}, nil
}

// entryData checks one index entry and gives its bytes.
func entryData(store []byte, end int, e entry, off, count uint32) ([]byte, error) {
	w := e.typ.width()
	switch {
	case e.tag < 100:
		return nil, fmt.Errorf("%w: bad tag", ErrMalformed)
	case w == 0 && e.typ != TypeString && e.typ != TypeStringArray && e.typ != TypeI18NString:
		return nil, fmt.Errorf("%w: type %d", ErrMalformed, e.typ)
	case count == 0 || e.typ == TypeString && count != 1:
		return nil, fmt.Errorf("%w: count %d", ErrMalformed, count)
	case uint64(off) >= uint64(len(store)) || int(off) < end:
		return nil, fmt.Errorf("%w: offset %d", ErrMalformed, off)
	case w > 1 && int(off)%w != 0:
		return nil, fmt.Errorf("%w: offset %d not aligned", ErrMalformed, off)
	case w != 1 && count > MaxElements:
		return nil, fmt.Errorf("%w: %d elements, at most %d", ErrTooLarge, count, MaxElements)
	}
	rest := store[off:]
	if w > 0 {
		if uint64(count)*uint64(w) > uint64(len(rest)) {
			return nil, fmt.Errorf("%w: %d elements past the end", ErrMalformed, count)
		}
		return rest[: int(count)*w : int(count)*w], nil
	}
	size := 0
	for range count {
		n := bytes.IndexByte(rest[size:], 0)
		if n < 0 {
			return nil, fmt.Errorf("%w: text without an end", ErrMalformed)
		}
		size += n + 1
	}
	return rest[:size:size], nil
}
