package rpm_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"moromi/internal/rpm"
)

func TestVerify(t *testing.T) {
	t.Parallel()
	for _, name := range fixtures(t) {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if err := rpm.Verify(bytes.NewReader(data)); err != nil {
				t.Errorf("a whole rpm: %v", err)
			}
			h := readHeader(t, name)
			damaged := map[string][]byte{
				"payload cut":      data[:len(data)-1],
				"without payload":  data[:h.End],
				"payload changed":  flipped(data, int(h.End)+1),
				"header changed":   flipped(data, int(h.End)-3),
				"bytes behind all": append(bytes.Clone(data), 0),
			}
			for what, d := range damaged {
				if err := rpm.Verify(bytes.NewReader(d)); !errors.Is(err, rpm.ErrMalformed) {
					t.Errorf("%s: %v, want %v", what, err, rpm.ErrMalformed)
				}
			}
		})
	}
}

func flipped(data []byte, at int) []byte {
	d := bytes.Clone(data)
	d[at] ^= 1
	return d
}
