package repodata

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Digest is the SHA-256 of a whole rpm file: what repository metadata calls its checksum and pkgid.
type Digest [sha256.Size]byte

// ParseDigest reads a digest of 64 hex digits.
func ParseDigest(s string) (Digest, error) {
	var d Digest
	if b, err := hex.DecodeString(s); err != nil || len(b) != len(d) {
		return d, fmt.Errorf("parse rpm digest %q: not 64 hex digits", s)
	}
	_, _ = hex.Decode(d[:], []byte(s))
	return d, nil
}

// String is the digest in hex.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// Package is an rpm in a repository.
type Package struct {
	Digest Digest
	// Href is where the rpm is, relative to the directory that holds repodata. Its last element is the file name.
	Href string
	// Time is the file's modification time in seconds since 1970. It stands in the metadata.
	Time int64
	// Base is the address that Href is relative to, for a package of another repository (PutForeign); empty for our own.
	Base string
}

// Packages is the content of a repository in createrepo_c's order: by file name, then by directory. It never
// changes, so versions may share it.
type Packages struct{ list []Package }

// NewPackages sorts packages into a repository's order. Two packages at one place are an error, as is a place
// outside the repository's reach (absolute, or without a file name).
func NewPackages(list []Package) (Packages, error) {
	type keyed struct {
		file, dir string
		p         Package
	}
	keys := make([]keyed, len(list)) // splitting places once, not at every comparison
	for i, p := range list {
		file, dir := order(p.Href)
		keys[i] = keyed{file, dir, p}
	}
	slices.SortFunc(keys, func(a, b keyed) int {
		return cmp.Or(strings.Compare(a.file, b.file), strings.Compare(a.dir, b.dir), strings.Compare(a.p.Base, b.p.Base))
	})
	list = make([]Package, len(keys))
	for i, k := range keys {
		list[i] = k.p
	}
	for i, p := range list {
		if err := checkPlace(p); err != nil {
			return Packages{}, err
		}
		if i > 0 && list[i-1].Href == p.Href && list[i-1].Base == p.Base {
			return Packages{}, fmt.Errorf("two packages at %s", p.Href)
		}
	}
	return Packages{list}, nil
}

// All gives the packages in order. The caller must not change them.
func (p Packages) All() []Package { return p.list }

// Len is the number of packages.
func (p Packages) Len() int { return len(p.list) }

// With gives the packages without those at the removed places and with the added ones; an added package replaces
// the one at its place. Removing what is not there is an error: the caller's idea of the repository is wrong.
func (p Packages) With(removed []string, added []Package) (Packages, error) {
	out := slices.Clone(p.list)
	for _, href := range removed {
		i, ok := find(out, href)
		if !ok {
			return Packages{}, fmt.Errorf("remove package %s: not in the repository", href)
		}
		out = slices.Delete(out, i, i+1)
	}
	for _, a := range added {
		if err := checkPlace(a); err != nil {
			return Packages{}, err
		}
		i, ok := slices.BinarySearchFunc(out, a, compare)
		if ok {
			out[i] = a
		} else {
			out = slices.Insert(out, i, a)
		}
	}
	return Packages{out}, nil
}

func find(list []Package, href string) (int, bool) {
	return slices.BinarySearchFunc(list, Package{Href: href}, compare)
}

func compare(a, b Package) int {
	fileA, dirA := order(a.Href)
	fileB, dirB := order(b.Href)
	return cmp.Or(strings.Compare(fileA, fileB), strings.Compare(dirA, dirB), strings.Compare(a.Base, b.Base))
}

// order gives what createrepo_c sorts by. The directory has no slash at its end: a comes before a-b.
func order(href string) (file, dir string) {
	i := strings.LastIndexByte(href, '/')
	return href[i+1:], href[:max(i, 0)]
}

func checkHref(href string) error {
	if href == "" || href[0] == '/' || path.Clean(href) != href || path.Base(href) == ".." || href == "." {
		return fmt.Errorf("bad package location %q", href)
	}
	return nil
}

// Blocks.
const (
	// meanBlock is how many packages a block holds on average: with fewer, compression gets worse (8: 10 %, 1:
	// 80 % more bytes than one stream); with more, a change costs more.
	meanBlock = 32
	// maxBlock bounds a block where no name ends one.
	maxBlock = 4 * meanBlock
)

// blocks cuts the packages into blocks. Where a block ends depends on the last package's name and arch, which a
// rebuild keeps: so one rebuild changes one block.
func (p Packages) blocks() [][]Package {
	var out [][]Package
	start := 0
	for i := range p.list {
		if i-start+1 >= maxBlock || endsBlock(p.list[i].Href) {
			out = append(out, p.list[start:i+1])
			start = i + 1
		}
	}
	if start < len(p.list) {
		out = append(out, p.list[start:])
	}
	return out
}

// endsBlock is a hash of name and arch, true for one of meanBlock names. The hash must never change: blocks of
// old versions would not be found again.
func endsBlock(href string) bool {
	x := uint32(2166136261) // FNV-1a
	for _, s := range nameArch(path.Base(href)) {
		for _, c := range []byte(s) {
			x = (x ^ uint32(c)) * 16777619
		}
		x = (x ^ '.') * 16777619
	}
	x ^= x >> 15
	x *= 0x2c1b3c6d
	x ^= x >> 12
	return x%meanBlock == 0
}

// nameArch takes name and arch out of name-version-release.arch.rpm; what has another form is all name.
func nameArch(file string) [2]string {
	s := strings.TrimSuffix(file, ".rpm")
	dot := strings.LastIndexByte(s, '.')
	if dot < 0 {
		return [2]string{file}
	}
	name, arch := s[:dot], s[dot+1:]
	for range 2 {
		i := strings.LastIndexByte(name, '-')
		if i <= 0 {
			return [2]string{file}
		}
		name = name[:i]
	}
	return [2]string{name, arch}
}
