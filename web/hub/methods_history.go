package hub

import (
	"fmt"
	"strconv"
	"time"

	"moromi/aggregates/name"
	"moromi/internal/fault"
	"moromi/internal/xmlrpc"
	"moromi/projections/catalog"
	"moromi/projections/history"
	"moromi/projections/query"
)

// historyMethods show what was when.
func historyMethods(d Deps) []Method {
	return []Method{{Name: "queryHistory", Params: "tables=None, **kwargs", Auth: Anonymous,
		Help: "Every version in the versioned tables, all or those named: who made and ended it and when. Limits: tag, build, host, channel, package, user, " +
			"permission, cg, external_repo, build_target, group, xkey, active, editor, after, before, afterEvent, beforeEvent; queryOpts hold for each table.",
		Func: d.queryHistory}}
}

func (d Deps) queryHistory(c *Call, a Args) (any, error) {
	var names []string
	var err error
	if a.IsNil("tables") || a.Bool("tables") {
		names, err = a.Reject(fault.Generic).Strings("tables")
	} else {
		names = []string{} // Python goes through an empty text or struct as through an empty list
	}
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		if !history.Has(n) {
			return nil, fault.New(fault.Generic, "No such history table: %s", clip(n))
		}
	}
	if names == nil {
		names = history.Names()
	}
	kw := a.Extra()
	opts, ok := kw["queryOpts"].(map[string]any)
	if !ok && kw["queryOpts"] != nil {
		return nil, fault.New(fault.Parameter, "queryOpts must be a struct, not %s", pyType(kw["queryOpts"]))
	}
	o, err := queryOpts(opts)
	if err != nil {
		return nil, err
	}
	for k := range kw {
		names = history.With(names, k)
	}
	out := map[string]any{}
	if len(names) == 0 {
		return out, nil
	}
	f, err := d.historyFilter(c, names, kw)
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		if out[n], err = history.Query(c.Context(), d.DB, n, f, o); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// historyFilter reads the limits of a query of these tables.
func (d Deps) historyFilter(c *Call, names []string, kw map[string]any) (history.Filter, error) {
	var f history.Filter
	things := map[string]struct {
		to   **int64
		find func(*Call, any) (query.Row, error)
	}{
		"tag":           {&f.Tag, d.claimed(name.Tag)},
		"external_repo": {&f.ExternalRepo, d.claimed(name.ExternalRepo)},
		"build_target":  {&f.Target, d.claimed(name.Target)},
		"group":         {&f.Group, d.claimed(name.Group)},
		"build":         {&f.Build, d.theBuild},
		"user":          {&f.User, d.theUser},
		"editor":        {&f.Editor, d.theUser},
		"permission":    {&f.Permission, d.listed("permission", "permissions")},
		"cg":            {&f.Generator, d.listed("content generator", "content_generator")},
		"channel":       {&f.Channel, d.findChannel},
		"host":          {&f.Host, func(c *Call, info any) (query.Row, error) { return d.findHost(c, info, nil) }},
	}
	for k, v := range kw {
		t, known := things[k]
		if !known {
			continue
		}
		r, err := t.find(c, v)
		if err != nil {
			return f, err
		}
		id, _ := r["id"].(int64) // 0, which nothing has, for a host or channel that is not there
		*t.to = &id
	}
	if v, there := kw["package"]; there {
		if history.WantsRPMName(names) {
			text := fmt.Sprint(v)
			f.PackageName = &text
		}
		if history.WantsPackage(names) {
			p, err := d.theNamed(c, name.Package, v)
			if err != nil {
				return f, err
			}
			id := p["id"].(int64)
			f.Package = &id
		}
	}
	if v, there := kw["xkey"]; there {
		text := fmt.Sprint(v)
		f.Key = &text
	}
	if v := kw["active"]; v != nil {
		active := xmlrpc.Truthy(v)
		f.Active = &active
	}
	return f, historyTimes(&f, kw)
}

// historyTimes reads the limits in time.
func historyTimes(f *history.Filter, kw map[string]any) (err error) {
	for k, to := range map[string]**time.Time{"after": &f.After, "before": &f.Before} {
		if *to, err = timeValue(kw[k]); err != nil {
			return err
		}
	}
	for k, to := range map[string]**int64{"afterEvent": &f.AfterEvent, "beforeEvent": &f.BeforeEvent} {
		switch v := kw[k].(type) {
		case nil:
			continue
		case int64:
			*to = &v
			continue
		case string: // clients that pass on what somebody typed
			if id, err := strconv.ParseInt(v, 10, 64); err == nil {
				*to = &id
				continue
			}
		}
		return fault.New(fault.Parameter, "%s must be an event's id, not %s", k, clip(pyRepr(kw[k])))
	}
	return nil
}

// claimed looks up the bearer of a name of the kind, which must be there, existing or deleted.
func (d Deps) claimed(kind string) func(*Call, any) (query.Row, error) {
	return func(c *Call, info any) (query.Row, error) { return d.theNamed(c, kind, info) }
}

// listed looks up a catalogue entry of the kind, which must be there; table is what Koji's fault calls the place.
func (d Deps) listed(kind, table string) func(*Call, any) (query.Row, error) {
	return func(c *Call, info any) (query.Row, error) {
		id, n, err := nameOrID(info)
		if err != nil {
			return nil, err
		}
		var key any = n
		if n == "" {
			key = id
		}
		r, err := catalog.Find(c.Context(), d.DB, kind, key)
		if err == nil && r == nil {
			err = fault.New(fault.Generic, "No such entry in table %s: %s", table, clip(pyRepr(info)))
		}
		return r, err
	}
}
