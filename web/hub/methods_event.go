package hub

import (
	"moromi/aggregates/name"
	"moromi/internal/fault"
	"moromi/projections/event"
	"moromi/projections/query"
	"moromi/projections/tag"
)

// eventMethods are events and when tags changed.
func eventMethods(d Deps) []Method {
	return []Method{
		{Name: "getEvent", Params: "id, strict=True", Auth: Anonymous, Help: "An event and its time in seconds since the epoch.", Func: d.getEvent},
		{Name: "getLastEvent", Params: "before=None, strict=True", Auth: Anonymous,
			Help: "The last event, or the last one before a time in seconds since the epoch.", Func: d.getLastEvent},
		{Name: "tagChangedSinceEvent", Params: "event, taglist", Auth: Anonymous,
			Help: "Whether any of the tags (ids), without what they inherit, changed after an event.", Func: d.tagChangedSinceEvent},
		{Name: "tagLastChangeEvent", Params: "tag, before=None, inherit=True", Auth: Anonymous,
			Help: "The last event, before another if one is given, that changed a tag or what it inherits.", Func: d.tagLastChangeEvent},
		{Name: "tagFirstChangeEvent", Params: "tag, after=None, inherit=True", Auth: Anonymous,
			Help: "The first event after another that changed a tag or what it inherits; without one, the event that made the tag.", Func: d.tagFirstChangeEvent},
	}
}

// eventOr gives an event that was found, or refuses if there is none and one must be there.
func eventOr(r query.Row, err error, strict bool) (any, error) {
	if err == nil && r == nil && strict {
		err = fault.New(fault.Generic, "No such event")
	}
	return orNil(r, err)
}

func (d Deps) getEvent(c *Call, a Args) (any, error) {
	id, err := a.Int("id")
	if err == nil {
		err = a.given("strict")
	}
	if err != nil {
		return nil, err
	}
	r, err := event.Get(c.Context(), d.DB, id, int64(d.Service.Models.Position()))
	return eventOr(r, err, a.Bool("strict"))
}

func (d Deps) getLastEvent(c *Call, a Args) (any, error) {
	if err := a.given("strict"); err != nil {
		return nil, err
	}
	before, err := a.Reject(fault.Generic).FloatOrNil("before")
	if err != nil {
		return nil, err
	}
	r, err := event.Last(c.Context(), d.DB, before)
	return eventOr(r, err, a.Bool("strict"))
}

func (d Deps) tagChangedSinceEvent(c *Call, a Args) (any, error) {
	since, err := a.Int("event")
	if err != nil {
		return nil, err
	}
	tags, err := a.IDs("taglist")
	if err != nil {
		return nil, err
	}
	if len(tags) == 0 {
		return nil, fault.New(fault.Parameter, "taglist must name at least one tag")
	}
	return event.TagsChangedSince(c.Context(), d.DB, since, tags)
}

func (d Deps) tagLastChangeEvent(c *Call, a Args) (any, error) {
	s, err := tagSpec(a.Get("tag"))
	if err != nil {
		return nil, err
	}
	t, err := tag.GetLast(c.Context(), d.DB, s)
	if err != nil {
		return nil, err
	}
	if t == nil {
		return nil, fault.New(fault.Generic, "No such tagInfo: %s", clip(pyRepr(a.Get("tag"))))
	}
	before, err := a.IntOrNil("before")
	if err != nil {
		return nil, err
	}
	gone, deleted := t["revoke_event"].(int64)
	if deleted && before == nil {
		return gone, nil
	}
	at, err := event.TagLastChange(c.Context(), d.DB, t["id"].(int64), before, a.Bool("inherit"))
	if err != nil || at == nil {
		return nil, err
	}
	if deleted {
		return min(*at, gone), nil
	}
	return *at, nil
}

func (d Deps) tagFirstChangeEvent(c *Call, a Args) (any, error) {
	t, err := d.theNamed(c, name.Tag, a.Get("tag"))
	if err != nil {
		return nil, err
	}
	after, err := a.IntOrNil("after")
	if err != nil {
		return nil, err
	}
	at, err := event.TagFirstChange(c.Context(), d.DB, t["id"].(int64), after, a.Bool("inherit"))
	if err != nil || at == nil {
		return nil, err
	}
	return *at, nil
}
