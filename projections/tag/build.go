package tag

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/projections/query"
)

// BuildFilter says which builds of a tag are meant.
type BuildFilter struct {
	Inherited bool
	Latest    int64  // at most so many of each package, the latest tagged first; 0: all
	Package   string // of this package only
	Prefix    string // of packages whose name begins so
	Owner     string
	Type      string // of this build type
	Draft     *bool
	Extra     bool // add the build's extra
}

var buildColumns = []query.Col{
	{Name: "tag_id", Expr: "tag.id"}, {Name: "tag_name", Expr: "tag.name"}, {Name: "id", Expr: "build.id"}, {Name: "build_id", Expr: "build.id"},
	{Name: "version", Expr: "build.version"}, {Name: "release", Expr: "build.release"}, {Name: "epoch", Expr: "build.epoch"}, {Name: "state", Expr: "build.state"},
	{Name: "completion_time", Expr: "build.completion_time"}, {Name: "promotion_time", Expr: "build.promotion_time"}, {Name: "start_time", Expr: "build.start_time"},
	{Name: "task_id", Expr: "build.task_id"}, {Name: "draft", Expr: "build.draft"}, {Name: "owner_id", Expr: "users.id"}, {Name: "owner_name", Expr: "users.name"},
	{Name: "promoter_id", Expr: "promoter.id"}, {Name: "promoter_name", Expr: "promoter.name"}, {Name: "creation_event_id", Expr: "events.id"},
	{Name: "creation_time", Expr: "events.time"}, {Name: "volume_id", Expr: "volume.id"}, {Name: "volume_name", Expr: "volume.name"},
	{Name: "package_id", Expr: "package.id"}, {Name: "package_name", Expr: "package.name"}, {Name: "name", Expr: "package.name"},
	{Name: "nvr", Expr: "package.name || '-' || build.version || '-' || build.release"}, {Name: "create_event", Expr: "l.create_event"},
}

// chain is the tag itself and all that it inherits from, if asked for, in order. A tag that is inherited on two ways may be there twice.
func chain(ctx context.Context, db query.DB, tag int64, inherited bool, event *int64) ([]int64, error) {
	ids := []int64{tag}
	if !inherited {
		return ids, nil
	}
	links, err := FullInheritance(ctx, db, tag, event, InheritanceOptions{})
	for _, l := range links {
		ids = append(ids, l.ID)
	}
	return ids, err
}

// Builds gives the complete builds in a tag in listTagged's shape and order (kojihub.readTaggedBuilds): by inheritance, and in each tag the
// ones tagged last first. Builds of packages that are not listed, or blocked, are left out.
func Builds(ctx context.Context, db query.DB, tag int64, f BuildFilter, event *int64) ([]query.Row, error) {
	chosen, err := choose(ctx, db, tag, f, event)
	if err != nil || len(chosen) == 0 {
		return []query.Row{}, err
	}
	return buildRows(ctx, db, chosen, f, event)
}

// tagging is a build in a tag.
type tagging struct{ tag, build, pkg int64 }

// choose picks the builds that Builds gives, in its order. It reads little of each: a tag has many builds of which few are the latest.
func choose(ctx context.Context, db query.DB, tag int64, f BuildFilter, event *int64) ([]tagging, error) {
	tags, err := chain(ctx, db, tag, f.Inherited, event)
	if err != nil {
		return nil, err
	}
	var only *int64
	if f.Package != "" {
		p, err := PackageByName(ctx, db, f.Package)
		if err != nil || p == nil {
			return nil, err
		}
		id := p["id"].(int64)
		only = &id
	}
	listed, err := listedPackages(ctx, db, tag, only, event)
	if err != nil {
		return nil, err
	}
	byTag, err := taggings(ctx, db, tags, f, only, event)
	if err != nil {
		return nil, err
	}
	var out []tagging
	count := map[int64]int64{}
	for _, t := range tags {
		for _, b := range byTag[t] {
			if !listed[b.pkg] || f.Latest > 0 && count[b.pkg] >= f.Latest {
				continue
			}
			count[b.pkg]++
			out = append(out, b)
		}
	}
	return out, nil
}

// taggings reads which builds are in each of the tags, the ones tagged last first.
func taggings(ctx context.Context, db query.DB, tags []int64, f BuildFilter, pkg *int64, event *int64) (map[int64][]tagging, error) {
	cols := []query.Col{{Name: "tag_id", Expr: "l.tag_id"}, {Name: "build_id", Expr: "l.build_id"}, {Name: "pkg_id", Expr: "build.pkg_id"}}
	q := query.New(cols, "tag_listing l").Join("join build on build.id = l.build_id").Where("l.tag_id = any(?)", tags).
		Where("build.state = ?", int64(koji.BuildComplete)).At("l", event).OrderBy("l.create_event desc, l.seq desc, build.id desc")
	if pkg != nil {
		q.Where("build.pkg_id = ?", *pkg)
	}
	if f.Prefix != "" {
		q.Join("join package on package.id = build.pkg_id").Where("starts_with(lower(package.name), lower(?))", f.Prefix)
	}
	if f.Owner != "" {
		q.Join("join users on users.id = build.owner").Where("users.name = ?", f.Owner)
	}
	if f.Draft != nil {
		q.Where("build.draft = ?", *f.Draft)
	}
	if f.Type != "" {
		id, err := buildType(ctx, db, f.Type)
		if err != nil {
			return nil, err
		}
		q.Join("join build_types bt on bt.build_id = build.id").Where("bt.btype_id = ?", id)
	}
	out := map[int64][]tagging{}
	var t tagging
	return out, q.Each(ctx, db, []any{&t.tag, &t.build, &t.pkg}, func() error {
		out[t.tag] = append(out[t.tag], t)
		return nil
	})
}

// buildRows reads what is known of builds in their tags, in this order.
func buildRows(ctx context.Context, db query.DB, chosen []tagging, f BuildFilter, event *int64) ([]query.Row, error) {
	tags, builds := make([]int64, len(chosen)), make([]int64, len(chosen))
	for i, t := range chosen {
		tags[i], builds[i] = t.tag, t.build
	}
	q := query.New(buildColumns, "unnest(?::bigint[], ?::bigint[]) with ordinality c(tag_id, build_id, n)", tags, builds).
		Join("join tag_listing l on l.tag_id = c.tag_id and l.build_id = c.build_id").Join("join tag on tag.id = l.tag_id").Join("join build on build.id = l.build_id").
		Join("join events on events.id = build.create_event").Join("join package on package.id = build.pkg_id").
		Join("join volume on volume.id = build.volume_id").Join("join users on users.id = build.owner").
		Join("left join users promoter on promoter.id = build.promoter").At("l", event).OrderBy("c.n")
	switch f.Type {
	case "maven":
		q.Join("join maven_builds m on m.build_id = build.id").Col("maven_group_id", "m.group_id").Col("maven_artifact_id", "m.artifact_id").Col("maven_version", "m.version")
	case "win":
		q.Join("join win_builds w on w.build_id = build.id").Col("platform", "w.platform")
	}
	if f.Extra {
		q.Col("extra", "build.extra")
	}
	rows, err := q.All(ctx, db)
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		if s, ok := r["extra"].(string); ok {
			if r["extra"], err = query.JSON(s); err != nil {
				return nil, err
			}
		}
	}
	return rows, nil
}

func buildType(ctx context.Context, db query.DB, name string) (int64, error) {
	rows, err := db.Query(ctx, `select id from btype where name = $1`, name)
	if err != nil {
		return 0, fmt.Errorf("look up build type: %w", err)
	}
	id, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[int64])
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, fault.New(fault.Generic, "unsupported build type: %s", name)
	}
	return id, err
}

// RPMFilter says which rpms of a tag's builds are meant.
type RPMFilter struct {
	BuildFilter
	Arches     []string // any of them; nil: all
	Signatures bool     // a row for each signature, with sigkey
	NoExtra    bool
}

var rpmColumns = []query.Col{{Name: "name", Expr: "r.name"}, {Name: "version", Expr: "r.version"}, {Name: "release", Expr: "r.release"}, {Name: "arch", Expr: "r.arch"},
	{Name: "id", Expr: "r.id"}, {Name: "epoch", Expr: "r.epoch"}, {Name: "draft", Expr: "r.draft"}, {Name: "payloadhash", Expr: "r.payloadhash"},
	{Name: "size", Expr: "r.size"}, {Name: "buildtime", Expr: "r.buildtime"}, {Name: "buildroot_id", Expr: "r.buildroot_id"}, {Name: "build_id", Expr: "r.build_id"},
	{Name: "metadata_only", Expr: "r.metadata_only"}}

// rpmOrder is the order in which listTaggedRPMS takes the builds: tag by tag and, unlike the list of the builds, the ones tagged first first. A
// build that several tags have counts for the last of them.
func rpmOrder(builds []query.Row) []int64 {
	of, place, byTag := map[int64]int64{}, map[int64]int{}, [][]int64{}
	for _, b := range builds {
		of[b["build_id"].(int64)] = b["tag_id"].(int64)
	}
	seen := map[int64]bool{}
	for _, b := range builds {
		id, tag := b["build_id"].(int64), b["tag_id"].(int64)
		i, there := place[tag]
		if !there {
			i = len(byTag)
			place[tag], byTag = i, append(byTag, nil)
		}
		if of[id] == tag && !seen[id] {
			seen[id] = true
			byTag[i] = append(byTag[i], id)
		}
	}
	ids := make([]int64, 0, len(of))
	for _, list := range byTag {
		slices.Reverse(list)
		ids = append(ids, list...)
	}
	return ids
}

// RPMs gives the rpms of a tag's builds, each once, and the builds, in listTaggedRPMS' shape.
func RPMs(ctx context.Context, db query.DB, tag int64, f RPMFilter, event *int64) (rpms, builds []query.Row, err error) {
	if builds, err = Builds(ctx, db, tag, f.BuildFilter, event); err != nil {
		return nil, nil, err
	}
	if rpms, err = rpmQuery(builds, f).All(ctx, db); err != nil {
		return nil, nil, err
	}
	return rpms, builds, query.DecodeKey(rpms, "extra")
}

// RPMStream is RPMs, but for the rpms, which are read when they are written: a tag may have a hundred thousand.
func RPMStream(ctx context.Context, db query.DB, tag int64, f RPMFilter, event *int64) (rpms *query.Stream, builds []query.Row, err error) {
	if builds, err = Builds(ctx, db, tag, f.BuildFilter, event); err != nil {
		return nil, nil, err
	}
	return rpmQuery(builds, f).Stream(ctx, db, map[string]func(any) (any, error){"extra": query.JSON}), builds, nil
}

func rpmQuery(builds []query.Row, f RPMFilter) *query.Query {
	q := query.New(rpmColumns, "unnest(?::bigint[]) with ordinality b(id, n)", rpmOrder(builds)).Join("join rpminfo r on r.build_id = b.id").OrderBy("b.n, r.id")
	if !f.NoExtra {
		q.Col("extra", "r.extra")
	}
	if f.Signatures {
		q.Join("left join rpmsigs s on s.rpm_id = r.id").Col("sigkey", "s.sigkey").OrderBy("b.n, r.id, s.sigkey")
	}
	if f.Arches != nil {
		q.Where("r.arch = any(?)", f.Arches)
	}
	if f.Draft != nil {
		q.Where("r.draft = ?", *f.Draft)
	}
	return q
}
