package task

import (
	"fmt"
	"strconv"
	"strings"

	"moromi/internal/fault"
	"moromi/internal/xmlrpc"
)

// Args are a task's parameters by name.
type Args map[string]any

// Bind gives a request's parameters their names. A request is a list of positional values, the last of which may hold named ones,
// or a single struct with the member __method__ (Koji's new style). Errors are Koji's ParameterError.
func Bind(method, signature string, params []any) (Args, error) {
	if len(params) == 1 {
		if m, ok := params[0].(map[string]any); ok && m["__method__"] != nil {
			named := map[string]any{}
			for k, v := range m {
				if k != "__method__" {
					named[k] = v
				}
			}
			return bind(method, signature, nil, named)
		}
	}
	positional, named := xmlrpc.SplitKwargs(params)
	return bind(method, signature, positional, named)
}

func bind(method, signature string, positional []any, named map[string]any) (Args, error) {
	names := strings.Split(signature, ", ")
	if len(positional) > len(names) {
		return nil, fault.New(fault.Parameter, "%s() takes at most %d arguments (%d given)", method, len(names), len(positional))
	}
	args := Args{}
	left := len(named)
	for i, param := range names {
		name, def, optional := strings.Cut(param, "=")
		value, isNamed := named[name]
		switch {
		case isNamed && i < len(positional):
			return nil, fault.New(fault.Parameter, "%s() got multiple values for argument '%s'", method, name)
		case isNamed:
			args[name] = value
			left--
		case i < len(positional):
			args[name] = positional[i]
		case optional:
			args[name] = defaultValue(def)
		default:
			return nil, fault.New(fault.Parameter, "%s() missing required argument: '%s'", method, name)
		}
	}
	if left > 0 {
		for k := range named {
			if _, known := args[k]; !known {
				return nil, fault.New(fault.Parameter, "%s() got an unexpected keyword argument '%s'", method, k)
			}
		}
	}
	return args, nil
}

func defaultValue(text string) any {
	switch text {
	case "False":
		return false
	case "True":
		return true
	}
	return nil
}

// The functions below read values of the hub's answers. A value of another type reads as the zero value: what a handler
// cannot do without, it checks.

func asMap(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

func asList(v any) []any {
	l, _ := v.([]any)
	return l
}

func asString(v any) string {
	switch t := v.(type) {
	case string:
		return t
	case int64, int, float64:
		return fmt.Sprint(t)
	}
	return ""
}

func asInt(v any) int64 {
	switch t := v.(type) {
	case int64:
		return t
	case int:
		return int64(t)
	case float64:
		return int64(t)
	case bool:
		if t {
			return 1
		}
	case string:
		n, _ := strconv.ParseInt(t, 10, 64)
		return n
	}
	return 0
}

func asFloat(v any) float64 {
	if f, ok := v.(float64); ok {
		return f
	}
	return float64(asInt(v))
}

// asBool is Python's truth of a value.
func asBool(v any) bool {
	switch t := v.(type) {
	case nil:
		return false
	case bool:
		return t
	case string:
		return t != ""
	case int64:
		return t != 0
	case int:
		return t != 0
	case float64:
		return t != 0
	case []any:
		return len(t) > 0
	case map[string]any:
		return len(t) > 0
	}
	return true
}

func asStrings(v any) []string {
	var out []string
	for _, e := range asList(v) {
		out = append(out, asString(e))
	}
	return out
}

// opts is the optional argument opts as a struct.
func (a Args) opts() map[string]any {
	if m := asMap(a["opts"]); m != nil {
		return m
	}
	return map[string]any{}
}
