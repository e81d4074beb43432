package rpmtest_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"moromi/internal/rpm"
	"moromi/internal/rpm/rpmtest"
)

// TestCorpus holds the packages to rpm's own digests and the reader to the writer.
func TestCorpus(t *testing.T) {
	t.Parallel()
	c := rpmtest.NewCorpus(3)
	var paths []string
	dir := t.TempDir()
	for i := range 60 {
		s := c.Package(i, i%3)
		data := s.Bytes()
		if !bytes.Equal(data, rpmtest.NewCorpus(3).Package(i, i%3).Bytes()) {
			t.Fatalf("package %d differs from itself", i)
		}
		h, err := rpm.ReadHeader(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		if got, want := h.NEVRA().String(), s.NEVRA().String(); got != want {
			t.Errorf("package %d is %s, want %s", i, got, want)
		}
		if files, err := h.Files(); err != nil || len(files) != len(s.Files) {
			t.Errorf("%s: %d files of %d, %v", s.NEVRA(), len(files), len(s.Files), err)
		}
		if got := len(h.Dependencies()); got != len(s.Dependencies) {
			t.Errorf("%s: %d dependencies of %d", s.NEVRA(), got, len(s.Dependencies))
		}
		path := filepath.Join(dir, s.NEVRA().FileName())
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	bin, err := exec.LookPath("rpm")
	if err != nil {
		t.Skip("rpm is not installed")
	}
	if out, err := exec.Command(bin, append([]string{"-K", "--nosignature"}, paths...)...).CombinedOutput(); err != nil {
		t.Errorf("rpm -K: %v\n%s", err, out)
	}
}
