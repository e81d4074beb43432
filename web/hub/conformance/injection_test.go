package conformance_test

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"moromi/internal/xmlrpc"
	"moromi/web/hub"
)

// hostile are texts that break programs that put values into SQL, formats, patterns or paths.
func hostile() map[string]any {
	return map[string]any{
		"quote": "'", "double quote": `"`, "backslash": `\`, "statement": "x'; drop table tag; --", "always": "' or '1'='1", "placeholder": "$1",
		"format": "%s%n%d", "pattern": "%_*?[(", "unbalanced": "*(+[", "path": "../../../../etc/passwd", "order": "id; select pg_sleep(10)", "function": "-pg_sleep(10)",
		"delete": "\x7f", "NUL as bytes": []byte("a\x00b"), "not UTF-8": []byte("\xff\xfe"), "unicode": "\u202e\U0001F4A3ﬃ",
		"empty": "", "large number": "99999999999999999999", "list": []any{"'", "\\"}, "struct": map[string]any{"';--": "'"},
		"negative": int64(-1), "past 32 bits": int64(1) << 40, "least": int64(-1) << 63,
		"fraction": 1.5e300, "long": strings.Repeat("'", longText),
	}
}

// longestFault is how long a fault's text may be in bytes.
const longestFault = 5 << 10

// longText is as long as a text may reasonably be sent to a hub to see what it does.
const longText = 1 << 20

// samples are values that exist on a site made by the recording 90_populate, by the name of the parameter that takes them.
func samples() map[string]any {
	m := map[string]any{}
	for value, names := range map[any][]string{
		"dest-build": {"tag", "taginfo", "tagInfo", "tag_info", "tag1", "tag2", "build_tag", "dest_tag"}, "foo-1.0-1": {"build", "buildInfo", "build_info"},
		"dest-target": {"target", "info", "buildTargetInfo"}, "foo": {"package", "pkg", "pkginfo", "terms"}, "kojiadmin": {"user", "userinfo", "userInfo"},
		"foo-1.0-1.x86_64": {"rpminfo", "an_rpm", "rpmID", "rpm_id"}, "builder1": {"hostInfo", "hostname", "host"}, "default": {"channelInfo", "channel"},
		"build": {"grpinfo"}, "ext1": {"repo_info"}, "getTag": {"methodName", "method"}, "tag": {"type"}, "glob": {"matchType"}, "DEFAULT": {"volume"},
		int64(1): {"buildID", "build_id", "task_id", "taskID", "taskId", "brootid", "buildrootID", "repo_id", "id", "event", "tag_id", "user_id", "userID", "hostID", "ts"},
	} {
		for _, n := range names {
			m[n] = value
		}
	}
	return m
}

// TestHostileText puts hostile values into every parameter of every method that only reads, and where queryOpts name columns. The hub answers or
// refuses; it never fails inside, and never tells of its database.
func TestHostileText(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	r := newReplay(s, paramNames(t), readFixtures(t))
	for _, st := range readRecording(t, "testdata/recordings/90_populate.jsonl") {
		r.play(st)
	}
	before := s.census(t)
	t.Run("methods", func(t *testing.T) { // ends when all of them have
		for _, m := range s.hub.Methods() {
			if m.Write || m.Name == "fault" {
				continue
			}
			t.Run(m.Name, func(t *testing.T) {
				t.Parallel()
				c := s.open(t, "kojiadmin")
				for what, calls := range attacks(m) {
					for _, params := range calls {
						c.attack(t, m.Name, what, params)
					}
				}
			})
		}
	})
	if after := s.census(t); !reflect.DeepEqual(before, after) {
		t.Errorf("the site had %v and has %v now", before, after)
	}
}

// census counts some of what there is.
func (s *site) census(t *testing.T) map[string]int64 {
	t.Helper()
	n := map[string]int64{}
	for _, table := range []string{"tag", "build", "users", "task", "rpminfo"} {
		var count int64
		if err := s.service.DB.QueryRow(t.Context(), "select count(*) from "+table).Scan(&count); err != nil { //nolint:gosec // constants
			t.Fatal(err)
		}
		n[table] = count
	}
	return n
}

// attacks gives the calls for a method, by the name of what is hostile in them.
func attacks(m hub.Method) map[string][][]any {
	names, required := paramsOf(m)
	inside := map[string]bool{"statement": true, "function": true, "order": true, "placeholder": true, "NUL as bytes": true, "large number": true, "past 32 bits": true,
		"fraction": true, "list": true, "empty": true} // the kinds that are tried within structures, too
	calls := map[string][][]any{}
	add := func(what string, target int, value any) {
		var params []any
		kw := xmlrpc.Kwargs{}
		for i, name := range names {
			switch {
			case i == target && i < required:
				params = append(params, value)
			case i == target:
				kw[name] = value
			case i < required:
				params = append(params, samples()[name])
			}
		}
		if len(kw) > 0 {
			params = append(params, kw)
		}
		calls[what] = append(calls[what], params)
	}
	for i, name := range names {
		for kind, value := range hostile() {
			if kind == "long" && i > 0 {
				continue // once a method: it is much to send
			}
			add(name+" "+kind, i, value)
			if !inside[kind] {
				continue
			}
			for what, v := range nested(name, value) {
				add(name+" "+what+" "+kind, i, v)
			}
		}
	}
	return calls
}

// nested are the structures that a parameter of this name takes, with the value where clients put theirs.
func nested(name string, value any) map[string]any {
	all := map[string]any{"in a list": []any{value}, "in a struct": map[string]any{"id": value, "name": value}}
	word, text := value.(string)
	switch name {
	case "queryOpts":
		for _, key := range []string{"order", "group", "limit", "offset", "countOnly"} {
			all[key] = map[string]any{key: value}
		}
		all["group and count"] = map[string]any{"group": value, "countOnly": true}
		if text {
			all["name"] = map[string]any{word: true}
		}
	case "opts":
		for _, key := range []string{"state", "not_state", "method", "arch", "not_arch", "owner", "not_owner", "host_id", "channel_id", "parent", "not_parent",
			"createdAfter", "completeBefore", "startedAfter", "decode", "order", "limit", "weight"} {
			all[key], all[key+" list"] = map[string]any{key: value}, map[string]any{key: []any{value}}
		}
	case "clauses":
		for _, field := range []string{"id", "state", "opts", "msg", "active", "create_ts", "creation_time"} {
			for _, operator := range []string{"=", "IN", "IS", "@>"} {
				all[field+" "+operator] = []any{[]any{field, operator, value}}
			}
			all[field+" IN list"] = []any{[]any{field, "IN", []any{value}}}
			all["operator of "+field] = []any{[]any{field, value, int64(1)}}
		}
		all["field"] = []any{[]any{value, "=", int64(1)}}
	}
	return all
}

// paramsOf are the names of a method's parameters, and how many have no default.
func paramsOf(m hub.Method) (names []string, required int) {
	for _, p := range regexp.MustCompile(`(\*{0,2})([A-Za-z_]\w*)(=(?:'[^']*'|[^,]*))?`).FindAllStringSubmatch(m.Params, -1) {
		if p[1] != "" {
			continue
		}
		names = append(names, p[2])
		if p[3] == "" {
			required++
		}
	}
	return names, required
}

// attack makes a call and judges the answer.
func (c *client) attack(t *testing.T, method, what string, params []any) {
	t.Helper()
	_, err := c.call(method, params)
	var f *xmlrpc.Fault
	switch {
	case err == nil:
	case errors.As(err, &f):
		if internal(f) {
			t.Errorf("%s: %s%.200s: internal error\n%.600s", what, method, fmt.Sprint(params), c.site.log.lines(f.String))
		} else if tells(f.String) {
			t.Errorf("%s: %s%.200s: the fault tells too much: %s", what, method, fmt.Sprint(params), f.String)
		}
	default:
		t.Errorf("%s: %s%.200s: %v", what, method, fmt.Sprint(params), err)
	}
}

// tells tells whether a text is about the database or the program.
func tells(text string) bool {
	for _, word := range []string{"SQLSTATE", "pgx", "pgconn", "goroutine", "ERROR:", ".go:"} {
		if strings.Contains(text, word) {
			return true
		}
	}
	return len(text) > longestFault
}

// TestCharactersOutsideXML sends what XML cannot carry, as it is and as references: the request is refused before any method sees it.
func TestCharactersOutsideXML(t *testing.T) {
	t.Parallel()
	c := &client{site: newSite(t, "")}
	for _, text := range []string{"\x00", "&#0;", "&#x0;", "\x01", "&#1;", "\x0b", "&#xD800;", "&#x110000;", "\xff", "\xed\xa0\x80", "&undefined;"} {
		body := "<?xml version='1.0'?><methodCall><methodName>getTag</methodName><params><param><value><string>a" + text +
			"b</string></value></param></params></methodCall>"
		if got, err := c.post("", "text/xml", []byte(body)); err != statusError(400) {
			t.Errorf("%q: got %v, %v; want HTTP 400", text, got, err)
		}
	}
}
