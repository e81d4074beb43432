package commands

import (
	"context"
	"fmt"

	"moromi/aggregates/name"
	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/projections/query"
	tagmodel "moromi/projections/tag"
)

// ensurePackage gives a package's id, making it known if it is not.
func (s *Service) ensurePackage(ctx context.Context, a Actor, packageName string) (int64, error) {
	if packageName == "" {
		return 0, fault.New(fault.Generic, "No name or package id provided for build")
	}
	if err := koji.VerifyName(packageName); err != nil {
		return 0, err
	}
	return s.claim(ctx, a, name.Package, packageName)
}

// changeTables are the tables whose versions make a tag's content what it is.
const tagVersions = `
	select create_event at from %[1]s v, tags where v.tag_id = tags.id union all select revoke_event from %[1]s v, tags where v.tag_id = tags.id`

// tagChanges selects every event that changed a tag or one that it inherits from.
func tagChanges() string {
	sql := `with recursive tags(id) as (
			select $1::bigint
			union
			select i.parent_id from tag_inheritance i, tags where i.tag_id = tags.id
				and case when $2::bigint is null then i.active else i.create_event <= $2 and (i.revoke_event is null or i.revoke_event > $2) end
		), changes(at) as (select update_event from tag_updates u, tags where u.tag_id = tags.id`
	for _, t := range []string{"tag_listing", "tag_inheritance", "tag_config", "tag_packages", "tag_external_repos", "tag_extra", "group_package_listing",
		"group_req_listing", "group_config"} {
		sql += " union all " + fmt.Sprintf(tagVersions, t)
	}
	for _, t := range []string{"external_repo_config", "external_repo_data"} {
		for _, event := range []string{"create_event", "revoke_event"} {
			sql += fmt.Sprintf(` union all select r.%s from %s r join tag_external_repos e on e.external_repo_id = r.external_repo_id, tags
				where e.tag_id = tags.id and case when $2::bigint is null then e.active else e.create_event <= $2 and (e.revoke_event is null or e.revoke_event > $2) end`, event, t)
		}
	}
	return sql + ")"
}

// tagLastChange is the last event before another (nil: of all) that changed a tag or what it inherits, nil if there is none.
func (s *Service) tagLastChange(ctx context.Context, tag int64, before *int64) (*int64, error) {
	var at *int64
	err := s.DB.QueryRow(ctx, tagChanges()+` select max(at) from changes where $2::bigint is null or at < $2`, tag, before).Scan(&at)
	if err != nil {
		return nil, fmt.Errorf("last change of tag %d: %w", tag, err)
	}
	return at, nil
}

// tagFirstChange is the first event after another that changed a tag or what it inherits; with nil, the one that made the tag.
func (s *Service) tagFirstChange(ctx context.Context, tag int64, after *int64) (*int64, error) {
	var at *int64
	sql, args := tagChanges()+` select min(at) from changes where at > $2`, []any{tag, after}
	if after == nil {
		sql, args = `select min(create_event) from tag_config where tag_id = $1`, args[:1]
	}
	if err := s.DB.QueryRow(ctx, sql, args...).Scan(&at); err != nil {
		return nil, fmt.Errorf("first change of tag %d: %w", tag, err)
	}
	return at, nil
}

// tagInfo gives a tag in getTag's shape by id, name or a struct of these; a fault if there is none.
func (s *Service) tagInfo(ctx context.Context, key any, event *int64) (query.Row, error) {
	if m, ok := key.(map[string]any); ok {
		if key = m["id"]; key == nil {
			key = m["name"]
		}
	}
	var spec tagmodel.Spec
	switch v := key.(type) {
	case int64:
		spec.ID = v
	case string:
		spec.Name = v
	default:
		return nil, fault.New(fault.Generic, "Invalid type for tagInfo: a tag is an id or a name")
	}
	row, err := tagmodel.Get(ctx, s.DB, spec, event, false)
	if err == nil && row == nil {
		err = tagmodel.Missing(key)
	}
	return row, err
}
