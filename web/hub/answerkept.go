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

// worthKeeping is what will be known of the answer to a call that was made at a position, nil if it must not be given again.
func (h *Hub) worthKeeping(req *request, key *answerKey, method string, at events.Position) *cached {
	if key == nil || req.personal || req.reads == nil {
		return nil
	}
	return &cached{key: *key, method: h.methods[method], at: at, families: slices.Collect(maps.Keys(req.reads))}
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
	if err := a.send(w); err != nil {
		log.DebugContext(r.Context(), "client is gone", "error", err)
		panic(http.ErrAbortHandler) // the client must not take half an answer for a whole one
	}
	log.DebugContext(r.Context(), "call answered again", "user", userOf(req), "session", sessionOf(req), "elapsed", time.Since(start))
}
