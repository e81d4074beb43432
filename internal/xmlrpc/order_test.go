package xmlrpc

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// TestOrder writes parts of a call again, as the hub writes the requests of tasks.
func TestOrder(t *testing.T) {
	t.Parallel()
	structOf := func(names ...string) Struct {
		var s Struct
		for _, n := range names {
			s = append(s, Member{n, Struct{}})
		}
		return s
	}
	tests := []struct {
		name string
		sent []any
		made any // what is written
		want string
	}{
		{"as sent", []any{structOf("id", "name", "arch")}, map[string]any{"arch": 1, "id": 1, "name": 1}, "id name arch"},
		{"the struct with these members", []any{structOf("name"), structOf("b", "a"), structOf("id", "b", "a")}, map[string]any{"a": 1, "b": 1, "id": 1}, "id b a"},
		{"nested", []any{Struct{{"z", structOf("y", "x")}, {"a", 1}}}, map[string]any{"a": 1, "z": map[string]any{"x": 1, "y": 1}}, "z y x a"},
		{"named arguments, one more", []any{structOf("keys", "arch", starstar)}, map[string]any{"arch": 1, "event": 1, "keys": 1}, "keys arch event"},
		{"named arguments", []any{structOf("keys", "arch", starstar)}, Kwargs{"arch": 1, "keys": 1}, "keys arch __starstar"},
		{"another", []any{structOf("c", "b")}, map[string]any{"b": 1, "a": 1}, "a b"},
		{"one less", []any{structOf("c", "b", "a")}, map[string]any{"b": 1, "c": 1}, "b c"},
		{"a member twice", []any{structOf("b", "a", "b")}, map[string]any{"a": 1, "b": 1}, "a b"},
		{"one member", []any{structOf("b")}, map[string]any{"a": 1, "b": 1}, "a b"},
		{"nothing", []any{Struct{}}, map[string]any{}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var doc, out bytes.Buffer
			if err := EncodeCall(&doc, "m", tt.sent); err != nil {
				t.Fatal(err)
			}
			_, _, order, err := DecodeCallInOrder(&doc, Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if err := EncodeCall(&out, "m", []any{tt.made}, InOrder(order)); err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(memberNames(out.String()), " "); got != tt.want {
				t.Errorf("members are %s, not %s", got, tt.want)
			}
		})
	}
}

// memberNames are the names in the order they stand in.
func memberNames(doc string) []string {
	var names []string
	for _, part := range strings.Split(doc, "<name>")[1:] {
		name, _, _ := strings.Cut(part, "</name>")
		names = append(names, name)
	}
	return names
}

// TestOrderIsBounded keeps few kinds of structs of a document that has many.
func TestOrderIsBounded(t *testing.T) {
	t.Parallel()
	var rows []any
	for i := range 10 * maxOrders {
		rows = append(rows, map[string]any{"a": 1, fmt.Sprintf("b%d", i): 1})
	}
	var doc bytes.Buffer
	if err := EncodeCall(&doc, "m", []any{rows}); err != nil {
		t.Fatal(err)
	}
	_, _, order, err := DecodeCallInOrder(&doc, Limits{})
	if err != nil || order.Empty() || len(order.structs) > maxOrders {
		t.Errorf("%d kinds of structs, %v", len(order.structs), err)
	}
}
