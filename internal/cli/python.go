package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"moromi/internal/xmlrpc"
)

// pprintWidth is the line that pprint fills.
const pprintWidth = 80

// pyStr is Python's str of a value, as it stands in Koji's output.
func pyStr(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return pyRepr(v)
}

// pyRepr is Python's repr of a value. Members of structs are sorted, as pprint sorts them.
func pyRepr(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		if v {
			return "True"
		}
		return "False"
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return xmlrpc.FormatFloat(v)
	case string:
		return pyQuote(v)
	case []byte:
		return "b" + pyQuote(string(v))
	case time.Time:
		return pyQuote(v.Format("20060102T15:04:05"))
	case []any:
		parts := make([]string, len(v))
		for i, e := range v {
			parts[i] = pyRepr(e)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case row:
		parts := make([]string, 0, len(v))
		for _, k := range sortedKeys(v) {
			parts = append(parts, pyQuote(k)+": "+pyRepr(v[k]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return fmt.Sprint(v)
}

func pyQuote(s string) string {
	quote := '\''
	if strings.ContainsRune(s, '\'') && !strings.ContainsRune(s, '"') {
		quote = '"'
	}
	var b strings.Builder
	b.WriteRune(quote)
	for _, r := range s {
		switch {
		case r == quote || r == '\\':
			b.WriteRune('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r <= 0xff:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	b.WriteRune(quote)
	return b.String()
}

// pprint lays a value out as Python's pprint does: on one line if it fits, else an element a line.
func pprint(v any) string {
	var b strings.Builder
	pprintTo(&b, v, 0, 0)
	return b.String()
}

// pprintTo writes v at a column; after is what must still fit behind it.
func pprintTo(b *strings.Builder, v any, column, after int) {
	flat := pyRepr(v)
	if len(flat) <= pprintWidth-column-after {
		b.WriteString(flat)
		return
	}
	switch v := v.(type) {
	case []any:
		b.WriteByte('[')
		for i, e := range v {
			pprintElement(b, e, column+1, i == len(v)-1, after)
		}
		b.WriteByte(']')
	case row:
		b.WriteByte('{')
		keys := sortedKeys(v)
		for i, k := range keys {
			name := pyQuote(k) + ": "
			b.WriteString(name)
			last := i == len(keys)-1
			rest := 1
			if last {
				rest = after + 1
			}
			pprintTo(b, v[k], column+1+len(name), rest)
			if !last {
				b.WriteString(",\n" + strings.Repeat(" ", column+1))
			}
		}
		b.WriteByte('}')
	default:
		b.WriteString(flat)
	}
}

func pprintElement(b *strings.Builder, e any, column int, last bool, after int) {
	rest := 1
	if last {
		rest = after + 1
	}
	pprintTo(b, e, column, rest)
	if !last {
		b.WriteString(",\n" + strings.Repeat(" ", column))
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
