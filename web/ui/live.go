package ui

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"moromi/events"
)

const (
	// settle is how long a page waits after a change before it is rendered again: what belongs together comes together.
	settle = 100 * time.Millisecond
	// restEvery bounds how often one topic is rendered while events stream in.
	restEvery = 400 * time.Millisecond
	// clientQueue is how many updates a reader may be behind before it is dropped. It then comes back and gets the present.
	clientQueue = 8
)

// section is a part of a page that is sent again when it changed.
type section struct {
	ID   string `json:"id"` // of the element whose content it is
	HTML string `json:"html"`
}

// update is what a stream sends: the sections that changed, and how far the read models were.
type update struct {
	Position int64     `json:"position"`
	Sections []section `json:"sections"`
	done     bool      // nothing more will change
}

// view is one rendering of a live page: the name of the page's template file, and per section the template and its data.
type view struct {
	page  string
	parts []part
	tasks map[int64]bool // the tasks that the page shows
	done  bool           // what the page is about has ended
}

type part struct {
	id, template string
	data         any
}

// source is what a live page is made from.
type source struct {
	key string
	// load reads the page's data.
	load func(*request) (*view, error)
	// touched tells whether a commit may have changed it; tasks are those of the last view.
	touched func(c *events.Commit, tasks map[int64]bool) bool
	// refresh renders without a commit now and then, for what is no event (hosts' load); 0: never.
	refresh time.Duration
}

// board has the live pages that somebody looks at. Each is rendered once per change, however many do.
type board struct {
	ui     *UI
	mu     sync.Mutex
	topics map[string]*topic
}

// topic is one live page and its readers.
type topic struct {
	source
	wake    chan struct{} // holds one: changes while a rendering is due are one
	stop    context.CancelFunc
	clients map[chan update]bool
	last    []section
	tasks   map[int64]bool
}

func newBoard(u *UI) *board { return &board{ui: u, topics: map[string]*topic{}} }

// Watch takes the commits whose rows have become visible (projections.Engine.OnCommit). It does not block.
func (u *UI) Watch(commits []*events.Commit) {
	b := u.live
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, t := range b.topics {
		for _, c := range commits {
			if t.touched(c, t.tasks) {
				t.poke()
				break
			}
		}
	}
}

func (t *topic) poke() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// subscribe gives the updates of a page, the present first. The channel is closed when the reader is too slow or the page has ended.
func (b *board) subscribe(s source) (updates chan update, cancel func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.topics[s.key]
	if t == nil {
		ctx, stop := context.WithCancel(context.Background())
		t = &topic{source: s, wake: make(chan struct{}, 1), stop: stop, clients: map[chan update]bool{}}
		b.topics[s.key] = t
		t.poke()
		go b.run(ctx, t)
	}
	c := make(chan update, clientQueue)
	if t.last != nil {
		c <- update{Position: int64(b.ui.cfg.Position()), Sections: t.last}
	}
	t.clients[c] = true
	return c, func() { b.leave(t, c) }
}

func (b *board) leave(t *topic, c chan update) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(t.clients, c)
	if len(t.clients) == 0 {
		b.end(t)
	}
}

// end stops a topic; the caller holds mu.
func (b *board) end(t *topic) {
	t.stop()
	if b.topics[t.key] == t {
		delete(b.topics, t.key)
	}
}

// run renders a topic after changes until it is stopped.
func (b *board) run(ctx context.Context, t *topic) {
	var tick <-chan time.Time
	if t.refresh > 0 {
		ticker := time.NewTicker(t.refresh)
		defer ticker.Stop()
		tick = ticker.C
	}
	pause := time.Duration(0) // the first rendering is at once
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.wake:
		case <-tick:
		}
		if !sleep(ctx, pause) {
			return
		}
		drain(t.wake)
		start := b.ui.cfg.Clock()
		up, tasks, err := b.render(ctx, t)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			b.fail(t, err)
		default:
			b.publish(t, up, tasks)
		}
		pause = max(settle, restEvery-b.ui.cfg.Clock().Sub(start))
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

func drain(c chan struct{}) {
	select {
	case <-c:
	default:
	}
}

// render gives all sections of a topic.
func (b *board) render(ctx context.Context, t *topic) (up update, tasks map[int64]bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, pageTimeout)
	defer cancel()
	up.Position = int64(b.ui.cfg.Position())
	err = b.ui.snapshot(ctx, &request{ui: b.ui, route: &route{}}, func(r *request) error {
		v, err := t.load(r)
		if err != nil {
			return err
		}
		frame := b.ui.frame(r, &page{})
		for _, p := range v.parts {
			var buf bytes.Buffer
			if err := b.ui.pages[v.page].ExecuteTemplate(&buf, p.template, frame.With(p.data)); err != nil {
				return fmt.Errorf("section %s: %w", p.id, err)
			}
			up.Sections = append(up.Sections, section{p.id, buf.String()})
		}
		tasks, up.done = v.tasks, v.done
		return nil
	})
	return up, tasks, err
}

// publish sends what changed to every reader and drops those whose queue is full.
func (b *board) publish(t *topic, up update, tasks map[int64]bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	changed := up
	changed.Sections = nil
	for i, s := range up.Sections {
		if i >= len(t.last) || t.last[i] != s {
			changed.Sections = append(changed.Sections, s)
		}
	}
	t.last, t.tasks = up.Sections, tasks
	if len(changed.Sections) == 0 && !up.done {
		return
	}
	for c := range t.clients {
		select {
		case c <- changed:
		default:
			delete(t.clients, c)
			close(c)
		}
	}
}

// fail notes an error and lets the readers go: they come back when the cause may have passed.
func (b *board) fail(t *topic, err error) {
	if p := (*problem)(nil); !errors.As(err, &p) {
		b.ui.cfg.Log.Warn("live page", "page", t.key, "error", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := range t.clients {
		delete(t.clients, c)
		close(c)
	}
	b.end(t)
}

// follow sends a page's updates to one reader until it leaves.
func (u *UI) follow(r *request, s *eventStream, src source) error {
	updates, cancel := u.live.subscribe(src)
	defer cancel()
	if err := s.begin(); err != nil {
		return err
	}
	ping := time.NewTicker(pingEvery)
	defer ping.Stop()
	for {
		var err error
		select {
		case <-r.Done():
			return r.Err()
		case up, open := <-updates:
			if !open {
				return errStreamEnds
			}
			if err = s.send("sections", strconv.FormatInt(up.Position, 10), up); err == nil && up.done {
				err = s.send("end", "", struct{}{})
			}
		case <-ping.C:
			err = s.ping()
		}
		if err != nil {
			return err
		}
	}
}
