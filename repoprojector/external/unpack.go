package external

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/xi2/xz"
)

// Limits of unpacking: a small file can stand for terabytes.
const (
	// maxOpen is the most bytes of a metadata file uncompressed. Fedora's filelists of all packages have a sixth.
	maxOpen = 6 << 30
	// maxXZDict is the memory that an xz file may ask for; xz -9 takes as much.
	maxXZDict = 64 << 20
	// maxWindow is the memory that a zstd file may ask for: createrepo_c at its highest level stays below.
	maxWindow = 128 << 20
)

var errTooLarge = errors.New("larger than is read")

// unpack gives what a compressed file holds, known by its first bytes. Past limit, reading fails with errTooLarge.
func unpack(f io.Reader, limit int64) (io.Reader, func(), error) {
	in := bufio.NewReaderSize(f, 64<<10)
	head, _ := in.Peek(6) // a short one is plain
	done := func() {}
	var r io.Reader = in
	var err error
	switch {
	case bytes.HasPrefix(head, []byte("\x1f\x8b")):
		r, err = gzip.NewReader(in)
	case bytes.HasPrefix(head, []byte("\x28\xb5\x2f\xfd")):
		var z *zstd.Decoder
		if z, err = zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow)); err == nil {
			r, done = z, z.Close
		}
	case bytes.HasPrefix(head, []byte("\xfd7zXZ\x00")):
		r, err = xz.NewReader(in, maxXZDict)
	case bytes.HasPrefix(head, []byte("BZh")):
		r = bzip2.NewReader(in)
	case bytes.HasPrefix(head, []byte("\x00ZCK1")):
		err = errors.New("zchunk is not read")
	}
	if err != nil {
		return nil, done, fmt.Errorf("uncompress: %w", err)
	}
	return &bounded{r, limit}, done, nil
}

// bounded is a reader that fails past a number of bytes, where io.LimitReader would end.
type bounded struct {
	r    io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, errTooLarge
	}
	return n, err
}
