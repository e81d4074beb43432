package hub

import (
	"slices"

	tagaggregate "moromi/aggregates/tag"
	"moromi/internal/fault"
	"moromi/internal/xmlrpc"
	"moromi/projections/query"
	"moromi/projections/tag"
)

func (d Deps) getInheritanceData(c *Call, a Args) (any, error) {
	event, err := a.Reject(fault.Generic).IntOrNil("event")
	if err != nil {
		return nil, err
	}
	id, err := d.theEverTag(c, a.Get("tag"))
	if err != nil {
		return nil, err
	}
	return tag.Direct(c.Context(), d.DB, id, event)
}

// removedOptions are those of getFullInheritance that Koji gave up: they may still be named, as long as they are empty.
var removedOptions = []string{"stops", "jumps"}

func (d Deps) getFullInheritance(c *Call, a Args) (any, error) {
	for k, v := range a.Extra() {
		if !slices.Contains(removedOptions, k) {
			return nil, fault.New(fault.Parameter, "getFullInheritance() got an unexpected keyword argument %s", pyQuote(clip(k)))
		}
		if xmlrpc.Truthy(v) {
			return nil, fault.New(fault.Parameter, "the option %s was removed", k)
		}
	}
	event, err := a.Reject(fault.Generic).IntOrNil("event")
	if err != nil {
		return nil, err
	}
	id, isID := a.Get("tag").(int64)
	if !isID {
		if id, err = d.theEverTag(c, a.Get("tag")); err != nil {
			return nil, err
		}
	}
	reverse := a.Bool("reverse")
	links, err := tag.FullInheritance(c.Context(), d.DB, id, event, tag.InheritanceOptions{Reverse: reverse})
	if err != nil {
		return nil, err
	}
	rows := make([]query.Row, len(links))
	for i, l := range links {
		rows[i] = l.Row(reverse)
	}
	return rows, nil
}

func (d Deps) setInheritanceData(c *Call, a Args) (any, error) {
	t, err := d.theTag(c, a.Get("tag"), nil)
	if err != nil {
		return nil, err
	}
	var list []any
	switch v := a.Get("data").(type) {
	case map[string]any:
		list = []any{v}
	default:
		if list, err = a.List("data"); err != nil {
			return nil, err
		}
	}
	links := make([]tagaggregate.Link, len(list))
	for i, x := range list {
		if links[i], err = d.inheritanceLink(c, x); err != nil {
			return nil, err
		}
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	return nil, d.Service.SetInheritance(c.Context(), actor, t["id"].(int64), links, a.Bool("clear"))
}

// inheritanceLink reads one link of setInheritanceData.
func (d Deps) inheritanceLink(c *Call, x any) (tagaggregate.Link, error) {
	m, ok := x.(map[string]any)
	if !ok {
		return tagaggregate.Link{}, fault.New(fault.Generic, "an inheritance link must be a struct, not %s", pyType(x))
	}
	l := tagaggregate.Link{Delete: xmlrpc.Truthy(m["delete link"])}
	needed := []string{"parent_id", "priority", "maxdepth", "intransitive", "noconfig", "pkg_filter"}
	if l.Delete {
		needed = needed[:1]
	}
	for _, f := range needed {
		if _, there := m[f]; !there {
			return l, fault.New(fault.Generic, "No value for %s", f)
		}
	}
	p, err := d.theTag(c, m["parent_id"], nil)
	if err != nil || l.Delete {
		if p != nil {
			l.ParentID = p["id"].(int64)
		}
		return l, err
	}
	l.ParentID = p["id"].(int64)
	var isInt bool
	if l.Priority, isInt = m["priority"].(int64); !isInt {
		return l, fault.New(fault.Parameter, "priority must be an integer, not %s", pyType(m["priority"]))
	}
	if m["maxdepth"] != nil {
		depth, isInt := m["maxdepth"].(int64)
		if !isInt {
			return l, fault.New(fault.Parameter, "maxdepth must be an integer, not %s", pyType(m["maxdepth"]))
		}
		l.MaxDepth = &depth
	}
	l.Intransitive, l.NoConfig = xmlrpc.Truthy(m["intransitive"]), xmlrpc.Truthy(m["noconfig"])
	l.PackageFilter, _ = m["pkg_filter"].(string)
	return l, nil
}
