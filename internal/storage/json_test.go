package storage_test

import (
	"errors"
	"io/fs"
	"math"
	"testing"

	"moromi/internal/storage"
)

// TestUpdateJSON sets members of objects; what is none is left as it is.
func TestUpdateJSON(t *testing.T) {
	t.Parallel()
	top, err := storage.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = top.Close() })
	p, err := storage.Parse("repos/repo.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := top.UpdateJSON(p, map[string]any{"a": 1}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of no file: %v", err)
	}
	for _, tt := range []struct {
		have    string
		members map[string]any
		want    string
		fails   bool
	}{
		{`{"id": 9007199254740993, "b": [1.50]}`, map[string]any{"b": nil, "c": "d"}, "{\n  \"b\": null,\n  \"c\": \"d\",\n  \"id\": 9007199254740993\n}", false},
		{`{}`, map[string]any{}, "{}", false},
		{`[]`, map[string]any{"a": 1}, `[]`, true},
		{`{"a": 1`, map[string]any{"a": 2}, `{"a": 1`, true},
		{`{"a": 1}`, map[string]any{"a": math.NaN()}, `{"a": 1}`, true},
	} {
		if err := top.WriteFile(p, []byte(tt.have)); err != nil {
			t.Fatal(err)
		}
		if err := top.UpdateJSON(p, tt.members); (err != nil) != tt.fails {
			t.Errorf("%s with %v: %v", tt.have, tt.members, err)
		}
		if got, err := top.ReadFile(p, 1<<10); err != nil || string(got) != tt.want {
			t.Errorf("%s with %v is %s, %v, want %s", tt.have, tt.members, got, err, tt.want)
		}
	}
}
