package repodata

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strconv"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// What stands here is for programs that put the three files together themselves (repoprojector/createrepo): pieces of
// text, where blocks end, and the members that the pieces are compressed to.

// Kind is one of the three files that list packages.
type Kind = kind

// The kinds, and how many there are.
const (
	Primary   = primary
	Filelists = filelists
	Other     = other
	Kinds     = kinds
)

// Head is the file's start up to the first package, for so many packages.
func (k kind) Head(packages int) []byte { return k.head(packages) }

// Foot is the file's end, behind the last package.
func (k kind) Foot() []byte { return k.foot() }

// Place is what the metadata says of an rpm beside what is in it.
type Place struct {
	// Href is where the rpm is, relative to Base or else to the directory that holds repodata.
	Href string
	// Base is a URL; "" for none.
	Base string
	// Time is the file's modification time in seconds since 1970.
	Time int64
}

// hrefAttr is what the second part of primary ends with; the base stands before it.
const hrefAttr = `href="`

// Write writes the package's part of a file.
func (f *Fragment) Write(w io.Writer, k Kind, p Place) error {
	switch k {
	case filelists:
		_, err := w.Write(f.parts[3])
		return err
	case other:
		_, err := w.Write(f.parts[4])
		return err
	}
	between := strconv.AppendInt(make([]byte, 0, 512), p.Time, 10)
	if p.Base == "" {
		between = append(between, f.parts[1]...)
	} else {
		between = append(between, bytes.TrimSuffix(f.parts[1], []byte(hrefAttr))...)
		between = append(appendValue(append(between, `xml:base="`...), []byte(p.Base)), `" `+hrefAttr...)
	}
	between = appendValue(between, []byte(p.Href))
	for _, b := range [][]byte{f.parts[0], between, f.parts[2]} {
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
	return nil
}

// EndsBlock tells whether a block ends behind the package at a place: a hash of its name and architecture that is
// true for one of some 32 names, the same for all their versions.
func EndsBlock(href string) bool { return endsBlock(href) }

// MaxBlock is the most packages that a block holds.
const MaxBlock = maxBlock

// ComparePlaces compares two places by createrepo_c's order: file name, then directory.
func ComparePlaces(a, b string) int { return ByName.compare(Package{Href: a}, Package{Href: b}) }

// EscapeText makes text fit for element content, EscapeValue for an attribute's value, as createrepo_c does.
func EscapeText(s string) string { return string(appendText(nil, []byte(s))) }

// EscapeValue: see EscapeText.
func EscapeValue(s string) string { return string(appendValue(nil, []byte(s))) }

// Ext is the compression's file name extension, and its name in types such as group_gz.
func (c Compression) Ext() string { return c.ext() }

// Reader reads what is compressed so. Close ends it, not r.
func (c Compression) Reader(r io.Reader) (io.ReadCloser, error) {
	if c != Zstd {
		return gzip.NewReader(r)
	}
	z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	return z.IOReadCloser(), nil
}

// Compressor makes members: pieces that are valid compressed files, also one behind the other. Safe for concurrent
// use: it makes as many at once as there are processors, since each takes a megabyte, and lets others wait.
type Compressor struct {
	c    *compressor
	idle chan *gzip.Writer // nil for one that is not made yet
}

// NewCompressor makes a compressor.
func NewCompressor(c Compression) (*Compressor, error) {
	z, err := newCompressor(c)
	if err != nil {
		return nil, err
	}
	n := runtime.GOMAXPROCS(0)
	idle := make(chan *gzip.Writer, n)
	for range n {
		idle <- nil
	}
	return &Compressor{z, idle}, nil
}

// Compress writes one member of the text that the pieces are together. Equal text gives equal output.
func (z *Compressor) Compress(w io.Writer, pieces ...[]byte) (err error) {
	gz := <-z.idle
	defer func() { z.idle <- gz }()
	if z.c.kind == Zstd {
		member, err := z.c.member(slices.Concat(pieces...))
		if err == nil {
			_, err = w.Write(member)
		}
		return err
	}
	if gz == nil {
		if gz, err = gzip.NewWriterLevel(w, gzipLevel); err != nil {
			return fmt.Errorf("start gzip: %w", err)
		}
	}
	gz.Reset(w)
	for _, b := range pieces {
		if _, err := gz.Write(b); err != nil {
			return fmt.Errorf("compress: %w", err)
		}
	}
	if err := gz.Close(); err != nil {
		return fmt.Errorf("compress: %w", err)
	}
	return nil
}

// Append is Compress behind what dst has.
func (z *Compressor) Append(dst, src []byte) ([]byte, error) {
	b := bytes.NewBuffer(dst)
	err := z.Compress(b, src)
	return b.Bytes(), err
}
