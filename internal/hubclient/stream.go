package hubclient

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	// streamSilence is how long a stream may say nothing before it counts as dead; the hub sends a comment every 20 s.
	streamSilence    = 70 * time.Second
	maxStreamBackoff = 30 * time.Second
	maxStreamLine    = 64 << 10 // notices are below 100 bytes
)

// Notice is a hint from the hub that a builder has something to ask for.
type Notice struct {
	Reason string `json:"reason"` // "assigned", "awaited", "canceled", or "hello" when the stream has begun
	Task   int64  `json:"task"`   // the task concerned, or 0
}

// Stream opens the builder's push stream (GET <hub>/stream), which Moromi's hub has and Koji's has not. An error means
// that the hub refuses or does not have it: then polling must do. Otherwise the channel gives notices until ctx ends;
// lost connections are made again with growing pauses. Notices sent meanwhile are lost, so a "hello" means: ask for everything.
func (c *Client) Stream(ctx context.Context) (<-chan Notice, error) {
	body, err := c.connectStream(ctx)
	var status *StatusError
	if errors.As(err, &status) && !transient(err) {
		return nil, fmt.Errorf("open stream: %w", err)
	}
	if err != nil {
		c.opts.Log.InfoContext(ctx, "stream not open yet", "error", err)
	}
	notices := make(chan Notice)
	go c.follow(ctx, body, notices)
	return notices, nil
}

// follow reads streams, one after the other, into notices. body may be nil.
func (c *Client) follow(ctx context.Context, body io.ReadCloser, notices chan<- Notice) {
	defer close(notices)
	pause := c.opts.StreamBackoff
	for {
		if body != nil {
			started := time.Now()
			err := readStream(ctx, body, notices)
			if ctx.Err() != nil {
				return
			}
			c.opts.Log.InfoContext(ctx, "stream ended, connecting again", "error", err)
			if time.Since(started) > maxStreamBackoff {
				pause = c.opts.StreamBackoff
			}
		}
		// Up to half as long again, so that a hub that restarts is not asked by all builders at once.
		if sleep(ctx, pause+rand.N(pause/2+1)) != nil {
			return
		}
		pause = min(2*pause, maxStreamBackoff)
		var err error
		if body, err = c.connectStream(ctx); err != nil {
			body = nil
			if ctx.Err() != nil {
				return
			}
			c.opts.Log.InfoContext(ctx, "stream not open", "error", err)
		}
	}
}

// connectStream asks for a stream. The session goes without a call number: nothing is called.
func (c *Client) connectStream(ctx context.Context) (io.ReadCloser, error) {
	ctx, cancel := context.WithCancel(ctx)
	silence := time.AfterFunc(streamSilence, cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/stream", nil)
	if err != nil {
		cancel()
		return nil, fmt.Errorf("hub address: %w", err)
	}
	s := c.snapshot()
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set("User-Agent", userAgent)
	req.Header.Set("Koji-Session-Id", strconv.FormatInt(s.id, 10))
	req.Header.Set("Koji-Session-Key", s.key)
	resp, err := c.http.Do(req)
	if err != nil {
		silence.Stop()
		cancel()
		return nil, err
	}
	body := &streamBody{ReadCloser: resp.Body, silence: silence, cancel: cancel}
	if resp.StatusCode != http.StatusOK {
		defer body.Close()
		return nil, statusError(resp, c.base+"/stream")
	}
	if kind := resp.Header.Get("Content-Type"); !strings.HasPrefix(kind, "text/event-stream") {
		defer body.Close()
		return nil, &StatusError{Status: http.StatusNotFound, URL: c.base + "/stream", Text: "the answer is " + kind}
	}
	return body, nil
}

// streamBody ends a stream that has been silent for too long.
type streamBody struct {
	io.ReadCloser
	silence *time.Timer
	cancel  context.CancelFunc
}

func (b *streamBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 {
		b.silence.Reset(streamSilence)
	}
	return n, err
}

func (b *streamBody) Close() error {
	b.silence.Stop()
	b.cancel()
	return b.ReadCloser.Close()
}

// readStream passes "wake" events on until the stream ends.
func readStream(ctx context.Context, body io.ReadCloser, notices chan<- Notice) error {
	defer body.Close()
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, maxStreamLine)
	var event, data string
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case lines.Text() == "":
			if event == "wake" {
				var n Notice
				if err := json.Unmarshal([]byte(data), &n); err != nil {
					return fmt.Errorf("notice %q: %w", data, err)
				}
				select {
				case notices <- n:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			event, data = "", ""
		case field == "event":
			event = value
		case field == "data":
			data += value
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return io.EOF
}
