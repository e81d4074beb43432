package cli

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/adler32"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"moromi/internal/xmlrpc"
)

// recorded is one answer of testdata/answers.json: most were recorded from a Koji hub. It is given to calls of its method
// whose positional arguments begin with Args and whose named ones include Kwargs. Of several for the same call, each is
// given once, in order, and the last from then on.
type recorded struct {
	Args   []any          `json:"args"`
	Kwargs map[string]any `json:"kwargs"`
	Result any            `json:"result"`
	Fault  *struct {
		Code   int    `json:"code"`
		String string `json:"string"`
	} `json:"fault"`
}

// fakeHub answers from testdata/answers.json, and serves files.
type fakeHub struct {
	*httptest.Server
	files http.Handler // below /kojifiles/

	mu      sync.Mutex
	answers map[string][]recorded
	given   map[string]int
	calls   []string // "method [args] {kwargs}"
	uploads map[string][]byte
}

func newFakeHub(t *testing.T) *fakeHub {
	t.Helper()
	data, err := os.ReadFile("testdata/answers.json")
	if err != nil {
		t.Fatal(err)
	}
	h := &fakeHub{given: map[string]int{}, uploads: map[string][]byte{}, files: http.NotFoundHandler()}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(&h.answers); err != nil {
		t.Fatal(err)
	}
	for _, list := range h.answers {
		for i := range list {
			for _, v := range []*any{&list[i].Result} {
				if *v, err = xmlrpc.JSONNumbers(*v); err != nil {
					t.Fatal(err)
				}
			}
			if _, err = xmlrpc.JSONNumbers(list[i].Args); err != nil {
				t.Fatal(err)
			}
			if _, err = xmlrpc.JSONNumbers(list[i].Kwargs); err != nil {
				t.Fatal(err)
			}
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /kojihub", h.serve)
	mux.HandleFunc("/kojifiles/", func(w http.ResponseWriter, r *http.Request) { h.files.ServeHTTP(w, r) })
	h.Server = httptest.NewServer(mux)
	t.Cleanup(h.Close)
	return h
}

// set puts an answer before the recorded ones.
func (h *fakeHub) set(method string, result any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answers[method] = []recorded{{Result: result}}
}

func (h *fakeHub) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Koji-Version", "1.35.3")
	if r.Header.Get("Content-Type") == "application/octet-stream" {
		h.upload(w, r)
		return
	}
	name, params, err := xmlrpc.DecodeCall(r.Body, xmlrpc.Limits{})
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	result, f := h.answer(name, params)
	if f != nil {
		_ = xmlrpc.EncodeFault(w, f.Code, f.String) // a client that went away is noticed by its test
		return
	}
	_ = xmlrpc.EncodeResponse(w, result)
}

func (h *fakeHub) answer(name string, params []any) (any, *xmlrpc.Fault) {
	positional, named := xmlrpc.SplitKwargs(params)
	if name == "multiCall" {
		list := []any{}
		for _, c := range positional[0].([]any) {
			call := c.(map[string]any)
			result, f := h.answer(call["methodName"].(string), call["params"].([]any))
			if f != nil {
				list = append(list, map[string]any{"faultCode": f.Code, "faultString": f.String, "traceback": []any{}})
			} else {
				list = append(list, []any{result})
			}
		}
		return list, nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls = append(h.calls, fmt.Sprintf("%s %s %s", name, pyRepr(positional), pyRepr(named)))
	if name == "checkUpload" {
		data := h.uploads[positional[0].(string)+"/"+positional[1].(string)]
		return map[string]any{"size": len(data)}, nil
	}
	var found []recorded
	key := ""
	for _, a := range h.answers[name] {
		if !a.fits(positional, named) {
			continue
		}
		k := name + pyRepr(a.Args) + pyRepr(a.Kwargs)
		if key == "" {
			key = k
		}
		if k == key {
			found = append(found, a)
		}
	}
	if len(found) == 0 {
		return nil, &xmlrpc.Fault{Code: 1000, String: "Invalid method: " + name}
	}
	a := found[min(h.given[key], len(found)-1)]
	h.given[key]++
	if a.Fault != nil {
		return nil, &xmlrpc.Fault{Code: a.Fault.Code, String: a.Fault.String}
	}
	return a.Result, nil
}

func (a recorded) fits(positional []any, named map[string]any) bool {
	for i, want := range a.Args {
		if i >= len(positional) || !reflect.DeepEqual(positional[i], want) {
			return false
		}
	}
	for k, want := range a.Kwargs {
		if !reflect.DeepEqual(named[k], want) {
			return false
		}
	}
	return true
}

func (h *fakeHub) upload(w http.ResponseWriter, r *http.Request) {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	q := r.URL.Query()
	name := q.Get("filepath") + "/" + q.Get("filename")
	h.uploads[name] = append(h.uploads[name], data...)
	sum := adler32.New()
	sum.Write(data)
	_ = xmlrpc.EncodeResponse(w, map[string]any{"size": len(data), "hexdigest": hex.EncodeToString(sum.Sum(nil))})
}

// result is what a command line did.
type result struct {
	out, err string
	status   int
}

// env is an environment with no one's configuration, the hub's address and a user.
func (h *fakeHub) env(t *testing.T, out, errs *bytes.Buffer) Env {
	t.Helper()
	vars := map[string]string{"MOROMI_SERVER": h.URL + "/kojihub", "MOROMI_USER": "kojiadmin", "MOROMI_PASSWORD": "x"}
	home := t.TempDir()
	config := "[koji]\npoll_interval = 0\nweburl = https://koji.example.com\ntopurl = " + h.URL + "/kojifiles\n"
	if err := os.MkdirAll(home+"/.koji", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(home+"/.koji/config", []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return Env{
		In: strings.NewReader(""), Out: out, Err: errs, Getenv: func(k string) string { return vars[k] }, Dir: t.TempDir(), Home: home, SystemDir: home + "/etc",
		Now: time.Now, Zone: time.UTC,
		Comps: func(groups []map[string]any, expand bool) []byte {
			return fmt.Appendf(nil, "%d groups, expand %v\n", len(groups), expand)
		},
	}
}

func (h *fakeHub) run(t *testing.T, args ...string) result {
	t.Helper()
	var out, errs bytes.Buffer
	return h.runIn(t, h.env(t, &out, &errs), args...)
}

func (h *fakeHub) runIn(t *testing.T, env Env, args ...string) result {
	t.Helper()
	status := Run(t.Context(), args, env)
	clean := func(w io.Writer) string { return strings.ReplaceAll(w.(*bytes.Buffer).String(), h.URL, "http://hub") }
	return result{clean(env.Out), clean(env.Err), status}
}

// called are the calls of a method.
func (h *fakeHub) called(method string) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var calls []string
	for _, c := range h.calls {
		if strings.HasPrefix(c, method+" ") {
			calls = append(calls, c)
		}
	}
	return calls
}
