// Package metric shows how the hub does at /metrics, in Prometheus' format: requests by route, how far the read models are behind the ledger, and
// the database's connections. It has a registry of its own and no global state.
package metric

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"moromi/events"
)

// headTimeout bounds how long a scrape waits for the ledger.
const headTimeout = 2 * time.Second

// Config is what is measured. Ledger and Position must be set.
type Config struct {
	Ledger   events.Store
	Position func() events.Position // of the read models
	Pool     *pgxpool.Pool          // nil: not measured
}

// Metrics measures. It is safe for concurrent use.
type Metrics struct {
	cfg      Config
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	active   prometheus.Gauge
}

// New makes the registry with everything in it.
func New(cfg Config) (*Metrics, error) {
	if cfg.Ledger == nil || cfg.Position == nil {
		return nil, errors.New("metric: Ledger and Position are needed")
	}
	m := &Metrics{cfg: cfg, registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "moromi_http_requests_total", Help: "Requests that were answered, by route, method and status."},
			[]string{"route", "method", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "moromi_http_request_duration_seconds", Help: "How long answers took, streams included.",
			Buckets: []float64{.001, .003, .01, .03, .1, .3, 1, 3, 10, 30}}, []string{"route"}),
		active: prometheus.NewGauge(prometheus.GaugeOpts{Name: "moromi_http_requests_active", Help: "Requests and streams under way."}),
	}
	for _, c := range []prometheus.Collector{m.requests, m.duration, m.active, newFollower(cfg), collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})} {
		if err := m.registry.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// Register puts /metrics on a router and measures what the router serves.
func (m *Metrics) Register(e *echo.Echo) {
	e.Use(m.measure)
	e.GET("/metrics", echo.WrapHandler(promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})))
}

// measure counts a request under its route's pattern: paths are too many.
func (m *Metrics) measure(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		start := time.Now()
		m.active.Inc()
		defer m.active.Dec()
		err := next(c)
		if err != nil {
			c.Error(err) // so that the status is known
		}
		route := c.Path()
		if route == "" {
			route = "none"
		}
		m.requests.WithLabelValues(route, method(c.Request().Method), strconv.Itoa(c.Response().Status)).Inc()
		m.duration.WithLabelValues(route).Observe(time.Since(start).Seconds())
		return nil
	}
}

// method keeps what clients may invent out of the labels.
func method(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return m
	}
	return "other"
}

// follower tells where the ledger and the read models are, asked at each scrape.
type follower struct {
	cfg                    Config
	head, position, behind *prometheus.Desc
	reachable              *prometheus.Desc
	connections, idle      *prometheus.Desc
}

func newFollower(cfg Config) *follower {
	d := func(name, help string) *prometheus.Desc { return prometheus.NewDesc(name, help, nil, nil) }
	return &follower{cfg: cfg,
		head:        d("moromi_ledger_position", "Position of the last event in the ledger."),
		reachable:   d("moromi_ledger_reachable", "1 if the ledger answered this scrape."),
		position:    d("moromi_readmodel_position", "Position up to which the read models hold everything."),
		behind:      d("moromi_readmodel_lag_positions", "How many positions the read models are behind the ledger; with PostgreSQL a position is an event."),
		connections: d("moromi_database_connections", "Connections to PostgreSQL that are open."),
		idle:        d("moromi_database_connections_idle", "Connections to PostgreSQL that nobody uses."),
	}
}

// Describe is for prometheus.Collector.
func (f *follower) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{f.head, f.reachable, f.position, f.behind, f.connections, f.idle} {
		out <- d
	}
}

// Collect is for prometheus.Collector.
func (f *follower) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64) { out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v) }
	ctx, cancel := context.WithTimeout(context.Background(), headTimeout)
	defer cancel()
	position := f.cfg.Position()
	gauge(f.position, float64(position))
	head, err := f.cfg.Ledger.Head(ctx)
	if err != nil {
		gauge(f.reachable, 0)
	} else {
		gauge(f.reachable, 1)
		gauge(f.head, float64(head))
		gauge(f.behind, float64(max(0, head-position)))
	}
	if f.cfg.Pool != nil {
		s := f.cfg.Pool.Stat()
		gauge(f.connections, float64(s.TotalConns()))
		gauge(f.idle, float64(s.IdleConns()))
	}
}
