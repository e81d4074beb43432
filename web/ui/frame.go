package ui

import (
	"fmt"
	"html/template"
	"net/url"
	"strings"
	"time"

	"moromi/projections/query"
)

// frame is what templates see: the page's data as .V, and the methods that make links, times and states.
type frame struct {
	*page
	V    any
	At   *moment // nil: now
	Path string  // of the page, without query
	// Here is the page's own query without at, for the form that chooses a moment.
	Here []field
	// Now leads to the same page at the present.
	Now       string
	Query     string // what was searched for
	SiteName  string
	PublicURL string
	Position  int64
	clock     time.Time
	static    map[string]string
}

// field is a hidden field of a form.
type field struct{ Name, Value string }

func (u *UI) frame(r *request, p *page) *frame {
	f := &frame{page: p, V: p.Data, At: r.at, SiteName: u.cfg.SiteName, PublicURL: u.cfg.PublicURL, Position: int64(u.cfg.Position()), clock: u.cfg.Clock(),
		static: u.names, Path: "/"}
	if r.http != nil {
		f.Path = r.http.URL.EscapedPath()
		kept := r.keep("before", "after", "end")
		for i := 0; i+1 < len(kept); i += 2 {
			f.Here = append(f.Here, field{kept[i], kept[i+1]})
			if kept[i] == "q" {
				f.Query = kept[i+1]
			}
		}
		now := *f
		now.At = nil
		f.Now = now.link(f.Path, kept)
	}
	return f
}

// With is the frame around other data, for parts that are used with something of the page.
func (f *frame) With(v any) *frame {
	g := *f
	g.V = v
	return &g
}

// Static is the address of a style sheet or script.
func (f *frame) Static(name string) string { return "/ui/" + f.static[name] }

// Href is a link within the site: path elements, each escaped. It keeps the moment.
func (f *frame) Href(elem ...any) string { return f.link(join(elem), nil) }

// List is a link to a list or to a page with parameters: the path, then parameters and values by turns. It keeps the moment.
func (f *frame) List(path string, pairs ...any) string {
	var kv []string
	for _, p := range pairs {
		kv = append(kv, fmt.Sprint(p))
	}
	return f.link(path, kv)
}

// Event is the place of an event in the list of events.
func (f *frame) Event(v any) string {
	n, _ := v.(int64)
	return f.List("/events", "before", n+1) + "#e" + fmt.Sprint(n)
}

func (f *frame) link(path string, kv []string) string {
	q := url.Values{}
	for i := 0; i+1 < len(kv); i += 2 {
		if kv[i+1] != "" {
			q.Set(kv[i], kv[i+1])
		}
	}
	if f.At != nil {
		q.Set("at", f.At.arg())
	}
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

// join makes a path of elements.
func join(elem []any) string {
	var b strings.Builder
	for _, e := range elem {
		b.WriteString("/" + url.PathEscape(fmt.Sprint(e)))
	}
	if b.Len() == 0 {
		return "/"
	}
	return b.String()
}

// AtTime is the page's moment as a form field wants it, in UTC.
func (f *frame) AtTime() string {
	t := f.clock
	if f.At != nil && !f.At.Time.IsZero() {
		t = f.At.Time
	}
	return t.UTC().Format("2006-01-02T15:04:05")
}

// Time shows a moment: how long ago if that was today and the page shows the present, else the date. A dash for nil.
func (f *frame) Time(v any) template.HTML {
	t, ok := v.(time.Time)
	if !ok || t.IsZero() {
		return `<span class="none">–</span>`
	}
	t = t.UTC()
	full, text, class := t.Format("2006-01-02 15:04:05"), t.Format("2006-01-02 15:04"), ""
	if ago := f.clock.Sub(t); f.At == nil && ago < 24*time.Hour && ago > -time.Minute {
		text, class = since(ago), ` class="ago"`
	}
	// only what Format gave is put in, so nothing here needs escaping
	return template.HTML(`<time` + class + ` datetime="` + t.Format(time.RFC3339) + `" title="` + full + ` UTC">` + text + `</time>`)
}

// Clock shows a moment to the second.
func (f *frame) Clock(v any) template.HTML {
	t, ok := v.(time.Time)
	if !ok || t.IsZero() {
		return `<span class="none">–</span>`
	}
	t = t.UTC()
	return template.HTML(`<time datetime="` + t.Format(time.RFC3339) + `">` + t.Format("2006-01-02 15:04:05") + `</time>`)
}

// Took shows how long something took from one time to another; without an end it is still going on, if it has begun and the page shows the present.
func (f *frame) Took(from, to any) template.HTML {
	a, ok := from.(time.Time)
	if !ok || a.IsZero() {
		return `<span class="none">–</span>`
	}
	if b, ok := to.(time.Time); ok && !b.IsZero() {
		return template.HTML(template.HTMLEscapeString(duration(b.Sub(a))))
	}
	end := f.clock
	if f.At != nil {
		end = f.At.Time
	}
	class := `class="running" `
	if f.At != nil {
		class = ""
	}
	return template.HTML(`<span ` + class + `data-since="` + a.UTC().Format(time.RFC3339) + `">` + duration(end.Sub(a)) + `</span>`)
}

// since is a time span in words.
func since(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return "just now"
	case d < time.Minute:
		return fmt.Sprintf("%d s ago", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min ago", int(d.Minutes()))
	}
	return fmt.Sprintf("%d h ago", int(d.Hours()))
}

// duration is a time span as people read it: 12 s, 3:07 min, 2:05 h.
func duration(d time.Duration) string {
	s := int64(max(d, 0).Round(time.Second).Seconds())
	switch {
	case s < 60:
		return fmt.Sprintf("%d s", s)
	case s < 3600:
		return fmt.Sprintf("%d:%02d min", s/60, s%60)
	case s < 48*3600:
		return fmt.Sprintf("%d:%02d h", s/3600, s/60%60)
	}
	return fmt.Sprintf("%d d %d h", s/86400, s/3600%24)
}

// more is a list with a link to what follows.
type more struct {
	Rows []query.Row
	Next string // address of the next page, "" if this is the last
	Back string // address of the first page, "" if this is it
}
