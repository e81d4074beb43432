package ui

import (
	"moromi/projections/build"
	"moromi/projections/query"
	"moromi/projections/rpm"
)

// rpmPage shows an rpm: where it is from, its file, its signatures, and the buildroots that it was in.
func rpmPage(r *request) (*page, error) {
	name := r.name("rpm")
	spec, err := rpm.ParseSpec(name)
	if err != nil {
		return nil, r.missing("rpm", name)
	}
	p, err := rpm.Get(r, r.db, spec, r.event())
	if err == nil && p == nil {
		err = r.missing("rpm", name)
	}
	if err != nil {
		return nil, err
	}
	id := p["id"].(int64)
	data := map[string]any{"rpm": p, "build": nil, "href": "", "sha256": nil}
	if bid, ok := p["build_id"].(int64); ok {
		b, err := build.Get(r, r.db, build.Spec{ID: bid}, r.event())
		if err != nil {
			return nil, err
		}
		if b != nil {
			data["build"], data["href"] = b, rpmHref(b, p)
		}
	}
	row, err := r.stateful("rpminfo", cols("sha256", "rpminfo.sha256")).Where("rpminfo.id = ?", id).One(r, r.db)
	if err != nil {
		return nil, err
	}
	data["sha256"] = row["sha256"]
	if data["signatures"], err = rpm.Signatures(r, r.db, &id, nil, r.event(), query.Opts{}); err != nil {
		return nil, err
	}
	used, more, err := r.rows(rootQuery(r).Where(`buildroot.id in (select c.buildroot_id from content join buildroot_content c on c.digest = content.digest
		where content.rpms @> array[?::bigint])`, id).OrderBy("buildroot.id desc"), 20)
	if err != nil {
		return nil, err
	}
	data["used"], data["more"] = used, more
	nvra := p["name"].(string) + "-" + p["version"].(string) + "-" + p["release"].(string) + "." + p["arch"].(string)
	data["nvra"] = nvra
	return &page{Title: nvra, Template: "rpm", Data: data}, nil
}
