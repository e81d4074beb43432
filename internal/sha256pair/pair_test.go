package sha256pair

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"math/rand/v2"
	"testing"
)

// check writes both streams in parts of some lengths, and compares with each of them alone.
func check(t *testing.T, p, q []byte, part func() int) {
	t.Helper()
	x := Pair{A: sha256.New(), B: sha256.New()}
	for a, b := p, q; len(a)+len(b) > 0; {
		n, m := min(part(), len(a)), min(part(), len(b))
		if err := x.Write(a[:n], b[:m]); err != nil {
			t.Fatal(err)
		}
		a, b = a[n:], b[m:]
	}
	for i, got := range [][]byte{x.A.Sum(nil), x.B.Sum(nil)} {
		if want := sha256.Sum256([][]byte{p, q}[i]); !bytes.Equal(got, want[:]) {
			t.Errorf("stream %d of %d and %d bytes: %x, want %x", i, len(p), len(q), got, want)
		}
	}
}

func randomBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func TestPair(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for n := range 300 {
		for _, m := range []int{0, 1, 63, 64, 65, 128, 1000, n} {
			p, q := randomBytes(r, n), randomBytes(r, m)
			check(t, p, q, func() int { return 1 << 20 })
			check(t, q, p, func() int { return 1 + r.IntN(200) })
		}
	}
	for range 20 {
		check(t, randomBytes(r, r.IntN(1<<18)), randomBytes(r, r.IntN(1<<18)), func() int { return 1 + r.IntN(1<<16) })
	}
}

// What is written to a digest before and after it was part of a pair counts as well.
func TestPairAmongOthers(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	parts := make([][]byte, 4)
	for i := range parts {
		parts[i] = randomBytes(r, 500+i)
	}
	a, b, c := sha256.New(), sha256.New(), sha256.New()
	a.Write(parts[0])
	x := Pair{A: a, B: b}
	if err := x.Write(parts[1], parts[2]); err != nil {
		t.Fatal(err)
	}
	x.B = c
	if err := x.Write(parts[3], parts[0]); err != nil {
		t.Fatal(err)
	}
	a.Write(parts[2])
	for name, got := range map[string][2]any{
		"a": {[32]byte(a.Sum(nil)), sha256.Sum256(bytes.Join([][]byte{parts[0], parts[1], parts[3], parts[2]}, nil))},
		"b": {[32]byte(b.Sum(nil)), sha256.Sum256(parts[2])},
		"c": {[32]byte(c.Sum(nil)), sha256.Sum256(parts[0])},
	} {
		if got[0] != got[1] {
			t.Errorf("%s: %x, want %x", name, got[0], got[1])
		}
	}
}

func TestOtherDigests(t *testing.T) {
	t.Parallel()
	if !fast {
		t.Skip("this processor digests one after the other, with any hash")
	}
	x := Pair{A: sha512.New(), B: sha256.New()}
	if err := x.Write(make([]byte, 200), make([]byte, 200)); err == nil {
		t.Error("a digest that is not SHA-256 was taken")
	}
}

func FuzzPair(f *testing.F) {
	f.Add([]byte("one"), []byte("other"), uint64(1))
	f.Add(make([]byte, 200), make([]byte, 129), uint64(64))
	f.Fuzz(func(t *testing.T, p, q []byte, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 0))
		check(t, p, q, func() int { return 1 + r.IntN(1+int(seed%512)) })
	})
}

func BenchmarkPair(b *testing.B) {
	for _, n := range []int{1 << 10, 64 << 10} {
		p, q := make([]byte, n), make([]byte, n)
		b.Run(fmt.Sprint(n, "-together"), func(b *testing.B) {
			x := Pair{A: sha256.New(), B: sha256.New()}
			b.SetBytes(2 * int64(n))
			for b.Loop() {
				if err := x.Write(p, q); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprint(n, "-apart"), func(b *testing.B) {
			x, y := sha256.New(), sha256.New()
			b.SetBytes(2 * int64(n))
			for b.Loop() {
				x.Write(p)
				y.Write(q)
			}
		})
	}
}
