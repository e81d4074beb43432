package hub

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"moromi/events"
)

// readCacheable reads a request whose answer may be kept and gives its key: one that says that it is short. Any other is not touched.
func (h *Hub) readCacheable(w http.ResponseWriter, r *http.Request) (*answerKey, []byte, error) {
	if h.answers == nil || r.ContentLength <= 0 || r.ContentLength > min(cachedRequest, h.cfg.Limits.Body) {
		return nil, nil, nil
	}
	rc := http.NewResponseController(w)
	if err := rc.SetReadDeadline(time.Now().Add(bodyTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return nil, nil, err
	}
	body := make([]byte, r.ContentLength)
	if _, err := io.ReadFull(r.Body, body); err != nil {
		return nil, nil, fmt.Errorf("read request: %w", err)
	}
	key := answerKey(sha256.Sum256(body))
	return &key, body, nil
}

// answersAt is how far the read models are before a call is made whose answer may be kept.
func (h *Hub) answersAt() events.Position {
	if h.answers == nil {
		return 0
	}
	return h.answers.changes.Position()
}

// kept is an answer on its way to a client that will be kept. A nil one is not.
type kept struct {
	answer    cached
	recording recording
}

// record prepares to keep the answer of a call that was made at a position, or gives nil.
func (h *Hub) record(req *request, key *answerKey, method string, at events.Position) *kept {
	if key == nil || req.personal || req.reads == nil {
		return nil
	}
	return &kept{
		answer:    cached{key: *key, method: h.methods[method], at: at, families: slices.Collect(maps.Keys(req.reads))},
		recording: recording{cache: h.answers},
	}
}

// with gives the writer that writes to w and records.
func (k *kept) with(w io.Writer) io.Writer {
	if k == nil {
		return w
	}
	return io.MultiWriter(w, &k.recording)
}

// end keeps the answer if all of it was written.
func (k *kept) end(whole bool) {
	if k != nil {
		k.recording.end(&k.answer, whole)
	}
}

// answerAgain sends an answer that was given before to a caller who may have it.
func (h *Hub) answerAgain(w http.ResponseWriter, r *http.Request, req *request, log *slog.Logger, a *cached) {
	start := time.Now()
	defer h.answers.letGo(a)
	log = log.With("method", a.method.Name)
	err := h.authenticate(r, req, a.method.Name)
	if err == nil {
		err = h.newCall(r.Context(), req, log, a.method).lockOut()
	}
	if err != nil {
		h.answerFault(w, r, log, err)
		return
	}
	w.Header().Set("Content-Type", "text/xml")
	w.Header().Set("Content-Length", strconv.FormatInt(a.size, 10))
	if err := send(w, a); err != nil {
		log.DebugContext(r.Context(), "client is gone", "error", err)
		panic(http.ErrAbortHandler) // the client must not take half an answer for a whole one
	}
	log.DebugContext(r.Context(), "call answered again", "user", userOf(req), "session", sessionOf(req), "elapsed", time.Since(start))
}

// keptPiece is how much of a long answer is in memory while it is sent.
const keptPiece = 256 << 10

// send writes an answer, each piece with a deadline of its own.
func send(w http.ResponseWriter, a *cached) error {
	rc := http.NewResponseController(w)
	extend := func(t time.Time) error {
		if err := rc.SetWriteDeadline(t); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return err
		}
		return nil
	}
	if err := extend(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	if a.file == nil {
		if _, err := w.Write(a.body); err != nil {
			return err
		}
		return extend(time.Time{})
	}
	buf := make([]byte, keptPiece)
	for at := int64(0); at < a.size; at += keptPiece {
		if err := extend(time.Now().Add(writeTimeout)); err != nil {
			return err
		}
		piece := buf[:min(keptPiece, a.size-at)]
		if _, err := a.file.ReadAt(piece, at); err != nil {
			return err
		}
		if _, err := w.Write(piece); err != nil {
			return err
		}
	}
	return extend(time.Time{})
}
