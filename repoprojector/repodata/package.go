package repodata

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
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
	// ID grows with every rpm that comes to be; it says what is newer (NewestLast), and is 0 where that is not known.
	ID int64
	// Base is the address that Href is relative to, for a package of another repository (PutForeign); empty for our own.
	Base string
}

func checkHref(href string) error {
	if href == "" || href[0] == '/' || path.Clean(href) != href || path.Base(href) == ".." || href == "." {
		return fmt.Errorf("bad package location %q", href)
	}
	return nil
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
