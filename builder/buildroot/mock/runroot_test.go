package mock

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"moromi/builder/buildroot"
)

func TestRunRoot(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	r := f.create(t, spec(t))
	ctx := t.Context()
	dir := filepath.Join(f.dir, "lib/f42-build-7-3/root")
	if err := os.MkdirAll(filepath.Join(dir, "builddir"), 0o755); err != nil {
		t.Fatal(err)
	}
	f.put(t, "lib/f42-build-7-3/root/builddir/runroot.log", "printed\n")
	yes := true
	for _, err := range []error{
		r.Install(ctx, []string{"bash", "@core"}),
		r.Run(ctx, buildroot.Command{Argv: []string{"ls", "it's here"}, NewChroot: &yes, Arch: "x86_64"}),
		r.Run(ctx, buildroot.Command{Shell: "ls | wc"}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	calls := f.file(t, "calls")
	for _, want := range []string{
		"-r koji/f42-build-7-3 --install bash @core\n",
		`-r koji/f42-build-7-3 --new-chroot --arch x86_64 --chroot -- /bin/sh -c { 'ls' 'it'\''s here'` + "\n" + `} < /dev/null 2>&1 | /usr/bin/tee /builddir/runroot.log; exit ${PIPESTATUS[0]}` + "\n",
		"-r koji/f42-build-7-3 --chroot -- /bin/sh -c { ls | wc\n} < /dev/null",
	} {
		if !strings.Contains(calls, want) {
			t.Errorf("mock was not called as %q:\n%s", want, calls)
		}
	}
	if log := f.file(t, "lib/f42-build-7-3/result/runroot.log"); log != "printed\n" {
		t.Errorf("the log is %q", log)
	}
	var pe *buildroot.PhaseError
	if err := r.Install(ctx, []string{"--enablerepo=x"}); !errors.As(err, &pe) || strings.Contains(f.file(t, "calls"), "enablerepo") {
		t.Errorf("an option for a package: %v", err)
	}
	if err := r.Run(ctx, buildroot.Command{Shell: "true", Mounts: []buildroot.Mount{{Source: "/nowhere", Point: "/x", Options: []string{"bind"}}}}); err == nil {
		t.Error("a mount that fails does not end the command")
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "builddir/link")); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := r.CopyOut(ctx, &out, "/builddir/link"); !errors.Is(err, buildroot.ErrNotThere) || out.Len() > 0 {
		t.Errorf("a link out of the root: %v %q", err, out.String())
	}
	if err := r.Pack(ctx, &out, buildroot.PackOptions{Dir: "builddir", Prefix: "x"}); err != nil || out.Len() == 0 {
		t.Errorf("pack: %v", err)
	}
	if err := r.Destroy(); err != nil {
		t.Fatal(err)
	}
	if err := r.Pack(ctx, &out, buildroot.PackOptions{Dir: "builddir"}); !errors.Is(err, buildroot.ErrNotThere) {
		t.Errorf("pack a root that is gone: %v", err)
	}
}
