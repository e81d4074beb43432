package tag

import (
	"context"

	"moromi/projections/query"
)

// Group is a comps group as it counts in a tag, with what counts in it, in order: by inheritance, and in each tag by age.
type Group struct {
	ID           int64
	Name         string
	Blocked      bool
	Row          query.Row   // in getTagGroups' shape, without its lists
	Packages     []query.Row // rpm names
	Requirements []query.Row // groups that it needs
}

// Package gives the entry of an rpm name, nil if the group has none.
func (g *Group) Package(name string) query.Row { return entry(g.Packages, "package", name) }

// Requirement gives the entry of a group that the group needs, nil if it has none.
func (g *Group) Requirement(id int64) query.Row { return entry(g.Requirements, "req_id", id) }

func entry(rows []query.Row, key string, value any) query.Row {
	for _, r := range rows {
		if r[key] == value {
			return r
		}
	}
	return nil
}

// GroupOptions say what Groups looks at.
type GroupOptions struct {
	Inherit      bool
	Packages     bool // fill in Group.Packages
	Requirements bool // fill in Group.Requirements
}

var (
	groupColumns = []query.Col{{Name: "name", Expr: "groups.name"}, {Name: "group_id", Expr: "g.group_id"}, {Name: "tag_id", Expr: "g.tag_id"},
		{Name: "blocked", Expr: "g.blocked"}, {Name: "exported", Expr: "g.exported"}, {Name: "display_name", Expr: "g.display_name"},
		{Name: "is_default", Expr: "g.is_default"}, {Name: "uservisible", Expr: "g.uservisible"}, {Name: "description", Expr: "g.description"},
		{Name: "langonly", Expr: "g.langonly"}, {Name: "biarchonly", Expr: "g.biarchonly"}}
	groupPackageColumns = []query.Col{{Name: "group_id", Expr: "p.group_id"}, {Name: "tag_id", Expr: "p.tag_id"}, {Name: "package", Expr: "p.package"},
		{Name: "blocked", Expr: "p.blocked"}, {Name: "type", Expr: "p.type"}, {Name: "basearchonly", Expr: "p.basearchonly"},
		{Name: "requires", Expr: "p.requires"}}
	groupRequirementColumns = []query.Col{{Name: "group_id", Expr: "r.group_id"}, {Name: "tag_id", Expr: "r.tag_id"}, {Name: "req_id", Expr: "r.req_id"},
		{Name: "blocked", Expr: "r.blocked"}, {Name: "type", Expr: "r.type"}, {Name: "is_metapkg", Expr: "r.is_metapkg"}, {Name: "name", Expr: "groups.name"}}
)

// Groups gives the comps groups of a tag, blocked ones and blocked entries included (kojihub.get_tag_groups): of each group, rpm name and
// requirement what comes first in the order of inheritance. Blocked groups have no entries, and requirements on blocked groups and on groups
// that the tag does not have are left out.
func Groups(ctx context.Context, db query.DB, tag int64, o GroupOptions, event *int64) ([]*Group, error) {
	tags, err := chain(ctx, db, tag, o.Inherit, event)
	if err != nil {
		return nil, err
	}
	rows, err := inOrder(ctx, db, query.New(groupColumns, "group_config g").Join("join groups on groups.id = g.group_id"), "g", tags, event)
	if err != nil {
		return nil, err
	}
	var out []*Group
	byID := map[int64]*Group{}
	for _, r := range rows {
		id := r["group_id"].(int64)
		if byID[id] == nil {
			byID[id] = &Group{ID: id, Name: r["name"].(string), Blocked: r["blocked"].(bool), Row: r}
			out = append(out, byID[id])
		}
	}
	if o.Packages {
		if err := fillPackages(ctx, db, byID, tags, event); err != nil {
			return nil, err
		}
	}
	if o.Requirements {
		if err := fillRequirements(ctx, db, byID, tags, event); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// inOrder runs a query on the versions of several tags and puts the rows into the order of the tags, and in each tag by age. A tag that is
// there twice counts where it comes first.
func inOrder(ctx context.Context, db query.DB, q *query.Query, alias string, tags []int64, event *int64) ([]query.Row, error) {
	rows, err := q.Where(alias+".tag_id = any(?)", tags).At(alias, event).OrderBy(alias+".create_event, "+alias+".group_id").All(ctx, db)
	if err != nil {
		return nil, err
	}
	byTag := map[int64][]query.Row{}
	for _, r := range rows {
		id := r["tag_id"].(int64)
		byTag[id] = append(byTag[id], r)
	}
	out := make([]query.Row, 0, len(rows))
	for _, t := range tags {
		out = append(out, byTag[t]...)
		delete(byTag, t)
	}
	return out, nil
}

func fillPackages(ctx context.Context, db query.DB, groups map[int64]*Group, tags []int64, event *int64) error {
	rows, err := inOrder(ctx, db, query.New(groupPackageColumns, "group_package_listing p"), "p", tags, event)
	if err != nil {
		return err
	}
	type key struct {
		group int64
		name  string
	}
	seen := map[key]bool{}
	for _, r := range rows {
		g := groups[r["group_id"].(int64)]
		if g == nil || g.Blocked {
			continue
		}
		if k := (key{g.ID, r["package"].(string)}); !seen[k] {
			seen[k] = true
			g.Packages = append(g.Packages, r)
		}
	}
	return nil
}

func fillRequirements(ctx context.Context, db query.DB, groups map[int64]*Group, tags []int64, event *int64) error {
	rows, err := inOrder(ctx, db, query.New(groupRequirementColumns, "group_req_listing r").Join("join groups on groups.id = r.req_id"), "r", tags, event)
	if err != nil {
		return err
	}
	for _, r := range rows {
		need := r["req_id"].(int64)
		g, needed := groups[r["group_id"].(int64)], groups[need]
		if g == nil || g.Blocked || needed == nil || needed.Blocked || g.Requirement(need) != nil {
			continue
		}
		g.Requirements = append(g.Requirements, r)
	}
	return nil
}

// TagGroups gives the comps groups of a tag in getTagGroups' shape (kojihub.readTagGroups): packagelist if packages are asked for, grouplist
// if requirements are. Blocked groups and entries are left out unless blocked is set.
func TagGroups(ctx context.Context, db query.DB, tag int64, event *int64, inherit, packages, requirements, blocked bool) ([]query.Row, error) {
	groups, err := Groups(ctx, db, tag, GroupOptions{Inherit: inherit, Packages: packages, Requirements: requirements}, event)
	if err != nil {
		return nil, err
	}
	out := []query.Row{}
	for _, g := range groups {
		if g.Blocked && !blocked {
			continue
		}
		if packages {
			g.Row["packagelist"] = unblocked(g.Packages, blocked)
		}
		if requirements {
			g.Row["grouplist"] = unblocked(g.Requirements, blocked)
		}
		out = append(out, g.Row)
	}
	return out, nil
}

func unblocked(rows []query.Row, all bool) []query.Row {
	out := make([]query.Row, 0, len(rows))
	for _, r := range rows {
		if all || !r["blocked"].(bool) {
			out = append(out, r)
		}
	}
	return out
}
