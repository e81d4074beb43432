package tag

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"moromi/projections/query"
)

// AllLinks gives the inheritance of some tags, or of all if tags is nil, as it is now: From, ID, MaxDepth and Intransitive of each link.
func AllLinks(ctx context.Context, db query.DB, tags []int64) ([]Link, error) {
	rows, err := db.Query(ctx, `select tag_id, parent_id, maxdepth, intransitive from tag_inheritance where active and ($1::bigint[] is null or tag_id = any($1))
		order by tag_id, priority`, tags)
	if err != nil {
		return nil, fmt.Errorf("inheritance: %w", err)
	}
	return pgx.CollectRows(rows, func(r pgx.CollectableRow) (l Link, err error) {
		err = r.Scan(&l.From, &l.ID, &l.MaxDepth, &l.Intransitive)
		return l, err
	})
}

// AutoRepo is the extra setting of a tag whose repository is kept current without being asked for.
const AutoRepo = "repo.auto"

// KeptCurrent gives the tags whose repositories are to be kept current without being asked for: the build tags of targets, and the tags whose
// extra setting AutoRepo is true; of some tags, or of all if tags is nil.
func KeptCurrent(ctx context.Context, db query.DB, tags []int64) ([]int64, error) {
	return ids(ctx, db, `select tag_id from tag_config where active and ($1::bigint[] is null or tag_id = any($1)) and tag_id in (
			select build_tag from build_target_config where active and ($1::bigint[] is null or build_tag = any($1))
			union all
			select tag_id from tag_extra where active and ($1::bigint[] is null or tag_id = any($1)) and key = '`+AutoRepo+`'
				and value not in ('false', 'null', '0', '""', '[]', '{}'))
		order by tag_id`, tags)
}

// BuildTags gives the build tag of each target.
func BuildTags(ctx context.Context, db query.DB) (map[int64]int64, error) {
	rows, err := db.Query(ctx, `select build_target_id, build_tag from build_target_config where active`)
	if err != nil {
		return nil, fmt.Errorf("build tags: %w", err)
	}
	out := map[int64]int64{}
	var target, tag int64
	_, err = pgx.ForEachRow(rows, []any{&target, &tag}, func() error {
		out[target] = tag
		return nil
	})
	return out, err
}

// WithExternalRepo gives the tags that an external repository is linked to.
func WithExternalRepo(ctx context.Context, db query.DB, repo int64) ([]int64, error) {
	return ids(ctx, db, `select tag_id from tag_external_repos where external_repo_id = $1 and active order by tag_id`, repo)
}

func ids(ctx context.Context, db query.DB, sql string, args ...any) ([]int64, error) {
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("query %.60s: %w", sql, err)
	}
	return pgx.CollectRows(rows, pgx.RowTo[int64])
}
