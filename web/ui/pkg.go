package ui

import (
	"strconv"

	"moromi/projections/query"
	"moromi/projections/tag"
)

// packages is the list of packages. Names are not versioned: the list of a moment has the packages that had a build or a tag by then.
func packages(r *request) (*page, error) {
	q := query.New(cols("id", "package.id", "name", "package.name"), "package")
	if t := r.arg("q"); t != "" {
		q.Where("package.name ilike ?", within(t))
	}
	if r.at != nil {
		q.Where(`exists (select from tag_packages p where p.package_id = package.id and p.create_event <= ?)
			or exists (select from build b where b.pkg_id = package.id and b.create_event <= ?)`, r.at.Event, r.at.Event)
	}
	list, err := r.named(q, "package.name", "/packages")
	if err != nil {
		return nil, err
	}
	return &page{Title: "Packages", Template: "packages", Data: map[string]any{"list": list, "q": r.arg("q")}}, nil
}

// packageTags is in how many tags a package's page shows it.
const packageTags = 500

func packagePage(r *request) (*page, error) {
	name := r.name("package")
	p, err := tag.PackageByName(r, r.db, name)
	if err == nil && p == nil && r.id("package") != 0 {
		p, err = tag.PackageByID(r, r.db, r.id("package"))
	}
	if err == nil && p == nil {
		err = r.missing("package", name)
	}
	if err != nil {
		return nil, err
	}
	list, err := r.newest(r.builds().Where("build.pkg_id = ?", p["id"]).OrderBy("build.id desc"), "build.id", join([]any{"package", p["name"]}))
	if err != nil {
		return nil, err
	}
	// the last build that was tagged is what the tag has of the package
	q := query.New(cols("id", "tag.id", "name", "tag.name", "blocked", "p.blocked", "owner_name", "users.name", "extra_arches", "p.extra_arches",
		"latest_id", "latest.id", "latest_nvr", "latest.nvr"), "tag_packages p").
		Join("join tag on tag.id = p.tag_id").Join("left join tag_package_owners o on o.tag_id = p.tag_id and o.package_id = p.package_id and "+current("o", r), currentArgs(r)...).
		Join("left join users on users.id = o.owner").
		Join("left join lateral (select b.id, package.name || '-' || b.version || '-' || b.release as nvr from tag_listing l join build b on b.id = l.build_id join package on package.id = b.pkg_id"+
			" where l.tag_id = p.tag_id and b.pkg_id = p.package_id and "+current("l", r)+" order by l.create_event desc, b.id desc limit 1) latest on true", currentArgs(r)...).
		Where("p.package_id = ?", p["id"]).At("p", r.event()).OrderBy("tag.name")
	in, _, err := r.rows(q, packageTags)
	if err != nil {
		return nil, err
	}
	return &page{Title: "Package " + p["name"].(string), Template: "package", Data: map[string]any{"package": p, "list": list, "tags": in, "id": strconv.FormatInt(p["id"].(int64), 10)}}, nil
}

// current is the condition that a version holds at the request's moment, for joins; currentArgs are its values.
func current(alias string, r *request) string {
	if r.at == nil {
		return alias + ".active"
	}
	return alias + ".create_event <= ? and (" + alias + ".revoke_event is null or " + alias + ".revoke_event > ?)"
}

func currentArgs(r *request) []any {
	if r.at == nil {
		return nil
	}
	return []any{r.at.Event, r.at.Event}
}
