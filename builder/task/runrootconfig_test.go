package task

import (
	"reflect"
	"strings"
	"testing"

	"moromi/builder/buildroot"
)

const runRootText = `[runroot]
internal_dev_setup = no
[paths]
; comment
default_mounts = /mnt/archive,/mnt/work
safe_roots = /mnt/work/tmp, /mnt/scratch
path_subs =
    /mnt/scratch/old/,/mnt/archive/prehistory/
    /mnt/scratch,/mnt/work/scratch
[path10]
mountpoint = /mnt
path = /srv/all
fstype = bind
options = bind
[path1]
mountpoint = /mnt/work/
path = /srv/work
fstype = bind
options = bind,ro,nodev
[path0]
mountpoint = /mnt/archive
path = archive.org:/vol/archive
fstype = nfs
options = ro,hard,intr
`

func TestRunRootConfig(t *testing.T) {
	t.Parallel()
	c, err := ParseRunRoot([]byte(runRootText))
	if err != nil {
		t.Fatal(err)
	}
	if c.InternalDevSetup == nil || *c.InternalDevSetup || len(c.Paths) != 3 || c.Paths[2].Point != "/mnt" {
		t.Errorf("%+v", c)
	}
	archive := buildroot.Mount{Source: "archive.org:/vol/archive", Point: "/mnt/archive", Type: "nfs", Options: []string{"ro", "hard", "intr"}}
	work := buildroot.Mount{Source: "/srv/work", Point: "/mnt/work", Type: "bind", Options: []string{"bind", "ro", "nodev"}}
	asked := func(m buildroot.Mount, source, point string) buildroot.Mount {
		out := m
		out.Source, out.Point, out.Options = source, point, nil
		for _, o := range m.Options {
			if o == "ro" {
				o = "rw"
			}
			out.Options = append(out.Options, o)
		}
		return out
	}
	for _, tt := range []struct {
		mount string
		want  *buildroot.Mount
	}{
		{"/mnt/work/tmp/x/", ptr(asked(work, "/srv/work/tmp/x", "/mnt/work/tmp/x"))},
		{"/mnt/work/tmp", ptr(asked(work, "/srv/work/tmp", "/mnt/work/tmp"))},
		{"/mnt/scratch/old/y", ptr(asked(archive, "archive.org:/vol/archive/prehistory/y", "/mnt/archive/prehistory/y"))},
		{"/mnt/scratch/a", ptr(asked(work, "/srv/work/scratch/a", "/mnt/work/scratch/a"))},
		{"/mnt/work/tmpfoo", nil}, {"/mnt/work/tmp/../secret", nil}, {"/etc", nil}, {"mnt/work/tmp", nil}, {"", nil},
	} {
		got, err := c.mounts([]string{tt.mount})
		if tt.want == nil {
			if err == nil {
				t.Errorf("%q is mounted: %+v", tt.mount, got)
			}
			continue
		}
		if err != nil || !reflect.DeepEqual(got, []buildroot.Mount{archive, work, *tt.want}) {
			t.Errorf("%q: %+v %v, want %+v", tt.mount, got, err, *tt.want)
		}
	}
	none := RunRootConfig{}
	if m, err := none.mounts(nil); err != nil || len(m) != 0 {
		t.Errorf("without settings: %v %v", m, err)
	}
	if m, err := none.mounts([]string{"/tmp"}); err == nil {
		t.Errorf("without settings: %v", m)
	}
	for _, bad := range []string{
		"[paths]\ndefault_mounts = mnt\n", "[paths]\ndefault_mounts = /mnt\n", "[paths]\nsafe_roots = mnt\n", "[paths]\npath_subs = /a\n", "[paths]\npath_subs = /a,/b,/c\n",
		"[paths]\nwhat = x\n", "[path0]\nmountpoint = /mnt\n", "[other]\nx = 1\n", "[pathx]\nx = 1\n", "x = 1\n", "[runroot]\ninternal_dev_setup = perhaps\n", "[runroot]\nx = 1\n",
		strings.Replace(runRootText, "ro,hard", "bg,hard", 1), strings.Replace(runRootText, "/mnt/work/\n", "work\n", 1),
	} {
		if c, err := ParseRunRoot([]byte(bad)); err == nil {
			t.Errorf("%q is taken: %+v", bad, c)
		}
	}
}

func ptr[T any](v T) *T { return &v }

// FuzzParseRunRoot looks that no text makes a task's mount lie outside of what is safe.
func FuzzParseRunRoot(f *testing.F) {
	f.Add(runRootText, "/mnt/work/tmp/x")
	f.Add("[paths]\nsafe_roots = /\n", "/../x")
	f.Fuzz(func(t *testing.T, text, mount string) {
		c, err := ParseRunRoot([]byte(text))
		if err != nil {
			return
		}
		c.Substitutions = nil
		mounts, err := c.mounts([]string{mount})
		if err != nil {
			return
		}
		m := mounts[len(mounts)-1]
		safe := false
		for _, s := range c.SafeRoots {
			safe = safe || below(m.Point, s)
		}
		if !safe || strings.Contains(m.Point+"/", "/../") {
			t.Errorf("%q is mounted at %q", mount, m.Point)
		}
	})
}
