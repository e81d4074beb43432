package rpm

import (
	"fmt"
	"io"

	"github.com/sassoftware/go-rpmutils"
)

// Verify reads a whole rpm and checks the digests that it carries of itself: the header's and the payload's. It
// tells a cut or damaged file from a whole one, not who signed it. An rpm without any digest of its payload passes, as with
// rpm itself. Errors wrap ErrMalformed, or are ReadHeader's or the reader's.
func Verify(r io.ReadSeeker) error {
	// The library trusts offsets and counts; what ReadHeader let through holds them.
	h, err := ReadHeader(r)
	if err != nil {
		return err
	}
	if !h.Has(TagPayloadDigest) && h.SigMD5() == "" {
		return nil
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("verify rpm: %w", err)
	}
	if _, _, err := rpmutils.Verify(r, nil); err != nil {
		return fmt.Errorf("verify rpm: %w: %w", ErrMalformed, err)
	}
	return nil
}
