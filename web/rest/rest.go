package rest

import (
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"

	"moromi/events"
)

// Config is what the surface needs; Ledger must be set.
type Config struct {
	// Ledger is what the stream of events reads.
	Ledger events.Store
	// Policies are what /policies shows; nil: there is no such address.
	Policies Policies
	// Log takes what goes wrong. Nil: slog.Default().
	Log *slog.Logger
	// Streams is how many event streams are kept open at once; 0 means DefaultStreams.
	Streams int64
	// Ping is how often a stream without news says that it is alive, and how far it is; 0 means DefaultPing.
	Ping time.Duration
}

// The defaults of Config.
const (
	DefaultStreams = 200              // each asks the ledger once a second, whatever happens
	DefaultPing    = 20 * time.Second // proxies close what is silent for a minute
)

// API serves the surface. It is safe for concurrent use.
type API struct {
	cfg     Config
	streams atomic.Int64
}

// New makes the surface.
func New(cfg Config) (*API, error) {
	if cfg.Ledger == nil {
		return nil, errors.New("rest: a ledger is needed")
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Streams == 0 {
		cfg.Streams = DefaultStreams
	}
	if cfg.Ping == 0 {
		cfg.Ping = DefaultPing
	}
	return &API{cfg: cfg}, nil
}

// Register puts the surface on a router.
func (a *API) Register(e *echo.Echo) {
	e.GET("/api/v1/events", a.events)
	if a.cfg.Policies != nil {
		e.GET("/api/v1/policies", a.policies)
		e.GET("/api/v1/policies/:name", a.policy)
		e.GET("/api/v1/policies/:name/history", a.policyHistory)
	}
}

// refuse answers an error that the caller can do something about.
func refuse(c echo.Context, status int, message string) error {
	c.Response().Header().Set("X-Content-Type-Options", "nosniff")
	return c.JSON(status, map[string]string{"error": message})
}
