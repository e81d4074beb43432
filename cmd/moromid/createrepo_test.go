package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"moromi/internal/rpm/rpmtest"
)

// TestCreaterepo checks what scripts see of the verb: exit status, words, where files are.
func TestCreaterepo(t *testing.T) {
	t.Parallel()
	dir, out := t.TempDir(), t.TempDir()
	corpus := rpmtest.NewCorpus(1)
	for i := range 5 {
		spec := corpus.Package(i, 0)
		if err := os.WriteFile(filepath.Join(dir, spec.NEVRA().FileName()), spec.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got := mustVerb(t, "", "createrepo", "-o", out, dir); !strings.HasPrefix(got, "5 packages, 5 read") {
		t.Errorf("says %q", got)
	}
	if got := mustVerb(t, "", "createrepo", "-q", "-o", out, dir); got != "" {
		t.Errorf("--quiet says %q", got)
	}
	// as kojid calls createrepo_c, but for -d
	kojid := []string{"createrepo", "--error-exit-val", "-v", "-o", out, "--update", "--skip-stat", dir}
	mustVerb(t, "", kojid...)
	if _, said, _ := verb(t, "", kojid...); !strings.Contains(said, "0 of 1 blocks") || strings.Contains(said, "nothing was taken over") {
		t.Errorf("the second update says %q", said)
	}
	if err := os.WriteFile(filepath.Join(dir, "bad-1-1.noarch.rpm"), []byte("text"), 0o644); err != nil {
		t.Fatal(err)
	}
	stdout, stderr, status := verb(t, "", kojid...)
	if status != exitPartly || !strings.HasPrefix(stdout, "5 packages") || strings.Count(stderr, `left out "bad-1-1.noarch.rpm"`) != 1 {
		t.Errorf("a bad rpm: status %d, %q, %q", status, stdout, stderr)
	}
	if _, stderr, status := verb(t, "", "createrepo", "-q", "-o", out, dir); status != 0 || !strings.Contains(stderr, "bad-1-1.noarch.rpm") {
		t.Errorf("a bad rpm without --error-exit-val: status %d, %q", status, stderr)
	}
	wantRefused(t, exitFailed, "no such file", "createrepo", dir+"/nowhere")
	wantRefused(t, exitFailed, "read package list", "createrepo", "-i", dir+"/nowhere", "-o", out, dir)
	wantRefused(t, exitFailed, "read group file", "createrepo", "-g", "nowhere", "-o", out, dir)
	wantRefused(t, exitUsage, `"xz" is no compression`, "createrepo", "--compress-type", "xz", dir)
	wantRefused(t, exitUsage, `checksums are sha256`, "createrepo", "-s", "sha1", dir)
	wantRefused(t, exitUsage, "accepts 1 arg", "createrepo")
	wantRefused(t, exitUsage, "unknown flag: --deltas", "createrepo", "--deltas", dir)
	wantRefused(t, exitUsage, "--workers", "createrepo", "--workers", "0", dir)
	wantRefused(t, exitUsage, "reads no zstd", "createrepo", "-d", "--compress-type", "zstd", dir)
	wantRefused(t, exitFailed, "is no number of seconds", "createrepo", "--revision", "x", "--set-timestamp-to-revision", dir)
}

// TestCreaterepoDatabase lets sqliterepo_c add its databases.
func TestCreaterepoDatabase(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	spec := rpmtest.NewCorpus(1).Package(0, 0)
	if err := os.WriteFile(filepath.Join(dir, spec.NEVRA().FileName()), spec.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := exec.LookPath("sqliterepo_c"); err != nil {
		wantRefused(t, exitFailed, "sqliterepo_c, which is not installed", "createrepo", "-d", dir)
		return
	}
	for range 2 {
		mustVerb(t, "", "createrepo", "-d", "--update", dir)
		index, err := os.ReadFile(filepath.Join(dir, "repodata/repomd.xml"))
		if err != nil {
			t.Fatal(err)
		}
		names, err := filepath.Glob(filepath.Join(dir, "repodata/*.sqlite*"))
		if err != nil {
			t.Fatal(err)
		}
		if len(names) != 3 || strings.Count(string(index), `_db">`) != 3 {
			t.Errorf("databases %q in\n%s", names, index)
		}
	}
}
