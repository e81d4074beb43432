// Package reposign signs the index of yum repositories: repomd.xml.asc, a detached OpenPGP signature in armor (RFC 9580), as dnf wants it with repo_gpgcheck.
//
// The private key is a file, or stays with GnuPG and its agent, be it on a smart card. It is in no log, error or answer. What is signed with a file's key is the same for the
// same text and time on every hub (RSA and EdDSA keys), so that several hubs and caches before them agree.
package reposign

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// Options say what to sign with.
type Options struct {
	// Key is a file with a private key, armored or not, or GPG and the id of a key of GnuPG.
	Key string
	// Home is GnuPG's directory for such a key; empty for the one that it takes by itself.
	Home string
	// Public are files with further public keys, to be published beside the key's own: of one that comes next, or was before.
	Public []string
	Clock  func() time.Time
}

// GPG begins the name of a key that GnuPG has.
const GPG = "gpg:"

const (
	// maxKeyFile bounds a file with keys; one with many signatures of others has some hundred kilobytes.
	maxKeyFile = 4 << 20
	// maxKept bounds the signatures that are remembered, of about a kilobyte each. Past it all are forgotten.
	maxKept = 4096
	// othersBits are the permissions of those who must not read a private key.
	othersBits = 0o007
)

// Signer signs. It is safe for concurrent use.
type Signer struct {
	sign   func(ctx context.Context, text []byte, made time.Time) ([]byte, error)
	public []byte
	// own is the key that signs, others are the further public ones.
	own, others openpgp.EntityList
	clock       func() time.Time

	mu   sync.Mutex
	kept map[[sha256.Size]byte][]byte
}

// Open reads the key and tries it out.
func Open(ctx context.Context, o Options) (*Signer, error) {
	s := &Signer{clock: o.Clock}
	var err error
	if id, ok := strings.CutPrefix(o.Key, GPG); ok {
		err = s.openGPG(ctx, id, o.Home)
	} else {
		err = s.openFile(o.Key, o.Clock())
	}
	if err != nil {
		return nil, fmt.Errorf("key for repositories: %w", err)
	}
	if s.own, err = openpgp.ReadArmoredKeyRing(bytes.NewReader(s.public)); err != nil {
		return nil, fmt.Errorf("key for repositories: %w", err)
	}
	for _, name := range o.Public {
		ring, err := readRing(name)
		if err != nil {
			return nil, fmt.Errorf("public key for repositories: %w", err)
		}
		for _, e := range ring {
			text, err := armored(e) // a private part is left out
			if err != nil {
				return nil, fmt.Errorf("public key for repositories: %s: %w", name, err)
			}
			s.public = append(s.public, text...)
		}
		s.others = append(s.others, ring...)
	}
	return s, nil
}

// PublicKey are the public keys in armor, one block each: the one that signs first.
func (s *Signer) PublicKey() []byte { return s.public }

// Sign gives the armored signature of a text that was made at a time. The time stands in the signature, but for keys of GnuPG, where it is that of the signing.
func (s *Signer) Sign(ctx context.Context, text []byte, made time.Time) ([]byte, error) {
	key := sha256.Sum256(text)
	s.mu.Lock()
	sig := s.kept[key]
	s.mu.Unlock()
	if sig != nil {
		return sig, nil
	}
	sig, err := s.sign(ctx, text, made)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if first := s.kept[key]; first != nil { // of two at once, the same for both
		return first, nil
	}
	if s.kept == nil || len(s.kept) >= maxKept {
		s.kept = map[[sha256.Size]byte][]byte{}
	}
	s.kept[key] = sig
	return sig, nil
}

// openFile takes the private key of a file.
func (s *Signer) openFile(name string, now time.Time) error {
	st, err := os.Stat(name)
	if err != nil {
		return err
	}
	if st.Mode().Perm()&othersBits != 0 {
		return fmt.Errorf("%s can be read or written by anybody: chmod 600 it", name)
	}
	ring, err := readRing(name)
	if err != nil {
		return err
	}
	if len(ring) != 1 {
		return fmt.Errorf("%s has %d keys instead of one", name, len(ring))
	}
	e := ring[0]
	key, ok := e.SigningKey(now)
	switch {
	case e.PrivateKey == nil:
		return fmt.Errorf("%s has no private key", name)
	case !ok:
		return fmt.Errorf("the key in %s cannot sign: it is expired, revoked or for other uses", name)
	case key.PrivateKey == nil:
		return fmt.Errorf("%s has no private key that signs", name)
	case key.PrivateKey.Encrypted:
		return fmt.Errorf("the key in %s has a passphrase: leave it with GnuPG and its agent (%sID), or take the passphrase off", name, GPG)
	}
	s.sign = func(_ context.Context, text []byte, made time.Time) ([]byte, error) {
		return detached(e, key.PublicKey.CreationTime, text, made)
	}
	if _, err := s.sign(context.Background(), []byte("try"), now); err != nil {
		return fmt.Errorf("the key in %s cannot sign: %w", name, err)
	}
	s.public, err = armored(e)
	return err
}

// detached signs with a key that was made at born: no signature is older than its key.
func detached(e *openpgp.Entity, born time.Time, text []byte, made time.Time) ([]byte, error) {
	at := made.Truncate(time.Second)
	if at.Before(born) {
		at = born
	}
	random := false
	cfg := &packet.Config{DefaultHash: crypto.SHA256, Time: func() time.Time { return at }, NonDeterministicSignaturesViaNotation: &random}
	var out bytes.Buffer
	if err := openpgp.ArmoredDetachSign(&out, e, bytes.NewReader(text), cfg); err != nil {
		return nil, err
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

// armored is the public part of a key.
func armored(e *openpgp.Entity) ([]byte, error) {
	var out bytes.Buffer
	w, err := armor.Encode(&out, openpgp.PublicKeyType, nil)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(e.Serialize(w), w.Close()); err != nil {
		return nil, err
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

// readRing reads the keys of a file, armored or not.
func readRing(name string) (openpgp.EntityList, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	if len(raw) > maxKeyFile {
		return nil, fmt.Errorf("%s has more than %d bytes", name, maxKeyFile)
	}
	read := openpgp.ReadKeyRing
	if bytes.HasPrefix(bytes.TrimSpace(raw), []byte("-----BEGIN PGP")) {
		read = openpgp.ReadArmoredKeyRing
	}
	ring, err := read(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("%s is no OpenPGP key: %w", name, err)
	}
	return ring, nil
}

// keyBits is what is as strong as the SHA-256 beside it, and what every client that still gets updates takes.
const keyBits = 3072

// MakeKey makes a private key without a passphrase in a new file that its owner alone reads. The comment is part of the key's name.
func MakeKey(file, comment string, now time.Time) (err error) {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("make key for repositories: %w", err)
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			_ = os.Remove(file)
			err = fmt.Errorf("make key for repositories: %w", err)
		}
	}()
	e, err := openpgp.NewEntity("Repositories", comment, "", &packet.Config{RSABits: keyBits, Time: func() time.Time { return now }})
	if err != nil {
		return err
	}
	w, err := armor.Encode(f, openpgp.PrivateKeyType, nil)
	if err != nil {
		return err
	}
	if err := errors.Join(e.SerializePrivate(w, nil), w.Close()); err != nil {
		return err
	}
	return f.Sync()
}
