// Package reload keeps what was read from files current: certificates, keys and keytabs are replaced while a daemon runs.
package reload

import (
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"
)

// Value is something read from files, and read again when one of them changes. It is safe for concurrent use.
//
// The files are looked at when the value is asked for, which costs a stat each: nothing runs in the background, and a network file system
// is no problem. A file that is replaced by renaming another over it is noticed, as is one that is written in place.
type Value[T any] struct {
	read  func() (T, error)
	files []string
	log   *slog.Logger

	mu    sync.Mutex
	value T
	seen  []stamp // of the last attempt, also of one that failed
}

// stamp tells one state of a file from another.
type stamp struct {
	info os.FileInfo // nil for a file that is not there
	size int64
	time time.Time
}

func (s stamp) equal(t stamp) bool {
	if s.info == nil || t.info == nil {
		return s.info == nil && t.info == nil
	}
	return s.size == t.size && s.time.Equal(t.time) && os.SameFile(s.info, t.info)
}

// New reads the value for the first time; an error of that is the caller's. Later ones are logged and leave the value as it was, until the
// files change again: of two files that belong together, one is replaced first.
func New[T any](log *slog.Logger, read func() (T, error), files ...string) (*Value[T], error) {
	v := &Value[T]{read: read, files: files, log: log}
	v.seen = v.stamps()
	var err error
	if v.value, err = read(); err != nil {
		return nil, err
	}
	return v, nil
}

// Get is the value as the files have it now, or had it when they could last be read.
func (v *Value[T]) Get() T {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := v.stamps()
	if slices.EqualFunc(now, v.seen, stamp.equal) {
		return v.value
	}
	v.seen = now
	next, err := v.read()
	if err != nil {
		v.log.Error("files changed and cannot be used; what was read before stays in force", "files", fmt.Sprint(v.files), "error", err)
		return v.value
	}
	v.value = next
	v.log.Info("files changed, read again", "files", fmt.Sprint(v.files))
	return v.value
}

func (v *Value[T]) stamps() []stamp {
	all := make([]stamp, len(v.files))
	for i, name := range v.files {
		if info, err := os.Stat(name); err == nil {
			all[i] = stamp{info: info, size: info.Size(), time: info.ModTime()}
		}
	}
	return all
}
