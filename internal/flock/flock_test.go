package flock_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"moromi/internal/flock"
)

func open(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// TestTake tells which locks go together, with a second open of the same file as the other one.
func TestTake(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name         string
		first, other int
		want         error
	}{
		{"two readers", flock.Shared, flock.Shared, nil},
		{"a writer after a reader", flock.Shared, flock.Exclusive, flock.ErrHeld},
		{"a reader after a writer", flock.Exclusive, flock.Shared, flock.ErrHeld},
		{"two writers", flock.Exclusive, flock.Exclusive, flock.ErrHeld},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "lock")
			if _, err := flock.Take(open(t, path), tt.first); err != nil {
				t.Fatal(err)
			}
			if _, err := flock.Take(open(t, path), tt.other|flock.NoWait); !errors.Is(err, tt.want) {
				t.Errorf("the other: %v, want %v", err, tt.want)
			}
		})
	}
}

// TestClose gives the lock back although a child that is being started still has the open file; a duplicate stands for the child.
func TestClose(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	l, err := flock.Take(open(t, path), flock.Exclusive)
	if err != nil {
		t.Fatal(err)
	}
	child, err := unix.FcntlInt(l.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(child) //nolint:errcheck // nothing was written
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := flock.Take(open(t, path), flock.Exclusive|flock.NoWait); err != nil {
		t.Errorf("after Close: %v", err)
	}
}
