package hub

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"moromi/internal/fault"
	"moromi/web/auth"
)

// authenticate finds the session that the request carries, if any, and takes the call number if the method may change something. It refuses a session
// while another of the user is exclusive, except for the methods that may change that.
func (h *Hub) authenticate(r *http.Request, req *request, method string) error {
	cred, message, err := h.credentials(r)
	if err != nil {
		return err
	}
	if cred == nil {
		req.message = message
		return nil
	}
	m := h.methods[method]
	if m != nil && m.Rides {
		if req.session, req.claim.taken, err = h.cfg.Sessions.Ride(r.Context(), *cred, req.remote, method); err != nil {
			return err
		}
	}
	switch {
	case req.claim.taken != nil:
	case m != nil && m.Write:
		req.session, req.claim.taken, err = h.cfg.Sessions.Begin(r.Context(), *cred, req.remote, method)
	default:
		req.session, err = h.cfg.Sessions.Check(r.Context(), *cred, req.remote, method)
	}
	if err != nil {
		req.session = nil
		return err
	}
	req.claim.tried = req.claim.taken != nil
	switch method {
	case "exclusiveSession", "login", "logout":
	default:
		return req.session.Lockout()
	}
	return nil
}

// credentials reads the session from the headers or, for old clients, from the query. With neither the caller is anonymous and message says
// why. The codes of the faults are Koji's.
func (h *Hub) credentials(r *http.Request) (cred *auth.Credentials, message string, err error) {
	if id := r.Header.Get("Koji-Session-Id"); id != "" {
		cred, err := headerCredentials(r.Header, id)
		return cred, "", err
	}
	if h.cfg.HeaderSessionsOnly {
		return nil, "no Koji-Session-* headers", nil
	}
	if r.URL.RawQuery == "" {
		return nil, "no session header or session args", nil
	}
	q, err := strictQuery(r.URL.RawQuery)
	if err != nil {
		return nil, "", err
	}
	cred = &auth.Credentials{}
	if !q.Has("session-id") {
		return nil, "", fault.New(fault.Auth, "'session-id' not specified in session args")
	}
	if cred.ID, err = parseInt("session-id", q.Get("session-id")); err != nil {
		return nil, "", err
	}
	if !q.Has("session-key") {
		return nil, "", fault.New(fault.Auth, "'session-key' not specified in session args")
	}
	cred.Key = q.Get("session-key")
	if q.Has("callnum") {
		n, err := strconv.ParseInt(q.Get("callnum"), 10, 64)
		if err != nil {
			return nil, "", fault.New(fault.Auth, "Invalid callnum: %s", pyQuote(clip(q.Get("callnum"))))
		}
		cred.Callnum = &n
	}
	return cred, "", nil
}

func headerCredentials(header http.Header, id string) (*auth.Credentials, error) {
	cred := &auth.Credentials{Key: header.Get("Koji-Session-Key")}
	var err error
	if cred.ID, err = parseInt("Koji-Session-Id", id); err != nil {
		return nil, err
	}
	if cred.Key == "" {
		return nil, fault.New(fault.Internal, "the Koji-Session-Key header is missing")
	}
	for _, name := range []string{"Koji-Session-Callnum", "Koji-Callnum"} { // the second is what old hubs wanted
		if text := header.Get(name); text != "" {
			n, err := parseInt(name, text)
			if err != nil {
				return nil, err
			}
			cred.Callnum = &n
			break
		}
	}
	return cred, nil
}

// parseInt reads an integer that Koji would read with int(); its ValueError is fault code 1.
func parseInt(what, text string) (int64, error) {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil {
		return 0, fault.New(fault.Internal, "%s: invalid literal for int() with base 10: %s", what, pyQuote(clip(text)))
	}
	return n, nil
}

// strictQuery parses a query as Python's parse_qs does with strict_parsing: a field without "=" is an error, one without a value is not there.
func strictQuery(raw string) (url.Values, error) {
	values := url.Values{}
	for _, field := range strings.Split(raw, "&") {
		name, value, ok := strings.Cut(field, "=")
		if !ok {
			return nil, fault.New(fault.Internal, "bad query field: %s", pyQuote(clip(field)))
		}
		if value == "" {
			continue
		}
		n, nerr := url.QueryUnescape(name)
		v, verr := url.QueryUnescape(value)
		if err := errors.Join(nerr, verr); err != nil {
			return nil, fault.New(fault.Internal, "bad query field: %s", pyQuote(clip(field)))
		}
		values.Add(n, v)
	}
	return values, nil
}

// remoteAddr is the client's address: the connection's, or what trusted reverse proxies say of it. Only the part of X-Forwarded-For that a
// trusted proxy wrote is believed.
func (h *Hub) remoteAddr(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	addr = addr.Unmap().WithZone("")
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && h.trusted(addr); i-- {
		next, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		addr = next.Unmap().WithZone("")
	}
	if addr.IsLoopback() {
		return "127.0.0.1" // one machine: clients may use ::1 for one call and 127.0.0.1 for the next
	}
	return addr.String()
}

func (h *Hub) trusted(addr netip.Addr) bool {
	for _, p := range h.cfg.TrustedProxies {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}
