package hubclient_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"moromi/internal/hubclient"
)

func TestExists(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method != http.MethodHead:
			t.Errorf("asked with %s", r.Method)
		case r.URL.Path == "/none":
			http.NotFound(w, r)
		case r.URL.Path == "/broken":
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	defer s.Close()
	c := hubclient.New(s.URL, hubclient.Options{})
	for path, want := range map[string]bool{"/there": true, "/none": false} {
		if got, err := c.Exists(t.Context(), s.URL+path); err != nil || got != want {
			t.Errorf("%s: %v, %v", path, got, err)
		}
	}
	if _, err := c.Exists(t.Context(), s.URL+"/broken"); err == nil {
		t.Error("a server error was taken for an answer")
	}
}
