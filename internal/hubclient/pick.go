package hubclient

// The functions here pick answers apart. What is missing, nil or of another type gives the zero value, so that an answer
// of an older or newer hub does not stop a program; where that matters, compare the value itself.

// Struct gives a struct, or nil.
func Struct(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

// List gives an array, or nil.
func List(v any) []any {
	l, _ := v.([]any)
	return l
}

// Structs gives an array of structs; what is none is left out.
func Structs(v any) []map[string]any {
	var list []map[string]any
	for _, e := range List(v) {
		if m := Struct(e); m != nil {
			list = append(list, m)
		}
	}
	return list
}

// Strings gives an array of strings; what is none is left out.
func Strings(v any) []string {
	var list []string
	for _, e := range List(v) {
		if s, ok := e.(string); ok {
			list = append(list, s)
		}
	}
	return list
}

// Ints gives an array of integers; what is none is left out.
func Ints(v any) []int64 {
	var list []int64
	for _, e := range List(v) {
		if n, ok := e.(int64); ok {
			list = append(list, n)
		}
	}
	return list
}

// Int gives an integer; doubles lose their fraction.
func Int(v any) int64 {
	switch v := v.(type) {
	case int64:
		return v
	case float64:
		return int64(v)
	}
	return 0
}

// Float gives a number.
func Float(v any) float64 {
	switch v := v.(type) {
	case int64:
		return float64(v)
	case float64:
		return v
	}
	return 0
}

// String gives a string.
func String(v any) string {
	s, _ := v.(string)
	return s
}

// Bool gives a truth value; integers count as in Python.
func Bool(v any) bool {
	switch v := v.(type) {
	case bool:
		return v
	case int64:
		return v != 0
	}
	return false
}
