package ui

import (
	"strings"

	"moromi/projections/query"
	"moromi/projections/tag"
)

// tags is the list of tags.
func tags(r *request) (*page, error) {
	q := query.New(cols("id", "tag.id", "name", "tag.name", "arches", "c.arches", "locked", "c.locked", "perm", "permissions.name"), "tag_config c").
		Join("join tag on tag.id = c.tag_id").Join("left join permissions on permissions.id = c.perm_id").At("c", r.event())
	if t := r.arg("q"); t != "" {
		q.Where("tag.name ilike ?", within(t))
	}
	list, err := r.named(q, "tag.name", "/tags")
	if err != nil {
		return nil, err
	}
	return &page{Title: "Tags", Template: "tags", Data: map[string]any{"list": list, "q": r.arg("q")}}, nil
}

// within makes a pattern of a part of a name; * and ? are as in the shell.
func within(text string) string {
	return "%" + strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`, "*", "%", "?", "_").Replace(text) + "%"
}

// findTag gives the tag that the path names, by name or id. A tag that is deleted is told apart from one that never was.
func (r *request) findTag() (query.Row, error) {
	name := r.name("tag")
	t, err := tag.Get(r, r.db, tag.Spec{Name: name}, r.event(), false)
	if err == nil && t == nil && r.id("tag") != 0 {
		t, err = tag.Get(r, r.db, tag.Spec{ID: r.id("tag")}, r.event(), false)
	}
	if err != nil || t != nil || name == "" {
		return t, err
	}
	if r.at == nil {
		last, err := tag.GetLast(r, r.db, tag.Spec{Name: name})
		if err != nil {
			return nil, err
		}
		if last != nil {
			at := last["revoke_event"].(int64)
			return nil, notFound("The tag %q was deleted by event %d; ?at=%d shows it as it was.", name, at, at-1)
		}
	}
	return nil, r.missing("tag", name)
}

// How much of each the page of a tag shows; there are pages with all of it.
const (
	tagRecent  = 10
	tagTargets = 50
	tagRepos   = 10
)

func tagPage(r *request) (*page, error) {
	t, err := r.findTag()
	if err != nil {
		return nil, err
	}
	data := map[string]any{"tag": t}
	for _, p := range []struct {
		key  string
		load func(*request, int64) (any, error)
	}{{"parents", tagParents}, {"children", tagChildren}, {"targets", tagTargetRows}, {"external", tagExternal}, {"repos", tagRepoRows},
		{"counts", tagCounts}, {"recent", tagRecentBuilds}, {"last", tagLastEvent}} {
		if data[p.key], err = p.load(r, t["id"].(int64)); err != nil {
			return nil, err
		}
	}
	for _, v := range data["repos"].([]query.Row) {
		v["fresh"] = freshness(v, data["last"].(int64))
	}
	return &page{Title: t["name"].(string), Template: "tag", Data: data}, nil
}

// heir is a tag in a tree of inheritance.
type heir struct {
	tag.Link
	Below []*heir
}

// inheritance makes a tree of the order in which inheritance is followed.
func inheritance(links []tag.Link) []*heir {
	top := []*heir{}
	var path []*heir
	for _, l := range links {
		h := &heir{Link: l}
		depth := min(int(l.Depth), len(path)+1)
		path = append(path[:depth-1:depth-1], h)
		if depth == 1 {
			top = append(top, h)
		} else {
			up := path[depth-2]
			up.Below = append(up.Below, h)
		}
	}
	return top
}

func tagParents(r *request, id int64) (any, error) {
	links, err := tag.FullInheritance(r, r.db, id, r.event(), tag.InheritanceOptions{})
	return inheritance(links), err
}

func tagChildren(r *request, id int64) (any, error) {
	links, err := tag.FullInheritance(r, r.db, id, r.event(), tag.InheritanceOptions{Reverse: true})
	return inheritance(links), err
}

func tagTargetRows(r *request, id int64) (any, error) {
	rows, _, err := r.rows(targetQuery(r).Where("c.build_tag = ? or c.dest_tag = ?", id, id).OrderBy("build_target.name"), tagTargets)
	return rows, err
}

func tagExternal(r *request, id int64) (any, error) {
	rows, err := query.New(cols("id", "external_repo.id", "name", "external_repo.name", "url", "c.url", "priority", "t.priority", "merge_mode", "t.merge_mode", "arches", "t.arches"), "tag_external_repos t").
		Join("join external_repo on external_repo.id = t.external_repo_id").Join("join external_repo_config c on c.external_repo_id = t.external_repo_id").
		At("t", r.event()).At("c", r.event()).Where("t.tag_id = ?", id).OrderBy("t.priority").All(r, r.db)
	for _, row := range rows {
		row["failure"] = ""
		if f := r.ui.cfg.ExternalFailure; f != nil && r.event() == nil {
			row["failure"] = f(row["id"].(int64))
		}
	}
	return rows, err
}

// repoQuery gives repositories. "leads" tells which dist repositories "latest" leads to now: what it led to in the past is not kept.
func repoQuery(r *request) *query.Query {
	leads := "l.repo_id is not null"
	if r.event() != nil {
		leads = "false"
	}
	return r.stateful("repo", cols("leads", leads, "rolled_back", "coalesce(l.rolled_back, false)", "id", "repo.id", "tag_name", "tag.name", "state", "repo.state", "dist", "repo.dist", "create_event", "repo.create_event",
		"content_time", "created.time", "begin_event", "repo.begin_event", "end_event", "repo.end_event", "end_time", "ended.time",
		"creation_time", "repo.creation_time", "state_time", "repo.state_time", "task_id", "repo.task_id")).
		Join("left join dist_latest l on l.repo_id = repo.id").
		Join("left join tag on tag.id = repo.tag_id").Join("left join events created on created.id = repo.create_event").Join("left join events ended on ended.id = repo.end_event")
}

func tagRepoRows(r *request, id int64) (any, error) {
	rows, _, err := r.rows(repoQuery(r).Where("repo.tag_id = ?", id).OrderBy("repo.id desc"), tagRepos)
	return rows, err
}

// freshness tells whether a repository still has what its tag has. last is the tag's own last change, if known.
func freshness(repo query.Row, last int64) badge {
	switch e := repo["create_event"].(int64); {
	case repo["dist"] == true:
		return badge{"none", "as it was made"}
	case repo["end_event"] != nil:
		return badge{"wait", "outdated"}
	case last > e:
		return badge{"wait", "the tag changed since"}
	}
	return badge{"good", "current"}
}

func tagCounts(r *request, id int64) (any, error) {
	out := map[string]int64{}
	for key, q := range map[string]*query.Query{
		"builds":   query.New(cols("id", "l.build_id"), "tag_listing l").At("l", r.event()).Where("l.tag_id = ?", id),
		"packages": query.New(cols("id", "l.package_id"), "tag_packages l").At("l", r.event()).Where("l.tag_id = ? and not l.blocked", id),
		"blocked":  query.New(cols("id", "l.package_id"), "tag_packages l").At("l", r.event()).Where("l.tag_id = ? and l.blocked", id),
		"groups":   query.New(cols("id", "l.group_id"), "group_config l").At("l", r.event()).Where("l.tag_id = ?", id),
	} {
		n, err := q.Count(r, r.db)
		if err != nil {
			return nil, err
		}
		out[key] = n
	}
	return out, nil
}

func tagRecentBuilds(r *request, id int64) (any, error) {
	q := r.taggedBuilds().Where("l.tag_id = ?", id).At("l", r.event()).OrderBy("l.create_event desc, l.build_id desc")
	rows, _, err := r.rows(q, tagRecent)
	return rows, err
}

// taggedBuilds are taggings with their builds.
func (r *request) taggedBuilds() *query.Query {
	return taggings(r).Join("join build on build.id = l.build_id").Join("join package on package.id = build.pkg_id").Join("left join users owner on owner.id = build.owner").
		Col("nvr", nvrExpr).Col("package_name", "package.name").Col("owner_name", "owner.name").Col("state", "build.state")
}

// tagLastEvent is the last change of the tag's own rows.
func tagLastEvent(r *request, id int64) (any, error) {
	rows, _, err := tagChanges(r, id, nil, 1)
	if err != nil || len(rows) == 0 {
		return int64(0), err
	}
	return rows[0]["event"], nil
}

// maxTagged bounds how many builds of a tag are read for its page: large tags hold about 25,000.
const maxTagged = 200_000

// tagBuilds are the builds in a tag with who tagged them when.
func tagBuilds(r *request) (*page, error) {
	t, err := r.findTag()
	if err != nil {
		return nil, err
	}
	f := tag.BuildFilter{Inherited: r.on("inherited"), Package: r.arg("package")}
	if r.on("latest") {
		f.Latest = 1
	}
	all, err := tag.Builds(r, r.db, t["id"].(int64), f, r.event())
	if err != nil {
		return nil, err
	}
	if len(all) > maxTagged {
		return nil, badRequest("The tag holds more builds than a page can go through; ask for one package.")
	}
	byName(all, "package_name")
	list := cut(r, all, "package_name", join([]any{"tag", t["name"], "builds"}))
	if err := r.addTaggers(list.Rows); err != nil {
		return nil, err
	}
	return &page{Title: "Builds in " + t["name"].(string), Template: "tag_builds", Data: map[string]any{"tag": t, "list": list, "count": len(all),
		"inherited": f.Inherited, "latest": r.on("latest"), "package": r.arg("package")}}, nil
}

// addTaggers adds to builds in tags who tagged them and when, under creator_name and tag_time.
func (r *request) addTaggers(rows []query.Row) error {
	if len(rows) == 0 {
		return nil
	}
	var ids, events []int64
	for _, b := range rows {
		b["creator_name"], b["tag_time"] = nil, nil
		ids, events = append(ids, b["build_id"].(int64)), append(events, b["create_event"].(int64))
	}
	found, err := taggings(r).Where("l.build_id = any(?) and l.create_event = any(?)", ids, events).All(r, r.db)
	if err != nil {
		return err
	}
	for _, b := range rows {
		for _, t := range found {
			if t["tag_id"] == b["tag_id"] && t["build_id"] == b["build_id"] && t["create_event"] == b["create_event"] {
				b["creator_name"], b["tag_time"] = t["creator_name"], t["create_time"]
			}
		}
	}
	return nil
}

// tagPackages is a tag's list of packages.
func tagPackages(r *request) (*page, error) {
	t, err := r.findTag()
	if err != nil {
		return nil, err
	}
	id := t["id"].(int64)
	all, err := tag.PackageList(r, r.db, tag.PackageFilter{Tag: &id, Inherited: r.on("inherited")}, r.event())
	if err != nil {
		return nil, err
	}
	if q := strings.ToLower(r.arg("q")); q != "" {
		kept := all[:0]
		for _, p := range all {
			if strings.Contains(strings.ToLower(p["package_name"].(string)), q) {
				kept = append(kept, p)
			}
		}
		all = kept
	}
	byName(all, "package_name")
	return &page{Title: "Packages of " + t["name"].(string), Template: "tag_packages", Data: map[string]any{"tag": t, "count": len(all), "q": r.arg("q"),
		"list": cut(r, all, "package_name", join([]any{"tag", t["name"], "packages"})), "inherited": r.on("inherited")}}, nil
}

// tagGroups are the groups of packages that a tag has, inherited ones included.
func tagGroups(r *request) (*page, error) {
	t, err := r.findTag()
	if err != nil {
		return nil, err
	}
	groups, err := groupsOf(r, t["id"].(int64))
	if err != nil {
		return nil, err
	}
	return &page{Title: "Groups of " + t["name"].(string), Template: "tag_groups", Data: map[string]any{"tag": t, "groups": groups}}, nil
}

// cut gives a page of rows that are sorted by a name: those after the parameter after. Rows of one name stay together.
func cut(r *request, all []query.Row, key, path string) more {
	f := frame{At: r.at}
	m := more{}
	after := r.arg("after")
	for i, row := range all {
		name := row[key].(string)
		if after != "" && name <= after {
			continue
		}
		if len(m.Rows) >= pageSize && name != all[i-1][key].(string) {
			m.Next = f.link(path, append(r.keep("after"), "after", all[i-1][key].(string)))
			break
		}
		m.Rows = append(m.Rows, row)
	}
	if after != "" {
		m.Back = f.link(path, r.keep("after"))
	}
	return m
}
