package mockconf

import (
	"fmt"
	"strconv"
	"strings"

	"moromi/internal/fault"
)

// Extra is a tag's extra data: text, numbers, booleans, lists and maps as internal/xmlrpc decodes them.
type Extra map[string]any

// String is the value of a key as text, empty if it is not set.
func (e Extra) String(key string) string {
	switch v := e[key].(type) {
	case nil:
		return ""
	case string:
		return v
	default:
		return fmt.Sprint(v)
	}
}

// Bool is the value of a key as Python's bool() would see it, and whether it is set at all.
func (e Extra) Bool(key string) (value, set bool) {
	v, ok := e[key]
	if !ok {
		return false, false
	}
	switch t := v.(type) {
	case nil:
		return false, true
	case bool:
		return t, true
	case int64:
		return t != 0, true
	case float64:
		return t != 0, true
	case string:
		return t != "", true
	default:
		return true, true
	}
}

// Int is the value of a key as a whole number, 0 if it is not set, or a *fault.Error.
func (e Extra) Int(key string) (int64, error) {
	switch v := e[key].(type) {
	case nil:
		return 0, nil
	case bool:
		if v {
			return 1, nil
		}
		return 0, nil
	case int64:
		return v, nil
	case float64:
		return int64(v), nil
	case string:
		if n, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64); err == nil {
			return n, nil
		}
	}
	return 0, fault.New(fault.Generic, "The tag's extra value %s must be a whole number", key)
}

// Macros are the rpm macros that a tag sets with its keys rpm.macro.NAME, names with %.
func (e Extra) Macros() map[string]any {
	macros := map[string]any{}
	for key, value := range e {
		if name, ok := strings.CutPrefix(key, "rpm.macro."); ok {
			macros["%"+name] = value
		}
	}
	return macros
}
