package hub

import (
	"strings"

	"moromi/commands"
	"moromi/internal/fault"
	"moromi/projections/query"
	"moromi/projections/tag"
)

// packageMethods are packages and the package lists of tags.
func packageMethods(d Deps) []Method {
	who := Custom("logged in and allowed by the policy package_list; refused inside, after Koji's checks of the arguments")
	return []Method{
		{Name: "getPackage", Params: "info, strict=False, create=False", Auth: Anonymous, Write: true, Help: "{id, name} of a package; create makes it, for admins.", Func: d.getPackage},
		{Name: "getPackageID", Params: "name, strict=False", Auth: Anonymous, Help: "The id of a package.", Func: d.getPackageID},
		{Name: "listPackages", Params: "tagID=None, userID=None, pkgID=None, prefix=None, inherited=False, with_dups=False, event=None, queryOpts=None, with_owners=True, with_blocked=True", Auth: Anonymous,
			Help: "Entries of package lists by tag, owner or package; all packages if none of these is named.", Func: d.listPackages},
		{Name: "listPackagesSimple", Params: "prefix=None, queryOpts=None", Auth: Anonymous, Help: "All packages, by prefix.", Func: d.listPackagesSimple},
		{Name: "checkTagPackage", Params: "tag, pkg", Auth: Anonymous, Help: "Whether the package is on the tag's list and not blocked.", Func: d.checkTagPackage},
		{Name: "getPackageConfig", Params: "tag, pkg, event=None", Auth: Anonymous, Help: "What counts for a package in a tag; nil if it is not listed.", Func: d.getPackageConfig},
		{Name: "packageListAdd", Params: "taginfo, pkginfo, owner=None, block=None, extra_arches=None, force=False, update=False", Auth: who, Write: true, Rides: true, Help: "List a package in a tag, or change its entry.", Func: d.packageListAdd},
		{Name: "packageListRemove", Params: "taginfo, pkginfo, force=False", Auth: who, Write: true, Rides: true, Help: "Take the tag's own word on a package away.", Func: d.packageListRemove},
		{Name: "packageListBlock", Params: "taginfo, pkginfo, force=False", Auth: who, Write: true, Rides: true, Help: "Block a package in a tag.", Func: d.packageListBlock},
		{Name: "packageListUnblock", Params: "taginfo, pkginfo, force=False", Auth: who, Write: true, Rides: true, Help: "Let a blocked package into a tag again.", Func: d.packageListUnblock},
		{Name: "packageListSetOwner", Params: "taginfo, pkginfo, owner, force=False", Auth: who, Write: true, Rides: true, Help: "Give a package another owner in a tag.", Func: d.packageListSetOwner},
		{Name: "packageListSetArches", Params: "taginfo, pkginfo, arches, force=False", Auth: who, Write: true, Rides: true, Help: "Build a package of a tag for more arches than the tag's.", Func: d.packageListSetArches},
	}
}

// findPackage looks a package up by id, name or a struct of these; nil if there is none.
func (d Deps) findPackage(c *Call, info any) (query.Row, error) {
	if m, ok := info.(map[string]any); ok {
		if info = m["id"]; info == nil {
			info = m["name"]
		}
	}
	switch v := info.(type) {
	case int64:
		return tag.PackageByID(c.Context(), d.DB, v)
	case string:
		return tag.PackageByName(c.Context(), d.DB, v)
	}
	return nil, fault.New(fault.Parameter, "Invalid name or id value: %s", clip(pyRepr(info)))
}

func (d Deps) thePackage(c *Call, info any) (query.Row, error) {
	p, err := d.findPackage(c, info)
	if err == nil && p == nil {
		err = fault.New(fault.Generic, "No such package: %s", clip(pyRepr(info)))
	}
	return p, err
}

func (d Deps) getPackage(c *Call, a Args) (any, error) {
	info := a.Get("info")
	p, err := d.findPackage(c, info)
	if err != nil || p != nil {
		return orNil(p, err)
	}
	name, isName := info.(string)
	if a.Bool("create") && isName {
		if err := c.RequirePerm("admin"); err != nil {
			return nil, err
		}
		actor, err := d.actor(c)
		if err != nil {
			return nil, err
		}
		id, err := d.Service.EnsurePackage(c.Context(), actor, name)
		return map[string]any{"id": id, "name": name}, err
	}
	if a.Bool("strict") {
		return nil, fault.New(fault.Generic, "No such entry in table package: %s", clip(pyRepr(info)))
	}
	return nil, nil
}

func (d Deps) getPackageID(c *Call, a Args) (any, error) {
	if a.IsNil("name") && !a.Bool("strict") {
		return nil, nil
	}
	name, err := a.String("name")
	if err != nil {
		return nil, err
	}
	p, err := tag.PackageByName(c.Context(), d.DB, name)
	if err != nil {
		return nil, err
	}
	if p == nil {
		if a.Bool("strict") {
			return nil, fault.New(fault.Generic, "No such package: %s", clip(pyRepr(a.Get("name"))))
		}
		return nil, nil
	}
	return p["id"], nil
}

func (d Deps) listPackagesSimple(c *Call, a Args) (any, error) {
	prefix, err := a.StringOr("prefix", "")
	if err != nil {
		return nil, err
	}
	o, err := a.QueryOpts("queryOpts")
	if err != nil {
		return nil, err
	}
	return tag.Packages(c.Context(), d.DB, prefix, o)
}

func (d Deps) listPackages(c *Call, a Args) (any, error) {
	f := tag.PackageFilter{Inherited: a.Bool("inherited"), Dups: a.Bool("with_dups"), NoOwners: !a.Bool("with_owners"), NoBlocked: !a.Bool("with_blocked")}
	event, err := a.Reject(fault.Generic).IntOrNil("event")
	if err != nil {
		return nil, err
	}
	o, err := a.QueryOpts("queryOpts")
	if err != nil {
		return nil, err
	}
	prefix, err := a.StringOr("prefix", "")
	if err != nil {
		return nil, err
	}
	if a.IsNil("tagID") && a.IsNil("userID") && a.IsNil("pkgID") {
		rows, err := tag.Packages(c.Context(), d.DB, prefix, o)
		return rows, err
	}
	if err := d.packageFilter(c, a, &f); err != nil {
		return nil, err
	}
	if f.Tag == nil {
		f.Inherited, f.Dups = false, f.Dups || f.Package == nil
	}
	rows, err := tag.PackageList(c.Context(), d.DB, f, event)
	if err != nil {
		return nil, err
	}
	if prefix != "" {
		kept := rows[:0]
		for _, r := range rows {
			if strings.HasPrefix(strings.ToLower(r["package_name"].(string)), strings.ToLower(prefix)) {
				kept = append(kept, r)
			}
		}
		rows = kept
	}
	return applyOpts(rows, o, nil)
}

func (d Deps) packageFilter(c *Call, a Args, f *tag.PackageFilter) error {
	if !a.IsNil("tagID") {
		id, err := d.theEverTag(c, a.Get("tagID"))
		if err != nil {
			return err
		}
		f.Tag = &id
	}
	if !a.IsNil("userID") {
		if f.NoOwners {
			return fault.New(fault.Generic, "userID and with_owners=False can't be used together")
		}
		u, err := d.theUser(c, a.Get("userID"))
		if err != nil {
			return err
		}
		id := u["id"].(int64)
		f.User = &id
	}
	if !a.IsNil("pkgID") {
		p, err := d.thePackage(c, a.Get("pkgID"))
		if err != nil {
			return err
		}
		id := p["id"].(int64)
		f.Package = &id
	}
	return nil
}

func (d Deps) checkTagPackage(c *Call, a Args) (any, error) {
	id, err := d.everTag(c, a.Get("tag"))
	if err != nil {
		return nil, err
	}
	p, err := d.findPackage(c, a.Get("pkg"))
	if err != nil || p == nil || id == 0 {
		return false, err
	}
	entry, err := tag.Package(c.Context(), d.DB, id, p["id"].(int64), nil)
	return entry != nil && !entry["blocked"].(bool), err
}

func (d Deps) getPackageConfig(c *Call, a Args) (any, error) {
	event, err := a.Reject(fault.Generic).IntOrNil("event")
	if err != nil {
		return nil, err
	}
	id, err := d.everTag(c, a.Get("tag"))
	if err != nil {
		return nil, err
	}
	p, err := d.findPackage(c, a.Get("pkg"))
	if err != nil || p == nil || id == 0 {
		return nil, err
	}
	return orNil(tag.Package(c.Context(), d.DB, id, p["id"].(int64), event))
}

func (d Deps) packageListAdd(c *Call, a Args) (any, error) {
	var block *bool
	if !a.IsNil("block") {
		b := a.Bool("block")
		block = &b
	}
	return nil, d.changeList(c, a, commands.ListPackage{Block: block, Force: a.Bool("force"), Update: a.Bool("update")}, a.Get("owner"), a.Get("extra_arches"))
}

// changeList is the common path of everything that lists, blocks or changes a package.
func (d Deps) changeList(c *Call, a Args, in commands.ListPackage, owner, extra any) error {
	var err error
	if in.Tag, err = d.theTag(c, a.Get("taginfo"), nil); err != nil {
		return err
	}
	in.Package = a.Get("pkginfo")
	p, err := d.findPackage(c, in.Package)
	if err != nil {
		return err
	}
	if p != nil {
		in.Package = p["id"]
	} else if _, ok := in.Package.(string); !ok {
		return fault.New(fault.Generic, "No such package: %s", clip(pyRepr(in.Package)))
	}
	if owner != nil {
		u, err := d.theUser(c, owner)
		if err != nil {
			return err
		}
		id := u["id"].(int64)
		in.Owner = &id
	}
	if err := c.RequireLogin(); err != nil {
		return err
	}
	if in.ExtraArches, err = archList(extra); err != nil {
		return err
	}
	actor, err := d.actor(c)
	if err != nil {
		return err
	}
	return d.Service.ListPackage(c.Context(), actor, in)
}

// listedPackage gives the tag and the package of a call about an entry that should be there.
func (d Deps) listedPackage(c *Call, a Args) (t, p query.Row, err error) {
	if t, err = d.theTag(c, a.Get("taginfo"), nil); err != nil {
		return nil, nil, err
	}
	p, err = d.thePackage(c, a.Get("pkginfo"))
	return t, p, err
}

func (d Deps) packageListRemove(c *Call, a Args) (any, error) {
	t, p, err := d.listedPackage(c, a)
	if err != nil {
		return nil, err
	}
	if err := c.RequireLogin(); err != nil {
		return nil, err
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	return nil, d.Service.UnlistPackage(c.Context(), actor, t, p, a.Bool("force"))
}

func (d Deps) packageListBlock(c *Call, a Args) (any, error) {
	t, p, err := d.listedPackage(c, a)
	if err != nil {
		return nil, err
	}
	entry, err := tag.Package(c.Context(), d.DB, t["id"].(int64), p["id"].(int64), nil)
	if err != nil {
		return nil, err
	}
	if entry == nil {
		return nil, fault.New(fault.Generic, "Package %v is not in tag listing for %v", p["name"], t["name"])
	}
	block := true
	return nil, d.changeList(c, a, commands.ListPackage{Block: &block, Force: a.Bool("force")}, nil, nil)
}

func (d Deps) packageListUnblock(c *Call, a Args) (any, error) {
	t, p, err := d.listedPackage(c, a)
	if err != nil {
		return nil, err
	}
	if err := c.RequireLogin(); err != nil {
		return nil, err
	}
	actor, err := d.actor(c)
	if err != nil {
		return nil, err
	}
	return nil, d.Service.UnblockPackage(c.Context(), actor, t, p, a.Bool("force"))
}

func (d Deps) packageListSetOwner(c *Call, a Args) (any, error) {
	return nil, d.changeList(c, a, commands.ListPackage{Force: a.Bool("force"), Update: true}, a.Get("owner"), nil)
}

func (d Deps) packageListSetArches(c *Call, a Args) (any, error) {
	return nil, d.changeList(c, a, commands.ListPackage{Force: a.Bool("force"), Update: true}, nil, a.Get("arches"))
}
