package conformance_test

import (
	"bytes"
	"errors"
	"testing"

	"moromi/internal/fault"
	"moromi/internal/xmlrpc"
	"moromi/projections/task"
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

// A task's request has the members of structs in the order in which the client sent them, also of a task that is made again, and in a multicall.
func TestTaskRequestKeepsOrder(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	c := s.open(t, "kojiadmin")
	options := xmlrpc.Struct{{Name: "scratch", Value: true}, {Name: "arch_override", Value: "x86_64"}, {Name: "repo_id", Value: int64(1)}}
	params := []any{"build", []any{"git://example.com/foo#1", xmlrpc.Struct{{Name: "name", Value: "dest"}, {Name: "id", Value: int64(1)}}, options}}
	id, err := c.call("makeTask", params)
	s.check(err)
	_, err = c.call("cancelTask", []any{id})
	s.check(err)
	again, err := c.call("resubmitTask", []any{id})
	s.check(err)
	many, err := c.call("multiCall", []any{[]any{map[string]any{"methodName": "makeTask", "params": params}}})
	s.check(err)
	var want bytes.Buffer
	s.check(xmlrpc.EncodeCall(&want, "build", params[1].([]any)))
	for _, id := range []any{id, again, many.([]any)[0].([]any)[0]} {
		got, _, err := task.Documents(t.Context(), s.service.DB, id.(int64))
		s.check(err)
		if got != want.String() {
			t.Errorf("the request of task %v is\n%s\nnot\n%s", id, got, want.String())
		}
	}
}
