package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// withoutUnique takes the part of uploads' names that differs from run to run out.
func withoutUnique(s string) string {
	return regexp.MustCompile(`/\d+\.\d{6}\.[A-Za-z]{8}`).ReplaceAllString(s, "/UNIQUE")
}

// uploaded are the names of uploads, without what differs from run to run, and their contents.
func (h *fakeHub) uploaded() map[string]string {
	h.mu.Lock()
	defer h.mu.Unlock()
	got := map[string]string{}
	for name, data := range h.uploads {
		got[withoutUnique(name)] = string(data)
	}
	return got
}

func TestUploadsOfBuilds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		args    []string
		uploads map[string]string // name below the work directory: local file
		call    string            // its beginning
	}{
		{"live CD", []string{"spin-livecd", "F42", "1", "f42", "x86_64", "testdata/build/server.ks"}, map[string]string{"cli-livecd/UNIQUE/server.ks": "testdata/build/server.ks"},
			"buildImage ['F42', '1', 'x86_64', 'f42', 'cli-livecd/UNIQUE/server.ks', 'livecd']"},
		{"disk", []string{"image-build", "--distro", "Fedora-42", "--kickstart", "testdata/build/server.ks", "F42", "1", "f42", "https://t", "x86_64"},
			map[string]string{"cli-image/UNIQUE/server.ks": "testdata/build/server.ks"},
			"buildImageOz ['F42', '1', ['x86_64'], 'f42', 'https://t'] {'opts': {'disk_size': '10', 'distro': 'Fedora-42', 'format': [], 'kickstart': 'work/cli-image/UNIQUE/server.ks'}"},
		{"template", []string{"image-build-indirection", "--scratch", "--name", "n", "--version", "1", "--arch", "x86_64", "--target", "f42", "--base-image-task", "1", "--utility-image-task", "2", "--results-loc", "o", "--indirection-template", "testdata/build/server.ks"},
			map[string]string{"cli-image-indirection/UNIQUE/server.ks": "testdata/build/server.ks"},
			"buildImageIndirection [] {'opts': {'arch': 'x86_64', 'base_image_build': None, 'base_image_task': '1', 'indirection_template': 'work/cli-image-indirection/UNIQUE/server.ks', 'indirection_template_url': None,"},
		{"content generator", []string{"import-cg", "--token", "4f1c", "--build-id", "7", "--draft", "testdata/build/cg.json", "testdata/build/output"},
			map[string]string{"cli-import/UNIQUE/sub/foo.xml": "testdata/build/output/sub/foo.xml"},
			"CGImport [{'build': {'build_id': 7, 'draft': True, 'epoch': 3, 'name': 'foo', 'release': '2', 'source': 'git://x', 'version': '1'}, 'metadata_version': 0, 'output': [{'filename': 'foo.xml', 'relpath': 'sub'}, {'filename': 'absent', 'metadata_only': True}]}, 'cli-import/UNIQUE', '4f1c'] {}"},
		{"Maven archive", []string{"import-archive", "--type", "maven", "--type-info", "testdata/build/foo.pom", "foo-1.0-1", "testdata/build/foo.pom"},
			map[string]string{"cli-import/UNIQUE/foo.pom": "testdata/build/foo.pom"}, "importArchive ['cli-import/UNIQUE/foo.pom', {'build_id': 1, "},
		{"Windows archive of a new build", []string{"import-archive", "--create-build", "--type", "win", "--type-info", "bin:a b:f g", "nosuch-1-1", "testdata/build/foo.pom"},
			map[string]string{"cli-import/UNIQUE/foo.pom": "testdata/build/foo.pom"},
			"importArchive ['cli-import/UNIQUE/foo.pom', {'epoch': None, 'name': 'nosuch', 'release': '1', 'version': '1'}, 'win', {'flags': ['f', 'g'], 'platforms': ['a', 'b'], 'relpath': 'bin'}] {}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newFakeHub(t)
			if r := h.run(t, c.args...); r.status != 0 || r.err != "" {
				t.Fatalf("status %d, %s%s", r.status, r.out, r.err)
			}
			want := map[string]string{}
			for name, file := range c.uploads {
				data, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				want[name] = string(data)
			}
			if d := cmp.Diff(want, h.uploaded()); d != "" {
				t.Error(d)
			}
			method, _, _ := strings.Cut(c.call, " ")
			if calls := h.called(method); len(calls) != 1 || !strings.HasPrefix(withoutUnique(calls[0]), c.call) {
				t.Errorf("calls %q\nwant  %s", calls, c.call)
			}
		})
	}
}

func TestImportMakesBuild(t *testing.T) {
	t.Parallel()
	for kind, c := range map[string]struct{ info, call string }{
		"maven": {"testdata/build/foo.pom", "createMavenBuild [{'epoch': 2, 'name': 'nosuch', 'release': '1', 'version': '1'}, {'artifact_id': 'foo', 'group_id': 'org.example', 'version': '1'}] {}"},
		"win":   {"bin:a", "createWinBuild [{'epoch': 2, 'name': 'nosuch', 'release': '1', 'version': '1'}, {'platform': 'import'}] {}"},
		"image": {"x86_64", "createImageBuild [{'epoch': 2, 'name': 'nosuch', 'release': '1', 'version': '1'}] {}"},
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			h := newFakeHub(t)
			h.set("getBuild", nil)
			if r := h.run(t, "import-archive", "--create-build", "--type", kind, "--type-info", c.info, "2:nosuch-1-1", "testdata/build/foo.pom"); r.status != 0 {
				t.Fatal(r.err)
			}
			method, _, _ := strings.Cut(c.call, " ")
			if d := cmp.Diff([]string{c.call}, h.called(method)); d != "" {
				t.Error(d)
			}
			h.set("hasPerm", false)
			if r := h.run(t, "import-archive", "--type", kind, "--type-info", c.info, "foo-1-1", "testdata/build/foo.pom"); r.status != 1 || !strings.Contains(r.err, kind+"-import") {
				t.Errorf("without the permission: %d, %s", r.status, r.err)
			}
		})
	}
}

func TestLinkInsteadOfUpload(t *testing.T) {
	t.Parallel()
	h := newFakeHub(t)
	var out, errs bytes.Buffer
	env := h.env(t, &out, &errs)
	top := t.TempDir()
	if err := os.Mkdir(filepath.Join(top, "work"), 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(top, "disk.raw") // on the same file system
	if err := os.WriteFile(file, []byte("disk"), 0o644); err != nil {
		t.Fatal(err)
	}
	config := "[koji]\npoll_interval = 0\nweburl = https://koji.example.com\ntopdir = " + top + "\n"
	if err := os.WriteFile(filepath.Join(env.Home, ".koji", "config"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := h.runIn(t, env, "import-archive", "--link", "--type", "image", "--type-info", "x86_64", "foo-1.0-1", file); r.status != 0 {
		t.Fatal(r.err)
	}
	links, err := filepath.Glob(filepath.Join(top, "work", "cli-import", "*", "disk.raw"))
	if err != nil || len(links) != 1 || len(h.uploads) != 0 {
		t.Fatalf("links %v, %d uploads, %v", links, len(h.uploads), err)
	}
	a, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := os.Stat(links[0]); err != nil || !os.SameFile(a, b) {
		t.Errorf("%s is not the file (%v)", links[0], err)
	}
}
