package reload_test

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"moromi/internal/reload"
)

func TestValue(t *testing.T) {
	t.Parallel()
	a, b := filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "b")
	put := func(name, text string, age time.Duration) {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		when := time.Now().Add(-age)
		if err := os.Chtimes(name, when, when); err != nil {
			t.Fatal(err)
		}
	}
	reads := 0
	read := func() (string, error) {
		reads++
		x, errX := os.ReadFile(a)
		y, errY := os.ReadFile(b)
		if err := errors.Join(errX, errY); err != nil {
			return "", err
		}
		if string(x) != strings.ToLower(string(y)) {
			return "", errors.New("they do not belong together")
		}
		return string(x), nil
	}
	if _, err := reload.New(slog.New(slog.DiscardHandler), read, a, b); err == nil {
		t.Error("files that are not there are no error at first")
	}
	put(a, "one", time.Hour)
	put(b, "ONE", time.Hour)
	var logged bytes.Buffer
	v, err := reload.New(slog.New(slog.NewTextHandler(&logged, nil)), read, a, b)
	if err != nil {
		t.Fatal(err)
	}
	want := func(value string, n int) {
		t.Helper()
		reads = 0
		if got := v.Get(); got != value || reads != n {
			t.Errorf("%q after %d reads, want %q after %d", got, reads, value, n)
		}
	}
	want("one", 0)
	put(a, "two", time.Minute) // only one of the two yet
	want("one", 1)
	if !strings.Contains(logged.String(), "belong together") {
		t.Errorf("the log says %q", logged.String())
	}
	want("one", 0) // not tried again before something changes
	put(b, "TWO", time.Minute)
	want("two", 1)
	want("two", 0)

	// another file of the same size and time, moved over the old one
	info, err := os.Stat(a)
	if err != nil {
		t.Fatal(err)
	}
	put(a+".new", "six", 0)
	put(b, "SIX", time.Second)
	if err := errors.Join(os.Chtimes(a+".new", info.ModTime(), info.ModTime()), os.Rename(a+".new", a)); err != nil {
		t.Fatal(err)
	}
	want("six", 1)
	if err := os.Remove(b); err != nil {
		t.Fatal(err)
	}
	want("six", 1)
	want("six", 0)
}
