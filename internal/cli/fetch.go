package cli

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"moromi/internal/rpm"
)

// fetch is one file to download: where from, where to below the current directory, and what it must be.
type fetch struct {
	url, path  string
	size       int64  // -1: unknown
	sigMD5     string // of an rpm
	kind, hash string // checksum
}

// fetcher downloads files into the current directory. Files are made only below it, whatever the hub calls them.
type fetcher struct {
	*invocation
	root          *os.Root
	noProgress    bool
	number, total int
}

func (v *invocation) newFetcher(total int, noProgress bool) (*fetcher, error) {
	root, err := os.OpenRoot(v.Dir)
	if err != nil {
		return nil, fmt.Errorf("download: %w", err)
	}
	return &fetcher{invocation: v, root: root, noProgress: noProgress, total: total}, nil
}

func (f *fetcher) Close() error { return f.root.Close() }

// get downloads a file under a temporary name and gives it its own when it is whole and right.
func (f *fetcher) get(file fetch) error {
	f.number++
	f.done = append(f.done, row{"file": file.path, "url": file.url})
	quiet := f.global.quiet
	if !quiet {
		f.printf("Downloading [%d/%d]: %s\n", f.number, f.total, file.path)
	}
	if info, err := f.root.Stat(file.path); err == nil && file.size >= 0 && info.Size() == file.size && f.check(file, file.path) == nil {
		if !quiet {
			f.printf("File %s already downloaded, skipping\n", file.path)
		}
		return nil
	}
	if dir := filepath.Dir(file.path); dir != "." {
		if err := f.root.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("download: %w", err)
		}
	}
	part := file.path + ".part"
	err := f.download(file, part, quiet)
	if err == nil {
		err = f.check(file, part)
	}
	if err == nil {
		err = f.root.Rename(part, file.path)
	}
	if err != nil {
		return errors.Join(err, f.remove(part))
	}
	return nil
}

func (f *fetcher) remove(path string) error {
	if err := f.root.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

func (f *fetcher) download(file fetch, part string, quiet bool) (err error) {
	out, err := f.root.Create(part)
	if err != nil {
		return fmt.Errorf("download: %w", err)
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	hub, err := f.connection()
	if err != nil {
		return err
	}
	var progress func(done, total int64)
	if f.Terminal && !quiet && !f.json && !f.noProgress {
		progress = f.bar
	}
	_, err = hub.DownloadURL(f.ctx, file.url, out, progress)
	if progress != nil {
		f.println()
	}
	return err
}

func (f *fetcher) bar(done, total int64) {
	if total <= 0 {
		f.printf("[%-36s] ???%% %10s\r", "", size(float64(done)))
		return
	}
	part := float64(done) / float64(total)
	f.printf("[%-36s] %3.0f%% %10s / %s\r", strings.Repeat("=", int(part*36)), part*100, size(float64(done)), size(float64(total)))
}

// check compares a file with what the hub says of it.
func (f *fetcher) check(file fetch, path string) error {
	in, err := f.root.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	if file.size >= 0 && info.Size() != file.size {
		return fmt.Errorf("%s: %d bytes were downloaded, but the hub says %d", file.path, info.Size(), file.size)
	}
	if file.sigMD5 != "" {
		h, err := rpm.ReadHeader(in)
		if err != nil {
			return fmt.Errorf("%s: not a valid rpm: %w", file.path, err)
		}
		if h.SigMD5() != file.sigMD5 {
			return fmt.Errorf("%s: the rpm is another than the one the hub has on record", file.path)
		}
	}
	if file.hash == "" {
		return nil
	}
	d, err := newHash(file.kind)
	if err != nil {
		return err
	}
	if _, err := io.Copy(d, in); err != nil {
		return err
	}
	if hex.EncodeToString(d.Sum(nil)) != file.hash {
		return fmt.Errorf("%s: wrong checksum", file.path)
	}
	return nil
}

// newHash makes the digest of a checksum type of archives. The weak ones are those of old archives.
func newHash(kind string) (hash.Hash, error) {
	switch kind {
	case "0":
		return md5.New(), nil
	case "1":
		return sha1.New(), nil
	case "2":
		return sha256.New(), nil
	}
	return nil, fmt.Errorf("checksum type %s is not known", kind)
}

// escapePath makes a path part of an address: versions may have ^ and ~, names +.
func escapePath(p string) string {
	parts := strings.Split(p, "/")
	for i, s := range parts {
		parts[i] = url.PathEscape(s)
	}
	return strings.Join(parts, "/")
}

// fileURL is the address of a file that is at top+path.
func fileURL(top, path string) string { return top + escapePath(strings.TrimPrefix(path, top)) }
