package ui

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
)

// problem is an error that is told to the reader as it is.
type problem struct {
	Status int
	Text   string
}

func (p *problem) Error() string { return p.Text }

func notFound(format string, args ...any) error {
	return &problem{http.StatusNotFound, fmt.Sprintf(format, args...)}
}

func badRequest(format string, args ...any) error {
	return &problem{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

// missing says that a thing is not there, or was not at the page's moment.
func (r *request) missing(noun, name string) error {
	if r.at != nil {
		return notFound("There was no %s %q as of event %d.", noun, name, r.at.Event)
	}
	return notFound("There is no %s %q.", noun, name)
}

// explain makes of any error what the reader may know: a problem as it is, everything else a reference to the log.
func (u *UI) explain(r *http.Request, err error) *problem {
	var p *problem
	if errors.As(err, &p) {
		return p
	}
	if r.Context().Err() != nil {
		return &problem{499, "The request was given up."} // nobody reads it; the status is for logs
	}
	ref := rand.Text()[:10]
	u.cfg.Log.ErrorContext(r.Context(), "page", "path", r.URL.Path, "reference", ref, "error", err)
	if errors.Is(err, context.DeadlineExceeded) {
		return &problem{http.StatusServiceUnavailable, "This page took too long to make. Try again, or ask for less. Reference " + ref + "."}
	}
	return &problem{http.StatusInternalServerError, "Something went wrong here; it has been noted under the reference " + ref + "."}
}
