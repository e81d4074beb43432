package hub_test

import (
	"bytes"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"moromi/internal/fault"
	"moromi/internal/storage"
	"moromi/internal/xmlrpc"
	"moromi/web/auth"
	"moromi/web/hub"
)

func TestNewRefusesBadTables(t *testing.T) {
	t.Parallel()
	good := hub.Method{Name: "x", Auth: hub.Anonymous, Help: "h", Func: func(*hub.Call, hub.Args) (any, error) { return nil, nil }}
	with := func(change func(*hub.Method)) []hub.Method {
		m := good
		change(&m)
		return []hub.Method{m}
	}
	top, err := storage.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { top.Close() })
	d := bootstrap()
	for name, methods := range map[string][]hub.Method{
		"is there twice":      {good, good},
		"\"echo\": is there":  with(func(m *hub.Method) { m.Name = "echo" }),
		"no authorisation":    with(func(m *hub.Method) { m.Auth = nil }),
		"no help":             with(func(m *hub.Method) { m.Help = " " }),
		"no function":         with(func(m *hub.Method) { m.Func = nil }),
		"params":              with(func(m *hub.Method) { m.Params = "a b" }),
		"no permission named": with(func(m *hub.Method) { m.Auth = hub.Perm() }),
		"an empty permission": with(func(m *hub.Method) { m.Auth = hub.Perm("") }),
		"needs a reason":      with(func(m *hub.Method) { m.Auth = hub.Custom(" ") }),
		"not a method name":   with(func(m *hub.Method) { m.Name = "a b" }),
		"\"a.b.c\": not a":    with(func(m *hub.Method) { m.Name = "a.b.c" }),
	} {
		log := setupLog()
		_, err := hub.New(hub.Config{Methods: methods, Users: d, Sessions: &auth.Sessions{}, Storage: top, Tasks: d, Volumes: d, Notifier: d, Log: log})
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("want %q, got %v", name, err)
		}
	}
	if _, err := hub.New(hub.Config{}); err == nil {
		t.Error("a hub of nothing was made")
	}
}

// TestAuthorisationMatrix calls every method as everyone and compares with what the table declares.
func TestAuthorisationMatrix(t *testing.T) {
	t.Parallel()
	s := setup(t)
	callers := map[string]*client{"nobody": s.anonymous(), "alice": s.login("alice"), "kojira": s.login("kojira"), "kojiadmin": s.login("kojiadmin"), "builder1": s.login("builder1", true), "builder2": s.login("builder2")}
	refusals := map[string]map[string]fault.Code{
		"anonymous":        {},
		"session":          {"nobody": fault.ActionNotAllowed},
		"admin":            {"nobody": fault.ActionNotAllowed, "alice": fault.ActionNotAllowed, "kojira": fault.ActionNotAllowed, "builder1": fault.ActionNotAllowed, "builder2": fault.ActionNotAllowed},
		"perm tag":         {"nobody": fault.ActionNotAllowed, "alice": fault.ActionNotAllowed, "kojira": fault.ActionNotAllowed, "builder1": fault.ActionNotAllowed, "builder2": fault.ActionNotAllowed},
		"perm repo or tag": {"nobody": fault.ActionNotAllowed, "alice": fault.ActionNotAllowed, "builder1": fault.ActionNotAllowed, "builder2": fault.ActionNotAllowed},
		"host":             {"nobody": fault.Auth, "alice": fault.Auth, "kojira": fault.Auth, "kojiadmin": fault.Auth, "builder2": fault.Auth},
	}
	args := map[string][]any{"host.updateHost": {1.0, true}, "createTag": {"matrix"}, "disableUser": {"cguser"}, "enableUser": {"cguser"}, "createUser": {"x"}}
	tested := 0
	for _, m := range s.hub.Methods() {
		refused, declared := refusals[m.Auth.String()]
		if strings.HasPrefix(m.Auth.String(), "custom: ") || strings.HasPrefix(m.Name, "bad.") || strings.HasPrefix(m.Name, "slow.") || strings.Contains("login sslLogin uploadFile createNotification getTag getUser", m.Name) {
			continue
		}
		if !declared {
			t.Errorf("%s declares %q, which the matrix does not know", m.Name, m.Auth)
			continue
		}
		for name, c := range callers {
			_, err := c.call(m.Name, args[m.Name]...)
			f, _ := err.(*xmlrpc.Fault)
			want, isRefused := refused[name]
			switch {
			case isRefused && (f == nil || f.Code != int(want)):
				t.Errorf("%s as %s: %v, want fault %d", m.Name, name, err, want)
			case !isRefused && f != nil && (f.Code == int(fault.ActionNotAllowed) || f.Code == int(fault.Auth)):
				t.Errorf("%s as %s: %v", m.Name, name, err)
			}
			tested++
		}
	}
	if tested < 100 {
		t.Errorf("only %d cases", tested)
	}
	f := callers["alice"].wantFault(fault.ActionNotAllowed, "createTag", "x")
	if f.String != "tag permission required (logged in as alice)" {
		t.Errorf("refusal says %q", f.String)
	}
}

func TestHTTP(t *testing.T) {
	t.Parallel()
	s := setup(t, func(c *hub.Config) { c.Limits.Body = 10_000 })
	for _, c := range []struct {
		method, body string
		status       int
		text         string
	}{
		{http.MethodGet, "", http.StatusMethodNotAllowed, "Only POST"},
		{http.MethodPut, "x", http.StatusMethodNotAllowed, "Only POST"},
		{http.MethodPost, "", http.StatusBadRequest, "Invalid request: "},
		{http.MethodPost, "not xml", http.StatusBadRequest, "Invalid request: "},
		{http.MethodPost, `<!DOCTYPE x [<!ENTITY a "b">]><methodCall><methodName>echo</methodName></methodCall>`, http.StatusBadRequest, "Invalid request: "},
		{http.MethodPost, "<methodCall><methodName>echo</methodName><params><param><value>" + strings.Repeat("x", 10_000) + "</value></param></params></methodCall>", http.StatusBadRequest, "Invalid request: "},
		{http.MethodPost, "<methodCall><methodName>echo</methodName><params><param>" + strings.Repeat("<value><array><data>", 400), http.StatusBadRequest, "Invalid request: "},
		{http.MethodPost, "<methodCall><methodName>hello</methodName></methodCall>", http.StatusOK, "Hello World"},
	} {
		for _, path := range []string{"/kojihub", "/kojihub/ssllogin", "/kojihub/any/thing"} {
			req, err := http.NewRequestWithContext(t.Context(), c.method, s.url+path, strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			var b bytes.Buffer
			if _, err := b.ReadFrom(resp.Body); err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != c.status || !strings.Contains(b.String(), c.text) || resp.Header.Get("Koji-Version") != "1.35.3" {
				t.Errorf("%s %s %.40q: %d %q", c.method, path, c.body, resp.StatusCode, b.String())
			}
			if c.status == http.StatusMethodNotAllowed && resp.Header.Get("Allow") != "POST" {
				t.Error("no Allow header")
			}
		}
	}
}

func TestOfflineAndLockOut(t *testing.T) {
	t.Parallel()
	off := setup(t, func(c *hub.Config) { c.ServerOffline, c.OfflineMessage = true, "moving house" })
	if f := off.anonymous().wantFault(fault.ServerOffline, "hello"); f.String != "moving house" {
		t.Errorf("offline says %q", f.String)
	}
	for range 3 {
		off.anonymous().wantUploadFault(fault.ServerOffline, "filename=a&filepath=b", strings.Repeat("x", 4<<20))
	}
	locked := setup(t, func(c *hub.Config) { c.LockOut = true })
	locked.setPasswords("alice")
	locked.anonymous().wantFault(fault.ServerOffline, "hello")
	alice := locked.login("alice")
	alice.wantFault(fault.ServerOffline, "hello")
	if _, err := alice.upload("filename=a&filepath=b", nil); err == nil || err.(*xmlrpc.Fault).Code != int(fault.ServerOffline) {
		t.Errorf("upload: %v", err)
	}
	locked.anonymous().must("login", "alice", "alicepw")
	alice.must("logout")
	admin := locked.login("kojiadmin")
	admin.must("hello")
	admin.must("multiCall", []any{map[string]any{"methodName": "hello", "params": []any{}}})
}

var requestID = regexp.MustCompile(`request ([0-9a-f]{16})`)

func TestInternalErrorsKeepTheirSecrets(t *testing.T) {
	t.Parallel()
	s := setup(t)
	c := s.anonymous()
	for method, secret := range map[string]string{"bad.panic": "secret detail", "bad.internal": "unexpected EOF", "bad.param": "no parameter y", "bad.unencodable": "chan int"} {
		f := c.wantFault(fault.Internal, method)
		id := requestID.FindStringSubmatch(f.String)
		if id == nil || strings.Contains(f.String, secret) {
			t.Errorf("%s: the client is told %q", method, f.String)
			continue
		}
		found := false
		for _, line := range strings.Split(s.logs.String(), "\n") {
			found = found || strings.Contains(line, id[1]) && strings.Contains(line, secret)
		}
		if !found {
			t.Errorf("%s: the log does not have %q under %s", method, secret, id[1])
		}
	}
	if f := c.wantFault(fault.Generic, "bad.full"); !strings.Contains(f.String, "disk of the hub is full") || strings.Contains(f.String, "secret") {
		t.Errorf("a full disk is told as %q", f.String)
	}
	if f := c.wantFault(fault.Build, "bad.cause"); f.String != "no such build" {
		t.Errorf("a fault with a cause is told as %q", f.String)
	}
	if !strings.Contains(s.logs.String(), "cause=\"unexpected EOF\"") {
		t.Error("the cause is not in the log")
	}
	c.must("hello")
}

func TestStreamedAnswers(t *testing.T) {
	t.Parallel()
	s := setup(t)
	c := s.anonymous()
	c.wantFault(fault.Generic, "bad.stream", 100) // breaks before the buffer is full: still a fault
	if got := c.must("bad.stream", -3).([]any); len(got) != 3 {
		t.Errorf("stream gave %d", len(got))
	}
	if got := c.must("bad.stream", -40, 1<<16).([]any); len(got) != 40 {
		t.Errorf("long stream gave %d", len(got))
	}
	if got := c.must("count", "bad.stream", -7); got != int64(7) {
		t.Errorf("count of a stream: %v", got)
	}
	got := c.must("multiCall", []any{entry("bad.stream", int64(2)), entry("bad.stream", int64(-2))}).([]any)
	if got[0].(map[string]any)["faultCode"] != int64(1000) || len(got[1].([]any)[0].([]any)) != 2 {
		t.Errorf("streams in a multicall: %v", got)
	}
	// One that breaks when it is too long for memory already is a fault all the same.
	c.wantFault(fault.Generic, "bad.stream", 40, 1<<16)
	c.must("hello")
}

// TestCallNumbers: what changes something is not done twice, what does not is repeated at will.
func TestCallNumbers(t *testing.T) {
	t.Parallel()
	s := setup(t)
	c := s.login("kojiadmin")
	at := func(n int64) *client { c.n = n; return c }
	at(5).must("createTag", "one")
	at(5).wantFault(fault.Retry, "createTag", "two")
	at(5).wantFault(fault.Retry, "getTag", "one")
	at(4).wantFault(fault.Sequence, "getTag", "one")
	at(6).wantFault(fault.Generic, "createTag", "one") // refused: nothing changed
	at(6).must("createTag", "two")
	for range 3 {
		at(9).must("getTag", "one")
	}
	at(7).must("multiCall", []any{entry("getTag", "one"), entry("createTag", "one")}) // reads, and a refusal
	at(7).must("multiCall", []any{entry("getTag", "one"), entry("createTag", "three"), entry("createTag", "one")})
	at(7).wantFault(fault.Retry, "multiCall", []any{entry("createTag", "four")})
	at(8).wantFault(fault.Internal, "bad.write") // nobody knows what it did
	at(8).wantFault(fault.Retry, "bad.write")
	if got := s.domain.writes.Load(); got != 3 {
		t.Errorf("%d tags were made", got)
	}
	b := s.login("builder1", true)
	for range 2 {
		b.n = 3
		b.must("host.updateHost", 0.5, true)
	}
}

// TestRepeatWhileRunning: a client that lost its connection repeats a call that still runs.
func TestRepeatWhileRunning(t *testing.T) {
	t.Parallel()
	s := setup(t)
	c := s.login("alice")
	var wg sync.WaitGroup
	faults := make(chan int, 3)
	for range 3 {
		same := *c
		same.n = 5
		wg.Go(func() {
			_, err := same.call("slow.write")
			if f, ok := err.(*xmlrpc.Fault); ok {
				faults <- f.Code
			} else if err != nil {
				t.Error(err)
			}
		})
	}
	soon(t, s.domain.entered)
	close(s.domain.leave)
	wg.Wait()
	close(faults)
	n := 0
	for code := range faults {
		n++
		if code != int(fault.Retry) {
			t.Errorf("a repeat got fault %d", code)
		}
	}
	if n != 2 || s.domain.writes.Load() != 1 {
		t.Errorf("%d repeats were refused, it ran %d times", n, s.domain.writes.Load())
	}
}

func TestConcurrentReadsOfOneSession(t *testing.T) {
	t.Parallel()
	s := setup(t)
	c := s.login("alice")
	var wg sync.WaitGroup
	for i := range 8 {
		mine := *c
		wg.Go(func() {
			for n := range 25 {
				mine.n = int64(100*i + n)
				if _, err := mine.call("getLoggedInUser"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func TestHeaderSessionsOnly(t *testing.T) {
	t.Parallel()
	s := setup(t, func(c *hub.Config) { c.HeaderSessionsOnly = true })
	c := s.login("alice")
	c.must("createNotification", 2, nil, nil, true)
	url := s.anonymous()
	url.query = "session-id=" + c.header.Get("Koji-Session-Id") + "&session-key=" + c.header.Get("Koji-Session-Key")
	if got := url.must("showSession"); got != "session: not logged in (no Koji-Session-* headers)" {
		t.Errorf("session in the query: %v", got)
	}
}

func TestKeysAreNotLogged(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.setPasswords("alice")
	got := s.anonymous().must("login", "alice", "alicepw").(map[string]any)
	key := got["session-key"].(string)
	url := s.anonymous()
	url.query = fmt.Sprintf("session-id=%d&session-key=%s&callnum=0", got["session-id"], key)
	url.must("getLoggedInUser")
	text := url.must("showSession").(string)
	url.wantFault(fault.Internal, "bad.panic")
	for _, secret := range []string{key, "alicepw"} {
		if strings.Contains(s.logs.String(), secret) || strings.Contains(text, secret) {
			t.Errorf("%q is told", secret)
		}
	}
	if !strings.HasPrefix(text, "session 1: {'authtype': 0, 'callnum': 0,") {
		t.Errorf("showSession says %s", text)
	}
}

func TestIntrospection(t *testing.T) {
	t.Parallel()
	s := setup(t, func(c *hub.Config) { c.Options = map[string]any{"LockOut": false, "MaxRequestLength": int64(4194304)} })
	c := s.anonymous()
	var tag map[string]any
	for _, e := range c.must("_listapi").([]any) {
		if m := e.(map[string]any); m["name"] == "getTag" {
			tag = m
		}
	}
	want := map[string]any{
		"name": "getTag", "doc": "For tests.", "argdesc": "(tagInfo, strict=False, event=None, blocked=False)",
		"args":    []any{"tagInfo", []any{"strict", false}, []any{"event", nil}, []any{"blocked", false}},
		"argspec": []any{[]any{"tagInfo", "strict", "event", "blocked"}, nil, nil, []any{false, nil, false}, []any{}, nil, map[string]any{}},
	}
	if diff := cmp.Diff(want, tag); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got := c.must("system.methodHelp", "count"); got != "count(methodName, *args, **kw)\ndescription: How many results the method has with these arguments." {
		t.Errorf("help: %q", got)
	}
	for _, name := range []any{"nosuch", int64(1), "multiCall"} {
		if got := c.must("system.methodHelp", name); got != "" {
			t.Errorf("help of %v: %q", name, got)
		}
	}
	admin := s.login("kojiadmin")
	if got := admin.must("showOpts"); got != "{'LockOut': False, 'MaxRequestLength': 4194304}" {
		t.Errorf("showOpts: %v", got)
	}
	if got := admin.must("showOpts", false).(map[string]any); got["LockOut"] != false {
		t.Errorf("showOpts(False): %v", got)
	}
}

func TestFilterResults(t *testing.T) {
	t.Parallel()
	s := setup(t)
	c := s.login("kojiadmin")
	for _, name := range []string{"b", "c", "a"} {
		c.must("createTag", name)
	}
	names := func(opts map[string]any) string {
		t.Helper()
		var out []string
		for _, e := range c.must("filterResults", "listTags", xmlrpc.Kwargs{"filterOpts": opts}).([]any) {
			out = append(out, e.(map[string]any)["name"].(string))
		}
		return strings.Join(out, "")
	}
	for _, tc := range []struct {
		opts map[string]any
		want string
	}{
		{map[string]any{}, "bca"}, {map[string]any{"order": "name"}, "abc"}, {map[string]any{"order": "-name"}, "cba"}, {map[string]any{"order": "id", "offset": 1}, "ca"},
		{map[string]any{"order": "name", "limit": 2}, "ab"}, {map[string]any{"order": "name", "offset": -1}, "c"}, {map[string]any{"limit": -1}, "bc"}, {map[string]any{"offset": 99}, ""},
		{map[string]any{"order": "perm", "noneGreatest": false}, "bca"},
	} {
		if got := names(tc.opts); got != tc.want {
			t.Errorf("%v: %s, want %s", tc.opts, got, tc.want)
		}
	}
	if got := c.must("countAndFilterResults", "listTags", xmlrpc.Kwargs{"filterOpts": map[string]any{"limit": 1}}).([]any); got[0] != int64(3) || len(got[1].([]any)) != 1 {
		t.Errorf("countAndFilterResults: %v", got)
	}
	if got := c.must("countAndFilterResults", "getTag", "nosuch").([]any); got[0] != int64(0) || got[1] != nil {
		t.Errorf("of nothing: %v", got)
	}
	for _, tc := range []struct {
		code fault.Code
		args []any
	}{
		{fault.Generic, []any{"getAPIVersion"}}, {fault.Generic, []any{"nosuch"}}, {fault.Generic, []any{"multiCall", []any{}}}, {fault.Generic, []any{"error"}}, {fault.Generic, []any{int64(1)}},
		{fault.Internal, []any{"listTags", xmlrpc.Kwargs{"filterOpts": "x"}}}, {fault.Internal, []any{"listTags", xmlrpc.Kwargs{"filterOpts": map[string]any{"order": "nosuch"}}}},
		{fault.Internal, []any{"listTags", xmlrpc.Kwargs{"filterOpts": map[string]any{"order": int64(1)}}}}, {fault.Internal, []any{"listTags", xmlrpc.Kwargs{"filterOpts": map[string]any{"limit": "x"}}}},
	} {
		c.wantFault(tc.code, "filterResults", tc.args...)
	}
	for method, want := range map[string]int64{"listTags": 3, "getAPIVersion": 1, "echo": 0, "getSessionInfo": 12} {
		if got := c.must("count", method); got != want {
			t.Errorf("count(%s) = %v, want %d", method, got, want)
		}
	}
	s.anonymous().wantFault(fault.ActionNotAllowed, "count", "createTag", "sneaky")
	s.anonymous().wantFault(fault.Generic, "filterResults", "createTag", "sneaky") // as Koji wraps it
}
