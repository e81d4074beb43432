package repodata

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"path"
	"slices"
	"sort"
	"strings"
	"time"
)

// RepomdName is the name of the file that lists the others, SignatureName that of its signature.
const (
	RepomdName    = "repomd.xml"
	SignatureName = RepomdName + ".asc"
)

// Version is the metadata of a repository at one moment: what its files are called, what they sum up to and which blocks they are made of. The bytes
// of the blocks are in the store. A version never changes.
type Version struct {
	// Revision stands in repomd.xml, in seconds since 1970; Packages is how many packages there are.
	Revision int64
	Packages int
	// Files are the files that repomd.xml lists, in its order; Repomd is repomd.xml.
	Files  []File
	Repomd []byte
	// Built is how many blocks had to be made for the version when it was composed.
	Built int
	// Signature is that of Repomd, armored, for WriteFiles to write beside it; nil for none. PutVersion does not keep it.
	Signature []byte

	compression Compression
	blocks      []blockKey
	sizes       [kinds][]uint32  // of the blocks' members
	ends        [kinds][2][]byte // the members before and behind the blocks
	group       []byte           // the compressed group file; nil if there is none
	extra       []Extra          // files beside
}

// Blocks is how many blocks the version has.
func (v *Version) Blocks() int { return len(v.blocks) }

// RepomdChecksum is the hex SHA-256 of repomd.xml, which names all else by checksum.
func (v *Version) RepomdChecksum() string {
	sum := sha256.Sum256(v.Repomd)
	return hex.EncodeToString(sum[:])
}

// piece is a run of a file's bytes: those at hand, or a block's member.
type piece struct {
	bytes []byte
	block blockKey
	kind  kind
	size  int64
}

// pieces gives what a file of the version consists of, in order.
func (v *Version) pieces(f File) iter.Seq[piece] {
	return func(yield func(piece) bool) {
		literal := func(b []byte) bool { return yield(piece{bytes: b, size: int64(len(b))}) }
		for k := range kinds {
			if f.Type != k.String() {
				continue
			}
			if !literal(v.ends[k][0]) {
				return
			}
			for i, key := range v.blocks {
				if !yield(piece{block: key, kind: k, size: int64(v.sizes[k][i])}) {
					return
				}
			}
			literal(v.ends[k][1])
			return
		}
		if i := slices.IndexFunc(v.extra, func(e Extra) bool { return e.Type == f.Type }); i >= 0 {
			literal(v.extra[i].Packed)
			return
		}
		if f.Type != groupType {
			literal(v.group)
			return
		}
		if comps, err := v.comps(); err == nil {
			literal(comps)
		}
	}
}

// comps is the group file as it is uncompressed.
func (v *Version) comps() ([]byte, error) {
	var size int64
	for _, f := range v.Files {
		if f.Type == groupType {
			size = f.Size
		}
	}
	r, err := v.compression.Reader(bytes.NewReader(v.group))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(io.LimitReader(r, size+1))
}

// piece reads a piece. A block that is damaged goes, so that it is made anew.
func (s *Store) piece(p piece) ([]byte, error) {
	if p.bytes != nil || p.size == 0 {
		return p.bytes, nil
	}
	b, err := s.member(p.block, p.kind)
	if err == nil && int64(len(b)) != p.size {
		err = errDamaged
	}
	if errors.Is(err, errDamaged) {
		_ = s.root.Remove(hexPath(blockDir, p.block)) // if it cannot be removed, the next to make it replaces it
	}
	return b, err
}

// DropDamaged removes the blocks of a version that are not as they were written, so that Compose makes them anew.
func (s *Store) DropDamaged(v *Version) {
	for i, key := range v.blocks {
		for k := range kinds {
			_, _ = s.piece(piece{block: key, kind: k, size: int64(v.sizes[k][i])}) // it removes what is damaged
		}
	}
}

// Open opens one of a version's files by its name, repomd.xml among them. The error wraps fs.ErrNotExist if there is no such file; a reading fails if the
// store has lost a block of it. The caller must not use the reader from several goroutines.
func (s *Store) Open(v *Version, name string) (*Reader, error) {
	if name == RepomdName {
		return &Reader{pieces: []piece{{bytes: v.Repomd, size: int64(len(v.Repomd))}}, starts: []int64{0}, size: int64(len(v.Repomd)), Checksum: v.RepomdChecksum()}, nil
	}
	for _, f := range v.Files {
		if f.Name != name {
			continue
		}
		r := &Reader{store: s, Checksum: f.Checksum, last: -1}
		for p := range v.pieces(f) {
			r.pieces, r.starts = append(r.pieces, p), append(r.starts, r.size)
			r.size += p.size
		}
		return r, nil
	}
	return nil, fmt.Errorf("open %s: %w", name, fs.ErrNotExist)
}

// Reader reads a version's file out of the store. It is an io.ReadSeeker.
type Reader struct {
	// Checksum is the hex SHA-256 of the file.
	Checksum string

	store  *Store
	pieces []piece
	starts []int64
	size   int64
	at     int64
	last   int // the piece whose bytes are at hand
	bytes  []byte
}

// Size is the file's length in bytes.
func (r *Reader) Size() int64 { return r.size }

// Read implements io.Reader.
func (r *Reader) Read(b []byte) (int, error) {
	if r.at >= r.size {
		return 0, io.EOF
	}
	i := sort.Search(len(r.starts), func(i int) bool { return r.starts[i] > r.at }) - 1
	data := r.pieces[i].bytes
	if data == nil {
		if r.last != i {
			var err error
			if r.bytes, err = r.store.piece(r.pieces[i]); err != nil {
				return 0, fmt.Errorf("read repository metadata: %w", err)
			}
			r.last = i
		}
		data = r.bytes
	}
	n := copy(b, data[r.at-r.starts[i]:])
	r.at += int64(n)
	return n, nil
}

// Seek implements io.Seeker.
func (r *Reader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.at
	case io.SeekEnd:
		offset += r.size
	}
	if offset < 0 {
		return 0, errors.New("seek before the start of a file")
	}
	r.at = offset
	return offset, nil
}

// storedVersion is a version as it is kept.
type storedVersion struct {
	Revision    int64            `json:"revision"`
	Packages    int              `json:"packages"`
	Compression Compression      `json:"compression"`
	Files       []File           `json:"files"`
	Repomd      []byte           `json:"repomd"`
	Blocks      []byte           `json:"blocks"` // the keys, one behind the other
	Sizes       [kinds][]uint32  `json:"sizes"`
	Ends        [kinds][2][]byte `json:"ends"`
	Group       []byte           `json:"group,omitempty"`
	Extra       []Extra          `json:"extra,omitempty"`
}

const (
	versionDir   = "versions"
	versionMagic = "MRV1"
)

// PutVersion keeps a version under a name: words with slashes in between.
func (s *Store) PutVersion(name string, v *Version) error {
	x := storedVersion{v.Revision, v.Packages, v.compression, v.Files, v.Repomd, nil, v.sizes, v.ends, v.group, v.extra}
	for _, key := range v.blocks {
		x.Blocks = append(x.Blocks, key[:]...)
	}
	body, err := json.Marshal(&x)
	if err != nil {
		return fmt.Errorf("keep version %s: %w", name, err)
	}
	b := binary.BigEndian.AppendUint32([]byte(versionMagic), checksum(body))
	if err := s.write(path.Join(versionDir, name), s.enc.EncodeAll(body, b)); err != nil {
		return err
	}
	s.versions.put(name, v)
	return nil
}

// Version gives a kept version; the error wraps fs.ErrNotExist when there is none that is whole. Whether the store has its blocks shows when it is read.
func (s *Store) Version(name string) (*Version, error) {
	if v := s.versions.get(name); v != nil {
		return v, nil
	}
	v, err := s.readVersion(name)
	if err == nil {
		s.versions.put(name, v)
	}
	return v, err
}

func (s *Store) readVersion(name string) (*Version, error) {
	b, err := s.root.ReadFile(path.Join(versionDir, name))
	if err != nil {
		return nil, fmt.Errorf("read version %s: %w", name, err)
	}
	v, err := s.decodeVersion(b)
	if err != nil {
		return nil, fmt.Errorf("read version %s: %w: %w", name, err, fs.ErrNotExist)
	}
	return v, nil
}

func (s *Store) decodeVersion(b []byte) (*Version, error) {
	if len(b) < 8 || string(b[:4]) != versionMagic {
		return nil, errDamaged
	}
	body, err := s.dec.DecodeAll(b[8:], nil)
	var x storedVersion
	if err != nil || checksum(body) != binary.BigEndian.Uint32(b[4:]) || json.Unmarshal(body, &x) != nil || len(x.Blocks)%len(blockKey{}) != 0 {
		return nil, errDamaged
	}
	v := &Version{Revision: x.Revision, Packages: x.Packages, Files: x.Files, Repomd: x.Repomd, compression: x.Compression, sizes: x.Sizes, ends: x.Ends, group: x.Group, extra: x.Extra}
	for key := range slices.Chunk(x.Blocks, len(blockKey{})) {
		v.blocks = append(v.blocks, blockKey(key))
	}
	for k := range kinds {
		if len(v.sizes[k]) != len(v.blocks) {
			return nil, errDamaged
		}
	}
	return v, nil
}

// DropVersions forgets the versions under a name.
func (s *Store) DropVersions(name string) error {
	defer s.versions.drop(name)
	return s.root.RemoveAll(path.Join(versionDir, name))
}

// VersionNames gives the names under which versions are kept, in no order.
func (s *Store) VersionNames() ([]string, error) {
	var out []string
	err := fs.WalkDir(s.root.FS(), versionDir, func(name string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			out = append(out, strings.TrimPrefix(name, versionDir+"/"))
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return out, err
}

// PruneBlocks deletes the blocks that no kept version needs, and what interrupted writes left, as far as it was made or marked as used before a time:
// use is marked once a day, and a version that is being composed is not kept yet. It gives the number of deleted files.
func (s *Store) PruneBlocks(before time.Time) (int, error) {
	names, err := s.VersionNames()
	if err != nil {
		return 0, fmt.Errorf("prune repodata store: %w", err)
	}
	needed := map[blockKey]bool{}
	for _, name := range names {
		v, err := s.readVersion(name)
		if err != nil {
			continue // it is damaged or was dropped just now: it is made again when it is asked for
		}
		for _, key := range v.blocks {
			needed[key] = true
		}
	}
	return s.prune(before, func(name string) bool {
		key, err := hex.DecodeString(path.Base(path.Dir(name)) + path.Base(name))
		return err == nil && len(key) == len(blockKey{}) && needed[blockKey(key)]
	}, blockDir, tempDir)
}
