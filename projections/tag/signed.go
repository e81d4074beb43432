package tag

import (
	"context"

	"moromi/projections/query"
)

// SignedRPM is an rpm and a key that it has a signature of.
type SignedRPM struct {
	ID  int64
	Key string
}

// SignedRPMs gives the rpms of a tag's own builds, or of the latest of each package, that have signatures of the keys: one entry for each key.
func SignedRPMs(ctx context.Context, db query.DB, tag int64, f BuildFilter, keys []string) ([]SignedRPM, error) {
	builds, err := Builds(ctx, db, tag, f, nil)
	if err != nil {
		return nil, err
	}
	q := query.New([]query.Col{{Name: "id", Expr: "r.id"}, {Name: "sigkey", Expr: "s.sigkey"}}, "unnest(?::bigint[]) b(id)", rpmOrder(builds)).
		Join("join rpminfo r on r.build_id = b.id").Join("join rpmsigs s on s.rpm_id = r.id").Where("s.sigkey = any(?)", keys).OrderBy("r.id, s.sigkey")
	var out []SignedRPM
	for row, err := range q.Iter(ctx, db, query.Opts{}) {
		if err != nil {
			return nil, err
		}
		out = append(out, SignedRPM{row["id"].(int64), row["sigkey"].(string)})
	}
	return out, nil
}
