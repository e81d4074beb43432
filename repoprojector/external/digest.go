package external

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"hash"
)

// newHash gives the digest that the format calls by a name. MD5 and SHA-1 ("sha" is yum's old name of it) protect against accidents only; they are what
// repositories of their time have.
func newHash(name string) (hash.Hash, error) {
	switch name {
	case "sha256":
		return sha256.New(), nil
	case "sha512":
		return sha512.New(), nil
	case "sha384":
		return sha512.New384(), nil
	case "sha224":
		return sha256.New224(), nil
	case "sha", "sha1":
		return sha1.New(), nil
	case "md5":
		return md5.New(), nil
	}
	return nil, fmt.Errorf("checksums of type %.40q are not known", name)
}

// checkSum refuses a checksum that is none of its type.
func checkSum(kind, sum string) error {
	h, err := newHash(kind)
	if err != nil {
		return err
	}
	if b, err := hex.DecodeString(sum); err != nil || len(b) != h.Size() {
		return fmt.Errorf("%.140q is no %s checksum", sum, kind)
	}
	return nil
}
