// Package search finds things of every kind by a pattern of their names (kojihub.RootExports.search of Koji 1.35).
package search

import (
	"context"
	"strings"

	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/projections/query"
)

// What the names of builds and rpms are put together from. The second is the expression of the index rpminfo_by_file_name.
const (
	buildName = `package.name || '-' || build.version || '-' || build.release`
	rpmName   = `rpminfo.name || '-' || rpminfo.version || '-' || rpminfo.release || '.' || rpminfo.arch || '.rpm'`
	winName   = `case when win_archives.relpath = '' then '' else win_archives.relpath || '/' end || archiveinfo.filename`
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
	case "maven":
		return query.New(cols("archiveinfo", "archiveinfo.filename"), "archiveinfo").Join("join maven_archives on maven_archives.archive_id = archiveinfo.id")
	case "win":
		return query.New(cols("archiveinfo", winName), "archiveinfo").Join("join win_archives on win_archives.archive_id = archiveinfo.id")
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
	names := append([]string{name}, otherNames[kind]...)
	switch match {
	case "glob":
		anyOf(q, names, "ilike ?", query.Like(terms))
	case "regexp":
		anyOf(q, names, "~* ?", terms)
	default:
		if kind == "build" { // by way of the package, which has an index
			if nvr, err := koji.ParseNVR(terms); err == nil {
				q.Where("package.name = ?", nvr.Name)
			}
		}
		anyOf(q, names, "= ?", terms)
	}
	return q.OrderBy(id).Run(ctx, db, o)
}

// otherNames are what a thing is found by beside the name that the result has: archives by what Maven calls them, or by the file's name alone.
var otherNames = map[string][]string{
	"maven": {`maven_archives.group_id || '-' || maven_archives.artifact_id || '-' || maven_archives.version`},
	"win":   {`archiveinfo.filename`},
}

// anyOf adds the condition that one of the names compares to the value.
func anyOf(q *query.Query, names []string, operator, value string) {
	conds, values := make([]string, len(names)), make([]any, len(names))
	for i, n := range names {
		conds[i], values[i] = n+" "+operator, value
	}
	q.Where(strings.Join(conds, " or "), values...)
}
