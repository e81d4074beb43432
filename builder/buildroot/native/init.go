package native

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"

	"moromi/builder/buildroot"
)

// InitVerb is the hidden first argument with which the program runs Init. The caller's main must look for it before
// anything else:
//
//	if len(os.Args) == 2 && os.Args[1] == native.InitVerb {
//		os.Exit(native.Init())
//	}
const InitVerb = "buildroot-init"

// Descriptors that the parent hands to Init.
const (
	jobFD   = 3 // a file with the job as JSON
	errorFD = 4 // a pipe: what went wrong before the command ran
)

// exitSetup is Init's exit status when the command could not be started.
const exitSetup = 125

// exitNotThere is Init's exit status when the root does not have what is to be taken out of it.
const exitNotThere = 124

// job is one command to run below a root. It travels as JSON from the daemon to Init.
type job struct {
	// Root is the root's mount point; Overlay, if set, is mounted there first.
	Root    string
	Overlay *overlay
	// Binds are directories of the host made visible in the root. Targets must not be writable by the build user.
	Binds []bind
	// Files are written into the root before the command: the resolver's files for the network phase.
	Files map[string][]byte
	// Inside enters the root as the build user without privileges. Without it the command runs as root
	// in the host's file tree: dnf and rpm, which work on the root from outside.
	Inside bool
	// Superuser lets a command inside be the root's root, with the few capabilities that can do nothing outside of it.
	Superuser bool
	// Mounts are made visible inside.
	Mounts []buildroot.Mount
	// Take, instead of a command, writes something of the root to the standard output.
	Take *take
	// Hostname is the name seen inside.
	Hostname string
	// Control groups to join, as paths of their cgroup.procs or tasks files.
	Groups []string
	Argv   []string
	Env    []string
	Dir    string
}

// take is what is taken out of a root: a file, or a part of it as tar.gz.
type take struct {
	File string
	Pack *buildroot.PackOptions
}

// overlay is an overlay mount. Lower directories, the uppermost first, are never written.
type overlay struct {
	Lower       []string
	Upper, Work string
}

// bind is a directory of the host and where it appears in the root.
type bind struct{ Source, Target string }

// Init is the first process of a root's PID namespace. The daemon starts it in fresh namespaces (never call it elsewhere); it mounts,
// enters the root, drops every privilege, runs one command, reaps what that leaves behind and
// returns its exit status (128 + signal if it died of one). When Init ends, the kernel kills all that is left in the namespace.
func Init() int {
	// Capabilities and no_new_privs belong to a thread: the one that forks the command must be this one.
	runtime.LockOSThread()
	report := os.NewFile(errorFD, "error")
	var j job
	err := json.NewDecoder(io.LimitReader(os.NewFile(jobFD, "job"), maxJob)).Decode(&j)
	if err != nil {
		err = fmt.Errorf("read the job: %w", err)
	}
	var pid int
	if err == nil && j.Take != nil {
		switch err = takeOut(j); {
		case err == nil:
			return 0
		case errors.Is(err, buildroot.ErrNotThere):
			return exitNotThere
		}
	}
	if err == nil {
		pid, err = start(j)
	}
	if err != nil {
		fmt.Fprint(report, err)
		return exitSetup
	}
	report.Close()
	return reap(pid)
}

// maxJob bounds the job's JSON: arguments are limited by the kernel to about 2 MiB anyway.
const maxJob = 8 << 20

// takeOut enters the root, in which nothing runs, and writes what is asked for to the standard output.
func takeOut(j job) error {
	if err := mountRoot(j); err != nil {
		return err
	}
	if err := enter(j); err != nil {
		return err
	}
	root, err := os.OpenRoot("/")
	if err != nil {
		return err
	}
	defer root.Close()
	if j.Take.Pack != nil {
		return buildroot.Pack(os.Stdout, root, *j.Take.Pack)
	}
	return buildroot.CopyOut(os.Stdout, root, j.Take.File)
}

// start sets everything up and forks the command.
func start(j job) (int, error) {
	unix.CloseOnExec(jobFD)
	unix.CloseOnExec(errorFD)
	for _, g := range j.Groups {
		if err := os.WriteFile(g, []byte("0"), 0); err != nil {
			return 0, fmt.Errorf("join control group: %w", err)
		}
	}
	if err := mountRoot(j); err != nil {
		return 0, err
	}
	if err := writeFiles(j.Root, j.Files); err != nil {
		return 0, err
	}
	attr := &syscall.ProcAttr{
		Dir: j.Dir, Env: j.Env, Files: []uintptr{0, 1, 2},
		Sys: &syscall.SysProcAttr{Setsid: true},
	}
	keep := hostCapabilities
	if j.Inside {
		if err := enter(j); err != nil {
			return 0, err
		}
		keep = nil
		attr.Sys.Credential = &syscall.Credential{Uid: buildUID, Gid: buildGID, Groups: []uint32{}}
		if j.Superuser {
			keep, attr.Sys.Credential = insideCapabilities, &syscall.Credential{Groups: []uint32{}}
		}
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return 0, fmt.Errorf("set no_new_privs: %w", err)
		}
	}
	if err := limitResources(); err != nil {
		return 0, err
	}
	unix.Umask(0o022)
	if err := dropCapabilities(keep); err != nil {
		return 0, err
	}
	argv0 := j.Argv[0]
	if !filepath.IsAbs(argv0) {
		return 0, fmt.Errorf("command %q is not an absolute path", argv0)
	}
	pid, err := syscall.ForkExec(argv0, j.Argv, attr)
	if err != nil {
		return 0, fmt.Errorf("run %s: %w", argv0, err)
	}
	return pid, nil
}

// reap waits for the command and for every orphan that the namespace hands to its first process.
func reap(command int) int {
	for {
		var ws syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &ws, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case err != nil:
			return exitSetup
		case pid != command:
			continue
		case ws.Signaled():
			return 128 + int(ws.Signal())
		default:
			return ws.ExitStatus()
		}
	}
}

// writeFiles replaces files of the root. Links in the root cannot lead outside of it.
func writeFiles(root string, files map[string][]byte) error {
	if len(files) == 0 {
		return nil
	}
	r, err := os.OpenRoot(root)
	if err != nil {
		return fmt.Errorf("open the root: %w", err)
	}
	defer r.Close()
	for name, data := range files {
		if err := r.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("replace %s in the root: %w", name, err)
		}
		if err := r.WriteFile(name, data, 0o644); err != nil {
			return fmt.Errorf("write %s in the root: %w", name, err)
		}
	}
	return nil
}
