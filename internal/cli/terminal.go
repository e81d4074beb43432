package cli

import (
	"os"

	"golang.org/x/sys/unix"
)

// isForegroundGroup tells whether f is a terminal and our process group is the one in its foreground.
func isForegroundGroup(f *os.File) bool {
	group, err := unix.IoctlGetInt(int(f.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}
