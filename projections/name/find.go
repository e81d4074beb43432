package name

import (
	"context"
	"fmt"

	"moromi/projections/query"
)

// tables are where the names of a kind are: a closed list, since the name becomes part of the statement.
var tables = map[string]string{"tag": "tag", "package": "package", "group": "groups", "target": "build_target", "external_repo": "external_repo"}

// Table is the name that Koji's faults have for where a kind's names are, "" for a kind that this package does not have.
func Table(kind string) string { return tables[kind] }

// Find gives {id, name} of a thing of the kind by its id or, if that is 0, by its name; nil if there is none. Things that are gone are still found.
func Find(ctx context.Context, db query.DB, kind string, id int64, name string) (query.Row, error) {
	t := tables[kind]
	if t == "" {
		return nil, fmt.Errorf("find name: no table for %q", kind)
	}
	q := query.New([]query.Col{{Name: "id", Expr: "id"}, {Name: "name", Expr: "name"}}, t)
	if id != 0 || name == "" {
		return q.Where("id = ?", id).One(ctx, db)
	}
	return q.Where("name = ?", name).One(ctx, db)
}
