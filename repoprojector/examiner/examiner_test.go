package examiner_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"moromi/internal/rpm"
	"moromi/internal/rpm/rpmtest"
	"moromi/internal/storage"
	"moromi/repoprojector/examiner"
	"moromi/repoprojector/repodata"
)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// TestExamine looks at a file that is right, and at what may have become of it. What was seen before is looked at again only if it changed.
func TestExamine(t *testing.T) {
	t.Parallel()
	spec := rpmtest.Spec{Name: "foo", Version: "1", Release: "1", Arch: "x86_64", SourceRPM: "foo-1-1.src.rpm", BuildTime: 1700000000, Summary: "It is foo"}
	good := spec.Bytes()
	h, err := rpm.ReadHeader(bytes.NewReader(good))
	check(t, err)
	spec.Summary = "It is fox" // as long
	other := spec.Bytes()
	if len(other) != len(good) {
		t.Fatalf("the rpms have %d and %d bytes", len(good), len(other))
	}
	imported := examiner.File{RPM: 7, Href: "foo.rpm", Size: int64(len(good)), SHA256: digestOf(good), PayloadHash: h.SigMD5()}
	unrecorded, signed := imported, imported
	unrecorded.SHA256 = ""
	signed.Size, signed.Key = 0, "0badcafe"
	signedUnrecorded := signed
	signedUnrecorded.SHA256 = ""
	later := time.Unix(1800000000, 0)
	for _, tt := range []struct {
		what  string
		file  examiner.File
		first []byte // what was there when it was examined before; nil: it was not
		now   []byte // nil: nothing is there
		want  string // part of the error
	}{
		{"imported", imported, nil, good, ""},
		{"imported, unrecorded", unrecorded, nil, good, ""},
		{"signed", signed, nil, good, ""},
		{"signed, unrecorded", signedUnrecorded, nil, good, ""},
		{"touched", imported, good, good, ""},
		{"absent", imported, nil, nil, "foo.rpm is missing"},
		{"gone", imported, good, nil, "foo.rpm is missing"},
		{"short", imported, nil, good[:100], "foo.rpm is corrupt: it has 100 bytes"},
		{"short, signed", signed, nil, good[:100], "foo.rpm is corrupt"},
		{"changed", imported, good, other, "foo.rpm is corrupt: its SHA-256 is " + digestOf(other)},
		{"changed, signed", signed, good, other, "foo.rpm is corrupt: its SHA-256 is " + digestOf(other)},
		{"another, unrecorded", unrecorded, nil, other, "foo.rpm is another one"},
		{"another, signed", signed, nil, other, "foo.rpm is corrupt: its SHA-256 is " + digestOf(other)},
		{"another, signed, unrecorded", signedUnrecorded, nil, other, "foo.rpm is another one"},
	} {
		t.Run(tt.what, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			top, err := storage.Open(dir)
			check(t, err)
			t.Cleanup(func() { _ = top.Close() })
			root, err := os.OpenRoot(t.TempDir())
			check(t, err)
			t.Cleanup(func() { _ = root.Close() })
			store, err := repodata.OpenStore(root, time.Now)
			check(t, err)
			e := examiner.New(top, store)
			name := filepath.Join(dir, "foo.rpm")
			if tt.file.Path, err = storage.Parse("foo.rpm"); err != nil {
				t.Fatal(err)
			}
			examine := func() ([]repodata.Package, error) {
				return e.Examine(t.Context(), 1, func(int) (examiner.File, error) { return tt.file, nil })
			}
			if tt.first != nil {
				check(t, os.WriteFile(name, tt.first, 0o644))
				_, err := examine()
				check(t, err)
				check(t, os.Remove(name))
			}
			if tt.now != nil {
				check(t, os.WriteFile(name, tt.now, 0o644))
				check(t, os.Chtimes(name, later, later))
			}
			got, err := examine()
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Fatalf("%v, want %q", err, tt.want)
				}
				return
			}
			check(t, err)
			if p := got[0]; p.Digest.String() != digestOf(good) || p.Href != "foo.rpm" || p.Time != later.Unix() || p.ID != 7 {
				t.Errorf("%+v", p)
			}
		})
	}
}

// TestSeen: what was examined is not read again, but by a new examiner if nothing is on record.
func TestSeen(t *testing.T) {
	t.Parallel()
	good := rpmtest.Spec{Name: "foo", Version: "1", Release: "1", Arch: "x86_64", BuildTime: 1700000000}.Bytes()
	h, err := rpm.ReadHeader(bytes.NewReader(good))
	check(t, err)
	dir := t.TempDir()
	top, err := storage.Open(dir)
	check(t, err)
	t.Cleanup(func() { _ = top.Close() })
	root, err := os.OpenRoot(t.TempDir())
	check(t, err)
	t.Cleanup(func() { _ = root.Close() })
	store, err := repodata.OpenStore(root, time.Now)
	check(t, err)
	f := examiner.File{RPM: 7, Key: "0badcafe", Href: "foo.rpm", PayloadHash: h.SigMD5()}
	f.Path, err = storage.Parse("foo.rpm")
	check(t, err)
	name, at := filepath.Join(dir, "foo.rpm"), time.Unix(1800000000, 0)
	write := func(b []byte) {
		check(t, os.WriteFile(name, b, 0o644))
		check(t, os.Chtimes(name, at, at))
	}
	e := examiner.New(top, store)
	examine := func() error {
		_, err := e.Examine(t.Context(), 1, func(int) (examiner.File, error) { return f, nil })
		return err
	}
	write(good)
	check(t, examine())
	write(make([]byte, len(good))) // which nothing tells
	check(t, examine())
	e = examiner.New(top, store)
	if err := examine(); err == nil {
		t.Error("a file of zeros was taken for an rpm")
	}
}
