package ui

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

const (
	// pingEvery keeps proxies from closing an event stream that has nothing to say.
	pingEvery = 20 * time.Second
	// sendTimeout is what a reader may take for one piece; one who is slower is dropped, and comes back by itself.
	sendTimeout = 30 * time.Second
)

// errStreamEnds ends a stream that has done its work.
var errStreamEnds = errors.New("stream ends")

// eventStream writes Server-Sent Events (HTML standard, 9.2). It is for one goroutine.
type eventStream struct {
	w     http.ResponseWriter
	rc    *http.ResponseController
	begun bool
}

// begin sends the headers.
func (s *eventStream) begin() error {
	h := s.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would hold events back
	s.begun = true
	return s.write("retry: 2000\n\n")
}

// send writes one event with its data as JSON. id is what the browser tells when it comes back; "" leaves it as it was.
func (s *eventStream) send(event, id string, data any) error {
	text, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("encode event: %w", err)
	}
	var b strings.Builder
	b.WriteString("event: " + event + "\n")
	if id != "" {
		b.WriteString("id: " + id + "\n")
	}
	b.WriteString("data: ")
	b.Write(text)
	b.WriteString("\n\n")
	return s.write(b.String())
}

func (s *eventStream) ping() error { return s.write(": ping\n\n") }

func (s *eventStream) write(text string) error {
	if err := s.rc.SetWriteDeadline(time.Now().Add(sendTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if _, err := s.w.Write([]byte(text)); err != nil {
		return err
	}
	return s.rc.Flush()
}
