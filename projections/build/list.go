package build

import (
	"context"
	"strings"
	"time"

	"moromi/projections/query"
)

// Filter says which builds List gives. Nil and empty fields do not filter.
type Filter struct {
	Package, Owner, Promoter *int64
	Task                     *int64 // -1: any task at all
	Volume, State            *int64
	ContentGenerator         *int64
	Prefix                   string // of the package's name, without regard to case
	Pattern, Source          string // shell patterns for N-V-R and source, without regard to case
	Type                     *int64 // build type
	Draft                    *bool

	CreatedBefore, CreatedAfter, CompleteBefore, CompleteAfter, PromotedBefore, PromotedAfter *time.Time
}

// List gives builds in listBuilds' shape, as of an event if one is given.
func List(ctx context.Context, db query.DB, f Filter, event *int64, o query.Opts) (any, error) {
	q := builds(event).OrderBy("build.id")
	where(q, "build.pkg_id = ?", f.Package)
	where(q, "build.owner = ?", f.Owner)
	where(q, "build.promoter = ?", f.Promoter)
	where(q, "build.volume_id = ?", f.Volume)
	where(q, "build.state = ?::bigint", f.State)
	where(q, "build.cg_id = ?", f.ContentGenerator)
	where(q, "build.draft = ?", f.Draft)
	where(q, "events.time < ?", f.CreatedBefore)
	where(q, "events.time > ?", f.CreatedAfter)
	where(q, "build.completion_time < ?", f.CompleteBefore)
	where(q, "build.completion_time > ?", f.CompleteAfter)
	where(q, "build.promotion_time < ?", f.PromotedBefore)
	where(q, "build.promotion_time > ?", f.PromotedAfter)
	switch {
	case f.Task != nil && *f.Task == -1:
		q.Where("build.task_id is not null")
	case f.Task != nil:
		q.Where("build.task_id = ?", *f.Task)
	}
	if f.Prefix != "" {
		q.Where("package.name ilike ? || '%'", f.Prefix)
	}
	if f.Pattern != "" {
		q.Where(nvr+" ilike ?", like(f.Pattern))
	}
	if f.Source != "" {
		q.Where("build.source ilike ?", like(f.Source))
	}
	if f.Type != nil {
		q.Join("join build_types on build_types.build_id = build.id").Where("build_types.btype_id = ?", *f.Type)
	}
	return q.RunJSON(ctx, db, o, "extra")
}

// where adds the condition if there is a value for it.
func where[T any](q *query.Query, cond string, v *T) {
	if v != nil {
		q.Where(cond, *v)
	}
}

// like makes an SQL pattern of a shell pattern with * and ?.
func like(glob string) string {
	return strings.NewReplacer(`\`, `\\`, "_", `\_`, "?", "_", "*", "%").Replace(glob)
}
