package dist

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"moromi/internal/fault"
	"moromi/internal/rpm"
	"moromi/internal/storage"
	rpmmodel "moromi/projections/rpm"
	"moromi/repoprojector/repodata"
)

const (
	// readers is how many rpms are looked at at once: enough to hide a network file system's delay.
	readers = 8
	// maxSeen bounds how many files are remembered, about 150 bytes each. Past it they are read as if for the first time.
	maxSeen = 1 << 20
)

// seen remembers what the files looked like that were read or held to their records. Safe for concurrent use.
type seen struct {
	mu    sync.Mutex
	files map[copyOf]look
}

// copyOf is a copy of an rpm: that of a key, or the one that was imported.
type copyOf struct {
	rpm int64
	key string
}

// look is what a file looked like.
type look struct {
	digest   repodata.Digest
	size     int64
	modified int64 // nanoseconds since 1970
}

func (s *seen) get(c copyOf) (look, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, ok := s.files[c]
	return l, ok
}

func (s *seen) put(c copyOf, l look) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.files == nil || len(s.files) >= maxSeen {
		s.files = map[copyOf]look{}
	}
	s.files[c] = l
}

// examine makes sure of every member's file and finds out what stands for it in the metadata, which the store has afterwards.
func (a *archRepo) examine(ctx context.Context) error {
	ids := make([]int64, 0, len(a.members))
	list := slices.Collect(maps.Values(a.members))
	for _, x := range list {
		ids = append(ids, x.id)
	}
	recorded, err := rpmmodel.Digests(ctx, a.DB, ids)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for part := range slices.Chunk(list, 64) {
		g.Go(func() error {
			for _, x := range part {
				if err := ctx.Err(); err != nil {
					return err
				}
				if err := a.look(x, recorded[x.id][x.key]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// look examines one file. It is read unless it is known from before, or its digest is on record and the store knows an rpm of that digest and size.
func (a *archRepo) look(x *member, recorded string) error {
	st, err := a.Storage.Stat(x.from)
	if err != nil {
		return fault.Wrap(err, fault.Generic, "the rpm %s cannot be read", x.from)
	}
	x.pkg = repodata.Package{Href: x.href(), Time: st.ModTime().Unix()}
	now := look{size: st.Size(), modified: st.ModTime().UnixNano()}
	which := copyOf{x.id, x.key}
	if was, ok := a.seen.get(which); ok && was.size == now.size && was.modified == now.modified {
		x.pkg.Digest = was.digest // if the store has lost it meanwhile, the metadata's writer reads the rpm
		return nil
	}
	want, err := repodata.ParseDigest(recorded)
	known := err == nil
	if known {
		if f, err := a.Store.Fragment(want); err == nil && f.Size() == now.size {
			now.digest, x.pkg.Digest = want, want
			a.seen.put(which, now)
			return nil
		}
	}
	got, payload, err := a.readFile(x)
	switch {
	case err != nil:
		return err
	case known && got != want:
		return fault.New(fault.Generic, "the rpm %s is corrupt: its SHA-256 is %s, %s is on record", x.from, got, want)
	case !known && payload != x.row["payloadhash"]:
		return fault.New(fault.Generic, "the file %s is not of the rpm %s", x.from, x.nvra())
	}
	now.digest, x.pkg.Digest = got, got
	a.seen.put(which, now)
	return nil
}

// readFile reads a whole file, keeps what the metadata says of it and gives its digest and what Koji calls its payload hash.
func (a *archRepo) readFile(x *member) (d repodata.Digest, payload string, err error) {
	f, err := a.Storage.Open(x.from)
	if err != nil {
		return d, "", fault.Wrap(err, fault.Generic, "the rpm %s cannot be read", x.from)
	}
	defer f.Close()
	fragment, h, err := repodata.ReadRPM(f)
	if err != nil {
		return d, "", fault.Wrap(err, fault.Generic, "the rpm %s is corrupt: %v", x.from, err)
	}
	return fragment.Digest, h.SigMD5(), a.Store.PutFragment(fragment)
}

// header reads an rpm's header.
func (m *Maker) header(p storage.Path) (*rpm.Header, error) {
	f, err := m.Storage.Open(p)
	if err != nil {
		return nil, fault.Wrap(err, fault.Generic, "the rpm %s cannot be read", p)
	}
	defer f.Close()
	h, err := rpm.ReadHeader(f)
	if err != nil {
		return nil, fault.Wrap(err, fault.Generic, "the rpm %s is corrupt: %v", p, err)
	}
	return h, nil
}

// openRPM opens a package for the metadata's writer.
func (a *archRepo) openRPM(_ context.Context, p repodata.Package) (io.ReadCloser, error) {
	x := a.members[path.Base(p.Href)]
	if x == nil {
		return nil, fmt.Errorf("package %s is not of the repository", p.Href)
	}
	return a.Storage.Open(x.from)
}

// kojipkgs is the file of what is known of the rpms, as kojid writes it: by file name, in listTaggedRPMS' shape with the key of the copy, "best_key" if it is
// a signed one, and the path that it came from.
func (a *archRepo) kojipkgs() ([]byte, error) {
	out := make(map[string]map[string]any, len(a.members))
	for file, x := range a.members {
		entry := map[string]any(maps.Clone(x.row))
		entry["sigkey"], entry["_pkgpath"] = nil, a.Storage.Abs(x.from)
		if !x.unsigned {
			entry["sigkey"], entry["best_key"] = x.key, x.key
		}
		if x.multilib {
			entry["_multilib"] = true
		}
		if a.debug(x) {
			entry["_subrepo"] = debugRepo
		}
		out[file] = entry
	}
	return json.MarshalIndent(out, "", "    ")
}
