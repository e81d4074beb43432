package archive

import (
	"context"
	"fmt"
	"regexp"

	"github.com/jackc/pgx/v5"

	"moromi/projections/query"
)

// columns are an archive's, as listArchives and getArchive have them.
var columns = []query.Col{
	{Name: "id", Expr: "archiveinfo.id"}, {Name: "type_id", Expr: "archiveinfo.type_id"}, {Name: "btype_id", Expr: "archiveinfo.btype_id"},
	{Name: "btype", Expr: "btype.name"}, {Name: "build_id", Expr: "archiveinfo.build_id"}, {Name: "buildroot_id", Expr: "archiveinfo.buildroot_id"},
	{Name: "filename", Expr: "archiveinfo.filename"}, {Name: "size", Expr: "archiveinfo.size"}, {Name: "checksum", Expr: "archiveinfo.checksum"},
	{Name: "checksum_type", Expr: "archiveinfo.checksum_type"}, {Name: "metadata_only", Expr: "archiveinfo.metadata_only"},
	{Name: "extra", Expr: "archiveinfo.extra"}, {Name: "type_name", Expr: "archivetypes.name"}, {Name: "type_description", Expr: "archivetypes.description"},
	{Name: "type_extensions", Expr: "archivetypes.extensions"}, {Name: "compression_type", Expr: "archivetypes.compression_type"},
}

// table is the table of archives, as of an event if one is given.
func table(cols []query.Col, event *int64) *query.Query {
	if event == nil {
		return query.New(cols, "archiveinfo")
	}
	return query.New(cols, "archiveinfo_at(?) archiveinfo", *event)
}

func archives(event *int64) *query.Query {
	return table(columns, event).Join("join archivetypes on archivetypes.id = archiveinfo.type_id").Join("join btype on btype.id = archiveinfo.btype_id")
}

// Filter says which archives List gives; nil fields do not filter.
type Filter struct {
	ID, Build, Buildroot *int64
	Component            *int64 // that were in this buildroot; adds component_buildroot_id and project
	Image                *int64 // that are in this archive
	Host                 *int64 // built on this host; adds host_id
	Filename, Checksum   *string
	Size, ChecksumType   *int64
	BType                *int64
	// At most one of Maven, Win and Images: archives with what Maven, Windows or image builds keep of theirs, which is added to the result.
	Maven  *MavenFilter
	Win    *WinFilter
	Images bool
	Arch   *string // of images
}

// MavenFilter narrows Maven's archives; nil fields do not filter.
type MavenFilter struct{ GroupID, ArtifactID, Version *string }

// WinFilter narrows Windows' archives. Each of Platforms and Flags must be among the archive's as a word.
type WinFilter struct {
	RelPath          *string
	Platforms, Flags []string
}

// List gives archives in listArchives' shape, as of an event if one is given.
func List(ctx context.Context, db query.DB, f Filter, event *int64, o query.Opts) (any, error) {
	q := archives(event).OrderBy("archiveinfo.id")
	where(q, "archiveinfo.id = ?", f.ID)
	where(q, "archiveinfo.build_id = ?", f.Build)
	where(q, "archiveinfo.buildroot_id = ?", f.Buildroot)
	where(q, "archiveinfo.filename = ?", f.Filename)
	where(q, "archiveinfo.size = ?", f.Size)
	where(q, "archiveinfo.checksum = ?", f.Checksum)
	where(q, "archiveinfo.checksum_type = ?::bigint", f.ChecksumType)
	where(q, "archiveinfo.btype_id = ?", f.BType)
	if f.Component != nil {
		q.Col("component_buildroot_id", "listing.buildroot_id").Col("project", "listing.project_dep")
		q.Join("join buildroot_archives listing on listing.archive_id = archiveinfo.id").Where("listing.buildroot_id = ?", *f.Component)
		where(q, "listing.since <= ?", event)
	}
	if f.Image != nil {
		q.Join("join archive_components component on component.component_id = archiveinfo.id").Where("component.archive_id = ?", *f.Image)
	}
	if f.Host != nil {
		q.Col("host_id", "buildroot.host_id").Join("join buildroot on buildroot.id = archiveinfo.buildroot_id").Where("buildroot.host_id = ?", *f.Host)
	}
	switch {
	case f.Maven != nil:
		f.Maven.narrow(q)
	case f.Win != nil:
		f.Win.narrow(q)
	case f.Images:
		q.Col("arch", "image_archives.arch").Join("join image_archives on image_archives.archive_id = archiveinfo.id")
		where(q, "image_archives.arch = ?", f.Arch)
	}
	return q.RunJSON(ctx, db, o, "extra")
}

func (f *MavenFilter) narrow(q *query.Query) {
	q.Col("group_id", "maven_archives.group_id").Col("artifact_id", "maven_archives.artifact_id").Col("version", "maven_archives.version")
	q.Join("join maven_archives on maven_archives.archive_id = archiveinfo.id")
	where(q, "maven_archives.group_id = ?", f.GroupID)
	where(q, "maven_archives.artifact_id = ?", f.ArtifactID)
	where(q, "maven_archives.version = ?", f.Version)
}

func (f *WinFilter) narrow(q *query.Query) {
	q.Col("relpath", "win_archives.relpath").Col("platforms", "win_archives.platforms").Col("flags", "win_archives.flags")
	q.Join("join win_archives on win_archives.archive_id = archiveinfo.id")
	where(q, "win_archives.relpath = ?", f.RelPath)
	for _, p := range f.Platforms {
		q.Where("win_archives.platforms ~ ?", word(p))
	}
	for _, p := range f.Flags {
		q.Where("win_archives.flags ~ ?", word(p))
	}
}

// word is PostgreSQL's regular expression for text that stands by itself.
func word(s string) string { return `\m` + regexp.QuoteMeta(s) + `\M` }

// where adds the condition if there is a value for it.
func where[T any](q *query.Query, cond string, v *T) {
	if v != nil {
		q.Where(cond, *v)
	}
}

// Get gives an archive in getArchive's shape, with what its type keeps of it; nil if there is none.
func Get(ctx context.Context, db query.DB, id int64, event *int64) (query.Row, error) {
	res, err := List(ctx, db, Filter{ID: &id}, event, query.Opts{})
	if err != nil {
		return nil, err
	}
	rows := res.([]query.Row)
	if len(rows) == 0 {
		return nil, nil
	}
	for _, more := range []func(context.Context, query.DB, int64, *int64) (query.Row, error){Maven, Win, Image} {
		info, err := more(ctx, db, id, event)
		if err != nil {
			return nil, err
		}
		for k, v := range info {
			if k != "archive_id" {
				rows[0][k] = v
			}
		}
	}
	return rows[0], nil
}

func typed(ctx context.Context, db query.DB, kind string, cols []query.Col, id int64, event *int64) (query.Row, error) {
	cols = append([]query.Col{{Name: "archive_id", Expr: "t.archive_id"}}, cols...)
	return table(cols, event).Join("join "+kind+" t on t.archive_id = archiveinfo.id").Where("archiveinfo.id = ?", id).One(ctx, db)
}

// Maven gives what Maven knows of an archive in getMavenArchive's shape, nil if nothing.
func Maven(ctx context.Context, db query.DB, id int64, event *int64) (query.Row, error) {
	return typed(ctx, db, "maven_archives", []query.Col{{Name: "group_id", Expr: "t.group_id"}, {Name: "artifact_id", Expr: "t.artifact_id"}, {Name: "version", Expr: "t.version"}}, id, event)
}

// Win gives what is kept of an archive of a Windows build in getWinArchive's shape, nil if it is none.
func Win(ctx context.Context, db query.DB, id int64, event *int64) (query.Row, error) {
	return typed(ctx, db, "win_archives", []query.Col{{Name: "relpath", Expr: "t.relpath"}, {Name: "platforms", Expr: "t.platforms"}, {Name: "flags", Expr: "t.flags"}}, id, event)
}

// Image gives what is kept of an image in getImageArchive's shape, nil if it is none. rootid tells that it has rpms in it.
func Image(ctx context.Context, db query.DB, id int64, event *int64) (query.Row, error) {
	return typed(ctx, db, "image_archives", []query.Col{{Name: "arch", Expr: "t.arch"},
		{Name: "rootid", Expr: "exists (select from archive_content c where c.archive_id = t.archive_id)"}}, id, event)
}

// Subdir gives the directory of an archive below that of its build type.
func Subdir(ctx context.Context, db query.DB, id int64) (string, error) {
	rows, err := db.Query(ctx, `select subdir from archiveinfo where id = $1`, id)
	if err != nil {
		return "", fmt.Errorf("archive %d: %w", id, err)
	}
	return pgx.CollectExactlyOneRow(rows, pgx.RowTo[string])
}

var typeColumns = []query.Col{{Name: "id", Expr: "id"}, {Name: "name", Expr: "name"}, {Name: "description", Expr: "description"}, {Name: "extensions", Expr: "extensions"},
	{Name: "compression_type", Expr: "compression_type"}}

// Types gives all archive types in getArchiveTypes' shape.
func Types(ctx context.Context, db query.DB) ([]query.Row, error) {
	return query.New(typeColumns, "archivetypes").OrderBy("id").All(ctx, db)
}

// TypeByID gives an archive type by its id, nil if there is none.
func TypeByID(ctx context.Context, db query.DB, id int64) (query.Row, error) {
	return query.New(typeColumns, "archivetypes").Where("id = ?", id).One(ctx, db)
}

// TypeByName gives an archive type by its name, nil if there is none.
func TypeByName(ctx context.Context, db query.DB, name string) (query.Row, error) {
	return query.New(typeColumns, "archivetypes").Where("name = ?", name).One(ctx, db)
}

// TypeByFilename gives the archive type of a file by the longest extension that a type has; nil if none has one. Of several types with the same
// extension the oldest counts.
func TypeByFilename(ctx context.Context, db query.DB, filename string) (query.Row, error) {
	rows, err := query.New(append(typeColumns[:len(typeColumns):len(typeColumns)], query.Col{Name: "matched", Expr: "length(ext)"}),
		`archivetypes, unnest(regexp_split_to_array(lower(extensions), '\s+')) ext`).
		Where(`ext <> '' and (lower(?) = ext or right(lower(?), length(ext) + 1) = '.' || ext)`, filename, filename).OrderBy("length(ext) desc, id").All(ctx, db)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	delete(rows[0], "matched")
	return rows[0], nil
}

// Match finds the oldest archive of a name and size that has this checksum; 0 if none has. others counts those whose checksum is of another type.
func Match(ctx context.Context, db query.DB, filename string, size int64, checksumType int, checksum string) (id, others int64, err error) {
	rows, err := db.Query(ctx, `select coalesce(min(id) filter (where checksum_type = $3 and checksum = $4), 0), count(*) filter (where checksum_type <> $3)
		from archiveinfo where filename = $1 and size = $2`, filename, size, checksumType, checksum)
	if err != nil {
		return 0, 0, fmt.Errorf("match archive: %w", err)
	}
	_, err = pgx.ForEachRow(rows, []any{&id, &others}, func() error { return nil })
	return id, others, err
}

// Missing gives those of the ids that are no archives.
func Missing(ctx context.Context, db query.DB, ids []int64) ([]int64, error) {
	rows, err := db.Query(ctx, `select id from unnest($1::bigint[]) id where not exists (select from archiveinfo where archiveinfo.id = id.id) order by id`, ids)
	if err != nil {
		return nil, fmt.Errorf("look up archives: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowTo[int64])
}
