package hub

import (
	"moromi/commands"
	"moromi/internal/fault"
	"moromi/projections/tag"
)

// pluginMethods are what a Koji hub has with its plugins sidetag_hub, runroot_hub and save_failed_tree, in the order in which it lists them.
func pluginMethods(d Deps) []Method {
	return []Method{
		{Name: "createSideTag", Params: "basetag, debuginfo=False, suffix=None", Auth: Session, Write: true, Plugin: true,
			Help: "Make a tag of the caller's own over a tag, and its target, if the policy sidetag allows it: {name, id, task_id, request}.", Func: d.createSideTag},
		{Name: "removeSideTag", Params: "sidetag", Auth: Session, Write: true, Plugin: true, Help: "End a side tag of the caller's and its target.", Func: d.removeSideTag},
		{Name: "listSideTags", Params: "basetag=None, user=None, queryOpts=None", Auth: Anonymous, Plugin: true,
			Help: "Side tags, all or those over a tag or of a user: {id, name, user_id, user_name}.", Func: d.listSideTags},
		{Name: "editSideTag", Params: "sidetag, debuginfo=None, rpm_macros=None, remove_rpm_macros=None, extra=None, remove_extra=None", Auth: Session, Write: true, Plugin: true,
			Help: "Change what the base tag lets the owner change of a side tag: debuginfo packages in its repositories, rpm macros.", Func: d.editSideTag},
		{Name: "runroot", Params: "tagInfo, arch, command, channel=None, **opts", Auth: Perm("runroot"), Write: true, Plugin: true,
			Help: "Have a command run in a buildroot of a tag; answers the task's id.", Func: d.runRoot},
		{Name: "saveFailedTree", Params: "buildrootID, full=False, **opts", Auth: Session, Write: true, Plugin: true,
			Help: "Have a failed task's buildroot (full) or its build directory packed and uploaded; answers the task's id.", Func: d.saveFailedTree},
	}
}

func (d Deps) createSideTag(c *Call, a Args) (any, error) {
	in := commands.CreateSideTag{Debuginfo: a.Bool("debuginfo")}
	var err error
	if in.Suffix, err = a.StringOr("suffix", ""); err != nil {
		return nil, err
	}
	if in.Base, err = d.theTag(c, a.Get("basetag"), nil); err != nil {
		return nil, err
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	made, err := d.Service.CreateSideTag(c.Context(), actor, in)
	if err != nil {
		return nil, err
	}
	return map[string]any{"name": made.Name, "id": made.ID, "task_id": nil, "request": made.Request}, nil
}

func (d Deps) removeSideTag(c *Call, a Args) (any, error) {
	t, err := d.theTag(c, a.Get("sidetag"), nil)
	if err != nil {
		return nil, err
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	return nil, d.Service.RemoveSideTag(c.Context(), actor, t)
}

func (d Deps) listSideTags(c *Call, a Args) (any, error) {
	var f tag.SideTagFilter
	if !a.IsNil("user") {
		u, err := d.theUser(c, a.Get("user"))
		if err != nil {
			return nil, err
		}
		id := u["id"].(int64)
		f.User = &id
	}
	if !a.IsNil("basetag") {
		t, err := d.theTag(c, a.Get("basetag"), nil)
		if err != nil {
			return nil, err
		}
		id := t["id"].(int64)
		f.Base = &id
	}
	o, err := a.QueryOpts("queryOpts")
	if err != nil {
		return nil, err
	}
	return tag.SideTags(c.Context(), d.DB, f, o)
}

func (d Deps) editSideTag(c *Call, a Args) (any, error) {
	t, err := d.theTag(c, a.Get("sidetag"), nil)
	if err != nil {
		return nil, err
	}
	in := commands.EditSideTag{Macros: a.Get("rpm_macros"), RemoveMacros: a.Get("remove_rpm_macros")}
	if !a.IsNil("debuginfo") {
		on := a.Bool("debuginfo")
		in.Debuginfo = &on
	}
	extra, err := a.Map("extra")
	if err != nil {
		return nil, err
	}
	if extra != nil {
		if in.SetExtra, err = extraSettings(extra); err != nil {
			return nil, err
		}
	}
	if in.RemoveExtra, err = a.Strings("remove_extra"); err != nil {
		return nil, err
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	return nil, d.Service.EditSideTag(c.Context(), actor, t, in)
}

func (d Deps) runRoot(c *Call, a Args) (any, error) {
	t, err := d.theTag(c, a.Get("tagInfo"), nil)
	if err != nil {
		return nil, err
	}
	arch, err := archList(a.Get("arch"))
	if err == nil && arch == nil {
		err = fault.New(fault.Generic, "the arch to run on is missing")
	}
	if err != nil {
		return nil, err
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	return d.Service.RunRoot(c.Context(), actor, commands.RunRoot{Tag: t, TagInfo: a.Get("tagInfo"), Arch: *arch, Command: a.Get("command"),
		Channel: a.Get("channel"), Opts: a.Extra()})
}

func (d Deps) saveFailedTree(c *Call, a Args) (any, error) {
	id, err := a.Int("buildrootID")
	if err != nil {
		return nil, err
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	return d.Service.SaveFailedTree(c.Context(), actor, id, a.Bool("full"), a.Extra())
}
