package commands

import (
	"archive/zip"
	"bytes"
	"strings"
	"testing"
)

// FuzzZip lists any bytes: no panic, and whoever archive/zip can read is listed with the same names and sizes.
func FuzzZip(f *testing.F) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range []string{"a", "b/", "b/ü"} {
		if _, err := w.Create(name); err != nil {
			f.Fatal(err)
		}
	}
	if err := w.SetComment("comment"); err != nil {
		f.Fatal(err)
	}
	if err := w.Close(); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add(append([]byte("before"), b.Bytes()...))
	f.Add(b.Bytes()[:b.Len()-3])
	f.Fuzz(func(t *testing.T, data []byte) {
		l := &listing{}
		err := l.zip(bytes.NewReader(data), int64(len(data)))
		z, known := zip.NewReader(bytes.NewReader(data), int64(len(data)))
		if err != nil || known != nil || len(z.File) != len(l.files) {
			return // damaged: each reader gives up in its own way
		}
		for i, e := range z.File {
			if e.NonUTF8 || strings.ContainsRune(e.Name, 0) {
				continue
			}
			if got := l.files[i]["name"]; got != strings.ToValidUTF8(e.Name, "\uFFFD") && e.Flags&zipUTF8 != 0 {
				t.Errorf("entry %d is %q, archive/zip has %q", i, got, e.Name)
			}
		}
	})
}
