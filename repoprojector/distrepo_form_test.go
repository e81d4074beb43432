package repoprojector_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
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
	if index := s.read(dir, "repodata", "repomd.xml"); strings.Count(index, `<data type="prestodelta">`) != 1 {
		t.Error(index)
	}
	if manifest := s.output(s.child(task, "x86_64"), "repo_manifest"); !strings.Contains(manifest, `"drpms/foo-1.0-1_1.0-2.x86_64.drpm"`) {
		t.Error(manifest)
	}
	listDNF(t, dir, "foo-1.0-2.x86_64", "foo-doc-1.0-2.noarch")
}
