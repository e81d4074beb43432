package commands

import (
	"archive/tar"
	"bufio"
	"compress/bzip2"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/xi2/xz"

	"moromi/internal/fault"
	archivemodel "moromi/projections/archive"
	buildmodel "moromi/projections/build"
	"moromi/projections/query"
)

// Limits of a listing. Archives are what somebody uploaded: a small file can stand for a huge list, or for terabytes of zeroes.
const (
	maxListedFiles = 100_000  // files; more is refused rather than cut, which would look like the whole
	maxListedNames = 32 << 20 // bytes of their names
	maxUnpacked    = 8 << 30  // bytes that come out of a compressed tar on the way
	maxXZDict      = 64 << 20 // bytes of memory that an xz stream may ask for; xz -9 takes as much
	maxListings    = 2        // at once in a process: reading a large tar costs a core for a while
)

// listing collects the files in an archive.
type listing struct {
	id    int64
	names int
	files []query.Row
}

func (l *listing) add(name string, row query.Row) error {
	if l.names += len(name); len(l.files) >= maxListedFiles || l.names > maxListedNames {
		return fault.New(fault.Generic, "archive %d has too many files to list them", l.id)
	}
	row["archive_id"], row["name"] = l.id, strings.ToValidUTF8(name, "\uFFFD")
	l.files = append(l.files, row)
	return nil
}

// ArchiveFiles gives the files in an archive in listArchiveFiles' shape, read from the archive itself. One that is no zip or tar has none; strict
// refuses it. A build whose files are gone has none either.
func (s *Service) ArchiveFiles(ctx context.Context, id int64, strict bool) ([]query.Row, error) {
	a, err := archivemodel.Get(ctx, s.DB, id, nil)
	if err != nil {
		return nil, err
	}
	if a == nil {
		return nil, fault.New(fault.Generic, "No such archive: %d", id)
	}
	kind, _ := a["compression_type"].(string)
	if kind == "" {
		if strict {
			return nil, fault.New(fault.Generic, "Unsupported archive type: %s", a["type_name"])
		}
		return []query.Row{}, nil
	}
	f, err := s.openArchive(ctx, a)
	if err != nil || f == nil {
		return []query.Row{}, err
	}
	defer f.Close()
	select {
	case s.listing <- struct{}{}:
		defer func() { <-s.listing }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	l := &listing{id: id, files: []query.Row{}}
	if err = l.read(ctx, f, kind); err != nil && fault.Of(err) == nil && ctx.Err() == nil {
		err = fault.Wrap(err, fault.Generic, "archive %d cannot be read as %s", id, kind)
	}
	return l.files, err
}

func (l *listing) read(ctx context.Context, f *os.File, kind string) error {
	if kind != "zip" {
		return l.tar(ctx, f)
	}
	st, err := f.Stat()
	if err != nil {
		return err
	}
	return l.zip(f, st.Size())
}

// openArchive opens an archive's file, nil if it has none.
func (s *Service) openArchive(ctx context.Context, a query.Row) (*os.File, error) {
	if a["metadata_only"].(bool) {
		return nil, nil
	}
	b, err := buildmodel.MustGet(ctx, s.DB, buildmodel.Spec{ID: a["build_id"].(int64)}, nil)
	if err != nil {
		return nil, err
	}
	subdir, err := archivemodel.Subdir(ctx, s.DB, a["id"].(int64))
	if err != nil {
		return nil, err
	}
	p, err := archivePath(b, a, subdir)
	if err != nil {
		return nil, err
	}
	st, err := s.Files.Stat(p)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !st.Mode().IsRegular() {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open archive %d: %w", a["id"], err)
	}
	return s.Files.Open(p)
}

// tar lists a tar file, which may be compressed with gzip, bzip2 or xz, whatever its name says.
func (l *listing) tar(ctx context.Context, f *os.File) error {
	r, err := unpacked(ctx, f)
	if err != nil {
		return err
	}
	for t := tar.NewReader(r); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		row := query.Row{"size": h.Size, "mtime": h.ModTime.Unix(), "mode": h.Mode & 0o7777, "user": h.Uname, "group": h.Gname}
		if ns := h.ModTime.Nanosecond(); ns != 0 {
			row["mtime"] = float64(h.ModTime.Unix()) + float64(ns)/1e9
		}
		name := h.Name
		if h.Typeflag == tar.TypeDir {
			name = strings.TrimRight(name, "/")
		}
		if err := l.add(name, row); err != nil {
			return err
		}
	}
}

// unpacked gives what is in a file that may be compressed. A plain file can be sought in, so that the reader skips over contents.
func unpacked(ctx context.Context, f *os.File) (io.Reader, error) {
	head := make([]byte, 6)
	n, err := f.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	head = head[:n]
	var r io.Reader
	switch in := bufio.NewReader(f); {
	case strings.HasPrefix(string(head), "\x1f\x8b"):
		r, err = gzip.NewReader(in)
	case strings.HasPrefix(string(head), "BZh"):
		r = bzip2.NewReader(in)
	case strings.HasPrefix(string(head), "\xfd7zXZ\x00"):
		r, err = xz.NewReader(in, maxXZDict)
	default:
		return f, nil
	}
	return &bounded{ctx: ctx, r: r, left: maxUnpacked}, err
}

// bounded ends in an error after so many bytes, or when nobody waits for them any more.
type bounded struct {
	ctx  context.Context
	r    io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	if b.left <= 0 {
		return 0, fault.New(fault.Generic, "the archive is too large to list its files: it unpacks to more than %d GiB", int64(maxUnpacked)>>30)
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}
