package ui

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"moromi/events"
)

// entry is an event as the page of events shows it.
type entry struct {
	events.Recorded
	Meta  events.Meta
	Actor string // name of the user, "" for the system
	Href  string // the page of what the stream is about, "" if there is none
	Value any    // the event's data
}

// maxData bounds how much of an event's data is shown.
const maxData = 64 << 10

// eventList shows the ledger's last events, or those of one stream, up to the page's moment.
func eventList(r *request) (*page, error) {
	last := r.ui.cfg.Position()
	if r.at != nil {
		last = events.Position(r.at.Event)
	}
	if b := r.number("before"); b != nil {
		last = min(last, events.Position(*b-1))
	}
	stream := r.arg("stream")
	recs, more, err := r.lastEvents(stream, last)
	if err != nil {
		return nil, err
	}
	list, err := r.entries(recs)
	if err != nil {
		return nil, err
	}
	data := map[string]any{"events": list, "stream": stream, "next": "", "back": ""}
	f := frame{At: r.at}
	if more {
		data["next"] = f.link("/events", append(r.keep("before"), "before", strconv.FormatInt(int64(recs[len(recs)-1].Position), 10)))
	}
	if r.arg("before") != "" {
		data["back"] = f.link("/events", r.keep("before"))
	}
	return &page{Title: "Events", Template: "events", Data: data}, nil
}

// lastEvents gives the last pageSize events up to a position, the newest first, and whether there are earlier ones.
func (r *request) lastEvents(stream string, last events.Position) ([]events.Recorded, bool, error) {
	var tail []events.Recorded
	keep := func(seq iter.Seq2[events.Recorded, error]) error {
		tail = tail[:0]
		for rec, err := range seq {
			if err != nil {
				return fmt.Errorf("read ledger: %w", err)
			}
			if rec.Position > last {
				break
			}
			if len(tail) > pageSize {
				tail = append(tail[:0], tail[1:]...)
			}
			tail = append(tail, rec)
		}
		return nil
	}
	if stream != "" {
		if err := keep(r.ui.cfg.Ledger.Read(r, stream, 0, 0)); err != nil {
			return nil, false, err
		}
	} else {
		// Positions may have gaps, so the way back is tried in growing steps.
		for span := events.Position(pageSize + 1); ; span *= 2 {
			after := max(0, last-span)
			if err := keep(r.ui.cfg.Ledger.ReadAll(r, after, 0)); err != nil {
				return nil, false, err
			}
			if len(tail) > pageSize || after == 0 {
				break
			}
		}
	}
	more := len(tail) > pageSize
	if more {
		tail = tail[1:]
	}
	out := make([]events.Recorded, 0, len(tail))
	for i := len(tail) - 1; i >= 0; i-- {
		out = append(out, tail[i])
	}
	return out, more, nil
}

// entries reads the events' data and finds the names of their actors.
func (r *request) entries(recs []events.Recorded) ([]entry, error) {
	out := make([]entry, len(recs))
	var ids []int64
	for i, rec := range recs {
		out[i] = entry{Recorded: rec, Href: streamHref(r, rec.Stream)}
		if err := json.Unmarshal(rec.Meta, &out[i].Meta); err != nil {
			return nil, fmt.Errorf("event %d: metadata: %w", rec.Position, err)
		}
		ids = append(ids, out[i].Meta.Actor)
		if len(rec.Data) > maxData {
			out[i].Value = fmt.Sprintf("%d bytes of data", len(rec.Data))
			continue
		}
		d := json.NewDecoder(bytes.NewReader(rec.Data))
		d.UseNumber()
		if err := d.Decode(&out[i].Value); err != nil {
			return nil, fmt.Errorf("event %d: %w", rec.Position, err)
		}
	}
	names, err := r.userNames(ids)
	if err != nil {
		return nil, err
	}
	for i := range out {
		out[i].Actor = names[out[i].Meta.Actor]
	}
	return out, nil
}

func (r *request) userNames(ids []int64) (map[int64]string, error) {
	rows, err := r.db.Query(r, `select id, name from users where id = any($1)`, ids)
	if err != nil {
		return nil, fmt.Errorf("users: %w", err)
	}
	out := map[int64]string{}
	var id int64
	var name string
	_, err = pgx.ForEachRow(rows, []any{&id, &name}, func() error { out[id] = name; return nil })
	return out, err
}

// streamHref is the page of what a stream is about.
func streamHref(r *request, stream string) string {
	noun, id, ok := strings.Cut(stream, "-")
	f := frame{At: r.at}
	if !ok {
		return ""
	}
	switch noun {
	case "tag", "build", "task", "host", "user", "target", "buildroot":
		return f.Href(noun, id)
	case "repos":
		return f.Href("tag", id)
	}
	return ""
}
