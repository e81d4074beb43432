package xmlrpc_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"moromi/internal/xmlrpc"
)

func TestKeepTimes(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 21, 2, 53, 39, 976500000, time.UTC)
	var b bytes.Buffer
	if err := xmlrpc.EncodeResponse(&b, []any{at, xmlrpc.KeepTimes([]any{map[string]any{"t": at}, at, "x"})}, xmlrpc.TimeAsString()); err != nil {
		t.Fatal(err)
	}
	got, err := xmlrpc.DecodeResponse(&b, xmlrpc.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	whole := at.Truncate(time.Second)
	if d := cmp.Diff([]any{"2026-11-21 02:53:39.976500+00:00", []any{map[string]any{"t": whole}, whole, "x"}}, got); d != "" {
		t.Error(d)
	}
}
