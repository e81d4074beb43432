package query

import (
	"reflect"
	"testing"

	"moromi/internal/fault"
)

var columns = []Col{{"id", "tag.id"}, {"name", "tag.name"}, {"perm", "permissions.name"}}

func tagQuery() *Query {
	return New(columns, "tag_config c").Join("join tag on tag.id = c.tag_id").Where("c.perm_id = ?", int64(3)).OrderBy("tag.id")
}

const selected = "SELECT tag.id, tag.name, permissions.name FROM tag_config c join tag on tag.id = c.tag_id WHERE (c.perm_id = $1)"

func TestStatement(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		opts Opts
		want string
	}{
		{"its own order", Opts{}, selected + " ORDER BY tag.id"},
		{"another order", Opts{Order: "-name,id"}, selected + " ORDER BY tag.name DESC, tag.id"},
		{"a column's own name", Opts{Order: "-tag.id,permissions.name"}, selected + " ORDER BY tag.id DESC, permissions.name"},
		{"limit and offset", Opts{Limit: 5, Offset: 2}, selected + " ORDER BY tag.id OFFSET 2 LIMIT 5"},
		{"limit 0 is none", Opts{Limit: 0, Offset: 0}, selected + " ORDER BY tag.id"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := tagQuery().statement(c.opts)
			if err != nil {
				t.Fatal(err)
			}
			if got != c.want {
				t.Errorf("\ngot  %s\nwant %s", got, c.want)
			}
		})
	}
	for _, o := range []Opts{{Limit: -1}, {Offset: -1}} {
		if sql, err := tagQuery().statement(o); !fault.Is(err, fault.Parameter) {
			t.Errorf("%+v gave %s %v", o, sql, err)
		}
	}
}

// TestCallersNameOnlyColumns has what a caller may try instead of a column: none of it gets into a statement.
func TestCallersNameOnlyColumns(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"c.perm_id", "password", "id; drop table tag", "id desc", "--id", "1", "id,", " id", "id, name", "(select 1)", "ID"} {
		if sql, err := tagQuery().statement(Opts{Order: text}); !fault.Is(err, fault.Generic) {
			t.Errorf("order %q gave %s %v", text, sql, err)
		}
	}
}

func TestSortableIsForOrdersOnly(t *testing.T) {
	t.Parallel()
	q := tagQuery().Sortable(Col{"created", "c.create_event"})
	if sql, err := q.statement(Opts{Order: "-created"}); err != nil || sql != selected+" ORDER BY c.create_event DESC" {
		t.Errorf("%s %v", sql, err)
	}
	if sql, err := q.statement(Opts{}); err != nil || sql != selected+" ORDER BY tag.id" {
		t.Errorf("without an order: %s %v", sql, err)
	}
}

func TestKojisNamesOfColumns(t *testing.T) {
	t.Parallel()
	q := tagQuery().Called(map[string]string{"perms.name": "perm"})
	if sql, err := q.statement(Opts{Order: "-perms.name,tag.id"}); err != nil || sql != selected+" ORDER BY permissions.name DESC, tag.id" {
		t.Errorf("%s %v", sql, err)
	}
	if sql, err := q.statement(Opts{Order: "perms.id"}); !fault.Is(err, fault.Generic) {
		t.Errorf("%s %v", sql, err)
	}
}

func TestValuesAreParameters(t *testing.T) {
	t.Parallel()
	event := int64(9)
	q := New(columns[:1], "tag_at(?) tag", int64(4)).Where("tag.name = ? or tag.name = ?", "a'b", "c").At("tag", &event).At("p", nil)
	want := "SELECT tag.id FROM tag_at($1) tag WHERE (tag.name = $2 or tag.name = $3) AND (tag.create_event <= $4 AND (tag.revoke_event IS NULL OR tag.revoke_event > $5)) AND (p.active)"
	if sql, err := q.statement(Opts{}); err != nil || sql != want {
		t.Errorf("\ngot  %s %v\nwant %s", sql, err, want)
	}
	if args := []any{int64(4), "a'b", "c", event, event}; !reflect.DeepEqual(q.args, args) {
		t.Errorf("values %v, want %v", q.args, args)
	}
}

func TestAddingAColumnLeavesOtherQueriesAlone(t *testing.T) {
	t.Parallel()
	shared := make([]Col, 1, 8)
	shared[0] = columns[0]
	a, b := New(shared, "tag").Col("x", "tag.x"), New(shared, "tag").Col("y", "tag.y")
	if a.Cols[1].Name != "x" || b.Cols[1].Name != "y" || len(shared) != 1 {
		t.Errorf("columns %v and %v", a.Cols, b.Cols)
	}
}

func TestWrongNumberOfValuesIsNoticed(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("a statement with a value too few was taken")
		}
	}()
	tagQuery().Where("a = ? and b = ?", 1)
}

func TestLike(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string]string{"": "", "foo": "foo", "f*": "f%", "f?o": "f_o", "100%": `100\%`, "a_b": `a\_b`, `a\b`: `a\\b`, "*?": "%_"} {
		if got := Like(pattern); got != want {
			t.Errorf("Like(%q) = %q, want %q", pattern, got, want)
		}
	}
}

func TestJSONKeepsKindsOfNumbers(t *testing.T) {
	t.Parallel()
	got, err := JSON(`{"i": 3, "f": 3.0, "big": 9007199254740993, "l": [1, {"x": null}], "t": "1"}`)
	want := map[string]any{"i": int64(3), "f": 3.0, "big": int64(9007199254740993), "l": []any{int64(1), map[string]any{"x": nil}}, "t": "1"}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %#v %v, want %#v", got, err, want)
	}
	if v, err := JSON(nil); v != nil || err != nil {
		t.Errorf("JSON(nil) = %v %v", v, err)
	}
	if _, err := JSON(`{"a":`); err == nil {
		t.Error("half a text was taken")
	}
}

func TestDecodeKey(t *testing.T) {
	t.Parallel()
	rows := []Row{{"id": int64(1), "data": `{"a": 1}`}, {"id": int64(2), "data": nil}, {"id": int64(3)}}
	if err := DecodeKey(rows, "data"); err != nil {
		t.Fatal(err)
	}
	want := []Row{{"id": int64(1), "data": map[string]any{"a": int64(1)}}, {"id": int64(2), "data": nil}, {"id": int64(3)}}
	if !reflect.DeepEqual(rows, want) {
		t.Errorf("got %v, want %v", rows, want)
	}
}
