package tag

import (
	"context"
	"maps"
	"slices"

	"moromi/internal/fault"
	"moromi/projections/query"
)

var columns = []query.Col{{Name: "id", Expr: "tag.id"}, {Name: "name", Expr: "tag.name"}, {Name: "perm_id", Expr: "tag_config.perm_id"},
	{Name: "perm", Expr: "permissions.name"}, {Name: "arches", Expr: "tag_config.arches"}, {Name: "locked", Expr: "tag_config.locked"},
	{Name: "maven_support", Expr: "tag_config.maven_support"}, {Name: "maven_include_all", Expr: "tag_config.maven_include_all"}}

func tags() *query.Query {
	return query.New(columns, "tag_config").Join("join tag on tag.id = tag_config.tag_id").Join("left join permissions on permissions.id = tag_config.perm_id")
}

// Spec names a tag: by id, or by name if ID is 0.
type Spec struct {
	ID   int64
	Name string
}

func (s Spec) where(q *query.Query) *query.Query {
	if s.ID != 0 || s.Name == "" {
		return q.Where("tag.id = ?", s.ID)
	}
	return q.Where("tag.name = ?", s.Name)
}

// Get gives a tag in getTag's shape, as of an event if one is given; nil if there is none. With blocked, the values of extra are pairs
// [blocked, value] and blocked keys are there, too.
func Get(ctx context.Context, db query.DB, s Spec, event *int64, blocked bool) (query.Row, error) {
	settings := "select array_agg(key) extra_keys, array_agg(value) extra_values from tag_extra where tag_id = tag.id and "
	q := tags()
	if event == nil {
		q = q.Join("left join lateral (" + settings + "active) settings on true")
	} else {
		q = q.Join("left join lateral ("+settings+"create_event <= ? and (revoke_event is null or revoke_event > ?)) settings on true", *event, *event)
	}
	q.Cols = append(q.Cols[:len(q.Cols):len(q.Cols)], query.Col{Name: "extra", Expr: "extra_keys"}, query.Col{Name: "values", Expr: "extra_values"})
	row, err := s.where(q).At("tag_config", event).One(ctx, db)
	if err != nil || row == nil {
		return nil, err
	}
	keys, _ := row["extra"].([]any)
	values, _ := row["values"].([]any)
	delete(row, "values")
	if row["extra"], err = extra(keys, values, blocked); err != nil {
		return nil, err
	}
	if event != nil {
		row["query_event"] = *event
	}
	return row, nil
}

// GetLast is Get for a tag that may be deleted: then it is the tag as it was last, with revoke_event.
func GetLast(ctx context.Context, db query.DB, s Spec) (query.Row, error) {
	last, err := s.where(query.New([]query.Col{{Name: "revoke_event", Expr: "tag_config.revoke_event"}}, "tag_config").
		Join("join tag on tag.id = tag_config.tag_id")).Where(`not exists (select from tag_config later where later.tag_id = tag.id
			and later.create_event > tag_config.create_event)`).One(ctx, db)
	if err != nil || last == nil {
		return nil, err
	}
	at, gone := last["revoke_event"].(int64)
	if !gone {
		return Get(ctx, db, s, nil, false)
	}
	before := at - 1
	row, err := Get(ctx, db, s, &before, false)
	if row != nil {
		row["revoke_event"] = at
	}
	return row, err
}

// extra gives a tag's own extra settings; the value of a blocked key is nil.
func extra(keys, values []any, blocked bool) (map[string]any, error) {
	out := make(map[string]any, len(keys))
	for i, k := range keys {
		key := k.(string)
		var value any
		if values[i] != nil {
			var err error
			if value, err = query.JSON(values[i]); err != nil {
				return nil, err
			}
		}
		switch {
		case blocked:
			out[key] = []any{values[i] == nil, value}
		case values[i] != nil:
			out[key] = value
		}
	}
	return out, nil
}

// BuildConfig gives a tag with the arches and extra settings that it inherits (getBuildConfig), nil if there is no such tag.
func BuildConfig(ctx context.Context, db query.DB, s Spec, event *int64) (query.Row, error) {
	row, err := Get(ctx, db, s, event, true)
	if err != nil || row == nil {
		return nil, err
	}
	links, err := FullInheritance(ctx, db, row["id"].(int64), event, InheritanceOptions{})
	if err != nil {
		return nil, err
	}
	own := row["extra"].(map[string]any)
	from := map[string]any{}
	var archesFrom any
	for _, l := range links {
		if l.NoConfig {
			continue
		}
		up, err := Get(ctx, db, Spec{ID: l.ID}, event, true)
		if err != nil {
			return nil, err
		}
		if up == nil {
			continue
		}
		who := map[string]any{"id": up["id"], "name": up["name"]}
		if row["arches"] == nil && up["arches"] != nil {
			row["arches"], archesFrom = up["arches"], who
		}
		for k, v := range up["extra"].(map[string]any) {
			if _, there := own[k]; !there {
				own[k], from[k] = v, who
			}
		}
	}
	for _, k := range slices.Collect(maps.Keys(own)) {
		if pair := own[k].([]any); pair[0].(bool) {
			delete(own, k)
		} else {
			own[k] = pair[1]
		}
	}
	row["config_inheritance"] = map[string]any{"extra": from, "arches": archesFrom}
	return row, nil
}

// ListFilter says which tags List gives; nil fields do not filter.
type ListFilter struct {
	Build   *int64  // those that a build is in
	Package *int64  // those that list a package; adds owner_id, owner_name, blocked, extra_arches
	Pattern *string // a shell pattern, whatever the case
	NoPerms bool    // leave perm_id and perm out
}

// List gives tags in listTags' shape.
func List(ctx context.Context, db query.DB, f ListFilter, event *int64, o query.Opts) (any, error) {
	q := tags().At("tag_config", event).OrderBy("tag.id")
	if f.NoPerms {
		q.Cols = slices.DeleteFunc(slices.Clone(q.Cols), func(c query.Col) bool { return c.Name == "perm" || c.Name == "perm_id" })
	}
	if f.Build != nil {
		q.Join("join tag_listing on tag_listing.tag_id = tag.id").Where("tag_listing.build_id = ?", *f.Build).At("tag_listing", event)
	}
	if f.Package != nil {
		q.Join("join tag_packages on tag_packages.tag_id = tag.id").Where("tag_packages.package_id = ?", *f.Package).At("tag_packages", event)
		q.Join("join tag_package_owners on tag_package_owners.tag_id = tag.id and tag_package_owners.package_id = tag_packages.package_id").At("tag_package_owners", event)
		q.Join("join users on users.id = tag_package_owners.owner").Col("owner_id", "users.id").Col("owner_name", "users.name")
		q.Col("blocked", "tag_packages.blocked").Col("extra_arches", "tag_packages.extra_arches")
	}
	if f.Pattern != nil {
		q.Where("tag.name ilike ?", query.Like(*f.Pattern))
	}
	return q.Run(ctx, db, o)
}

// Ever gives the id of a tag that exists or once existed, 0 if there was never one.
func Ever(ctx context.Context, db query.DB, s Spec) (int64, error) {
	row, err := s.where(query.New(columns[:1], "tag")).One(ctx, db)
	if err != nil || row == nil {
		return 0, err
	}
	return row["id"].(int64), nil
}

// Missing is Koji's fault for a tag that is not there.
func Missing(info any) error { return fault.New(fault.Generic, "No such tagInfo: %v", info) }
