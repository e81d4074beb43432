package hub

import "testing"

func TestBelow(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ dir, name, want string }{
		{"tasks/1/1", "build.log", "work/tasks/1/1/build.log"},
		{"tasks/1/1", "./kojipkgs", "work/tasks/1/1/kojipkgs"}, // as kojid's manifests of dist-repos have it
		{"tasks/1/1/.", "repodata/repomd.xml", "work/tasks/1/1/repodata/repomd.xml"},
		{"", "./kojipkgs", "work/kojipkgs"},
		{"tasks//1/", "a", "work/tasks/1/a"},
		{"../packages/a", "b.rpm", ""},
		{"tasks", "../../packages/b.rpm", ""},
		{"tasks/../..", "packages/b.rpm", ""},
		{"/etc", "passwd", ""},
		{"tasks", ".hidden", ""},
		{"", "", ""},
	} {
		got, err := below("work", c.dir, c.name)
		switch {
		case c.want == "" && err == nil:
			t.Errorf("%q, %q: got %s, want an error", c.dir, c.name, got)
		case c.want != "" && (err != nil || got.String() != c.want):
			t.Errorf("%q, %q: got %s %v, want %s", c.dir, c.name, got, err, c.want)
		}
	}
}
