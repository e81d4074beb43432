// Package logstream sends logs to the hub while they are written, so that people can follow a build.
//
// It does what kojid's BuildRootLogs does: new bytes of each log go to the task's directory at their offset, in
// pieces of at most 64 KiB; a log that was rewritten is sent again from its start. It waits less:
// 200 ms while something is written, up to a second when nothing is.
package logstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// chunkSize is the largest piece sent at once.
	chunkSize = 64 << 10
	// busyInterval and idleInterval are the pauses between looks while something is written and when nothing is.
	busyInterval, idleInterval = 200 * time.Millisecond, time.Second
	// maxAliases is how many logs of one base name get names of their own.
	maxAliases = 99
)

// Uploader writes a piece of a file in a directory of the hub: hubclient.Client.
type Uploader interface {
	UploadChunk(ctx context.Context, dir, name string, offset int64, data []byte, overwrite bool) error
}

// Options are a stream's settings.
type Options struct {
	// Dir is the task's upload directory.
	Dir string
	// Timestamps adds NAME-ts.log beside each log: lines of time in seconds and offset.
	Timestamps bool
	Log        *slog.Logger
	// Now is the clock of timestamps.
	Now func() time.Time
}

// Stream follows the logs that match its patterns.
type Stream struct {
	up     Uploader
	opt    Options
	cancel context.CancelFunc
	done   chan struct{}

	mu       sync.Mutex
	patterns []string
	logs     map[string]*follow // by path
	names    []string           // as uploaded, in order of discovery
}

// follow is one log.
type follow struct {
	path, name string
	f          *os.File
	ino        uint64
	sent       int64
	ts         []byte // the timestamp log
	tsSent     int
	broken     bool // an error was logged
}

// Start begins to follow the files that match patterns, now or later. Close must be called.
func Start(ctx context.Context, up Uploader, opt Options, patterns ...string) *Stream {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	s := &Stream{up: up, opt: opt, patterns: patterns, logs: map[string]*follow{}, done: make(chan struct{})}
	ctx, s.cancel = context.WithCancel(ctx)
	go s.run(ctx)
	return s
}

// Watch adds patterns.
func (s *Stream) Watch(patterns ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.patterns = append(s.patterns, patterns...)
}

// Add notes the name of a log that was uploaded by other means.
func (s *Stream) Add(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.names, name) {
		s.names = append(s.names, name)
	}
}

// Names are the logs' names on the hub.
func (s *Stream) Names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.names)
}

// Close sends what is left and ends the stream. The error is the first of the last round.
func (s *Stream) Close(ctx context.Context) error {
	s.cancel()
	<-s.done
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.sync(ctx)
	for _, l := range s.logs {
		if l.f != nil {
			l.f.Close()
		}
	}
	return err
}

func (s *Stream) run(ctx context.Context) {
	defer close(s.done)
	wait := busyInterval
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		s.mu.Lock()
		moved, _ := s.sync(ctx)
		s.mu.Unlock()
		if moved {
			wait = busyInterval
		} else {
			wait = min(2*wait, idleInterval)
		}
		timer.Reset(wait)
	}
}

// sync looks for new logs and sends new bytes. moved tells that there were some.
func (s *Stream) sync(ctx context.Context) (moved bool, first error) {
	s.discover()
	for _, l := range s.logs {
		n, err := s.send(ctx, l)
		moved = moved || n
		if err == nil {
			l.broken = false
			continue
		}
		if first == nil {
			first = err
		}
		if !l.broken && ctx.Err() == nil {
			l.broken = true
			s.opt.Log.Warn("log not sent, will try again", "log", l.name, "err", err)
		}
	}
	return moved, first
}

func (s *Stream) discover() {
	for _, pattern := range s.patterns {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			continue // patterns are ours; a directory's name may hold a bracket
		}
		for _, path := range paths {
			if s.logs[path] != nil || strings.HasSuffix(path, "-ts.log") {
				continue
			}
			if name, ok := s.alias(filepath.Base(path)); ok {
				s.logs[path] = &follow{path: path, name: name}
				s.names = append(s.names, name)
				if s.opt.Timestamps {
					s.names = append(s.names, name+"-ts.log")
				}
			}
		}
	}
}

// alias gives a name that no other log has, as kojid makes them: x.DUP00.log.
func (s *Stream) alias(name string) (string, bool) {
	if !slices.Contains(s.names, name) {
		return name, true
	}
	ext := filepath.Ext(name)
	for n := range maxAliases {
		other := fmt.Sprintf("%s.DUP%02d%s", strings.TrimSuffix(name, ext), n, ext)
		if !slices.Contains(s.names, other) {
			return other, true
		}
	}
	return "", false
}

// send uploads what is new in one log.
func (s *Stream) send(ctx context.Context, l *follow) (moved bool, err error) {
	if err := l.open(); err != nil {
		return false, err
	}
	if l.f == nil {
		return false, nil
	}
	buf := make([]byte, chunkSize)
	for {
		n, err := l.f.ReadAt(buf, l.sent)
		if err != nil && !errors.Is(err, io.EOF) {
			return moved, fmt.Errorf("read %s: %w", l.name, err)
		}
		if n == 0 {
			break
		}
		if err := s.up.UploadChunk(ctx, s.opt.Dir, l.name, l.sent, buf[:n], true); err != nil {
			return moved, fmt.Errorf("upload %s: %w", l.name, err)
		}
		l.sent += int64(n)
		moved = true
	}
	return moved, s.stamp(ctx, l, moved)
}

// stamp notes when the log reached its offset.
func (s *Stream) stamp(ctx context.Context, l *follow, moved bool) error {
	if !s.opt.Timestamps {
		return nil
	}
	if len(l.ts) == 0 {
		l.ts = fmt.Appendf(l.ts, "%d 0\n", s.opt.Now().Unix())
	}
	if moved {
		l.ts = fmt.Appendf(l.ts, "%d %d\n", s.opt.Now().Unix(), l.sent)
	}
	for l.tsSent < len(l.ts) {
		end := min(l.tsSent+chunkSize, len(l.ts))
		name := l.name + "-ts.log"
		if err := s.up.UploadChunk(ctx, s.opt.Dir, name, int64(l.tsSent), l.ts[l.tsSent:end], true); err != nil {
			return fmt.Errorf("upload %s: %w", name, err)
		}
		l.tsSent = end
	}
	return nil
}

// open opens the log, again if it was exchanged or cut. A log that is gone for now leaves f nil.
func (l *follow) open() error {
	st, err := os.Lstat(l.path)
	if errors.Is(err, os.ErrNotExist) || err == nil && !st.Mode().IsRegular() {
		l.drop() // a log in a root may be anything that the build user likes: only plain files are read
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at %s: %w", l.name, err)
	}
	ino := st.Sys().(*syscall.Stat_t).Ino
	if l.f != nil && ino == l.ino && st.Size() >= l.sent {
		return nil
	}
	l.drop()
	f, err := os.OpenFile(l.path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("open %s: %w", l.name, err)
	}
	l.f, l.ino = f, ino
	return nil
}

func (l *follow) drop() {
	if l.f != nil {
		l.f.Close()
	}
	l.f, l.sent = nil, 0
}
