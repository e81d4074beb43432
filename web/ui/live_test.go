package ui_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"moromi/aggregates/build"
	"moromi/events"
	"moromi/internal/storage"
)

// patience bounds a wait for something that comes within a second unless it is broken.
const patience = 20 * time.Second

// message is one Server-Sent Event.
type message struct{ event, id, data string }

// stream reads an event stream until the test ends or stop is called. The channel is closed when the stream ends.
func (s *site) stream(path, last string) (<-chan message, func()) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.ctx)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+path, nil)
	s.must(err)
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	res, err := http.DefaultClient.Do(req)
	s.must(err)
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/event-stream" {
		s.t.Fatalf("%s: status %d, %s", path, res.StatusCode, res.Header.Get("Content-Type"))
	}
	out := make(chan message, 100)
	go func() {
		defer close(out)
		defer res.Body.Close()
		var m message
		for sc := bufio.NewScanner(res.Body); sc.Scan(); {
			key, value, _ := strings.Cut(sc.Text(), ": ")
			switch key {
			case "event":
				m.event = value
			case "id":
				m.id = value
			case "data":
				m.data = value
			case "":
				if m.event != "" {
					out <- m
				}
				m = message{}
			}
		}
	}()
	return out, cancel
}

// wait gives the first message that f wants.
func (s *site) wait(c <-chan message, what string, f func(message) bool) message {
	s.t.Helper()
	late := time.After(patience)
	for {
		select {
		case m, open := <-c:
			if !open {
				s.t.Fatalf("the stream ended before %s", what)
			}
			if f(m) {
				return m
			}
		case <-late:
			s.t.Fatalf("no %s", what)
		}
	}
}

// update is what the streams of pages send.
type update struct {
	Position int64
	Sections []struct{ ID, HTML string }
}

func sections(t testing.TB, m message) map[string]string {
	t.Helper()
	var u update
	if err := json.Unmarshal([]byte(m.data), &u); err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, s := range u.Sections {
		out[s.ID] = s.HTML
	}
	return out
}

func TestFrontStream(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.populate()
	c, stop := s.stream("/live", "")
	first := sections(t, s.wait(c, "first state", func(m message) bool { return m.event == "sections" }))
	if len(first) != 5 || !strings.Contains(first["running"], "zed-3.2-7") || strings.Contains(first["recent"], "zed-3.2-7") {
		t.Fatalf("first state: %v", first)
	}
	other, stopOther := s.stream("/live", "")
	if again := sections(t, s.wait(other, "first state of the second reader", func(m message) bool { return m.event == "sections" })); len(again) != 5 {
		t.Errorf("the second reader gets %d sections", len(again))
	}
	before := s.service.Models.Position()
	s.append(build.Stream(s.openBuild), events.BuildFailed{ID: s.openBuild})
	s.tell(before)
	for _, c := range []<-chan message{c, other} {
		got := sections(t, s.wait(c, "update", func(m message) bool { return strings.Contains(m.data, "recent") }))
		if strings.Contains(got["running"], "zed-3.2-7") || !strings.Contains(got["recent"], "zed-3.2-7") {
			t.Errorf("after the build failed: %v", got)
		}
		if _, there := got["waiting"]; there {
			t.Error("a section that did not change was sent")
		}
	}
	stop()
	stopOther()
	for deadline := time.Now().Add(patience); s.ui.Topics() > 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the page is still rendered after all readers left")
		}
	}
}

func TestTaskStream(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.populate()
	c, stop := s.stream(fmt.Sprintf("/task/%d/live", s.openArch), "")
	defer stop()
	s.wait(c, "first state", func(m message) bool { return strings.Contains(m.data, "running") })
	before := s.service.Models.Position()
	s.finish(s.openArch, map[string]any{"rpms": []any{}}, "")
	s.tell(before)
	s.wait(c, "the finished task", func(m message) bool { return m.event == "sections" && strings.Contains(m.data, "Result") })
	s.wait(c, "end", func(m message) bool { return m.event == "end" })
}

func TestStreamOfNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, path := range []string{"/task/9/live", "/build/9/live", "/task/9/log/live?file=x"} {
		if a := s.get(path); a.status != http.StatusNotFound || !strings.Contains(a.body, "There is no ") {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
}

// lines gives the texts of a message of a log's stream.
func lines(t testing.TB, m message) string {
	t.Helper()
	var d struct {
		Lines []struct {
			N int64
			T string
		}
	}
	if err := json.Unmarshal([]byte(m.data), &d); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, l := range d.Lines {
		fmt.Fprintf(&b, "%d:%s|", l.N, l.T)
	}
	return b.String()
}

func TestFollowLog(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.populate()
	const begin = "+ make\ngcc -c a.c\n"
	path := fmt.Sprintf("/task/%d/log/live?file=build.log", s.openArch)
	c, stop := s.stream(path+fmt.Sprintf("&offset=%d&line=3", len(begin)), "")
	defer stop()
	isLines := func(m message) bool { return m.event == "lines" }
	s.grow("gcc -c b.c\nhalf a li")
	got := s.wait(c, "new line", isLines)
	if lines(t, got) != "3:gcc -c b.c|" {
		t.Errorf("first piece: %s", lines(t, got))
	}
	s.grow("ne\n")
	next := s.wait(c, "rest of the line", isLines)
	if lines(t, next) != "4:half a line|" {
		t.Errorf("second piece: %s", lines(t, next))
	}
	again, stopAgain := s.stream(path+"&offset=0&line=1", got.id) // as a browser does that lost the connection
	defer stopAgain()
	if l := lines(t, s.wait(again, "what was missed", isLines)); l != "4:half a line|" {
		t.Errorf("after coming back: %s", l)
	}
	s.grow("no end")
	s.finish(s.openArch, map[string]any{}, "")
	if l := lines(t, s.wait(c, "the last words", isLines)); l != "5:no end|" {
		t.Errorf("at the end: %s", l)
	}
	s.wait(c, "end", func(m message) bool { return m.event == "end" })
}

// grow adds to the log of the open task, as an upload does.
func (s *site) grow(more string) {
	s.t.Helper()
	u, err := storage.ParseUpload("", fmt.Sprintf("tasks/%d/%d", s.openArch%10000, s.openArch), "build.log")
	s.must(err)
	f, _, err := s.top.OpenUpload(u, 0)
	s.must(err)
	end, err := f.Seek(0, 2)
	s.must(err)
	_, err = f.WriteAt([]byte(more), end)
	s.must(err)
	s.must(f.Close())
}

func TestFollowRestart(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.populate()
	c, stop := s.stream(fmt.Sprintf("/task/%d/log/live?file=build.log&offset=1000&line=30", s.openArch), "")
	defer stop()
	s.wait(c, "restart", func(m message) bool { return m.event == "restart" })
}
