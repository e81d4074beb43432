package repoprojector_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"moromi/internal/koji"
	"moromi/internal/storage"
	"moromi/repoprojector"
)

// smallDisk is room for a topdir, a cache and some repositories.
const smallDisk = 4 << 20

// TestFullDisk fills the disk of the topdir and of the cache. The last READY repository stays whole and is served, and when there is room the next one comes.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can mount a small disk")
	}
	mount := t.TempDir()
	if err := unix.Mount("moromi-test", mount, "tmpfs", 0, fmt.Sprintf("size=%d", smallDisk)); err != nil {
		t.Skipf("no small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(mount, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	for _, lazy := range []bool{true, false} {
		t.Run(fmt.Sprintf("lazy %t", lazy), func(t *testing.T) { fullDisk(t, filepath.Join(mount, fmt.Sprint(lazy)), lazy) })
	}
}

func fullDisk(t *testing.T, dir string, lazy bool) {
	s := newSite(t)
	s.lazy, s.top, s.cache = lazy, filepath.Join(dir, "topdir"), filepath.Join(dir, "cache")
	s.check(os.MkdirAll(s.top, 0o755))
	var err error
	s.Files, err = storage.Open(s.top)
	s.check(err)
	t.Cleanup(func() { _ = s.Files.Close() })
	root := s.makeTag("dist-build", nil)
	s.makeTarget("dist", root, root)
	var builds []int64
	for _, n := range []string{"foo", "bar"} {
		s.list(root, n, false)
		builds = append(builds, s.importBuild(n, "1", [2]string{n, "x86_64"}))
	}
	at := s.put(root, builds[0])
	s.start()
	good := s.waitFor(root, at)["id"].(int64)
	s.waitLinked("dist-build", good)
	read := func(id int64) map[string]string {
		return s.fetch("x86_64", func(name string) (*repoprojector.File, error) { return s.OpenFile(s.ctx(), "dist-build", id, name) })
	}
	want := read(good)

	full := filepath.Join(dir, "full")
	s.fillDisk(full)
	at = s.put(root, builds[1])
	s.until("a problem", func() bool { return len(s.repos(root, koji.RepoProblem)) > 0 })
	if got := read(good); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("on a full disk the last repository is %v, was %v", got, want)
	}
	checkDNF(t, filepath.Join(s.top, "repos/dist-build/latest/x86_64"), "foo-1-1.x86_64")

	s.check(os.Remove(full))
	next := s.waitFor(root, at)["id"].(int64)
	s.waitLinked("dist-build", next)
	checkDNF(t, filepath.Join(s.top, "repos/dist-build/latest/x86_64"), "foo-1-1.x86_64", "bar-1-1.x86_64")
}

// fillDisk writes a file until there is no room for more, and until there is none for a small file either.
func (s *site) fillDisk(name string) {
	s.tb.Helper()
	f, err := os.Create(name)
	s.check(err)
	for block := make([]byte, 64<<10); len(block) > 0; {
		if _, err := f.Write(block); err != nil {
			block = block[:len(block)/2]
		}
	}
	s.check(f.Close())
}
