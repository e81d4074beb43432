package reposign

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// ErrUnknown says that a signature is of none of the published keys, or not of the text.
var ErrUnknown = errors.New("the signature is of none of the published keys")

// Renew gives a signature that takes the place of one by another of the published keys, of the same text and time; nil if the key that signs now made that one. It is for files that were
// signed before the key was another: what none of the keys has signed is not signed here, and the error wraps ErrUnknown.
func (s *Signer) Renew(ctx context.Context, text, signature []byte) ([]byte, error) {
	if _, err := s.check(s.own, text, signature); err == nil {
		return nil, nil
	}
	sig, err := s.check(s.others, text, signature)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	return s.Sign(ctx, text, sig.CreationTime)
}

// check holds a text to a signature by one of some keys, which may have expired since.
func (s *Signer) check(ring openpgp.EntityList, text, signature []byte) (*packet.Signature, error) {
	verify := func(now func() time.Time) (*packet.Signature, error) {
		block, err := armor.Decode(bytes.NewReader(signature))
		if err != nil {
			return nil, err
		}
		sig, _, err := openpgp.VerifyDetachedSignature(ring, bytes.NewReader(text), block.Body, &packet.Config{Time: now})
		return sig, err
	}
	sig, err := verify(s.clock)
	if errors.Is(err, pgperrors.ErrKeyExpired) && sig != nil {
		return verify(func() time.Time { return sig.CreationTime })
	}
	return sig, err
}
