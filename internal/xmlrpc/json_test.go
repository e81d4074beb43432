package xmlrpc_test

import (
	"reflect"
	"testing"

	"moromi/internal/xmlrpc"
)

func TestFromJSON(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]any{
		`1`: int64(1), `-9223372036854775808`: int64(-1 << 63), `1.5`: 1.5, `1e3`: 1000.0, `9223372036854775808`: float64(1 << 63),
		`null`: nil, `"a"`: "a", ` [1, {"k": [2]}] `: []any{int64(1), map[string]any{"k": []any{int64(2)}}},
	} {
		if got, err := xmlrpc.FromJSON(text); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %#v %v, want %#v", text, got, err, want)
		}
	}
	for _, text := range []string{``, `{`, `1 2`, `[1] x`, `1e999`, `[1e999]`, `nope`} {
		if got, err := xmlrpc.FromJSON(text); err == nil {
			t.Errorf("%s: %#v", text, got)
		}
	}
}
