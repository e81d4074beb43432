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
	Maven                    *MavenFilter // builds that Maven knows; adds what it knows of them
	Win                      *WinFilter   // Windows builds; adds platform

	CreatedBefore, CreatedAfter, CompleteBefore, CompleteAfter, PromotedBefore, PromotedAfter *time.Time
}

// MavenFilter narrows Maven's builds; nil fields do not filter.
type MavenFilter struct{ GroupID, ArtifactID, Version *string }

// WinFilter narrows Windows builds; nil does not filter.
type WinFilter struct{ Platform *string }

// List gives builds in listBuilds' shape, as of an event if one is given.
func List(ctx context.Context, db query.DB, f Filter, event *int64, o query.Opts) (any, error) {
	q := builds(event).OrderBy("build.id").Called(map[string]string{"events.id": "creation_event_id", "package.id": "package_id", "volume.id": "volume_id",
		"users.id": "owner_id", "promoter.id": "promoter_id"})
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
	if m := f.Maven; m != nil {
		q.Join("join maven_builds m on m.build_id = build.id")
		q.Col("maven_group_id", "m.group_id").Col("maven_artifact_id", "m.artifact_id").Col("maven_version", "m.version")
		where(q, "m.group_id = ?", m.GroupID)
		where(q, "m.artifact_id = ?", m.ArtifactID)
		where(q, "m.version = ?", m.Version)
	}
	if w := f.Win; w != nil {
		q.Join("join win_builds w on w.build_id = build.id").Col("platform", "w.platform")
		where(q, "w.platform = ?", w.Platform)
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
