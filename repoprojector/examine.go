package repoprojector

import (
	"context"
	"errors"
	"io/fs"
	"sync"

	"golang.org/x/sync/errgroup"

	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/internal/storage"
	"moromi/repoprojector/repodata"
)

// statters is how many rpms are looked at at once: enough to hide a network file system's delay.
const statters = 8

// maxSeen bounds how many rpms' files are remembered, about 100 bytes each. Past it they are looked at as if for the first time.
const maxSeen = 1 << 20

// seen remembers what the files of rpms looked like when they were known to be right. Safe for concurrent use.
type seen struct {
	mu    sync.Mutex
	files map[int64]look
}

// look is what a file looked like.
type look struct {
	digest   repodata.Digest
	size     int64
	modified int64 // nanoseconds since 1970
}

func (s *seen) get(rpm int64) (look, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, ok := s.files[rpm]
	return l, ok
}

func (s *seen) put(rpm int64, l look) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.files == nil || len(s.files) >= maxSeen {
		s.files = map[int64]look{}
	}
	s.files[rpm] = l
}

// examine makes sure that every rpm's file is there and is the one that was imported, and gives the packages in the same order. The error names
// the first rpm that is not as it should be.
func (p *Projector) examine(ctx context.Context, rpms []RPM) ([]repodata.Package, error) {
	out := make([]repodata.Package, len(rpms))
	g, ctx := errgroup.WithContext(ctx)
	step := (len(rpms) + statters - 1) / statters
	for from := 0; from < len(rpms); from += step {
		g.Go(func() error {
			for i := from; i < min(from+step, len(rpms)); i++ {
				if err := ctx.Err(); err != nil {
					return err
				}
				var err error
				if out[i], err = p.look(&rpms[i]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return out, g.Wait()
}

// look examines one rpm. A file with the right size is taken to be right as long as its modification time stays: else it is read.
func (p *Projector) look(r *RPM) (repodata.Package, error) {
	path, err := r.path()
	if err != nil {
		return repodata.Package{}, err
	}
	st, err := p.Storage.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return repodata.Package{}, fault.New(fault.Generic, "the rpm %s is missing", path)
	case err != nil:
		return repodata.Package{}, fault.Wrap(err, fault.Generic, "the rpm %s cannot be read", path)
	case !st.Mode().IsRegular():
		return repodata.Package{}, fault.New(fault.Generic, "the rpm %s is not a file", path)
	case st.Size() != r.Size:
		return repodata.Package{}, fault.New(fault.Generic, "the rpm %s is corrupt: it has %d bytes, %d were imported", path, st.Size(), r.Size)
	}
	x := repodata.Package{Href: toplink + path.String(), Time: st.ModTime().Unix(), ID: r.ID}
	known, ok := p.seen.get(r.ID)
	if ok && known.size == st.Size() && known.modified == st.ModTime().UnixNano() {
		x.Digest = known.digest
		return x, nil
	}
	if x.Digest, err = p.digest(r, path, ok); err != nil {
		return repodata.Package{}, err
	}
	p.seen.put(r.ID, look{x.Digest, st.Size(), st.ModTime().UnixNano()})
	return x, nil
}

// digest is what the import recorded; changed files, and those of which nothing is recorded, are read.
func (p *Projector) digest(r *RPM, path storage.Path, changed bool) (repodata.Digest, error) {
	want, err := repodata.ParseDigest(r.SHA256)
	recorded := err == nil
	if recorded && !changed {
		return want, nil
	}
	f, err := p.Storage.Open(path)
	if err != nil {
		return want, fault.Wrap(err, fault.Generic, "the rpm %s cannot be read", path)
	}
	defer f.Close()
	got, err := p.store.Add(f)
	if err != nil {
		return want, fault.New(fault.Generic, "the rpm %s is corrupt: %v", path, err)
	}
	if recorded && got != want {
		return want, fault.New(fault.Generic, "the rpm %s is corrupt: its SHA-256 is %s, %s was imported", path, got, want)
	}
	return got, nil
}

// archDirs gives the directories of a repository.
func archDirs(arches []string, separateSrc bool) []string {
	var out []string
	if separateSrc {
		out = append(out, "src")
	}
	for _, a := range arches {
		if a = koji.CanonArch(a); a != "src" && a != "noarch" {
			out = append(out, a)
		}
	}
	return out
}
