package koji

import "testing"

func TestParseNVRA(t *testing.T) {
	t.Parallel()
	tests := []struct {
		in, name, version, release, arch, location string
		bad                                        bool
	}{
		{in: "foo-1.0-1.x86_64", name: "foo", version: "1.0", release: "1", arch: "x86_64"},
		{in: "foo-bar-1.0-1.el9.noarch.rpm", name: "foo-bar", version: "1.0", release: "1.el9", arch: "noarch"},
		{in: "foo-1-1.noarch@ext", name: "foo", version: "1", release: "1", arch: "noarch", location: "ext"},
		{in: "2:foo-1-1.src.rpm", name: "foo", version: "1", release: "1", arch: "src"},
		{in: "foo", bad: true}, {in: "foo-1", bad: true}, {in: "foo-1-1", bad: true}, {in: "foo-1-.x", bad: true}, {in: "foo--1.x", bad: true},
		{in: "", bad: true}, {in: "a-b-c.", bad: true},
	}
	for _, test := range tests {
		n, err := ParseNVRA(test.in)
		if (err != nil) != test.bad {
			t.Errorf("%q: %+v, %v", test.in, n, err)
			continue
		}
		if !test.bad && (n.Name != test.name || n.Version != test.version || n.Release != test.release || n.Arch != test.arch || n.Location != test.location) {
			t.Errorf("%q: %+v", test.in, n)
		}
	}
}

func TestDraftRelease(t *testing.T) {
	t.Parallel()
	if got, err := TargetRelease(DraftRelease("1.el9", 17)); err != nil || got != "1.el9" {
		t.Errorf("%q, %v", got, err)
	}
	for _, r := range []string{"1", "1,x", ",", ""} {
		if _, err := TargetRelease(r); err == nil {
			t.Errorf("%q is no draft's release", r)
		}
	}
}

func FuzzParseNVRA(f *testing.F) {
	f.Add("foo-1.0-1.x86_64.rpm")
	f.Add("1:a-b-c.d@e")
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseNVRA(s)
		if err != nil {
			return
		}
		if n.Version == "" || n.Release == "" || n.Arch == "" {
			t.Errorf("%q: %+v", s, n)
		}
	})
}
