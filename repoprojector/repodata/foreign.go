package repodata

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"time"

	"github.com/klauspost/compress/gzip"
)

// Foreign is what another repository says of a package: its pieces of the three files, from "<package" to the newline behind "</package>", well-formed
// and with the format's usual namespaces. They are passed on as they are.
type Foreign struct {
	// Base is the address that Href is relative to; it is not empty, and Primary has it as xml:base.
	Base, Href                string
	Primary, Filelists, Other []byte
}

// foreignDir has the pieces of packages of others. They come again from where they came from, so what is not used is deleted.
const foreignDir = "foreign"

// foreignVersion changes with whatever changes what a repository has of the same Foreign.
const foreignVersion = "moromi foreign package 1\n"

// ErrForeignGone says that the pieces of another repository's package are no longer in the store: they must be put there again.
var ErrForeignGone = errors.New("the metadata of a package of another repository is not in the store")

// digest is that of all that the package is. No rpm has it: SHA-256 of another kind of text.
func (f *Foreign) digest() Digest {
	h := sha256.New()
	h.Write([]byte(foreignVersion))
	for _, b := range [][]byte{[]byte(f.Base), []byte(f.Href), f.Primary, f.Filelists, f.Other} {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(b)))
		h.Write(n[:])
		h.Write(b)
	}
	return Digest(h.Sum(nil))
}

// PutForeign keeps another repository's package and gives what stands for it in Packages. Putting it again only marks it as used.
func (s *Store) PutForeign(f Foreign) (Package, error) {
	p := Package{Digest: f.digest(), Href: path.Clean(f.Href), Base: f.Base}
	if f.Base == "" || len(f.Primary)+len(f.Filelists)+len(f.Other) > MaxFragment {
		return Package{}, fmt.Errorf("foreign package %s: without a base, or more than %d bytes", f.Href, MaxFragment)
	}
	if err := checkPlace(p); err != nil {
		return Package{}, err
	}
	name := hexPath(foreignDir, p.Digest)
	if s.used(name) {
		return p, nil
	}
	return p, s.writeFragment(name, &Fragment{Digest: p.Digest, parts: [5][]byte{f.Primary, nil, nil, f.Filelists, f.Other}})
}

// foreign gives a kept package; the error wraps ErrForeignGone if it is not there any more.
func (s *Store) foreign(p Package) (*Fragment, error) {
	name := hexPath(foreignDir, p.Digest)
	b, err := s.root.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrForeignGone
	}
	if err != nil {
		return nil, err
	}
	f, err := s.decodeFragment(p.Digest, b)
	if err != nil {
		_ = s.root.Remove(name) // or putting it again would leave it
		return nil, fmt.Errorf("%w: %w", ErrForeignGone, err)
	}
	return f, nil
}

// PruneForeign deletes the packages of others that were not put since. It gives the number of deleted files.
func (s *Store) PruneForeign(since time.Time) (int, error) {
	return s.prune(since, func(string) bool { return false }, foreignDir)
}

// checkPlace is checkHref for packages of others too: their places may lead up from where they are relative to.
func checkPlace(p Package) error {
	if p.Base != "" && p.Href != "" && p.Href[0] != '/' && path.Base(p.Href) != ".." && path.Base(p.Href) != "." {
		return nil
	}
	return checkHref(p.Href)
}

// Extra is a file of a repository that says something else of its packages: where they come from, or which modules they are of.
type Extra struct {
	// Type is what repomd.xml calls it, Name what it is called behind its checksum.
	Type string `json:"type"`
	Name string `json:"name"`
	// Packed is the file, which is gzipped however the others are compressed.
	Packed []byte `json:"packed"`
}

// addExtra adds a file to a version.
func (v *Version) addExtra(e Extra) error {
	z, err := gzip.NewReader(bytes.NewReader(e.Packed))
	if err != nil {
		return fmt.Errorf("read %s: %w", e.Name, err)
	}
	open := sha256.New()
	size, err := io.Copy(open, z)
	if err != nil {
		return fmt.Errorf("read %s: %w", e.Name, err)
	}
	sum := sha256.Sum256(e.Packed)
	f := File{Type: e.Type, Checksum: hex.EncodeToString(sum[:]), Size: int64(len(e.Packed)), OpenChecksum: hex.EncodeToString(open.Sum(nil)), OpenSize: size}
	f.Name = f.Checksum + "-" + e.Name
	v.extra, v.Files = append(v.extra, e), append(v.Files, f)
	return nil
}
