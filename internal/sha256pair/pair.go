// Package sha256pair digests two streams side by side on one processor. A round of SHA-256 waits for the one before it, so that a processor with
// instructions for it idles half of the time while it digests one stream; with the rounds of another in between it does both in the time of one. The Linux
// kernel digests blocks of verified disks in the same way.
package sha256pair

import (
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"fmt"
	"hash"
)

// What crypto/sha256 marshals a digest to: a magic, the eight words of its state, what does not fill a block yet, and how many bytes there were.
const (
	stateSize  = stateWords + 8*4 + sha256.BlockSize + 8
	stateWords = 4
	stateCount = stateSize - 8
)

// resumable is what sha256.New gives.
type resumable interface {
	hash.Hash
	encoding.BinaryAppender
	encoding.BinaryUnmarshaler
}

// Pair is two digests. It is for one goroutine at a time; its digests may change places with others between two calls.
type Pair struct {
	A, B hash.Hash // as sha256.New makes them
	buf  [2][stateSize]byte
}

// Fast tells whether two streams take less than one after the other.
func Fast() bool { return fast }

// Write is A.Write(p) and B.Write(q), in the time of the longer one where the processor can do it.
func (x *Pair) Write(p, q []byte) error {
	if fast && len(p) >= sha256.BlockSize && len(q) >= sha256.BlockSize {
		var err error
		if p, q, err = x.writeBlocks(p, q); err != nil {
			return err
		}
	}
	x.A.Write(p)
	x.B.Write(q)
	return nil
}

// writeBlocks takes in as many whole blocks as both have and gives what is left.
func (x *Pair) writeBlocks(p, q []byte) (_, _ []byte, err error) {
	a, p, err := x.resume(0, x.A, p)
	if err != nil {
		return p, q, err
	}
	b, q, err := x.resume(1, x.B, q)
	if err != nil {
		return p, q, err
	}
	n := min(len(p), len(q)) / sha256.BlockSize
	if n == 0 {
		return p, q, nil
	}
	v, w := words(x.buf[0][:]), words(x.buf[1][:])
	blocks(&v, &w, &p[0], &q[0], n)
	if err := x.keep(0, a, &v, n); err != nil {
		return p, q, err
	}
	n *= sha256.BlockSize
	return p[n:], q[n:], x.keep(1, b, &w, n/sha256.BlockSize)
}

// resume brings a digest to the end of a block, and reads its state into the buffer.
func (x *Pair) resume(i int, h hash.Hash, p []byte) (resumable, []byte, error) {
	r, ok := h.(resumable)
	if !ok {
		return nil, p, fmt.Errorf("resume digest: %T cannot be resumed", h)
	}
	state, err := r.AppendBinary(x.buf[i][:0])
	if err != nil || len(state) != stateSize {
		return nil, p, fmt.Errorf("resume digest: state of %d bytes: %w", len(state), err)
	}
	over := int(binary.BigEndian.Uint64(state[stateCount:]) % sha256.BlockSize)
	if over == 0 {
		return r, p, nil
	}
	n := sha256.BlockSize - over
	r.Write(p[:n])
	_, err = r.AppendBinary(x.buf[i][:0])
	return r, p[n:], err
}

// keep gives a digest the state it has after so many more blocks.
func (x *Pair) keep(i int, r resumable, s *state, n int) error {
	b := x.buf[i][:]
	for j, w := range order {
		binary.BigEndian.PutUint32(b[stateWords+4*w:], s[j])
	}
	count := b[stateCount:]
	binary.BigEndian.PutUint64(count, binary.BigEndian.Uint64(count)+uint64(n)*sha256.BlockSize)
	return r.UnmarshalBinary(b)
}

// state is a digest's eight words in the order in which the processor's instructions want them.
type state [8]uint32

// order is which word of SHA-256's A to H each of them is.
var order = [8]int{5, 4, 1, 0, 7, 6, 3, 2}

func words(marshaled []byte) (s state) {
	for j, w := range order {
		s[j] = binary.BigEndian.Uint32(marshaled[stateWords+4*w:])
	}
	return s
}
