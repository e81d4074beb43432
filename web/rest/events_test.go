package rest_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"moromi/events"
	"moromi/events/pgledger"
	"moromi/internal/pgtest"
	"moromi/web/rest"
)

// patience bounds a wait for something that comes within a second unless it is broken.
const patience = 20 * time.Second

type bundle struct {
	t      *testing.T
	ledger events.Store
	url    string
}

func setup(t *testing.T, cfg rest.Config) *bundle {
	t.Helper()
	ledger, err := pgledger.Open(t.Context(), pgledger.Config{Pool: pgtest.DB(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := ledger.Close(); err != nil {
			t.Error(err)
		}
	})
	cfg.Ledger = ledger
	api, err := rest.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	e := echo.New()
	api.Register(e)
	srv := httptest.NewServer(e)
	t.Cleanup(srv.Close)
	t.Cleanup(srv.CloseClientConnections)
	return &bundle{t, ledger, srv.URL}
}

// append writes one event per name to a stream.
func (b *bundle) append(stream string, names ...string) events.Position {
	b.t.Helper()
	var evs []events.Event
	var ids []uuid.UUID
	for i, n := range names {
		evs, ids = append(evs, events.NameClaimed{Kind: "tag", ID: int64(i + 1), Name: n}), append(ids, uuid.New())
	}
	recs, err := events.Encode(events.Meta{Actor: 7, Command: "claim"}, ids, evs...)
	if err != nil {
		b.t.Fatal(err)
	}
	done, err := b.ledger.Append(b.t.Context(), stream, events.Any, recs...)
	if err != nil {
		b.t.Fatal(err)
	}
	return done.Position
}

// message is what came with one blank line: the lines before it.
type message struct{ id, event, data, comment string }

func (b *bundle) stream(query, last string) (<-chan message, func()) {
	b.t.Helper()
	ctx, cancel := context.WithCancel(b.t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.url+"/api/v1/events"+query, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	if got := res.Header.Get("Content-Type"); res.StatusCode != http.StatusOK || got != "text/event-stream" {
		b.t.Fatalf("status %d, %s", res.StatusCode, got)
	}
	out := make(chan message, 100)
	go func() {
		defer close(out)
		defer res.Body.Close()
		var m message
		for sc := bufio.NewScanner(res.Body); sc.Scan(); {
			key, value, _ := strings.Cut(sc.Text(), ": ")
			switch {
			case key == "id":
				m.id = value
			case key == "event":
				m.event = value
			case key == "data":
				m.data = value
			case strings.HasPrefix(sc.Text(), ":"):
				m.comment = value
			case sc.Text() == "" && m != message{}:
				out <- m
				m = message{}
			}
		}
	}()
	return out, cancel
}

func (b *bundle) next(c <-chan message) message {
	b.t.Helper()
	select {
	case m, open := <-c:
		if !open {
			b.t.Fatal("the stream ended")
		}
		return m
	case <-time.After(patience):
		b.t.Fatal("nothing came")
	}
	return message{}
}

// expect reads events and compares where they are from.
func (b *bundle) expect(c <-chan message, want ...string) (last message) {
	b.t.Helper()
	for _, w := range want {
		last = b.next(c)
		var e rest.Event
		if err := json.Unmarshal([]byte(last.data), &e); err != nil {
			b.t.Fatalf("%q: %v", last.data, err)
		}
		var n events.NameClaimed
		if err := json.Unmarshal(e.Data, &n); err != nil {
			b.t.Fatal(err)
		}
		if got := fmt.Sprintf("%s/%d %s", e.Stream, e.Revision, n.Name); got != w || last.id != fmt.Sprint(e.Position) || last.event != "name.claimed" || e.Type != last.event ||
			e.Actor != 7 || e.Command != "claim" || e.At.IsZero() || e.ID == "" {
			b.t.Fatalf("got %s, want %s (%+v)", got, w, last)
		}
	}
	return last
}

func TestEvents(t *testing.T) {
	t.Parallel()
	b := setup(t, rest.Config{})
	b.append("tag-1", "a", "b")
	now, stop := b.stream("", "")
	defer stop()
	all, stopAll := b.stream("?after=0", "")
	b.expect(all, "tag-1/0 a", "tag-1/1 b")
	b.append("build-1", "c")
	last := b.expect(all, "build-1/0 c")
	b.expect(now, "build-1/0 c")
	stopAll()
	b.append("tag-1", "d")
	b.append("tag-2", "e")
	again, stopAgain := b.stream("?after=0", last.id) // as a browser resumes: the header counts
	defer stopAgain()
	b.expect(again, "tag-1/2 d", "tag-2/0 e")
	for query, want := range map[string][]string{"?after=0&stream=build-": {"build-1/0 c"}, "?after=0&stream=tag-1": {"tag-1/0 a", "tag-1/1 b", "tag-1/2 d"}, "?after=3&stream=tag-": {"tag-1/2 d", "tag-2/0 e"}} {
		c, stop := b.stream(query, "")
		b.expect(c, want...)
		stop()
	}
}

// TestPing sees that a reader whose filter lets nothing through knows how far it is.
func TestPing(t *testing.T) {
	t.Parallel()
	b := setup(t, rest.Config{Ping: 20 * time.Millisecond})
	c, stop := b.stream("?stream=nothing-", "")
	defer stop()
	at := b.append("tag-1", "a")
	for m := b.next(c); ; m = b.next(c) {
		if m.comment != "ping" || m.data != "" {
			t.Fatalf("got %+v", m)
		}
		if m.id == fmt.Sprint(at) {
			return
		}
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	b := setup(t, rest.Config{Streams: 1})
	b.append("tag-1", "a")
	for query, want := range map[string]string{"?after=x": `"x" is no position`, "?after=-1": `"-1" is no position`, "?after=99": "there is no event 99 yet; the last one is 1",
		"?after=99999999999999999999": "is no position", "?after=%3Cb%3E": "is no position"} {
		res, err := http.Get(b.url + "/api/v1/events" + query)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		var out map[string]string
		if err := json.Unmarshal(body, &out); err != nil || res.StatusCode != http.StatusBadRequest || !strings.Contains(out["error"], want) {
			t.Errorf("%s: %d %s (%v)", query, res.StatusCode, body, err)
		}
	}
	_, stop := b.stream("?after=0", "")
	defer stop()
	res, err := http.Get(b.url + "/api/v1/events?after=0")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
		t.Errorf("one stream too many: %d", res.StatusCode)
	}
}
