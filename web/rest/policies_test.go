package rest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"moromi/commands"
	"moromi/commands/commandtest"
	"moromi/web/rest"
)

func TestPolicies(t *testing.T) {
	t.Parallel()
	s := commandtest.New(t)
	set := func(text string) commands.PolicyOutcome {
		t.Helper()
		out, err := s.SetPolicy(t.Context(), commands.Actor{UserID: 1, Admin: true}, commands.SetPolicy{Name: "tag", Text: text})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	before := time.Now()
	first := set("all :: allow")
	set("all :: deny <no>")
	api, err := rest.New(rest.Config{Ledger: s.Ledger, Policies: s.Policies, Log: s.Log})
	if err != nil {
		t.Fatal(err)
	}
	e := echo.New()
	api.Register(e)
	srv := httptest.NewServer(e)
	t.Cleanup(srv.Close)
	get := func(path string, into any) int {
		t.Helper()
		res, err := http.Get(srv.URL + "/api/v1/policies" + path)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close() //nolint:errcheck // only read
		if err := json.NewDecoder(res.Body).Decode(into); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		return res.StatusCode
	}
	for path, want := range map[string]string{
		"/tag": "2 all :: deny <no>\n", "/TAG": "2 all :: deny <no>\n", "/tag?version=1": "1 all :: allow\n", fmt.Sprintf("/tag?at=%d", first.Event): "1 all :: allow\n",
		"/priority": "0 all :: stay\n", "/tag?at=" + url.QueryEscape(time.Now().Add(time.Hour).Format(time.RFC3339)): "2 all :: deny <no>\n",
	} {
		var row struct {
			Version int64
			Text    string
		}
		if status := get(path, &row); status != http.StatusOK || fmt.Sprintf("%d %s", row.Version, row.Text) != want {
			t.Errorf("%s: %d %+v", path, status, row)
		}
	}
	for path, want := range map[string]int{"/nosuch": 404, "/tag?version=9": 404, "/tag?version=x": 400, "/tag?at=yesterday": 400, "/tag?at=0": 404,
		"/tag?at=" + url.QueryEscape(before.Add(-time.Hour).Format(time.RFC3339)): 404, "?at=-1": 400} {
		var out map[string]any
		if status := get(path, &out); status != want || out["error"] == "" {
			t.Errorf("%s: %d %v", path, status, out)
		}
	}
	var rows []map[string]any
	if status := get("", &rows); status != http.StatusOK || len(rows) != 12 {
		t.Errorf("all: %d, %d of them", status, len(rows))
	}
	if status := get("/tag/history", &rows); status != http.StatusOK || len(rows) != 2 || rows[0]["creator_name"] != commandtest.Admin || rows[0]["revoke_time"] == nil {
		t.Errorf("history: %d %v", status, rows)
	}
}
