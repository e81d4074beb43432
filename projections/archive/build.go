package archive

import (
	"context"

	"moromi/projections/query"
)

// at gives a table that has versions, or its rows as of an event.
func at(cols []query.Col, name string, event *int64) *query.Query {
	if event == nil {
		return query.New(cols, name)
	}
	return query.New(cols, name+"_at(?) "+name, *event)
}

// MavenBuild gives what Maven knows of a build in getMavenBuild's shape, nil if nothing.
func MavenBuild(ctx context.Context, db query.DB, build int64, event *int64) (query.Row, error) {
	return at([]query.Col{{Name: "build_id", Expr: "build_id"}, {Name: "group_id", Expr: "group_id"}, {Name: "artifact_id", Expr: "artifact_id"}, {Name: "version", Expr: "version"}},
		"maven_builds", event).Where("build_id = ?", build).One(ctx, db)
}

// WinBuild gives what is kept of a Windows build in getWinBuild's shape, nil if it is none.
func WinBuild(ctx context.Context, db query.DB, build int64, event *int64) (query.Row, error) {
	return at([]query.Col{{Name: "build_id", Expr: "build_id"}, {Name: "platform", Expr: "platform"}}, "win_builds", event).Where("build_id = ?", build).One(ctx, db)
}

// ImageBuild gives an image build in getImageBuild's shape, nil if it is none.
func ImageBuild(ctx context.Context, db query.DB, build int64) (query.Row, error) {
	return query.New([]query.Col{{Name: "build_id", Expr: "b.build_id"}}, "build_types b").Join("join btype on btype.id = b.btype_id").
		Where("btype.name = 'image' and b.build_id = ?", build).One(ctx, db)
}

// Generators gives the content generators that somebody may import as, in listCGs' shape: by name, the id and the users' names.
func Generators(ctx context.Context, db query.DB) (map[string]any, error) {
	rows, err := query.New([]query.Col{{Name: "id", Expr: "g.id"}, {Name: "name", Expr: "g.name"}, {Name: "user", Expr: "users.name"}}, "cg_users u").
		Join("join content_generator g on g.id = u.cg_id").Join("join users on users.id = u.user_id").Where("u.active").OrderBy("g.id, u.create_event, users.id").All(ctx, db)
	if err != nil {
		return nil, err
	}
	out := map[string]any{}
	for _, r := range rows {
		g, ok := out[r["name"].(string)].(map[string]any)
		if !ok {
			g = map[string]any{"id": r["id"], "users": []any{}}
			out[r["name"].(string)] = g
		}
		g["users"] = append(g["users"].([]any), r["user"])
	}
	return out, nil
}

// MayImport tells whether a user may import as a content generator.
func MayImport(ctx context.Context, db query.DB, generator, user int64) (bool, error) {
	rows, err := query.New([]query.Col{{Name: "cg_id", Expr: "cg_id"}}, "cg_users").Where("cg_id = ? and user_id = ? and active", generator, user).All(ctx, db)
	return len(rows) > 0, err
}

// ComponentOf gives the ids of archives of complete builds that have rpms or archives of this build in them, at most limit of each kind if it is
// not nil, the ones with rpms first.
func ComponentOf(ctx context.Context, db query.DB, build int64, limit *int64) (withRPMs, withArchives []int64, err error) {
	from := func(join, cond string) ([]int64, error) {
		q := query.New([]query.Col{{Name: "id", Expr: "a.id"}}, "archiveinfo a").Join("join build on build.id = a.build_id").Where("build.state = 1")
		res, err := q.Join(join).Where(cond, build).OrderBy("a.id").Run(ctx, db, most(limit))
		if err != nil {
			return nil, err
		}
		ids := []int64{}
		for _, r := range res.([]query.Row) {
			ids = append(ids, r["id"].(int64))
		}
		return ids, nil
	}
	withRPMs, err = from("join archive_content c on c.archive_id = a.id", `c.digest in (select content.digest from content
		where content.rpms && (select coalesce(array_agg(id), '{}') from rpminfo where build_id = ?))`)
	if err != nil {
		return nil, nil, err
	}
	withArchives, err = from("", `a.id in (select c.archive_id from archive_components c join archiveinfo part on part.id = c.component_id where part.build_id = ?)`)
	return withRPMs, withArchives, err
}

// most is a limit of 0 or more; Koji takes 0 for none.
func most(limit *int64) query.Opts {
	if limit == nil || *limit == 0 {
		return query.Opts{}
	}
	return query.Opts{Limit: *limit}
}

// UsedBy gives archives of complete builds that were built in buildroots with archives of this build in them, in buildReferences' shape.
func UsedBy(ctx context.Context, db query.DB, build int64, limit *int64) ([]query.Row, error) {
	q := query.New([]query.Col{{Name: "id", Expr: "a.id"}, {Name: "type_id", Expr: "a.type_id"}, {Name: "type_name", Expr: "t.name"}, {Name: "build_id", Expr: "a.build_id"},
		{Name: "filename", Expr: "a.filename"}}, "archiveinfo a").Join("join build on build.id = a.build_id").Join("join archivetypes t on t.id = a.type_id").
		Where("build.state = 1").OrderBy("a.id").
		Where(`a.buildroot_id in (select r.buildroot_id from buildroot_archives r join archiveinfo part on part.id = r.archive_id where part.build_id = ?)`, build)
	o := query.Opts{}
	if limit != nil {
		o.Limit = *limit
	}
	res, err := q.Run(ctx, db, o)
	if err != nil {
		return nil, err
	}
	return res.([]query.Row), nil
}

// LastUsed is when a buildroot with archives of the build in it was made last, in seconds since 1970; nil if none ever was.
func LastUsed(ctx context.Context, db query.DB, build int64) (*float64, error) {
	row, err := query.New([]query.Col{{Name: "last", Expr: "extract(epoch from max(events.time))::float8"}}, "archiveinfo part").
		Join("join buildroot_archives r on r.archive_id = part.id").Join("join buildroot on buildroot.id = r.buildroot_id").
		Join("join events on events.id = buildroot.create_event").Where("part.build_id = ?", build).One(ctx, db)
	if err != nil || row == nil || row["last"] == nil {
		return nil, err
	}
	last := row["last"].(float64)
	return &last, nil
}
