package repoprojector_test

import (
	"os"
	"path/filepath"
	"testing"
)

// TestFilesOfSmallRepositories: who reads the topdir finds a small repository as soon as it is READY, also where the files of others come later.
func TestFilesOfSmallRepositories(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.lazy, s.lazyFrom = true, 500
	root := s.makeTag("dist-build", nil)
	s.makeTarget("dist", root, root)
	s.start()
	for range 5 {
		at := s.list(root, "foo", false)
		s.waitFor(root, at)
		if _, err := os.Stat(filepath.Join(s.top, "repos", "dist-build", "latest", "x86_64", "repodata", "repomd.xml")); err != nil {
			t.Error(err)
		}
		s.waitFor(root, s.list(root, "foo", true))
	}
}
