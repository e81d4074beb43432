package event

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"moromi/projections/query"
	"moromi/projections/tag"
)

// extreme selects the last or the first event (fn is max or min, than < or >) that changed one of the tags $1 or the external repositories $3,
// before or after $2. Each tag is asked by itself so that the index answers.
func extreme(fn, than string) string {
	parts := []string{fmt.Sprintf(`select c.at from unnest($1::bigint[]) t(id), lateral (select %s(event) as at from tag_change
		where tag_id = t.id and ($2::bigint is null or event %s $2)) c`, fn, than)}
	for _, table := range []string{"external_repo_config", "external_repo_data"} {
		for _, column := range []string{"create_event", "revoke_event"} {
			parts = append(parts, fmt.Sprintf(`select %[1]s(%[3]s) from %[4]s where external_repo_id = any($3::bigint[]) and ($2::bigint is null or %[3]s %[2]s $2)`,
				fn, than, column, table))
		}
	}
	return "select " + fn + "(at) from (" + strings.Join(parts, " union all ") + ") as changes(at)"
}

// scope is the tags and external repositories whose changes are changes of a tag, as of an event.
func scope(ctx context.Context, db query.DB, id int64, inherit bool, at *int64) (tags, repos []int64, err error) {
	tags = []int64{id}
	if inherit {
		links, err := tag.FullInheritance(ctx, db, id, at, tag.InheritanceOptions{})
		if err != nil {
			return nil, nil, err
		}
		for _, l := range links {
			tags = append(tags, l.ID)
		}
	}
	rows, err := tag.TagExternalRepos(ctx, db, tags, nil, at)
	repos = []int64{}
	for _, r := range rows {
		repos = append(repos, r["external_repo_id"].(int64))
	}
	return tags, repos, err
}

func one(ctx context.Context, db query.DB, sql string, args ...any) (*int64, error) {
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectExactlyOneRow(rows, pgx.RowTo[*int64])
}

// TagLastChange is the last event, before another if one is given, that changed a tag or what it inherits, external repositories included;
// nil if there is none (kojihub.tag_last_change_event).
func TagLastChange(ctx context.Context, db query.DB, id int64, before *int64, inherit bool) (*int64, error) {
	tags, repos, err := scope(ctx, db, id, inherit, before)
	if err != nil {
		return nil, err
	}
	at, err := one(ctx, db, extreme("max", "<"), tags, before, repos)
	if err != nil {
		return nil, fmt.Errorf("last change of tag %d: %w", id, err)
	}
	return at, nil
}

// TagFirstChange is the first event after another that changed a tag or what it inherited then; with nil, the one that made the tag. nil if
// there is none (kojihub.tag_first_change_event).
func TagFirstChange(ctx context.Context, db query.DB, id int64, after *int64, inherit bool) (*int64, error) {
	made, err := one(ctx, db, `select min(create_event) from tag_config where tag_id = $1`, id)
	if err != nil {
		return nil, fmt.Errorf("first change of tag %d: %w", id, err)
	}
	if after == nil || made == nil {
		return made, nil
	}
	tags, repos, err := scope(ctx, db, id, inherit, after)
	if err != nil {
		return nil, err
	}
	at, err := one(ctx, db, extreme("min", ">"), tags, after, repos)
	if err != nil {
		return nil, fmt.Errorf("first change of tag %d: %w", id, err)
	}
	if at != nil && *at < *made {
		at = made
	}
	return at, nil
}

// TagsChangedSince tells whether any of the tags, without what they inherit, changed after an event (kojihub.tag_changed_since_event).
func TagsChangedSince(ctx context.Context, db query.DB, event int64, tags []int64) (bool, error) {
	at, err := one(ctx, db, extreme("max", ">"), tags, event, []int64{})
	if err != nil {
		return false, fmt.Errorf("changes since event %d: %w", event, err)
	}
	return at != nil, nil
}
