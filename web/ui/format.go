package ui

import (
	"encoding/json"
	"fmt"
	"html/template"
	"slices"
	"sort"
	"strings"
	"time"

	"moromi/internal/koji"
	"moromi/internal/xmlrpc"
)

// badge is how a state looks: a class of the style sheet and a word.
type badge struct{ Class, Text string }

// funcs are the templates' functions that do not depend on the page.
func (u *UI) funcs() template.FuncMap {
	return template.FuncMap{
		"taskState":  func(v any) badge { return taskBadge(v) },
		"buildState": func(v any) badge { return buildBadge(v) },
		"repoState":  func(v any) badge { return repoBadge(v) },
		"rootState":  func(v any) badge { return rootBadge(v) },
		"bytes":      bytesText,
		"path":       func(elem ...any) string { return join(elem) },
		"tree":       treeOf,
		"num":        number,
		"seconds":    secondsTime,
		"short":      short,
		"dict":       dict,
		"plural":     plural,
		"enabled":    func(v any) badge { return enabledBadge(v) },
		"split":      strings.Fields,
	}
}

func state(v any) (int, bool) {
	n, ok := v.(int64)
	return int(n), ok
}

func taskBadge(v any) badge {
	n, ok := state(v)
	if !ok {
		return badge{"none", "–"}
	}
	s := koji.TaskState(n)
	class := map[koji.TaskState]string{koji.TaskFree: "wait", koji.TaskAssigned: "wait", koji.TaskOpen: "run", koji.TaskClosed: "good",
		koji.TaskFailed: "bad", koji.TaskCanceled: "off"}[s]
	text := map[koji.TaskState]string{koji.TaskFree: "waiting", koji.TaskAssigned: "assigned", koji.TaskOpen: "running", koji.TaskClosed: "done",
		koji.TaskFailed: "failed", koji.TaskCanceled: "canceled"}[s]
	return badge{class, text}
}

func buildBadge(v any) badge {
	n, ok := state(v)
	if !ok {
		return badge{"none", "–"}
	}
	s := koji.BuildState(n)
	class := map[koji.BuildState]string{koji.BuildBuilding: "run", koji.BuildComplete: "good", koji.BuildDeleted: "off", koji.BuildFailed: "bad",
		koji.BuildCanceled: "off"}[s]
	return badge{class, strings.ToLower(s.String())}
}

func repoBadge(v any) badge {
	n, ok := state(v)
	if !ok {
		return badge{"none", "–"}
	}
	s := koji.RepoState(n)
	class := map[koji.RepoState]string{koji.RepoInit: "run", koji.RepoReady: "good", koji.RepoExpired: "wait", koji.RepoDeleted: "off"}[s]
	if class == "" {
		class = "bad"
	}
	return badge{class, strings.ToLower(s.String())}
}

func rootBadge(v any) badge {
	n, ok := state(v)
	if !ok {
		return badge{"none", "–"}
	}
	s := koji.BuildrootState(n)
	class := map[koji.BuildrootState]string{koji.BuildrootInit: "wait", koji.BuildrootWaiting: "wait", koji.BuildrootBuilding: "run"}[s]
	if class == "" {
		class = "off"
	}
	return badge{class, strings.ToLower(s.String())}
}

func enabledBadge(v any) badge {
	if on, _ := v.(bool); on {
		return badge{"good", "enabled"}
	}
	return badge{"off", "disabled"}
}

// bytesText is a size in bytes as people read it.
func bytesText(v any) string {
	n, ok := v.(int64)
	if !ok {
		return "–"
	}
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	f, i := float64(n), 0
	for f >= 1000 && i < len(units)-1 {
		f, i = f/1024, i+1
	}
	if i == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", f, units[i])
}

// number shows a count with thin gaps between thousands.
func number(v any) string {
	s := fmt.Sprint(v)
	if len(s) < 5 || strings.ContainsAny(s, ".e-") {
		return s
	}
	var parts []string
	for len(s) > 3 {
		parts = append([]string{s[len(s)-3:]}, parts...)
		s = s[:len(s)-3]
	}
	return s + "\u202f" + strings.Join(parts, "\u202f")
}

// secondsTime is a Unix time as a moment; nil stays nil.
func secondsTime(v any) any {
	switch v := v.(type) {
	case int64:
		return time.Unix(v, 0)
	case float64:
		return time.Unix(int64(v), 0)
	}
	return nil
}

// short cuts a text for a table cell.
func short(n int, v any) string {
	s := []rune(fmt.Sprint(v))
	if len(s) <= n {
		return string(s)
	}
	return string(s[:n-1]) + "…"
}

// dict makes a map of keys and values by turns, for parts that need several things.
func dict(pairs ...any) (map[string]any, error) {
	m := map[string]any{}
	for i := 0; i+1 < len(pairs); i += 2 {
		k, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("dict: %v is no key", pairs[i])
		}
		m[k] = pairs[i+1]
	}
	return m, nil
}

func plural(n any, one, many string) string {
	if fmt.Sprint(n) == "1" {
		return "1 " + one
	}
	return number(n) + " " + many
}

// node is a value of a task's parameters or result, ready to be shown.
type node struct {
	Key   string // the member's name, "" in a list
	Text  string
	Class string // "text", "word" (numbers, true, none) or "" with Items
	Items []node
	Kind  string // "list" or "struct" with Items
}

// maxNodes bounds how much of a value is shown: results of large tasks hold thousands of file names.
const maxNodes = 400

// treeOf prepares a value as xmlrpc or JSON decoded it.
func treeOf(v any) node {
	left := maxNodes
	return grow("", v, &left)
}

func grow(key string, v any, left *int) node {
	*left--
	n := node{Key: key}
	switch v := v.(type) {
	case map[string]any:
		n.Kind = "struct"
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		sort.Strings(keys)
		for _, k := range keys {
			if *left <= 0 {
				n.Items = append(n.Items, node{Text: "…", Class: "word"})
				break
			}
			n.Items = append(n.Items, grow(k, v[k], left))
		}
		if len(keys) == 0 {
			n.Text, n.Class = "{}", "word"
		}
	case []any:
		n.Kind = "list"
		for _, e := range v {
			if *left <= 0 {
				n.Items = append(n.Items, node{Text: fmt.Sprintf("… %d in all", len(v)), Class: "word"})
				break
			}
			n.Items = append(n.Items, grow("", e, left))
		}
		if len(v) == 0 {
			n.Text, n.Class = "[]", "word"
		}
	case string:
		n.Text, n.Class = v, "text"
	case []byte:
		n.Text, n.Class = fmt.Sprintf("%d bytes", len(v)), "word"
	case nil:
		n.Text, n.Class = "none", "word"
	case time.Time:
		n.Text, n.Class = v.UTC().Format(time.RFC3339), "word"
	case xmlrpc.DateTime:
		n.Text, n.Class = v.UTC().Format(time.RFC3339), "word"
	case json.Number:
		n.Text, n.Class = v.String(), "word"
	default:
		n.Text, n.Class = fmt.Sprint(v), "word"
	}
	return n
}

// archOrder sorts architectures as a reader looks for them: sources, what fits all, then the rest by name.
func archOrder(arches []string) {
	rank := func(a string) int {
		switch a {
		case "src", "nosrc":
			return 0
		case "noarch":
			return 1
		}
		return 2
	}
	slices.SortFunc(arches, func(a, b string) int {
		if r := rank(a) - rank(b); r != 0 {
			return r
		}
		return strings.Compare(a, b)
	})
}
