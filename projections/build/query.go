package build

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/projections/query"
)

const nvr = "package.name || '-' || build.version || '-' || build.release"

// columns are a build's, as getBuild and listBuilds both have them.
var columns = []query.Col{
	{Name: "build_id", Expr: "build.id"}, {Name: "version", Expr: "build.version"}, {Name: "release", Expr: "build.release"},
	{Name: "epoch", Expr: "build.epoch"}, {Name: "draft", Expr: "build.draft"}, {Name: "state", Expr: "build.state"},
	{Name: "completion_time", Expr: "build.completion_time"}, {Name: "promotion_time", Expr: "build.promotion_time"},
	{Name: "start_time", Expr: "build.start_time"}, {Name: "task_id", Expr: "build.task_id"}, {Name: "source", Expr: "build.source"},
	{Name: "extra", Expr: "build.extra"}, {Name: "creation_event_id", Expr: "build.create_event"}, {Name: "creation_time", Expr: "events.time"},
	{Name: "creation_ts", Expr: "extract(epoch from events.time)::float8"}, {Name: "start_ts", Expr: "extract(epoch from build.start_time)::float8"},
	{Name: "completion_ts", Expr: "extract(epoch from build.completion_time)::float8"},
	{Name: "promotion_ts", Expr: "extract(epoch from build.promotion_time)::float8"},
	{Name: "package_id", Expr: "build.pkg_id"}, {Name: "package_name", Expr: "package.name"}, {Name: "name", Expr: "package.name"},
	{Name: "volume_id", Expr: "build.volume_id"}, {Name: "volume_name", Expr: "volume.name"}, {Name: "nvr", Expr: nvr},
	{Name: "owner_id", Expr: "build.owner"}, {Name: "owner_name", Expr: "users.name"},
	{Name: "promoter_id", Expr: "build.promoter"}, {Name: "promoter_name", Expr: "promoter.name"},
}

// builds is the table of builds with all that columns needs, as of an event if one is given.
func builds(event *int64) *query.Query {
	q := table(columns, event)
	q.Join("left join events on events.id = build.create_event").Join("left join volume on volume.id = build.volume_id")
	return q.Join("left join users on users.id = build.owner").Join("left join users promoter on promoter.id = build.promoter")
}

func table(cols []query.Col, event *int64) *query.Query {
	var q *query.Query
	if event == nil {
		q = query.New(cols, "build")
	} else {
		q = query.New(cols, "build_at(?) build", *event)
	}
	return q.Join("join package on package.id = build.pkg_id")
}

// Spec names a build: by ID, or if that is 0 by its name, version and release.
type Spec struct {
	ID int64
	koji.NVR
}

// String is how the build was named.
func (s Spec) String() string {
	if s.ID != 0 {
		return fmt.Sprint(s.ID)
	}
	return s.NVR.String()
}

// ParseSpec reads a build's name as clients give it: an id, an N-V-R, or a struct with name, version and release (find_build_id).
func ParseSpec(v any) (Spec, error) {
	switch v := v.(type) {
	case int64:
		if v == 0 {
			v = -1 // no build has it; 0 in a Spec means none was given
		}
		return Spec{ID: v}, nil
	case bool: // an int in Python
		if v {
			return Spec{ID: 1}, nil
		}
		return Spec{ID: -1}, nil
	case string:
		n, err := koji.ParseNVR(v)
		return Spec{NVR: n}, err
	case map[string]any:
		var n koji.NVR
		for key, dst := range map[string]*string{"name": &n.Name, "version": &n.Version, "release": &n.Release} {
			s, ok := v[key].(string)
			if _, there := v[key]; !there {
				return Spec{}, fault.New(fault.Generic, "did not provide name, version, and release")
			}
			if !ok {
				return Spec{}, fault.New(fault.Generic, "Invalid type for %s of a build: it must be text", key)
			}
			*dst = s
		}
		return Spec{NVR: n}, nil
	}
	return Spec{}, fault.New(fault.Generic, "Invalid type for argument: a build is an id, an N-V-R or a struct with name, version and release")
}

// FindID gives the id of a build by its name, 0 if there is none. An id is believed, as Koji does.
func FindID(ctx context.Context, db query.DB, s Spec, event *int64) (int64, error) {
	if s.ID != 0 {
		return s.ID, nil
	}
	row, err := table([]query.Col{{Name: "id", Expr: "build.id"}}, event).
		Where("package.name = ? and build.version = ? and build.release = ?", s.Name, s.Version, s.Release).OrderBy("build.id").One(ctx, db)
	if err != nil || row == nil {
		return 0, err
	}
	return row["id"].(int64), nil
}

// Get gives a build in getBuild's shape, nil if there is none.
func Get(ctx context.Context, db query.DB, s Spec, event *int64) (query.Row, error) {
	q := builds(event).Col("id", "build.id").Col("cg_id", "build.cg_id").Col("cg_name", "content_generator.name").
		Join("left join content_generator on content_generator.id = build.cg_id")
	if s.ID != 0 {
		q.Where("build.id = ?", s.ID)
	} else {
		q.Where("package.name = ? and build.version = ? and build.release = ?", s.Name, s.Version, s.Release)
	}
	row, err := q.One(ctx, db)
	if err != nil || row == nil {
		return nil, err
	}
	return row, query.DecodeKey([]query.Row{row}, "extra")
}

// MustGet is Get with Koji's fault for a build that is not there.
func MustGet(ctx context.Context, db query.DB, s Spec, event *int64) (query.Row, error) {
	row, err := Get(ctx, db, s, event)
	if err == nil && row == nil {
		err = fault.New(fault.Generic, "No such build: %s", s)
	}
	return row, err
}

// Types gives the build types of a build by name, in the shape of getBuildType: with what extra's typeinfo says of each.
func Types(ctx context.Context, db query.DB, build query.Row) (map[string]any, error) {
	rows, err := query.New([]query.Col{{Name: "name", Expr: "btype.name"}}, "build_types").Join("join btype on btype.id = build_types.btype_id").
		Where("build_types.build_id = ?", build["build_id"]).OrderBy("btype.id").All(ctx, db)
	if err != nil {
		return nil, err
	}
	extra, _ := build["extra"].(map[string]any)
	info, _ := extra["typeinfo"].(map[string]any)
	out := map[string]any{}
	for _, r := range rows {
		out[r["name"].(string)] = info[r["name"].(string)]
	}
	return out, nil
}

// ListTypes gives build types, all or those with the name or id, in listBTypes' shape.
func ListTypes(ctx context.Context, db query.DB, name *string, id *int64, o query.Opts) (any, error) {
	q := query.New([]query.Col{{Name: "id", Expr: "btype.id"}, {Name: "name", Expr: "btype.name"}}, "btype").OrderBy("btype.id")
	if name != nil {
		q.Where("btype.name = ?", *name)
	}
	if id != nil {
		q.Where("btype.id = ?", *id)
	}
	return q.Run(ctx, db, o)
}

// Volume gives a volume as {id, name} by name (string) or id (int64), nil if there is none.
func Volume(ctx context.Context, db query.DB, key any) (query.Row, error) {
	return byNameOrID(ctx, db, "volume", key)
}

// Type gives a build type as {id, name} by name or id, nil if there is none.
func Type(ctx context.Context, db query.DB, key any) (query.Row, error) {
	return byNameOrID(ctx, db, "btype", key)
}

func byNameOrID(ctx context.Context, db query.DB, table string, key any) (query.Row, error) {
	q := query.New([]query.Col{{Name: "id", Expr: "id"}, {Name: "name", Expr: "name"}}, table)
	if m, ok := key.(map[string]any); ok {
		if key = m["id"]; key == nil {
			key = m["name"]
		}
	}
	switch key := key.(type) {
	case int64:
		q.Where("id = ?", key)
	case string:
		q.Where("name = ?", key)
	default:
		return nil, fault.New(fault.Parameter, "Invalid name or id value: a name or an id is needed")
	}
	return q.One(ctx, db)
}

// Volumes gives all volumes as {id, name}.
func Volumes(ctx context.Context, db query.DB) ([]query.Row, error) {
	return query.New([]query.Col{{Name: "id", Expr: "id"}, {Name: "name", Expr: "name"}}, "volume").OrderBy("id").All(ctx, db)
}

// VolumeUsed tells whether a build is on the volume.
func VolumeUsed(ctx context.Context, db query.DB, volume int64) (bool, error) {
	return exists(ctx, db, `select exists (select from build where volume_id = $1)`, volume)
}

// HasBeenTagged tells whether the build was ever in a tag.
func HasBeenTagged(ctx context.Context, db query.DB, build int64) (bool, error) {
	return exists(ctx, db, `select exists (select from tag_listing where build_id = $1)`, build)
}

func exists(ctx context.Context, db query.DB, sql string, args ...any) (bool, error) {
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		return false, fmt.Errorf("query %.60s: %w", sql, err)
	}
	return pgx.CollectExactlyOneRow(rows, pgx.RowTo[bool])
}

// LastRelease gives the release of the newest build of a version of a package that counts for getNextRelease, "" if there is none.
func LastRelease(ctx context.Context, db query.DB, name, version string) (string, error) {
	rows, err := db.Query(ctx, `select build.release from build join package on package.id = build.pkg_id
		where package.name = $1 and build.version = $2 and build.state in (0, 1, 2) and not build.draft order by build.id desc limit 1`, name, version)
	if err != nil {
		return "", fmt.Errorf("last release: %w", err)
	}
	r, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[string])
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	return r, err
}

// longestAge in months is further back than any build, and near enough for a date.
const longestAge = 12 * 1000

// AverageDuration gives the mean time in seconds from a build's creation to its completion over a package's complete builds that tasks made,
// nil if there are none. months, if not nil, is how far back to look.
func AverageDuration(ctx context.Context, db query.DB, pkg int64, months *int64) (*float64, error) {
	if months != nil {
		near := max(min(*months, longestAge), -longestAge)
		months = &near
	}
	rows, err := db.Query(ctx, `select extract(epoch from avg(build.completion_time - events.time))::float8
		from build join events on events.id = build.create_event
		where build.pkg_id = $1 and build.state = 1 and (build.task_id is not null or build.extra like '%koji_task_id%')
		and ($2::bigint is null or build.completion_time > now() - make_interval(months => $2::int))`, pkg, months)
	if err != nil {
		return nil, fmt.Errorf("average duration: %w", err)
	}
	return pgx.CollectExactlyOneRow(rows, pgx.RowTo[*float64])
}

// Tags gives the tags that a build is in, as {tag_id, name}.
func Tags(ctx context.Context, db query.DB, build int64) ([]query.Row, error) {
	return query.New([]query.Col{{Name: "tag_id", Expr: "tag_listing.tag_id"}, {Name: "name", Expr: "tag.name"}}, "tag_listing").
		Join("join tag on tag.id = tag_listing.tag_id").Where("tag_listing.build_id = ? and tag_listing.active", build).OrderBy("tag_listing.tag_id").All(ctx, db)
}

// ContentGenerator gives a content generator as {id, name} by name or id, nil if there is none.
func ContentGenerator(ctx context.Context, db query.DB, key any) (query.Row, error) {
	return byNameOrID(ctx, db, "content_generator", key)
}

// Package gives a package as {id, name} by name or id, nil if there is none.
func Package(ctx context.Context, db query.DB, key any) (query.Row, error) {
	return byNameOrID(ctx, db, "package", key)
}

// Untagged gives the complete builds that are in no tag, in untaggedBuilds' shape; name "" does not filter.
func Untagged(ctx context.Context, db query.DB, name string, draft *bool, o query.Opts) (any, error) {
	q := query.New([]query.Col{{Name: "id", Expr: "build.id"}, {Name: "name", Expr: "package.name"}, {Name: "version", Expr: "build.version"},
		{Name: "release", Expr: "build.release"}}, "build").Join("join package on package.id = build.pkg_id").
		Where("build.state = 1").Where("not exists (select from tag_listing where tag_listing.build_id = build.id and tag_listing.active)").OrderBy("build.id")
	if name != "" {
		q.Where("package.name = ?", name)
	}
	where(q, "build.draft = ?", draft)
	return q.Run(ctx, db, o)
}
