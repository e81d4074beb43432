package commands

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"moromi/commands/policy"
	"moromi/internal/fault"
	"moromi/internal/xmlrpc"
	buildmodel "moromi/projections/build"
	"moromi/projections/catalog"
	"moromi/projections/query"
	tagmodel "moromi/projections/tag"
	taskmodel "moromi/projections/task"
	usermodel "moromi/projections/user"
)

// policyFacts answers what policies ask from the read models, as of an event or now. Names of users, packages, volumes and content generators
// have no past: they are today's.
type policyFacts struct {
	db    *pgxpool.Pool
	event *int64
}

// Ask implements policy.Facts.
func (f policyFacts) Ask(ctx context.Context, q policy.Question) (policy.Answer, error) {
	answer := map[policy.Kind]func(context.Context, policy.Question) (policy.Answer, error){
		policy.User: f.user, policy.Groups: f.groups, policy.Permissions: f.permissions, policy.Package: f.pkg, policy.BuildOf: f.build, policy.Volume: f.volume,
		policy.Tag: f.tag, policy.LastTag: f.lastTag, policy.SideTag: f.sideTag, policy.TagsOf: f.tagsOf, policy.Target: f.target, policy.Ancestors: f.ancestors,
		policy.BuildTypes: f.buildTypes, policy.RootsOf: f.rootsOf, policy.Roots: f.roots, policy.Generator: f.generator, policy.SourceOf: f.sourceOf,
	}[q.Kind]
	if answer == nil {
		return policy.Answer{}, fmt.Errorf("policy: nobody knows of %q", q.Kind)
	}
	a, err := answer(ctx, q)
	if err != nil && fault.Of(err) == nil {
		err = fmt.Errorf("policy: %s: %w", q.Kind, err)
	}
	return a, err
}

// reference splits how clients name a thing into an id and a name, one of which is empty.
func reference(ref any) (id int64, name string, err error) { return policy.Reference(ref) }

// keyOf is the id or the name by which clients name a thing.
func keyOf(ref any) (any, error) {
	id, name, err := reference(ref)
	if err != nil || name == "" {
		return id, err
	}
	return name, nil
}

// user finds a user by id, name, Kerberos principal or a struct of them.
func (f policyFacts) user(ctx context.Context, q policy.Question) (policy.Answer, error) {
	id, name, err := reference(q.Ref)
	if err != nil {
		return policy.Answer{}, err
	}
	var row query.Row
	if name == "" {
		row, err = usermodel.ByID(ctx, f.db, id)
	} else if row, err = usermodel.ByName(ctx, f.db, name); err == nil && row == nil {
		row, err = usermodel.ByPrincipal(ctx, f.db, name)
	}
	return found(row, err)
}

// found is an answer with a row's id and name.
func found(row query.Row, err error) (policy.Answer, error) {
	if err != nil || row == nil {
		return policy.Answer{}, err
	}
	return policy.Answer{Found: true, ID: row["id"].(int64), Name: row["name"].(string)}, nil
}

func (f policyFacts) groups(ctx context.Context, q policy.Question) (policy.Answer, error) {
	id, _ := q.Ref.(int64)
	rows, err := usermodel.Groups(ctx, f.db, id, f.event)
	var a policy.Answer
	for _, r := range rows {
		a.IDs, a.Names = append(a.IDs, r["id"].(int64)), append(a.Names, r["name"].(string))
	}
	return a, err
}

func (f policyFacts) permissions(ctx context.Context, q policy.Question) (policy.Answer, error) {
	id, _ := q.Ref.(int64)
	sources, err := usermodel.PermSources(ctx, f.db, id, f.event)
	var a policy.Answer
	for _, s := range sources {
		a.Names = append(a.Names, s.Perm)
	}
	return a, err
}

func (f policyFacts) pkg(ctx context.Context, q policy.Question) (policy.Answer, error) {
	key, err := keyOf(q.Ref)
	if err != nil {
		return policy.Answer{}, err
	}
	row, err := buildmodel.Package(ctx, f.db, key)
	if err != nil || row != nil {
		return found(row, err)
	}
	name, named := q.Ref.(string)
	if !named {
		return policy.Answer{}, fault.New(fault.Generic, "No such package: %v", q.Ref)
	}
	return policy.Answer{Name: name}, nil
}

func (f policyFacts) build(ctx context.Context, q policy.Question) (policy.Answer, error) {
	spec, err := buildmodel.ParseSpec(q.Ref)
	if err != nil {
		return policy.Answer{}, err
	}
	row, err := buildmodel.MustGet(ctx, f.db, spec, f.event)
	if err != nil {
		return policy.Answer{}, err
	}
	b := &policy.Build{ID: row["id"].(int64), Name: row["name"].(string), Version: row["version"].(string), Release: row["release"].(string), Task: taskOfBuild(row)}
	b.Volume, _ = row["volume_name"].(string)
	b.Owner, _ = row["owner_id"].(int64)
	b.Draft, _ = row["draft"].(bool)
	if source, ok := row["source"].(string); ok {
		b.Source = &source
	}
	return policy.Answer{Build: b}, nil
}

// taskOfBuild is the task that made a build; content generators may leave it in extra.
func taskOfBuild(row query.Row) int64 {
	if id, ok := row["task_id"].(int64); ok {
		return id
	}
	extra, _ := row["extra"].(map[string]any)
	id, _ := extra["container_koji_task_id"].(int64)
	return id
}

func (f policyFacts) volume(ctx context.Context, q policy.Question) (policy.Answer, error) {
	key, err := keyOf(q.Ref)
	if err != nil {
		return policy.Answer{}, err
	}
	return found(catalog.Find(ctx, f.db, "volume", key))
}

func (f policyFacts) generator(ctx context.Context, q policy.Question) (policy.Answer, error) {
	key, err := keyOf(q.Ref)
	if err != nil {
		return policy.Answer{}, err
	}
	row, err := buildmodel.ContentGenerator(ctx, f.db, key)
	if err == nil && row == nil {
		err = fault.New(fault.Generic, "No such entry in table content_generator: %v", q.Ref)
	}
	return found(row, err)
}

func tagSpec(ref any) (tagmodel.Spec, error) {
	id, name, err := reference(ref)
	return tagmodel.Spec{ID: id, Name: name}, err
}

func (f policyFacts) tag(ctx context.Context, q policy.Question) (policy.Answer, error) {
	spec, err := tagSpec(q.Ref)
	if err != nil {
		return policy.Answer{}, err
	}
	return found(tagmodel.Get(ctx, f.db, spec, f.event, false))
}

func (f policyFacts) lastTag(ctx context.Context, q policy.Question) (policy.Answer, error) {
	if a, err := f.tag(ctx, q); err != nil || a.Found {
		return a, err
	}
	spec, err := tagSpec(q.Ref)
	if err != nil {
		return policy.Answer{}, err
	}
	row, err := tagmodel.GetLast(ctx, f.db, spec)
	if err == nil && row == nil {
		err = tagmodel.Missing(q.Ref)
	}
	a, err := found(row, err)
	a.Event, _ = row["query_event"].(int64)
	return a, err
}

// sideTag tells side tags as Koji's plugin does: they carry their owner in their extra settings.
func (f policyFacts) sideTag(ctx context.Context, q policy.Question) (policy.Answer, error) {
	spec, err := tagSpec(q.Ref)
	if err != nil {
		return policy.Answer{}, err
	}
	row, err := tagmodel.Get(ctx, f.db, spec, f.event, false)
	if err != nil || row == nil {
		return policy.Answer{}, err
	}
	extra, _ := row["extra"].(map[string]any)
	a := policy.Answer{Found: xmlrpc.Truthy(extra["sidetag"])}
	a.ID, _ = extra["sidetag_user_id"].(int64)
	return a, nil
}

func (f policyFacts) target(ctx context.Context, q policy.Question) (policy.Answer, error) {
	spec, err := tagSpec(q.Ref)
	if err != nil {
		return policy.Answer{}, err
	}
	row, err := tagmodel.Target(ctx, f.db, spec, f.event)
	if err != nil || row == nil {
		return policy.Answer{}, err
	}
	return policy.Answer{Found: true, ID: row["build_tag"].(int64), Name: row["build_tag_name"].(string)}, nil
}

func (f policyFacts) ancestors(ctx context.Context, q policy.Question) (policy.Answer, error) {
	id, _ := q.Ref.(int64)
	event := f.event
	if q.Event != 0 {
		event = &q.Event
	}
	links, err := tagmodel.FullInheritance(ctx, f.db, id, event, tagmodel.InheritanceOptions{})
	var a policy.Answer
	for _, l := range links {
		a.Names = append(a.Names, l.Name)
	}
	return a, err
}

func (f policyFacts) names(ctx context.Context, sql string, args ...any) (policy.Answer, error) {
	rows, err := f.db.Query(ctx, sql, args...)
	if err != nil {
		return policy.Answer{}, err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return policy.Answer{Names: names}, err
}

// tagsOf are the tags that exist and have the build.
func (f policyFacts) tagsOf(ctx context.Context, q policy.Question) (policy.Answer, error) {
	return f.names(ctx, `select t.name from tag_listing l join tag t on t.id = l.tag_id join tag_config c on c.tag_id = l.tag_id
		where l.build_id = $1
			and case when $2::bigint is null then l.active else l.create_event <= $2 and (l.revoke_event is null or l.revoke_event > $2) end
			and case when $2::bigint is null then c.active else c.create_event <= $2 and (c.revoke_event is null or c.revoke_event > $2) end
		order by t.name`, q.Ref, f.event)
}

func (f policyFacts) buildTypes(ctx context.Context, q policy.Question) (policy.Answer, error) {
	return f.names(ctx, `select t.name from build_types b join btype t on t.id = b.btype_id where b.build_id = $1 order by t.id`, q.Ref)
}

// rootColumns are what rules may ask of buildroots b, each kind of them once.
const rootColumns = `select distinct b.id is null, coalesce(cg.name, ''), coalesce(t.name, ''), coalesce(t.id, 0), coalesce(repo.create_event, 0) from `

const rootJoins = ` left join content_generator cg on cg.id = b.cg_id left join repo on repo.id = b.repo_id left join tag t on t.id = repo.tag_id`

func (f policyFacts) rootsOf(ctx context.Context, q policy.Question) (policy.Answer, error) {
	return f.rootRows(ctx, rootColumns+`(select buildroot_id from rpminfo where build_id = $1 union select buildroot_id from archiveinfo where build_id = $1) part left join buildroot b on b.id = part.buildroot_id`+rootJoins, q.Ref)
}

func (f policyFacts) roots(ctx context.Context, q policy.Question) (policy.Answer, error) {
	list, _ := q.Ref.([]any)
	ids := []*int64{}
	for _, v := range list {
		id, ok := v.(int64)
		switch {
		case ok:
			ids = append(ids, &id)
		case v == nil:
			ids = append(ids, nil)
		default:
			return policy.Answer{}, fault.New(fault.Parameter, "a buildroot is named by its id")
		}
	}
	var missing *int64
	err := f.db.QueryRow(ctx, `select min(id) from unnest($1::bigint[]) id where id not in (select id from buildroot)`, ids).Scan(&missing)
	if err == nil && missing != nil {
		err = fault.New(fault.Generic, "No such buildroot: %d", *missing)
	}
	if err != nil {
		return policy.Answer{}, err
	}
	return f.rootRows(ctx, rootColumns+`unnest($1::bigint[]) part(id) left join buildroot b on b.id = part.id`+rootJoins, ids)
}

func (f policyFacts) rootRows(ctx context.Context, sql string, args ...any) (policy.Answer, error) {
	rows, err := f.db.Query(ctx, sql, args...)
	if err != nil {
		return policy.Answer{}, err
	}
	roots, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (policy.Root, error) {
		var root policy.Root
		err := r.Scan(&root.None, &root.Generator, &root.Tag, &root.TagID, &root.Event)
		return root, err
	})
	return policy.Answer{Roots: roots}, err
}

// sourceOf is what a task was told to build.
func (f policyFacts) sourceOf(ctx context.Context, q policy.Question) (policy.Answer, error) {
	id, _ := q.Ref.(int64)
	row, err := taskmodel.ByID(ctx, f.db, id, true, nil)
	if err != nil || row == nil {
		return policy.Answer{}, err
	}
	params, _ := row["request"].([]any)
	source, ok := taskSource(row["method"].(string), params)
	return policy.Answer{Found: ok, Name: source}, nil
}
