package hub

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"moromi/internal/fault"
	"moromi/internal/koji"
)

// serveStream is GET /kojihub/stream: Server-Sent Events that tell a builder to ask for its tasks.
//
//	event: wake
//	data: {"reason":"assigned","task":17}
//
// It takes the session headers of a host user's exclusive session. Notices are hints: a builder that misses one finds its tasks when it polls.
// The stream ends when the session does, when the notifier closes it, and when the hub stops.
func (h *Hub) serveStream(w http.ResponseWriter, r *http.Request) {
	req := h.newRequest(w, r)
	w.Header().Set("Koji-Version", koji.Version)
	log := h.cfg.Log.With("request", req.id, "remote", req.remote)
	if h.streams.Add(1) > h.cfg.Limits.Streams {
		h.streams.Add(-1)
		plain(w, http.StatusServiceUnavailable, "too many streams")
		return
	}
	defer h.streams.Add(-1)
	host, err := h.streamHost(r, req)
	if err != nil {
		f := h.faultOf(r.Context(), log, req.id, err)
		plain(w, streamStatus(f.Code), f.Message)
		return
	}
	notices, cancel := h.cfg.Notifier.Subscribe(host)
	defer cancel()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would hold events back
	s := &eventStream{w: w, rc: http.NewResponseController(w)}
	if err := s.send(Notice{Reason: "hello"}); err != nil {
		return
	}
	ping := time.NewTicker(h.cfg.Limits.Ping)
	defer ping.Stop()
	for err == nil {
		select {
		case <-r.Context().Done():
			return
		case n, open := <-notices:
			if !open {
				return
			}
			err = s.send(n)
		case <-ping.C:
			if _, err = h.streamHost(r, h.newRequest(w, r)); err == nil {
				err = s.write(": ping\n\n")
			}
		}
	}
	log.DebugContext(r.Context(), "builder stream ends", "host", host, "error", err)
}

// streamHost authenticates a stream; call numbers play no part, since nothing is called.
func (h *Hub) streamHost(r *http.Request, req *request) (int64, error) {
	if h.cfg.ServerOffline {
		return 0, fault.New(fault.ServerOffline, "server is offline")
	}
	cred, _, err := h.credentials(r)
	if err != nil {
		return 0, err
	}
	if cred == nil {
		return 0, fault.New(fault.Auth, "Not logged-in")
	}
	cred.Callnum = nil
	if req.session, err = h.cfg.Sessions.Check(r.Context(), *cred, req.remote, "stream"); err != nil {
		return 0, err
	}
	if req.session.Locked {
		return 0, fault.New(fault.AuthLock, "User locked by another session")
	}
	c := h.newCall(r.Context(), req, h.cfg.Log, &Method{Name: "(stream)"})
	return c.RequireHost()
}

func streamStatus(code fault.Code) int {
	switch code {
	case fault.Auth, fault.AuthExpired, fault.AuthLock:
		return http.StatusUnauthorized
	case fault.ServerOffline:
		return http.StatusServiceUnavailable
	case fault.Internal:
		return http.StatusInternalServerError
	}
	return http.StatusForbidden
}

// eventStream writes Server-Sent Events, each with a deadline of its own.
type eventStream struct {
	w  http.ResponseWriter
	rc *http.ResponseController
}

func (s *eventStream) send(n Notice) error {
	data, err := json.Marshal(struct {
		Reason string `json:"reason"`
		Task   int64  `json:"task,omitempty"`
	}{n.Reason, n.Task})
	if err != nil {
		return fmt.Errorf("encode notice: %w", err)
	}
	return s.write("event: wake\ndata: " + string(data) + "\n\n")
}

func (s *eventStream) write(text string) error {
	if err := s.rc.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if _, err := s.w.Write([]byte(text)); err != nil {
		return err
	}
	return s.rc.Flush()
}
