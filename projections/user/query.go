package user

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"moromi/projections/query"
)

var columns = []query.Col{{Name: "id", Expr: "u.id"}, {Name: "name", Expr: "u.name"}, {Name: "status", Expr: "u.status"}, {Name: "usertype", Expr: "u.usertype"}}

// principals gives a user's principals as an array, in the order of their names.
const principals = `coalesce((select array_agg(krb_principal order by krb_principal) from user_krb_principals k where k.user_id = u.id), '{}')`

// ByID gives a user in getUser's shape, nil if there is none.
func ByID(ctx context.Context, db query.DB, id int64) (query.Row, error) {
	return full().Where("u.id = ?", id).One(ctx, db)
}

// ByName gives the user with this name or Kerberos principal, nil if there is none. Where one user's name is another one's principal, the name wins.
func ByName(ctx context.Context, db query.DB, name string) (query.Row, error) {
	return full().Where("u.id = coalesce((select id from users where name = ?), (select user_id from user_krb_principals where krb_principal = ?))", name, name).One(ctx, db)
}

// ByPrincipal gives the user with this Kerberos principal, nil if there is none.
func ByPrincipal(ctx context.Context, db query.DB, principal string) (query.Row, error) {
	return full().Where("u.id = (select user_id from user_krb_principals where krb_principal = ?)", principal).One(ctx, db)
}

func full() *query.Query { return query.New(columns, "users u").Col("krb_principals", principals) }

// Filter says which users List gives. Nil fields do not filter.
type Filter struct {
	Types     []int64
	Prefix    *string // of the name, whatever the case
	Perm      *string // who holds this permission
	Inherited bool    // … counting those who hold it through a group
}

// List gives users in listUsers' shape.
func List(ctx context.Context, db query.DB, f Filter, o query.Opts) (any, error) {
	q := full().OrderBy("u.id").Called(map[string]string{"users.id": "id", "users.name": "name"})
	if f.Types != nil {
		q.Where("u.usertype = any(?::bigint[])", f.Types)
	}
	if f.Prefix != nil {
		q.Where("starts_with(lower(u.name), lower(?))", *f.Prefix)
	}
	if f.Perm != nil {
		holders := `select h.user_id from user_perms h join permissions p on p.id = h.perm_id where h.active and p.name = ?`
		if f.Inherited {
			q.Where("u.id in ("+holders+") or u.id in (select g.user_id from user_groups g where g.active and g.group_id in ("+holders+"))", *f.Perm, *f.Perm)
		} else {
			q.Where("u.id in ("+holders+")", *f.Perm)
		}
	}
	return q.Run(ctx, db, o)
}

// Members gives the members of a group in getGroupMembers' shape.
func Members(ctx context.Context, db query.DB, group int64, event *int64) ([]query.Row, error) {
	cols := []query.Col{columns[0], columns[1], columns[3], {Name: "krb_principals", Expr: principals}}
	return query.New(cols, "user_groups m").Join("join users u on u.id = m.user_id").Where("m.group_id = ?", group).At("m", event).OrderBy("u.id").All(ctx, db)
}

// Groups gives the groups a user is in, as {id, name}.
func Groups(ctx context.Context, db query.DB, id int64, event *int64) ([]query.Row, error) {
	return query.New(columns[:2], "user_groups m").Join("join users u on u.id = m.group_id").Where("m.user_id = ?", id).At("m", event).OrderBy("m.create_event").All(ctx, db)
}

// Source is a permission and where a user has it from: Group is nil for a grant to the user.
type Source struct {
	Perm  string
	Group *string
}

// PermSources gives a user's permissions in the order they were granted, direct ones first, then those of the user's groups.
func PermSources(ctx context.Context, db query.DB, id int64, event *int64) ([]Source, error) {
	rows, err := db.Query(ctx, `
		select p.name, null, 0 as far, h.create_event from user_perms h join permissions p on p.id = h.perm_id
		where h.user_id = $1 and case when $2::bigint is null then h.active else h.create_event <= $2 and (h.revoke_event is null or h.revoke_event > $2) end
		union all
		select p.name, g.name, 1, h.create_event from user_groups m join users g on g.id = m.group_id
		join user_perms h on h.user_id = m.group_id join permissions p on p.id = h.perm_id
		where m.user_id = $1 and case when $2::bigint is null then m.active and h.active
			else m.create_event <= $2 and (m.revoke_event is null or m.revoke_event > $2) and h.create_event <= $2 and (h.revoke_event is null or h.revoke_event > $2) end
		order by 3, 4`, id, event)
	if err != nil {
		return nil, fmt.Errorf("permissions of user %d: %w", id, err)
	}
	return pgx.CollectRows(rows, func(r pgx.CollectableRow) (Source, error) {
		var s Source
		var far int
		var at int64
		err := r.Scan(&s.Perm, &s.Group, &far, &at)
		return s, err
	})
}

// Perms gives the names of a user's permissions, each once, with those of the user's groups if withGroups.
func Perms(ctx context.Context, db query.DB, id int64, withGroups bool) ([]string, error) {
	sources, err := PermSources(ctx, db, id, nil)
	if err != nil {
		return nil, err
	}
	out, seen := []string{}, map[string]bool{}
	for _, s := range sources {
		if !seen[s.Perm] && (withGroups || s.Group == nil) {
			seen[s.Perm] = true
			out = append(out, s.Perm)
		}
	}
	return out, nil
}

// CountHolders tells how many users hold a permission directly.
func CountHolders(ctx context.Context, db query.DB, perm string) (int64, error) {
	return query.New(columns[:1], "user_perms h").Join("join permissions p on p.id = h.perm_id").Join("join users u on u.id = h.user_id").Where("h.active and p.name = ?", perm).Count(ctx, db)
}
