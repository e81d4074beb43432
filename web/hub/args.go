package hub

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"moromi/internal/fault"
	"moromi/internal/xmlrpc"
)

// Args are a call's arguments, bound to the parameters of its method as Python would. The getters take a parameter's name; one that the
// method's Params do not have is a mistake in the method and panics (the client gets an internal error with an id).
//
// Getters of a type return a fault when the value has another. It is ParameterError, as Koji's convert_value gives; Reject chooses another
// code for the methods where Koji answers otherwise.
type Args struct {
	sig    *signature
	values []any
	rest   []any
	extra  map[string]any
	code   fault.Code
}

// Reject gives the same arguments with another fault code for values of the wrong type.
func (a Args) Reject(code fault.Code) Args {
	a.code = code
	return a
}

// bind matches a call's arguments to the parameters; name is for the messages, which are Python's.
func (s *signature) bind(name string, positional []any, kw map[string]any) (Args, error) {
	a := Args{sig: s, values: make([]any, len(s.params)), code: fault.Parameter}
	set := make([]bool, len(s.params))
	for i := range min(len(positional), len(s.params)) {
		a.values[i], set[i] = positional[i], true
	}
	if s.extra != "" {
		a.extra = map[string]any{}
	}
	for k, v := range kw {
		i, known := s.index[k]
		switch {
		case known && set[i]:
			return Args{}, bindFault(name, "got multiple values for argument %s", pyQuote(clip(k)))
		case known:
			a.values[i], set[i] = v, true
		case s.extra != "":
			a.extra[k] = v
		default:
			return Args{}, bindFault(name, "got an unexpected keyword argument %s", pyQuote(clip(k)))
		}
	}
	if over := len(positional) - len(s.params); over > 0 {
		if s.rest == "" {
			return Args{}, bindFault(name, "takes %s but %d %s given", s.arity(), len(positional), was(len(positional)))
		}
		a.rest = positional[len(s.params):]
	}
	var missing []string
	for i, p := range s.params {
		switch {
		case set[i]:
		case p.optional:
			a.values[i] = p.fresh()
		default:
			missing = append(missing, pyQuote(p.name))
		}
	}
	if len(missing) > 0 {
		return Args{}, bindFault(name, "missing %d required positional %s: %s", len(missing), plural("argument", len(missing)), listed(missing))
	}
	return a, nil
}

// fresh is the default, never shared between calls: only empty lists and structs can be changed by a method.
func (p param) fresh() any {
	switch p.value.(type) {
	case []any:
		return []any{}
	case map[string]any:
		return map[string]any{}
	}
	return p.value
}

func bindFault(name, format string, args ...any) error {
	return fault.New(fault.Parameter, "%s() %s", name, fmt.Sprintf(format, args...))
}

func (s *signature) arity() string {
	least, most := s.required(), len(s.params)
	if least == most {
		return fmt.Sprintf("%d positional %s", most, plural("argument", most))
	}
	return fmt.Sprintf("from %d to %d positional arguments", least, most)
}

func plural(word string, n int) string {
	if n == 1 {
		return word
	}
	return word + "s"
}

func was(n int) string {
	if n == 1 {
		return "was"
	}
	return "were"
}

// listed joins names as Python does: 'a', 'b', and 'c'.
func listed(names []string) string {
	switch n := len(names); n {
	case 1:
		return names[0]
	case 2:
		return names[0] + " and " + names[1]
	default:
		return strings.Join(names[:n-1], ", ") + ", and " + names[n-1]
	}
}

// Get is a parameter's value as it was decoded, or its default.
func (a Args) Get(name string) any {
	i, ok := a.sig.index[name]
	if !ok {
		panic("hub: the method has no parameter " + name)
	}
	return a.values[i]
}

// Rest are the values of *args, Extra those of **opts; nil where the method has none.
func (a Args) Rest() []any { return a.rest }

// Extra are the named values that went to **opts.
func (a Args) Extra() map[string]any { return a.extra }

// IsNil tells whether the value is None, given or by default.
func (a Args) IsNil(name string) bool { return a.Get(name) == nil }

// Bool is Python's truth of the value: most of Koji's flags are used that way.
func (a Args) Bool(name string) bool { return xmlrpc.Truthy(a.Get(name)) }

// given refuses None for the flags that Koji converts by bool(), which takes anything else.
func (a Args) given(names ...string) error {
	for _, name := range names {
		if a.IsNil(name) {
			return a.wrong(name, "bool")
		}
	}
	return nil
}

func (a Args) wrong(name, want string) error {
	v := a.Get(name)
	return fault.New(a.code, "Invalid type for value %s: <class '%s'>, expected type <class '%s'> (parameter %s)",
		clip(pyRepr(v)), pyType(v), want, name)
}

// Int is an integer. As Python's int() does, it takes booleans, floats (truncated) and decimal text.
func (a Args) Int(name string) (int64, error) {
	switch v := a.Get(name).(type) {
	case int64:
		return v, nil
	case int:
		return int64(v), nil
	case bool:
		if v {
			return 1, nil
		}
		return 0, nil
	case float64:
		if v > -1<<63 && v < 1<<63 {
			return int64(v), nil
		}
	case string:
		if i, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64); err == nil {
			return i, nil
		}
	}
	return 0, a.wrong(name, "int")
}

// IntOrNil is Int, or nil for None.
func (a Args) IntOrNil(name string) (*int64, error) {
	if a.IsNil(name) {
		return nil, nil
	}
	i, err := a.Int(name)
	if err != nil {
		return nil, err
	}
	return &i, nil
}

// ID is an integer and nothing that could be made one: for ids, where text means a name.
func (a Args) ID(name string) (int64, error) {
	if i, ok := a.Get(name).(int64); ok {
		return i, nil
	}
	return 0, a.wrong(name, "int")
}

// Lookup is Int for an id that something is looked up by: nothing has None for its id, so that finds nothing.
func (a Args) Lookup(name string) (int64, error) {
	if a.IsNil(name) {
		return nobodysID, nil
	}
	return a.Int(name)
}

// nobodysID is an id that nothing has: ids are counted from 0 or 1.
const nobodysID = -1

// Float is a number.
func (a Args) Float(name string) (float64, error) {
	switch v := a.Get(name).(type) {
	case float64:
		return v, nil
	case int64:
		return float64(v), nil
	case int:
		return float64(v), nil
	case bool:
		if v {
			return 1, nil
		}
		return 0, nil
	}
	return 0, a.wrong(name, "float")
}

// FloatOrNil is Float, or nil for None.
func (a Args) FloatOrNil(name string) (*float64, error) {
	if a.IsNil(name) {
		return nil, nil
	}
	f, err := a.Float(name)
	if err != nil {
		return nil, err
	}
	return &f, nil
}

// String is text.
func (a Args) String(name string) (string, error) {
	if s, ok := a.Get(name).(string); ok {
		return s, nil
	}
	return "", a.wrong(name, "str")
}

// StringOrNil is text, or nil for None.
func (a Args) StringOrNil(name string) (*string, error) {
	if a.IsNil(name) {
		return nil, nil
	}
	s, err := a.String(name)
	if err != nil {
		return nil, err
	}
	return &s, nil
}

// StringOr is text, or the given text for None.
func (a Args) StringOr(name, none string) (string, error) {
	if a.IsNil(name) {
		return none, nil
	}
	return a.String(name)
}

// List is a list, nil for None.
func (a Args) List(name string) ([]any, error) {
	switch v := a.Get(name).(type) {
	case nil:
		return nil, nil
	case []any:
		return v, nil
	}
	return nil, a.wrong(name, "list")
}

// Map is a struct, nil for None.
func (a Args) Map(name string) (map[string]any, error) {
	switch v := a.Get(name).(type) {
	case nil:
		return nil, nil
	case map[string]any:
		return v, nil
	}
	return nil, a.wrong(name, "dict")
}

// Strings is a list of texts, nil for None.
func (a Args) Strings(name string) ([]string, error) {
	list, err := a.List(name)
	if err != nil || list == nil {
		return nil, err
	}
	out := make([]string, len(list))
	for i, v := range list {
		s, ok := v.(string)
		if !ok {
			return nil, fault.New(a.code, "Invalid type for value %s in parameter %s: <class '%s'>, expected type <class 'str'>",
				clip(pyRepr(v)), name, pyType(v))
		}
		out[i] = s
	}
	return out, nil
}

// IDs is a list of integers, nil for None.
func (a Args) IDs(name string) ([]int64, error) {
	list, err := a.List(name)
	if err != nil || list == nil {
		return nil, err
	}
	out := make([]int64, len(list))
	for i, v := range list {
		n, ok := v.(int64)
		if !ok {
			return nil, fault.New(a.code, "Invalid type for value %s in parameter %s: <class '%s'>, expected type <class 'int'>",
				clip(pyRepr(v)), name, pyType(v))
		}
		out[i] = n
	}
	return out, nil
}

// Time is a moment: a dateTime, seconds since the epoch, or text in ISO form; nil for None.
func (a Args) Time(name string) (*time.Time, error) {
	t, err := timeValue(a.Get(name))
	if err != nil {
		return nil, a.wrong(name, "datetime")
	}
	return t, nil
}

// timeLayouts are the forms of time that clients send as text.
var timeLayouts = []string{"2006-01-02 15:04:05.999999999Z07:00", time.RFC3339Nano, "2006-01-02 15:04:05.999999999", "2006-01-02T15:04:05.999999999", "2006-01-02"}

// The years 1 to 9999, in seconds since the epoch: Python, PostgreSQL and JSON can all write these times, and JSON no others.
const (
	firstSecond = -62135596800
	lastSecond  = 253402300800
)

// timeValue is Args.Time for any value.
func timeValue(v any) (*time.Time, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case time.Time:
		return &v, nil
	case int64:
		if v >= firstSecond && v < lastSecond {
			t := time.Unix(v, 0).UTC()
			return &t, nil
		}
	case float64:
		if v >= firstSecond && v < lastSecond {
			t := time.UnixMicro(int64(v * 1e6)).UTC()
			return &t, nil
		}
	case string:
		for _, layout := range timeLayouts {
			if t, err := time.Parse(layout, v); err == nil {
				t = t.UTC()
				return &t, nil
			}
		}
	}
	return nil, fault.New(fault.Parameter, "not a time: %s", clip(pyRepr(v)))
}
