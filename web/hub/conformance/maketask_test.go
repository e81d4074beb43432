package conformance_test

import (
	"errors"
	"testing"

	"moromi/internal/fault"
	"moromi/internal/xmlrpc"
)

// Koji's client names all parameters of makeTask and sends the priority as it was typed.
func TestMakeTaskTakesNames(t *testing.T) {
	t.Parallel()
	c := newSite(t, "").open(t, "kojiadmin")
	for _, call := range []struct {
		name   string
		params []any
		code   int // 0: no fault
	}{
		{"by place", []any{"sleep", []any{int64(1)}}, 0},
		{"by name", []any{xmlrpc.Kwargs{"method": "sleep", "arglist": []any{int64(1)}, "channel": "default", "priority": "5"}}, 0},
		{"one by name", []any{"sleep", xmlrpc.Kwargs{"arglist": []any{}}}, 0},
		{"no list", []any{xmlrpc.Kwargs{"method": "sleep"}}, int(fault.Parameter)},
		{"a method twice", []any{"sleep", []any{}, xmlrpc.Kwargs{"method": "sleep"}}, int(fault.Parameter)},
		{"one too many", []any{"sleep", []any{}, "default"}, int(fault.Parameter)},
		{"a priority that is no number", []any{"sleep", []any{}, xmlrpc.Kwargs{"priority": "high"}}, int(fault.Parameter)},
	} {
		got, err := c.call("makeTask", call.params)
		var f *xmlrpc.Fault
		switch errors.As(err, &f); {
		case call.code == 0 && err != nil:
			t.Errorf("%s: %v", call.name, err)
		case call.code != 0 && (f == nil || f.Code != call.code):
			t.Errorf("%s: got %v, %v; want fault %d", call.name, got, err, call.code)
		}
	}
}
