package hub

import (
	"strings"

	"moromi/internal/fault"
	"moromi/internal/xmlrpc"
	"moromi/projections/query"
)

// QueryOpts reads Koji's queryOpts from a parameter: countOnly, order, offset, limit, group (kojihub.db.QueryProcessor). rowlock and asList,
// which only mean something inside Koji, are taken and ignored.
func (a Args) QueryOpts(name string) (query.Opts, error) {
	m, err := a.Map(name)
	if err != nil {
		return query.Opts{}, err
	}
	return queryOpts(m)
}

func queryOpts(m map[string]any) (query.Opts, error) {
	o := query.Opts{CountOnly: xmlrpc.Truthy(m["countOnly"])}
	for key, v := range m {
		if v == nil {
			continue
		}
		switch key {
		case "order", "group":
			text, ok := v.(string)
			if !ok {
				return o, fault.New(fault.Parameter, "queryOpts: %s must be text, not %s", key, pyType(v))
			}
			if strings.ContainsAny(text, "\x00;'\"()") {
				return o, fault.New(fault.Generic, "Invalid %s: %s", key, clip(text))
			}
			if key == "order" {
				o.Order = text
			} else {
				o.Group = text
			}
		case "offset", "limit":
			n, ok := v.(int64)
			if !ok {
				return o, fault.New(fault.Parameter, "queryOpts: %s must be an integer, not %s", key, pyType(v))
			}
			if key == "offset" {
				o.Offset = max(n, 0)
			} else {
				o.Limit, o.HasLimit = n, true
			}
		}
	}
	return o, nil
}
