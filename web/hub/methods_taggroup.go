package hub

import (
	"moromi/aggregates/name"
	"moromi/commands"
	"moromi/internal/fault"
	"moromi/projections/query"
	"moromi/projections/tag"
)

// tagGroupMethods are the comps groups of tags.
func tagGroupMethods(d Deps) []Method {
	perm := Perm("tag")
	return []Method{
		{Name: "getTagGroups", Params: "tag, event=None, inherit=True, incl_pkgs=True, incl_reqs=True, incl_blocked=False", Auth: Anonymous,
			Help: "A tag's comps groups with their rpm names and requirements, with what is inherited.", Func: d.getTagGroups},
		{Name: "groupListAdd", Params: "taginfo, grpinfo, block=False, force=False, **opts", Auth: perm, Write: true,
			Help: "List a comps group in a tag or change it: display_name, description, exported, is_default, uservisible, langonly, biarchonly.", Func: d.groupListAdd},
		{Name: "groupListRemove", Params: "taginfo, grpinfo, force=False", Auth: perm, Write: true,
			Help: "Take away what a tag itself says of a group; to hide an inherited one, block it.", Func: d.groupListRemove},
		{Name: "groupListBlock", Params: "taginfo, grpinfo", Auth: perm, Write: true,
			Help: "Hide a group in a tag.", Func: d.groupListBlock},
		{Name: "groupListUnblock", Params: "taginfo, grpinfo", Auth: perm, Write: true,
			Help: "End that a tag itself hides a group.", Func: d.groupListUnblock},
		{Name: "groupPackageListAdd", Params: "taginfo, grpinfo, pkg_name, block=False, force=False, **opts", Auth: perm, Write: true,
			Help: "Put an rpm name into a tag's group or change how it is there: type, basearchonly, requires.", Func: d.groupPackageListAdd},
		{Name: "groupPackageListRemove", Params: "taginfo, grpinfo, pkg_name", Auth: perm, Write: true,
			Help: "Take an rpm name out of a tag's own group.", Func: d.groupPackageListRemove},
		{Name: "groupPackageListBlock", Params: "taginfo, grpinfo, pkg_name", Auth: perm, Write: true,
			Help: "Hide an rpm name in a tag's group.", Func: d.groupPackageListBlock},
		{Name: "groupPackageListUnblock", Params: "taginfo, grpinfo, pkg_name", Auth: perm, Write: true,
			Help: "End that a tag itself hides an rpm name in a group.", Func: d.groupPackageListUnblock},
		{Name: "groupReqListAdd", Params: "taginfo, grpinfo, reqinfo, block=False, force=False, **opts", Auth: perm, Write: true,
			Help: "Make a tag's group need another group or change how: type, is_metapkg.", Func: d.groupReqListAdd},
		{Name: "groupReqListRemove", Params: "taginfo, grpinfo, reqinfo, force=None", Auth: perm, Write: true,
			Help: "End that a tag's own group needs another; force means nothing any more.", Func: d.groupReqListRemove},
		{Name: "groupReqListBlock", Params: "taginfo, grpinfo, reqinfo", Auth: perm, Write: true,
			Help: "Hide that a tag's group needs another.", Func: d.groupReqListBlock},
		{Name: "groupReqListUnblock", Params: "taginfo, grpinfo, reqinfo", Auth: perm, Write: true,
			Help: "End that a tag itself hides that a group needs another.", Func: d.groupReqListUnblock},
	}
}

func (d Deps) getTagGroups(c *Call, a Args) (any, error) {
	event, err := a.Reject(fault.Generic).IntOrNil("event")
	if err != nil {
		return nil, err
	}
	t, err := d.theNamed(c, name.Tag, a.Get("tag"))
	if err != nil {
		return nil, err
	}
	return tag.TagGroups(c.Context(), d.DB, t["id"].(int64), event, a.Bool("inherit"), a.Bool("incl_pkgs"), a.Bool("incl_reqs"), a.Bool("incl_blocked"))
}

// options reads the optional fields of a change. Names that are not known are ignored, as Koji does. The first mistake stays in err.
type options struct {
	given map[string]any
	err   error
}

func (o *options) wrong(key, want string) {
	if o.err == nil {
		o.err = fault.New(fault.Parameter, "%s must be %s, not %s", key, want, pyType(o.given[key]))
	}
}

func (o *options) text(key string) commands.Field[string] {
	v, there := o.given[key]
	f := commands.Field[string]{Given: there}
	if s, ok := v.(string); ok {
		f.Value = &s
	} else if v != nil {
		o.wrong(key, "text")
	}
	return f
}

func (o *options) flag(key string) commands.Field[bool] {
	v, there := o.given[key]
	f := commands.Field[bool]{Given: there}
	if b, ok := v.(bool); ok {
		f.Value = &b
	} else if v != nil {
		o.wrong(key, "a boolean")
	}
	return f
}

func (d Deps) groupListAdd(c *Call, a Args) (any, error) {
	o := &options{given: a.Extra()}
	in := commands.TagGroup{Block: a.Bool("block"), Force: a.Bool("force"),
		DisplayName: o.text("display_name"), Description: o.text("description"), LangOnly: o.text("langonly"),
		Exported: o.flag("exported"), IsDefault: o.flag("is_default"), UserVisible: o.flag("uservisible"), BiarchOnly: o.flag("biarchonly")}
	if in.DisplayName.Given && in.DisplayName.Value == nil {
		o.wrong("display_name", "text")
	}
	if o.err != nil {
		return nil, o.err
	}
	return d.listGroup(c, a, in)
}

func (d Deps) groupListBlock(c *Call, a Args) (any, error) {
	return d.listGroup(c, a, commands.TagGroup{Block: true})
}

// listGroup lists a group in a tag. A group that has no id yet gets one if it is named by name.
func (d Deps) listGroup(c *Call, a Args, in commands.TagGroup) (any, error) {
	t, err := d.theTag(c, a.Get("taginfo"), nil)
	if err != nil {
		return nil, err
	}
	g, err := d.named(c, name.Group, a.Get("grpinfo"))
	if err != nil {
		return nil, err
	}
	if g != nil {
		in.Group = g["name"].(string)
	} else if in.Group, err = a.Reject(fault.Generic).String("grpinfo"); err != nil {
		return nil, err
	}
	in.Tag = t
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	return nil, d.Service.ListGroup(c.Context(), actor, in)
}

// tagAndGroup looks up the tag and the group that a change is about.
func (d Deps) tagAndGroup(c *Call, a Args) (e commands.GroupEntry, actor commands.Actor, err error) {
	if e.Tag, err = d.theTag(c, a.Get("taginfo"), nil); err != nil {
		return e, actor, err
	}
	if e.Group, err = d.theNamed(c, name.Group, a.Get("grpinfo")); err != nil {
		return e, actor, err
	}
	actor, err = d.actor(c)
	return e, actor, err
}

func (d Deps) groupListRemove(c *Call, a Args) (any, error) {
	e, actor, err := d.tagAndGroup(c, a)
	if err != nil {
		return nil, err
	}
	return nil, d.Service.RemoveGroup(c.Context(), actor, e.Tag, e.Group, a.Bool("force"))
}

func (d Deps) groupListUnblock(c *Call, a Args) (any, error) {
	e, actor, err := d.tagAndGroup(c, a)
	if err != nil {
		return nil, err
	}
	return nil, d.Service.UnblockGroup(c.Context(), actor, e.Tag, e.Group)
}

func (d Deps) groupPackageListAdd(c *Call, a Args) (any, error) {
	o := &options{given: a.Extra()}
	in := commands.GroupPackage{GroupEntry: commands.GroupEntry{Block: a.Bool("block"), Force: a.Bool("force")},
		Type: o.text("type"), BasearchOnly: o.flag("basearchonly"), Requires: o.text("requires")}
	if o.err != nil {
		return nil, o.err
	}
	return d.listGroupPackage(c, a, in)
}

func (d Deps) groupPackageListBlock(c *Call, a Args) (any, error) {
	return d.listGroupPackage(c, a, commands.GroupPackage{GroupEntry: commands.GroupEntry{Block: true}})
}

func (d Deps) listGroupPackage(c *Call, a Args, in commands.GroupPackage) (any, error) {
	e, actor, err := d.tagAndGroup(c, a)
	if err != nil {
		return nil, err
	}
	in.Tag, in.Group = e.Tag, e.Group
	if in.Package, err = a.String("pkg_name"); err != nil {
		return nil, err
	}
	return nil, d.Service.ListGroupPackage(c.Context(), actor, in)
}

func (d Deps) groupPackageListRemove(c *Call, a Args) (any, error) {
	e, actor, err := d.tagAndGroup(c, a)
	if err != nil {
		return nil, err
	}
	pkg, err := a.String("pkg_name")
	if err != nil {
		return nil, err
	}
	return nil, d.Service.RemoveGroupPackage(c.Context(), actor, e, pkg)
}

func (d Deps) groupPackageListUnblock(c *Call, a Args) (any, error) {
	e, actor, err := d.tagAndGroup(c, a)
	if err != nil {
		return nil, err
	}
	pkg, err := a.String("pkg_name")
	if err != nil {
		return nil, err
	}
	return nil, d.Service.UnblockGroupPackage(c.Context(), actor, e, pkg)
}

// tagGroupAndNeed is tagAndGroup with the group that the group needs.
func (d Deps) tagGroupAndNeed(c *Call, a Args) (commands.GroupEntry, query.Row, commands.Actor, error) {
	e, actor, err := d.tagAndGroup(c, a)
	if err != nil {
		return e, nil, actor, err
	}
	need, err := d.theNamed(c, name.Group, a.Get("reqinfo"))
	return e, need, actor, err
}

func (d Deps) groupReqListAdd(c *Call, a Args) (any, error) {
	o := &options{given: a.Extra()}
	in := commands.GroupRequirement{GroupEntry: commands.GroupEntry{Block: a.Bool("block"), Force: a.Bool("force")},
		Type: o.text("type"), IsMetapackage: o.flag("is_metapkg")}
	if o.err != nil {
		return nil, o.err
	}
	return d.listGroupRequirement(c, a, in)
}

func (d Deps) groupReqListBlock(c *Call, a Args) (any, error) {
	return d.listGroupRequirement(c, a, commands.GroupRequirement{GroupEntry: commands.GroupEntry{Block: true}})
}

func (d Deps) listGroupRequirement(c *Call, a Args, in commands.GroupRequirement) (any, error) {
	e, need, actor, err := d.tagGroupAndNeed(c, a)
	if err != nil {
		return nil, err
	}
	in.Tag, in.Group, in.Need = e.Tag, e.Group, need
	return nil, d.Service.ListGroupRequirement(c.Context(), actor, in)
}

func (d Deps) groupReqListRemove(c *Call, a Args) (any, error) {
	e, need, actor, err := d.tagGroupAndNeed(c, a)
	if err != nil {
		return nil, err
	}
	return nil, d.Service.RemoveGroupRequirement(c.Context(), actor, e, need)
}

func (d Deps) groupReqListUnblock(c *Call, a Args) (any, error) {
	e, need, actor, err := d.tagGroupAndNeed(c, a)
	if err != nil {
		return nil, err
	}
	return nil, d.Service.UnblockGroupRequirement(c.Context(), actor, e, need)
}
