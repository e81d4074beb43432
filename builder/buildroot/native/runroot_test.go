package native_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"moromi/builder/buildroot"
	"moromi/builder/buildroot/native"
	"moromi/builder/buildroot/roottest"
)

// prowling is what the superuser of a root may try. What works prints a line that begins with a word in capitals.
const prowling = `grep -E '^(CapEff|CapBnd|NoNewPrivs)' /proc/self/status | tr '\n' ' '; echo
id -u
for f in /proc/sys/kernel/core_pattern /proc/sysrq-trigger /proc/irq/default_smp_affinity /sys/kernel/profiling; do { echo > $f; } 2>/dev/null && echo "WROTE $f"; done
test -e /dev/sda && echo "SAW a disk"
{ read x < /dev-null-node; } 2>/dev/null && echo "READ a device that a package brought"
ls /proc/1/root/ >/dev/null 2>&1 && echo "REACHED the first process's root"
{ read x < /proc/1/environ; } 2>/dev/null && echo "READ the first process's environment"
grep -q /etc/shadow-of-the-host /proc/self/mounts && echo "SAW the host's mounts"
(setsid sleep 876543 >/dev/null 2>&1 &)
`

func TestRunAsSuperuser(t *testing.T) {
	t.Parallel()
	for _, copied := range []bool{false, true} {
		b := newBackend(t, func(c *native.Config) { c.NoOverlay = copied })
		s := spec(t, roottest.Serve(t))
		r := create(t, b, s)
		// a device node, as a package could bring it
		for _, layer := range []string{"upper", "mount"} {
			if copied == (layer == "mount") {
				if err := unix.Mknod(filepath.Join(s.Dir, layer, "dev-null-node"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 5))); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := r.Run(t.Context(), buildroot.Command{Shell: prowling}); err != nil {
			t.Fatalf("%v\n%s", err, readLog(t, r, buildroot.RunLog))
		}
		log := readLog(t, r, buildroot.RunLog)
		for line := range strings.Lines(log) {
			for _, bad := range []string{"WROTE", "READ", "REACHED", "SAW"} {
				if strings.HasPrefix(line, bad) {
					t.Errorf("the command: %s", line)
				}
			}
		}
		const caps = "00000000800400fb" // chown dac_override fowner fsetid kill setgid setuid sys_chroot setfcap
		for _, want := range []string{"CapBnd:\t" + caps, "CapEff:\t" + caps, "NoNewPrivs:\t1", "\n0\n"} {
			if !strings.Contains(log, want) {
				t.Errorf("the log lacks %q:\n%s", want, log)
			}
		}
		if left := processes(t, "876543"); len(left) > 0 {
			t.Errorf("left running: %v", left)
		}
	}
}

func TestTakeOut(t *testing.T) {
	t.Parallel()
	b := newBackend(t, nil)
	r := create(t, b, spec(t, roottest.Serve(t)))
	err := r.Run(t.Context(), buildroot.Command{Argv: []string{"bash", "-c", "echo kept > /var/tmp/kept; ln -s /var/tmp/kept /builddir/link; ln -s /../../../../../etc/hostname /out; rm /usr/bin/tar; mkdir /d"}})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"/var/tmp/kept": "kept\n", "builddir/link": "", "/out": "", "/d": "", "/none": "", "/usr/bin/tar": "", "/../../etc/shadow": ""} {
		var out bytes.Buffer
		err := r.CopyOut(t.Context(), &out, name)
		if want == "" && !errors.Is(err, buildroot.ErrNotThere) || want != "" && (err != nil || out.String() != want) {
			t.Errorf("%s: %q %v", name, out.String(), err)
		}
	}
	if err := r.Pack(t.Context(), &bytes.Buffer{}, buildroot.PackOptions{Dir: "none"}); !errors.Is(err, buildroot.ErrNotThere) {
		t.Errorf("pack what is not there: %v", err)
	}
	full := &buildroot.LimitWriter{W: &bytes.Buffer{}, Left: 1000}
	if err := r.Pack(t.Context(), full, buildroot.PackOptions{Dir: "."}); err == nil || !full.Full {
		t.Errorf("pack more than there is room for: %v", err)
	}
}

// TestMountPoint lets a root lead the mount point out of itself.
func TestMountPoint(t *testing.T) {
	t.Parallel()
	b := newBackend(t, nil)
	r := create(t, b, spec(t, roottest.Serve(t)))
	away, from := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(from, "f"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	run := func(text string, mounts ...buildroot.Mount) error {
		return r.Run(t.Context(), buildroot.Command{Shell: text, Mounts: mounts})
	}
	if err := run("ln -s " + away + " /share; mkdir /data"); err != nil {
		t.Fatal(err)
	}
	bind := func(point string, options ...string) buildroot.Mount {
		return buildroot.Mount{Source: from, Point: point, Type: "none", Options: append(options, "bind")}
	}
	if err := run("true", bind("/share/sub")); err == nil {
		t.Error("a mount point behind a link out of the root is taken")
	}
	if left, err := os.ReadDir(away); err != nil || len(left) > 0 {
		t.Errorf("made outside: %v %v", left, err)
	}
	if err := run("cat /data/f; ! touch /data/g", bind("/data", "ro", "noexec")); err != nil {
		t.Errorf("a mount that is read-only: %v\n%s", err, readLog(t, r, buildroot.RunLog))
	}
	for _, m := range []buildroot.Mount{bind("/data", "suid"), {Source: "server:/x", Point: "/data", Type: "nfs", Options: []string{"ro"}}, {Source: from + "/none", Point: "/data", Options: []string{"bind"}}} {
		if err := run("true", m); err == nil {
			t.Errorf("%+v is mounted", m)
		}
	}
}
