package commands

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"moromi/commands/policy"
	"moromi/internal/fault"
	buildmodel "moromi/projections/build"
	usermodel "moromi/projections/user"
)

// sitePolicies are parsed rule sets and what answers their tests.
type sitePolicies struct {
	sets  policy.Policies
	facts policyFacts
}

// Has implements Policies.
func (p sitePolicies) Has(name string) bool { return p.sets[name] != nil }

// Apply implements Policies.
func (p sitePolicies) Apply(ctx context.Context, name string, data map[string]any) (string, error) {
	v, err := p.sets.Apply(ctx, p.facts, name, data)
	return v.Action, err
}

// policyFacts answers the tests from the read models.
type policyFacts struct{ db *pgxpool.Pool }

func (f policyFacts) texts(ctx context.Context, what, sql string, args ...any) ([]string, error) {
	rows, err := f.db.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("policy: %s: %w", what, err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("policy: %s: %w", what, err)
	}
	return out, nil
}

// text is texts for at most one row.
func (f policyFacts) text(ctx context.Context, what, sql string, args ...any) (string, error) {
	all, err := f.texts(ctx, what, sql, args...)
	if err != nil || len(all) == 0 {
		return "", err
	}
	return all[0], nil
}

// reference splits how clients name a thing into an id and a name, one of which is empty.
func reference(ref any) (id int64, name string, err error) {
	switch v := ref.(type) {
	case int64:
		return v, "", nil
	case string:
		return 0, v, nil
	case map[string]any:
		if id, ok := v["id"].(int64); ok {
			return id, "", nil
		}
		if name, ok := v["name"].(string); ok {
			return 0, name, nil
		}
	}
	return 0, "", fault.New(fault.Generic, "policy data names something by %T", ref)
}

// User implements policy.Facts.
func (f policyFacts) User(ctx context.Context, ref any) (int64, string, bool, error) {
	id, name, err := reference(ref)
	if err != nil {
		return 0, "", false, err
	}
	row, err := usermodel.ByID(ctx, f.db, id)
	if name != "" {
		row, err = usermodel.ByName(ctx, f.db, name)
	}
	if err != nil || row == nil {
		return 0, "", false, err
	}
	return row["id"].(int64), row["name"].(string), true, nil
}

// Groups implements policy.Facts.
func (f policyFacts) Groups(ctx context.Context, user int64) ([]string, error) {
	return f.texts(ctx, "groups", `select u.name from user_groups g join users u on u.id = g.group_id where g.user_id = $1 and g.active`, user)
}

// Permissions implements policy.Facts.
func (f policyFacts) Permissions(ctx context.Context, user int64) ([]string, error) {
	return usermodel.Perms(ctx, f.db, user, true)
}

// OwnsBuild implements policy.Facts.
func (f policyFacts) OwnsBuild(ctx context.Context, user, owner int64) (bool, error) {
	if user == owner {
		return true, nil
	}
	member, err := f.texts(ctx, "owner's group", `select 'yes' from user_groups where user_id = $1 and group_id = $2 and active`, user, owner)
	return len(member) > 0, err
}

// Package implements policy.Facts.
func (f policyFacts) Package(ctx context.Context, ref any) (string, bool, error) {
	id, name, err := reference(ref)
	if err != nil {
		return "", false, err
	}
	found, err := f.text(ctx, "package", `select name from package where id = $1 or name = $2`, id, name)
	if err == nil && found == "" && name == "" {
		err = fault.New(fault.Generic, "No such package: %d", id)
	}
	if found != "" {
		return found, true, err
	}
	return name, false, err
}

// Build implements policy.Facts.
func (f policyFacts) Build(ctx context.Context, ref any) (*policy.Build, error) {
	spec, err := buildmodel.ParseSpec(ref)
	if err != nil {
		return nil, err
	}
	id, name := spec.ID, ""
	if id == 0 {
		name = spec.NVR.String()
	}
	b := &policy.Build{}
	err = f.db.QueryRow(ctx, `select b.id, p.name, b.version, b.release, v.name, b.owner, b.draft, coalesce(b.source, '')
		from build b join package p on p.id = b.pkg_id join volume v on v.id = b.volume_id
		where b.id = $1 or $2 <> '' and p.name || '-' || b.version || '-' || b.release = $2 and p.name = any($3)`, id, name, nvrPackages(name)).
		Scan(&b.ID, &b.Name, &b.Version, &b.Release, &b.Volume, &b.Owner, &b.Draft, &b.Source)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, fault.New(fault.Generic, "No such build: %v", ref)
	}
	if err != nil {
		return nil, fmt.Errorf("policy: build: %w", err)
	}
	return b, nil
}

// nvrPackages is the package name in an N-V-R, for the index; none for text of another form.
func nvrPackages(nvr string) []string {
	dashes := 0
	for i := len(nvr) - 1; i > 0; i-- {
		if nvr[i] == '-' {
			if dashes++; dashes == 2 {
				return []string{nvr[:i]}
			}
		}
	}
	return []string{}
}

// Volume implements policy.Facts.
func (f policyFacts) Volume(ctx context.Context, ref any) (string, error) {
	id, name, err := reference(ref)
	if err != nil {
		return "", err
	}
	if name != "" {
		id = -1
	}
	return f.text(ctx, "volume", `select name from volume where id = $1 or name = $2`, id, name)
}

// Tag implements policy.Facts.
func (f policyFacts) Tag(ctx context.Context, ref any) (string, error) {
	id, name, err := reference(ref)
	if err != nil {
		return "", err
	}
	return f.text(ctx, "tag", `select t.name from tag t join tag_config c on c.tag_id = t.id and c.active where t.id = $1 or t.name = $2`, id, name)
}

// SideTag implements policy.Facts: side tags carry their owner in their extra settings, as Koji's plugin has it.
func (f policyFacts) SideTag(ctx context.Context, ref any) (int64, bool, error) {
	id, name, err := reference(ref)
	if err != nil {
		return 0, false, err
	}
	var owner int64
	err = f.db.QueryRow(ctx, `select coalesce((select (u.value::jsonb #>> '{}')::bigint from tag_extra u where u.tag_id = t.id and u.key = 'sidetag_user_id' and u.active), 0)
		from tag t join tag_extra s on s.tag_id = t.id and s.key = 'sidetag' and s.active and s.value = 'true' where t.id = $1 or t.name = $2`, id, name).Scan(&owner)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("policy: side tag: %w", err)
	}
	return owner, true, nil
}

// TagsOfBuild implements policy.Facts.
func (f policyFacts) TagsOfBuild(ctx context.Context, build int64) ([]string, error) {
	return f.texts(ctx, "tags of build", `select t.name from tag_listing l join tag t on t.id = l.tag_id where l.build_id = $1 and l.active`, build)
}

// buildrootsOf is the statement for the buildroots of a build's parts, null for parts without.
const buildrootsOf = `select buildroot_id from rpminfo where build_id = $1 union select buildroot_id from archiveinfo where build_id = $1`

// BuildTags implements policy.Facts.
func (f policyFacts) BuildTags(ctx context.Context, build int64) ([]string, error) {
	return f.texts(ctx, "build tags", `select distinct t.name from (`+buildrootsOf+`) r join buildroot b on b.id = r.buildroot_id join repo on repo.id = b.repo_id
		join tag t on t.id = repo.tag_id`, build)
}

// TargetBuildTag implements policy.Facts.
func (f policyFacts) TargetBuildTag(ctx context.Context, target string) (string, error) {
	return f.text(ctx, "target", `select t.name from build_target g join build_target_config c on c.build_target_id = g.id and c.active
		join tag t on t.id = c.build_tag where g.name = $1`, target)
}

// Ancestors implements policy.Facts.
func (f policyFacts) Ancestors(ctx context.Context, tag string) ([]string, error) {
	return f.texts(ctx, "inheritance", `with recursive up(id) as (
			select i.parent_id from tag_inheritance i join tag t on t.id = i.tag_id where t.name = $1 and i.active
			union select i.parent_id from tag_inheritance i join up on i.tag_id = up.id where i.active)
		select t.name from up join tag t on t.id = up.id`, tag)
}

// BuildTypes implements policy.Facts.
func (f policyFacts) BuildTypes(ctx context.Context, build int64) ([]string, error) {
	return f.texts(ctx, "build types", `select t.name from build_types b join btype t on t.id = b.btype_id where b.build_id = $1`, build)
}

// Imported implements policy.Facts.
func (f policyFacts) Imported(ctx context.Context, build int64) (bool, error) {
	parts, err := f.texts(ctx, "imported parts", `select 'yes' from (`+buildrootsOf+`) r where buildroot_id is null limit 1`, build)
	return len(parts) > 0, err
}

// ContentGenerators implements policy.Facts.
func (f policyFacts) ContentGenerators(ctx context.Context, build int64) ([]string, error) {
	return f.texts(ctx, "content generators", `select distinct coalesce(cg.name, '') from (`+buildrootsOf+`) r left join buildroot b on b.id = r.buildroot_id
		left join content_generator cg on cg.id = b.cg_id`, build)
}
