package events_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"moromi/events"
)

var update = flag.Bool("update", false, "write the shapes of new events and new fields to testdata/shapes.json")

const shapes = "testdata/shapes.json"

// fill gives every field a value that is not its zero value, so that nothing is left out of the JSON. Slices and maps get one element.
func fill(t *testing.T, v reflect.Value) {
	t.Helper()
	switch v.Interface().(type) {
	case json.RawMessage:
		v.SetBytes([]byte(`{"k":1}`))
		return
	case time.Time:
		v.Set(reflect.ValueOf(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)))
		return
	case uuid.UUID:
		v.Set(reflect.ValueOf(uuid.MustParse("01234567-89ab-7def-8123-456789abcdef")))
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(7)
	case reflect.Uint8:
		v.SetUint(7)
	case reflect.Float64:
		v.SetFloat(1.5)
	case reflect.String:
		v.SetString("s")
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(t, v.Index(0))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(t, key)
		fill(t, value)
		v.SetMapIndex(key, value)
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i))
		}
	default:
		t.Fatalf("an event has a field of %s, which this test cannot fill", v.Type())
	}
}

// whole makes an event of a type with every field set.
func whole(t *testing.T, name string) events.Event {
	t.Helper()
	e, _, err := events.Decode(events.Recorded{New: events.New{Type: name, Data: []byte(`{}`), Meta: []byte(`{}`)}})
	if err != nil {
		t.Fatal(err)
	}
	v := reflect.New(reflect.TypeOf(e)).Elem()
	fill(t, v)
	return v.Interface().(events.Event)
}

// TestShapes holds the ledger's promise: what stands in a ledger today can be read tomorrow. A type or field of
// testdata/shapes.json may never disappear or change; new ones are added with -update.
func TestShapes(t *testing.T) {
	t.Parallel()
	recorded := map[string]json.RawMessage{}
	data, err := os.ReadFile(shapes)
	if err == nil {
		err = json.Unmarshal(data, &recorded)
	}
	if err != nil && !*update {
		t.Fatal(err)
	}
	now := map[string]json.RawMessage{}
	for _, name := range events.Types() {
		raw, err := json.Marshal(whole(t, name))
		if err != nil {
			t.Fatal(err)
		}
		now[name] = raw
	}
	for _, name := range slices.Sorted(maps.Keys(recorded)) {
		if now[name] == nil {
			t.Errorf("event type %s is gone: ledgers that hold it cannot be read any more", name)
			continue
		}
		var was, is any
		if json.Unmarshal(recorded[name], &was) != nil || json.Unmarshal(now[name], &is) != nil {
			t.Fatalf("%s: not JSON", name)
		}
		if lost := missing(was, is, name); lost != "" {
			t.Errorf("%s is gone or has another type: ledgers that hold it would be read wrong", lost)
		}
	}
	out, err := json.MarshalIndent(now, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	out = append(out, '\n')
	switch {
	case t.Failed():
	case *update:
		if err := os.WriteFile(shapes, out, 0o644); err != nil {
			t.Fatal(err)
		}
	case !bytes.Equal(out, data):
		t.Errorf("events or fields are new; record them: go test ./events -run TestShapes -update")
	}
}

// missing names the first thing of was that is does not have in the same form; "" when all is there.
func missing(was, is any, at string) string {
	switch w := was.(type) {
	case map[string]any:
		i, _ := is.(map[string]any)
		for _, k := range slices.Sorted(maps.Keys(w)) {
			if _, ok := i[k]; !ok {
				return at + "." + k
			}
			if lost := missing(w[k], i[k], at+"."+k); lost != "" {
				return lost
			}
		}
	case []any:
		if i, ok := is.([]any); !ok || len(i) != len(w) {
			return at
		} else if len(w) > 0 {
			return missing(w[0], i[0], at+"[]")
		}
	default:
		if was != is {
			return at
		}
	}
	return ""
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for _, name := range events.Types() {
		e := whole(t, name)
		if e.EventType() != name {
			t.Errorf("%T is registered as %s and calls itself %s", e, name, e.EventType())
		}
		meta := events.Meta{Actor: 3, Command: "c", Cause: "x"}
		enc, err := events.Encode(meta, []uuid.UUID{uuid.New()}, e)
		if err != nil {
			t.Fatal(err)
		}
		got, m, err := events.Decode(events.Recorded{New: enc[0]})
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, e) {
			t.Errorf("%s came back as %+v, was %+v", name, got, e)
		}
		if meta.Count = 1; m != meta {
			t.Errorf("%s: envelope came back as %+v, was %+v", name, m, meta)
		}
	}
}

// TestAllRegistered finds event structs in the sources that nobody registered: they could be decided, and then not written.
func TestAllRegistered(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	registered := map[string]bool{}
	for _, name := range events.Types() {
		registered[reflect.TypeOf(whole(t, name)).Name()] = true
	}
	found := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Recv == nil || fn.Name.Name != "EventType" {
				continue
			}
			id, ok := fn.Recv.List[0].Type.(*ast.Ident)
			if !ok || !registered[id.Name] {
				t.Errorf("%s: the receiver of an EventType is not in the registry: %v", name, fn.Recv.List[0].Type)
			}
			found++
		}
	}
	if found != len(events.Types()) {
		t.Errorf("%d structs in the sources, %d in the registry", found, len(events.Types()))
	}
}

type stranger struct{}

func (stranger) EventType() string { return "stranger.came" }

func TestUnknownType(t *testing.T) {
	t.Parallel()
	if _, err := events.Encode(events.Meta{}, []uuid.UUID{uuid.New()}, stranger{}); !errors.Is(err, events.ErrUnknownType) {
		t.Errorf("encode: %v", err)
	}
	r := events.Recorded{New: events.New{Type: "stranger.came", Data: []byte(`{}`), Meta: []byte(`{}`)}}
	if _, _, err := events.Decode(r); !errors.Is(err, events.ErrUnknownType) {
		t.Errorf("decode: %v", err)
	}
	if _, err := events.Encode(events.Meta{}, nil, stranger{}); !errors.Is(err, events.ErrInvalid) {
		t.Errorf("encode without an id: %v", err)
	}
}

// recorded is what a ledger gives for one append that ends at a position.
func recorded(t *testing.T, stream string, last events.Position, evs ...events.Event) []events.Recorded {
	t.Helper()
	ids := make([]uuid.UUID, len(evs))
	for i := range ids {
		ids[i] = uuid.New()
	}
	enc, err := events.Encode(events.Meta{Actor: 1, Command: "test"}, ids, evs...)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]events.Recorded, len(enc))
	for i, n := range enc {
		p := last - events.Position(len(enc)-1-i)
		out[i] = events.Recorded{New: n, Stream: stream, Position: p, Revision: events.Revision(p - 1), At: time.Unix(int64(p), 0)}
	}
	return out
}

func TestAssembler(t *testing.T) {
	t.Parallel()
	a, b := events.TagCreated{ID: 1}, events.TagDeleted{ID: 1}
	var asm events.Assembler
	var commits []*events.Commit
	for _, r := range slices.Concat(recorded(t, "tag-1", 2, a, b), recorded(t, "tag-2", 3, a)) {
		c, err := asm.Add(r)
		if err != nil {
			t.Fatal(err)
		}
		if c != nil {
			commits = append(commits, c)
		}
	}
	if len(commits) != 2 || len(commits[0].Events) != 2 || commits[0].Position != 2 || commits[0].Revision != 1 || commits[1].Stream != "tag-2" {
		t.Errorf("commits: %+v", commits)
	}
	two := recorded(t, "tag-1", 2, a, b)
	asm = events.Assembler{}
	if _, err := asm.Add(two[1]); err == nil {
		t.Error("the second event of an append was taken without the first")
	}
	asm = events.Assembler{}
	if _, err := asm.Add(two[0]); err != nil {
		t.Fatal(err)
	}
	elsewhere := two[1]
	elsewhere.Stream = "tag-9"
	if _, err := asm.Add(elsewhere); err == nil {
		t.Error("an append was put together from two streams")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("tag.created", []byte(`{"id":1,"arches":"x86_64"}`), []byte(`{"i":0,"n":1}`))
	f.Add("task.created", []byte(`{"id":"x"}`), []byte(`{"i":-1,"n":0}`))
	f.Add("build.rpms_imported", []byte(`{"rpms":[{"epoch":null}]}`), []byte(`null`))
	f.Fuzz(func(t *testing.T, name string, data, meta []byte) {
		r := events.Recorded{New: events.New{Type: name, Data: data, Meta: meta}, Stream: "s"}
		e, _, err := events.Decode(r)
		if (e == nil) == (err == nil) {
			t.Fatalf("%v with error %v", e, err)
		}
		var asm events.Assembler
		if c, err := asm.Add(r); c != nil && err != nil {
			t.Fatal("a commit and an error")
		}
	})
}
