package rest

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"moromi/internal/fault"
	"moromi/projections/query"
)

// Policies are the site's hub policies. Rows have name, version, text, default, and event, time and user (id and name) of the version's creation
// and end.
type Policies interface {
	List(ctx context.Context, event *int64) ([]query.Row, error)
	Get(ctx context.Context, name string, event, version *int64) (query.Row, error)
	History(ctx context.Context, name string) ([]query.Row, error)
	// EventBefore gives the last event before a time, 0 if there was none.
	EventBefore(ctx context.Context, t time.Time) (int64, error)
}

// policies is GET /api/v1/policies: all that hold, Koji's defaults included; ?at= asks as of an event or a time.
func (a *API) policies(c echo.Context) error {
	at, err := a.moment(c)
	if err != nil {
		return a.fail(c, err)
	}
	rows, err := a.cfg.Policies.List(c.Request().Context(), at)
	return a.answer(c, rows, err)
}

// policy is GET /api/v1/policies/NAME: one of them; ?at= as above, ?version= asks for a version of it.
func (a *API) policy(c echo.Context) error {
	at, err := a.moment(c)
	if err != nil {
		return a.fail(c, err)
	}
	var version *int64
	if text := c.QueryParam("version"); text != "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return refuse(c, http.StatusBadRequest, strconv.Quote(clip(text))+" is no version")
		}
		version = &n
	}
	row, err := a.cfg.Policies.Get(c.Request().Context(), strings.ToLower(c.Param("name")), at, version)
	if err == nil && row == nil {
		return refuse(c, http.StatusNotFound, "there is no such policy")
	}
	return a.answer(c, row, err)
}

// policyHistory is GET /api/v1/policies/NAME/history: every version that the site had of it, the oldest first.
func (a *API) policyHistory(c echo.Context) error {
	rows, err := a.cfg.Policies.History(c.Request().Context(), strings.ToLower(c.Param("name")))
	return a.answer(c, rows, err)
}

// moment reads ?at=: the number of an event or a time of RFC 3339; nil for now.
func (a *API) moment(c echo.Context) (*int64, error) {
	text := c.QueryParam("at")
	if text == "" {
		return nil, nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n >= 0 {
		return &n, nil
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return nil, fault.New(fault.Parameter, "%q is neither the number of an event nor a time like 2026-01-05T12:00:00Z", clip(text))
	}
	n, err := a.cfg.Policies.EventBefore(c.Request().Context(), t)
	return &n, err
}

// answer sends a result, or what an error means.
func (a *API) answer(c echo.Context, v any, err error) error {
	if err != nil {
		return a.fail(c, err)
	}
	c.Response().Header().Set("X-Content-Type-Options", "nosniff")
	c.Response().Header().Set("Cache-Control", "no-cache")
	return c.JSON(http.StatusOK, v)
}

// fail tells the caller's mistakes, and notes others.
func (a *API) fail(c echo.Context, err error) error {
	if f := fault.Of(err); f != nil {
		return refuse(c, http.StatusBadRequest, f.Message)
	}
	a.cfg.Log.ErrorContext(c.Request().Context(), "policies", "error", err)
	return refuse(c, http.StatusInternalServerError, "something went wrong; it has been noted")
}
