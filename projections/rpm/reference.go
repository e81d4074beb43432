package rpm

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"moromi/projections/query"
)

// UsedBy gives rpms of complete builds that were built in buildroots with rpms of this build in them, at most limit if it is not nil, in
// buildReferences' shape.
func UsedBy(ctx context.Context, db query.DB, build int64, limit *int64) ([]query.Row, error) {
	cols := []query.Col{{Name: "id", Expr: "r.id"}, {Name: "name", Expr: "r.name"}, {Name: "version", Expr: "r.version"}, {Name: "release", Expr: "r.release"},
		{Name: "arch", Expr: "r.arch"}, {Name: "build_id", Expr: "r.build_id"}}
	q := query.New(cols, "rpminfo r").Join("join build on build.id = r.build_id").Where("build.state = 1").
		Where(`r.buildroot_id in (select c.buildroot_id from content join buildroot_content c on c.digest = content.digest
			where content.rpms && (select coalesce(array_agg(id), '{}') from rpminfo where build_id = ?))`, build).OrderBy("r.id")
	o := query.Opts{}
	if limit != nil {
		o.Limit = *limit
	}
	rows, err := q.Run(ctx, db, o)
	if err != nil {
		return nil, err
	}
	return rows.([]query.Row), nil
}

// LastUsed is when a buildroot with rpms of the build in it was made last, in seconds since 1970; nil if none ever was.
func LastUsed(ctx context.Context, db query.DB, build int64) (*float64, error) {
	rows, err := db.Query(ctx, `select extract(epoch from max(events.time))::float8 from content
		join buildroot_content c on c.digest = content.digest join buildroot on buildroot.id = c.buildroot_id
		join events on events.id = buildroot.create_event
		where content.rpms && (select coalesce(array_agg(id), '{}') from rpminfo where build_id = $1)`, build)
	if err != nil {
		return nil, fmt.Errorf("last use of build %d: %w", build, err)
	}
	return pgx.CollectExactlyOneRow(rows, pgx.RowTo[*float64])
}
