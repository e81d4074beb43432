package hub

import (
	"slices"
	"strconv"
	"strings"

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
	id, isID := a.Get("tag").(int64)
	if !isID {
		var err error
		if id, err = d.theEverTag(c, a.Get("tag")); err != nil {
			return nil, err
		}
	}
	event, err := a.Reject(fault.Generic).IntOrNil("event")
	if err != nil {
		return nil, err
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
	if l.Priority, err = linkNumber(m, "priority"); err != nil {
		return l, err
	}
	if m["maxdepth"] != nil {
		depth, err := linkNumber(m, "maxdepth")
		if err != nil {
			return l, err
		}
		l.MaxDepth = &depth
	}
	l.Intransitive, l.NoConfig = xmlrpc.Truthy(m["intransitive"]), xmlrpc.Truthy(m["noconfig"])
	l.PackageFilter, _ = m["pkg_filter"].(string)
	return l, nil
}

// linkNumber is a member of a link that is a whole number. Koji's client sends the priority that its user typed as text, which Koji's
// database takes for a number.
func linkNumber(m map[string]any, key string) (int64, error) {
	switch v := m[key].(type) {
	case int64:
		return v, nil
	case string:
		if n, err := strconv.ParseInt(strings.TrimSpace(v), 10, 32); err == nil {
			return n, nil
		}
	}
	return 0, fault.New(fault.Parameter, "%s must be an integer, not %s", key, pyType(m[key]))
}
