package commands_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"moromi/commands"
	"moromi/events"
	"moromi/internal/fault"
	"moromi/internal/koji"
	archivemodel "moromi/projections/archive"
	"moromi/projections/query"
)

var art = events.MavenInfo{GroupID: "org.ex", ArtifactID: "art", Version: "1.0"}

const artPOM = `<?xml version="1.0"?><project><parent><groupId>org.ex</groupId><version>9</version></parent><artifactId>art</artifactId><version> 1.0 </version>
<dependencies><dependency><groupId>other</groupId></dependency></dependencies><name>&undefined;</name></project>`

// archiveBuild makes a complete build of all types that archives have.
func (s *site) archiveBuild(draft bool) query.Row {
	s.t.Helper()
	ctx, name := s.t.Context(), "mpkg"
	if draft {
		name = "dpkg"
	}
	id, err := s.CreateBuild(ctx, s.actor, commands.NewBuild{Name: name, Version: "1.0", Release: "1", State: koji.BuildComplete, Draft: draft})
	if err != nil {
		s.t.Fatal(err)
	}
	if draft {
		return s.build(id)
	}
	for _, err := range []error{s.SetMavenBuild(ctx, s.actor, id, art), s.SetWinBuild(ctx, s.actor, id, "win10"), s.SetImageBuild(ctx, s.actor, id)} {
		if err != nil {
			s.t.Fatal(err)
		}
	}
	return s.build(id)
}

// zipped is a zip file with these files of so many bytes.
func zipped(t *testing.T, files map[string]int) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, size := range files {
		h := &zip.FileHeader{Name: name, Method: zip.Deflate}
		h.Modified = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
		w, err := z.CreateHeader(h)
		if err == nil {
			_, err = w.Write(make([]byte, size))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gzipped(t *testing.T, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func tarred(t *testing.T, names ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, n := range names {
		h := &tar.Header{Name: n, Mode: 0o640, Size: 3, Uname: "u", Gname: "g", ModTime: time.Unix(1600000000, 0)}
		if strings.HasSuffix(n, "/") {
			h.Typeflag, h.Size, h.Mode = tar.TypeDir, 0, 0o755
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			if _, err := w.Write([]byte("abc")); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestImportArchive(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ctx := t.Context()
	b := s.archiveBuild(false)
	win, arch := &events.WinInfo{RelPath: "bin/x", Platforms: "p q"}, "x86_64"
	s.uploadBytes("a", "art-1.0.pom", []byte(artPOM))
	s.uploadBytes("a", "art-1.0.jar", zipped(t, map[string]int{"a/B.class": 8}))
	s.uploadBytes("a", "setup.exe", []byte("MZ"))
	s.uploadBytes("a", "disk.tar.gz", gzipped(t, tarred(t, "d/", "d/f")))
	s.uploadBytes("a", "x.unknown", []byte("x"))
	var ids []int64
	for _, in := range []commands.NewArchive{{Path: "a/art-1.0.pom", Type: "maven", Maven: &art}, {Path: "a/art-1.0.jar", Type: "maven", Maven: &art},
		{Path: "a/setup.exe", Type: "win", Win: win}, {Path: "a/disk.tar.gz", Type: "image", ImageArch: &arch}} {
		id, err := s.ImportArchive(ctx, s.actor, b, in)
		if err != nil {
			t.Fatalf("%s: %v", in.Path, err)
		}
		ids = append(ids, id)
	}
	for _, f := range []string{"maven/org/ex/art/1.0/art-1.0.pom", "maven/org/ex/art/1.0/art-1.0.jar", "maven/org/ex/art/1.0/art-1.0.jar.md5", "maven/org/ex/art/1.0/art-1.0.pom.sha1",
		"win/bin/x/setup.exe", "images/disk.tar.gz"} {
		if st, err := os.Lstat(filepath.Join(s.dir, "packages/mpkg/1.0/1", f)); err != nil || !st.Mode().IsRegular() {
			t.Errorf("%s: %v", f, err)
		}
	}
	files, err := s.ArchiveFiles(ctx, ids[1], true)
	if want := (query.Row{"archive_id": ids[1], "name": "a/B.class", "size": int64(8), "mtime": int64(1577836800)}); err != nil || len(files) != 1 || fmt.Sprint(files[0]) != fmt.Sprint(want) {
		t.Errorf("jar: %v, %v", files, err)
	}
	files, err = s.ArchiveFiles(ctx, ids[3], true)
	want := []query.Row{{"archive_id": ids[3], "name": "d", "size": int64(0), "mtime": int64(1600000000), "mode": int64(0o755), "user": "u", "group": "g"},
		{"archive_id": ids[3], "name": "d/f", "size": int64(3), "mtime": int64(1600000000), "mode": int64(0o640), "user": "u", "group": "g"}}
	if err != nil || fmt.Sprint(files) != fmt.Sprint(want) {
		t.Errorf("tar: %v, %v", files, err)
	}
	if files, err := s.ArchiveFiles(ctx, ids[2], false); err != nil || len(files) != 0 {
		t.Errorf("exe: %v, %v", files, err)
	}
	_, err = s.ArchiveFiles(ctx, ids[2], true)
	refused(t, err, fault.Generic)
	if ok, err := s.DeleteBuild(ctx, s.actor, b["build_id"].(int64), true, nil); err != nil || ok != true || s.isDir("packages/mpkg/1.0/1") {
		t.Errorf("deleted %v, %v", ok, err)
	}
	if a, err := archivemodel.Get(ctx, s.DB, ids[0], nil); err != nil || a["artifact_id"] != "art" {
		t.Errorf("what is known of an archive stays: %v, %v", a, err)
	}
	if files, err := s.ArchiveFiles(ctx, ids[1], true); err != nil || len(files) != 0 {
		t.Errorf("files of a deleted build: %v, %v", files, err)
	}
	s.verify()
}

// TestRefusedArchive has archives refused: nothing is left, and the uploads are as they were.
func TestRefusedArchive(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ctx := t.Context()
	b, draft := s.archiveBuild(false), s.archiveBuild(true)
	arch := "x86_64"
	other := events.MavenInfo{GroupID: "org.ex", ArtifactID: "art", Version: "2"}
	hostile := func(group, artifact, version string) commands.NewArchive {
		return commands.NewArchive{Path: "a/x.jar", Type: "maven", Maven: &events.MavenInfo{GroupID: group, ArtifactID: artifact, Version: version}}
	}
	for name, data := range map[string]string{"art-1.0.pom": artPOM, "other.pom": artPOM, "bad.pom": "<project>", "x.jar": "x", "x.txt": "x", "x.unknown": "x"} {
		s.uploadBytes("a", name, []byte(data))
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(s.dir, "work/a/link.txt")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(s.dir, "work/a/dir.txt"), 0o755); err != nil {
		t.Fatal(err)
	}
	image := func(path string) commands.NewArchive {
		return commands.NewArchive{Path: path, Type: "image", ImageArch: &arch}
	}
	if _, err := s.ImportArchive(ctx, s.actor, b, image("a/x.txt")); err != nil {
		t.Fatal(err)
	}
	s.uploadBytes("b", "x.txt", []byte("another"))
	empty, err := s.CreateBuild(ctx, s.actor, commands.NewBuild{Name: "empty", Version: "1", Release: "1", State: koji.BuildComplete})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		build query.Row
		in    commands.NewArchive
		code  fault.Code
	}{
		"no file":               {b, image("a/nosuch.txt"), fault.Generic},
		"symlink":               {b, image("a/link.txt"), fault.Generic},
		"directory":             {b, image("a/dir.txt"), fault.Generic},
		"path leads out":        {b, image("../packages/mpkg/1.0/1/images/x.txt"), fault.Generic},
		"path leads out below":  {b, image("a/../../../etc/passwd"), fault.Generic},
		"absolute path":         {b, image("/etc/passwd"), fault.Generic},
		"empty path":            {b, image(""), fault.Generic},
		"unknown extension":     {b, image("a/x.unknown"), fault.Generic},
		"there already":         {b, image("b/x.txt"), fault.Generic},
		"draft":                 {draft, image("b/x.txt"), fault.Generic},
		"build without type":    {s.build(empty), image("b/x.txt"), fault.Import},
		"unknown type":          {b, commands.NewArchive{Path: "b/x.txt", Type: "nosuch"}, fault.Build},
		"pom of another":        {b, commands.NewArchive{Path: "a/art-1.0.pom", Type: "maven", Maven: &other}, fault.Build},
		"pom of another name":   {b, commands.NewArchive{Path: "a/other.pom", Type: "maven", Maven: &art}, fault.Build},
		"broken pom":            {b, commands.NewArchive{Path: "a/bad.pom", Type: "maven", Maven: &art}, fault.Generic},
		"maven without info":    {b, commands.NewArchive{Path: "a/x.jar", Type: "maven"}, fault.Parameter},
		"group leads out":       {b, hostile("../../../../../x", "a", "1"), fault.Generic},
		"group of dots":         {b, hostile("......", "a", "1"), fault.Generic},
		"artifact leads out":    {b, hostile("g", "../../../../..", "1"), fault.Generic},
		"version is hidden":     {b, hostile("g", "a", ".1"), fault.Generic},
		"version with NUL":      {b, hostile("g", "a", "1\x00"), fault.Generic},
		"win path leads out":    {b, commands.NewArchive{Path: "b/x.txt", Type: "win", Win: &events.WinInfo{RelPath: "../../../../y", Platforms: "p"}}, fault.Generic},
		"win without platforms": {b, commands.NewArchive{Path: "b/x.txt", Type: "win", Win: &events.WinInfo{}}, fault.Build},
	} {
		before := s.census()
		_, err := s.ImportArchive(ctx, s.actor, c.build, c.in)
		if !fault.Is(err, c.code) {
			t.Errorf("%s: %v, want a fault with code %d", name, err, c.code)
		}
		if after := s.census(); fmt.Sprint(before) != fmt.Sprint(after) {
			t.Errorf("%s: there was %v, there is %v", name, before, after)
		}
	}
	// all or none: the second is refused, so the first is not there
	s.uploadBytes("c", "new.txt", []byte("new"))
	before := s.census()
	if _, err := s.ImportArchives(ctx, s.actor, b, []commands.NewArchive{image("c/new.txt"), image("b/x.txt")}); !fault.Is(err, fault.Generic) {
		t.Error(err)
	}
	if after := s.census(); fmt.Sprint(before) != fmt.Sprint(after) || s.isLink("work/c/new.txt") {
		t.Errorf("there was %v, there is %v", before, after)
	}
}

func TestBuildKinds(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ctx := t.Context()
	b := s.archiveBuild(false)
	id := b["build_id"].(int64)
	if err := s.SetMavenBuild(ctx, s.actor, id, art); err != nil {
		t.Errorf("the same again: %v", err)
	}
	other := art
	other.Version = "2"
	refused(t, s.SetMavenBuild(ctx, s.actor, id, other), fault.Build)
	if err := s.SetWinBuild(ctx, s.actor, id, "win11"); err != nil {
		t.Fatal(err)
	}
	if w, err := archivemodel.WinBuild(ctx, s.DB, id, nil); err != nil || w["platform"] != "win11" {
		t.Errorf("%v, %v", w, err)
	}
	created := b["creation_event_id"].(int64)
	if w, err := archivemodel.WinBuild(ctx, s.DB, id, &created); err != nil || w != nil {
		t.Errorf("when the build was made: %v, %v", w, err)
	}
	draft := s.archiveBuild(true)["build_id"].(int64)
	refused(t, s.SetImageBuild(ctx, s.actor, draft), fault.Generic)
	s.verify()
}

// TestListing lists zip and tar files that lie about themselves: they are refused, or listed as far as they are true, at little cost.
func TestListing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ctx := t.Context()
	b := s.archiveBuild(false)
	arch := "x86_64"
	good := zipped(t, map[string]int{"a": 1, "b": 2})
	lying := slices.Clone(good)
	end := bytes.LastIndex(lying, []byte("PK\x05\x06"))
	copy(lying[end+8:], "\xf0\xff\xf0\xff") // 65520 entries
	large := slices.Clone(good)
	copy(large[end+12:], "\xff\xff\xff\x7f") // a directory of 2 GiB
	var many bytes.Buffer
	z := tar.NewWriter(&many)
	for i := range 100_001 {
		if err := z.WriteHeader(&tar.Header{Name: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	// an xz stream whose one block asks for a dictionary of 4 GiB less one byte
	xzBomb := []byte("\xfd7zXZ\x00\x00\x04\xe6\xd6\xb4\x46\x02\x00\x21\x01\x28\x00\x00\x00")
	for name, c := range map[string]struct {
		data  []byte
		files int // -1: refused
	}{
		"good.zip": {good, 2}, "prefixed.zip": {append([]byte("#!/bin/sh\n"), good...), 2}, "comment.zip": {append(slices.Clone(good[:end+20]), append([]byte("\x05\x00"), "hello"...)...), 2},
		"lying.zip": {lying, -1}, "large.zip": {large, -1}, "cut.zip": {good[:len(good)-30], -1}, "empty.zip": {nil, -1}, "text.zip": {[]byte("text"), -1},
		"good.tar": {tarred(t, "x", "y/", "y/z"), 3}, "good.tgz": {gzipped(t, tarred(t, "x")), 1}, "many.tar": {many.Bytes(), -1}, "many.tar.gz": {gzipped(t, many.Bytes()), -1},
		"cut.tar": {tarred(t, "x", "y")[:700], 1}, "text.tar": {[]byte(strings.Repeat("text", 1000)), -1}, "cut.tar.gz": {gzipped(t, tarred(t, "x"))[:30], -1}, "bomb.tar.xz": {xzBomb, -1},
		"bad.tar.bz2": {[]byte("BZh9 no"), -1},
	} {
		s.uploadBytes("l", name, c.data)
		id, err := s.ImportArchive(ctx, s.actor, b, commands.NewArchive{Path: "l/" + name, Type: "image", ImageArch: &arch})
		if err != nil {
			t.Fatal(err)
		}
		files, err := s.ArchiveFiles(ctx, id, true)
		switch {
		case c.files < 0 && fault.Of(err) == nil:
			t.Errorf("%s: %d files, %v, want a refusal", name, len(files), err)
		case c.files >= 0 && (err != nil || len(files) != c.files):
			t.Errorf("%s: %d files, %v, want %d", name, len(files), err, c.files)
		}
	}
}
