package hub

import (
	"bytes"
	"iter"
	"reflect"

	"moromi/internal/xmlrpc"
)

// asStream tells whether a result is streamed, and gives the stream.
func asStream(result any) (iter.Seq2[any, error], bool) {
	switch s := result.(type) {
	case iter.Seq2[any, error]:
		return s, true
	case func(func(any, error) bool):
		return s, true
	}
	return nil, false
}

// plainValue is what a value that writes itself writes; other values are as they are.
func plainValue(result any) (any, error) {
	m, ok := result.(xmlrpc.Marshaler)
	if !ok {
		return result, nil
	}
	var buf bytes.Buffer
	if err := xmlrpc.EncodeResponse(&buf, m, xmlrpc.TimeAsString()); err != nil {
		return nil, err
	}
	return xmlrpc.DecodeResponse(&buf, xmlrpc.ResponseLimits())
}

// elements gives the elements of a list result; ok is false for what is no list.
func elements(result any) (list []any, ok bool) {
	if list, ok := result.([]any); ok {
		return list, true
	}
	if _, ok := result.(xmlrpc.Struct); ok {
		return nil, false
	}
	v := reflect.ValueOf(result)
	if v.Kind() != reflect.Slice || v.Type().Elem().Kind() == reflect.Uint8 {
		return nil, false
	}
	list = make([]any, v.Len())
	for i := range list {
		list[i] = v.Index(i).Interface()
	}
	return list, true
}

// member is a member of a struct, in either of its forms.
func member(e any, name string) (any, bool) {
	switch e := e.(type) {
	case map[string]any:
		v, ok := e[name]
		return v, ok
	case xmlrpc.Struct:
		for _, m := range e {
			if m.Name == name {
				return m.Value, true
			}
		}
	}
	return nil, false
}

// budget bounds what a call keeps in memory until it answers.
type budget struct{ left int64 }

// valueCost is about what a value takes in memory beside the bytes of its text.
const valueCost = 48

// keep charges a result, and reads a streamed one, so that an error in it comes out here.
func (b *budget) keep(result any) (any, error) {
	result, err := plainValue(result)
	if err != nil {
		return nil, err
	}
	seq, ok := asStream(result)
	if !ok {
		if !b.charge(result) {
			return nil, errBudget()
		}
		return result, nil
	}
	list := []any{}
	for v, err := range seq {
		if err != nil {
			return nil, err
		}
		if !b.charge(v) {
			return nil, errBudget()
		}
		list = append(list, v)
	}
	return list, nil
}

// charge takes a value off the budget and tells whether it was enough.
func (b *budget) charge(v any) bool {
	b.left -= valueCost
	switch v := v.(type) {
	case nil, bool, int, int64, float64:
	case string:
		b.left -= int64(len(v))
	case []byte:
		b.left -= int64(len(v))
	case xmlrpc.Struct:
		for _, m := range v {
			b.left -= int64(len(m.Name))
			if !b.charge(m.Value) {
				return false
			}
		}
	case map[string]any:
		for k, e := range v {
			b.left -= int64(len(k))
			if !b.charge(e) {
				return false
			}
		}
	default:
		list, _ := elements(v)
		for _, e := range list {
			if !b.charge(e) {
				return false
			}
		}
	}
	return b.left >= 0
}
