package commands

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"golang.org/x/text/encoding/charmap"

	"moromi/projections/query"
)

// The directory of a zip file is read here, entry by entry, and not with archive/zip, which makes room for as many entries as the file claims to
// have before it has seen one. Format: PKWARE's APPNOTE.TXT, 4.3.12 to 4.3.16 and 4.5.3.
const (
	zipEndLen     = 22
	zipComment    = 1<<16 - 1 // the longest comment after the end record
	zipEntryLen   = 46
	zipUTF8       = 1 << 11
	zip64Extra    = 1
	zip64EndLen   = 56
	zip64LocLen   = 20
	zipEndMark    = "PK\x05\x06"
	zip64LocMark  = "PK\x06\x07"
	zip64EndMark  = "PK\x06\x06"
	zipEntryMark  = "PK\x01\x02"
	zipUnknown    = math.MaxUint32 // a size that stands in the extra field
	zipManyFiles  = math.MaxUint16
	zipMaxElement = 1<<16 - 1
)

var errNoZip = errors.New("not a zip file, or a damaged one")

// zip lists a zip file of so many bytes.
func (l *listing) zip(f io.ReaderAt, size int64) error {
	entries, from, length, err := zipDirectory(f, size)
	if err != nil {
		return err
	}
	r := bufio.NewReaderSize(io.NewSectionReader(f, from, length), zipMaxElement)
	for range entries {
		if err := l.zipEntry(r); err != nil {
			return err
		}
	}
	return nil
}

// zipDirectory finds the directory: how many entries, where, and how many bytes.
func zipDirectory(f io.ReaderAt, size int64) (entries uint64, from, length int64, err error) {
	tail := make([]byte, min(size, zipEndLen+zipComment))
	if _, err := f.ReadAt(tail, size-int64(len(tail))); err != nil && !errors.Is(err, io.EOF) {
		return 0, 0, 0, err
	}
	i := bytes.LastIndex(tail, []byte(zipEndMark))
	if i < 0 || len(tail)-i < zipEndLen {
		return 0, 0, 0, errNoZip
	}
	end, at := tail[i:], size-int64(len(tail))+int64(i)
	le := binary.LittleEndian
	n, bytesLong, offset := uint64(le.Uint16(end[10:])), uint64(le.Uint32(end[12:])), uint64(le.Uint32(end[16:]))
	if n == zipManyFiles || bytesLong == zipUnknown || offset == zipUnknown {
		if n, bytesLong, offset, at, err = zip64Directory(f, at, n, bytesLong, offset); err != nil {
			return 0, 0, 0, err
		}
	}
	// what comes before the zip in the file (a self-extracting program, say) moves everything
	start := at - int64(min(bytesLong, math.MaxInt64)) //nolint:gosec // bounded
	if start < 0 || bytesLong > uint64(size) || offset > uint64(start) {
		return 0, 0, 0, errNoZip
	}
	return n, start, int64(bytesLong), nil //nolint:gosec // not larger than the file
}

// zip64Directory reads the end record of large zip files, if there is one; at is where the ordinary one begins.
func zip64Directory(f io.ReaderAt, at int64, n, length, offset uint64) (uint64, uint64, uint64, int64, error) {
	loc := make([]byte, zip64LocLen)
	if at < zip64LocLen {
		return n, length, offset, at, nil
	}
	if _, err := f.ReadAt(loc, at-zip64LocLen); err != nil {
		return 0, 0, 0, 0, err
	}
	if string(loc[:4]) != zip64LocMark {
		return n, length, offset, at, nil // just so many files
	}
	// the record lies right before its locator, wherever it says it is
	end, where := make([]byte, zip64EndLen), at-zip64LocLen-zip64EndLen
	if where < 0 {
		return 0, 0, 0, 0, errNoZip
	}
	if _, err := f.ReadAt(end, where); err != nil {
		return 0, 0, 0, 0, err
	}
	if string(end[:4]) != zip64EndMark {
		return 0, 0, 0, 0, errNoZip
	}
	le := binary.LittleEndian
	return le.Uint64(end[32:]), le.Uint64(end[40:]), le.Uint64(end[48:]), where, nil
}

// zipEntry reads one entry of the directory.
func (l *listing) zipEntry(r *bufio.Reader) error {
	head := make([]byte, zipEntryLen)
	if _, err := io.ReadFull(r, head); err != nil {
		return fmt.Errorf("%w: %w", errNoZip, err)
	}
	if string(head[:4]) != zipEntryMark {
		return errNoZip
	}
	le := binary.LittleEndian
	flags, size := le.Uint16(head[8:]), uint64(le.Uint32(head[24:]))
	rest := make([]byte, int(le.Uint16(head[28:]))+int(le.Uint16(head[30:])))
	if _, err := io.ReadFull(r, rest); err != nil {
		return fmt.Errorf("%w: %w", errNoZip, err)
	}
	if _, err := r.Discard(int(le.Uint16(head[32:]))); err != nil {
		return fmt.Errorf("%w: %w", errNoZip, err)
	}
	raw, extra := rest[:le.Uint16(head[28:])], rest[le.Uint16(head[28:]):]
	if size == zipUnknown {
		size = zip64Size(extra, size)
	}
	name := string(raw)
	if flags&zipUTF8 == 0 {
		if dos, err := charmap.CodePage437.NewDecoder().Bytes(raw); err == nil {
			name = string(dos)
		}
	}
	return l.add(name, query.Row{"size": int64(min(size, math.MaxInt64)), "mtime": dosTime(le.Uint16(head[14:]), le.Uint16(head[12:])).Unix()}) //nolint:gosec // bounded
}

// zip64Size looks for an unpacked size that did not fit into the entry.
func zip64Size(extra []byte, size uint64) uint64 {
	le := binary.LittleEndian
	for len(extra) >= 4 {
		id, n := le.Uint16(extra), int(le.Uint16(extra[2:]))
		if extra = extra[4:]; n > len(extra) {
			break
		}
		if id == zip64Extra && n >= 8 {
			return le.Uint64(extra)
		}
		extra = extra[n:]
	}
	return size
}

// dosTime is a time of day as MS-DOS kept it, to two seconds and without a zone: taken as UTC.
func dosTime(day, clock uint16) time.Time {
	return time.Date(int(day>>9)+1980, time.Month(day>>5&0xf), int(day&0x1f), int(clock>>11), int(clock>>5&0x3f), int(clock&0x1f)*2, 0, time.UTC)
}
