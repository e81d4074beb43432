package native_test

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"moromi/builder/buildroot/native"
	"moromi/builder/buildroot/roottest"
)

// hostile is a build that tries what a build must not be able to do; each line of its output names what it found.
const hostile = `
echo "caps $(grep CapEff /proc/self/status) $(grep CapBnd /proc/self/status) $(grep NoNewPrivs /proc/self/status)"
echo "interfaces $(tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' ' | tr '\n' ' ')"
echo "processes $(ls /proc | grep -c '^[0-9]')"
cat /proc/1/environ >/dev/null 2>&1 && echo "READ the first process's environment"
echo "host $(uname -n)"
touch /etc/planted 2>/dev/null && echo "WROTE /etc"
touch /usr/bin/planted 2>/dev/null && echo "WROTE /usr/bin"
echo 1 > /proc/sys/kernel/core_uses_pid 2>/dev/null && echo "WROTE /proc/sys"
cat /dev/sda /dev/vda /dev/mem /dev/kmsg >/dev/null 2>&1 && echo "READ a device"
ls -la /proc/1/root/ >/dev/null 2>&1 && echo "READ the first process's root"
(exec 3<>/dev/tcp/127.0.0.1/$PORT) 2>/dev/null && echo "REACHED the host's network"
test -e /planted-by-another && echo "SAW another build"
touch /tmp/planted-by-another /var/tmp/planted-by-another
ls /tmp /var/tmp | grep -c planted-by-another
ln -s /etc/shadow %{_rpmdir}/stolen.rpm
ln -s /etc/shadow %{_srcrpmdir}/stolen.src.rpm
mkfifo %{_rpmdir}/pipe.rpm || true
(setsid sleep 987654 >/dev/null 2>&1 &)
`

func TestIsolation(t *testing.T) {
	t.Parallel()
	b := newBackend(t, nil)
	repo := roottest.Serve(t)
	_, port, _ := strings.Cut(strings.TrimPrefix(repo, "http://"), ":")
	text := strings.Replace(strings.Replace(helloSpec, "id\n", hostile, 1), "$PORT", port, 1)
	for range 2 { // the second build must find nothing of the first
		s := spec(t, repo)
		src := create(t, b, s)
		tree := checkout(t, src, text, "bash", "-c", "echo hello > greeting")
		if err := src.BuildSRPM(t.Context(), tree); err != nil {
			t.Fatalf("%v\n%s", err, readLog(t, src, "build.log"))
		}
		r := create(t, b, spec(t, repo))
		if err := r.Build(t.Context(), filepath.Join(src.ResultDir(), "hello-1.0-1.t1.src.rpm"), "noarch"); err != nil {
			t.Fatalf("%v\n%s", err, readLog(t, r, "build.log"))
		}
		log := readLog(t, r, "build.log")
		for line := range strings.Lines(log) {
			for _, bad := range []string{"WROTE", "READ", "REACHED", "SAW"} {
				if strings.HasPrefix(line, bad) {
					t.Errorf("the build: %s", line)
				}
			}
		}
		zero := "0000000000000000"
		for _, want := range []string{"caps CapEff:\t" + zero + " CapBnd:\t" + zero + " NoNewPrivs:\t1", "\ninterfaces lo \n", "host builder.test\n", "\n2\n"} {
			if !strings.Contains(log, want) {
				t.Errorf("build.log lacks %q:\n%s", want, log)
			}
		}
		entries, err := os.ReadDir(r.ResultDir())
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if !e.Type().IsRegular() || strings.Contains(e.Name(), "stolen") {
				t.Errorf("result %s is %s", e.Name(), e.Type())
			}
		}
		if left := processes(t, "987654"); len(left) > 0 {
			t.Errorf("left running: %v", left)
		}
	}
}

// TestKilledDaemon kills a process that runs a build, and looks that the build dies with it.
func TestKilledDaemon(t *testing.T) {
	t.Parallel()
	roottest.Require(t)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	const word = "765432"
	cmd := exec.Command(exe, "-test.run=^TestHelperDaemon$", "-test.v")
	dir := t.TempDir()
	// It cannot tidy up after itself: what it makes is in this test's directory.
	cmd.Env = append(os.Environ(), "TMPDIR="+dir, "NATIVE_TEST_DAEMON="+dir, "NATIVE_TEST_REPO="+roottest.Dir(t))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var seen strings.Builder
	for buf := make([]byte, 4096); !strings.Contains(seen.String(), "build runs"); {
		n, err := out.Read(buf)
		seen.Write(buf[:n])
		if err != nil {
			t.Fatalf("the helper ended: %v\n%s", err, seen.String())
		}
	}
	if len(processes(t, word)) == 0 {
		t.Fatal("the build does not run")
	}
	if err := syscall.Kill(cmd.Process.Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, out) // ends when all who hold the pipe are gone
	cmd.Wait()
	deadline := time.Now().Add(10 * time.Second)
	for len(processes(t, word)) > 0 {
		if time.Now().After(deadline) {
			t.Fatalf("left running: %v", processes(t, word))
		}
		time.Sleep(10 * time.Millisecond) // the kernel kills them; there is no event to wait for
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil || strings.Contains(string(mounts), "NATIVE") {
		t.Errorf("mounts: %v %s", err, mounts)
	}
}

// TestHelperDaemon is the process that TestKilledDaemon kills.
func TestHelperDaemon(t *testing.T) {
	dir := os.Getenv("NATIVE_TEST_DAEMON")
	if dir == "" {
		t.Skip("runs only for TestKilledDaemon")
	}
	b, err := native.New(t.Context(), native.Config{Dir: filepath.Join(dir, "cache")})
	if err != nil {
		t.Fatal(err)
	}
	s := spec(t, "file://"+os.Getenv("NATIVE_TEST_REPO"))
	s.Timeout = 0
	if s.Dir = filepath.Join(dir, "root"); os.Mkdir(s.Dir, 0o755) != nil {
		t.Fatal("no directory")
	}
	r := create(t, b, s)
	tree := checkout(t, r, helloSpec, "bash", "-c", "(setsid sleep 765432 &); echo build runs >&2; sleep 765432")
	go func() {
		log := filepath.Join(r.ResultDir(), "root.log")
		for range time.Tick(20 * time.Millisecond) {
			if data, _ := os.ReadFile(log); strings.Contains(string(data), "\nbuild runs") {
				os.Stdout.WriteString("build runs\n")
				return
			}
		}
	}()
	t.Fatal(r.BuildSRPM(t.Context(), tree))
}
