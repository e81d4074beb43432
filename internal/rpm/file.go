package rpm

import (
	"fmt"
	"slices"
)

// MaxPathBytes is the most bytes of all file paths of a package together: directories are stored once in a header
// but stand in every path, so that a small header could ask for any amount.
const MaxPathBytes = 512 << 20

// Bits of a file's flags (rpm's rpmfileAttrs) and of its mode.
const (
	FileConfig    = 1 << 0
	FileDoc       = 1 << 1
	FileGhost     = 1 << 6
	ModeTypeMask  = 0o170000
	ModeDirectory = 0o040000
)

// File is a file of a package: the fields of Koji's listRPMFiles.
type File struct {
	Name   string // the whole path
	Digest string // hex, "" for what has no content; Koji gives it as digest and as md5
	Size   uint64
	Flags  uint32 // File bits
	User   string
	Group  string
	MTime  uint32 // seconds since 1970
	Mode   uint16 // type and permissions as in stat(2)
	LinkTo string // target of a symbolic link
}

// DigestAlgo names the digests of Files as Koji does: "md5" when the header does not say, "unknown" for one that
// Koji has no name for.
func (h *Header) DigestAlgo() string {
	algo, _ := h.Uint(TagFileDigestAlgo, 0)
	switch algo { // RFC 4880, 9.4
	case 0, 1:
		return "md5"
	case 2:
		return "sha1"
	case 3:
		return "ripemd160"
	case 8:
		return "sha256"
	case 9:
		return "sha384"
	case 10:
		return "sha512"
	case 11:
		return "sha224"
	}
	return "unknown"
}

// Paths gives the paths of the package's files as they stand in the header, in its order. It fails above
// MaxPathBytes and when a file's directory is not in the header.
func (h *Header) Paths() ([][]byte, error) { return new(PathReader).Paths(h) }

// PathReader gives the paths of one header after the other in the same memory. Not safe for concurrent use.
type PathReader struct {
	bases, dirs, paths [][]byte
	flat               []byte
}

// Paths is Header.Paths, but the paths are good until the next call only.
func (x *PathReader) Paths(h *Header) ([][]byte, error) {
	x.bases = h.AppendRawStrings(x.bases[:0], TagBaseNames)
	if len(x.bases) == 0 {
		return h.RawStrings(TagOldFileNames), nil // rpm before 4: whole paths
	}
	x.dirs = h.AppendRawStrings(x.dirs[:0], TagDirNames)
	bases, dirs := x.bases, x.dirs
	if h.Count(TagDirIndexes) < len(bases) {
		return nil, fmt.Errorf("%w: files without directories", ErrMalformed)
	}
	total := 0
	for i, b := range bases {
		d, _ := h.Uint(TagDirIndexes, i)
		if d >= uint64(len(dirs)) {
			return nil, fmt.Errorf("%w: file %d in unknown directory %d", ErrMalformed, i, d)
		}
		if total += len(dirs[d]) + len(b); total > MaxPathBytes {
			return nil, fmt.Errorf("%w: more than %d bytes of file paths", ErrTooLarge, MaxPathBytes)
		}
	}
	flat, out := slices.Grow(x.flat[:0], total), slices.Grow(x.paths[:0], len(bases))
	for i, b := range bases {
		d, _ := h.Uint(TagDirIndexes, i)
		start := len(flat)
		flat = append(append(flat, dirs[d]...), b...)
		out = append(out, flat[start:len(flat):len(flat)])
	}
	if total <= maxKept {
		x.flat, x.paths = flat, out
	}
	return out, nil
}

// Files gives the package's files in the header's order. Errors are those of Paths.
func (h *Header) Files() ([]File, error) {
	paths, err := h.Paths()
	if err != nil {
		return nil, err
	}
	digests, links := h.Strings(TagFileDigests), h.Strings(TagFileLinkTos)
	users, groups := h.Strings(TagFileUserName), h.Strings(TagFileGroupName)
	sizes := TagFileSizes
	if !h.Has(sizes) {
		sizes = TagLongFileSizes
	}
	out := make([]File, len(paths))
	for i, p := range paths {
		f := File{Name: Text(p), Digest: at(digests, i), User: at(users, i), Group: at(groups, i), LinkTo: at(links, i)}
		f.Size, _ = h.Uint(sizes, i)
		flags, _ := h.Uint(TagFileFlags, i)
		mtime, _ := h.Uint(TagFileMTimes, i)
		mode, _ := h.Uint(TagFileModes, i)
		f.Flags, f.MTime, f.Mode = uint32(flags), uint32(mtime), uint16(mode)
		out[i] = f
	}
	return out, nil
}

// at gives element i; headers may hold shorter arrays than there are files.
func at(s []string, i int) string {
	if i >= len(s) {
		return ""
	}
	return s[i]
}
