package xmlrpc

import (
	"encoding/base64"
	"errors"
	"fmt"
	"iter"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	// maxEncodeDepth stops structures that contain themselves. It is DefaultMaxDepth: a deeper one could not be read back.
	maxEncodeDepth = DefaultMaxDepth
	base64Line     = 57 // bytes that make a line of 76 characters, as Python's base64.encodebytes
	hubTime        = "2006-01-02 15:04:05.000000-07:00"
	hubTimeWhole   = "2006-01-02 15:04:05-07:00" // Python leaves out a fraction of zero
	isoTime        = "20060102T15:04:05"
)

// Value writes any value: nil, booleans, integers and floats of every size, string, []byte, time.Time, Struct, Kwargs,
// Marshaler, iter.Seq2[any, error] (an array, written as it comes), slices and maps with string keys of all these, types
// derived from them, and pointers (nil ones as nil). Map members are sorted by name; a nil slice is an empty array.
// Other Go structs, channels and functions are an error.
func (e *Encoder) Value(v any) error {
	if e.err != nil {
		return e.err
	}
	switch v := v.(type) {
	case nil:
		e.Nil()
	case bool:
		e.Bool(v)
	case int:
		e.Int(int64(v))
	case int64:
		e.Int(v)
	case int32:
		e.Int(int64(v))
	case float64:
		e.Float(v)
	case string:
		e.String(v)
	case []byte:
		e.Bytes(v)
	case time.Time:
		e.Time(v)
	case Struct:
		return e.nest(func() error { return e.members(v) })
	case map[string]any:
		return e.nest(func() error { return sorted(e, v, false) })
	case Kwargs:
		return e.nest(func() error { return sorted(e, v, true) })
	case []any:
		return e.nest(func() error { return list(e, v) })
	case []map[string]any:
		return e.nest(func() error { return list(e, v) })
	case []string:
		return e.nest(func() error { return list(e, v) })
	case []int64:
		return e.nest(func() error { return list(e, v) })
	case Marshaler:
		return e.marshal(v)
	case iter.Seq2[any, error]:
		return e.nest(func() error { return e.stream(v) })
	case func(func(any, error) bool):
		return e.nest(func() error { return e.stream(v) })
	default:
		return e.reflected(reflect.ValueOf(v))
	}
	return e.err
}

// nest counts the depth, against values that contain themselves.
func (e *Encoder) nest(write func() error) error {
	if e.depth == maxEncodeDepth {
		return e.fail(&LimitError{What: "nested values", Limit: maxEncodeDepth})
	}
	e.depth++
	defer func() { e.depth-- }()
	return write()
}

func (e *Encoder) marshal(m Marshaler) error {
	if v := reflect.ValueOf(m); v.Kind() == reflect.Pointer && v.IsNil() {
		e.Nil()
		return e.err
	}
	return e.nest(func() error {
		if err := m.MarshalXMLRPC(e); err != nil {
			return e.fail(err)
		}
		return e.err
	})
}

// reflected writes derived types, pointers, and slices and maps of uncommon ones.
func (e *Encoder) reflected(v reflect.Value) error {
	switch v.Kind() {
	case reflect.Bool:
		e.Bool(v.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		e.Int(v.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if v.Uint() > math.MaxInt64 {
			return e.fail(errors.New("integer exceeds XML-RPC limits"))
		}
		e.Int(int64(v.Uint()))
	case reflect.Float64:
		e.Float(v.Float())
	case reflect.Float32: // by its own shortest text, so that 0.1 stays 0.1
		f, err := strconv.ParseFloat(strconv.FormatFloat(v.Float(), 'g', -1, 32), 64)
		if err != nil {
			return e.fail(err)
		}
		e.Float(f)
	case reflect.String:
		e.String(v.String())
	case reflect.Pointer:
		if v.IsNil() {
			e.Nil()
			return e.err
		}
		return e.nest(func() error { return e.Value(v.Elem().Interface()) })
	case reflect.Slice, reflect.Array:
		return e.nest(func() error { return e.reflectedList(v) })
	case reflect.Map:
		if v.Type().Key().Kind() != reflect.String {
			return e.fail(fmt.Errorf("cannot marshal %s: dictionary key must be string", v.Type()))
		}
		return e.nest(func() error { return e.reflectedMap(v) })
	default:
		return e.fail(fmt.Errorf("cannot marshal %s", v.Type()))
	}
	return e.err
}

func (e *Encoder) reflectedList(v reflect.Value) error {
	if v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8 {
		e.Bytes(v.Bytes())
		return e.err
	}
	e.BeginArray()
	for i := range v.Len() {
		if err := e.Value(v.Index(i).Interface()); err != nil {
			return err
		}
	}
	e.EndArray()
	return e.err
}

func (e *Encoder) reflectedMap(v reflect.Value) error {
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	e.BeginStruct()
	for _, k := range keys {
		if err := e.Member(k.String(), v.MapIndex(k).Interface()); err != nil {
			return err
		}
	}
	e.EndStruct()
	return e.err
}

func list[T any](e *Encoder, values []T) error {
	e.BeginArray()
	for _, v := range values {
		if err := e.Value(v); err != nil {
			return err
		}
	}
	e.EndArray()
	return e.err
}

func (e *Encoder) members(s Struct) error {
	e.BeginStruct()
	for _, m := range s {
		if err := e.Member(m.Name, m.Value); err != nil {
			return err
		}
	}
	e.EndStruct()
	return e.err
}

// sorted writes a map. The space for its keys is kept for the next one at this depth.
func sorted[M ~map[string]any](e *Encoder, m M, kwargs bool) error {
	for len(e.keys) <= e.depth {
		e.keys = append(e.keys, nil)
	}
	keys := e.keys[e.depth][:0]
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	e.order.arrange(keys)
	e.keys[e.depth] = keys
	e.BeginStruct()
	for _, k := range keys {
		if kwargs && k == starstar {
			continue
		}
		if err := e.Member(k, m[k]); err != nil {
			return err
		}
	}
	if kwargs {
		if err := e.Member(starstar, true); err != nil {
			return err
		}
	}
	e.EndStruct()
	return e.err
}

// Float writes a double as Python's repr does.
func (e *Encoder) Float(f float64) {
	e.raw("<value><double>")
	e.num = appendRepr(e.num[:0], f)
	if e.err == nil {
		_, e.err = e.w.Write(e.num)
	}
	e.raw("</double></value>\n")
}

// FormatFloat gives a double's text as Python's repr does.
func FormatFloat(f float64) string { return string(appendRepr(nil, f)) }

// appendRepr follows float.__repr__: the shortest text that reads back the same, with an exponent below 1e-4 and from 1e16.
func appendRepr(b []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(b, "nan"...)
	case math.IsInf(f, 1):
		return append(b, "inf"...)
	case math.IsInf(f, -1):
		return append(b, "-inf"...)
	}
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.AppendFloat(b, f, 'e', -1, 64)
	}
	start := len(b)
	b = strconv.AppendFloat(b, f, 'f', -1, 64)
	if !slices.Contains(b[start:], '.') {
		b = append(b, ".0"...)
	}
	return b
}

func (e *Encoder) number(n int64) {
	e.num = strconv.AppendInt(e.num[:0], n, 10)
	if e.err == nil {
		_, e.err = e.w.Write(e.num)
	}
}

// Bytes writes base64 in lines, as Python does.
func (e *Encoder) Bytes(b []byte) {
	e.raw("<value><base64>\n")
	for len(b) > 0 && e.err == nil {
		n := min(len(b), base64Line)
		e.num = append(base64.StdEncoding.AppendEncode(e.num[:0], b[:n]), '\n')
		_, e.err = e.w.Write(e.num)
		b = b[n:]
	}
	e.raw("</base64></value>\n")
}

// Time writes a time in UTC: see TimeAsString.
func (e *Encoder) Time(t time.Time) {
	if e.timeAsString {
		layout := hubTime
		if t.Nanosecond() < int(time.Microsecond) {
			layout = hubTimeWhole
		}
		e.String(t.UTC().Format(layout))
		return
	}
	e.dateTime(t)
}

func (e *Encoder) dateTime(t time.Time) {
	e.raw("<value><dateTime.iso8601>")
	e.raw(t.UTC().Format(isoTime))
	e.raw("</dateTime.iso8601></value>\n")
}

// text writes character data. A carriage return goes by number, because readers turn a bare one into a line feed.
func (e *Encoder) text(s string) {
	start := 0
	for i := 0; i < len(s) && e.err == nil; {
		c := s[i]
		if c >= 0x20 && c < utf8.RuneSelf && c != '<' && c != '>' && c != '&' || c == '\n' || c == '\t' {
			i++
			continue
		}
		size, replacement, ok := 1, "", true
		switch c {
		case '<':
			replacement = "&lt;"
		case '>':
			replacement = "&gt;"
		case '&':
			replacement = "&amp;"
		case '\r':
			replacement = "&#13;"
		default:
			var r rune
			r, size = utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				replacement, ok = "\uFFFD", false
			} else if isChar(r) {
				i += size
				continue
			} else {
				ok = false
			}
		}
		if !ok && e.refuseText {
			e.err = fmt.Errorf("text with a character that XML-RPC cannot carry (byte %d is 0x%02x)", i, c)
			return
		}
		e.raw(s[start:i])
		e.raw(replacement)
		i += size
		start = i
	}
	e.raw(s[start:])
}
