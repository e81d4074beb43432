package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"moromi/events"
	"moromi/internal/fault"
)

// sendTimeout is what a reader may take for one piece. One who is slower is cut off, and resumes where it was.
const sendTimeout = 30 * time.Second

// Event is an event of the ledger as the stream gives it.
type Event struct {
	Position events.Position `json:"position"`
	Stream   string          `json:"stream"`
	Revision events.Revision `json:"revision"` // in its stream, from 0
	Type     string          `json:"type"`
	ID       string          `json:"id"`
	At       time.Time       `json:"at"`
	Actor    int64           `json:"actor,omitempty"` // user id, left out for the system
	Command  string          `json:"command,omitempty"`
	Data     json.RawMessage `json:"data"`
}

// events is GET /api/v1/events: the ledger as Server-Sent Events, in order, each at least once. An event's id is its position. The stream begins
// after Last-Event-ID, else after ?after=, else with what happens from now on; ?after=0 gives all there ever was. ?stream= gives only streams whose name
// begins with that: "tag-" or "build-42". Comments keep the connection open; they carry an id, too, so that a reader whose filter lets nothing
// through does not start over.
func (a *API) events(c echo.Context) error {
	r := c.Request()
	after, err := a.begin(r)
	switch f := fault.Of(err); {
	case f != nil:
		return refuse(c, http.StatusBadRequest, f.Message)
	case errors.Is(err, events.ErrUnavailable):
		return refuse(c, http.StatusServiceUnavailable, "the ledger cannot be reached; try again")
	case err != nil:
		a.cfg.Log.ErrorContext(r.Context(), "event stream", "error", err)
		return refuse(c, http.StatusInternalServerError, "something went wrong; it has been noted")
	}
	if a.streams.Add(1) > a.cfg.Streams {
		a.streams.Add(-1)
		c.Response().Header().Set("Retry-After", "30")
		return refuse(c, http.StatusServiceUnavailable, "too many streams are open; try again later")
	}
	defer a.streams.Add(-1)
	w := &writer{w: c.Response(), rc: http.NewResponseController(c.Response()), prefix: c.QueryParam("stream"), at: after}
	if err := w.run(r.Context(), a.cfg.Ledger, a.cfg.Ping); err != nil && r.Context().Err() == nil {
		a.cfg.Log.InfoContext(r.Context(), "event stream ends", "position", w.at, "error", err)
	}
	return nil
}

// begin says after which position to start. What is wrong with the caller's is a fault.
func (a *API) begin(r *http.Request) (events.Position, error) {
	head, err := a.cfg.Ledger.Head(r.Context())
	if err != nil {
		return 0, err
	}
	for _, text := range []string{r.Header.Get("Last-Event-ID"), r.URL.Query().Get("after")} {
		if text == "" {
			continue
		}
		n, err := strconv.ParseUint(text, 10, 63)
		switch {
		case err != nil:
			return 0, fault.New(fault.Parameter, "%q is no position: give the number of an event", clip(text))
		case events.Position(n) > head:
			return 0, fault.New(fault.Parameter, "there is no event %d yet; the last one is %d", n, head)
		}
		return events.Position(n), nil
	}
	return head, nil
}

// clip keeps what is said back short.
func clip(s string) string {
	const most = 40
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}

// writer sends events to one reader.
type writer struct {
	w      http.ResponseWriter
	rc     *http.ResponseController
	prefix string

	mu sync.Mutex // pings come between events
	at events.Position
}

func (w *writer) run(ctx context.Context, ledger events.Store, ping time.Duration) error {
	h := w.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would hold events back
	h.Set("X-Content-Type-Options", "nosniff")
	if err := w.write("retry: 2000\n\n"); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	pinged := make(chan struct{})
	go func() {
		defer close(pinged)
		w.ping(ctx, cancel, ping)
	}()
	defer func() { // the answer must not be written to once the handler is gone
		cancel(nil)
		<-pinged
	}()
	err := ledger.Subscribe(ctx, w.at, func(_ context.Context, recs []events.Recorded) error { return w.send(recs) })
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// ping shows that the connection lives, and how far the reader is.
func (w *writer) ping(ctx context.Context, cancel context.CancelCauseFunc, every time.Duration) {
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		w.mu.Lock()
		err := w.write(fmt.Sprintf(": ping\nid: %d\n\n", w.at))
		w.mu.Unlock()
		if err != nil {
			cancel(err)
			return
		}
	}
}

func (w *writer) send(recs []events.Recorded) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range recs {
		w.at = r.Position
		if !strings.HasPrefix(r.Stream, w.prefix) {
			continue
		}
		text, err := encode(r)
		if err != nil {
			return err
		}
		if err := w.write(text); err != nil {
			return err
		}
	}
	return nil
}

// encode is an event as the stream has it.
func encode(r events.Recorded) (string, error) {
	var m events.Meta
	if err := json.Unmarshal(r.Meta, &m); err != nil {
		return "", fmt.Errorf("event %d: metadata: %w", r.Position, err)
	}
	data, err := json.Marshal(Event{Position: r.Position, Stream: r.Stream, Revision: r.Revision, Type: r.Type, ID: r.ID.String(), At: r.At.UTC(), Actor: m.Actor,
		Command: m.Command, Data: r.Data})
	if err != nil {
		return "", fmt.Errorf("event %d: %w", r.Position, err)
	}
	return fmt.Sprintf("id: %d\nevent: %s\ndata: %s\n\n", r.Position, r.Type, data), nil
}

func (w *writer) write(text string) error {
	if err := w.rc.SetWriteDeadline(time.Now().Add(sendTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("set deadline: %w", err)
	}
	if _, err := w.w.Write([]byte(text)); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	return w.rc.Flush()
}
