package createrepo

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"moromi/repoprojector/repodata"
)

// assembly writes the three files of one repository. Workers build the blocks; for each file a goroutine writes all
// blocks in order, and another one writes the texts of new blocks to the pack.
type assembly struct {
	*run
	old   *kept // nil without a state
	dir   string
	jobs  []job
	count int
	shelf shelf
	slots chan struct{} // one for each built block that is not yet written
	next  *table        // nil if no state is kept
	pack  *os.File      // of next
	files []file
	bad   atomic.Int64 // rpms that cannot be read
	mu    sync.Mutex   // for users of blocks
}

// assemble writes the files into a directory below the output. It gives what they are, and the table for the next
// run if one is kept. If an rpm turns out to be unreadable, the number of packages, which stands first in each file, is
// wrong: the entries are then marked, files is nil, and the caller tries again without them.
func (r *run) assemble(ctx context.Context, dir string, entries []entry, old *kept) (files []file, next *table, err error) {
	a := &assembly{run: r, old: old, dir: dir, count: len(entries), slots: make(chan struct{}, r.Workers), files: make([]file, kinds)}
	var t *table
	if old != nil {
		t = old.table
	}
	a.jobs = r.cut(entries, t)
	if r.state != nil {
		if err := a.openPack(); err != nil {
			return nil, nil, err
		}
		defer func() { err = errors.Join(err, a.closePack()) }()
	}
	g, ctx := errgroup.WithContext(ctx)
	todo := make(chan *job)
	g.Go(func() error { return a.dispatch(ctx, todo) })
	for range min(r.Workers, len(a.jobs)) {
		g.Go(func() error { return a.work(ctx, todo) })
	}
	for k := range kinds {
		g.Go(func() error { return a.writeFile(ctx, k) })
	}
	if a.next != nil {
		g.Go(func() error { return a.writePack(ctx) })
	}
	if err := g.Wait(); err != nil || a.bad.Load() > 0 {
		return nil, nil, err
	}
	r.report.blocks(a.jobs)
	return a.files, a.next, nil
}

// dispatch hands out the blocks that have to be built, in order, as there is room for them.
func (a *assembly) dispatch(ctx context.Context, todo chan<- *job) error {
	defer close(todo)
	for i := range a.jobs {
		if a.jobs[i].old != nil {
			continue
		}
		select {
		case a.slots <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		select {
		case todo <- &a.jobs[i]:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (a *assembly) work(ctx context.Context, todo <-chan *job) error {
	b := &builder{assembly: a, in: bufio.NewReaderSize(nil, readBuffer)}
	for j := range todo {
		x := newBuilt(&a.shelf)
		if err := b.build(ctx, j, x); err != nil {
			return err
		}
		x.users = kinds
		if a.next != nil {
			x.users++
		}
		j.built = x
		close(j.ready)
	}
	return nil
}

// wait waits until a block is built.
func (a *assembly) wait(ctx context.Context, j *job) (*built, error) {
	select {
	case <-j.ready:
		return j.built, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// release tells that one of its writers is done with a built block.
func (a *assembly) release(b *built) {
	a.mu.Lock()
	b.users--
	last := b.users == 0
	a.mu.Unlock()
	if last {
		b.free()
		<-a.slots
	}
}

// digest sums up a file as it is written, compressed and not.
type digest struct {
	sum, open      hash.Hash
	size, openSize int64
}

func (d *digest) write(member, open [][]byte) {
	for _, b := range member {
		d.sum.Write(b)
	}
	for _, b := range open {
		d.open.Write(b)
	}
}

// state appends how the digests stand to buf.
func (d *digest) state(buf []byte) (midstate, []byte, error) {
	start := len(buf)
	buf, err := d.sum.(encoding.BinaryAppender).AppendBinary(buf)
	if err != nil {
		return midstate{}, buf, fmt.Errorf("keep digest: %w", err)
	}
	middle := len(buf)
	if buf, err = d.open.(encoding.BinaryAppender).AppendBinary(buf); err != nil {
		return midstate{}, buf, fmt.Errorf("keep digest: %w", err)
	}
	return midstate{buf[start:middle:middle], buf[middle:len(buf):len(buf)]}, buf, nil
}

func (d *digest) restore(m midstate) error {
	if err := errors.Join(d.sum.(encoding.BinaryUnmarshaler).UnmarshalBinary(m.sum), d.open.(encoding.BinaryUnmarshaler).UnmarshalBinary(m.open)); err != nil {
		return fmt.Errorf("%w: %w", errState, err)
	}
	return nil
}

// writer writes one file.
type writer struct {
	*assembly
	k      int
	out    io.Writer
	old    *source // the file that members are copied from
	digest digest
	// same is true as long as all that was written is as in the old file: nothing need be digested, it sums up to last.
	same   bool
	last   midstate
	open   []byte // a buffer
	states []byte
}

// writeFile writes one of the three files under its final name.
func (a *assembly) writeFile(ctx context.Context, k int) error {
	kind := repodata.Kind(k)
	temp := path.Join(a.dir, kind.String())
	a.step("create " + kind.String())
	f, err := a.out.Create(temp)
	if err != nil {
		return err
	}
	w := &writer{assembly: a, k: k, out: stepWriter{a.run, f}, digest: digest{sum: sha256.New(), open: sha256.New()}}
	if a.next != nil {
		w.states = make([]byte, 0, (len(a.jobs)+1)*2*stateSize)
	}
	err = w.write(ctx)
	if a.bad.Load() > 0 {
		return errors.Join(err, f.Close())
	}
	a.step("sync " + kind.String())
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	d := &w.digest
	x := repodata.File{Type: kind.String(), Size: d.size, OpenSize: d.openSize,
		Checksum: hex.EncodeToString(d.sum.Sum(nil)), OpenChecksum: hex.EncodeToString(d.open.Sum(nil))}
	x.Name = a.fileName(x.Checksum, x.Type+".xml."+a.Compression.Ext())
	a.files[k] = file{x, a.now}
	if a.next != nil {
		a.next.files[k].checksum = [sha256.Size]byte(d.sum.Sum(nil))
	}
	a.step("name " + kind.String())
	return a.out.Rename(temp, path.Join(a.dir, x.Name))
}

// write writes head, blocks and foot.
func (w *writer) write(ctx context.Context) error {
	if err := w.head(); err != nil {
		return err
	}
	for i := range w.jobs {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := w.block(ctx, i); err != nil {
			return err
		}
	}
	if w.same {
		if err := w.digest.restore(w.last); err != nil {
			return err
		}
	}
	_, err := w.text(repodata.Kind(w.k).Foot())
	return err
}

// text writes a text as a member of its own.
func (w *writer) text(text []byte) (section, error) {
	member, err := w.compressor.Append(nil, text)
	if err != nil {
		return section{}, err
	}
	w.digest.write([][]byte{member}, [][]byte{text})
	w.digest.size += int64(len(member))
	w.digest.openSize += int64(len(text))
	_, err = w.out.Write(member)
	return section{uint32(len(member)), checksum(member)}, err
}

// head writes the head. That of the old file is as good if it says the same, and all that follows may be, too.
func (w *writer) head() error {
	text := repodata.Kind(w.k).Head(w.count)
	if w.assembly.old != nil {
		w.old = &source{f: w.assembly.old.files[w.k]}
	}
	if w.old == nil || len(w.assembly.old.packages) != w.count || len(w.jobs) == 0 || w.jobs[0].old != &w.assembly.old.blocks[0] {
		s, err := w.text(text)
		if w.next != nil {
			w.next.files[w.k].head = s
		}
		return err
	}
	s := w.assembly.old.table.files[w.k].head
	member, err := w.old.section(0, s)
	if err != nil {
		return err
	}
	w.same = true
	w.digest.size, w.digest.openSize = int64(s.size), int64(len(text))
	if w.next != nil {
		w.next.files[w.k].head = s
	}
	_, err = w.out.Write(member)
	return err
}

// block writes a block, from the old file or as it was built.
func (w *writer) block(ctx context.Context, i int) error {
	j := &w.jobs[i]
	if j.old != nil {
		return w.oldBlock(i, j.old)
	}
	b, err := w.wait(ctx, j)
	if err != nil {
		return err
	}
	defer w.release(b)
	if w.bad.Load() > 0 {
		return nil
	}
	if w.same {
		if err := w.digest.restore(w.last); err != nil {
			return err
		}
		w.same = false
	}
	member, open := &b.member[w.k], &b.open[w.k]
	p := tablePart{member: section{size: uint32(member.size)}, open: section{size: uint32(open.size)}}
	if w.next != nil {
		p.member.crc, p.open.crc = checksum(member.pieces...), checksum(open.pieces...)
	}
	w.digest.write(member.pieces, open.pieces)
	return w.keep(i, p, member.pieces...)
}

// oldBlock copies a block of the old file.
func (w *writer) oldBlock(i int, x *tableBlock) error {
	if w.bad.Load() > 0 {
		return nil
	}
	p := x.parts[w.k]
	member, err := w.old.section(p.at, p.member)
	if err != nil {
		return err
	}
	if w.same = w.same && x == &w.assembly.old.blocks[i]; w.same {
		w.last = p.after
		return w.put(i, p, member)
	}
	if w.open, err = readSection(w.assembly.old.pack, x.textAt(w.k), p.open, w.open); err != nil {
		return err
	}
	w.digest.write([][]byte{member}, [][]byte{w.open})
	return w.keep(i, p, member)
}

// keep notes how the digests stand behind a block, and puts it.
func (w *writer) keep(i int, p tablePart, member ...[]byte) (err error) {
	if w.next != nil {
		if p.after, w.states, err = w.digest.state(w.states); err != nil {
			return err
		}
	}
	return w.put(i, p, member...)
}

// put writes a member, and notes it in the table.
func (w *writer) put(i int, p tablePart, member ...[]byte) error {
	w.digest.size += int64(p.member.size)
	w.digest.openSize += int64(p.open.size)
	if w.next != nil {
		w.next.blocks[i].parts[w.k] = p
	}
	for _, b := range member {
		if _, err := w.out.Write(b); err != nil {
			return err
		}
	}
	return nil
}

// stepWriter tells the run of each write.
type stepWriter struct {
	*run
	f *os.File
}

func (w stepWriter) Write(b []byte) (int, error) {
	w.step("write " + w.f.Name())
	return w.f.Write(b)
}
