package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// releaseProgram gives back what is mapped of the program's file. The start of a program touches the initialisers of all
// that is linked in; a verb that has to be small needs little of that again, and what it needs comes back from the file.
func releaseProgram() error {
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return fmt.Errorf("release the program: %w", err)
	}
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return fmt.Errorf("release the program: %w", err)
	}
	defer f.Close() // only read
	ranges, err := unwritten(f, exe)
	if err != nil {
		return fmt.Errorf("release the program: %w", err)
	}
	for _, r := range ranges {
		if _, _, errno := unix.Syscall(unix.SYS_MADVISE, r.from, r.to-r.from, unix.MADV_DONTNEED); errno != 0 {
			return fmt.Errorf("release the program: %w", errno)
		}
	}
	return nil
}

// addresses are those of a mapping; to is behind it.
type addresses struct{ from, to uintptr }

// unwritten finds the mappings of a file in /proc/PID/smaps (proc_pid_smaps(5)) that cannot be written to and never were:
// a loader may have written to what is only to be read now, which would be lost.
func unwritten(smaps io.Reader, file string) (out []addresses, err error) {
	var last addresses // of the file's mapping whose lines come; zero in another one
	for in := bufio.NewScanner(smaps); ; {
		if !in.Scan() {
			return out, in.Err()
		}
		line := in.Text()
		if key, _, _ := strings.Cut(line, " "); !strings.HasSuffix(key, ":") {
			var x addresses
			var mode string
			if _, err := fmt.Sscanf(line, "%x-%x %s", &x.from, &x.to, &mode); err != nil {
				return nil, fmt.Errorf("mapping %q: %w", line, err)
			}
			if last = (addresses{}); strings.HasSuffix(line, " "+file) && !strings.Contains(mode, "w") {
				last = x
			}
			continue
		}
		var kB int
		if n, _ := fmt.Sscanf(line, "Anonymous: %d kB", &kB); n == 1 && kB == 0 && last != (addresses{}) {
			out = append(out, last)
		}
	}
}
