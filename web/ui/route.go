package ui

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
)

// pageTimeout bounds the making of one page, so that a slow query does not hold a connection for ever.
const pageTimeout = 15 * time.Second

// route is one page. Path is echo's pattern without the slash-separated rest; Params lists the query parameters that its handler may look at,
// besides at.
type route struct {
	Path   string
	Params []string
	page   func(*request) (*page, error)
	// stream is set instead of page for an event stream.
	stream func(*request, *eventStream) error
}

// page is what a handler answers: the template's name and its data; or where to go instead.
type page struct {
	Title    string
	Template string
	Data     any
	// Live is the address of the page's event stream; it is used while the page shows the present.
	Live string
	// Scripts are the scripts besides the one that all pages have.
	Scripts  []string
	Redirect string
}

// routes is the table of all pages.
func routes() []route {
	return []route{
		{Path: "/", page: front},
		{Path: "/live", stream: liveFront},
		{Path: "/search", Params: []string{"q"}, page: search},
		{Path: "/builds", Params: []string{"state", "package", "owner", "before"}, page: builds},
		{Path: "/build/:build", page: buildPage},
		{Path: "/build/:build/live", stream: liveBuild},
		{Path: "/build/:build/log", Params: []string{"file", "end", "find"}, page: buildLog},
		{Path: "/tasks", Params: []string{"state", "method", "owner", "host", "before"}, page: tasks},
		{Path: "/task/:task", page: taskPage},
		{Path: "/task/:task/live", stream: liveTask},
		{Path: "/task/:task/log", Params: []string{"file", "volume", "end", "find"}, page: taskLog},
		{Path: "/task/:task/log/live", Params: []string{"file", "volume", "offset", "line"}, stream: followLog},
		{Path: "/tags", Params: []string{"q", "after"}, page: tags},
		{Path: "/tag/:tag", page: tagPage},
		{Path: "/tag/:tag/builds", Params: []string{"inherited", "latest", "package", "after"}, page: tagBuilds},
		{Path: "/tag/:tag/packages", Params: []string{"inherited", "q", "after"}, page: tagPackages},
		{Path: "/tag/:tag/groups", page: tagGroups},
		{Path: "/tag/:tag/history", Params: []string{"before"}, page: tagHistory},
		{Path: "/tag/:tag/compare", Params: []string{"from", "to", "inherited"}, page: tagCompare},
		{Path: "/targets", Params: []string{"q", "after"}, page: targets},
		{Path: "/target/:target", page: targetPage},
		{Path: "/packages", Params: []string{"q", "after"}, page: packages},
		{Path: "/package/:package", Params: []string{"before"}, page: packagePage},
		{Path: "/hosts", page: hosts},
		{Path: "/host/:host", page: hostPage},
		{Path: "/users", Params: []string{"q", "after"}, page: users},
		{Path: "/user/:user", page: userPage},
		{Path: "/repos", Params: []string{"tag", "state", "before"}, page: repos},
		{Path: "/repo/:repo", page: repoPage},
		{Path: "/buildroot/:buildroot", Params: []string{"q"}, page: buildrootPage},
		{Path: "/rpm/:rpm", page: rpmPage},
		{Path: "/events", Params: []string{"stream", "before"}, page: eventList},
	}
}

// Register puts the pages on a router, and the style sheet and scripts under /ui/.
func (u *UI) Register(e *echo.Echo) {
	for _, rt := range routes() {
		h := u.handler(&rt)
		e.GET(rt.Path, h)
		if rt.page != nil {
			e.HEAD(rt.Path, h)
		}
	}
	registerKojiLinks(e)
	e.GET("/ui/:file", u.serveStatic)
	e.RouteNotFound("/*", u.handler(&route{Path: "/*", page: func(*request) (*page, error) { return nil, notFound("There is no such page.") }}))
}

// handler is the one adapter between echo and the pages.
func (u *UI) handler(rt *route) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := &request{Context: c.Request().Context(), ui: u, route: rt, http: c.Request(), vars: map[string]string{}, query: c.QueryParams()}
		for _, name := range c.ParamNames() {
			r.vars[name] = pathValue(c.Param(name), c.Request().URL)
		}
		secure(c.Response().Header())
		if rt.stream != nil {
			return u.serveStream(c.Response(), r)
		}
		u.servePage(c.Response(), r)
		return nil
	}
}

// pathValue takes the escapes out of a part of the path: echo routes by the raw path where there is one.
func pathValue(v string, at *url.URL) string {
	if at.RawPath == "" {
		return v
	}
	if s, err := url.PathUnescape(v); err == nil {
		return s
	}
	return v
}

// policy lets a page load nothing but this package's files and the event streams.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func secure(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
}

// servePage makes a page whole before it sends the first byte, so that what goes wrong on the way becomes an error page.
func (u *UI) servePage(w http.ResponseWriter, r *request) {
	body, status, err := u.render(r)
	if err != nil {
		p := u.explain(r.http, err)
		if body, err = u.execute(r, &page{Title: http.StatusText(p.Status), Template: "problem", Data: p}); err != nil {
			u.cfg.Log.ErrorContext(r, "error page", "error", err)
			http.Error(w, p.Text, p.Status)
			return
		}
		status = p.Status
	}
	if status == http.StatusSeeOther {
		w.Header().Set("Location", body.String())
		w.WriteHeader(status)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	w.WriteHeader(status)
	if r.http.Method != http.MethodHead {
		_, _ = w.Write(body.Bytes()) // an error means that the reader is gone
	}
}

// render gives a page, or with the status SeeOther the address to go to.
func (u *UI) render(r *request) (body *bytes.Buffer, status int, err error) {
	ctx, cancel := context.WithTimeout(r.Context, pageTimeout)
	defer cancel()
	err = u.snapshot(ctx, r, func(in *request) error {
		if text := clean(in.query.Get("at")); text != "" {
			m, err := in.moment(text)
			if err != nil {
				return err
			}
			in.at, r.at = m, m
		}
		p, err := in.route.page(in)
		if err != nil {
			return err
		}
		if p.Redirect != "" {
			body, status = bytes.NewBufferString(p.Redirect), http.StatusSeeOther
			return nil
		}
		body, err = u.execute(in, p)
		status = http.StatusOK
		return err
	})
	return body, status, err
}

func (u *UI) execute(r *request, p *page) (*bytes.Buffer, error) {
	t := u.pages[p.Template]
	if t == nil {
		return nil, fmt.Errorf("no template %s", p.Template)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, u.frame(r, p)); err != nil {
		return nil, fmt.Errorf("page %s: %w", p.Template, err)
	}
	return &b, nil
}

func (u *UI) serveStatic(c echo.Context) error {
	a, ok := u.static[c.Param("file")]
	secure(c.Response().Header())
	if !ok {
		return c.String(http.StatusNotFound, "There is no such file.\n")
	}
	c.Response().Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	return c.Blob(http.StatusOK, a.mime, a.data)
}

// serveStream answers an event stream until it ends.
func (u *UI) serveStream(w http.ResponseWriter, r *request) error {
	if u.streams.Add(1) > u.cfg.Streams {
		u.streams.Add(-1)
		w.Header().Set("Retry-After", "30")
		http.Error(w, "Too many streams are open; try again later.", http.StatusServiceUnavailable)
		return nil
	}
	defer u.streams.Add(-1)
	s := &eventStream{w: w, rc: http.NewResponseController(w)}
	err := r.route.stream(r, s)
	if err == nil || r.Err() != nil || errors.Is(err, errStreamEnds) {
		return nil
	}
	if !s.begun {
		p := u.explain(r.http, err)
		http.Error(w, p.Text, p.Status)
		return nil
	}
	u.cfg.Log.DebugContext(r, "event stream ends", "path", strings.TrimSpace(r.http.URL.Path), "error", err)
	return nil
}
