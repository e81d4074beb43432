package xmlrpc

import "maps"

// starstar is the member that marks a last struct as named arguments (koji.encode_args).
const starstar = "__starstar"

// Kwargs are named arguments. As the last parameter of EncodeCall they become a struct with the member __starstar;
// empty ones are left out, as Koji's client does.
type Kwargs map[string]any

// SplitKwargs takes a trailing struct with a true __starstar off the parameters. kw is never nil; params is not changed.
func SplitKwargs(params []any) (positional []any, kw map[string]any) {
	if len(params) == 0 {
		return params, map[string]any{}
	}
	last := len(params) - 1
	switch m := params[last].(type) {
	case Kwargs:
		return params[:last:last], maps.Clone(map[string]any(m))
	case map[string]any:
		if !Truthy(m[starstar]) {
			break
		}
		kw = maps.Clone(m)
		delete(kw, starstar)
		return params[:last:last], kw
	}
	return params, map[string]any{}
}

// Truthy is Python's truth of a decoded value: clients may send 1 or "yes" for true.
func Truthy(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case bool:
		return v
	case int64:
		return v != 0
	case float64:
		return v != 0
	case string:
		return v != ""
	case []byte:
		return len(v) > 0
	case []any:
		return len(v) > 0
	case map[string]any:
		return len(v) > 0
	}
	return true
}
