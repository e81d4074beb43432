package ui

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"moromi/events"
)

// moment is the past that a page shows: everything up to and including Event.
type moment struct {
	Event int64
	Time  time.Time // of that event; zero if it is not known
}

// arg is how the moment is written in links. An event never moves, a time would be resolved again.
func (m *moment) arg() string { return strconv.FormatInt(m.Event, 10) }

// timeFormats are the ways to write a time; without a zone it is UTC.
var timeFormats = []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"}

// maxGap bounds how many events are read to find the last one before a time: those between two that changed something that has versions.
const maxGap = 20_000

// moment resolves ?at=: an event id, or a time, which means the last event up to then. The error is a page for the reader.
func (r *request) moment(text string) (*moment, error) {
	head := int64(r.ui.cfg.Position())
	if id, err := strconv.ParseInt(text, 10, 64); err == nil {
		switch {
		case id <= 0:
			return nil, badRequest("Events are counted from 1; there is no event %s.", text)
		case id > head:
			return nil, notFound("There is no event %d yet; the last one is %d.", id, head)
		}
		t, err := r.timeOf(id)
		return &moment{Event: id, Time: t}, err
	}
	for _, f := range timeFormats {
		t, err := time.Parse(f, text)
		if err != nil {
			continue
		}
		if f == "2006-01-02" {
			t = t.AddDate(0, 0, 1).Add(-time.Microsecond) // the whole day
		}
		return r.eventAt(t)
	}
	return nil, badRequest("%q is no moment. Give an event id, or a time such as 2026-01-05T12:00:00Z.", text)
}

// eventAt finds the last event up to a time: near it by the index of noted events, and exactly by reading the ledger from there.
func (r *request) eventAt(t time.Time) (*moment, error) {
	m := &moment{}
	row, err := r.db.Query(r, `select id, time from events where time <= $1 order by time desc, id desc limit 1`, t)
	if err != nil {
		return nil, fmt.Errorf("event at a time: %w", err)
	}
	if _, err = pgx.ForEachRow(row, []any{&m.Event, &m.Time}, func() error { return nil }); err != nil {
		return nil, fmt.Errorf("event at a time: %w", err)
	}
	head := r.ui.cfg.Position()
	for rec, err := range r.ui.cfg.Ledger.ReadAll(r, events.Position(m.Event), maxGap) {
		if errors.Is(err, events.ErrUnavailable) {
			break // the noted event is near enough to show something
		}
		if err != nil {
			return nil, fmt.Errorf("event at a time: %w", err)
		}
		if rec.At.After(t) || rec.Position > head {
			break
		}
		m.Event, m.Time = int64(rec.Position), rec.At
	}
	if m.Event == 0 {
		return nil, notFound("Nothing had happened here by %s.", t.UTC().Format("2006-01-02 15:04:05 UTC"))
	}
	return m, nil
}

// timeOf is when an event happened; of a position that no event has (EventStoreDB skips some), when the next one did.
func (r *request) timeOf(id int64) (time.Time, error) {
	for rec, err := range r.ui.cfg.Ledger.ReadAll(r, events.Position(id-1), 1) {
		if errors.Is(err, events.ErrUnavailable) {
			return time.Time{}, nil // the page can be shown without
		}
		if err != nil {
			return time.Time{}, fmt.Errorf("time of event %d: %w", id, err)
		}
		return rec.At, nil
	}
	return time.Time{}, nil
}
