package ui

import (
	"strconv"

	"moromi/projections/query"
	"moromi/projections/user"
)

// users is the list of users.
func users(r *request) (*page, error) {
	q := query.New(cols("id", "u.id", "name", "u.name", "status", "u.status", "usertype", "u.usertype"), "users u").Where("u.usertype in (0, 2)")
	if t := r.arg("q"); t != "" {
		q.Where("u.name ilike ?", within(t))
	}
	list, err := r.named(q, "u.name", "/users")
	if err != nil {
		return nil, err
	}
	return &page{Title: "Users", Template: "users", Data: map[string]any{"list": list, "q": r.arg("q")}}, nil
}

func userPage(r *request) (*page, error) {
	u, err := findUser(r)
	if err != nil {
		return nil, err
	}
	id := u["id"].(int64)
	data := map[string]any{"user": u}
	if err := addRights(r, id, data); err != nil {
		return nil, err
	}
	builds, _, err := r.rows(r.builds().Where("build.owner = ?", id).OrderBy("build.id desc"), 20)
	if err != nil {
		return nil, err
	}
	tasks, _, err := r.rows(r.tasks().Where("task.owner = ? and task.parent is null", id).OrderBy("task.id desc"), 20)
	if err != nil {
		return nil, err
	}
	subjects(tasks)
	data["builds"], data["tasks"] = builds, tasks
	owned, left, err := r.rows(query.New(cols("package_name", "package.name", "tag_name", "tag.name"), "tag_package_owners o").Join("join package on package.id = o.package_id").
		Join("join tag on tag.id = o.tag_id").Where("o.owner = ?", id).At("o", r.event()).OrderBy("package.name, tag.name"), 100)
	if err != nil {
		return nil, err
	}
	data["owned"], data["more"] = owned, left
	return &page{Title: "User " + u["name"].(string), Template: "user", Data: data}, nil
}

func findUser(r *request) (query.Row, error) {
	q := query.New(cols("id", "u.id", "name", "u.name", "status", "u.status", "usertype", "u.usertype", "host_name", "host.name"), "users u").Join("left join host on host.user_id = u.id")
	if id, err := strconv.ParseInt(r.name("user"), 10, 64); err == nil {
		q.Where("u.id = ? or u.name = ?", id, r.name("user"))
	} else {
		q.Where("u.name = ?", r.name("user"))
	}
	rows, _, err := r.rows(q.OrderBy("u.id"), 1)
	if err == nil && len(rows) == 0 {
		err = r.missing("user", r.name("user"))
	}
	if err != nil {
		return nil, err
	}
	return rows[0], nil
}

// addRights adds what a user may do and from where, and the groups that the user is in, or the members of a group.
func addRights(r *request, id int64, data map[string]any) error {
	perms, err := user.PermSources(r, r.db, id, r.event())
	if err != nil {
		return err
	}
	data["perms"] = perms
	if data["groups"], err = user.Groups(r, r.db, id, r.event()); err != nil {
		return err
	}
	data["members"], err = user.Members(r, r.db, id, r.event())
	return err
}
