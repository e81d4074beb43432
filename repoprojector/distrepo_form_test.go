package repoprojector_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tagmodel "moromi/projections/tag"
	"moromi/repoprojector/repodata"
)

// TestDistRepoZchunk has the metadata in the form of zchunk, too, and says what is wrong with directories of dictionaries.
func TestDistRepoZchunk(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("unzck"); err != nil {
		t.Skip("needs zchunk")
	}
	s := newSite(t)
	signedTag(s)
	s.start()
	opts := func(dir any) map[string]any {
		return map[string]any{"arch": []any{"x86_64"}, "allow_missing_signatures": true, "zck": true, "zck_dict_dir": dir}
	}
	task, id := s.distRepo("dist", nil, opts(nil))
	absent, _ := s.distRepo("dist", nil, opts(filepath.Join(s.top, "nothing")))
	file, _ := s.distRepo("dist", nil, opts("/etc/passwd"))
	dicts, other := s.distRepo("dist", nil, opts(s.cache)) // without any in it
	s.succeeded(task)
	s.succeeded(dicts)
	s.failed(absent, "zchunk dir path doesn't exist: ")
	s.failed(file, "zchunk dir path is file: /etc/passwd")
	for _, id := range []int64{id, other} {
		dir := filepath.Join(s.distDir("dist", id), "x86_64")
		index := s.read(dir, "repodata", "repomd.xml")
		for _, kind := range []string{"primary", "filelists", "other"} {
			names, err := filepath.Glob(filepath.Join(dir, "repodata", "*-"+kind+".xml.zck"))
			if err != nil || len(names) != 1 {
				t.Fatalf("%s: %q, %v", kind, names, err)
			}
			text, err := exec.Command("unzck", "-c", names[0]).Output()
			s.check(err)
			if string(text) != unpacked(s, dir, kind) {
				t.Errorf("%s is another text than without zchunk", kind)
			}
			header, err := exec.Command("zck_read_header", "-c", names[0]).Output()
			s.check(err)
			if !strings.Contains(string(header), "Chunk count: 6\n") { // the dictionary, the head, and a chunk for each of four packages
				t.Errorf("%s: %s", kind, header)
			}
			if !strings.Contains(index, `<data type="`+kind+`_zck">`) || !strings.Contains(index, filepath.Base(names[0])) || strings.Count(index, "<header-size>") != 3 {
				t.Errorf("repomd.xml: %s", index)
			}
		}
		listDNF(t, dir, "Bar-2-1.x86_64", "foo-1-1.x86_64", "foo-debuginfo-1-1.x86_64", "foo-doc-1-1.noarch")
	}
}

// TestDistRepoDeltas makes delta rpms against an earlier dist repository.
func TestDistRepoDeltas(t *testing.T) {
	t.Parallel()
	if out, err := exec.Command("createrepo_c", "--version").Output(); err != nil || !strings.Contains(string(out), "DeltaRPM") {
		t.Skip("needs createrepo_c with delta rpms")
	}
	s := newSite(t)
	tag := s.makeTag("dist", nil)
	s.list(tag, "foo", false)
	s.start()
	make1 := func(release string, delta ...any) (task, id int64) {
		var build int64
		for _, file := range []string{"foo-1.0-" + release + ".src.rpm", "foo-1.0-" + release + ".x86_64.rpm", "foo-doc-1.0-" + release + ".noarch.rpm"} { // real ones, whose payloads can be compared
			raw, err := os.ReadFile(filepath.Join("../web/hub/conformance/testdata/fixtures", file))
			s.check(err)
			s.check(os.MkdirAll(filepath.Join(s.top, "work", "real"), 0o755))
			s.check(os.WriteFile(filepath.Join(s.top, "work", "real", file), raw, 0o644))
			row, err := s.ImportRPM(s.ctx(), s.admin, "real", file)
			s.check(err)
			build = row["build_id"].(int64)
		}
		s.put(tag, build)
		return s.distRepo("dist", nil, map[string]any{"arch": []any{"x86_64"}, "allow_missing_signatures": true, "delta": delta})
	}
	task, old := make1("1")
	s.succeeded(task)
	s.set(tag, "repo.compression", `"zstd"`)
	task, id := make1("2", old)
	s.succeeded(task)
	missing, _ := s.distRepo("dist", nil, map[string]any{"arch": []any{"x86_64"}, "allow_missing_signatures": true, "delta": []any{int64(999)}})
	s.failed(missing, "No such repo: 999")
	dir := filepath.Join(s.distDir("dist", id), "x86_64")
	names, err := filepath.Glob(filepath.Join(dir, "drpms", "*.drpm"))
	s.check(err)
	if len(names) != 2 || filepath.Base(names[0]) != "foo-1.0-1_1.0-2.x86_64.drpm" || filepath.Base(names[1]) != "foo-doc-1.0-1_1.0-2.noarch.drpm" {
		t.Errorf("the deltas are %q", names)
	}
	if index := s.read(dir, "repodata", "repomd.xml"); strings.Count(index, `<data type="prestodelta">`) != 1 || !strings.Contains(index, `-prestodelta.xml.zst"/>`) {
		t.Error(index)
	}
	if list := unpacked(s, dir, "prestodelta"); strings.Count(list, "<filename>drpms/foo-") != 2 {
		t.Error(list)
	}
	if manifest := s.output(s.child(task, "x86_64"), "repo_manifest"); !strings.Contains(manifest, `"drpms/foo-1.0-1_1.0-2.x86_64.drpm"`) {
		t.Error(manifest)
	}
	listDNF(t, dir, "foo-1.0-2.x86_64", "foo-doc-1.0-2.noarch")
}

// TestDistRepoFormat has the settings of a tag, and the site's where the tag says nothing, hold for all that a dist repository has; but the packages keep the order of names.
func TestDistRepoFormat(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.format = repodata.Format{Order: repodata.NewestLast, NoOpenChecksum: true}
	signedTag(s)
	row, err := tagmodel.Get(s.ctx(), s.DB, tagmodel.Spec{Name: "dist"}, nil, false)
	s.check(err)
	tag := row["id"].(int64)
	_, zckErr := exec.LookPath("unzck")
	s.start()
	make1 := func(past int64) (task int64, dir string) {
		opts := map[string]any{"arch": []any{"x86_64", "src"}, "allow_missing_signatures": true, "split_debuginfo": true, "zck": zckErr == nil}
		if past != 0 {
			opts["event"] = past
		}
		task, id := s.distRepo("dist", nil, opts)
		dir = s.distDir("dist", id)
		s.check(os.MkdirAll(filepath.Join(dir, "groups"), 0o755))
		s.check(os.WriteFile(filepath.Join(dir, "groups", "comps.xml"), []byte("<comps/>"), 0o644))
		s.check(os.WriteFile(filepath.Join(dir, "repo.json"), []byte(`{"id": 9007199254740993}`), 0o644))
		return task, dir
	}
	before := int64(s.Models.Position())
	s.set(tag, "repo.compression", `"zstd"`)
	type test struct {
		what, key, value string
		past             int64
		ext              string
		open             bool
		record           string

		task int64
		dir  string
	}
	tests := []*test{
		{what: "the site's checksums", ext: "zst", record: `{"order":"name","compression":"zstd","open_checksum":false}`},
		{what: "the tag's checksums", key: "repo.open_checksum", value: "true", ext: "zst", open: true, record: `{"order":"name","compression":"zstd","open_checksum":true}`},
		{what: "the tag as it was", past: before, ext: "gz", record: `{"order":"name","compression":"gzip","open_checksum":false}`},
	}
	for _, tt := range tests { // what is set afterwards makes no difference to those that were begun
		if tt.key != "" {
			s.set(tag, tt.key, tt.value)
		}
		tt.task, tt.dir = make1(tt.past)
	}
	s.set(tag, "repo.compression", `"xz"`)
	wrong, _ := make1(0)
	for _, tt := range tests {
		s.succeeded(tt.task)
		dir := tt.dir
		var info struct {
			ID     json.Number     `json:"id"`
			Format json.RawMessage `json:"metadata_format"`
		}
		s.check(json.Unmarshal([]byte(s.read(dir, "repo.json")), &info))
		var record bytes.Buffer
		s.check(json.Compact(&record, info.Format))
		if record.String() != tt.record || info.ID != "9007199254740993" {
			t.Errorf("%s: repo.json has %s of %s, want %s", tt.what, record.String(), info.ID, tt.record)
		}
		for _, sub := range []string{"x86_64", "x86_64/debug", "src"} {
			index := s.read(dir, sub, "repodata", "repomd.xml")
			for _, kind := range []string{"primary", "filelists", "other", "comps"} {
				if n := strings.Count(index, "-"+kind+".xml."+tt.ext+`"/>`); n != 1 {
					t.Errorf("%s: %s lists %d %s", tt.what, sub, n, kind)
				}
				if zckErr == nil && !strings.Contains(index, "-"+kind+".xml.zck") {
					t.Errorf("%s: %s lists no zchunk file of %s", tt.what, sub, kind)
				}
			}
			if got := strings.Contains(index, "open-"); got != tt.open {
				t.Errorf("%s: %s has open checksums: %v\n%s", tt.what, sub, got, index)
			}
		}
		sameAsCreaterepo(s, filepath.Join(dir, "x86_64"), filepath.Join(dir, "groups", "comps.xml"))
		listDNF(t, filepath.Join(dir, "x86_64"), "Bar-2-1.x86_64", "foo-1-1.x86_64", "foo-doc-1-1.noarch")
		listDNF(t, filepath.Join(dir, "x86_64", "debug"), "foo-debuginfo-1-1.x86_64")
		listDNF(t, filepath.Join(dir, "src"), "bar-2-1.src", "foo-1-1.src")
	}
	s.failed(wrong, "repo.compression is wrong")
}

// TestDistRepoKeepsFormat: who goes on with a repository that another process had begun, with other settings, writes it as that one would have: it is the same to the byte.
func TestDistRepoKeepsFormat(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.format = repodata.Format{Compression: repodata.Zstd}
	signedTag(s)
	entered := make(chan string, 8)
	s.signs = func(ctx context.Context, text []byte, _ time.Time) ([]byte, error) {
		entered <- string(text)
		<-ctx.Done()
		return nil, ctx.Err()
	}
	s.start()
	task, id := s.distRepo("dist", nil, map[string]any{"arch": []any{"x86_64"}, "allow_missing_signatures": true})
	begun := <-entered
	s.stop()
	s.format, s.signs = repodata.Format{NoOpenChecksum: true}, nil
	s.clock = func() time.Time { return time.Now().Add(time.Hour) }
	s.start()
	s.succeeded(task)
	if index := s.read(s.distDir("dist", id), "x86_64", "repodata", "repomd.xml"); index != begun {
		t.Errorf("it is\n%s\nand was begun as\n%s", index, begun)
	}
}
