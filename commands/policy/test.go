package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"moromi/internal/fault"
	"moromi/internal/xmlrpc"
)

// check is a compiled test.
type check func(*env) (bool, error)

// Tests are the names of all tests, sorted.
func Tests() []string {
	return slices.Sorted(func(yield func(string) bool) {
		for name := range dataTests {
			if !yield(name) {
				return
			}
		}
		maps.Keys(factTests)(yield)
	})
}

// compile finds the test of a name and gives it its words.
func compile(self *test, name string, args []string) (check, error) {
	if f := factTests[name]; f != nil {
		return func(e *env) (bool, error) { return f(e, args) }, nil
	}
	if f := dataTests[name]; f != nil {
		return f(self, args)
	}
	return nil, fmt.Errorf("unknown test %q", clip(name))
}

// dataTests are the tests that look at the data alone.
var dataTests = map[string]func(self *test, args []string) (check, error){
	"true":  constant(true),
	"all":   constant(true),
	"false": constant(false),
	"none":  constant(false),
	"has": func(_ *test, args []string) (check, error) {
		return onField(args, func(_ any, there bool) (bool, error) { return there, nil })
	},
	"bool":          func(_ *test, args []string) (check, error) { return isTrue(args) },
	"is_child_task": func(*test, []string) (check, error) { return isTrue([]string{"parent"}) },
	"skip_tag":      func(*test, []string) (check, error) { return isTrue([]string{"skip_tag"}) },
	"match":         func(_ *test, args []string) (check, error) { return matchField(args) },
	"target":        matchOf("target"),
	"operation":     matchOf("operation"),
	"method":        matchOf("method"),
	"vm_name":       matchOf("vm_name"),
	"match_any":     func(_ *test, args []string) (check, error) { return matchList(args, false) },
	"match_all":     func(_ *test, args []string) (check, error) { return matchList(args, true) },
	"compare":       func(_ *test, args []string) (check, error) { return compare(args) },
	"policy": func(self *test, args []string) (check, error) {
		if len(args) == 0 {
			return nil, fmt.Errorf("policy wants a name")
		}
		return func(e *env) (bool, error) { return e.subPolicy(self, args[0]) }, nil
	},
}

func constant(v bool) func(*test, []string) (check, error) {
	return func(*test, []string) (check, error) {
		return func(*env) (bool, error) { return v, nil }, nil
	}
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

func isTrue(args []string) (check, error) {
	return onField(args, func(v any, _ bool) (bool, error) { return xmlrpc.Truthy(v), nil })
}

func matchOf(field string) func(*test, []string) (check, error) {
	return func(_ *test, args []string) (check, error) { return matchField(append([]string{field}, args...)) }
}

// matchField compares a field's value with patterns; a field that is not there, or nil, does not match.
func matchField(args []string) (check, error) {
	return onField(args, func(v any, _ bool) (bool, error) { return matchValue(v, args[1:]) })
}

// matchValue matches text; nil matches nothing. Anything else is a mistake in who asks: Koji fails there too, with an exception of Python's.
func matchValue(v any, patterns []string) (bool, error) {
	s, ok := v.(string)
	if !ok && v != nil && len(patterns) > 0 {
		return false, fault.New(fault.Internal, "patterns match text, not %s", clip(fmt.Sprint(v)))
	}
	return ok && matchAny(s, patterns), nil
}

// matchList matches the items of a list: what is no list holds nothing.
func matchList(args []string, all bool) (check, error) {
	return onField(args, func(v any, _ bool) (bool, error) {
		list, _ := v.([]any)
		for _, x := range list {
			if ok := x != nil && matchAny(pythonText(x), args[1:]); ok != all {
				return ok, nil
			}
		}
		return all && len(list) > 0, nil
	})
}

// affirmative tells whether a sub-policy's action is one that makes its test hold.
func affirmative(action string) bool {
	return slices.Contains([]string{"yes", "true", "allow"}, strings.ToLower(action))
}
