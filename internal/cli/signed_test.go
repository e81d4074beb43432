package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// signedCopies makes the top directory that the profile names, with a signed copy that is old and one that is new.
func signedCopies(t *testing.T, home string) (top, old, recent string) {
	t.Helper()
	top = t.TempDir()
	config := filepath.Join(home, ".koji", "config")
	f, err := os.OpenFile(config, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("topdir = " + top + "\n"); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(top, "packages/foo/1/1/data/signed/abcd")
	old, recent = filepath.Join(dir, "src/foo-1-1.src.rpm"), filepath.Join(dir, "x86_64/foo-1-1.x86_64.rpm")
	for path, age := range map[string]time.Duration{old: 100 * 24 * time.Hour, recent: time.Hour} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("12345"), 0o644); err != nil {
			t.Fatal(err)
		}
		when := time.Now().Add(-age)
		if err := os.Chtimes(path, when, when); err != nil {
			t.Fatal(err)
		}
	}
	return top, old, recent
}

// signedHub has a build foo-1-1 of two signed rpms that was untagged long ago, or lately.
func signedHub(t *testing.T, untagged time.Duration) *fakeHub {
	h := newFakeHub(t)
	h.set("listBuilds", []any{row{"build_id": int64(1), "nvr": "foo-1-1", "package_name": "foo", "version": "1", "release": "1", "volume_name": "DEFAULT"}})
	h.set("getBuild", row{"id": int64(1), "build_id": int64(1), "nvr": "foo-1-1", "package_name": "foo", "name": "foo", "version": "1", "release": "1", "volume_name": "DEFAULT"})
	rpms := []any{}
	for i, arch := range []string{"src", "x86_64"} {
		rpms = append(rpms, row{"id": int64(i), "build_id": int64(1), "name": "foo", "version": "1", "release": "1", "arch": arch})
	}
	h.set("listRPMs", rpms)
	h.set("queryRPMSigs", []any{row{"sigkey": "abcd"}})
	ts := func(ago time.Duration) float64 { return float64(time.Now().Add(-ago).Unix()) }
	h.set("queryHistory", row{"tag_listing": []any{row{
		"build_id": int64(1), "tag.name": "f42", "create_event": int64(1), "create_ts": ts(untagged + time.Hour), "revoke_event": int64(2), "revoke_ts": ts(untagged),
	}}})
	return h
}

func TestPruneSignedCopies(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for name, test := range map[string]struct {
		untagged time.Duration
		args     string
		left     bool
		out      string
	}{
		"long gone":      {50 * day, "", false, "File newer than cutoff"},
		"only a test":    {50 * day, "--test", true, "Would have unlinked"},
		"lately latest":  {2 * day, "", true, "Files: 0\nBytes: 0\n"},
		"shorter time":   {2 * day, "--days 1", false, "Files: 1\nBytes: 5\n"},
		"protected":      {8 * day, "--days 10 --ignore-tag f9* --protect-tag f4?", true, "Files: 0\n"},
		"ignored":        {2 * day, "-i f[!5]2", false, "Files: 1\n"},
		"trashcan":       {2 * day, "--trashcan-tag f42", false, "Files: 1\n"},
		"one build":      {50 * day, "--build foo-1-1 -v", false, "Build: foo-1-1, Removed 1 signed copies (5 bytes). Total: 1/5\n"},
		"json":           {50 * day, "--json", false, `"bytes": 5`},
		"broken pattern": {50 * day, "-r [", true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := signedHub(t, test.untagged)
			var out, errs bytes.Buffer
			env := h.env(t, &out, &errs)
			_, old, recent := signedCopies(t, env.Home)
			r := h.runIn(t, env, append([]string{"prune-signed-copies"}, strings.Fields(test.args)...)...)
			if !strings.Contains(r.out, test.out) || (r.status == statusOK) != (test.out != "") {
				t.Errorf("status %d: %s%s", r.status, r.out, r.err)
			}
			if _, err := os.Stat(old); (err == nil) != test.left {
				t.Errorf("the old copy: %v\n%s", err, r.out)
			}
			if _, err := os.Stat(filepath.Dir(old)); (err == nil) != test.left {
				t.Errorf("its directory: %v", err)
			}
			if _, err := os.Stat(recent); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestListSigned(t *testing.T) {
	t.Parallel()
	h := signedHub(t, time.Hour)
	var out, errs bytes.Buffer
	env := h.env(t, &out, &errs)
	_, old, recent := signedCopies(t, env.Home)
	if err := os.Remove(recent); err != nil {
		t.Fatal(err)
	}
	if r := h.runIn(t, env, "list-signed", "--build", "foo-1-1"); r.out != old+"\n" {
		t.Errorf("%q %s, not %s", r.out, r.err, old)
	}
}

func TestDistRepoUploads(t *testing.T) {
	t.Parallel()
	h := newFakeHub(t)
	h.set("distRepo", int64(5))
	comps := filepath.Join(t.TempDir(), "comps.xml")
	if err := os.WriteFile(comps, []byte("<comps/>"), 0o644); err != nil {
		t.Fatal(err)
	}
	r := h.run(t, "dist-repo", "--nowait", "--allow-missing-signatures", "--comps", comps, "--delta-rpms", "f41", "--delta-rpms", "7", "--skip-stat", "f42")
	if r.status != statusOK {
		t.Fatal(r.err)
	}
	if len(h.uploads) != 1 {
		t.Fatalf("%d uploads", len(h.uploads))
	}
	for name, data := range h.uploads {
		if string(data) != "<comps/>" || !strings.HasPrefix(name, "cli-dist-repo/") || !strings.HasSuffix(name, "/comps.xml") {
			t.Errorf("%s: %s", name, data)
		}
		if call := h.called("distRepo"); len(call) != 1 || !strings.Contains(call[0], "'comps': '"+name+"'") || !strings.Contains(call[0], "'createrepo_skip_stat': True") {
			t.Error(call)
		}
	}
}

func TestImportLink(t *testing.T) {
	t.Parallel()
	h := newFakeHub(t)
	h.set("getRPM", nil)
	h.set("getBuild", nil)
	h.set("importRPM", row{})
	var out, errs bytes.Buffer
	env := h.env(t, &out, &errs)
	top, _, _ := signedCopies(t, env.Home)
	source := filepath.Join(top, "foo.src.rpm")
	rpm, err := filepath.Glob("testdata/rpm/*.src.rpm")
	if err != nil || len(rpm) == 0 {
		t.Fatal(err)
	}
	data, err := os.ReadFile(rpm[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(source, data, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(top, "work"), 0o755); err != nil {
		t.Fatal(err)
	}
	r := h.runIn(t, env, "import", "--link", source)
	if r.status != statusOK {
		t.Fatalf("%s%s", r.out, r.err)
	}
	links, err := filepath.Glob(filepath.Join(top, "work/cli-import/*/foo.src.rpm"))
	if err != nil || len(links) != 1 {
		t.Fatalf("%v %v", links, err)
	}
	a, errA := os.Stat(source)
	b, errB := os.Stat(links[0])
	if errA != nil || errB != nil || !os.SameFile(a, b) {
		t.Errorf("no hard link: %v %v", errA, errB)
	}
	if len(h.uploads) != 0 {
		t.Error("it was uploaded, too")
	}
}
