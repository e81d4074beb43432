package hub

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"time"

	"moromi/internal/fault"
	"moromi/internal/xmlrpc"
)

// document is an answer as it goes to a client. It is written first and sent then, so that an error in its last row is still a fault, a slow
// client keeps no connection to the database, and a long one needs a file but little memory.
type document struct {
	dir  string   // for files
	body []byte   // empty if there is a file
	file *os.File // it has no name any more: nothing is left of it when it is closed, however this process ends
	size int64
}

// Write adds to the document.
func (d *document) Write(p []byte) (int, error) {
	d.size += int64(len(p))
	if d.file == nil && d.size <= answerInMemory {
		d.body = append(d.body, p...)
		return len(p), nil
	}
	if d.file == nil {
		if err := d.open(); err != nil {
			return 0, err
		}
	}
	return d.file.Write(p)
}

// open goes on in a file.
func (d *document) open() (err error) {
	if d.file, err = os.CreateTemp(d.dir, "answer-"); err != nil {
		return err
	}
	if err := os.Remove(d.file.Name()); err != nil {
		return err
	}
	_, err = d.file.Write(d.body)
	d.body = nil
	return err
}

// close gives the disk its room back. The document cannot be sent any more.
func (d *document) close(log *slog.Logger) {
	if d.file == nil {
		return
	}
	if err := d.file.Close(); err != nil {
		log.Warn("close answer", "error", err)
	}
	d.file = nil
}

// send writes the document to a client, each piece with a deadline of its own. It may be called by several goroutines.
func (d *document) send(w http.ResponseWriter) error {
	w.Header().Set("Content-Type", "text/xml")
	w.Header().Set("Content-Length", strconv.FormatInt(d.size, 10))
	rc := http.NewResponseController(w)
	until := func(t time.Time) error {
		if err := rc.SetWriteDeadline(t); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return err
		}
		return nil
	}
	if err := until(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	if _, err := w.Write(d.body); err != nil {
		return err
	}
	var buf []byte
	if d.file != nil {
		buf = make([]byte, answerPiece)
	}
	for at := int64(0); d.file != nil && at < d.size; at += answerPiece {
		piece := buf[:min(answerPiece, d.size-at)]
		if _, err := d.file.ReadAt(piece, at); err != nil {
			return err
		}
		if err := until(time.Now().Add(writeTimeout)); err != nil {
			return err
		}
		if _, err := w.Write(piece); err != nil {
			return err
		}
	}
	return until(time.Time{}) // the connection may be kept: the deadline must not hit the next request
}

// answer sends a method's result. With keep it can be given again.
func (h *Hub) answer(w http.ResponseWriter, r *http.Request, log *slog.Logger, result any, keep *cached) {
	d := document{dir: h.cfg.AnswerDir}
	if err := xmlrpc.EncodeResponse(&d, result, xmlrpc.TimeAsString()); err != nil {
		d.close(log)
		h.answerFault(w, r, log, err)
		return
	}
	if keep != nil && d.size <= cachedAnswer {
		keep.document = d
		h.answers.keep(keep)
		defer h.answers.letGo(keep)
	} else {
		defer d.close(log)
	}
	if err := d.send(w); err != nil {
		log.DebugContext(r.Context(), "client is gone", "error", err)
		panic(http.ErrAbortHandler) // the client must not take half an answer for a whole one
	}
}

// answerFault sends an error as a fault.
func (h *Hub) answerFault(w http.ResponseWriter, r *http.Request, log *slog.Logger, err error) {
	f := h.faultOf(r.Context(), log, w.Header().Get("X-Request-Id"), err)
	var b bytes.Buffer
	if err := xmlrpc.EncodeFault(&b, int(f.Code), f.Message); err != nil {
		log.ErrorContext(r.Context(), "encode fault", "error", err)
		b.Reset()
		if err := xmlrpc.EncodeFault(&b, int(fault.Internal), "internal error"); err != nil {
			panic(http.ErrAbortHandler)
		}
	}
	d := document{body: b.Bytes(), size: int64(b.Len())}
	if err := d.send(w); err != nil {
		log.DebugContext(r.Context(), "client is gone", "error", err)
	}
}
