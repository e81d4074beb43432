package commands

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"syscall"

	"moromi/events"
	"moromi/internal/fault"
	"moromi/internal/rpm"
	"moromi/internal/storage"
)

// rpmFile is an uploaded rpm as the hub read it: nothing in it is taken from whoever uploaded it.
type rpmFile struct {
	path   storage.Path // in the work directory
	event  events.RPM   // without ids
	source bool
	srpm   string // file name of the source rpm that a binary rpm names
	header *rpm.Header
}

// name is the file's name in the build.
func (f *rpmFile) name() string { return f.path.Base() }

// workPath makes a path of one that a client gives relative to the work directory.
func workPath(rel string) (storage.Path, error) {
	if rel == "" || path.IsAbs(rel) {
		return storage.Path{}, fault.New(fault.Generic, "Invalid path: %q", rel)
	}
	return storage.Parse("work/" + rel)
}

// readRPM reads an rpm below the work directory, whole: header, size and digests. One that is a symlink was imported already.
func (s *Service) readRPM(rel string) (*rpmFile, error) {
	p, err := workPath(rel)
	if err != nil {
		return nil, err
	}
	return s.readRPMAt(p, rel)
}

// readRPMAt is readRPM for any place of the tree; rel is how faults name the file.
func (s *Service) readRPMAt(p storage.Path, rel string) (*rpmFile, error) {
	st, err := s.Files.Lstat(p)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fault.New(fault.Generic, "No such file: %s", rel)
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", p, err)
	case !st.Mode().IsRegular():
		return nil, fault.New(fault.Generic, "Error importing %s: not a regular file", rel)
	}
	f, err := s.Files.Open(p)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", p, err)
	}
	defer f.Close()
	sum := sha256.New()
	whole := io.TeeReader(f, sum)
	h, err := rpm.ReadHeader(whole)
	if err != nil {
		return nil, fault.Wrap(err, fault.Generic, "%s is not an rpm that can be read", rel)
	}
	if _, err := io.Copy(io.Discard, whole); err != nil {
		return nil, fmt.Errorf("read %s: %w", p, err)
	}
	if err := wholeRPM(f); errors.Is(err, rpm.ErrMalformed) {
		return nil, fault.Wrap(err, fault.Generic, "%s is damaged: its digests are of other bytes; upload it again", rel)
	} else if err != nil {
		return nil, fmt.Errorf("read %s: %w", p, err)
	}
	return describeRPM(p, h, st.Size(), hex.EncodeToString(sum.Sum(nil)))
}

// wholeRPM checks an rpm against its own digests. A file that was cut on its way has a good header.
func wholeRPM(f io.ReadSeeker) error {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return rpm.Verify(f)
}

func describeRPM(p storage.Path, h *rpm.Header, size int64, sum string) (*rpmFile, error) {
	n := h.NEVRA()
	f := &rpmFile{path: p, source: h.IsSource(), srpm: h.SourceRPM(), header: h}
	if f.source {
		n.Arch = "src" // Koji puts nosrc rpms there, too
	}
	if p.Base() != n.FileName() {
		return nil, fault.New(fault.Generic, "bad filename: %s (expected %s)", p.Base(), n.FileName())
	}
	key, err := h.Sig.Key()
	if err != nil {
		return nil, fault.Wrap(err, fault.Generic, "the signature of %s cannot be read", p.Base())
	}
	hash := md5.Sum(h.Sig.Raw()) //nolint:gosec // names the header, as Koji's sighash; it protects nothing
	f.event = events.RPM{Name: n.Name, Version: n.Version, Release: n.Release, Arch: n.Arch, PayloadHash: h.SigMD5(), Size: size,
		BuildTime: h.BuildTime(), SHA256: sum, SigKey: key, SigHash: hex.EncodeToString(hash[:])}
	if n.Epoch != nil {
		e := int64(*n.Epoch)
		f.event.Epoch = &e
	}
	return f, nil
}

// place is where a file goes in the tree: link puts it there and leaves the upload, finish makes the upload a symlink to it.
type place struct{ from, to storage.Path }

// link gives the file its place, beside the upload: until the import is recorded both names stand, and after it nothing is missing,
// whenever the hub dies. What lies there already is from an attempt that was not recorded, and gives way.
func (s *Service) link(p place) error {
	if err := s.Files.Remove(p.to); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("clear %s: %w", p.to, err)
	}
	err := s.Files.Link(p.from, p.to)
	if errors.Is(err, syscall.EXDEV) || errors.Is(err, syscall.EMLINK) || errors.Is(err, syscall.EPERM) {
		err = s.Files.Copy(p.from, p.to) // a volume of its own, or a file system without hard links
	}
	return err
}

// finish replaces the upload by a symlink to the file's place. It may be repeated.
func (s *Service) finish(p place) error {
	st, err := s.Files.Lstat(p.from)
	if errors.Is(err, fs.ErrNotExist) || err == nil && st.Mode()&fs.ModeSymlink != 0 {
		return nil
	}
	if err != nil {
		return fmt.Errorf("tidy up %s: %w", p.from, err)
	}
	if err := s.Files.Remove(p.from); err != nil {
		return fmt.Errorf("tidy up %s: %w", p.from, err)
	}
	return s.Files.Symlink(p.to, p.from)
}

// sameNoarch keeps the first of the noarch rpms that several architectures built under one name, and refuses those that differ in more than
// what a rebuild changes. It compares headers itself: hashes that a builder sends prove nothing.
func sameNoarch(rpms []*rpmFile) ([]*rpmFile, error) {
	first := map[string]*rpmFile{}
	var out []*rpmFile
	for _, r := range rpms {
		if !strings.HasSuffix(r.name(), ".noarch.rpm") {
			out = append(out, r)
			continue
		}
		f := first[r.name()]
		if f == nil {
			first[r.name()] = r
			out = append(out, r)
			continue
		}
		diff, err := noarchDifference(f.header, r.header)
		if err != nil {
			return nil, fault.Wrap(err, fault.Build, "the file list of %s cannot be read", r.name())
		}
		if diff != "" {
			return nil, fault.New(fault.Build, "The following noarch package built differently on different architectures: %s\n%s", r.name(), diff)
		}
	}
	return out, nil
}
