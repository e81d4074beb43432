package conformance_test

import (
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"moromi/internal/xmlrpc"
)

// comparison holds recorded values against ours and learns from that which of our ids is which recorded one. Equal are
//   - faults with the same code; their texts are ours to word;
//   - results of the same structure, keys, types and values, where times, session keys and tokens are compared by type, texts with a place for
//     what differs from site to site match any text there, and ids and events correspond one to one and in order;
//   - lists in the recorded order where the method promises one, as multisets elsewhere.
type comparison struct {
	words  *vocabulary
	events numbers
	ids    map[string]*numbers
	tokens map[string]string // recorded → ours
	times  *regexp.Regexp    // keys whose values differ from run to run; query_event is the caller's event, which may be between two that are known
	stamp  *regexp.Regexp    // a time within a text
	place  *regexp.Regexp    // of what sites name themselves
}

func newComparison() *comparison {
	c := &comparison{words: newVocabulary(), ids: map[string]*numbers{}, tokens: map[string]string{},
		times: regexp.MustCompile(`(_ts|_time|^ts|^timestamp|mtime|st_[acm]time|^token|session-key|last_update|^callnum|^query_event)$`),
		stamp: regexp.MustCompile(`\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?(\+00:00)?`),
		place: regexp.MustCompile(`\$\{[A-Z]+\}`)}
	for _, kind := range []string{"tag", "build", "rpm", "buildroot", "task"} {
		c.ids[kind] = &numbers{}
	}
	return c
}

// answer compares what a step recorded with what came; empty means that it is the same.
func (c *comparison) answer(s step, got any, err error) string {
	f, isFault := err.(*xmlrpc.Fault)
	switch {
	case s.Fault != nil && !isFault:
		return fmt.Sprintf("recorded fault %d, got %s %v", s.Fault.Code, short(got), err)
	case s.Fault != nil && s.Fault.Code != 1 && s.Fault.Code != f.Code: // 1: an exception that is not Koji's own; any fault will do
		return fmt.Sprintf("fault %d vs %d (%s)", s.Fault.Code, f.Code, f.String)
	case s.Fault != nil:
		return ""
	case s.HTTPStatus != 0:
		if err != statusError(s.HTTPStatus) {
			return fmt.Sprintf("HTTP %d vs %s %v", s.HTTPStatus, short(got), err)
		}
		return ""
	case isFault:
		return fmt.Sprintf("recorded a result, got fault %d %s", f.Code, f.String)
	case err != nil:
		return err.Error()
	case s.Method == "login" || s.Volatile:
		return ""
	}
	want, err := fromJSON(s.Result)
	if err != nil {
		return "unreadable recording: " + err.Error()
	}
	return c.diff(want, got, place{method: s.Method})
}

// place is where in an answer a value is.
type place struct {
	method string
	path   string
	key    string // the nearest key above
	kind   string // of ids, if the value is the "id" of a record that can be told
}

func (p place) at(suffix string) place {
	p.path += suffix
	return p
}

func (p place) says(format string, args ...any) string {
	return strings.TrimPrefix(p.path+": ", ": ") + fmt.Sprintf(format, args...)
}

// diff tells where and how b, ours, differs from a, the recorded value; empty if it does not.
func (c *comparison) diff(a, b any, p place) string {
	if x, ok := a.(int64); ok {
		if y, ok := b.(int64); ok {
			if n, kind := c.numbered(p); n != nil {
				if !n.same(x, y) {
					return p.says("%s %d vs %d", kind, x, y)
				}
				return ""
			}
		}
	}
	if p.key == "token" {
		if x, ok := a.(string); ok && x != "" {
			if y, ok := b.(string); ok {
				c.tokens[x] = y
			}
		}
	}
	if _, flag := a.(bool); p.key != "" && c.times.MatchString(p.key) && a != nil && b != nil && !flag {
		if sortOf(a) != sortOf(b) {
			return p.says("type %T vs %T", a, b)
		}
		return ""
	}
	if x, ok := a.(float64); ok {
		if y, ok := b.(float64); !ok || math.Abs(x-y) >= 1e-6*max(1, math.Abs(x)) {
			return p.says("%v vs %s", x, short(b))
		}
		return ""
	}
	if reflect.TypeOf(a) != reflect.TypeOf(b) {
		return p.says("%s vs %s", short(a), short(b))
	}
	switch x := a.(type) {
	case map[string]any:
		return c.diffStruct(x, b.(map[string]any), p)
	case []any:
		return c.diffList(x, b.([]any), p)
	case string:
		return c.diffText(x, b.(string), p)
	case time.Time:
		return ""
	}
	if !reflect.DeepEqual(a, b) {
		return p.says("%s vs %s", short(a), short(b))
	}
	return ""
}

// numbered gives the correspondence that an integer at p belongs to, nil if it is an ordinary number.
func (c *comparison) numbered(p place) (*numbers, string) {
	if c.words.eventKeys[p.key] || p.key == "id" && c.words.eventResults[p.method] || p.path == "" && c.words.eventScalars[p.method] ||
		p.path == "[1]" && p.method == "host.repoInit" {
		return &c.events, "event"
	}
	kind := c.words.idKeys[p.key]
	if kind == "" {
		kind = p.kind
	}
	if kind == "" && p.path == "" {
		kind = c.words.idScalars[p.method]
	}
	return c.ids[kind], kind
}

// sortOf is a value's type as far as values that differ from run to run keep it.
func sortOf(v any) string {
	switch v.(type) {
	case int64, float64:
		return "number"
	case string:
		return "text"
	}
	return "other"
}

func (c *comparison) diffStruct(a, b map[string]any, p place) string {
	if p.method == "multiCall" || p.method == "system.multicall" {
		x, fault := a["faultCode"]
		if y, too := b["faultCode"]; fault && too {
			if x != int64(1) && x != y {
				return p.says("fault %v vs %v", x, y)
			}
			return ""
		}
	}
	for _, k := range unionKeys(a, b) {
		x, recorded := a[k]
		y, ours := b[k]
		q := p.at("." + k)
		q.key, q.kind = k, ""
		if k == "id" {
			if q.kind = kindOfID(a); q.kind != "" {
				q.key = "#id"
			}
		}
		switch {
		case !ours:
			return q.says("missing, recorded %s", short(x))
		case !recorded:
			return q.says("not in the recording (%s)", short(y))
		}
		if d := c.diff(x, y, q); d != "" {
			return d
		}
	}
	return ""
}

func (c *comparison) diffList(a, b []any, p place) string {
	if len(a) != len(b) {
		return p.says("%d items vs %d", len(a), len(b))
	}
	first := ""
	for i := range a {
		if first = c.diff(a[i], b[i], p.at(fmt.Sprintf("[%d]", i))); first != "" {
			break
		}
	}
	if first == "" || c.words.ordered[p.method] {
		return first
	}
	rest := slices.Clone(b)
	inside := p.at("[]")
	for _, x := range a {
		i := slices.IndexFunc(rest, func(y any) bool { return c.diff(x, y, inside) == "" })
		if i < 0 {
			return first
		}
		rest = slices.Delete(rest, i, i+1)
	}
	return ""
}

func (c *comparison) diffText(a, b string, p place) string {
	same := c.stamp.ReplaceAllString(a, "<time>") == c.stamp.ReplaceAllString(b, "<time>")
	if strings.Contains(a, "${") {
		parts := c.place.Split(a, -1)
		for i := range parts {
			parts[i] = regexp.QuoteMeta(parts[i])
		}
		same = regexp.MustCompile(`(?s)^` + strings.Join(parts, ".*") + `$`).MatchString(b)
	}
	if !same {
		return p.says("%s vs %s", short(a), short(b))
	}
	return ""
}

// longestShown bounds how much of a value a difference shows.
const longestShown = 100

func short(v any) string {
	text := fmt.Sprintf("%v", v)
	if s, ok := v.(string); ok {
		text = fmt.Sprintf("%q", s)
	}
	if v == nil {
		text = "none"
	}
	if len(text) > longestShown {
		text = text[:longestShown] + "…"
	}
	return strings.ToValidUTF8(strings.ReplaceAll(text, "\n", " "), "")
}
