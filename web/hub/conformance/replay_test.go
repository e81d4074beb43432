package conformance_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"moromi/internal/xmlrpc"
)

// replay sends the steps of one recording to a site: its logins become sessions there, its ids the site's.
type replay struct {
	*comparison
	site     *site
	params   map[string][]string // of methods, by name
	fixtures map[string][]byte
	users    map[string]*client
}

func newReplay(s *site, params map[string][]string, fixtures map[string][]byte) *replay {
	return &replay{comparison: newComparison(), site: s, params: params, fixtures: fixtures, users: map[string]*client{}}
}

// play sends a step and gives how the answer differs from the recorded one: empty if it does not, or if the recorded one is not known.
func (r *replay) play(s step) string {
	got, err := r.send(s)
	if s.Withheld {
		return ""
	}
	return r.answer(s, got, err)
}

func (r *replay) send(s step) (any, error) {
	c := r.users[s.User]
	if c == nil {
		c = &client{site: r.site}
	}
	if s.Method == uploadStep {
		body, err := r.body(s)
		if err != nil {
			return nil, err
		}
		return c.post(s.Query, "application/octet-stream", body)
	}
	params, err := r.paramsOf(s)
	if err != nil {
		return nil, err
	}
	order, err := memberOrder(s.Params)
	if err != nil {
		return nil, err
	}
	got, err := c.call(s.Method, params, xmlrpc.InOrder(order))
	if err == nil && s.Method == "login" {
		r.loggedIn(params, got)
	}
	return got, err
}

func (r *replay) body(s step) ([]byte, error) {
	if s.Body != nil {
		return base64.StdEncoding.DecodeString(*s.Body)
	}
	b, ok := r.fixtures[s.BodySHA256]
	if !ok {
		return nil, fmt.Errorf("no fixture with SHA-256 %s", s.BodySHA256)
	}
	return b, nil
}

func (r *replay) loggedIn(params []any, got any) {
	m, _ := got.(map[string]any)
	id, ok := m["session-id"].(int64)
	key, too := m["session-key"].(string)
	name, text := params[0].(string)
	if ok && too && text {
		r.users[name] = &client{site: r.site, id: strconv.FormatInt(id, 10), key: key}
	}
}

// paramsOf are a step's parameters as this site needs them.
func (r *replay) paramsOf(s step) ([]any, error) {
	text := string(s.Params)
	for recorded, ours := range r.tokens {
		text = strings.ReplaceAll(text, recorded, ours)
	}
	top, err := json.Marshal(r.site.top)
	if err != nil {
		return nil, err
	}
	text = strings.ReplaceAll(text, "${TOPDIR}", strings.Trim(string(top), `"`))
	v, err := fromJSON([]byte(text))
	if err != nil {
		return nil, err
	}
	params, ok := v.([]any)
	if !ok {
		return nil, errors.New("the parameters are no list")
	}
	return r.translate(s.Method, params), nil
}

// translate puts this site's ids and events in the place of the recorded ones.
func (r *replay) translate(method string, params []any) []any {
	switch method {
	case "multiCall", "system.multicall":
		if len(params) > 0 {
			r.translateCalls(params[0])
		}
		return params
	case "countAndFilterResults", "filterResults", "count":
		if len(params) > 0 {
			if inner, ok := params[0].(string); ok {
				return append(params[:1:1], r.translate(inner, params[1:])...)
			}
		}
	}
	names := r.params[method]
	for i, v := range params {
		if i < len(names) {
			params[i] = r.translated(names[i], v)
		}
	}
	if positional, named := xmlrpc.SplitKwargs(params); len(positional) < len(params) {
		for k, v := range named {
			named[k] = r.translated(k, v)
		}
		named["__starstar"] = true
		params[len(params)-1] = named
	}
	return params
}

func (r *replay) translateCalls(list any) {
	calls, _ := list.([]any)
	for _, c := range calls {
		m, _ := c.(map[string]any)
		inner, ok := m["params"].([]any)
		if name, too := m["methodName"].(string); ok && too {
			m["params"] = r.translate(name, inner)
		}
	}
}

func (r *replay) translated(name string, v any) any {
	n, ok := v.(int64)
	if !ok {
		return v
	}
	if r.words.eventParams[name] {
		return r.events.event(n)
	}
	if ids := r.ids[r.words.idKeys[name]]; ids != nil {
		return ids.get(n)
	}
	return v
}
