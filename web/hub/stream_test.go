package hub_test

import (
	"bufio"
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"moromi/internal/koji"
	"moromi/web/hub"
)

// stream opens a builder's stream; lines gives its lines and closes at its end.
func (c *client) stream() (resp *http.Response, lines <-chan string, stop func()) {
	c.t.Helper()
	ctx, cancel := context.WithCancel(c.t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+"/kojihub/stream", nil)
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header = c.header.Clone()
	resp, err = http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	out := make(chan string, 64)
	go func() {
		defer close(out)
		for s := bufio.NewScanner(resp.Body); s.Scan(); {
			if s.Text() != "" {
				out <- s.Text()
			}
		}
	}()
	return resp, out, func() { cancel(); resp.Body.Close() }
}

func TestStream(t *testing.T) {
	t.Parallel()
	s := setup(t, func(c *hub.Config) { c.Limits.Streams = 2 })
	b1 := s.login("builder1", true)
	resp, lines, stop := b1.stream()
	defer stop()
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%d %v", resp.StatusCode, resp.Header)
	}
	if host := soon(t, s.domain.subscribed); host != 1 {
		t.Errorf("host %d subscribed", host)
	}
	s.domain.mu.Lock()
	notify := s.domain.notify[1]
	s.domain.mu.Unlock()
	notify <- hub.Notice{Reason: "assigned", Task: 17}
	for _, want := range []string{"event: wake", `data: {"reason":"hello"}`, "event: wake", `data: {"reason":"assigned","task":17}`} {
		if got := soon(t, lines); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	_, _, stop2 := s.login("builder2", true).stream()
	soon(t, s.domain.subscribed)
	resp, _, stop3 := b1.stream()
	stop3()
	if resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a stream too many: %d", resp.StatusCode)
	}
	stop2()
	close(notify) // the notifier ends it
	for range lines {
	}
}

// A stream says that it is alive, and ends with its session.
func TestStreamEndsWithItsSession(t *testing.T) {
	t.Parallel()
	s := setup(t, func(c *hub.Config) { c.Limits.Ping = 5 * time.Millisecond })
	b := s.login("builder1", true)
	_, lines, stop := b.stream()
	defer stop()
	for range 2 { // hello
		soon(t, lines)
	}
	for range 3 {
		if got := soon(t, lines); got != ": ping" {
			t.Errorf("got %q", got)
		}
	}
	b.must("logout")
	for range lines {
	}
}

func TestStreamRefusals(t *testing.T) {
	t.Parallel()
	s := setup(t)
	wrong := s.login("builder1", true)
	wrong.header.Set("Koji-Session-Key", "5-wrong")
	s.domain.setStatus("builder2", koji.StatusBlocked)
	for name, c := range map[string]struct {
		*client
		status int
	}{
		"nobody":        {s.anonymous(), 401},
		"a person":      {s.login("alice"), 401},
		"not exclusive": {s.login("builder1"), 401},
		"a wrong key":   {wrong, 401},
	} {
		resp, lines, stop := c.stream()
		for range lines {
		}
		stop()
		if resp.StatusCode != c.status {
			t.Errorf("%s: %d", name, resp.StatusCode)
		}
	}
	off := setup(t, func(c *hub.Config) { c.ServerOffline = true })
	resp, _, stop := off.anonymous().stream()
	stop()
	if resp.StatusCode != http.StatusServiceUnavailable || strings.Contains(resp.Header.Get("Content-Type"), "event-stream") {
		t.Errorf("offline: %d", resp.StatusCode)
	}
}
