package createrepo

import "context"

// RunSteps is Run with a function that is called before each change on disk.
func RunSteps(ctx context.Context, o Options, onStep func(string)) (*Report, error) {
	return start(ctx, o, onStep)
}

// Match is the matching of excludes.
func Match(pattern, text string) bool { return match(pattern, text) }

// Reencode decodes a table and encodes it again.
func Reencode(b []byte) ([]byte, error) {
	t, err := decodeTable(b)
	if err != nil {
		return nil, err
	}
	return t.encode()
}

// Seal puts the right checksum at a table's end.
func Seal(b []byte) []byte {
	if len(b) < crcSize {
		return b
	}
	b = append([]byte(nil), b...)
	sum := checksum(b[:len(b)-crcSize])
	for i := range crcSize {
		b[len(b)-crcSize+i] = byte(sum >> (8 * i))
	}
	return b
}
