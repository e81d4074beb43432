package native

import (
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// The build user, with mock's numbers (mockbuild 1000, mock 135).
const (
	buildUID   = 1000
	buildGID   = 135
	buildUser  = "mockbuild"
	buildGroup = "mock"
)

// hostCapabilities are what dnf, rpm and the scriptlets of packages need when they fill a root.
var hostCapabilities = []uintptr{
	unix.CAP_CHOWN, unix.CAP_DAC_OVERRIDE, unix.CAP_DAC_READ_SEARCH, unix.CAP_FOWNER, unix.CAP_FSETID, unix.CAP_KILL,
	unix.CAP_SETGID, unix.CAP_SETUID, unix.CAP_SETFCAP, unix.CAP_MKNOD, unix.CAP_SYS_CHROOT,
}

// insideCapabilities are what root has in a root: those with which it can do nothing outside. So it cannot make devices, open files by their
// handles, mount, or set up a network.
var insideCapabilities = []uintptr{
	unix.CAP_CHOWN, unix.CAP_DAC_OVERRIDE, unix.CAP_FOWNER, unix.CAP_FSETID, unix.CAP_KILL, unix.CAP_SETGID, unix.CAP_SETUID, unix.CAP_SETFCAP,
	unix.CAP_SYS_CHROOT,
}

// dropCapabilities takes all capabilities but keep out of the thread's bounding set, so that no program run by it
// can have them. With keep empty the later change of user takes the rest.
func dropCapabilities(keep []uintptr) error {
	for c := uintptr(0); ; c++ {
		if slices.Contains(keep, c) {
			continue
		}
		err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0)
		if errors.Is(err, unix.EINVAL) {
			return nil // past the kernel's last capability
		}
		if err != nil {
			return fmt.Errorf("drop capability %d: %w", c, err)
		}
	}
}

// Limits of every process in a root.
const (
	// maxOpenFiles is what large link steps need; the soft limit stays at the traditional one.
	maxOpenFiles, softOpenFiles = 65536, 4096
	// maxProcesses keeps a fork bomb from taking the machine's process table. It counts all builds of a machine, as they share the user.
	maxProcesses = 32768
)

func limitResources() error {
	for _, l := range []struct {
		resource   int
		soft, hard uint64
		name       string
	}{
		{unix.RLIMIT_CORE, 0, 0, "core files"},
		{unix.RLIMIT_NOFILE, softOpenFiles, maxOpenFiles, "open files"},
		{unix.RLIMIT_NPROC, maxProcesses, maxProcesses, "processes"},
	} {
		var old unix.Rlimit
		if err := unix.Getrlimit(l.resource, &old); err != nil {
			return fmt.Errorf("read limit of %s: %w", l.name, err)
		}
		lim := unix.Rlimit{Cur: min(l.soft, old.Max), Max: min(l.hard, old.Max)}
		if err := unix.Setrlimit(l.resource, &lim); err != nil {
			return fmt.Errorf("limit %s: %w", l.name, err)
		}
	}
	return nil
}
