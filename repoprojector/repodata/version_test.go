package repodata_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"moromi/repoprojector/repodata"
)

// TestVersion holds what is read from a kept version against the files that were written of it.
func TestVersion(t *testing.T) {
	t.Parallel()
	for name, compression := range map[string]repodata.Compression{"gzip": repodata.Gzip, "zstd": repodata.Zstd} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, repodata.Options{})
			s.format.Compression = compression
			c := repodata.Content{Format: s.format, Packages: packages(t, s.corpus(150)), Comps: []byte("<comps></comps>\n"), Revision: time.Unix(1_700_000_000, 0)}
			composed, err := s.writer.Compose(t.Context(), c)
			check(t, err)
			check(t, s.store.WriteFiles(t.Context(), s.root, "repos/1", composed))
			check(t, s.store.PutVersion("1/x86_64", composed))
			v, err := s.store.Version("1/x86_64")
			check(t, err)
			names := []string{repodata.RepomdName}
			for _, f := range v.Files {
				names = append(names, f.Name)
			}
			on, err := os.ReadDir(filepath.Join(s.dir, "repos/1/repodata"))
			check(t, err)
			if len(names) != 6 || len(on) != len(names) {
				t.Errorf("%d files of the version, %d written: %v", len(names), len(on), names)
			}
			random := rand.New(rand.NewPCG(1, 2))
			for _, name := range names {
				want, err := os.ReadFile(filepath.Join(s.dir, "repos/1/repodata", name))
				check(t, err)
				r, err := s.store.Open(v, name)
				check(t, err)
				got, err := io.ReadAll(r)
				check(t, err)
				if !bytes.Equal(got, want) || r.Size() != int64(len(want)) {
					t.Errorf("%s: %d bytes, want %d", name, len(got), len(want))
				}
				for range 20 {
					from := random.Int64N(r.Size())
					n := random.Int64N(r.Size()-from) + 1
					_, err := r.Seek(from, io.SeekStart)
					check(t, err)
					part := make([]byte, n)
					_, err = io.ReadFull(r, part)
					check(t, err)
					if !bytes.Equal(part, want[from:from+n]) {
						t.Fatalf("%s from %d on, %d bytes: others", name, from, n)
					}
				}
			}
			if _, err := s.store.Open(v, "primary.xml.gz"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("a file that it has not: %v", err)
			}
			if _, err := s.store.Version("2/x86_64"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("a version that is not there: %v", err)
			}
		})
	}
}

// TestPruneKeepsVersions: blocks of a kept version stay, however old; when it is dropped they go.
func TestPruneKeepsVersions(t *testing.T) {
	t.Parallel()
	s := newSite(t, repodata.Options{})
	list := s.corpus(200)
	v, err := s.writer.Compose(t.Context(), repodata.Content{Packages: packages(t, list)})
	check(t, err)
	check(t, s.store.PutVersion("7/x86_64", v))
	_, err = s.writer.Compose(t.Context(), repodata.Content{Packages: packages(t, list[:199])})
	check(t, err)
	later := time.Now().Add(30 * 24 * time.Hour)
	pruned, err := s.store.PruneBlocks(later)
	check(t, err)
	if pruned == 0 || !s.store.Whole(v) {
		t.Errorf("%d blocks pruned, the version whole: %v", pruned, s.store.Whole(v))
	}
	check(t, s.store.DropVersions("7"))
	names, err := s.store.VersionNames()
	check(t, err)
	more, err := s.store.PruneBlocks(later)
	check(t, err)
	if len(names) != 0 || more != v.Blocks() || s.store.Whole(v) {
		t.Errorf("names %v, %d of %d blocks pruned", names, more, v.Blocks())
	}
}

// TestLostBlocks: a version whose blocks are damaged or gone says so when it is read, and composing it again makes it whole.
func TestLostBlocks(t *testing.T) {
	t.Parallel()
	s := newSite(t, repodata.Options{})
	c := repodata.Content{Packages: packages(t, s.corpus(150))}
	v, err := s.writer.Compose(t.Context(), c)
	check(t, err)
	blocks, err := filepath.Glob(filepath.Join(s.dir, "cache/blocks/*/*"))
	check(t, err)
	slices.Sort(blocks)
	check(t, os.Remove(blocks[0]))
	check(t, os.Truncate(blocks[1], 100))
	read := func(v *repodata.Version) (err error) {
		for _, f := range v.Files {
			r, openErr := s.store.Open(v, f.Name)
			check(t, openErr)
			_, readErr := io.Copy(io.Discard, r)
			err = errors.Join(err, readErr)
		}
		return err
	}
	if err := read(v); !repodata.Lost(err) {
		t.Errorf("reading a version without some of its blocks: %v", err)
	}
	s.store.DropDamaged(v)
	s.writer.Forget()
	again, err := s.writer.Compose(t.Context(), c)
	check(t, err)
	if err := read(again); err != nil || again.Built != 2 || again.RepomdChecksum() != v.RepomdChecksum() {
		t.Errorf("composed again: %v, %d blocks built, repomd %s and %s", err, again.Built, again.RepomdChecksum(), v.RepomdChecksum())
	}
}

// FuzzVersion feeds the store with kept versions that are not what was written: they are refused, and nothing panics.
func FuzzVersion(f *testing.F) {
	s := newSite(f, repodata.Options{})
	v, err := s.writer.Compose(f.Context(), repodata.Content{Packages: packages(f, s.corpus(3))})
	check(f, err)
	check(f, s.store.PutVersion("x", v))
	whole, err := os.ReadFile(filepath.Join(s.dir, "cache/versions/x"))
	check(f, err)
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add([]byte("MRV1\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := s.store.DecodeVersion(data)
		if err != nil {
			return
		}
		for _, file := range v.Files {
			if r, err := s.store.Open(v, file.Name); err == nil {
				_, _ = io.CopyN(io.Discard, r, 1<<16) // it may fail, not panic
			}
		}
	})
}
