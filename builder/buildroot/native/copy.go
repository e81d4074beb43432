package native

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// copyNode copies one file, directory, link or device with its mode, owner and times. links remembers files with several names.
func copyNode(from, to string, links map[uint64]string) error {
	var st unix.Stat_t
	if err := unix.Lstat(from, &st); err != nil {
		return fmt.Errorf("copy %s: %w", from, err)
	}
	kind := st.Mode & unix.S_IFMT
	if first, ok := links[st.Ino]; ok && kind != unix.S_IFDIR {
		return os.Link(first, to)
	}
	if st.Nlink > 1 && kind != unix.S_IFDIR {
		links[st.Ino] = to
	}
	var err error
	switch kind {
	case unix.S_IFDIR:
		if err = os.Mkdir(to, 0o700); errors.Is(err, os.ErrExist) {
			err = nil
		}
	case unix.S_IFREG:
		err = copyFile(from, to)
	case unix.S_IFLNK:
		var target string
		if target, err = os.Readlink(from); err == nil {
			err = os.Symlink(target, to)
		}
	default:
		err = unix.Mknod(to, st.Mode, int(st.Rdev))
	}
	if err != nil {
		return fmt.Errorf("copy %s: %w", from, err)
	}
	if err := os.Lchown(to, int(st.Uid), int(st.Gid)); err != nil {
		return fmt.Errorf("copy %s: %w", from, err)
	}
	if kind == unix.S_IFLNK {
		return nil
	}
	// After the owner: a change of owner clears setuid bits.
	if err := syscall.Chmod(to, st.Mode&0o7777); err != nil {
		return fmt.Errorf("copy %s: %w", from, err)
	}
	return unix.UtimesNanoAt(unix.AT_FDCWD, to, []unix.Timespec{st.Atim, st.Mtim}, unix.AT_SYMLINK_NOFOLLOW)
}

// copyFile copies content, sharing blocks where the file system can.
func copyFile(from, to string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if unix.IoctlFileClone(int(dst.Fd()), int(src.Fd())) != nil {
		_, err = io.Copy(dst, src)
	}
	return errors.Join(err, dst.Close())
}
