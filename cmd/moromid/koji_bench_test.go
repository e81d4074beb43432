package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"moromi/internal/hubclient"
	"moromi/internal/xmlrpc"
)

// How calls are measured: the median of one client's calls, and how many four clients get answered, the best of three runs each.
const (
	kojiRuns    = 3
	kojiClients = 4
	kojiTime    = 2 * time.Second // of each run
	kojiAtLeast = 10              // calls of one client, however long they take
	kojiThings  = 1000            // different builds, rpms, packages that are asked for: what a busy day asks for is not everything
	kojiFresh   = 9               // calls that come right after a change of what they read
	answerStart = 512             // bytes of an answer in which a fault is looked for
)

// kojiCall is a method as it is measured. calls gives the n-th call, since they vary.
type kojiCall struct {
	name  string
	as    string // who calls; empty: nobody is logged in
	calls func(n int64) []rpc
	write bool
}

// rpc is one call to the hub.
type rpc struct {
	method string
	args   []any
}

func one(method string, args func(n int64) []any) func(int64) []rpc {
	return func(n int64) []rpc { return []rpc{{method, args(n)}} }
}

// kojiCalls are what is measured. old is an event in the middle of the site's past.
func kojiCalls(old int64) []kojiCall {
	buildID := func(n int64) int64 { return n%kojiThings*7919%bigBuilds + 1 }
	latest := func(event any) func(int64) []any {
		return func(int64) []any { return []any{"dist-3", event, true, nil, true} }
	}
	return []kojiCall{
		{"getTag", "", one("getTag", func(n int64) []any { return []any{fmt.Sprintf("dist-%d", n%bigDepth)} }), false},
		{"getTag_session", "kojiadmin", one("getTag", func(n int64) []any { return []any{fmt.Sprintf("dist-%d", n%bigDepth)} }), false},
		{"getBuild", "", one("getBuild", func(n int64) []any { return []any{buildID(n)} }), false},
		{"getRPM", "", one("getRPM", func(n int64) []any { return []any{n%kojiThings*7919%(bigBuilds*bigRPMs) + 1} }), false},
		{"getTaskInfo", "", one("getTaskInfo", func(n int64) []any { return []any{buildID(n)} }), false},
		{"listBuilds", "", one("listBuilds", func(n int64) []any { return []any{n%kojiThings + 1} }), false},
		{"getFullInheritance", "", one("getFullInheritance", func(int64) []any { return []any{"dist-3"} }), false},
		{"listTagged", "", one("listTagged", latest(nil)), false},
		{"listTagged_at", "", one("listTagged", latest(old)), false},
		{"getLatestRPMS", "", one("getLatestRPMS", func(int64) []any { return []any{"dist-3"} }), false},
		{"listPackages", "", one("listPackages", func(int64) []any { return []any{"dist-0"} }), false},
		{"search", "", one("search", func(n int64) []any { return []any{fmt.Sprintf("*age%04d-d*", n%kojiThings), "rpm", "glob"} }), false},
		{"tagLastChangeEvent", "", one("tagLastChangeEvent", func(int64) []any { return []any{"dist-3"} }), false},
		{"multiCall_100_getBuild", "", func(n int64) []rpc {
			entries := make([]any, 100)
			for i := range entries {
				entries[i] = map[string]any{"methodName": "getBuild", "params": []any{buildID(n%10*100 + int64(i))}}
			}
			return []rpc{{"multiCall", []any{entries}}}
		}, false},
		{"createTag", "kojiadmin", one("createTag", newTag), true},
		{"makeTask", "kojiadmin", one("makeTask", func(int64) []any {
			return []any{"sleep", []any{int64(1)}, map[string]any{"__starstar": true, "channel": "appliance"}}
		}), true},
		{"tagBuildBypass", "kojiadmin", func(n int64) []rpc {
			id := buildID(n)
			return []rpc{{"tagBuildBypass", []any{"dist-scratchpad", id}}, {"untagBuildBypass", []any{"dist-scratchpad", id}}}
		}, true},
		{"host_updateHost", "host", one("host.updateHost", func(n int64) []any { return []any{float64(n%10) / 10, true} }), true},
		{"host_getLoadData", "host", one("host.getLoadData", func(int64) []any { return nil }), true},
	}
}

// BenchmarkKoji measures calls that Koji's clients make on a big site, over HTTP to a hub in a process of its own.
func BenchmarkKoji(b *testing.B) {
	d := bigSite(b)
	head, err := d.client().Call(b.Context(), "getLastEvent")
	if err != nil {
		b.Fatal(err)
	}
	old := hubclient.Int(hubclient.Struct(head)["id"]) / 2
	clients := map[string][]*caller{}
	for i := range kojiClients {
		for _, who := range []string{"", "kojiadmin", "host"} {
			c := &caller{b: b, url: d.url + "/kojihub"}
			switch who {
			case "kojiadmin":
				c.login(who, readFile(b, filepath.Join(d.dir, "admin.password")))
			case "host": // each in its exclusive session
				c.login(bigHost(b, d, i))
				c.do(kojiCall{calls: one("exclusiveSession", func(int64) []any { return []any{true} })})
			}
			clients[who] = append(clients[who], c)
		}
	}
	b.ResetTimer()
	for _, k := range kojiCalls(old) {
		b.Run(k.name, func(b *testing.B) {
			for range b.N { // one measurement is long enough: the framework sees it and asks for one
				measure(b, k, clients[k.as])
				if !k.write {
					measureFresh(b, k, clients[k.as][0], clients["kojiadmin"][0])
				}
			}
		})
	}
}

// bigHost makes sure that there is a build host and gives its login.
func bigHost(b *testing.B, d *daemon, i int) (name, password string) {
	b.Helper()
	name = fmt.Sprintf("b%d", i)
	admin := d.admin()
	host, err := admin.Call(b.Context(), "getHost", name)
	if err == nil && host == nil {
		_, err = admin.Call(b.Context(), "addHost", name, []any{"x86_64"})
	}
	if err != nil {
		b.Fatal(err)
	}
	mustVerb(b, "secret\n", "user", "password", name, "--password-stdin", "--data", d.dir)
	return name, "secret"
}

var kojiCount atomic.Int64 // gives every measured call a number of its own

func measure(b *testing.B, k kojiCall, clients []*caller) {
	b.Helper()
	p50, rate, size := time.Duration(0), 0.0, int64(0)
	for range kojiRuns {
		var took []time.Duration
		for end := time.Now().Add(kojiTime); time.Now().Before(end) || len(took) < kojiAtLeast; {
			begin := time.Now()
			size = clients[0].do(k)
			took = append(took, time.Since(begin))
		}
		slices.Sort(took)
		if m := took[len(took)/2]; p50 == 0 || m < p50 {
			p50 = m
		}
		rate = max(rate, together(k, clients))
	}
	b.ReportMetric(float64(p50.Microseconds())/1000, "p50-ms")
	b.ReportMetric(rate, "c4-req/s")
	b.ReportMetric(float64(size), "bytes")
}

// measureFresh is the median of calls that cannot be answered from memory: before each, something changed that it depends on (names do, in all).
func measureFresh(b *testing.B, k kojiCall, c, admin *caller) {
	b.Helper()
	change := kojiCall{calls: one("createTag", newTag)}
	var took []time.Duration
	for range kojiFresh {
		admin.do(change)
		begin := time.Now()
		c.do(k)
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "fresh-p50-ms")
}

func newTag(n int64) []any { return []any{fmt.Sprintf("new-%d-%d", time.Now().UnixNano(), n)} }

// together is how many calls a second the clients get answered when all of them call.
func together(k kojiCall, clients []*caller) float64 {
	var group sync.WaitGroup
	var done atomic.Int64
	begin := time.Now()
	for _, c := range clients {
		group.Go(func() {
			for time.Since(begin) < kojiTime {
				c.do(k)
				done.Add(1)
			}
		})
	}
	group.Wait()
	return float64(done.Load()) / time.Since(begin).Seconds()
}

// caller sends calls and reads the answers without looking into them, so that the machine's time goes to the hub.
type caller struct {
	b      *testing.B
	url    string
	header http.Header
	calls  int64
	http   http.Client
	start  [answerStart]byte
}

func (c *caller) login(user, password string) {
	c.b.Helper()
	var body bytes.Buffer
	if err := xmlrpc.EncodeCall(&body, "login", []any{user, password}); err != nil {
		c.b.Fatal(err)
	}
	resp, err := http.Post(c.url, "text/xml", &body)
	if err != nil {
		c.b.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	answer, err := xmlrpc.DecodeResponse(resp.Body, xmlrpc.Limits{})
	if err != nil {
		c.b.Fatal(err)
	}
	s := hubclient.Struct(answer)
	c.header = http.Header{"Koji-Session-Id": {strconv.FormatInt(hubclient.Int(s["session-id"]), 10)}, "Koji-Session-Key": {hubclient.String(s["session-key"])}}
}

// do makes the calls that are measured together and gives the size of the last answer.
func (c *caller) do(k kojiCall) (size int64) {
	for _, r := range k.calls(kojiCount.Add(1)) {
		var body bytes.Buffer
		if err := xmlrpc.EncodeCall(&body, r.method, r.args); err != nil {
			c.b.Error(err)
			return 0
		}
		size = c.post(r.method, &body)
	}
	return size
}

func (c *caller) post(method string, body io.Reader) int64 {
	req, err := http.NewRequest(http.MethodPost, c.url, body)
	if err != nil {
		c.b.Error(err)
		return 0
	}
	req.Header.Set("Content-Type", "text/xml")
	for name, values := range c.header {
		req.Header[name] = values
	}
	if c.header != nil {
		c.calls++
		req.Header.Set("Koji-Session-Callnum", strconv.FormatInt(c.calls, 10))
	}
	resp, err := c.http.Do(req)
	if err != nil {
		c.b.Error(err)
		return 0
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	n, _ := io.ReadFull(resp.Body, c.start[:])
	rest, err := io.Copy(io.Discard, resp.Body)
	if err != nil || bytes.Contains(c.start[:n], []byte("<fault>")) {
		c.b.Errorf("%s: %v %s", method, err, c.start[:n])
	}
	return int64(n) + rest
}
