package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"moromi/internal/fault"
)

// check is a compiled test.
type check func(*env) (bool, error)

// compile finds the test of a name and gives it its words.
func compile(words []string) (check, error) {
	name, args := words[0], words[1:]
	switch name {
	case "true", "all":
		return func(*env) (bool, error) { return true, nil }, nil
	case "false", "none":
		return func(*env) (bool, error) { return false, nil }, nil
	case "has":
		return onField(args, func(v any, there bool) (bool, error) { return there, nil })
	case "bool":
		return onField(args, func(v any, there bool) (bool, error) { return truthy(v), nil })
	case "match":
		return matchField(args, matchOne)
	case "match_any", "match_all":
		return matchField(args, listMatcher(name == "match_all"))
	case "compare":
		return compare(args)
	case "operation", "method", "vm_name", "target":
		return matchField(append([]string{name}, args...), matchOne)
	case "is_child_task":
		return onField([]string{"parent"}, func(v any, _ bool) (bool, error) { return truthy(v), nil })
	case "skip_tag":
		return onField([]string{"skip_tag"}, func(v any, _ bool) (bool, error) { return truthy(v), nil })
	case "policy":
		if len(args) == 0 {
			return nil, fmt.Errorf("policy wants a name")
		}
		return func(e *env) (bool, error) { return e.subPolicy(args[0]) }, nil
	}
	if f := factTests[name]; f != nil {
		return func(e *env) (bool, error) { return f(e, args) }, nil
	}
	return nil, fmt.Errorf("unknown test %q", name)
}

func onField(args []string, f func(v any, there bool) (bool, error)) (check, error) {
	if len(args) == 0 {
		return nil, fmt.Errorf("a field is missing")
	}
	return func(e *env) (bool, error) {
		v, there := e.data[args[0]]
		return f(v, there)
	}, nil
}

// matchField compares a field's value with patterns; a field that is not there, or nil, does not match.
func matchField(args []string, match func(v any, patterns []string) (bool, error)) (check, error) {
	if len(args) == 0 {
		return nil, fmt.Errorf("a field is missing")
	}
	return func(e *env) (bool, error) {
		v := e.data[args[0]]
		if v == nil {
			return false, nil
		}
		return match(v, args[1:])
	}, nil
}

// matchOne matches text. Anything else is a mistake in who asks: Koji fails there too, with an exception of Python's.
func matchOne(v any, patterns []string) (bool, error) {
	s, ok := v.(string)
	if !ok && len(patterns) > 0 {
		return false, fault.New(fault.Internal, "patterns match text, not %v", v)
	}
	return matchAny(s, patterns), nil
}

func listMatcher(all bool) func(any, []string) (bool, error) {
	return func(v any, patterns []string) (bool, error) {
		list, _ := v.([]any) // what is no list holds nothing
		for _, x := range list {
			if ok := x != nil && matchAny(fmt.Sprint(x), patterns); ok != all {
				return ok, nil
			}
		}
		return all && len(list) > 0, nil
	}
}

// compare is FIELD OP NUMBER.
func compare(args []string) (check, error) {
	if len(args) != 3 || !slices.Contains([]string{"<", ">", "<=", ">=", "=", "!="}, args[1]) {
		return nil, fmt.Errorf("compare wants FIELD, one of < > <= >= = !=, and a number")
	}
	want, err := strconv.ParseFloat(args[2], 64)
	if err != nil {
		return nil, fmt.Errorf("compare with %q: not a number", args[2])
	}
	return func(e *env) (bool, error) {
		v, there := e.data[args[0]]
		if !there {
			return false, nil
		}
		var n float64
		switch v := v.(type) {
		case int64:
			n = float64(v)
		case float64:
			n = v
		case bool:
			if v {
				n = 1
			}
		default:
			if args[1] == "=" || args[1] == "!=" {
				return args[1] == "!=", nil // of another type, hence not equal
			}
			return false, fault.New(fault.Internal, "%s is not a number: %v", args[0], v)
		}
		return map[string]bool{"<": n < want, ">": n > want, "<=": n <= want, ">=": n >= want, "=": n == want, "!=": n != want}[args[1]], nil
	}, nil
}

func (e *env) subPolicy(name string) (bool, error) {
	if e.depth++; e.depth > maxPolicyDepth {
		return false, fault.New(fault.Generic, "encountered policy loop at policy %s", name)
	}
	defer func() { e.depth-- }()
	v, err := e.apply(name)
	if err != nil || !v.Matched {
		return false, err
	}
	return slices.Contains([]string{"yes", "true", "allow"}, strings.ToLower(v.Action)), nil
}

func truthy(v any) bool {
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
	case []any:
		return len(v) > 0
	case map[string]any:
		return len(v) > 0
	}
	return true
}
