package tag

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"moromi/projections/query"
)

// AllLinks gives the whole inheritance as it is now: From, ID, MaxDepth and Intransitive of each link.
func AllLinks(ctx context.Context, db query.DB) ([]Link, error) {
	rows, err := db.Query(ctx, `select tag_id, parent_id, maxdepth, intransitive from tag_inheritance where active order by tag_id, priority`)
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
// extra setting AutoRepo is true.
func KeptCurrent(ctx context.Context, db query.DB) ([]int64, error) {
	return ids(ctx, db, `select tag_id from tag_config where active and tag_id in (
			select build_tag from build_target_config where active
			union all
			select tag_id from tag_extra where active and key = '`+AutoRepo+`' and value not in ('false', 'null', '0', '""', '[]', '{}'))
		order by tag_id`)
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
