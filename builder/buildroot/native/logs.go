package native

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"sync"
	"time"

	"moromi/builder/buildroot"
)

// maxLog bounds one log: a build that prints without end must not fill the disk. Koji has no limit; real logs stay far below.
const maxLog = 1 << 30

// logs are the open logs of a root.
type logs struct {
	root, build *logFile
	state       *os.File
	journal     *buildroot.Journal
}

func openLogs(dir string, now func() time.Time) (logs, error) {
	var l logs
	var errs [3]error
	l.root, errs[0] = openLog(filepath.Join(dir, "root.log"))
	l.build, errs[1] = openLog(filepath.Join(dir, "build.log"))
	l.state, errs[2] = os.OpenFile(filepath.Join(dir, "state.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err := errors.Join(errs[:]...); err != nil {
		return logs{}, errors.Join(fmt.Errorf("open logs: %w", err), l.close())
	}
	l.journal = buildroot.NewJournal(l.state, now)
	return l, nil
}

func (l logs) close() error {
	var errs []error
	for _, f := range []*logFile{l.root, l.build} {
		if f != nil {
			errs = append(errs, f.f.Close())
		}
	}
	if l.state != nil {
		errs = append(errs, l.state.Close())
	}
	return errors.Join(errs...)
}

// logFile is a log with a limit. What is beyond it is dropped, so that the writer does not stop.
type logFile struct {
	mu   sync.Mutex
	f    *os.File
	left int64
}

func openLog(name string) (*logFile, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	return &logFile{f: f, left: maxLog}, nil
}

// Write appends to the log, up to its limit.
func (l *logFile) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(p)
	if l.left <= 0 {
		return n, nil
	}
	if int64(n) > l.left {
		p = append(p[:l.left:l.left], "\n(the log is cut off here: it reached its limit)\n"...)
		l.left = 0
	} else {
		l.left -= int64(n)
	}
	if _, err := l.f.Write(p); err != nil {
		return 0, err
	}
	return n, nil
}

func sortedEnv(env map[string]string) []string {
	list := make([]string, 0, len(env))
	for k, v := range env {
		list = append(list, k+"="+v)
	}
	sort.Strings(list)
	return list
}
