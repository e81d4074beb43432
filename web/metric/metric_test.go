package metric_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"moromi/events"
	"moromi/events/pgledger"
	"moromi/internal/pgtest"
	"moromi/web/metric"
)

func TestMetrics(t *testing.T) {
	t.Parallel()
	pool := pgtest.DB(t)
	ledger, err := pgledger.Open(t.Context(), pgledger.Config{Pool: pool})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		recs, err := events.Encode(events.Meta{}, []uuid.UUID{uuid.New()}, events.NameReleased{Kind: "tag", ID: 1})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ledger.Append(t.Context(), "names-tag", events.Any, recs...); err != nil {
			t.Fatal(err)
		}
	}
	m, err := metric.New(metric.Config{Ledger: ledger, Position: func() events.Position { return 1 }, Pool: pool})
	if err != nil {
		t.Fatal(err)
	}
	e := echo.New()
	m.Register(e)
	e.GET("/tag/:tag", func(c echo.Context) error { return c.String(http.StatusOK, "") })
	srv := httptest.NewServer(e)
	defer srv.Close()
	fetch := func(method, path string) string {
		req, err := http.NewRequestWithContext(t.Context(), method, srv.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	fetch(http.MethodGet, "/tag/a")
	fetch(http.MethodGet, "/tag/b")
	fetch("BREW", "/tag/b")
	fetch(http.MethodGet, "/none/such")
	got := fetch(http.MethodGet, "/metrics")
	for _, want := range []string{
		`moromi_http_requests_total{method="GET",route="/tag/:tag",status="200"} 2`, `method="other"`, `status="404"`, `moromi_http_requests_active 1`,
		`moromi_http_request_duration_seconds_count{route="/tag/:tag"} `, "moromi_ledger_position 3", "moromi_ledger_reachable 1", "moromi_readmodel_position 1",
		"moromi_readmodel_lag_positions 2", "moromi_database_connections ", "go_goroutines ",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
	if strings.Contains(got, "/none/such") || strings.Contains(got, "BREW") {
		t.Error("labels hold what clients invent")
	}
	if err := ledger.Close(); err != nil {
		t.Fatal(err)
	}
	if got := fetch(http.MethodGet, "/metrics"); !strings.Contains(got, "moromi_ledger_reachable 0") || !strings.Contains(got, "moromi_readmodel_position 1") {
		t.Errorf("without the ledger:\n%s", got)
	}
}
