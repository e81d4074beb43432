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
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"moromi/internal/sha256pair"
)

// Options of a Writer.
type Options struct {
	// OpenRPM opens a package whose fragment is not in the store. Without it a missing fragment is an error.
	OpenRPM func(ctx context.Context, p Package) (io.ReadCloser, error)
}

// Writer writes repository metadata. It may be used from several goroutines.
type Writer struct {
	prefixes    prefixes
	infos       infos
	store       *Store
	openRPM     func(context.Context, Package) (io.ReadCloser, error)
	compressors compressors
	pages       sync.Pool // *page
	pairs       bool      // two files are digested in the time of one
}

// NewWriter makes a writer over a store.
func NewWriter(store *Store, o Options) *Writer {
	return &Writer{store: store, openRPM: o.OpenRPM, pairs: sha256pair.Fast()}
}

// Format is how the files of a repository are written. The zero value is what createrepo_c writes, but for the ends of the compressed members.
type Format struct {
	// Compression of the files.
	Compression Compression
	// Order of the packages in them.
	Order Order
	// NoOpenChecksum leaves out what the files sum up to uncompressed, which readers do not look at and which is most of what a change costs.
	NoOpenChecksum bool
}

// compressors has a compressor of each kind that was asked for. Safe for concurrent use.
type compressors struct {
	mu   sync.Mutex
	made [compressions]*compressor
}

func (c *compressors) get(kind Compression) (*compressor, error) {
	if kind < 0 || kind >= compressions {
		return nil, fmt.Errorf("compress repository metadata: no such compression: %d", kind)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var err error
	if c.made[kind] == nil {
		c.made[kind], err = newCompressor(kind)
	}
	return c.made[kind], err
}

// Content is what a repository shall hold.
type Content struct {
	// Packages are put into the format's order if they have another.
	Packages Packages
	Format   Format
	// Comps is the group file (see Comps); nil for none.
	Comps []byte
	// Extra are files beside, as merged repositories have them. Each has a type of its own.
	Extra []Extra
	// Revision stands in repomd.xml, by the second.
	Revision time.Time
}

// Write writes dir/repodata below root. The directory appears whole: it is written under another name, synced and
// renamed, and Write returns when the rename is on disk. dir is made if need be; if it has a repodata already, the
// error wraps fs.ErrExist and nothing is changed. The error of an rpm that cannot be read names it.
func (w *Writer) Write(ctx context.Context, root *os.Root, dir string, c Content) (*Version, error) {
	final := path.Join(dir, "repodata")
	if _, err := root.Lstat(final); err == nil {
		return nil, fmt.Errorf("write %s: %w", final, fs.ErrExist)
	}
	for again := false; ; again = true {
		v, err := w.Compose(ctx, c)
		if err == nil {
			err = w.store.WriteFiles(ctx, root, dir, v)
		}
		if err == nil {
			return v, nil
		}
		if again || !Lost(err) || v == nil {
			return nil, fmt.Errorf("write %s: %w", final, err)
		}
		w.store.DropDamaged(v)
		w.Forget()
	}
}

// WriteFiles writes a composed version's files to dir/repodata below root, as Write does. What it writes is held against the version's sums.
func (s *Store) WriteFiles(ctx context.Context, root *os.Root, dir string, v *Version) error {
	final := path.Join(dir, "repodata")
	temp := path.Join(dir, ".repodata-"+rand.Text())
	above := existing(root, dir)
	if err := root.MkdirAll(temp, 0o755); err != nil {
		return err
	}
	err := s.writeInto(ctx, root, temp, v)
	if err == nil {
		err = publish(root, temp, final, above)
	}
	if err != nil {
		_ = root.RemoveAll(temp)
	}
	return err
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

// writeInto writes all files of a version into a directory.
func (s *Store) writeInto(ctx context.Context, root *os.Root, dir string, v *Version) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, f := range v.Files {
		g.Go(func() error { return s.copyFile(ctx, root, path.Join(dir, f.Name), v, f) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if v.Signature != nil {
		if err := writeFile(root, path.Join(dir, SignatureName), v.Signature); err != nil {
			return err
		}
	}
	return writeFile(root, path.Join(dir, RepomdName), v.Repomd)
}

// writeBuffer is how many bytes go to a file at once.
const writeBuffer = 1 << 20

// copyFile writes one file.
func (s *Store) copyFile(ctx context.Context, root *os.Root, name string, v *Version, f File) error {
	out, err := root.Create(name)
	if err != nil {
		return err
	}
	sum := sha256.New()
	buffered := bufio.NewWriterSize(io.MultiWriter(out, sum), writeBuffer)
	for piece := range v.pieces(f) {
		if err = ctx.Err(); err != nil {
			break
		}
		var member []byte
		if member, err = s.piece(piece); err != nil {
			break
		}
		if _, err = buffered.Write(member); err != nil {
			break
		}
	}
	if err = errors.Join(err, buffered.Flush(), syncAndClose(out)); err != nil {
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != f.Checksum {
		return fmt.Errorf("%s: %w: its SHA-256 is %s", f.Name, errDamaged, got)
	}
	return nil
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
