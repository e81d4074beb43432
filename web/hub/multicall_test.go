package hub_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"moromi/internal/fault"
	"moromi/web/hub"
)

func entry(method string, params ...any) map[string]any {
	if params == nil {
		params = []any{}
	}
	return map[string]any{"methodName": method, "params": params}
}

func TestMulticallIsolation(t *testing.T) {
	t.Parallel()
	s := setup(t)
	admin := s.login("kojiadmin")
	got := admin.must("multiCall", []any{
		entry("createTag", "one"), entry("bad.panic"), entry("createTag", "one"), entry("nosuch"), entry("bad.internal"),
		entry("getTag", "one", map[string]any{"__starstar": true, "strict": true}), entry("createTag"), entry("host.getHost"), int64(5), []any{}, map[string]any{},
		map[string]any{"methodName": int64(1), "params": []any{}}, map[string]any{"methodName": "echo", "params": "x"}, entry("echo", "last"),
	}).([]any)
	var shape []any
	for _, e := range got {
		switch e := e.(type) {
		case []any:
			shape = append(shape, e[0])
		case map[string]any:
			shape = append(shape, fmt.Sprint("fault ", e["faultCode"]))
		}
	}
	want := []any{int64(1), "fault 1", "fault 1000", "fault 1000", "fault 1", wire(t, mapOf(tagStruct(1, "one"))), "fault 1019", "fault 1002", "fault 1", "fault 1", "fault 1", "fault 1000", "fault 1", []any{"last"}}
	if diff := cmp.Diff(want, shape); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if strings.Contains(fmt.Sprint(got), "secret") {
		t.Error("a multicall tells secrets")
	}
	for _, calls := range []any{int64(5), nil, true} {
		admin.wantFault(fault.Internal, "multiCall", calls)
	}
	deep := entry("echo", "deep")
	for range 20 {
		deep = entry("multiCall", []any{deep})
	}
	if text := fmt.Sprint(admin.must("multiCall", []any{deep})); !strings.Contains(text, "nested deeper") {
		t.Errorf("20 levels: %s", text)
	}
	small := setup(t, func(c *hub.Config) { c.Limits.Multicall = 10_000 })
	res := small.anonymous().must("multiCall", []any{entry("echo", strings.Repeat("x", 6000)), entry("echo", strings.Repeat("x", 6000)), entry("bad.stream", int64(-1000))}).([]any)
	if _, ok := res[0].([]any); !ok {
		t.Errorf("first: %v", res[0])
	}
	for _, e := range res[1:] {
		if f, ok := e.(map[string]any); !ok || !strings.Contains(f["faultString"].(string), "too large") {
			t.Errorf("past the limit: %.60v", e)
		}
	}
}

// mapOf turns ints into what the wire gives.
func mapOf(m map[string]any) any {
	out := map[string]any{}
	for k, v := range m {
		if i, ok := v.(int); ok {
			v = int64(i)
		}
		out[k] = v
	}
	return out
}
