// Package search finds things of every kind by a pattern of their names (kojihub.RootExports.search of Koji 1.35).
package search

import (
	"context"

	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/projections/query"
)

// What the names of builds and rpms are put together from. The second is the expression of the index rpminfo_by_file_name.
const (
	buildName = `package.name || '-' || build.version || '-' || build.release`
	rpmName   = `rpminfo.name || '-' || rpminfo.version || '-' || rpminfo.release || '.' || rpminfo.arch || '.rpm'`
)

// things gives the query for one type of things, its columns id and name; nil if there is no such type. Tags and targets that are gone are
// not found.
func things(kind string) *query.Query {
	cols := func(table, name string) []query.Col {
		return []query.Col{{Name: "id", Expr: table + ".id"}, {Name: "name", Expr: name}}
	}
	switch kind {
	case "package", "host":
		return query.New(cols(kind, kind+".name"), kind)
	case "user":
		return query.New(cols("users", "users.name"), "users")
	case "tag":
		return query.New(cols("tag", "tag.name"), "tag").Join("join tag_config c on c.tag_id = tag.id").Where("c.active")
	case "target":
		return query.New(cols("build_target", "build_target.name"), "build_target").
			Join("join build_target_config c on c.build_target_id = build_target.id").Where("c.active")
	case "build":
		return query.New(cols("build", buildName), "build").Join("join package on package.id = build.pkg_id")
	case "rpm":
		return query.New(cols("rpminfo", rpmName), "rpminfo")
	}
	return nil
}

// Find gives {id, name} of the things of a type whose names match, ordered by id. match is glob (* and ?, whatever the case), regexp (POSIX,
// whatever the case); anything else asks for exactly this name.
func Find(ctx context.Context, db query.DB, terms, kind, match string, o query.Opts) (any, error) {
	q := things(kind)
	if q == nil {
		return nil, fault.New(fault.Generic, "No such search type: %s", kind)
	}
	name, id := q.Cols[1].Expr, q.Cols[0].Expr
	switch match {
	case "glob":
		q.Where(name+" ilike ?", query.Like(terms))
	case "regexp":
		q.Where(name+" ~* ?", terms)
	default:
		if kind == "build" { // by way of the package, which has an index
			if nvr, err := koji.ParseNVR(terms); err == nil {
				q.Where("package.name = ?", nvr.Name)
			}
		}
		q.Where(name+" = ?", terms)
	}
	return q.OrderBy(id).Run(ctx, db, o)
}
