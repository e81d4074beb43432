// Package name is the read model of claimed names: tags, packages, comps groups, build targets and external repositories. Names of users,
// hosts and channels are in the rows of these things.
package name

import (
	"moromi/events"
	"moromi/projections"
)

// statements by kind: a closed list. Kinds that are not here keep their names elsewhere.
var (
	insert = map[string]string{
		"tag":           `insert into tag (id, name) values ($1, $2)`,
		"package":       `insert into package (id, name) values ($1, $2)`,
		"group":         `insert into groups (id, name) values ($1, $2)`,
		"target":        `insert into build_target (id, name) values ($1, $2)`,
		"external_repo": `insert into external_repo (id, name) values ($1, $2)`,
	}
	rename = map[string]string{
		"tag":           `update tag set name = $2 where id = $1`,
		"package":       `update package set name = $2 where id = $1`,
		"group":         `update groups set name = $2 where id = $1`,
		"target":        `update build_target set name = $2 where id = $1`,
		"external_repo": `update external_repo set name = $2 where id = $1`,
	}
)

// Projection writes the tables of names.
type Projection struct{}

// New makes the projection.
func New() *Projection { return &Projection{} }

// Handles lists the events of name books.
func (p *Projection) Handles() []string {
	return []string{"name.claimed", "name.changed", "name.released"}
}

// Apply queues the rows of one event. A released name keeps its row: things of the past bear it.
func (p *Projection) Apply(b *projections.Batch, _ *events.Commit, e events.Event) error {
	switch e := e.(type) {
	case events.NameClaimed:
		if sql := insert[e.Kind]; sql != "" {
			b.Exec(sql, e.ID, e.Name)
		}
	case events.NameChanged:
		if sql := rename[e.Kind]; sql != "" {
			b.Exec(sql, e.ID, e.Name)
		}
	}
	return nil
}
