package tag

import (
	"context"
	"slices"

	"moromi/internal/fault"
	"moromi/projections/query"
)

// ArchiveFilter says which archives of a tag's builds are meant. Type, if set, must be maven or win, and adds what they keep of an archive.
type ArchiveFilter struct {
	BuildFilter
	NoExtra bool
}

var archiveColumns = []query.Col{{Name: "id", Expr: "a.id"}, {Name: "type_id", Expr: "a.type_id"}, {Name: "btype_id", Expr: "a.btype_id"}, {Name: "btype", Expr: "btype.name"},
	{Name: "build_id", Expr: "a.build_id"}, {Name: "buildroot_id", Expr: "a.buildroot_id"}, {Name: "filename", Expr: "a.filename"}, {Name: "size", Expr: "a.size"},
	{Name: "checksum", Expr: "a.checksum"}, {Name: "checksum_type", Expr: "a.checksum_type"}, {Name: "metadata_only", Expr: "a.metadata_only"}}

// Archives gives the archives of a tag's builds, each once, and the builds, in listTaggedArchives' shape: tag by tag in the order of inheritance.
func Archives(ctx context.Context, db query.DB, tag int64, f ArchiveFilter, event *int64) (archives, builds []query.Row, err error) {
	if builds, err = Builds(ctx, db, tag, f.BuildFilter, event); err != nil {
		return nil, nil, err
	}
	q := query.New(archiveColumns, "archiveinfo a").Join("join btype on btype.id = a.btype_id").OrderBy("a.id")
	switch f.Type {
	case "":
	case "maven":
		q.Join("join maven_archives m on m.archive_id = a.id").Col("maven_group_id", "m.group_id").Col("maven_artifact_id", "m.artifact_id").Col("maven_version", "m.version")
	case "win":
		q.Join("join win_archives w on w.archive_id = a.id").Col("relpath", "w.relpath").Col("platforms", "w.platforms").Col("flags", "w.flags")
	default:
		return nil, nil, fault.New(fault.Generic, "unsupported archive type: %s", f.Type)
	}
	if !f.NoExtra {
		q.Col("extra", "a.extra")
	}
	place, tags, ids := map[int64]int{}, map[int64]int{}, []int64{}
	for _, b := range builds {
		id, t := b["build_id"].(int64), b["tag_id"].(int64)
		if _, there := tags[t]; !there {
			tags[t] = len(tags)
		}
		place[id], ids = tags[t], append(ids, id)
	}
	if archives, err = q.Where("a.build_id = any(?)", ids).All(ctx, db); err != nil {
		return nil, nil, err
	}
	slices.SortStableFunc(archives, func(x, y query.Row) int { return place[x["build_id"].(int64)] - place[y["build_id"].(int64)] })
	return archives, builds, query.DecodeKey(archives, "extra")
}

var mavenColumns = []query.Col{{Name: "tag_id", Expr: "tag.id"}, {Name: "tag_name", Expr: "tag.name"}, {Name: "pkg_id", Expr: "build.pkg_id"},
	{Name: "build_id", Expr: "build.id"}, {Name: "build_name", Expr: "package.name"}, {Name: "build_version", Expr: "build.version"},
	{Name: "build_release", Expr: "build.release"}, {Name: "build_epoch", Expr: "build.epoch"}, {Name: "state", Expr: "build.state"}, {Name: "task_id", Expr: "build.task_id"},
	{Name: "owner", Expr: "build.owner"}, {Name: "volume_id", Expr: "volume.id"}, {Name: "volume_name", Expr: "volume.name"}, {Name: "id", Expr: "a.id"},
	{Name: "type_id", Expr: "a.type_id"}, {Name: "buildroot_id", Expr: "a.buildroot_id"}, {Name: "filename", Expr: "a.filename"}, {Name: "size", Expr: "a.size"},
	{Name: "checksum", Expr: "a.checksum"}, {Name: "checksum_type", Expr: "a.checksum_type"}, {Name: "metadata_only", Expr: "a.metadata_only"}, {Name: "extra", Expr: "a.extra"},
	{Name: "group_id", Expr: "m.group_id"}, {Name: "artifact_id", Expr: "m.artifact_id"}, {Name: "version", Expr: "m.version"}, {Name: "tag_event", Expr: "l.create_event"}}

// MavenArchives gives the Maven archives that a tag offers in getLatestMavenArchives' shape (kojihub.maven_tag_archives): of each group and
// artifact the version that was tagged last, or all versions where a tag has maven_include_all; of each version the archives of one build.
func MavenArchives(ctx context.Context, db query.DB, tag int64, inherited bool, event *int64) ([]query.Row, error) {
	tags, err := chain(ctx, db, tag, inherited, event)
	if err != nil {
		return nil, err
	}
	listed, err := listedPackages(ctx, db, tag, nil, event)
	if err != nil {
		return nil, err
	}
	out := []query.Row{}
	choice := mavenChoice{builds: map[[2]string]map[string]int64{}, seen: map[int64]bool{}}
	for _, t := range tags {
		info, err := Get(ctx, db, Spec{ID: t}, event, false)
		if err != nil {
			return nil, err
		}
		all, _ := info["maven_include_all"].(bool)
		q := query.New(mavenColumns, "tag_listing l").Join("join tag on tag.id = l.tag_id").Join("join build on build.id = l.build_id").
			Join("join volume on volume.id = build.volume_id").Join("join package on package.id = build.pkg_id").
			Join("join archiveinfo a on a.build_id = build.id").Join("join maven_archives m on m.archive_id = a.id").
			Where("l.tag_id = ?", t).At("l", event).OrderBy("l.create_event desc, l.seq desc, a.id")
		for r, err := range q.Iter(ctx, db, query.Opts{}) {
			if err != nil {
				return nil, err
			}
			if listed[r["pkg_id"].(int64)] && choice.take(r, all) {
				out = append(out, r)
			}
		}
	}
	return out, query.DecodeKey(out, "extra")
}

// mavenChoice remembers what was taken: by group and artifact the build of each version, and the archives.
type mavenChoice struct {
	builds map[[2]string]map[string]int64
	seen   map[int64]bool
}

// take tells whether an archive is offered. Archives come in the order of preference.
func (c *mavenChoice) take(r query.Row, allVersions bool) bool {
	id, build, version := r["id"].(int64), r["build_id"].(int64), r["version"].(string)
	name := [2]string{r["group_id"].(string), r["artifact_id"].(string)}
	versions := c.builds[name]
	switch {
	case versions == nil:
		c.builds[name] = map[string]int64{version: build}
	case versions[version] == 0 && !allVersions:
		return false
	case versions[version] == 0:
		versions[version] = build
	case versions[version] != build || c.seen[id]:
		return false
	}
	c.seen[id] = true
	return true
}
