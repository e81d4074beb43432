package storage

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestStage fills a stage with links and files: nothing of it is to be seen until it is in place, and then all of it is, over what was there.
func TestStage(t *testing.T) {
	t.Parallel()
	top, dir := open(t)
	from, repo := must(t)(Parse("packages/foo.rpm")), must(t)(Parse("repos-dist/f43/1"))
	if err := errors.Join(top.WriteFile(from, []byte("rpm")), top.MkdirAll(must(t)(repo.Join("x86_64", "old")))); err != nil {
		t.Fatal(err)
	}
	old := time.Unix(1000000000, 0)
	if err := os.Chtimes(filepath.Join(dir, "packages/foo.rpm"), old, old); err != nil {
		t.Fatal(err)
	}
	s, err := top.Stage(repo)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Root.MkdirAll("Packages/f", 0o755), s.Link(from, "Packages/f/foo.rpm"), s.Root.WriteFile("pkglist", nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	for _, out := range []string{"../foo.rpm", "a/../../foo.rpm"} {
		if err := s.Link(from, out); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("linked to %s: %v", out, err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "repos-dist/f43/1/x86_64/old")); err != nil {
		t.Errorf("what was there went too early: %v", err)
	}
	if err := s.Place("x86_64"); err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(filepath.Join(dir, "repos-dist/f43/1/x86_64/Packages/f/foo.rpm")); err != nil || !st.ModTime().Equal(old) {
		t.Errorf("the link: %v, %v", st, err)
	}
	s, err = top.Stage(repo)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Discard(); err != nil {
		t.Fatal(err)
	}
	if _, err := top.Stage(repo); err != nil { // left by a process that died
		t.Fatal(err)
	}
	if err := top.RemoveStages(repo); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(filepath.Join(dir, "repos-dist/f43/1"))
	if err != nil || len(entries) != 1 || entries[0].Name() != "x86_64" {
		t.Errorf("in the directory are %v, %v", entries, err)
	}
	if inside, err := os.ReadDir(filepath.Join(dir, "repos-dist/f43/1/x86_64")); err != nil || len(inside) != 2 {
		t.Errorf("in place are %v, %v", inside, err)
	}
}
