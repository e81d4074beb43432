// Package examiner makes sure that the files of rpms that go into a repository are there and are the right ones, and finds out what stands for each in the metadata. A file that is as it was
// when it was known to be right is not read again.
package examiner

import (
	"context"
	"errors"
	"io/fs"
	"sync"

	"golang.org/x/sync/errgroup"

	"moromi/internal/fault"
	"moromi/internal/storage"
	"moromi/repoprojector/repodata"
)

const (
	// readers is how many files are looked at at once: enough to hide a network file system's delay.
	readers = 8
	// maxSeen bounds how many files are remembered, about 150 bytes each. Past it they are looked at as if for the first time.
	maxSeen = 1 << 20
)

// File is a copy of an rpm, and what is on record of it.
type File struct {
	RPM int64
	// Key is that of a signed copy, empty for the file that was imported.
	Key  string
	Path storage.Path
	// Href is the file's place in the repository.
	Href string
	// Size in bytes; 0 if it is not known: nobody records that of signed copies.
	Size int64
	// SHA256 is the file's digest, empty if none is on record.
	SHA256 string
	// PayloadHash is what Koji calls so: the MD5 of the rpm's header and payload, which a signature leaves as it is.
	PayloadHash string
}

// Examiner looks at files, and remembers what it saw. It is safe for concurrent use.
type Examiner struct {
	storage *storage.Topdir
	store   *repodata.Store

	mu   sync.Mutex
	seen map[copyOf]look
}

// copyOf is a copy of an rpm.
type copyOf struct {
	rpm int64
	key string
}

// look is what a file looked like when it was known to be right.
type look struct {
	digest   repodata.Digest
	size     int64
	modified int64 // nanoseconds since 1970
}

// New makes an Examiner of files of a topdir. What is read is put into the store.
func New(top *storage.Topdir, store *repodata.Store) *Examiner {
	return &Examiner{storage: top, store: store, seen: map[copyOf]look{}}
}

// Examine makes sure of n files and gives the packages, in the same order; file gives the one at an index, and is called by several goroutines. The error, a fault, names a file that is not as it should be.
func (e *Examiner) Examine(ctx context.Context, n int, file func(i int) (File, error)) ([]repodata.Package, error) {
	out := make([]repodata.Package, n)
	g, ctx := errgroup.WithContext(ctx)
	step := (n + readers - 1) / readers
	for from := 0; from < n; from += step {
		g.Go(func() error {
			for i := from; i < min(from+step, n); i++ {
				if err := ctx.Err(); err != nil {
					return err
				}
				f, err := file(i)
				if err != nil {
					return err
				}
				if out[i], err = e.look(&f); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return out, g.Wait()
}

// look examines one file.
func (e *Examiner) look(f *File) (repodata.Package, error) {
	st, err := e.storage.Stat(f.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return repodata.Package{}, fault.New(fault.Generic, "the rpm %s is missing", f.Path)
	case err != nil:
		return repodata.Package{}, fault.Wrap(err, fault.Generic, "the rpm %s cannot be read", f.Path)
	case !st.Mode().IsRegular():
		return repodata.Package{}, fault.New(fault.Generic, "the rpm %s is not a file", f.Path)
	case f.Size != 0 && st.Size() != f.Size:
		return repodata.Package{}, fault.New(fault.Generic, "the rpm %s is corrupt: it has %d bytes, %d were imported", f.Path, st.Size(), f.Size)
	}
	p := repodata.Package{Href: f.Href, Time: st.ModTime().Unix(), ID: f.RPM}
	now := look{size: st.Size(), modified: st.ModTime().UnixNano()}
	was, known := e.recall(f)
	if known && was.size == now.size && was.modified == now.modified {
		p.Digest = was.digest // if the store has lost it meanwhile, the metadata's writer reads the rpm
		return p, nil
	}
	if now.digest, err = e.digest(f, st.Size(), known); err != nil {
		return repodata.Package{}, err
	}
	e.remember(f, now)
	p.Digest = now.digest
	return p, nil
}

// digest is what is on record for a file of the right size. Others are read, and so are those that are not what they were.
func (e *Examiner) digest(f *File, size int64, changed bool) (repodata.Digest, error) {
	want, err := repodata.ParseDigest(f.SHA256)
	recorded := err == nil
	if recorded && !changed && (f.Size != 0 || e.hasSize(want, size)) {
		return want, nil
	}
	got, payload, err := e.read(f.Path)
	switch {
	case err != nil:
		return want, err
	case recorded && got != want:
		return want, fault.New(fault.Generic, "the rpm %s is corrupt: its SHA-256 is %s, %s is on record", f.Path, got, want)
	case !recorded && payload != f.PayloadHash:
		return want, fault.New(fault.Generic, "the rpm %s is another one: its payload hash is %s, %s is on record", f.Path, payload, f.PayloadHash)
	}
	return got, nil
}

// hasSize tells whether the store knows an rpm of that digest, and that it has so many bytes.
func (e *Examiner) hasSize(d repodata.Digest, size int64) bool {
	f, err := e.store.Fragment(d)
	return err == nil && f.Size() == size
}

// read reads a whole file, keeps what the metadata says of it and gives its digest and payload hash.
func (e *Examiner) read(p storage.Path) (d repodata.Digest, payload string, err error) {
	f, err := e.storage.Open(p)
	if err != nil {
		return d, "", fault.Wrap(err, fault.Generic, "the rpm %s cannot be read", p)
	}
	defer f.Close()
	fragment, h, err := repodata.ReadRPM(f)
	if err != nil {
		return d, "", fault.Wrap(err, fault.Generic, "the rpm %s is corrupt: %v", p, err)
	}
	return fragment.Digest, h.SigMD5(), e.store.PutFragment(fragment)
}

func (e *Examiner) recall(f *File) (look, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	l, ok := e.seen[copyOf{f.RPM, f.Key}]
	return l, ok
}

func (e *Examiner) remember(f *File, l look) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.seen) >= maxSeen {
		e.seen = map[copyOf]look{}
	}
	e.seen[copyOf{f.RPM, f.Key}] = l
}
