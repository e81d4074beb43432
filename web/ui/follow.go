package ui

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"moromi/internal/koji"
	"moromi/internal/storage"
	"moromi/projections/task"
)

const (
	// logPoll is how often a log that is followed is looked at: builders send pieces every few seconds, and a look is one fstat.
	logPoll = 500 * time.Millisecond
	// taskPoll is how often a follower asks whether the task has ended.
	taskPoll = 3 * time.Second
	// pieceMost is how much of a log is sent in one event.
	pieceMost = 64 << 10
	// outputRefresh is how often a running task's page looks for new files.
	outputRefresh = 5 * time.Second
)

// follower sends a log to one reader as it grows.
type follower struct {
	r      *request
	s      *eventStream
	dir    storage.Path
	name   string
	offset int64 // of what was sent
	line   int64 // number of the next line, 0 if not known
}

// followLog is a task's log as an event stream, from an offset on: events "lines" with what came, "restart" when the log begins anew, "end" when
// the task has ended and everything is sent. An event's id is the offset and the line's number, so that a reader who comes back misses nothing.
func followLog(r *request, s *eventStream) error {
	id := r.id("task")
	if err := r.ui.snapshot(r, r, func(r *request) error { _, err := r.findTask(); return err }); err != nil {
		return err
	}
	dir, err := storage.TaskDir(r.arg("volume"), id)
	if err != nil {
		return r.missing("log", r.arg("file"))
	}
	w := &follower{r: r, s: s, dir: dir, name: r.arg("file")}
	if f, err := r.openLog(dir, w.name); err != nil {
		return err
	} else if err := f.Close(); err != nil {
		return fmt.Errorf("close log: %w", err)
	}
	w.place()
	if err := s.begin(); err != nil {
		return err
	}
	return w.run(id)
}

// place takes where to begin from the address, or from what the browser says it got last.
func (w *follower) place() {
	offset, line := w.r.arg("offset"), w.r.arg("line")
	if a, b, ok := strings.Cut(w.r.http.Header.Get("Last-Event-ID"), "."); ok {
		offset, line = a, b
	}
	w.offset, _ = strconv.ParseInt(offset, 10, 64) // what is no number begins at the start
	w.line, _ = strconv.ParseInt(line, 10, 64)
	if w.offset < 0 || w.line < 0 {
		w.offset, w.line = 0, 1
	}
}

func (w *follower) run(id int64) error {
	poll, look, ping := time.NewTicker(logPoll), time.NewTicker(taskPoll), time.NewTicker(pingEvery)
	defer poll.Stop()
	defer look.Stop()
	defer ping.Stop()
	ended := false
	for {
		if err := w.send(ended); err != nil {
			return err
		}
		if ended {
			return errors.Join(w.s.send("end", "", struct{}{}), errStreamEnds)
		}
		select {
		case <-w.r.Done():
			return w.r.Err()
		case <-poll.C:
		case <-ping.C:
			if err := w.s.ping(); err != nil {
				return err
			}
		case <-look.C:
			t, err := task.ByID(w.r, w.r.ui.cfg.DB, id, false, nil)
			if err != nil {
				return err
			}
			ended = t == nil || koji.TaskState(t["state"].(int64)).Finished()
		}
	}
}

// send sends what the log has that was not sent yet: whole lines, and with all the last one, too, as it is.
func (w *follower) send(all bool) error {
	f, err := w.r.openLog(w.dir, w.name)
	if err != nil {
		return w.s.send("restart", "", struct{}{}) // it was moved to its build, or removed
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return fmt.Errorf("stat log: %w", err)
	}
	if st.Size() < w.offset {
		return errors.Join(w.s.send("restart", "", struct{}{}), errStreamEnds)
	}
	if w.offset == st.Size() {
		return nil
	}
	stamps := w.r.stamps(w.dir, w.name)
	for w.offset < st.Size() {
		data, err := w.piece(f, st.Size(), all)
		if err != nil || len(data) == 0 {
			return err
		}
		lines, next := splitLog(data, w.offset, w.line, stamps)
		w.offset, w.line = w.offset+int64(len(data)), next
		at := strconv.FormatInt(w.offset, 10) + "." + strconv.FormatInt(w.line, 10)
		if err := w.s.send("lines", at, map[string]any{"lines": lines, "size": st.Size()}); err != nil {
			return err
		}
	}
	return nil
}

// piece reads the next piece up to the end of a line. A line longer than a piece is sent in pieces.
func (w *follower) piece(f *os.File, size int64, all bool) ([]byte, error) {
	data := make([]byte, min(pieceMost, size-w.offset))
	n, err := f.ReadAt(data, w.offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read log: %w", err)
	}
	data = data[:n]
	if i := bytes.LastIndexByte(data, '\n'); i >= 0 {
		return data[:i+1], nil
	}
	if all || n == pieceMost {
		return data, nil
	}
	return nil, nil
}
