package repodata

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path"
	"time"

	"github.com/klauspost/compress/zstd"
)

// Store keeps fragments and blocks as files, by digest. It is a cache: everything in it can be made again from the
// rpms, nothing in it is trusted without its checksum, and deleting any of it loses only time. Several processes
// may use one directory at once.
type Store struct {
	root  *os.Root
	enc   *zstd.Encoder
	dec   *zstd.Decoder
	clock func() time.Time

	versions versionCache
}

// errDamaged says that a cached file is not what was written. It is treated as absent.
var errDamaged = errors.New("damaged cache file")

const (
	fragmentDir = "fragments"
	blockDir    = "blocks"
	tempDir     = "tmp"
	// freshFor is how long a used file's modification time is left alone before it is set again.
	freshFor = 24 * time.Hour
)

// OpenStore opens a store in a directory that is the store's alone. The store does not close root; clock says
// when files were used.
func OpenStore(root *os.Root, clock func() time.Time) (*Store, error) {
	for _, dir := range []string{fragmentDir, foreignDir, blockDir, versionDir, tempDir} {
		if err := root.MkdirAll(dir, 0o755); err != nil {
			return nil, fmt.Errorf("open repodata store: %w", err)
		}
	}
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(2), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, fmt.Errorf("open repodata store: %w", err)
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(2), zstd.WithDecoderMaxMemory(MaxFragment+1<<10))
	if err != nil {
		return nil, fmt.Errorf("open repodata store: %w", err)
	}
	return &Store{root: root, enc: enc, dec: dec, clock: clock}, nil
}

// castagnoli is the polynomial that processors compute.
func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// hexPath spreads files over 256 directories.
func hexPath(dir string, d [32]byte) string {
	s := hex.EncodeToString(d[:])
	return path.Join(dir, s[:2], s[2:])
}

const fragmentMagic = "MRF1"

// PutFragment keeps a fragment. Putting it again does nothing.
func (s *Store) PutFragment(f *Fragment) error {
	if _, err := s.root.Lstat(hexPath(fragmentDir, f.Digest)); err == nil {
		return nil
	}
	return s.replaceFragment(f)
}

// replaceFragment keeps a fragment in place of a damaged one too.
func (s *Store) replaceFragment(f *Fragment) error {
	return s.writeFragment(hexPath(fragmentDir, f.Digest), f)
}

func (s *Store) writeFragment(name string, f *Fragment) error {
	var body []byte
	for _, p := range f.parts {
		body = binary.BigEndian.AppendUint32(body, uint32(len(p)))
	}
	for _, p := range f.parts {
		body = append(body, p...)
	}
	b := append([]byte(fragmentMagic), 0, 0, 0, 0)
	b = s.enc.EncodeAll(body, b)
	binary.BigEndian.PutUint32(b[4:], checksum(b[8:]))
	return s.write(name, b)
}

// Fragment gives a kept fragment; the error wraps fs.ErrNotExist when there is none that is whole.
func (s *Store) Fragment(d Digest) (*Fragment, error) {
	b, err := s.root.ReadFile(hexPath(fragmentDir, d))
	if err != nil {
		return nil, fmt.Errorf("read fragment %s: %w", d, err)
	}
	f, err := s.decodeFragment(d, b)
	if err != nil {
		return nil, fmt.Errorf("read fragment %s: %w: %w", d, err, fs.ErrNotExist)
	}
	return f, nil
}

func (s *Store) decodeFragment(d Digest, b []byte) (*Fragment, error) {
	if len(b) < 8 || string(b[:4]) != fragmentMagic || binary.BigEndian.Uint32(b[4:]) != checksum(b[8:]) {
		return nil, errDamaged
	}
	body, err := s.dec.DecodeAll(b[8:], nil)
	if err != nil {
		return nil, errDamaged
	}
	f := &Fragment{Digest: d}
	if len(body) < 4*len(f.parts) {
		return nil, errDamaged
	}
	rest := body[4*len(f.parts):]
	for i := range f.parts {
		n := binary.BigEndian.Uint32(body[4*i:])
		if uint64(n) > uint64(len(rest)) {
			return nil, errDamaged
		}
		f.parts[i], rest = rest[:n:n], rest[n:]
	}
	return f, nil
}

// Add reads an rpm and keeps its fragment. It gives the package's digest for the lists of repositories.
func (s *Store) Add(r io.Reader) (Digest, error) {
	f, _, err := ReadRPM(r)
	if err != nil {
		return Digest{}, err
	}
	return f.Digest, s.PutFragment(f)
}

// write makes a file appear whole. It is not synced: a torn file fails its checksum and is made again.
func (s *Store) write(name string, b []byte) error {
	temp := path.Join(tempDir, rand.Text())
	if err := s.root.WriteFile(temp, b, 0o644); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	err := s.root.Rename(temp, name)
	if errors.Is(err, fs.ErrNotExist) {
		if err = s.root.MkdirAll(path.Dir(name), 0o755); err == nil {
			err = s.root.Rename(temp, name)
		}
	}
	if err != nil {
		_ = s.root.Remove(temp)
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

// used tells whether a file is there, and marks it as used for Prune.
func (s *Store) used(name string) bool {
	st, err := s.root.Lstat(name)
	if err != nil {
		return false
	}
	if now := s.clock(); now.Sub(st.ModTime()) > freshFor {
		_ = s.root.Chtimes(name, now, now) // only Prune looks at it
	}
	return true
}

// prune deletes the files of directories that are older, and not needed.
func (s *Store) prune(before time.Time, needed func(name string) bool, dirs ...string) (int, error) {
	count := 0
	for _, dir := range dirs {
		err := fs.WalkDir(s.root.FS(), dir, func(name string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			st, err := e.Info()
			if err == nil && st.ModTime().Before(before) && !needed(name) {
				if err = s.root.Remove(name); err == nil {
					count++
				}
			}
			if errors.Is(err, fs.ErrNotExist) { // another process was faster
				return nil
			}
			return err
		})
		if err != nil {
			return count, fmt.Errorf("prune repodata store: %w", err)
		}
	}
	return count, nil
}
