package ui

import (
	"strconv"
	"strings"

	"moromi/internal/koji"
	"moromi/projections/query"
)

// searchMost is how many of each kind a search shows.
const searchMost = 20

// hit is one thing that was found.
type hit struct{ Kind, Name, Href, Note string }

// found is what a search found of one kind.
type found struct {
	Kind string
	Hits []hit
	More bool
}

// search finds things by name or number. What fits exactly, and is the only thing that does, is gone to straight away.
func search(r *request) (*page, error) {
	text := r.arg("q")
	data := map[string]any{"q": text, "exact": []hit{}, "groups": []found{}}
	p := &page{Title: "Search", Template: "search", Data: data}
	if text == "" {
		return p, nil
	}
	exact, err := exactHits(r, text)
	if err != nil {
		return nil, err
	}
	if len(exact) == 1 {
		return &page{Redirect: exact[0].Href}, nil
	}
	data["exact"] = exact
	groups, err := similar(r, text)
	if err != nil {
		return nil, err
	}
	if len(exact) == 0 && len(groups) == 1 && len(groups[0].Hits) == 1 {
		return &page{Redirect: groups[0].Hits[0].Href}, nil
	}
	data["groups"] = groups
	return p, nil
}

// exactHits gives the things that have exactly this name or number.
func exactHits(r *request, text string) ([]hit, error) {
	out := []hit{}
	f := frame{At: r.at}
	add := func(kind string, q *query.Query, noun string, key string) error {
		rows, _, err := r.rows(q, searchMost)
		for _, row := range rows {
			name := row["name"].(string)
			to := any(name)
			if key == "id" {
				to = row["id"]
			}
			out = append(out, hit{Kind: kind, Name: name, Href: f.Href(noun, to)})
		}
		return err
	}
	if id, err := strconv.ParseInt(text, 10, 64); err == nil {
		for _, k := range []struct{ kind, noun, table, name string }{{"task", "task", "task", "task.method || ' ' || task.id"}} {
			if err := add(k.kind, r.stateful(k.table, cols("id", k.table+".id", "name", k.name)).Where(k.table+".id = ?", id), k.noun, "id"); err != nil {
				return nil, err
			}
		}
		if len(out) == 0 {
			if err := add("build", r.stateful("build", cols("id", "build.id", "name", nvrExpr)).Join("join package on package.id = build.pkg_id").Where("build.id = ?", id), "build", "id"); err != nil {
				return nil, err
			}
		}
	}
	for _, k := range []struct{ kind, noun, table string }{{"package", "package", "package"}, {"tag", "tag", "tag"}, {"target", "target", "build_target"}, {"host", "host", "host"}, {"user", "user", "users"}} {
		q := query.New(cols("name", "t.name"), k.table+" t").Where("t.name = ?", text)
		switch k.kind {
		case "tag":
			q.Join("join tag_config c on c.tag_id = t.id").At("c", r.event())
		case "target":
			q.Join("join build_target_config c on c.build_target_id = t.id").At("c", r.event())
		case "user":
			q.Where("t.usertype in (0, 2)") // a host's user is found as the host
		}
		if err := add(k.kind, q, k.noun, "name"); err != nil {
			return nil, err
		}
	}
	if n, err := koji.ParseNVR(text); err == nil {
		q := r.stateful("build", cols("id", "build.id", "name", nvrExpr)).Join("join package on package.id = build.pkg_id").
			Where("package.name = ? and build.version = ? and build.release = ?", n.Name, n.Version, n.Release)
		if err := add("build", q, "build", "name"); err != nil {
			return nil, err
		}
	}
	if n, err := koji.ParseNVRA(text); err == nil {
		q := r.stateful("rpminfo", cols("id", "rpminfo.id", "name", rpmName)).
			Where("rpminfo.name = ? and rpminfo.version = ? and rpminfo.release = ? and rpminfo.arch = ?", n.Name, n.Version, n.Release, n.Arch)
		if err := add("rpm", q, "rpm", "id"); err != nil {
			return nil, err
		}
	}
	return out, nil
}

const rpmName = "rpminfo.name || '-' || rpminfo.version || '-' || rpminfo.release || '.' || rpminfo.arch"

// similar gives what has the text in its name; of builds and rpms, whose names are many, what begins with it.
func similar(r *request, text string) ([]found, error) {
	f := frame{At: r.at}
	out := []found{}
	add := func(kind, noun, key string, q *query.Query) error {
		rows, more, err := r.rows(q, searchMost)
		if err != nil || len(rows) == 0 {
			return err
		}
		g := found{Kind: kind, More: more}
		for _, row := range rows {
			g.Hits = append(g.Hits, hit{Kind: kind, Name: row["name"].(string), Href: f.Href(noun, row[key])})
		}
		out = append(out, g)
		return nil
	}
	pattern := within(text)
	tags := query.New(cols("name", "tag.name"), "tag").Join("join tag_config c on c.tag_id = tag.id").At("c", r.event()).Where("tag.name ilike ?", pattern).OrderBy("tag.name")
	targets := query.New(cols("name", "t.name"), "build_target t").Join("join build_target_config c on c.build_target_id = t.id").At("c", r.event()).Where("t.name ilike ?", pattern).OrderBy("t.name")
	names := parents(text)
	builds := r.stateful("build", cols("id", "build.id", "name", nvrExpr)).Join("join package on package.id = build.pkg_id").
		Where("package.name = any(?)", names).Where(nvrExpr+" ilike ?", strings.TrimPrefix(pattern, "%")).OrderBy("build.id desc")
	rpms := r.stateful("rpminfo", cols("id", "rpminfo.id", "name", rpmName)).Where("rpminfo.name = any(?)", names).
		Where(rpmName+" ilike ?", strings.TrimPrefix(pattern, "%")).OrderBy("rpminfo.id desc")
	for _, k := range []struct {
		kind, noun, key string
		q               *query.Query
	}{
		{"Packages", "package", "name", query.New(cols("name", "package.name"), "package").Where("package.name ilike ?", pattern).OrderBy("length(package.name), package.name")},
		{"Builds", "build", "id", builds}, {"Tags", "tag", "name", tags}, {"Targets", "target", "name", targets},
		{"Hosts", "host", "name", query.New(cols("name", "host.name"), "host").Where("host.name ilike ?", pattern).OrderBy("host.name")},
		{"Users", "user", "name", query.New(cols("name", "u.name"), "users u").Where("u.name ilike ? and u.usertype in (0, 2)", pattern).OrderBy("u.name")},
		{"RPMs", "rpm", "id", rpms},
	} {
		if err := add(k.kind, k.noun, k.key, k.q); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// parents are the names that something may have whose name, version and release begin with the text: the text up to each of its dashes.
func parents(text string) []string {
	out := []string{text}
	for i, c := range text {
		if c == '-' && i > 0 {
			out = append(out, text[:i])
		}
	}
	return out
}
