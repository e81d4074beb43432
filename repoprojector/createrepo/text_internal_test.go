package createrepo

import (
	"bytes"
	"testing"
)

// TestText puts texts of all lengths together, in the pieces that other texts have left.
func TestText(t *testing.T) {
	t.Parallel()
	s := &shelf{}
	var texts []*text
	for n := range 3 * maxIdle {
		x := &text{shelf: s}
		var want []byte
		for part := range n % 7 {
			b := bytes.Repeat([]byte{byte(n), byte(part)}, part*pieceSize/5)
			want = append(want, b...)
			x.append(b)
		}
		if got := bytes.Join(x.pieces, nil); !bytes.Equal(got, want) || x.size != len(want) {
			t.Fatalf("text %d has %d bytes and says %d, want %d", n, len(got), x.size, len(want))
		}
		if texts = append(texts, x); n%5 == 0 {
			continue
		}
		texts[n/2].free()
		if got := texts[n/2]; got.size != 0 || len(got.pieces) != 0 {
			t.Fatalf("a text that was given back has %d bytes", got.size)
		}
	}
	for _, x := range texts {
		x.free()
	}
	if len(s.idle) != maxIdle {
		t.Errorf("%d pieces are kept, want %d", len(s.idle), maxIdle)
	}
}
