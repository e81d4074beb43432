package tag

import (
	"context"
	"regexp"

	"moromi/projections/query"
)

// PackageFilter says which entries of package lists are meant; nil fields do not filter.
type PackageFilter struct {
	Tag       *int64
	User      *int64 // owner
	Package   *int64
	Inherited bool // with Tag: what the tag inherits, too
	Dups      bool // with Inherited: every entry, not only the one that counts
	NoOwners  bool
	NoBlocked bool
}

// PackageList gives entries of package lists in listPackages' shape, in order of inheritance and then of package names.
func PackageList(ctx context.Context, db query.DB, f PackageFilter, event *int64) ([]query.Row, error) {
	if f.Tag == nil || !f.Inherited {
		return listed(ctx, db, f, nil, event)
	}
	links, err := FullInheritance(ctx, db, *f.Tag, event, InheritanceOptions{})
	if err != nil {
		return nil, err
	}
	chain := []Link{{ID: *f.Tag}}
	chain = append(chain, links...)
	rows, err := listed(ctx, db, f, chain, event)
	if err != nil {
		return nil, err
	}
	byTag := map[int64][]query.Row{}
	for _, r := range rows {
		id := r["tag_id"].(int64)
		byTag[id] = append(byTag[id], r)
	}
	out, seen := []query.Row{}, map[int64]bool{}
	for _, l := range chain {
		filters := compile(l.Filters)
		for _, r := range byTag[l.ID] {
			pkg := r["package_id"].(int64)
			if (seen[pkg] && !f.Dups) || !passes(r["package_name"].(string), filters) {
				continue
			}
			seen[pkg] = true
			out = append(out, r)
		}
	}
	return out, nil
}

func listed(ctx context.Context, db query.DB, f PackageFilter, chain []Link, event *int64) ([]query.Row, error) {
	cols := []query.Col{{Name: "package_id", Expr: "package.id"}, {Name: "package_name", Expr: "package.name"}, {Name: "tag_id", Expr: "tag.id"},
		{Name: "tag_name", Expr: "tag.name"}, {Name: "extra_arches", Expr: "p.extra_arches"}, {Name: "blocked", Expr: "p.blocked"}}
	q := query.New(cols, "tag_packages p").Join("join tag on tag.id = p.tag_id").Join("join package on package.id = p.package_id").At("p", event).
		OrderBy("p.tag_id, p.create_event, package.name")
	switch {
	case chain != nil:
		ids := make([]int64, len(chain))
		for i, l := range chain {
			ids[i] = l.ID
		}
		q.Where("p.tag_id = any(?)", ids)
	case f.Tag != nil:
		q.Where("p.tag_id = ?", *f.Tag)
	}
	if f.Package != nil {
		q.Where("p.package_id = ?", *f.Package)
	}
	if f.NoBlocked {
		q.Where("not p.blocked")
	}
	if !f.NoOwners {
		q.Join("join tag_package_owners o on o.tag_id = p.tag_id and o.package_id = p.package_id").At("o", event)
		q.Join("join users on users.id = o.owner").Col("owner_id", "users.id").Col("owner_name", "users.name")
		if f.User != nil {
			q.Where("o.owner = ?", *f.User)
		}
	}
	return q.All(ctx, db)
}

// listedPackages tells of each package that a tag's list has, inherited or its own, whether it is there and not blocked; pkg asks for one only.
// It is PackageList without all that clients see, for lists of builds.
func listedPackages(ctx context.Context, db query.DB, tag int64, pkg *int64, event *int64) (map[int64]bool, error) {
	links, err := FullInheritance(ctx, db, tag, event, InheritanceOptions{})
	if err != nil {
		return nil, err
	}
	chain := append([]Link{{ID: tag}}, links...)
	ids := make([]int64, len(chain))
	filtered := false
	for i, l := range chain {
		ids[i] = l.ID
		filtered = filtered || len(l.Filters) > 0
	}
	name := "''"
	if filtered {
		name = "(select name from package where id = p.package_id)"
	}
	q := query.New([]query.Col{{Name: "tag_id", Expr: "p.tag_id"}, {Name: "package_id", Expr: "p.package_id"}, {Name: "name", Expr: name}, {Name: "blocked", Expr: "p.blocked"}},
		"tag_packages p").Where("p.tag_id = any(?)", ids).At("p", event)
	if pkg != nil {
		q.Where("p.package_id = ?", *pkg)
	}
	type entry struct {
		pkg     int64
		name    string
		blocked bool
	}
	var of int64
	var e entry
	byTag := map[int64][]entry{}
	err = q.Each(ctx, db, []any{&of, &e.pkg, &e.name, &e.blocked}, func() error {
		byTag[of] = append(byTag[of], e)
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := map[int64]bool{}
	for _, l := range chain {
		filters := compile(l.Filters)
		for _, e := range byTag[l.ID] {
			if _, seen := out[e.pkg]; !seen && passes(e.name, filters) {
				out[e.pkg] = !e.blocked
			}
		}
	}
	return out, nil
}

// passes tells whether a package's name passes all filters of the way it is inherited on. They match at the beginning of the name, as
// Python's re.match does.
func passes(name string, filters []*regexp.Regexp) bool {
	for _, re := range filters {
		if !re.MatchString(name) {
			return false
		}
	}
	return true
}

// compile makes the filters of a link; one that is no regular expression lets nothing through.
func compile(patterns []string) []*regexp.Regexp {
	out := make([]*regexp.Regexp, len(patterns))
	for i, p := range patterns {
		re, err := regexp.Compile("^(?:" + p + ")")
		if err != nil {
			re = regexp.MustCompile(`^\z.`)
		}
		out[i] = re
	}
	return out
}

// Package gives what counts for a package in a tag, inherited or its own, nil if it is not on the list. It may be blocked.
func Package(ctx context.Context, db query.DB, tag, pkg int64, event *int64) (query.Row, error) {
	rows, err := PackageList(ctx, db, PackageFilter{Tag: &tag, Package: &pkg, Inherited: true}, event)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return rows[0], nil
}

// PackageByName gives {id, name} of a package, nil if there is none.
func PackageByName(ctx context.Context, db query.DB, name string) (query.Row, error) {
	return packages().Where("package.name = ?", name).One(ctx, db)
}

// PackageByID gives {id, name} of a package, nil if there is none.
func PackageByID(ctx context.Context, db query.DB, id int64) (query.Row, error) {
	return packages().Where("package.id = ?", id).One(ctx, db)
}

func packages() *query.Query {
	return query.New([]query.Col{{Name: "id", Expr: "package.id"}, {Name: "name", Expr: "package.name"}}, "package")
}

// Packages gives all packages in listPackagesSimple's shape; prefix "" does not filter.
func Packages(ctx context.Context, db query.DB, prefix string, o query.Opts) (any, error) {
	q := query.New([]query.Col{{Name: "package_id", Expr: "package.id"}, {Name: "package_name", Expr: "package.name"}}, "package").OrderBy("package.id")
	if prefix != "" {
		q.Where("starts_with(lower(package.name), lower(?))", prefix)
	}
	return q.Run(ctx, db, o)
}
