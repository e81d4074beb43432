package repodata

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"
)

// Options of a Writer.
type Options struct {
	// Compression of the files; Gzip if not set.
	Compression Compression
	// OpenRPM opens a package whose fragment is not in the store. Without it a missing fragment is an error.
	OpenRPM func(ctx context.Context, p Package) (io.ReadCloser, error)
}

// Writer writes repository metadata. It may be used from several goroutines.
type Writer struct {
	prefixes   prefixes
	store      *Store
	openRPM    func(context.Context, Package) (io.ReadCloser, error)
	compressor *compressor
}

// NewWriter makes a writer over a store.
func NewWriter(store *Store, o Options) (*Writer, error) {
	c, err := newCompressor(o.Compression)
	if err != nil {
		return nil, err
	}
	return &Writer{store: store, openRPM: o.OpenRPM, compressor: c}, nil
}

// Content is what a repository shall hold.
type Content struct {
	Packages Packages
	// Comps is the group file (see Comps); nil for none.
	Comps []byte
	// Revision stands in repomd.xml, by the second.
	Revision time.Time
}

// Version is a written repository.
type Version struct {
	// Files are the files that repomd.xml lists, in its order.
	Files []File
	// RepomdChecksum is the hex SHA-256 of repomd.xml, which names all else by checksum.
	RepomdChecksum string
	// Blocks is how many blocks the repository has, Built how many of them had to be made.
	Blocks, Built int
}

// Write writes dir/repodata below root. The directory appears whole: it is written under another name, synced and
// renamed, and Write returns when the rename is on disk. dir is made if need be; if it has a repodata already, the
// error wraps fs.ErrExist and nothing is changed. The error of an rpm that cannot be read names it.
func (w *Writer) Write(ctx context.Context, root *os.Root, dir string, c Content) (*Version, error) {
	final := path.Join(dir, "repodata")
	if _, err := root.Lstat(final); err == nil {
		return nil, fmt.Errorf("write %s: %w", final, fs.ErrExist)
	}
	blocks, built, err := w.prepare(ctx, c.Packages)
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", final, err)
	}
	temp := path.Join(dir, ".repodata-"+rand.Text())
	above := existing(root, dir)
	if err := root.MkdirAll(temp, 0o755); err != nil {
		return nil, fmt.Errorf("write %s: %w", final, err)
	}
	v, err := w.writeInto(ctx, root, temp, c, blocks)
	if err == nil {
		err = publish(root, temp, final, above)
	}
	if err != nil {
		_ = root.RemoveAll(temp)
		return nil, fmt.Errorf("write %s: %w", final, err)
	}
	v.Built = built
	return v, nil
}

// existing is the nearest directory to dir that is there already.
func existing(root *os.Root, dir string) string {
	for dir != "." {
		if _, err := root.Lstat(dir); err == nil {
			break
		}
		dir = path.Dir(dir)
	}
	return dir
}

// publish makes a written directory durable under its name. The directories above it are new up to the one named
// last, which must learn of them.
func publish(root *os.Root, temp, final, above string) error {
	if err := syncDir(root, temp); err != nil {
		return err
	}
	if err := root.Rename(temp, final); err != nil {
		return err
	}
	for dir := path.Dir(final); ; dir = path.Dir(dir) {
		if err := syncDir(root, dir); err != nil || dir == above {
			return err
		}
	}
}

func syncDir(root *os.Root, dir string) error {
	d, err := root.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// prepare cuts the packages into blocks and makes those that the store lacks.
func (w *Writer) prepare(ctx context.Context, p Packages) (blocks []block, built int, err error) {
	runs := p.blocks()
	blocks = make([]block, len(runs))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, run := range runs {
		b := makeBlock(run, w.compressor.kind)
		blocks[i] = b
		if w.store.used(b.path()) {
			continue
		}
		built++
		g.Go(func() error { return w.build(ctx, b) })
	}
	return blocks, built, g.Wait()
}

// writeInto writes all files into a directory.
func (w *Writer) writeInto(ctx context.Context, root *os.Root, dir string, c Content, blocks []block) (*Version, error) {
	v := &Version{Blocks: len(blocks), Files: make([]File, kinds)}
	g, ctx := errgroup.WithContext(ctx)
	for k := range kinds {
		g.Go(func() (err error) {
			v.Files[k], err = w.writeKind(ctx, root, dir, k, c.Packages.Len(), blocks)
			return err
		})
	}
	var group []File
	if c.Comps != nil {
		g.Go(func() (err error) {
			group, err = w.writeGroup(root, dir, c.Comps)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	v.Files = append(v.Files, group...)
	index := repomd(v.Files, c.Revision.Unix())
	sum := sha256.Sum256(index)
	v.RepomdChecksum = hex.EncodeToString(sum[:])
	return v, writeFile(root, path.Join(dir, "repomd.xml"), index)
}

// writeBuffer is how many bytes go to a file at once.
const writeBuffer = 1 << 20

// writeKind writes one of the files that list packages.
func (w *Writer) writeKind(ctx context.Context, root *os.Root, dir string, k kind, packages int, blocks []block) (File, error) {
	temp := path.Join(dir, k.String())
	out, err := root.Create(temp)
	if err != nil {
		return File{}, err
	}
	buffered := bufio.NewWriterSize(out, writeBuffer)
	s, err := w.copyBlocks(ctx, buffered, k, packages, blocks)
	if err = errors.Join(err, buffered.Flush(), syncAndClose(out)); err != nil {
		return File{}, err
	}
	f := File{Type: k.String(), Size: s.size, OpenSize: s.openSize,
		Checksum: hex.EncodeToString(s.sum.Sum(nil)), OpenChecksum: hex.EncodeToString(s.openSum.Sum(nil))}
	f.Name = f.Checksum + "-" + f.Type + ".xml." + w.compressor.kind.ext()
	return f, root.Rename(temp, path.Join(dir, f.Name))
}

// copyBlocks writes head, blocks and foot. What stands before the first block that is not known to come after the
// others is written without being digested: its sums are known.
func (w *Writer) copyBlocks(ctx context.Context, out io.Writer, k kind, packages int, blocks []block) (*summer, error) {
	s := newSummer()
	head := k.head(packages)
	if err := w.copyText(out, s, head); err != nil {
		return nil, err
	}
	key := firstPrefix(k, head)
	// what has been written sums up to last as long as the blocks are known, and nothing need be digested
	last, err := s.prefix()
	if err != nil {
		return nil, err
	}
	digesting := false
	var buf []byte
	for _, b := range blocks {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		var next prefixKey
		var known prefix
		p, err := w.loadOrBuild(ctx, b, k, &buf, func(memberSum uint32) bool {
			next = key.next(b, memberSum)
			var ok bool
			known, ok = w.prefixes.get(next)
			return digesting || !ok
		})
		if err != nil {
			return nil, err
		}
		if _, err := out.Write(p.member); err != nil {
			return nil, err
		}
		key = next
		if p.open == nil {
			last = known
			continue
		}
		if !digesting {
			digesting = true
			if err := s.restore(last); err != nil {
				return nil, err
			}
		}
		s.add(p)
		if known, err = s.prefix(); err != nil {
			return nil, err
		}
		w.prefixes.put(key, known)
	}
	if !digesting {
		if err := s.restore(last); err != nil {
			return nil, err
		}
	}
	return s, w.copyText(out, s, k.foot())
}

// loadOrBuild loads a block's part and makes a block that is gone or damaged again.
func (w *Writer) loadOrBuild(ctx context.Context, b block, k kind, buf *[]byte, withOpen func(memberSum uint32) bool) (part, error) {
	p, err := w.load(b, k, buf, withOpen)
	if err == nil || !errors.Is(err, errDamaged) && !errors.Is(err, fs.ErrNotExist) {
		return p, err
	}
	if err := w.build(ctx, b); err != nil {
		return part{}, err
	}
	return w.load(b, k, buf, withOpen)
}

func (w *Writer) copyText(out io.Writer, s *summer, text []byte) error {
	member, err := w.compressor.member(text)
	if err != nil {
		return err
	}
	s.add(part{member, text})
	_, err = out.Write(member)
	return err
}

// writeGroup writes the group file, plain and compressed as createrepo_c does.
func (w *Writer) writeGroup(root *os.Root, dir string, comps []byte) ([]File, error) {
	member, err := w.compressor.member(comps)
	if err != nil {
		return nil, err
	}
	ext := w.compressor.kind.ext()
	sum, packed := sha256.Sum256(comps), sha256.Sum256(member)
	plain := File{Type: "group", Checksum: hex.EncodeToString(sum[:]), Size: int64(len(comps))}
	plain.Name = plain.Checksum + "-comps.xml"
	small := File{Type: "group_" + ext, Checksum: hex.EncodeToString(packed[:]), Size: int64(len(member)),
		OpenChecksum: plain.Checksum, OpenSize: plain.Size}
	small.Name = small.Checksum + "-comps.xml." + ext
	if err := writeFile(root, path.Join(dir, plain.Name), comps); err != nil {
		return nil, err
	}
	return []File{plain, small}, writeFile(root, path.Join(dir, small.Name), member)
}

func writeFile(root *os.Root, name string, b []byte) error {
	f, err := root.Create(name)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, syncAndClose(f))
}

func syncAndClose(f *os.File) error { return errors.Join(f.Sync(), f.Close()) }
