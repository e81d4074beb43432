package hub

import (
	"moromi/aggregates/name"
	"moromi/commands"
	"moromi/internal/fault"
	namemodel "moromi/projections/name"
	"moromi/projections/query"
	"moromi/projections/tag"
)

// targetMethods are build targets.
func targetMethods(d Deps) []Method {
	return []Method{
		{Name: "createBuildTarget", Params: "name, build_tag, dest_tag", Auth: Perm("target"), Write: true, Rides: true,
			Help: "Make a build target: what is built for it is built in one tag and tagged with the other.", Func: d.createBuildTarget},
		{Name: "editBuildTarget", Params: "buildTargetInfo, name, build_tag, dest_tag", Auth: Perm("target"), Write: true, Rides: true,
			Help: "Give a build target this name and these tags.", Func: d.editBuildTarget},
		{Name: "deleteBuildTarget", Params: "buildTargetInfo", Auth: Perm("target"), Write: true,
			Help: "End a build target. Its history stays.", Func: d.deleteBuildTarget},
		{Name: "getBuildTarget", Params: "info, event=None, strict=False", Auth: Anonymous,
			Help: "A build target by id or name, as it was at an event if one is given.", Func: d.getBuildTarget},
		{Name: "getBuildTargets", Params: "info=None, event=None, buildTagID=None, destTagID=None, queryOpts=None", Auth: Anonymous,
			Help: "Build targets, all or those that match, as they were at an event if one is given.", Func: d.getBuildTargets},
	}
}

// nameOrID reads what Koji takes for a thing: an id, a name, or a struct with either (kojihub.name_or_id_clause). With an id, name is "".
func nameOrID(info any) (id int64, name string, err error) {
	if m, ok := info.(map[string]any); ok {
		if v, there := m["id"]; there {
			if id, ok := v.(int64); ok {
				return id, "", nil
			}
			return 0, "", fault.New(fault.Parameter, "Invalid name or id value: %s", clip(pyRepr(info)))
		}
		info = m["name"]
	}
	switch v := info.(type) {
	case int64:
		return v, "", nil
	case bool:
		if v {
			id = 1
		}
		return id, "", nil
	case string:
		return 0, v, nil
	}
	return 0, "", fault.New(fault.Parameter, "Invalid name or id value: %s", clip(pyRepr(info)))
}

// named looks up the bearer of a claimed name by id, name or a struct of these, whether it still exists or not; nil if there never was one.
func (d Deps) named(c *Call, kind string, info any) (query.Row, error) {
	id, n, err := nameOrID(info)
	if err != nil {
		return nil, err
	}
	return namemodel.Find(c.Context(), d.DB, kind, id, n)
}

// theNamed is named with Koji's fault if there is none.
func (d Deps) theNamed(c *Call, kind string, info any) (query.Row, error) {
	r, err := d.named(c, kind, info)
	if err == nil && r == nil {
		err = fault.New(fault.Generic, "No such entry in table %s: %s", namemodel.Table(kind), clip(pyRepr(info)))
	}
	return r, err
}

// targetTags reads the two tags of a target.
func (d Deps) targetTags(c *Call, a Args) (in commands.Target, err error) {
	if in.Name, err = a.Reject(fault.Generic).String("name"); err != nil {
		return in, err
	}
	for _, t := range []struct {
		param, what string
		id          *int64
	}{{"build_tag", "build tag", &in.BuildTag}, {"dest_tag", "destination tag", &in.DestTag}} {
		id, n, err := nameOrID(a.Get(t.param))
		if err != nil {
			return in, err
		}
		r, err := tag.Get(c.Context(), d.DB, tag.Spec{ID: id, Name: n}, nil, false)
		if err != nil {
			return in, err
		}
		if r == nil {
			return in, fault.New(fault.Generic, "%s %s does not exist", t.what, clip(pyRepr(a.Get(t.param))))
		}
		*t.id = r["id"].(int64)
	}
	return in, nil
}

func (d Deps) createBuildTarget(c *Call, a Args) (any, error) {
	in, err := d.targetTags(c, a)
	if err != nil {
		return nil, err
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	_, err = d.Service.CreateTarget(c.Context(), actor, in)
	return nil, err
}

// theTarget is the name row of a target, which may be deleted.
func (d Deps) theTarget(c *Call, info any) (query.Row, error) {
	t, err := d.named(c, name.Target, info)
	if err == nil && t == nil {
		err = fault.New(fault.Generic, "No such build target: %s", clip(pyRepr(info)))
	}
	return t, err
}

func (d Deps) editBuildTarget(c *Call, a Args) (any, error) {
	t, err := d.theTarget(c, a.Get("buildTargetInfo"))
	if err != nil {
		return nil, err
	}
	in, err := d.targetTags(c, a)
	if err != nil {
		return nil, err
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	return nil, d.Service.EditTarget(c.Context(), actor, t["id"].(int64), in)
}

func (d Deps) deleteBuildTarget(c *Call, a Args) (any, error) {
	t, err := d.theTarget(c, a.Get("buildTargetInfo"))
	if err != nil {
		return nil, err
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	return nil, d.Service.DeleteTarget(c.Context(), actor, t["id"].(int64))
}

func (d Deps) getBuildTarget(c *Call, a Args) (any, error) {
	event, err := a.Reject(fault.Generic).IntOrNil("event")
	if err != nil {
		return nil, err
	}
	id, n, err := nameOrID(a.Get("info"))
	if err != nil {
		return nil, err
	}
	t, err := tag.Target(c.Context(), d.DB, tag.Spec{ID: id, Name: n}, event)
	if err == nil && t == nil && a.Bool("strict") {
		err = fault.New(fault.Generic, "No such build target: %s", clip(pyRepr(a.Get("info"))))
	}
	return orNil(t, err)
}

func (d Deps) getBuildTargets(c *Call, a Args) (any, error) {
	event, err := a.Reject(fault.Generic).IntOrNil("event")
	if err != nil {
		return nil, err
	}
	var f tag.TargetFilter
	if a.Bool("info") {
		if f.ID, f.Name, err = nameOrID(a.Get("info")); err != nil {
			return nil, err
		}
	}
	for param, to := range map[string]**int64{"buildTagID": &f.BuildTag, "destTagID": &f.DestTag} {
		if a.IsNil(param) {
			continue
		}
		t, err := d.named(c, name.Tag, a.Get(param))
		if err != nil {
			return nil, err
		}
		id, _ := t["id"].(int64) // 0, which no tag has, if there is none
		*to = &id
	}
	o, err := a.QueryOpts("queryOpts")
	if err != nil {
		return nil, err
	}
	return tag.Targets(c.Context(), d.DB, f, event, o)
}
