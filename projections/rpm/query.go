package rpm

import (
	"context"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"

	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/projections/query"
)

// externalName is the name of the external repository that an rpm is of; Koji calls its own place INTERNAL.
const externalName = "case when rpminfo.external_repo_id = 0 then 'INTERNAL' else external_repo.name end"

const nvr = "rpminfo.name || '-' || rpminfo.version || '-' || rpminfo.release"

var columns = []query.Col{
	{Name: "id", Expr: "rpminfo.id"}, {Name: "build_id", Expr: "rpminfo.build_id"}, {Name: "buildroot_id", Expr: "rpminfo.buildroot_id"},
	{Name: "name", Expr: "rpminfo.name"}, {Name: "version", Expr: "rpminfo.version"}, {Name: "release", Expr: "rpminfo.release"},
	{Name: "epoch", Expr: "rpminfo.epoch"}, {Name: "arch", Expr: "rpminfo.arch"}, {Name: "draft", Expr: "rpminfo.draft"},
	{Name: "external_repo_id", Expr: "rpminfo.external_repo_id"}, {Name: "external_repo_name", Expr: externalName},
	{Name: "payloadhash", Expr: "rpminfo.payloadhash"}, {Name: "size", Expr: "rpminfo.size"}, {Name: "buildtime", Expr: "rpminfo.buildtime"},
	{Name: "metadata_only", Expr: "rpminfo.metadata_only"}, {Name: "extra", Expr: "rpminfo.extra"},
}

// rpms is the table of rpms, as of an event if one is given.
func rpms(event *int64) *query.Query {
	var q *query.Query
	if event == nil {
		q = query.New(columns, "rpminfo")
	} else {
		q = query.New(columns, "rpminfo_at(?) rpminfo", *event)
	}
	return q.Join("left join external_repo on external_repo.id = rpminfo.external_repo_id")
}

// Spec names an rpm: by ID, or if that is 0 by its NVRA, with a location in an external repository of that name.
type Spec struct {
	ID int64
	koji.NVRA
}

// String is how the rpm was named.
func (s Spec) String() string {
	if s.ID != 0 {
		return fmt.Sprint(s.ID)
	}
	return s.NVRA.String()
}

// noRPM is an id that no rpm has: 0 in a Spec means that none was given.
const noRPM = -1

// ParseSpec reads an rpm's name as clients give it: an id, as a number or text, an N-V-R.A[.rpm][@location], or a struct with id or with name,
// version, release, arch and perhaps location (get_rpm).
func ParseSpec(v any) (Spec, error) {
	switch v := v.(type) {
	case int64:
		if v == 0 {
			v = noRPM
		}
		return Spec{ID: v}, nil
	case string:
		if id, err := strconv.ParseInt(v, 10, 64); err == nil {
			return ParseSpec(id)
		}
		n, err := koji.ParseNVRA(v)
		return Spec{NVRA: n}, err
	case map[string]any:
		if id, ok := v["id"].(int64); ok {
			return ParseSpec(id)
		}
		var n koji.NVRA
		for key, dst := range map[string]*string{"name": &n.Name, "version": &n.Version, "release": &n.Release, "arch": &n.Arch} {
			s, ok := v[key].(string)
			if !ok {
				return Spec{}, fault.New(fault.Generic, "an rpm needs name, version, release and arch")
			}
			*dst = s
		}
		n.Location, _ = v["location"].(string)
		return Spec{NVRA: n}, nil
	}
	return Spec{}, fault.New(fault.Generic, "Invalid type for rpminfo: an rpm is an id, an N-V-R.A or a struct")
}

// All gives every rpm that a name fits, in getRPM's shape: drafts and external rpms may have the NVRA of another one.
func All(ctx context.Context, db query.DB, s Spec, event *int64) ([]query.Row, error) {
	q := rpms(event).OrderBy("rpminfo.id")
	if s.ID != 0 {
		q.Where("rpminfo.id = ?", s.ID)
	} else {
		q.Where("rpminfo.name = ? and rpminfo.version = ? and rpminfo.release = ? and rpminfo.arch = ?", s.Name, s.Version, s.Release, s.Arch)
	}
	if s.Location != "" {
		repo, err := ExternalRepoID(ctx, db, s.Location)
		if err != nil {
			return nil, err
		}
		q.Where("rpminfo.external_repo_id = ?", repo)
	}
	rows, err := q.All(ctx, db)
	if err != nil {
		return nil, err
	}
	return rows, query.DecodeKey(rows, "extra")
}

// ExternalRepoID gives the id of an external repository by name; INTERNAL is 0. One that is not there is a fault.
func ExternalRepoID(ctx context.Context, db query.DB, name string) (int64, error) {
	if name == "INTERNAL" {
		return 0, nil
	}
	row, err := query.New([]query.Col{{Name: "id", Expr: "id"}}, "external_repo").Where("name = ?", name).One(ctx, db)
	if err != nil {
		return 0, err
	}
	if row == nil {
		return 0, fault.New(fault.Generic, "No such entry in table external_repo: %s", name)
	}
	return row["id"].(int64), nil
}

// ExternalRepoName gives the name of an external repository by its id, INTERNAL for 0; a fault if there is none.
func ExternalRepoName(ctx context.Context, db query.DB, id int64) (string, error) {
	if id == 0 {
		return "INTERNAL", nil
	}
	row, err := query.New([]query.Col{{Name: "name", Expr: "name"}}, "external_repo").Where("id = ?", id).One(ctx, db)
	if err != nil {
		return "", err
	}
	if row == nil {
		return "", fault.New(fault.Generic, "No such entry in table external_repo: %d", id)
	}
	return row["name"].(string), nil
}

// Get gives the rpm that a name means: our own before drafts before external ones, and of several the newest. Nil if there is none.
func Get(ctx context.Context, db query.DB, s Spec, event *int64) (query.Row, error) {
	all, err := All(ctx, db, s, event)
	if err != nil {
		return nil, err
	}
	var best query.Row
	for _, r := range all { // ascending ids
		if best == nil || preference(r) >= preference(best) {
			best = r
		}
	}
	return best, nil
}

func preference(r query.Row) int {
	draft, _ := r["draft"].(bool)
	switch {
	case r["external_repo_id"].(int64) != 0:
		return 0
	case draft:
		return 1
	}
	return 2
}

// MustGet is Get with Koji's fault for an rpm that is not there.
func MustGet(ctx context.Context, db query.DB, s Spec, event *int64) (query.Row, error) {
	r, err := Get(ctx, db, s, event)
	if err == nil && r == nil {
		err = fault.New(fault.Generic, "No such rpm: %s", s)
	}
	return r, err
}

// Filter says which rpms List gives; nil fields do not filter.
type Filter struct {
	Build, Buildroot *int64
	Component        *int64 // of this buildroot's content; adds component_buildroot_id and is_update
	Host             *int64
	Archive          *int64 // in this archive
	Arches           []string
	Draft            *bool
}

// List gives rpms in listRPMs' shape, as of an event if one is given.
func List(ctx context.Context, db query.DB, f Filter, event *int64, o query.Opts) (any, error) {
	q := rpms(event).Col("nvr", nvr).OrderBy("rpminfo.id").Called(map[string]string{"external_repo.name": "external_repo_name"})
	if f.Component != nil {
		q.Col("component_buildroot_id", "listing.buildroot_id").Col("is_update", "listing.is_update")
		q.Join(`join (select c.buildroot_id, c.is_update, unnest(content.rpms) rpm_id from buildroot_content c join content on content.digest = c.digest
			where c.buildroot_id = ? and (?::bigint is null or c.since <= ?)) listing on listing.rpm_id = rpminfo.id`, *f.Component, event, event)
	}
	if f.Build != nil {
		q.Where("rpminfo.build_id = ?", *f.Build)
	}
	if f.Buildroot != nil {
		q.Where("rpminfo.buildroot_id = ?", *f.Buildroot)
	}
	if f.Host != nil {
		q.Join("join buildroot on buildroot.id = rpminfo.buildroot_id").Where("buildroot.host_id = ?", *f.Host)
	}
	if f.Archive != nil {
		q.Where(`rpminfo.id in (select unnest(content.rpms) from archive_content c join archiveinfo on archiveinfo.id = c.archive_id
			join content on content.digest = c.digest where c.archive_id = ?)`, *f.Archive)
	}
	if f.Arches != nil {
		q.Where("rpminfo.arch = any(?)", f.Arches)
	}
	if f.Draft != nil {
		q.Where("coalesce(rpminfo.draft, false) = ?", *f.Draft)
	}
	return q.RunJSON(ctx, db, o, "extra")
}

// OfBuildroot gives the content of a buildroot in getBuildrootListing's shape.
func OfBuildroot(ctx context.Context, db query.DB, buildroot int64, event *int64) ([]query.Row, error) {
	cols := []query.Col{{Name: "rpm_id", Expr: "rpminfo.id"}, {Name: "is_update", Expr: "listing.is_update"}, columns[3], columns[4], columns[5], columns[6],
		columns[7], columns[1], columns[8], columns[9], columns[10]}
	return query.New(cols, `(select c.is_update, unnest(content.rpms) rpm_id from buildroot_content c join content on content.digest = c.digest
		where c.buildroot_id = ? and (?::bigint is null or c.since <= ?)) listing`, buildroot, event, event).
		Join("join rpminfo on rpminfo.id = listing.rpm_id").Join("left join external_repo on external_repo.id = rpminfo.external_repo_id").
		OrderBy("listing.is_update, rpminfo.id").All(ctx, db)
}

// Signatures gives signatures in queryRPMSigs' shape: of an rpm, of a key, or all.
func Signatures(ctx context.Context, db query.DB, rpm *int64, key *string, event *int64, o query.Opts) (any, error) {
	cols := []query.Col{{Name: "rpm_id", Expr: "rpmsigs.rpm_id"}, {Name: "sigkey", Expr: "rpmsigs.sigkey"}, {Name: "sighash", Expr: "rpmsigs.sighash"}}
	var q *query.Query
	if event == nil {
		q = query.New(cols, "rpmsigs")
	} else {
		q = query.New(cols, "rpmsigs_at(?) rpmsigs", *event)
	}
	q.OrderBy("rpmsigs.rpm_id, rpmsigs.sigkey")
	if rpm != nil {
		q.Where("rpmsigs.rpm_id = ?", *rpm)
	}
	if key != nil {
		q.Where("rpmsigs.sigkey = ?", *key)
	}
	return q.Run(ctx, db, o)
}

// SignatureKeys gives the hash of each signature header that is kept for an rpm, by key.
func SignatureKeys(ctx context.Context, db query.DB, rpm int64) (map[string]string, error) {
	rows, err := db.Query(ctx, `select sigkey, sighash from rpmsigs where rpm_id = $1`, rpm)
	if err != nil {
		return nil, fmt.Errorf("signatures of rpm %d: %w", rpm, err)
	}
	out := map[string]string{}
	var k, h string
	_, err = pgx.ForEachRow(rows, []any{&k, &h}, func() error { out[k] = h; return nil })
	return out, err
}

// Checksums gives the checksums on record for an rpm: by signature key and number of the checksum's type.
func Checksums(ctx context.Context, db query.DB, rpm int64) (map[string]map[int]string, error) {
	rows, err := db.Query(ctx, `select sigkey, checksum_type, checksum from rpm_checksum where rpm_id = $1`, rpm)
	if err != nil {
		return nil, fmt.Errorf("checksums of rpm %d: %w", rpm, err)
	}
	out := map[string]map[int]string{}
	var key, sum string
	var kind int
	_, err = pgx.ForEachRow(rows, []any{&key, &kind, &sum}, func() error {
		if out[key] == nil {
			out[key] = map[int]string{}
		}
		out[key][kind] = sum
		return nil
	})
	return out, err
}

// Known is an rpm of an external repository that is known already.
type Known struct {
	ID          int64
	PayloadHash string
}

// KnownExternal gives the rpms of an external repository among the NVRAs, by NVRA.
func KnownExternal(ctx context.Context, db query.DB, repo int64, nvras []koji.NVRA) (map[koji.NVRA]Known, error) {
	n, v, r, a := split(nvras)
	rows, err := db.Query(ctx, `select rpminfo.id, rpminfo.payloadhash, w.name, w.version, w.release, w.arch
		from unnest($1::text[], $2::text[], $3::text[], $4::text[]) w(name, version, release, arch)
		join rpminfo on (rpminfo.name, rpminfo.version, rpminfo.release, rpminfo.arch, rpminfo.external_repo_id) = (w.name, w.version, w.release, w.arch, $5)`, n, v, r, a, repo)
	if err != nil {
		return nil, fmt.Errorf("look up external rpms: %w", err)
	}
	out := map[koji.NVRA]Known{}
	var k Known
	var x koji.NVRA
	_, err = pgx.ForEachRow(rows, []any{&k.ID, &k.PayloadHash, &x.Name, &x.Version, &x.Release, &x.Arch}, func() error {
		out[x] = k
		return nil
	})
	return out, err
}

func split(nvras []koji.NVRA) (n, v, r, a []string) {
	for _, x := range nvras {
		n, v, r, a = append(n, x.Name), append(v, x.Version), append(r, x.Release), append(a, x.Arch)
	}
	return n, v, r, a
}

// Taken gives one of the NVRAs that a regular rpm of another build has, "" if none does.
func Taken(ctx context.Context, db query.DB, build int64, nvras []koji.NVRA) (string, error) {
	n, v, r, a := split(nvras)
	rows, err := db.Query(ctx, `select rpminfo.name || '-' || rpminfo.version || '-' || rpminfo.release || '.' || rpminfo.arch
		from unnest($1::text[], $2::text[], $3::text[], $4::text[]) w(name, version, release, arch)
		join rpminfo on (rpminfo.name, rpminfo.version, rpminfo.release, rpminfo.arch, rpminfo.external_repo_id) = (w.name, w.version, w.release, w.arch, 0)
		where rpminfo.build_id <> $5 and rpminfo.draft is not true limit 1`, n, v, r, a, build)
	if err != nil {
		return "", fmt.Errorf("look up rpms: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(found) == 0 {
		return "", err
	}
	return found[0], nil
}

// NVRAs gives the names of a build's rpms.
func NVRAs(ctx context.Context, db query.DB, build int64) ([]koji.NVRA, error) {
	rows, err := db.Query(ctx, `select name, version, release, arch from rpminfo where build_id = $1`, build)
	if err != nil {
		return nil, fmt.Errorf("rpms of build %d: %w", build, err)
	}
	var out []koji.NVRA
	var x koji.NVRA
	_, err = pgx.ForEachRow(rows, []any{&x.Name, &x.Version, &x.Release, &x.Arch}, func() error { out = append(out, x); return nil })
	return out, err
}

// IDs gives the ids of the rpms of a list, with Koji's preference where several fit; 0 for those that are not there.
func IDs(ctx context.Context, db query.DB, nvras []koji.NVRA) ([]int64, error) {
	n, v, r, a := split(nvras)
	rows, err := db.Query(ctx, `select coalesce((select id from rpminfo
			where (rpminfo.name, rpminfo.version, rpminfo.release, rpminfo.arch) = (w.name, w.version, w.release, w.arch)
			order by external_repo_id = 0 desc, draft is not true desc, id desc limit 1), 0)
		from unnest($1::text[], $2::text[], $3::text[], $4::text[]) with ordinality w(name, version, release, arch, n) order by w.n`, n, v, r, a)
	if err != nil {
		return nil, fmt.Errorf("look up rpms: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowTo[int64])
}

// FirstDraft gives the name of one of the rpms that belong to draft builds, "" if none does.
func FirstDraft(ctx context.Context, db query.DB, ids []int64) (string, error) {
	rows, err := db.Query(ctx, `select name || '-' || version || '-' || release || '.' || arch from rpminfo where id = any($1) and draft order by id limit 1`, ids)
	if err != nil {
		return "", fmt.Errorf("look up draft rpms: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(found) == 0 {
		return "", err
	}
	return found[0], nil
}

// Exist gives those of the ids that are rpms.
func Exist(ctx context.Context, db query.DB, ids []int64) (map[int64]bool, error) {
	rows, err := db.Query(ctx, `select id from rpminfo where id = any($1)`, ids)
	if err != nil {
		return nil, fmt.Errorf("look up rpms: %w", err)
	}
	out := make(map[int64]bool, len(ids))
	var id int64
	_, err = pgx.ForEachRow(rows, []any{&id}, func() error { out[id] = true; return nil })
	return out, err
}
