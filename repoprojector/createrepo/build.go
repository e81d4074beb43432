package createrepo

import (
	"bufio"
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"moromi/repoprojector/repodata"
)

// built is a block's text and members, while they wait to be written.
type built struct {
	open, member [kinds]text
	users        int // who has not written it yet
}

func newBuilt(s *shelf) *built {
	b := &built{}
	for k := range kinds {
		b.open[k].shelf, b.member[k].shelf = s, s
	}
	return b
}

func (b *built) free() {
	for k := range kinds {
		b.open[k].free()
		b.member[k].free()
	}
}

// readBuffer is how much of an rpm is read at once. Most headers fit into one.
const readBuffer = 64 << 10

// builder makes blocks. Each worker has one.
type builder struct {
	*assembly
	in   *bufio.Reader
	rpms repodata.RPMReader
	last *tableBlock // whose text is loaded
	text [kinds][]byte
}

// build makes a block: of texts that the state has, and of rpms. An rpm that cannot be read is reported, and the block
// is of no use.
func (b *builder) build(ctx context.Context, j *job, to *built) error {
	for i := range j.entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		e := &j.entries[i]
		if e.old != unknown {
			if b.bad.Load() == 0 {
				if err := b.take(e, to); err != nil {
					return err
				}
			}
			continue
		}
		if err := b.read(e, to); err != nil {
			e.bad = true
			b.bad.Add(1)
			b.problem(e.name, err)
		}
		b.done()
	}
	if b.bad.Load() > 0 {
		return nil
	}
	for k := range kinds {
		open := &to.open[k]
		if open.size > math.MaxInt32 {
			return fmt.Errorf("the metadata of %d packages has %d bytes, which is too much", len(j.entries), open.size)
		}
		if err := b.compressor.Compress(&to.member[k], open.pieces...); err != nil {
			return err
		}
	}
	return nil
}

// take appends the text of a package that the state has.
func (b *builder) take(e *entry, to *built) error {
	i := int(e.old)
	if b.last == nil || i < b.last.first || i >= b.last.first+b.last.count {
		if err := b.load(i); err != nil {
			return err
		}
	}
	for k := range kinds {
		at := 0
		for _, p := range b.old.packages[b.last.first:i] {
			at += int(p.text[k])
		}
		to.open[k].append(b.text[k][at : at+int(e.text[k])])
	}
	return nil
}

// load reads the text of the block with a package.
func (b *builder) load(i int) error {
	lo, hi := 0, len(b.old.blocks)
	for hi-lo > 1 {
		if mid := (lo + hi) / 2; b.old.blocks[mid].first <= i {
			lo = mid
		} else {
			hi = mid
		}
	}
	b.last = nil
	x := &b.old.blocks[lo]
	for k := range kinds {
		var err error
		if b.text[k], err = readSection(b.old.pack, x.textAt(k), x.parts[k].open, b.text[k]); err != nil {
			return err
		}
	}
	b.last = x
	return nil
}

// readSection reads bytes of the state into a buffer, which it may replace, and holds them to their checksum.
func readSection(f *os.File, at int64, s section, buf []byte) ([]byte, error) {
	if cap(buf) < int(s.size) {
		buf = make([]byte, s.size+s.size/4)
	}
	buf = buf[:s.size]
	if _, err := f.ReadAt(buf, at); err != nil {
		return buf, fmt.Errorf("%w: %w", errState, err)
	}
	if checksum(buf) != s.crc {
		return buf, fmt.Errorf("%w: %s is damaged at byte %d", errState, f.Name(), at)
	}
	return buf, nil
}

// readAhead is how much of an old file is read at once.
const readAhead = 512 << 10

// source reads sections of an old file, mostly one behind the other.
type source struct {
	f   *os.File
	buf []byte
	at  int64 // of buf in the file
}

// section gives a section that is good until the next call, and holds it to its checksum.
func (s *source) section(at int64, x section) ([]byte, error) {
	size := int64(x.size)
	if at < s.at || at+size > s.at+int64(len(s.buf)) {
		if n := max(size, readAhead); int64(cap(s.buf)) < n {
			s.buf = make([]byte, n)
		}
		n, err := s.f.ReadAt(s.buf[:cap(s.buf)], at)
		if s.at, s.buf = at, s.buf[:n]; int64(n) < size {
			return nil, fmt.Errorf("%w: %w", errState, err)
		}
	}
	b := s.buf[at-s.at:][:size]
	if checksum(b) != x.crc {
		return nil, fmt.Errorf("%w: %s is damaged at byte %d", errState, s.f.Name(), at)
	}
	return b, nil
}

// read reads an rpm and appends its text.
func (b *builder) read(e *entry, to *built) error {
	path := filepath.Join(b.Dir, e.name)
	info, err := os.Stat(path) // before it is opened: to open a pipe would wait
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errNotFile
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return err
	}
	b.in.Reset(f)
	fragment, _, err := b.rpms.ReadRPM(b.in)
	if err != nil {
		return err
	}
	e.mtime, e.size = info.ModTime().Unix(), info.Size()
	place := repodata.Place{Href: b.href(e.name), Base: b.BaseURL, Time: e.mtime}
	for k := range kinds {
		before := to.open[k].size
		if err := fragment.Write(&to.open[k], repodata.Kind(k), place); err != nil {
			return err
		}
		e.text[k] = uint32(to.open[k].size - before)
	}
	return nil
}
