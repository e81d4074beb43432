package mockconf

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// assign writes one Python assignment a key.
func assign(t *strings.Builder, target string, values map[string]any) error {
	for _, key := range sortedKeys(values) {
		lit, err := pyLiteral(values[key], 0)
		if err != nil {
			return fmt.Errorf("mock configuration: %s: %w", key, err)
		}
		fmt.Fprintf(t, "%s[%s] = %s\n", target, pyString(key), lit)
	}
	return nil
}

func sortedKeys(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }

// maxDepth bounds nested values of a tag's extra data.
const maxDepth = 8

// pyLiteral writes a value as a Python literal. The configuration is Python that mock executes: every string is escaped so that
// it cannot end its literal.
func pyLiteral(v any, depth int) (string, error) {
	if depth > maxDepth {
		return "", fmt.Errorf("nested deeper than %d", maxDepth)
	}
	switch x := v.(type) {
	case nil:
		return "None", nil
	case bool:
		if x {
			return "True", nil
		}
		return "False", nil
	case int64:
		return strconv.FormatInt(x, 10), nil
	case float64:
		return strconv.FormatFloat(x, 'g', -1, 64), nil
	case string:
		return pyString(x), nil
	case []any:
		parts := make([]string, len(x))
		for i, e := range x {
			var err error
			if parts[i], err = pyLiteral(e, depth+1); err != nil {
				return "", err
			}
		}
		return "[" + strings.Join(parts, ", ") + "]", nil
	case map[string]any:
		parts := make([]string, 0, len(x))
		for _, k := range sortedKeys(x) {
			lit, err := pyLiteral(x[k], depth+1)
			if err != nil {
				return "", err
			}
			parts = append(parts, pyString(k)+": "+lit)
		}
		return "{" + strings.Join(parts, ", ") + "}", nil
	default:
		return "", fmt.Errorf("%T has no Python form", v)
	}
}

// pyString is Python's repr of text, in plain ASCII.
func pyString(s string) string {
	var b strings.Builder
	b.WriteByte('\'')
	for _, r := range strings.ToValidUTF8(s, "\ufffd") {
		switch {
		case r == '\'' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r < 0x7f:
			b.WriteRune(r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	b.WriteByte('\'')
	return b.String()
}
