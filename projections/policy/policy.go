// Package policy is the read model of the site's own hub policies: the text that holds, and every version before it.
package policy

import (
	"context"
	"fmt"

	"moromi/events"
	"moromi/projections"
	"moromi/projections/query"
)

// Projection writes policy.
type Projection struct{ versions projections.Versioned }

// New makes the projection.
func New() *Projection {
	return &Projection{projections.NewVersioned("policy", []string{"name"}, "version", "text")}
}

// Handles lists the events of policies.
func (p *Projection) Handles() []string { return []string{"policy.changed", "policy.removed"} }

// Apply queues the rows of one event.
func (p *Projection) Apply(b *projections.Batch, c *events.Commit, e events.Event) error {
	projections.NoteEvent(b, c)
	switch e := e.(type) {
	case events.PolicyChanged:
		p.versions.Replace(b, c, e.Name, e.Version, e.Text)
	case events.PolicyRemoved:
		p.versions.Revoke(b, c, e.Name)
	}
	return nil
}

var columns = []query.Col{{Name: "name", Expr: "policy.name"}, {Name: "version", Expr: "policy.version"}, {Name: "text", Expr: "policy.text"},
	{Name: "create_event", Expr: "policy.create_event"}, {Name: "create_time", Expr: "began.time"}, {Name: "create_ts", Expr: "date_part('epoch', began.time)"},
	{Name: "creator_id", Expr: "policy.creator_id"}, {Name: "creator_name", Expr: "creator.name"},
	{Name: "revoke_event", Expr: "policy.revoke_event"}, {Name: "revoke_time", Expr: "ended.time"}, {Name: "revoke_ts", Expr: "date_part('epoch', ended.time)"},
	{Name: "revoker_id", Expr: "policy.revoker_id"}, {Name: "revoker_name", Expr: "revoker.name"}}

func versions() *query.Query {
	return query.New(columns, "policy").Join("left join events began on began.id = policy.create_event").Join("left join events ended on ended.id = policy.revoke_event").
		Join("left join users creator on creator.id = policy.creator_id").Join("left join users revoker on revoker.id = policy.revoker_id")
}

// List gives the site's own policies by name, as of an event if one is given: name, version, text, and the event, time and user of its creation and
// of its end, nil for the system and for what has not ended.
func List(ctx context.Context, db query.DB, event *int64) ([]query.Row, error) {
	return versions().At("policy", event).OrderBy("policy.name").All(ctx, db)
}

// Get gives one policy in List's shape, nil if the site has none of its own.
func Get(ctx context.Context, db query.DB, name string, event *int64) (query.Row, error) {
	return versions().At("policy", event).Where("policy.name = ?", name).One(ctx, db)
}

// History gives all versions of a policy, or with an empty name of all, in List's shape, the oldest first.
func History(ctx context.Context, db query.DB, name string) ([]query.Row, error) {
	q := versions().OrderBy("policy.create_event, policy.name")
	if name != "" {
		q.Where("policy.name = ?", name)
	}
	return q.All(ctx, db)
}

// Version gives a version of a policy in List's shape, nil if there is none.
func Version(ctx context.Context, db query.DB, name string, version int64) (query.Row, error) {
	return versions().Where("policy.name = ? and policy.version = ?", name, version).One(ctx, db)
}

// Changed is the position of the last change of any policy, 0 if there was none.
func Changed(ctx context.Context, db query.DB) (int64, error) {
	rows, err := db.Query(ctx, `select greatest((select max(create_event) from policy), (select max(revoke_event) from policy), 0)`)
	if err != nil {
		return 0, fmt.Errorf("last change of policies: %w", err)
	}
	defer rows.Close()
	var at int64
	for rows.Next() {
		if err := rows.Scan(&at); err != nil {
			return 0, fmt.Errorf("last change of policies: %w", err)
		}
	}
	return at, rows.Err()
}
