package buildroot

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"moromi/projections/query"
)

var columns = []query.Col{
	{Name: "id", Expr: "buildroot.id"}, {Name: "br_type", Expr: "buildroot.br_type"}, {Name: "cg_id", Expr: "buildroot.cg_id"},
	{Name: "cg_name", Expr: "content_generator.name"}, {Name: "cg_version", Expr: "buildroot.cg_version"},
	{Name: "container_arch", Expr: "buildroot.container_arch"}, {Name: "arch", Expr: "buildroot.container_arch"},
	{Name: "container_type", Expr: "buildroot.container_type"}, {Name: "host_os", Expr: "buildroot.host_os"}, {Name: "host_arch", Expr: "buildroot.host_arch"},
	{Name: "extra", Expr: "buildroot.extra"}, {Name: "state", Expr: "buildroot.state"}, {Name: "task_id", Expr: "buildroot.task_id"},
	{Name: "host_id", Expr: "buildroot.host_id"}, {Name: "host_name", Expr: "host.name"},
	{Name: "repo_id", Expr: "buildroot.repo_id"}, {Name: "repo_state", Expr: "repo.state"}, {Name: "tag_id", Expr: "tag.id"}, {Name: "tag_name", Expr: "tag.name"},
	{Name: "create_event_id", Expr: "buildroot.create_event"}, {Name: "create_event_time", Expr: "created.time"},
	{Name: "create_ts", Expr: "extract(epoch from created.time)::float8"},
	{Name: "retire_event_id", Expr: "buildroot.retire_event"}, {Name: "retire_event_time", Expr: "retired.time"},
	{Name: "retire_ts", Expr: "extract(epoch from retired.time)::float8"},
	{Name: "repo_create_event_id", Expr: "repo.create_event"}, {Name: "repo_create_event_time", Expr: "repo_created.time"},
}

func roots(event *int64) *query.Query {
	var q *query.Query
	if event == nil {
		q = query.New(columns, "buildroot")
	} else {
		q = query.New(columns, "buildroot_at(?) buildroot", *event)
	}
	q.Join("left join content_generator on content_generator.id = buildroot.cg_id").Join("left join host on host.id = buildroot.host_id")
	q.Join("left join repo on repo.id = buildroot.repo_id").Join("left join tag on tag.id = repo.tag_id")
	q.Join("left join events created on created.id = buildroot.create_event").Join("left join events retired on retired.id = buildroot.retire_event")
	return q.Join("left join events repo_created on repo_created.id = repo.create_event")
}

// Filter says which buildroots List gives; nil fields do not filter.
type Filter struct {
	Host, Tag, RPM, Task, Repo *int64
	Archive                    *int64 // that was in the buildroot
	IDs, States                []int64
}

// List gives buildroots in listBuildroots' shape, as of an event if one is given.
func List(ctx context.Context, db query.DB, f Filter, event *int64, o query.Opts) (any, error) {
	q := roots(event).OrderBy("buildroot.id").Called(map[string]string{"standard_buildroot.state": "state", "standard_buildroot.task_id": "task_id", "host.id": "host_id",
		"repo.id": "repo_id", "create_events.id": "create_event_id", "create_events.time": "create_event_time", "retire_events.id": "retire_event_id",
		"retire_events.time": "retire_event_time", "repo_create.id": "repo_create_event_id", "repo_create.time": "repo_create_event_time"})
	if f.IDs != nil {
		q.Where("buildroot.id = any(?)", f.IDs)
	}
	if f.Host != nil {
		q.Where("buildroot.host_id = ?", *f.Host)
	}
	if f.Tag != nil {
		q.Where("repo.tag_id = ?", *f.Tag)
	}
	if f.States != nil {
		q.Where("buildroot.state = any(?::bigint[])", f.States)
	}
	if f.RPM != nil {
		q.Where(`buildroot.id in (select c.buildroot_id from content join buildroot_content c on c.digest = content.digest
			where content.rpms @> array[?::bigint])`, *f.RPM)
	}
	if f.Archive != nil {
		q.Where(`buildroot.id in (select r.buildroot_id from buildroot_archives r join archiveinfo on archiveinfo.id = r.archive_id where r.archive_id = ?)`, *f.Archive)
	}
	if f.Task != nil {
		q.Where("buildroot.task_id = ?", *f.Task)
	}
	if f.Repo != nil {
		q.Where("buildroot.repo_id = ?", *f.Repo)
	}
	return q.RunJSON(ctx, db, o, "extra")
}

// Get gives a buildroot in getBuildroot's shape, nil if there is none.
func Get(ctx context.Context, db query.DB, id int64, event *int64) (query.Row, error) {
	res, err := List(ctx, db, Filter{IDs: []int64{id}}, event, query.Opts{})
	if err != nil {
		return nil, err
	}
	if rows := res.([]query.Row); len(rows) > 0 {
		return rows[0], nil
	}
	return nil, nil
}

// References gives the live buildroots that were made of a repository, in repo.references' shape.
func References(ctx context.Context, db query.DB, repo int64) ([]query.Row, error) {
	cols := []query.Col{{Name: "id", Expr: "id"}, {Name: "host_id", Expr: "host_id"}, {Name: "task_id", Expr: "task_id"},
		{Name: "create_event", Expr: "create_event"}, {Name: "state", Expr: "state"}}
	return query.New(cols, "buildroot").Where("repo_id = ? and retire_event is null", repo).OrderBy("id").All(ctx, db)
}

// Missing gives those of the ids that are no buildroots.
func Missing(ctx context.Context, db query.DB, ids []int64) ([]int64, error) {
	rows, err := db.Query(ctx, `select id from unnest($1::bigint[]) id where not exists (select from buildroot b where b.id = id.id)`, ids)
	if err != nil {
		return nil, fmt.Errorf("look up buildroots: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowTo[int64])
}

// RPMs gives the ids of the rpms in a buildroot.
func RPMs(ctx context.Context, db query.DB, id int64) (map[int64]bool, error) {
	rows, err := db.Query(ctx, `select unnest(content.rpms) from buildroot_content c join content on content.digest = c.digest where c.buildroot_id = $1`, id)
	if err != nil {
		return nil, fmt.Errorf("rpms of buildroot %d: %w", id, err)
	}
	out := map[int64]bool{}
	var rpm int64
	_, err = pgx.ForEachRow(rows, []any{&rpm}, func() error { out[rpm] = true; return nil })
	return out, err
}

// Near gives the list that a list for this buildroot probably differs little from: the last one of the same kind for the same tag and
// architecture. Digest is "" if there is none.
func Near(ctx context.Context, db query.DB, id int64, update bool) (digest string, rpms []int64, err error) {
	rows, err := db.Query(ctx, `select content.digest, content.rpms from buildroot mine
		join repo on repo.id = mine.repo_id
		join lateral (select id from repo r where r.tag_id = repo.tag_id and r.id <= repo.id order by r.id desc limit 5) near on true
		join buildroot other on other.repo_id = near.id and other.container_arch = mine.container_arch and other.id < mine.id
		join buildroot_content c on c.buildroot_id = other.id and c.is_update = $2
		join content on content.digest = c.digest
		where mine.id = $1 order by other.id desc limit 1`, id, update)
	if err != nil {
		return "", nil, fmt.Errorf("look for a near list: %w", err)
	}
	_, err = pgx.ForEachRow(rows, []any{&digest, &rpms}, func() error { return nil })
	return digest, rpms, err
}
