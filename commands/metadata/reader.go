package metadata

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"moromi/internal/fault"
)

// reader keeps the first thing that is wrong; what is read after it does not matter.
type reader struct{ err error }

func (r *reader) refuse(err *fault.Error) {
	if r.err == nil {
		r.err = err
	}
}

// object is a struct of the document and where it is, for messages.
type object struct {
	r    *reader
	v    map[string]any
	path string
}

func (r *reader) top(v map[string]any) object { return object{r, v, "metadata"} }

func (r *reader) sub(v map[string]any, path string) object { return object{r, v, path} }

func (o object) wrong(key, want string) {
	o.r.refuse(fault.New(fault.Parameter, "%s.%s must be %s", o.path, key, want))
}

// need tells whether a key is there; that it is not is refused.
func (o object) need(key string) bool {
	if o.r.err != nil {
		return false
	}
	_, there := o.v[key]
	if !there {
		o.r.refuse(fault.New(fault.Parameter, "%s has no %s", o.path, key))
	}
	return there
}

func (o object) text(key string) string {
	if !o.need(key) {
		return ""
	}
	s, ok := o.v[key].(string)
	if !ok {
		o.wrong(key, "text")
	}
	if strings.ContainsRune(s, 0) {
		o.wrong(key, "text without NUL characters")
	}
	return s
}

// optional is text, "" where it is missing or nil.
func (o object) optional(key string) string {
	if o.v[key] == nil {
		return ""
	}
	return o.text(key)
}

func (o object) integer(key string) int64 {
	if !o.need(key) {
		return 0
	}
	switch v := o.v[key].(type) {
	case int64:
		return v
	case float64:
		if v == float64(int64(v)) {
			return int64(v)
		}
	case string:
		if n, err := strconv.ParseInt(v, 10, 64); err == nil {
			return n
		}
	}
	o.wrong(key, "a whole number")
	return 0
}

// id is a number or text.
func (o object) id(key string) any {
	if !o.need(key) {
		return nil
	}
	switch v := o.v[key].(type) {
	case int64, string:
		return v
	}
	o.wrong(key, "a number or text")
	return nil
}

func (o object) moment(key string) time.Time {
	if !o.need(key) {
		return time.Time{}
	}
	t, ok := seconds(o.v[key])
	if !ok {
		o.wrong(key, "seconds since 1970")
	}
	return t
}

// values is a struct of any content.
func (o object) values(key string) map[string]any {
	if !o.need(key) {
		return nil
	}
	m, ok := o.v[key].(map[string]any)
	if !ok {
		o.wrong(key, "a struct")
	}
	return m
}

// object is a struct that is read further.
func (o object) object(key string) object {
	return object{o.r, o.values(key), o.path + "." + key}
}

// objects is a list of structs.
func (o object) objects(key string) []object {
	if !o.need(key) {
		return nil
	}
	list, ok := o.v[key].([]any)
	if !ok {
		o.wrong(key, "a list")
	}
	out := make([]object, 0, len(list))
	for i, e := range list {
		m, ok := e.(map[string]any)
		path := o.path + "." + key + "[" + strconv.Itoa(i) + "]"
		if !ok {
			o.r.refuse(fault.New(fault.Parameter, "%s must be a struct", path))
		}
		out = append(out, object{o.r, m, path})
	}
	return out
}

// json is a value of any form as JSON, nil for none.
func (o object) json(key string) json.RawMessage {
	if o.v[key] == nil || o.r.err != nil {
		return nil
	}
	raw, err := JSON(o.v[key])
	if err != nil {
		o.wrong(key, "something that JSON has a form for")
	}
	return raw
}

// clip keeps what was sent short in messages.
func clip(s string) string {
	const most = 120
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
