package repo

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"moromi/projections/query"
)

// Standing is the READY build repository with a tag's own options and the newest content. EndEvent is 0 while the tag has not changed since.
type Standing struct {
	ID, Tag, CreateEvent, EndEvent int64
	TagName                        string
}

// Standings gives each tag's, for those that have one; of the tags that are given, of all if tags is nil.
func Standings(ctx context.Context, db query.DB, tags []int64) ([]Standing, error) {
	of, args := "", []any{}
	if tags != nil { // a condition for both cases would keep PostgreSQL from the index
		of, args = "tag_id = any($1) and ", []any{tags}
	}
	rows, err := db.Query(ctx, `select distinct on (tag_id) repo.id, tag_id, create_event, coalesce(end_event, 0), tag.name from repo
		join tag on tag.id = tag_id where `+of+`state = 1 and not dist and custom_opts = '{}' order by tag_id, create_event desc, repo.id desc`, args...)
	if err != nil {
		return nil, fmt.Errorf("newest repositories: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Standing])
}

// TagsOf gives the tags that repositories are of, each once.
func TagsOf(ctx context.Context, db query.DB, repos []int64) ([]int64, error) {
	rows, err := db.Query(ctx, `select distinct tag_id from repo where id = any($1)`, repos)
	if err != nil {
		return nil, fmt.Errorf("tags of repositories: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowTo[int64])
}

// LatestOf gives the id of the Standing of a tag by the tag's name; 0 if there is none.
func LatestOf(ctx context.Context, db query.DB, tagName string) (int64, error) {
	return scalar(ctx, db, `select repo.id from repo join tag on tag.id = tag_id where tag.name = $1 and state = 1 and not dist and custom_opts = '{}'
		order by create_event desc, repo.id desc limit 1`, tagName)
}

// Recent gives the ids of the newest READY build repositories of a tag with its own options, the newest first, at most n.
func Recent(ctx context.Context, db query.DB, tagName string, n int) ([]int64, error) {
	rows, err := db.Query(ctx, `select repo.id from repo join tag on tag.id = tag_id where tag.name = $1 and state = 1 and not dist and custom_opts = '{}'
		order by create_event desc, repo.id desc limit $2`, tagName, n)
	if err != nil {
		return nil, fmt.Errorf("recent repositories: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowTo[int64])
}

// Beginning gives the newest READY or EXPIRED build repository with a tag's own options that has what came of the tag's change at an event; 0 if there
// is none.
func Beginning(ctx context.Context, db query.DB, tag, event int64) (int64, error) {
	return scalar(ctx, db, `select id from repo where tag_id = $1 and begin_event = $2 and state in (1, 2) and not dist and custom_opts = '{}'
		order by id desc limit 1`, tag, event)
}

// Newest gives the ids of each tag's newest repositories that are INIT or READY, at most n of a tag.
func Newest(ctx context.Context, db query.DB, n int) (map[int64]bool, error) {
	rows, err := db.Query(ctx, `select id from (select id, row_number() over (partition by tag_id order by id desc) as nth from repo where state in (0, 1) and not dist) r
		where nth <= $1`, n)
	if err != nil {
		return nil, fmt.Errorf("newest repositories: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	out := make(map[int64]bool, len(ids))
	for _, id := range ids {
		out[id] = true
	}
	return out, err
}

// Unended gives the repositories without an end event that are READY or on the way to it; of the tags that are given, of all if tags is nil.
func Unended(ctx context.Context, db query.DB, tags []int64) ([]Current, error) {
	rows, err := db.Query(ctx, `select id, tag_id, create_event from repo where end_event is null and state in (0, 1) and ($1::bigint[] is null or tag_id = any($1))
		order by id`, tags)
	if err != nil {
		return nil, fmt.Errorf("current repositories: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Current])
}

// Kept is a repository whose files may be there.
type Kept struct {
	ID, Tag  int64
	State    int64
	Age      float64 // seconds since the state was reached
	Dist     bool
	Custom   bool // with other options than the tag's own
	Ended    bool // the tag has changed since
	TaskOver bool // the task that should make it was canceled or failed
	ByHost   bool // a build host is making it
}

// Undeleted gives all repositories that are not DELETED, each tag's newest content first; ages are as of now.
func Undeleted(ctx context.Context, db query.DB, now time.Time) ([]Kept, error) {
	rows, err := db.Query(ctx, `select repo.id, tag_id, repo.state, extract(epoch from $1::timestamptz - state_time)::float8, dist,
			coalesce(custom_opts, '{}') <> '{}', end_event is not null, coalesce(task.state in (3, 5), false),
			coalesce(task.state in (1, 4) and task.host_id is not null, false)
		from repo left join task on task.id = repo.task_id where repo.state <> 3 order by tag_id, create_event desc, repo.id desc`, now)
	if err != nil {
		return nil, fmt.Errorf("repositories: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Kept])
}

// Ready is a READY repository.
type Ready struct {
	ID      int64
	Dist    bool
	TagName string
}

// Readies gives them all.
func Readies(ctx context.Context, db query.DB) ([]Ready, error) {
	rows, err := db.Query(ctx, `select repo.id, dist, tag.name from repo join tag on tag.id = tag_id where state = 1 order by repo.id`)
	if err != nil {
		return nil, fmt.Errorf("ready repositories: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Ready])
}

// Known tells which of the ids are of repositories that are not DELETED, and which of DELETED ones: those that are in neither are of none.
func Known(ctx context.Context, db query.DB, ids []int64) (live, deleted map[int64]bool, err error) {
	live, deleted = map[int64]bool{}, map[int64]bool{}
	rows, err := db.Query(ctx, `select id, state = 3 from repo where id = any($1)`, ids)
	if err != nil {
		return nil, nil, fmt.Errorf("look up repositories: %w", err)
	}
	var id int64
	var gone bool
	_, err = pgx.ForEachRow(rows, []any{&id, &gone}, func() error {
		if gone {
			deleted[id] = true
		} else {
			live[id] = true
		}
		return nil
	})
	return live, deleted, err
}

// Leading is the dist repository of a tag that "latest" leads to. RolledBack tells that somebody took it back to there.
type Leading struct {
	Tag, ID    int64
	RolledBack bool
	TagName    string
}

const leadingColumns = `select l.tag_id, l.repo_id, l.rolled_back, tag.name from dist_latest l join tag on tag.id = l.tag_id`

// LeadingOf gives a tag's; ok is false if it has none.
func LeadingOf(ctx context.Context, db query.DB, tag int64) (l Leading, ok bool, err error) {
	rows, err := db.Query(ctx, leadingColumns+` where l.tag_id = $1`, tag)
	if err != nil {
		return l, false, fmt.Errorf("latest dist repository: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Leading])
	if err != nil || len(list) == 0 {
		return l, false, err
	}
	return list[0], true, nil
}

// LedAt gives the dist repository that "latest" of a tag, by the name that it has now, led to as of an event; 0 if it led to none.
func LedAt(ctx context.Context, db query.DB, tagName string, event int64) (int64, error) {
	return scalar(ctx, db, `select l.repo_id from dist_latest_at($2) l join tag on tag.id = l.tag_id where tag.name = $1`, tagName, event)
}

// AllLeading gives those of all tags by the repository's id.
func AllLeading(ctx context.Context, db query.DB) (map[int64]Leading, error) {
	rows, err := db.Query(ctx, leadingColumns)
	if err != nil {
		return nil, fmt.Errorf("latest dist repositories: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Leading])
	out := make(map[int64]Leading, len(list))
	for _, l := range list {
		out[l.ID] = l
	}
	return out, err
}
