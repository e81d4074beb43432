package hub

import (
	"encoding/json"
	"slices"

	"moromi/commands"
	"moromi/events"
	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/internal/xmlrpc"
	"moromi/projections/query"
	"moromi/projections/tag"
)

// tagMethods are tags, their settings and what they inherit.
func tagMethods(d Deps) []Method {
	tagEver := func(c *Call, a Args) error {
		_, err := d.theEverTag(c, a.Get("tag"))
		return err
	}
	return []Method{
		{Name: "getTag", Params: "tagInfo, strict=False, event=None, blocked=False", Auth: Anonymous, Help: "A tag by id or name, as of an event; \"auto\" gives a deleted tag as it was last.", Func: d.getTag},
		{Name: "getTagID", Params: "info, strict=False, create=False", Auth: Anonymous, Help: "The id of a tag, given by name or id.", Func: d.getTagID},
		{Name: "listTags", Params: "build=None, package=None, perms=True, queryOpts=None, pattern=None", Auth: Anonymous, Help: "All tags, or those of a build or a package, or with a matching name.", Func: d.listTags},
		{Name: "createTag", Params: "name, parent=None, arches=None, perm=None, locked=False, maven_support=False, maven_include_all=False, extra=None", Auth: Perm("tag"), Write: true, Rides: true, Help: "Make a tag; answers its id.", Func: d.createTag},
		{Name: "editTag2", Params: "tagInfo, **kwargs", Auth: Perm("tag"), Write: true, Rides: true, Help: "Change a tag: name, arches, perm, locked, maven flags, extra, remove_extra, block_extra.", Func: d.editTag2},
		{Name: "editTag", Params: "tagInfo, name, arches, locked, permissionID, extra=None", Auth: Perm("tag"), Write: true, Rides: true, Help: "Change a tag (superseded by editTag2).", Func: d.editTag},
		{Name: "deleteTag", Params: "tagInfo", Auth: Perm("tag"), Write: true, Help: "End a tag and all that is in it; its history stays.", Func: d.deleteTag},
		{Name: "getBuildConfig", Params: "tag, event=None", Auth: Anonymous, Help: "A tag with the arches and extra settings that it inherits.", Func: d.getBuildConfig},
		{Name: "getInheritanceData", Params: "tag, event=None", Auth: Anonymous, Help: "A tag's own links to parents.", Func: d.getInheritanceData},
		{Name: "setInheritanceData", Params: "tag, data, clear=False", Auth: Perm("tag"), Write: true, Rides: true, First: tagEver, Help: "Change a tag's links to parents; clear ends those that are not named.", Func: d.setInheritanceData},
		{Name: "getFullInheritance", Params: "tag, event=None, reverse=False, **kwargs", Auth: Anonymous, Help: "Everything a tag inherits from, in order; reverse: everything that inherits from it.", Func: d.getFullInheritance},
	}
}

// tagSpec reads how clients name a tag.
func tagSpec(info any) (tag.Spec, error) {
	switch v := info.(type) {
	case int64:
		return tag.Spec{ID: v}, nil
	case string:
		return tag.Spec{Name: v}, nil
	case map[string]any:
		if id, there := v["id"]; there {
			n, ok := id.(int64)
			if !ok {
				return tag.Spec{}, fault.New(fault.Parameter, "Invalid name or id value: %s", clip(pyRepr(info)))
			}
			return tag.Spec{ID: n}, nil
		}
		if n, ok := v["name"].(string); ok {
			return tag.Spec{Name: n}, nil
		}
	}
	return tag.Spec{}, fault.New(fault.Parameter, "Invalid name or id value: %s", clip(pyRepr(info)))
}

// findTag looks a tag up; nil if there is none.
func (d Deps) findTag(c *Call, info any, event *int64) (query.Row, error) {
	s, err := tagSpec(info)
	if err != nil {
		return nil, err
	}
	return tag.Get(c.Context(), d.DB, s, event, false)
}

// theTag is findTag for a tag that must be there.
func (d Deps) theTag(c *Call, info any, event *int64) (query.Row, error) {
	t, err := d.findTag(c, info, event)
	if err == nil && t == nil {
		err = fault.New(fault.Generic, "No such tagInfo: %s", clip(pyRepr(info)))
	}
	return t, err
}

// everTag gives the id of a tag that is there or once was, 0 if there was never one. Koji looks tags up so where it asks about what is or was
// in them: those that are deleted have nothing in them.
func (d Deps) everTag(c *Call, info any) (int64, error) {
	s, err := tagSpec(info)
	if err != nil {
		return 0, err
	}
	return tag.Ever(c.Context(), d.DB, s)
}

// theEverTag is everTag for a tag that there must have been.
func (d Deps) theEverTag(c *Call, info any) (int64, error) {
	id, err := d.everTag(c, info)
	if err == nil && id == 0 {
		err = fault.New(fault.Generic, "No such entry in table tag: %s", clip(pyRepr(info)))
	}
	return id, err
}

func (d Deps) getTag(c *Call, a Args) (any, error) {
	info := a.Get("tagInfo")
	s, err := tagSpec(info)
	if err != nil {
		return nil, err
	}
	var t query.Row
	if a.Get("event") == "auto" {
		t, err = tag.GetLast(c.Context(), d.DB, s)
	} else {
		var event *int64
		if event, err = a.Reject(fault.Generic).IntOrNil("event"); err != nil {
			return nil, err
		}
		t, err = tag.Get(c.Context(), d.DB, s, event, a.Bool("blocked"))
	}
	if err == nil && t == nil && a.Bool("strict") {
		err = fault.New(fault.Generic, "No such tagInfo: %s", clip(pyRepr(info)))
	}
	return orNil(t, err)
}

func (d Deps) getTagID(c *Call, a Args) (any, error) {
	find := d.everTag
	if a.Bool("strict") {
		find = d.theEverTag
	}
	id, err := find(c, a.Get("info"))
	if err != nil || id == 0 {
		return nil, err
	}
	return id, nil
}

func (d Deps) listTags(c *Call, a Args) (any, error) {
	f := tag.ListFilter{NoPerms: !a.Bool("perms")}
	if !a.IsNil("build") && !a.IsNil("package") {
		return nil, fault.New(fault.Generic, "only one of build and package may be specified")
	}
	if !a.IsNil("build") {
		b, err := d.theBuild(c, a.Get("build"))
		if err != nil {
			return nil, err
		}
		id := b["id"].(int64)
		f.Build = &id
	}
	if !a.IsNil("package") {
		p, err := d.thePackage(c, a.Get("package"))
		if err != nil {
			return nil, err
		}
		id := p["id"].(int64)
		f.Package = &id
	}
	var err error
	if f.Pattern, err = a.StringOrNil("pattern"); err != nil {
		return nil, err
	}
	o, err := a.QueryOpts("queryOpts")
	if err != nil {
		return nil, err
	}
	return tag.List(c.Context(), d.DB, f, nil, o)
}

// arches reads arches that are separated by blanks, or a list of them, and checks them. None stays none.
func arches(v any) (*string, error) {
	text, err := archList(v)
	if err != nil || text == nil {
		return nil, err
	}
	checked, err := koji.ParseArches(*text)
	return &checked, err
}

// archList is arches without the check.
func archList(v any) (*string, error) {
	var text string
	switch v := v.(type) {
	case nil:
		return nil, nil
	case string:
		text = v
	case []any:
		for _, x := range v {
			s, ok := x.(string)
			if !ok {
				return nil, fault.New(fault.Generic, "arches must be text, not %s", pyType(x))
			}
			text += " " + s
		}
	default:
		return nil, fault.New(fault.Generic, "arches must be text, not %s", pyType(v))
	}
	return &text, nil
}

// extraSettings encodes the values of extra settings.
func extraSettings(m map[string]any) (map[string]json.RawMessage, error) {
	out := map[string]json.RawMessage{}
	for k, v := range m {
		b, err := json.Marshal(v)
		if err != nil {
			return nil, fault.Wrap(err, fault.Parameter, "the extra setting %s cannot be kept as JSON", clip(k))
		}
		out[k] = b
	}
	return out, nil
}

func (d Deps) createTag(c *Call, a Args) (any, error) {
	in := commands.CreateTag{}
	var err error
	if in.Name, err = a.Reject(fault.Generic).String("name"); err != nil {
		return nil, err
	}
	s := events.TagSettings{Locked: a.Bool("locked"), MavenSupport: a.Bool("maven_support"), MavenIncludeAll: a.Bool("maven_include_all")}
	if s.Arches, err = arches(a.Get("arches")); err != nil {
		return nil, err
	}
	if s.Arches == nil {
		s.Arches = new(string) // as Koji stores it when none are given
	}
	if !a.IsNil("perm") {
		id, _, err := d.permission(c.Context(), a.Get("perm"))
		if err != nil {
			return nil, err
		}
		s.PermissionID = &id
	}
	in.Settings = s
	extra, err := a.Map("extra")
	if err != nil {
		return nil, err
	}
	if in.Extra, err = extraSettings(extra); err != nil {
		return nil, err
	}
	if xmlrpc.Truthy(a.Get("parent")) {
		p, err := d.findTag(c, a.Get("parent"), nil)
		if err != nil {
			return nil, err
		}
		if p == nil {
			return nil, fault.New(fault.Generic, "Parent tag '%v' could not be found", a.Get("parent"))
		}
		in.Parents = []events.Inheritance{{ParentID: p["id"].(int64)}}
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	return d.Service.CreateTag(c.Context(), actor, in)
}

func (d Deps) deleteTag(c *Call, a Args) (any, error) {
	t, err := d.theTag(c, a.Get("tagInfo"), nil)
	if err != nil {
		return nil, err
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	return nil, d.Service.DeleteTag(c.Context(), actor, t["id"].(int64))
}

func (d Deps) getBuildConfig(c *Call, a Args) (any, error) {
	s, err := tagSpec(a.Get("tag"))
	if err != nil {
		return nil, err
	}
	event, err := a.Reject(fault.Generic).IntOrNil("event")
	if err != nil {
		return nil, err
	}
	cfg, err := tag.BuildConfig(c.Context(), d.DB, s, event)
	if err == nil && cfg == nil {
		err = fault.New(fault.Generic, "No such tagInfo: %s", clip(pyRepr(a.Get("tag"))))
	}
	return orNil(cfg, err)
}

// editTag2 changes what its keywords name; those that it does not know it ignores, as Koji does.
func (d Deps) editTag2(c *Call, a Args) (any, error) {
	kw := a.Extra()
	return nil, d.changeTag(c, a.Get("tagInfo"), kw)
}

func (d Deps) editTag(c *Call, a Args) (any, error) {
	kw := map[string]any{"name": a.Get("name"), "arches": a.Get("arches"), "locked": a.Get("locked"), "perm_id": a.Get("permissionID")}
	if !a.IsNil("extra") {
		kw["extra"] = a.Get("extra")
	}
	return nil, d.changeTag(c, a.Get("tagInfo"), kw)
}

func (d Deps) changeTag(c *Call, info any, kw map[string]any) error {
	t, err := d.theTag(c, info, nil)
	if err != nil {
		return err
	}
	in := commands.EditTag{}
	if n, ok := kw["name"].(string); ok && n != t["name"] {
		in.Name = n
	}
	if in.Settings, err = d.editedSettings(c, t, kw); err != nil {
		return err
	}
	if err := editedExtra(&in, kw); err != nil {
		return err
	}
	actor, err := d.actor(c)
	if err != nil {
		return err
	}
	return d.Service.EditTag(c.Context(), actor, t["id"].(int64), in)
}

// editedSettings are a tag's settings with the changes that are asked for.
func (d Deps) editedSettings(c *Call, t query.Row, kw map[string]any) (*events.TagSettings, error) {
	s := events.TagSettings{Locked: t["locked"].(bool), MavenSupport: t["maven_support"].(bool), MavenIncludeAll: t["maven_include_all"].(bool)}
	if x, ok := t["arches"].(string); ok {
		s.Arches = &x
	}
	if id, ok := t["perm_id"].(int64); ok {
		s.PermissionID = &id
	}
	var err error
	if v, there := kw["arches"]; there {
		if s.Arches, err = arches(v); err != nil {
			return nil, err
		}
	}
	for _, key := range []string{"perm", "perm_id"} {
		v, there := kw[key]
		if !there {
			continue
		}
		s.PermissionID = nil
		if v != nil {
			id, _, err := d.permission(c.Context(), v)
			if err != nil {
				return nil, err
			}
			s.PermissionID = &id
		}
	}
	for key, to := range map[string]*bool{"locked": &s.Locked, "maven_support": &s.MavenSupport, "maven_include_all": &s.MavenIncludeAll} {
		if v, there := kw[key]; there {
			*to = xmlrpc.Truthy(v)
		}
	}
	return &s, nil
}

// editedExtra reads extra, remove_extra and block_extra.
func editedExtra(in *commands.EditTag, kw map[string]any) error {
	lists := map[string][]string{}
	for _, key := range []string{"remove_extra", "block_extra"} {
		v, there := kw[key]
		if !there || v == nil {
			continue
		}
		list, ok := v.([]any)
		if !ok {
			return fault.New(fault.Parameter, "%s must be a list, not %s", key, pyType(v))
		}
		for _, x := range list {
			s, ok := x.(string)
			if !ok {
				return fault.New(fault.Parameter, "%s must be a list of texts", key)
			}
			lists[key] = append(lists[key], s)
		}
	}
	extra, ok := kw["extra"].(map[string]any)
	if v := kw["extra"]; v != nil && !ok {
		return fault.New(fault.Parameter, "extra must be a struct, not %s", pyType(v))
	}
	set, err := extraSettings(extra)
	if err != nil {
		return err
	}
	for _, key := range []string{"remove_extra", "block_extra"} {
		for _, k := range lists[key] {
			if _, both := set[k]; both {
				return fault.New(fault.Generic, "Can not both add/update and remove tag-extra: '%s'", k)
			}
		}
	}
	for _, k := range lists["block_extra"] {
		if slices.Contains(lists["remove_extra"], k) {
			return fault.New(fault.Parameter, "Can not both remove and block tag-extra: '%s'", k)
		}
		set[k] = nil
	}
	in.SetExtra, in.RemoveExtra = set, lists["remove_extra"]
	return nil
}
