package hub

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"moromi/internal/fault"
	"moromi/internal/xmlrpc"
)

// answerWriter keeps the start of an answer back, so that an error while it is encoded can still become a fault, and sends the rest in pieces,
// each with a deadline of its own.
type answerWriter struct {
	w    http.ResponseWriter
	rc   *http.ResponseController
	buf  []byte
	sent bool // the headers are out
}

func (a *answerWriter) Write(p []byte) (int, error) {
	a.buf = append(a.buf, p...)
	limit := firstAnswer
	if a.sent {
		limit = answerPiece
	}
	if len(a.buf) < limit {
		return len(p), nil
	}
	return len(p), a.flush()
}

func (a *answerWriter) flush() error {
	if err := a.rc.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	a.sent = true
	_, err := a.w.Write(a.buf)
	a.buf = a.buf[:0]
	return err
}

// finish sends what is left; a whole answer that was never sent gets its length.
func (a *answerWriter) finish() error {
	if !a.sent {
		a.w.Header().Set("Content-Length", strconv.Itoa(len(a.buf)))
	}
	if err := a.flush(); err != nil {
		return err
	}
	// The connection may be kept: the deadline must not hit the next request.
	if err := a.rc.SetWriteDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}

// answer sends a method's result.
// keep, which may be nil, is told of it.
func (h *Hub) answer(w http.ResponseWriter, r *http.Request, log *slog.Logger, result any, keep *kept) {
	w.Header().Set("Content-Type", "text/xml")
	a := &answerWriter{w: w, rc: http.NewResponseController(w)}
	whole := false
	defer func() { keep.end(whole) }()
	err := xmlrpc.EncodeResponse(keep.with(a), result, xmlrpc.TimeAsString())
	switch {
	case err != nil && !a.sent:
		h.answerFault(w, r, log, err)
		return
	case err == nil:
		whole = true
		err = a.finish()
	}
	if err != nil {
		if r.Context().Err() == nil {
			log.ErrorContext(r.Context(), "answer cut short", "error", err)
		}
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
	w.Header().Set("Content-Type", "text/xml")
	a := &answerWriter{w: w, rc: http.NewResponseController(w), buf: b.Bytes()}
	if err := a.finish(); err != nil {
		log.DebugContext(r.Context(), "client is gone", "error", err)
	}
}
