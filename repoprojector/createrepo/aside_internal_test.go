package createrepo

import (
	"os"
	"testing"
)

// TestMoveAside replaces a repository as on a file system that cannot exchange two names, and is ended between the
// two steps.
func TestMoveAside(t *testing.T) {
	t.Parallel()
	for _, ended := range []bool{false, true} {
		root, err := os.OpenRoot(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		const temp = tempPrefix + "x"
		for dir, content := range map[string]string{repodataDir: "old", temp + "/" + repodataDir: "new"} {
			if err := root.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := root.WriteFile(dir+"/"+indexName, []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want := "new"
		r := &run{out: root}
		if ended {
			want = "old"
			r.onStep = func(string) { panic("ended") }
		}
		func() {
			defer func() { _ = recover() }()
			if err := r.moveAside(temp); err != nil {
				t.Error(err)
			}
		}()
		if err := r.clear(temp); err != nil { // as the next run does
			t.Error(err)
		}
		got, err := root.ReadFile(repodataDir + "/" + indexName)
		if err != nil || string(got) != want {
			t.Errorf("ended in between %t: the repository is %q, %v; want %q", ended, got, err, want)
		}
		if _, err := root.Stat(temp); err == nil {
			t.Error("the run's directory is still there")
		}
	}
}
