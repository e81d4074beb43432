package hub

import (
	"strings"

	"moromi/internal/fault"
	"moromi/internal/xmlrpc"
	"moromi/projections/query"
)

// QueryOpts reads Koji's queryOpts from a parameter: countOnly, order, offset, limit, asList (kojihub.db.QueryProcessor). Others are ignored:
// rowlock would hold up who writes, and Koji's queries take no group from callers.
func (a Args) QueryOpts(name string) (query.Opts, error) {
	m, err := a.Map(name)
	if err != nil {
		return query.Opts{}, err
	}
	return queryOpts(m)
}

// queryOpts reads them from a struct. As in Koji, what Python takes for false is not there, and queries that only count do not look at the order.
func queryOpts(m map[string]any) (query.Opts, error) {
	o := query.Opts{CountOnly: xmlrpc.Truthy(m["countOnly"]), AsList: xmlrpc.Truthy(m["asList"])}
	if v := m["order"]; xmlrpc.Truthy(v) {
		text, ok := v.(string)
		switch {
		case !ok && !o.CountOnly:
			return o, fault.New(fault.Parameter, "queryOpts: order must be text, not %s", pyType(v))
		case strings.ContainsAny(text, "\x00;'\"()") && !o.CountOnly:
			return o, fault.New(fault.Generic, "Invalid order: %s", clip(text))
		}
		o.Order = text
	}
	for name, to := range map[string]*int64{"offset": &o.Offset, "limit": &o.Limit} {
		switch v := m[name].(type) {
		case int64:
			*to = v
		case float64: // Python's %i cuts it off
			*to = int64(v)
		case bool:
			if v {
				*to = 1
			}
		default:
			if xmlrpc.Truthy(v) {
				return o, fault.New(fault.Parameter, "queryOpts: %s must be an integer, not %s", name, pyType(v))
			}
		}
	}
	return o, nil
}
