package cli

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestBuildUploadsSource(t *testing.T) {
	t.Parallel()
	h := newFakeHub(t)
	var out, errs bytes.Buffer
	env := h.env(t, &out, &errs)
	env.Foreground, env.Terminal = true, true // waits, and shows progress
	r := h.runIn(t, env, "build", "f42", "testdata/rpm/foo-1.0-1.src.rpm")
	if r.status != 0 || r.err != "" {
		t.Fatalf("status %d, %s", r.status, r.err)
	}
	if len(h.uploads) != 1 {
		t.Fatalf("%d uploads", len(h.uploads))
	}
	want, err := os.ReadFile("testdata/rpm/foo-1.0-1.src.rpm")
	if err != nil {
		t.Fatal(err)
	}
	for path, data := range h.uploads {
		if !regexp.MustCompile(`^cli-build/\d+\.\d{6}\.[A-Za-z]{8}/foo-1\.0-1\.src\.rpm$`).MatchString(path) || !bytes.Equal(data, want) {
			t.Errorf("uploaded %d bytes to %s", len(data), path)
		}
		if calls := h.called("build"); len(calls) != 1 || !strings.Contains(calls[0], "'"+path+"', 'f42'") {
			t.Errorf("calls %q", calls)
		}
	}
	for _, part := range []string{"Uploading srpm: ", "100%", "Created task: 100\nTask info: https://koji.example.com/taskinfo?taskID=100\nWatching tasks", "completed successfully"} {
		if !strings.Contains(r.out, part) {
			t.Errorf("output lacks %q:\n%s", part, r.out)
		}
	}
	if len(h.called("logout")) != 1 {
		t.Error("the session was kept while the task was watched")
	}
}

func TestNoProgressIntoFiles(t *testing.T) {
	t.Parallel()
	h := newFakeHub(t)
	var out, errs bytes.Buffer
	env := h.env(t, &out, &errs)
	env.Foreground = true // a person waits, but the output goes into a file
	if r := h.runIn(t, env, "build", "f42", "testdata/rpm/foo-1.0-1.src.rpm"); r.status != 0 || strings.Contains(r.out, "%") || !strings.Contains(r.out, "completed successfully") {
		t.Errorf("status %d: %s%s", r.status, r.out, r.err)
	}
}

func TestImport(t *testing.T) {
	t.Parallel()
	h := newFakeHub(t)
	h.set("getBuild", nil)
	h.set("getRPM", nil)
	h.set("importRPM", nil)
	r := h.run(t, "import", "testdata/rpm/foo-1.0-1.x86_64.rpm", "testdata/rpm/foo-1.0-1.src.rpm")
	if r.status != 0 {
		t.Fatal(r.err)
	}
	calls := h.called("importRPM")
	if len(calls) != 2 || !strings.Contains(calls[0], "foo-1.0-1.src.rpm") || !strings.Contains(calls[1], "foo-1.0-1.x86_64.rpm") {
		t.Errorf("calls %q", calls)
	}
	if len(h.called("createEmptyBuild")) != 0 {
		t.Error("a build was created although there is a source rpm")
	}

	r = h.run(t, "import", "testdata/rpm/foo-1.0-1.x86_64.rpm")
	if r.status != 1 || !strings.Contains(r.err, "--create-build") {
		t.Errorf("without source: %d, %s", r.status, r.err)
	}
	h.set("createEmptyBuild", nil)
	r = h.run(t, "import", "--create-build", "testdata/rpm/foo-1.0-1.x86_64.rpm")
	if want := []string{"createEmptyBuild [] {'epoch': None, 'name': 'foo', 'release': '1', 'version': '1.0'}"}; r.status != 0 || !cmp.Equal(want, h.called("createEmptyBuild")) {
		t.Errorf("with --create-build: %d, %s, %q", r.status, r.err, h.called("createEmptyBuild"))
	}
	h.set("getRPM", map[string]any{"payloadhash": "other", "id": 1})
	r = h.run(t, "import", "testdata/rpm/foo-1.0-1.src.rpm")
	if r.status != 1 || !strings.Contains(r.err, "different rpm") {
		t.Errorf("other rpm of the same name: %d, %s", r.status, r.err)
	}
	if r = h.run(t, "import", "testdata/answers.json"); r.status != 1 || !strings.Contains(r.err, "testdata/answers.json") {
		t.Errorf("not an rpm: %d, %s", r.status, r.err)
	}
}

func TestImportSignature(t *testing.T) {
	t.Parallel()
	h := newFakeHub(t)
	h.set("getRPM", map[string]any{"id": 7})
	h.set("queryRPMSigs", []any{})
	h.set("addRPMSig", nil)
	h.set("writeSignedRPM", nil)
	r := h.run(t, "import-sig", "testdata/rpm/foo-1.0-1.x86_64.signed.rpm", "testdata/rpm/foo-1.0-1.x86_64.rpm")
	if r.status != 0 {
		t.Fatal(r.err)
	}
	key := regexp.MustCompile(`Importing signature \[key ([0-9a-f]{8})\]`).FindStringSubmatch(r.out)
	if key == nil || !strings.Contains(r.out, "Skipping unsigned package: testdata/rpm/foo-1.0-1.x86_64.rpm") {
		t.Fatalf("output %s", r.out)
	}
	if want := []string{"writeSignedRPM [7, '" + key[1] + "'] {}"}; !cmp.Equal(want, h.called("writeSignedRPM")) || len(h.called("addRPMSig")) != 1 {
		t.Errorf("calls %q", h.calls)
	}
}

func TestImportComps(t *testing.T) {
	t.Parallel()
	h := newFakeHub(t)
	file := filepath.Join(t.TempDir(), "comps.xml")
	if err := os.WriteFile(file, []byte(`<?xml version="1.0"?>
<!DOCTYPE comps PUBLIC "-//Red Hat, Inc.//DTD Comps info//EN" "comps.dtd">
<comps><group><id>build</id><name xml:lang="cs">Sestavení</name><name>Build</name><description/><default>true</default><uservisible>false</uservisible>
<packagelist><packagereq type="mandatory">bash</packagereq><packagereq type="conditional" requires="gcc">gcc-doc</packagereq></packagelist></group></comps>`), 0o600); err != nil {
		t.Fatal(err)
	}
	r := h.run(t, "import-comps", file, "f42")
	want := "Group: build (Build)\n  Package: bash: {'basearchonly': False, 'type': 'mandatory'}\n  Package: gcc-doc: {'basearchonly': False, 'requires': 'gcc', 'type': 'conditional'}\n"
	if r.status != 0 || r.out != want {
		t.Errorf("status %d, %s%s", r.status, r.out, r.err)
	}
	wantCalls := []string{"groupListAdd ['f42', 'build'] {'biarchonly': False, 'description': '', 'display_name': 'Build', 'force': False, 'is_default': True, 'langonly': None, 'uservisible': False}"}
	if d := cmp.Diff(wantCalls, h.called("groupListAdd")); d != "" {
		t.Error(d)
	}
}

func TestDownloadBuild(t *testing.T) {
	t.Parallel()
	h := newFakeHub(t)
	rpmFile := "testdata/rpm/foo-1.0-1.x86_64.rpm"
	var asked []string
	h.files = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Path)
		http.ServeFile(w, r, rpmFile)
	})
	known, err := readRPM(rpmFile)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(rpmFile)
	if err != nil {
		t.Fatal(err)
	}
	entry := map[string]any{"id": 1, "name": "foo", "version": "1.0", "release": "1", "arch": "x86_64", "size": info.Size(), "payloadhash": known.header.SigMD5(), "build_id": 1}
	debug := map[string]any{"id": 2, "name": "foo-debuginfo", "version": "1.0", "release": "1", "arch": "x86_64", "size": 1, "payloadhash": "", "build_id": 1}
	h.set("listRPMs", []any{entry, debug})
	var out, errs bytes.Buffer
	env := h.env(t, &out, &errs)
	if r := h.runIn(t, env, "download-build", "foo-1.0-1"); r.status != 0 || r.out != "Downloading [1/1]: foo-1.0-1.x86_64.rpm\n" {
		t.Fatalf("%d, %s%s", r.status, r.out, r.err)
	}
	if d := cmp.Diff([]string{"/kojifiles/packages/foo/1.0/1/x86_64/foo-1.0-1.x86_64.rpm"}, asked); d != "" {
		t.Error(d)
	}
	if _, err := os.Stat(filepath.Join(env.Dir, "foo-1.0-1.x86_64.rpm")); err != nil {
		t.Error(err)
	}
	out.Reset()
	if r := h.runIn(t, env, "download-build", "foo-1.0-1"); r.status != 0 || !strings.Contains(r.out, "already downloaded") || len(asked) != 1 {
		t.Errorf("again: %d, %s%s", r.status, r.out, r.err)
	}
	entry["payloadhash"] = "0000"
	r := h.run(t, "download-build", "foo-1.0-1")
	if r.status != 1 || !strings.Contains(r.err, "another than the one the hub has on record") {
		t.Errorf("another rpm: %d, %s", r.status, r.err)
	}
}

func TestDownloadStaysInDirectory(t *testing.T) {
	t.Parallel()
	h := newFakeHub(t)
	h.files = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("x")) })
	h.set("listTaskOutput", map[string]any{"../../evil.rpm": []any{"DEFAULT"}})
	var out, errs bytes.Buffer
	env := h.env(t, &out, &errs)
	r := h.runIn(t, env, "download-task", "1")
	if r.status != 1 || !strings.Contains(r.err, "escapes") {
		t.Errorf("%d, %s%s", r.status, r.out, r.err)
	}
	if _, err := os.Stat(filepath.Join(env.Dir, "..", "..", "evil.rpm")); err == nil {
		t.Error("a file was written outside the directory")
	}
}

func TestDownloadTask(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		args []string
		want []string
	}{
		{"rpms", nil, []string{"foo-1.0-1.src.rpm", "foo-1.0-1.x86_64.rpm"}},
		{"one arch", []string{"--arch", "x86_64"}, []string{"foo-1.0-1.x86_64.rpm"}},
		{"logs", []string{"--logs", "--filter", "log$"}, []string{"build.noarch.log"}},
		{"all", []string{"--all", "--skip", "rpm$"}, []string{"noarch_rpmdiff.json"}},
		{"directory", []string{"--dirpertask", "--arch", "src"}, []string{"1/foo-1.0-1.src.rpm"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newFakeHub(t)
			h.files = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write([]byte(r.URL.Path)) })
			h.set("listTaskOutput", map[string]any{
				"foo-1.0-1.src.rpm": []any{"DEFAULT"}, "foo-1.0-1.x86_64.rpm": []any{"DEFAULT"}, "build.log": []any{"DEFAULT"}, "noarch_rpmdiff.json": []any{"DEFAULT"},
			})
			var out, errs bytes.Buffer
			env := h.env(t, &out, &errs)
			if r := h.runIn(t, env, append([]string{"download-task", "1"}, tt.args...)...); r.status != 0 {
				t.Fatal(r.err)
			}
			if d := cmp.Diff(tt.want, filesBelow(t, env.Dir)); d != "" {
				t.Error(d)
			}
		})
	}
}

func filesBelow(t *testing.T, dir string) []string {
	t.Helper()
	var files []string
	if err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, relErr := filepath.Rel(dir, path)
			files = append(files, rel)
			return relErr
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return files
}

func TestDownloadLogs(t *testing.T) {
	t.Parallel()
	h := newFakeHub(t)
	var out, errs bytes.Buffer
	env := h.env(t, &out, &errs)
	if r := h.runIn(t, env, "download-logs", "120", "--match", "merge*"); r.status != 0 {
		t.Fatal(r.err)
	}
	data, err := os.ReadFile(filepath.Join(env.Dir, "kojilogs", "noarch-120", "mergerepos.log"))
	if err != nil || string(data) != "line1\nline2\n" {
		t.Errorf("%q, %v", data, err)
	}
	h.set("listTaskOutput", map[string]any{})
	if r := h.runIn(t, env, "download-logs", "110"); r.status != 0 {
		t.Fatal(r.err)
	}
	data, err = os.ReadFile(filepath.Join(env.Dir, "kojilogs", "noarch-110", failLog))
	if err != nil || !strings.HasPrefix(string(data), "BuildError: error building package") {
		t.Errorf("%q, %v", data, err)
	}
}

func TestInterruptedWatch(t *testing.T) {
	t.Parallel()
	h := newFakeHub(t)
	h.answers["getTaskInfo"] = h.answers["getTaskInfo"][1:2] // stays open
	h.set("getTaskChildren", []any{})
	var out, errs bytes.Buffer
	env := h.env(t, &out, &errs)
	ctx, cancel := contextUntil(t, func() bool { return len(h.called("getTaskInfo")) > 3 })
	defer cancel()
	if status := Run(ctx, []string{"watch-task", "100"}, env); status != 1 {
		t.Errorf("status %d", status)
	}
	if !strings.Contains(out.String(), "moromi watch-task") || !strings.Contains(out.String(), "Running Tasks:\n100 build") {
		t.Errorf("output %s%s", out.String(), errs.String())
	}
}

func TestCompletion(t *testing.T) {
	t.Parallel()
	for line, want := range map[string][]string{
		"taginfo t":                      {"t1", "t2", "t3", "t4", "t7", "tag-with_all.chars+1/x"},
		"build tg":                       {"tg2", "tgnew"},
		"list-pkgs --tag t":              {"t1", "t2", "t3", "t4", "t7", "tag-with_all.chars+1/x"},
		"enable-host b":                  {"bob", "builder1", "builder2"},
		"taginfo x":                      nil,
		"grant-permission dist":          {"dist-repo"},
		"add-host-to-channel builder1 l": {"livecd", "livemedia"},
	} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			r := newFakeHub(t).run(t, append([]string{"__complete"}, strings.Fields(line)...)...)
			var got []string
			for l := range strings.Lines(r.out) {
				if !strings.HasPrefix(l, ":") {
					got = append(got, strings.TrimSpace(l))
				}
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Error(d, r.err)
			}
		})
	}
}

// TestInterruptedRunRoot interrupts the wait for a command: it is canceled.
func TestInterruptedRunRoot(t *testing.T) {
	t.Parallel()
	h := newFakeHub(t)
	h.set("getTaskInfo", map[string]any{"id": 130, "method": "runroot", "state": 1})
	h.set("cancelTask", nil)
	var out, errs bytes.Buffer
	env := h.env(t, &out, &errs)
	ctx, cancel := contextUntil(t, func() bool { return len(h.called("getTaskInfo")) > 3 })
	defer cancel()
	if status := Run(ctx, []string{"runroot", "f42-build", "x86_64", "sleep", "99"}, env); status != 1 {
		t.Errorf("status %d", status)
	}
	if calls := h.called("cancelTask"); len(calls) != 1 || !strings.HasPrefix(calls[0], "cancelTask [130]") {
		t.Errorf("calls %q, %s", calls, errs.String())
	}
}
