package ui

import "moromi/projections/query"

// targetQuery gives build targets with the names of their tags.
func targetQuery(r *request) *query.Query {
	return query.New(cols("id", "build_target.id", "name", "build_target.name", "build_tag", "bt.name", "dest_tag", "dt.name"), "build_target_config c").
		Join("join build_target on build_target.id = c.build_target_id").Join("join tag bt on bt.id = c.build_tag").Join("join tag dt on dt.id = c.dest_tag").At("c", r.event())
}

func targets(r *request) (*page, error) {
	q := targetQuery(r)
	if t := r.arg("q"); t != "" {
		q.Where("build_target.name ilike ?", within(t))
	}
	list, err := r.named(q, "build_target.name", "/targets")
	if err != nil {
		return nil, err
	}
	return &page{Title: "Build targets", Template: "targets", Data: map[string]any{"list": list, "q": r.arg("q")}}, nil
}

func targetPage(r *request) (*page, error) {
	q := targetQuery(r)
	if id := r.id("target"); id != 0 {
		q.Where("build_target.id = ? or build_target.name = ?", id, r.name("target"))
	} else {
		q.Where("build_target.name = ?", r.name("target"))
	}
	rows, _, err := r.rows(q.OrderBy("build_target.id"), 1)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, r.missing("build target", r.name("target"))
	}
	t := rows[0]
	hist := query.New(cols("build_tag", "bt.name", "dest_tag", "dt.name", "create_event", "c.create_event", "create_time", "made.time", "creator_name", "creator.name",
		"revoke_event", "c.revoke_event", "revoke_time", "ended.time", "revoker_name", "revoker.name"), "build_target_config c").
		Join("join tag bt on bt.id = c.build_tag").Join("join tag dt on dt.id = c.dest_tag").
		Join("left join events made on made.id = c.create_event").Join("left join events ended on ended.id = c.revoke_event").
		Join("left join users creator on creator.id = c.creator_id").Join("left join users revoker on revoker.id = c.revoker_id").
		Where("c.build_target_id = ?", t["id"]).OrderBy("c.create_event desc")
	if r.at != nil {
		hist.Where("c.create_event <= ?", r.at.Event)
	}
	history, _, err := r.rows(hist, pageSize)
	if err != nil {
		return nil, err
	}
	repos, _, err := r.rows(repoQuery(r).Where("tag.name = ? and not repo.dist", t["build_tag"]).OrderBy("repo.id desc"), 5)
	if err != nil {
		return nil, err
	}
	return &page{Title: "Target " + t["name"].(string), Template: "target", Data: map[string]any{"target": t, "history": history, "repos": repos}}, nil
}
