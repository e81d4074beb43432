// Package catalog is the read model of permissions, volumes, build types, archive types and content generators.
package catalog

import (
	"context"
	"fmt"

	"moromi/events"
	"moromi/projections"
	"moromi/projections/query"
)

// Projection writes permissions, volume, btype, archivetypes, content_generator and cg_users.
type Projection struct{ users projections.Versioned }

// New makes the projection.
func New() *Projection {
	return &Projection{users: projections.NewVersioned("cg_users", []string{"cg_id", "user_id"})}
}

// Handles lists the events of the catalogue.
func (p *Projection) Handles() []string {
	return []string{"catalog.permission_defined", "catalog.volume_defined", "catalog.volume_removed", "catalog.build_type_defined",
		"catalog.archive_type_defined", "catalog.content_generator_defined", "catalog.content_generator_granted", "catalog.content_generator_revoked"}
}

// Apply queues the rows of one event.
func (p *Projection) Apply(b *projections.Batch, c *events.Commit, e events.Event) error {
	switch e := e.(type) {
	case events.PermissionDefined:
		b.Exec(`insert into permissions (id, name, description) values ($1, $2, nullif($3, '')) on conflict (id) do update set description = excluded.description`, e.ID, e.Name, e.Description)
	case events.VolumeDefined:
		b.Exec(`insert into volume (id, name) values ($1, $2)`, e.ID, e.Name)
	case events.VolumeRemoved:
		b.Exec(`delete from volume where id = $1`, e.ID)
	case events.BuildTypeDefined:
		b.Exec(`insert into btype (id, name) values ($1, $2)`, e.ID, e.Name)
	case events.ArchiveTypeDefined:
		b.Exec(`insert into archivetypes (id, name, description, extensions, compression_type) values ($1, $2, $3, $4, $5)`, e.ID, e.Name, e.Description, e.Extensions, e.CompressionType)
	case events.ContentGeneratorDefined:
		b.Exec(`insert into content_generator (id, name) values ($1, $2)`, e.ID, e.Name)
	case events.ContentGeneratorGranted:
		projections.NoteEvent(b, c)
		p.users.Insert(b, c, e.ContentGeneratorID, e.UserID)
	case events.ContentGeneratorRevoked:
		projections.NoteEvent(b, c)
		p.users.Revoke(b, c, e.ContentGeneratorID, e.UserID)
	}
	return nil
}

// tables of the catalogue by what clients call a thing of theirs: a closed list, since the name becomes part of the statement.
var tables = map[string]string{"permission": "permissions", "volume": "volume", "build type": "btype", "archive type": "archivetypes",
	"content generator": "content_generator"}

// Find gives {id, name} of a catalogue entry by its id (int64) or name (string), nil if there is none.
func Find(ctx context.Context, db query.DB, kind string, key any) (query.Row, error) {
	t := tables[kind]
	if t == "" {
		return nil, fmt.Errorf("find catalogue entry: no kind %q", kind)
	}
	q := query.New([]query.Col{{Name: "id", Expr: "id"}, {Name: "name", Expr: "name"}}, t)
	if _, ok := key.(string); ok {
		return q.Where("name = ?", key).One(ctx, db)
	}
	return q.Where("id = ?", key).One(ctx, db)
}

// Permissions gives all permissions in getAllPerms' shape.
func Permissions(ctx context.Context, db query.DB) ([]query.Row, error) {
	return query.New([]query.Col{{Name: "id", Expr: "id"}, {Name: "name", Expr: "name"}, {Name: "description", Expr: "description"}}, "permissions").OrderBy("id").All(ctx, db)
}
