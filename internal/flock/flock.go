// Package flock locks files against other parts of this program and against other programs, on one machine or through a file system that
// carries locks.
package flock

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// How a lock is taken.
const (
	// Shared lets others hold the file shared too.
	Shared = unix.LOCK_SH
	// Exclusive lets nobody else hold the file.
	Exclusive = unix.LOCK_EX
	// NoWait, or'ed to one of them, gives ErrHeld instead of waiting.
	NoWait = unix.LOCK_NB
)

// ErrHeld is the error of a lock that somebody else holds.
var ErrHeld = errors.New("somebody else holds the lock")

// ErrUnsupported is the error on a file system without locks.
var ErrUnsupported = errors.New("the file system has no locks")

// File is an open file and the lock on it, which ends with Close, or with the process.
type File struct{ *os.File }

// Take locks f, which belongs to the lock from then on; on an error it still belongs to the caller.
//
// A flock belongs to the open file (flock(2)), so it holds between goroutines too. A program that is being started has, until its exec,
// the open files of this one: Close therefore gives the lock back before it closes the file, or such a child would keep it for a moment.
func Take(f *os.File, how int) (*File, error) {
	for {
		err := unix.Flock(int(f.Fd()), how)
		switch {
		case err == nil:
			return &File{f}, nil
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EWOULDBLOCK):
			return nil, ErrHeld
		case errors.Is(err, unix.ENOLCK), errors.Is(err, unix.ENOTSUP), errors.Is(err, unix.ENOSYS):
			return nil, ErrUnsupported
		}
		return nil, os.NewSyscallError("flock", err)
	}
}

// Close gives the lock back and closes the file.
func (f *File) Close() error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_UN)
	return errors.Join(os.NewSyscallError("flock", err), f.File.Close())
}
