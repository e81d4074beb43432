package commands

import (
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"moromi/aggregates/build"
	"moromi/events"
	"moromi/internal/fault"
	"moromi/internal/rpm"
	"moromi/internal/storage"
	buildmodel "moromi/projections/build"
	"moromi/projections/query"
	rpmmodel "moromi/projections/rpm"
)

// internalRPM is an rpm that the hub has the file of.
type internalRPM struct {
	id, build  int64
	arch, file string
	hash       string // sigmd5
	tree       storage.Build
}

func (r *internalRPM) path() (storage.Path, error) { return r.tree.RPM(r.arch, r.file) }

func (s *Service) internalRPM(ctx context.Context, spec rpmmodel.Spec) (*internalRPM, error) {
	row, err := rpmmodel.MustGet(ctx, s.DB, spec, nil)
	if err != nil {
		return nil, err
	}
	if row["external_repo_id"].(int64) != 0 {
		return nil, fault.New(fault.Generic, "Not an internal rpm: %s (from %s)", spec, row["external_repo_name"])
	}
	b, err := buildmodel.MustGet(ctx, s.DB, buildmodel.Spec{ID: row["build_id"].(int64)}, nil)
	if err != nil {
		return nil, err
	}
	return &internalRPM{id: row["id"].(int64), build: row["build_id"].(int64), arch: row["arch"].(string), hash: row["payloadhash"].(string),
		file: fmt.Sprintf("%s-%s-%s.%s.rpm", row["name"], row["version"], row["release"], row["arch"]), tree: treeOf(b)}, nil
}

// AddRPMSig keeps a signature header for an rpm: the file first, under a name that only the event makes known, then the event.
func (s *Service) AddRPMSig(ctx context.Context, a Actor, spec rpmmodel.Spec, header []byte) error {
	r, err := s.internalRPM(ctx, spec)
	if err != nil {
		return err
	}
	dir, err := r.tree.Dir()
	if err != nil {
		return err
	}
	if _, err := s.Files.Stat(dir); err != nil {
		return fault.New(fault.Generic, "No such directory: %s", dir)
	}
	sig, err := rpm.ParseSignature(header)
	if err != nil {
		return fault.Wrap(err, fault.Generic, "not a signature header that can be read")
	}
	if sig.MD5() != r.hash {
		return fault.New(fault.Generic, "wrong md5 for %s: %s", strings.TrimSuffix(r.file, ".rpm"), sig.MD5())
	}
	key, err := sig.Key()
	if err != nil {
		return fault.Wrap(err, fault.Generic, "the signature cannot be read")
	}
	sum := md5.Sum(header) //nolint:gosec // names the header, as Koji's sighash; it protects nothing
	decide := func(b *build.Build) ([]events.Event, error) { return b.Sign(r.id, key, hex.EncodeToString(sum[:])) }
	return s.withBuildFiles(ctx, r.build, func() error {
		_, err := DecideOnly(ctx, s, a, "look up build", build.Stream(r.build), func(b *build.Build) ([]events.Event, error) {
			_, err := decide(b)
			return nil, err
		})
		if err != nil {
			return err
		}
		p, err := r.tree.SigHeader(key, r.arch, r.file)
		if err != nil {
			return err
		}
		if err := s.Files.WriteFile(p, header); err != nil {
			return err
		}
		_, err = s.decideBuild(ctx, a, "add rpm signature", r.build, decide)
		return err
	})
}

// DeleteRPMSig forgets an rpm's signature by a key, or by all keys if key is nil. Signed copies go; headers stay under another name, so that
// nothing that was signed is lost.
func (s *Service) DeleteRPMSig(ctx context.Context, a Actor, spec rpmmodel.Spec, key *string) error {
	r, err := s.internalRPM(ctx, spec)
	if err != nil {
		return err
	}
	var keys []string
	if key != nil {
		keys = []string{strings.ToLower(*key)}
	}
	return s.withBuildFiles(ctx, r.build, func() error {
		have, err := rpmmodel.SignatureKeys(ctx, s.DB, r.id)
		if err != nil {
			return err
		}
		if _, err := s.decideBuild(ctx, a, "delete rpm signature", r.build, func(b *build.Build) ([]events.Event, error) {
			return b.RemoveSignatures(r.id, keys)
		}); err != nil {
			return err
		}
		for k, sighash := range have {
			if keys != nil && !slices.Contains(keys, k) {
				continue
			}
			if err := s.retireSignature(r, k, sighash); err != nil {
				return err
			}
		}
		return nil
	})
}

// retireSignature removes the signed copy and renames the header to HEADER.HASH.save.
func (s *Service) retireSignature(r *internalRPM, key, sighash string) error {
	if key != "" {
		signed, err := r.tree.Signed(key, r.arch, r.file)
		if err != nil {
			return err
		}
		if err := s.Files.Remove(signed); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove signed copy: %w", err)
		}
	}
	from, err := r.tree.SigHeader(key, r.arch, r.file)
	if err != nil {
		return err
	}
	to, err := from.Dir().Join(from.Base() + "." + sighash + ".save")
	if err != nil {
		return err
	}
	if err := s.Files.Rename(from, to); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("keep signature header: %w", err)
	}
	return nil
}

// checksums are Koji's CHECKSUM_TYPES: number and algorithm.
func checksums() map[string]func() hash.Hash {
	return map[string]func() hash.Hash{"md5": md5.New, "sha1": sha1.New, "sha256": sha256.New}
}

// ChecksumTypes gives Koji's numbers of the types of checksums.
func ChecksumTypes() map[string]int { return map[string]int{"md5": 0, "sha1": 1, "sha256": 2} }

// DefaultChecksums are the types that are computed when none are asked for (Koji's RPMDefaultChecksums).
func DefaultChecksums() []string { return []string{"md5", "sha256"} }

// hashing computes several checksums in one pass.
type hashing map[string]hash.Hash

func newHashing(types []string) hashing {
	h := hashing{}
	for _, t := range types {
		h[t] = checksums()[t]()
	}
	return h
}

func (h hashing) Write(p []byte) (int, error) {
	for _, x := range h {
		_, _ = x.Write(p) // hashes never fail
	}
	return len(p), nil
}

// sums are the checksums by Koji's number.
func (h hashing) sums() map[int]string {
	out := map[int]string{}
	for t, x := range h {
		out[ChecksumTypes()[t]] = hex.EncodeToString(x.Sum(nil))
	}
	return out
}

// WriteSignedRPM writes the copy of an rpm with a key's signature, unless it is there and force is not set, and records its checksums.
func (s *Service) WriteSignedRPM(ctx context.Context, a Actor, spec rpmmodel.Spec, key string, force bool) error {
	r, err := s.internalRPM(ctx, spec)
	if err != nil {
		return err
	}
	key = strings.ToLower(key)
	have, err := rpmmodel.SignatureKeys(ctx, s.DB, r.id)
	if err != nil {
		return err
	}
	if have[key] == "" {
		return fault.New(fault.Generic, "No cached signature for package %s, key %s", strings.TrimSuffix(r.file, ".rpm"), key)
	}
	to, err := s.signedPath(r, key)
	if err != nil {
		return err
	}
	h := newHashing(DefaultChecksums())
	if _, err := s.Files.Stat(to); err == nil && !force {
		if err := s.copyTo(h, to); err != nil {
			return err
		}
		return s.recordChecksums(ctx, a, r, key, h)
	}
	w, err := s.Files.Create(to)
	if err != nil {
		return err
	}
	defer w.Abort()
	if err := s.splice(io.MultiWriter(w, h), r, key); err != nil {
		return err
	}
	if err := w.Commit(); err != nil {
		return err
	}
	return s.recordChecksums(ctx, a, r, key, h)
}

// signedPath is where the signed copy is kept. The copy without signature of an rpm that came with one has a place, too.
func (s *Service) signedPath(r *internalRPM, key string) (storage.Path, error) {
	if key != "" {
		return r.tree.Signed(key, r.arch, r.file)
	}
	dir, err := r.tree.Dir()
	if err != nil {
		return storage.Path{}, err
	}
	return dir.Join("data", "signed", r.arch, r.file)
}

func (s *Service) copyTo(w io.Writer, p storage.Path) error {
	f, err := s.Files.Open(p)
	if err != nil {
		return fmt.Errorf("read %s: %w", p, err)
	}
	defer f.Close()
	if _, err := io.Copy(w, f); err != nil {
		return fmt.Errorf("read %s: %w", p, err)
	}
	return nil
}

// maxSigHeader bounds a signature header in memory; rpm's own limit is 64 MiB, real ones have some kilobytes.
const maxSigHeader = 64 << 20

// splice writes an rpm with the signature header of a key.
func (s *Service) splice(w io.Writer, r *internalRPM, key string) error {
	from, err := r.path()
	if err != nil {
		return err
	}
	src, err := s.Files.Open(from)
	if errors.Is(err, fs.ErrNotExist) {
		return fault.New(fault.Generic, "No such path: %s", from)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", from, err)
	}
	defer src.Close()
	p, err := r.tree.SigHeader(key, r.arch, r.file)
	if err != nil {
		return err
	}
	header, err := s.Files.ReadFile(p, maxSigHeader)
	if err != nil {
		return fmt.Errorf("read signature header: %w", err)
	}
	return rpm.Splice(w, src, header)
}

func (s *Service) recordChecksums(ctx context.Context, a Actor, r *internalRPM, key string, h hashing) error {
	_, err := s.decideBuild(ctx, a, "record rpm checksums", r.build, func(b *build.Build) ([]events.Event, error) {
		return b.Checksum(r.id, key, h.sums())
	})
	return err
}

// RPMChecksums gives the checksums of an rpm's copies by signature key and type; nil for those that are not on record. Unless cacheOnly, what
// is missing is computed and recorded.
func (s *Service) RPMChecksums(ctx context.Context, a Actor, id int64, types []string, cacheOnly bool) (query.Row, error) {
	r, err := s.internalRPM(ctx, rpmmodel.Spec{ID: id})
	if err != nil {
		return nil, err
	}
	for _, t := range types {
		if checksums()[t] == nil {
			return nil, fault.New(fault.Generic, "Checksum_type %s isn't supported", t)
		}
	}
	keys, err := rpmmodel.SignatureKeys(ctx, s.DB, r.id)
	if err != nil {
		return nil, err
	}
	have, err := rpmmodel.Checksums(ctx, s.DB, r.id)
	if err != nil {
		return nil, err
	}
	out := query.Row{}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		missing := slices.DeleteFunc(slices.Clone(types), func(t string) bool { return have[key][ChecksumTypes()[t]] != "" })
		sums := maps.Clone(have[key])
		if len(missing) > 0 && !cacheOnly {
			computed, err := s.computeChecksums(ctx, a, r, key, missing)
			if err != nil {
				return nil, err
			}
			if sums == nil {
				sums = map[int]string{}
			}
			maps.Copy(sums, computed)
		}
		row := map[string]any{}
		for _, t := range types {
			row[t] = nil
			if v := sums[ChecksumTypes()[t]]; v != "" {
				row[t] = v
			}
		}
		out[key] = row
	}
	return out, nil
}

func (s *Service) computeChecksums(ctx context.Context, a Actor, r *internalRPM, key string, types []string) (map[int]string, error) {
	h := newHashing(types)
	signed, err := s.signedPath(r, key)
	if err != nil {
		return nil, err
	}
	if _, err := s.Files.Stat(signed); err == nil {
		err = s.copyTo(h, signed)
		if err != nil {
			return nil, err
		}
	} else if err := s.splice(h, r, key); err != nil {
		return nil, err
	}
	return h.sums(), s.recordChecksums(ctx, a, r, key, h)
}
