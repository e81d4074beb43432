package createrepo

import "sync"

// pieceSize is the length of pieces: the blocks that wait to be written have six texts each, of some kilobytes to
// some hundreds of them.
const pieceSize = 16 << 10

// text is bytes in pieces of one size, which texts of all sizes share: a block of many packages leaves no large
// buffers behind.
type text struct {
	shelf  *shelf
	pieces [][]byte
	size   int
}

// Write appends; it never fails.
func (t *text) Write(b []byte) (int, error) {
	t.append(b)
	return len(b), nil
}

func (t *text) append(b []byte) {
	t.size += len(b)
	for len(b) > 0 {
		last := len(t.pieces) - 1
		if last < 0 || len(t.pieces[last]) == pieceSize {
			t.pieces = append(t.pieces, t.shelf.get())
			last++
		}
		to := t.pieces[last]
		n := copy(to[len(to):pieceSize], b)
		t.pieces[last], b = to[:len(to)+n], b[n:]
	}
}

// free gives the pieces back.
func (t *text) free() {
	t.shelf.put(t.pieces)
	t.pieces, t.size = nil, 0
}

// maxIdle bounds the pieces that are kept for the next text.
const maxIdle = (2 << 20) / pieceSize

// shelf holds pieces that are not in use.
type shelf struct {
	mu   sync.Mutex
	idle [][]byte
}

func (s *shelf) get() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.idle)
	if n == 0 {
		return make([]byte, 0, pieceSize)
	}
	b := s.idle[n-1]
	s.idle[n-1], s.idle = nil, s.idle[:n-1]
	return b[:0]
}

func (s *shelf) put(pieces [][]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.idle = append(s.idle, pieces[:min(len(pieces), maxIdle-len(s.idle))]...)
}
