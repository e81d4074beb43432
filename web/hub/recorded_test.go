package hub_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"moromi/internal/xmlrpc"
)

// step is one line of a recording of a real Koji hub.
type step struct {
	Step     int
	User     *string
	Method   string
	Params   []any
	Query    string
	Headers  map[string]string
	Body     string `json:"body_base64"`
	Result   any
	Fault    *struct{ Code int }
	Withheld bool
	Volatile bool
}

func recording(t *testing.T, name string) []step {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var steps []step
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var s step
		d := json.NewDecoder(bytes.NewReader(lines.Bytes()))
		d.UseNumber()
		if err := d.Decode(&s); err != nil {
			t.Fatal(err)
		}
		steps = append(steps, s)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return steps
}

// player replays a recording: sessions recorded there become sessions here.
type player struct {
	*site
	ids   map[string]string // recorded session id → ours
	keys  map[string]string
	users map[string]*client
	known map[string]bool // methods that this hub has
}

func newPlayer(s *site) *player {
	p := &player{site: s, ids: map[string]string{}, keys: map[string]string{}, users: map[string]*client{}, known: map[string]bool{"multiCall": true, "system.multicall": true, "nosuchmethod": true, "host.nosuch": true, "(upload)": true}}
	for _, m := range s.hub.Methods() {
		p.known[m.Name] = true
	}
	return p
}

// has tells whether the step needs only methods that the tests' hub has.
func (p *player) has(s step) bool {
	if !p.known[s.Method] || s.Withheld {
		return false
	}
	if s.Method == "filterResults" || s.Method == "count" {
		name, ok := s.Params[0].(string)
		return !ok || p.known[name] || name == "nosuch"
	}
	return s.Method != "listTags" || s.Fault == nil
}

func (p *player) play(s step) (any, error) {
	c := p.anonymous()
	if s.User != nil && p.users[*s.User] != nil {
		c = p.users[*s.User]
	}
	if *orNone(s.User) == "(raw)" {
		for k, v := range s.Headers {
			c.header.Set(k, p.translated(v))
		}
		c.query = p.translatedQuery(s.Query)
	}
	if s.Method == "(upload)" {
		body, err := base64.StdEncoding.DecodeString(s.Body)
		if err != nil {
			p.t.Fatal(err)
		}
		return c.upload(s.Query, body)
	}
	params := wire(p.t, s.Params).([]any)
	if s.Method == "logout" || s.Method == "logoutChild" {
		for i, v := range params {
			id, err := strconv.ParseInt(p.translated(fmt.Sprint(v)), 10, 64)
			if err != nil {
				p.t.Fatal(err)
			}
			params[i] = id
		}
	}
	result, err := c.call(s.Method, params...)
	if err == nil && s.Result != nil && (s.Method == "login" || s.Method == "subsession") {
		p.learn(s, result.(map[string]any))
	}
	return result, err
}

func orNone(s *string) *string {
	if s == nil {
		return new(string)
	}
	return s
}

// learn remembers which of our sessions is which of the recording's.
func (p *player) learn(s step, ours map[string]any) {
	theirs := s.Result.(map[string]any)
	id, key := fmt.Sprint(ours["session-id"]), ours["session-key"].(string)
	p.ids[theirs["session-id"].(json.Number).String()] = id
	p.keys[theirs["session-key"].(string)] = key
	if *orNone(s.User) == "(raw)" {
		return
	}
	c := p.anonymous()
	c.header.Set("Koji-Session-Id", id)
	c.header.Set("Koji-Session-Key", key)
	c.n = 0
	p.users[s.Params[0].(string)] = c
}

func (p *player) translated(v string) string {
	if id, ok := p.ids[v]; ok {
		return id
	}
	if key, ok := p.keys[v]; ok {
		return key
	}
	return v
}

func (p *player) translatedQuery(q string) string {
	fields := strings.Split(q, "&")
	for i, f := range fields {
		name, value, ok := strings.Cut(f, "=")
		if ok && (name == "session-id" || name == "session-key") {
			fields[i] = name + "=" + url.QueryEscape(p.translated(value))
		}
	}
	return strings.Join(fields, "&")
}

// volatile values differ between two runs of Koji itself; they only keep their type.
var volatile = regexp.MustCompile(`(_ts|_time|mtime|session-key|session-id|^id|^master)$`)

func plainTypes(v any) any {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = plainTypes(e)
		}
		return out
	case map[string]any:
		out := map[string]any{}
		for k, e := range v {
			if k == "traceback" {
				continue
			}
			_, has := v["session-key"]
			_, info := v["hostip"]
			_, sess := v["start_ts"]
			if volatile.MatchString(k) && (has || info || sess || k == "mtime") {
				out[k] = fmt.Sprintf("%T", e)
				continue
			}
			out[k] = plainTypes(e)
		}
		return out
	}
	return v
}

func (p *player) compare(s step) {
	p.t.Helper()
	got, err := p.play(s)
	where := fmt.Sprintf("step %d %s%v", s.Step, s.Method, s.Params)
	f, isFault := err.(*xmlrpc.Fault)
	switch {
	case err != nil && !isFault:
		p.t.Errorf("%s: %v", where, err)
	case s.Fault != nil && !isFault:
		p.t.Errorf("%s: got %v, want fault %d", where, got, s.Fault.Code)
	case s.Fault != nil && f.Code != s.Fault.Code:
		p.t.Errorf("%s: got fault %d %q, want %d", where, f.Code, f.String, s.Fault.Code)
	case s.Fault == nil && isFault:
		p.t.Errorf("%s: got fault %d %q, want %v", where, f.Code, f.String, s.Result)
	case s.Fault == nil && !s.Volatile:
		if diff := cmp.Diff(plainTypes(wire(p.t, s.Result)), plainTypes(got)); diff != "" {
			p.t.Errorf("%s: (-recorded +got)\n%s", where, diff)
		}
	}
}

func TestRecordedCore(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.setPasswords("kojiadmin", "blockeduser")
	p := newPlayer(s)
	played := 0
	for _, st := range recording(t, "01_core.jsonl") {
		if st.Method == "system.listMethods" || !p.has(st) {
			continue
		}
		p.compare(st)
		played++
	}
	if played < 55 {
		t.Errorf("only %d steps were played", played)
	}
}

func TestRecordedSessions(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.setPasswords("kojiadmin", "alice", "bob")
	p := newPlayer(s)
	exec := func(sql string, args ...any) {
		t.Helper()
		if _, err := s.pool.Exec(t.Context(), sql, args...); err != nil {
			t.Fatal(err)
		}
	}
	for _, st := range recording(t, "02_session.jsonl") {
		switch st.Step { // what was done to Koji's database between the calls
		case 56:
			exec(`update ops.sessions set expired = true where user_id = 2`)
		case 62:
			exec(`update ops.sessions set start_time = start_time - interval '2 days', renew_time = renew_time - interval '2 days' where id = $1`, p.ids["6"])
		}
		if !p.has(st) {
			continue
		}
		p.compare(st)
	}
}

func TestRecordedUploads(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.setPasswords("kojiadmin", "alice")
	p := newPlayer(s)
	for _, st := range recording(t, "uploads.jsonl") {
		if p.has(st) {
			p.compare(st)
		}
	}
}

// TestListMethodsOrder holds the order of Koji's list for the methods that the tests' hub has.
func TestListMethodsOrder(t *testing.T) {
	t.Parallel()
	s := setup(t)
	p := newPlayer(s)
	var want, got []any
	for _, st := range recording(t, "01_core.jsonl") {
		if st.Method != "system.listMethods" {
			continue
		}
		for _, name := range st.Result.([]any) {
			if p.known[name.(string)] {
				want = append(want, name)
			}
		}
	}
	recorded := map[any]bool{}
	for _, name := range want {
		recorded[name] = true
	}
	for _, name := range s.anonymous().must("system.listMethods").([]any) {
		if recorded[name] {
			got = append(got, name)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-recorded +got)\n%s", diff)
	}
}

var rawExchange = regexp.MustCompile(`(?s)^>>> POST /kojihub(\?\S*)?\n((?:> [^\n]*\n)*)\n(.*?)\n?<<< HTTP (\d+)\n((?:< [^\n]*\n)*)\n(.*)$`)

// TestRawExchanges compares whole answers, byte by byte, with those of a real hub.
func TestRawExchanges(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.setPasswords("kojiadmin")
	files, err := filepath.Glob("testdata/raw/*.txt")
	if err != nil || len(files) < 12 {
		t.Fatal(files, err)
	}
	key := regexp.MustCompile(`1-[A-Za-z0-9]{19}`)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			m := rawExchange.FindStringSubmatch(string(b))
			if m == nil {
				t.Fatal("not an exchange")
			}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/kojihub"+m[1], strings.NewReader(strings.TrimSuffix(m[3], "\n")))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "text/xml")
			if strings.Contains(m[2], "octet-stream") {
				req.Header.Set("Content-Type", "application/octet-stream")
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			if strconv.Itoa(resp.StatusCode) != m[4] {
				t.Errorf("status %d, want %s", resp.StatusCode, m[4])
			}
			for _, line := range strings.Split(strings.TrimSpace(m[5]), "\n") {
				name, want, _ := strings.Cut(strings.TrimPrefix(line, "< "), ": ")
				switch name {
				case "Koji-Version", "Content-Type", "Content-Length":
					if got := resp.Header.Get(name); got != want {
						t.Errorf("%s is %q, want %q", name, got, want)
					}
				}
			}
			blank := func(s string) string { return key.ReplaceAllString(strings.TrimRight(s, "\n"), "1-KEY") }
			if diff := cmp.Diff(blank(m[6]), blank(string(body))); diff != "" {
				t.Errorf("(-recorded +got)\n%s", diff)
			}
		})
	}
}
