package rpm

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"moromi/projections/query"
)

// OfBuild is an rpm as repositories need it; the fields are those of the table rpminfo.
type OfBuild struct {
	ID, BuildID     int64
	BuildrootID     *int64
	Name, Version   string
	Release, Arch   string
	Epoch           *int64
	Draft           bool
	PayloadHash     string
	Size, BuildTime int64
	MetadataOnly    bool
	Extra, SHA256   *string
}

// EachOf calls f for the rpms of builds, in the order of the builds and then of their ids. It is made for hundreds of thousands: nothing is kept.
func EachOf(ctx context.Context, db query.DB, builds []int64, f func(OfBuild) error) error {
	rows, err := db.Query(ctx, `select r.id, r.build_id, r.buildroot_id, r.name, r.version, r.release, r.arch, r.epoch, coalesce(r.draft, false),
			r.payloadhash, r.size, r.buildtime, r.metadata_only, r.extra, r.sha256
		from unnest($1::bigint[]) with ordinality b(id, n) join rpminfo r on r.build_id = b.id order by b.n, r.id`, builds)
	if err != nil {
		return fmt.Errorf("rpms of builds: %w", err)
	}
	var x OfBuild
	_, err = pgx.ForEachRow(rows, []any{&x.ID, &x.BuildID, &x.BuildrootID, &x.Name, &x.Version, &x.Release, &x.Arch, &x.Epoch, &x.Draft,
		&x.PayloadHash, &x.Size, &x.BuildTime, &x.MetadataOnly, &x.Extra, &x.SHA256}, func() error { return f(x) })
	if err != nil {
		return fmt.Errorf("rpms of builds: %w", err)
	}
	return nil
}

// Brief is what tells rpms of one name apart.
type Brief struct {
	Draft       bool
	PayloadHash string
}

// Briefs gives that of those of the ids that are rpms.
func Briefs(ctx context.Context, db query.DB, ids []int64) (map[int64]Brief, error) {
	rows, err := db.Query(ctx, `select id, coalesce(draft, false), payloadhash from rpminfo where id = any($1)`, ids)
	if err != nil {
		return nil, fmt.Errorf("look up rpms: %w", err)
	}
	out := make(map[int64]Brief, len(ids))
	var id int64
	var b Brief
	_, err = pgx.ForEachRow(rows, []any{&id, &b.Draft, &b.PayloadHash}, func() error { out[id] = b; return nil })
	return out, err
}

// Digests gives the SHA-256, in hex, that is on record of the files of rpms: by id and then by the key whose signed copy it is, "" for the file as it was imported.
func Digests(ctx context.Context, db query.DB, ids []int64) (map[int64]map[string]string, error) {
	rows, err := db.Query(ctx, `select id, '', sha256 from rpminfo where id = any($1) and sha256 is not null
		union all select rpm_id, sigkey, checksum from rpm_checksum where rpm_id = any($1) and sigkey <> '' and checksum_type = 2`, ids)
	if err != nil {
		return nil, fmt.Errorf("digests of rpms: %w", err)
	}
	out := make(map[int64]map[string]string, len(ids))
	var id int64
	var key, sum string
	_, err = pgx.ForEachRow(rows, []any{&id, &key, &sum}, func() error {
		if out[id] == nil {
			out[id] = map[string]string{}
		}
		out[id][key] = sum
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("digests of rpms: %w", err)
	}
	return out, nil
}
