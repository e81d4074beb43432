package tag

import (
	"context"

	"moromi/projections/query"
)

// TargetFilter says which build targets are meant; zero fields do not filter.
type TargetFilter struct {
	ID       int64
	Name     string
	BuildTag *int64
	DestTag  *int64
}

var targetColumns = []query.Col{{Name: "id", Expr: "build_target.id"}, {Name: "name", Expr: "build_target.name"}, {Name: "build_tag", Expr: "c.build_tag"},
	{Name: "build_tag_name", Expr: "build.name"}, {Name: "dest_tag", Expr: "c.dest_tag"}, {Name: "dest_tag_name", Expr: "dest.name"}}

// Targets gives build targets in getBuildTargets' shape, by id, as of an event if one is given.
func Targets(ctx context.Context, db query.DB, f TargetFilter, event *int64, o query.Opts) (any, error) {
	return targets(f, event).Called(map[string]string{"tag1.name": "build_tag_name", "tag2.name": "dest_tag_name"}).Run(ctx, db, o)
}

// Target gives a build target, nil if there is none.
func Target(ctx context.Context, db query.DB, s Spec, event *int64) (query.Row, error) {
	q := targets(TargetFilter{}, event)
	if s.ID != 0 || s.Name == "" {
		q.Where("build_target.id = ?", s.ID)
	} else {
		q.Where("build_target.name = ?", s.Name)
	}
	return q.One(ctx, db)
}

func targets(f TargetFilter, event *int64) *query.Query {
	q := query.New(targetColumns, "build_target_config c").Join("join build_target on build_target.id = c.build_target_id").
		Join("join tag build on build.id = c.build_tag").Join("join tag dest on dest.id = c.dest_tag").At("c", event).OrderBy("build_target.id")
	if f.ID != 0 {
		q.Where("build_target.id = ?", f.ID)
	}
	if f.Name != "" {
		q.Where("build_target.name = ?", f.Name)
	}
	if f.BuildTag != nil {
		q.Where("c.build_tag = ?", *f.BuildTag)
	}
	if f.DestTag != nil {
		q.Where("c.dest_tag = ?", *f.DestTag)
	}
	return q
}
