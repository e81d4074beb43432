package ui

import (
	"slices"
	"strings"

	"moromi/projections/query"
	"moromi/projections/tag"
)

// byName sorts rows by a name, and keeps the order of those that have the same.
func byName(rows []query.Row, key string) {
	slices.SortStableFunc(rows, func(a, b query.Row) int { return strings.Compare(a[key].(string), b[key].(string)) })
}

// group is a group of packages as a tag has it.
type group struct {
	query.Row
	Packages, Groups []query.Row
}

// groupsOf gives the groups of a tag by name: of each, and of each of its members, what the tag itself says or the first that it inherits from.
func groupsOf(r *request, id int64) ([]*group, error) {
	links, err := tag.FullInheritance(r, r.db, id, r.event(), tag.InheritanceOptions{})
	if err != nil {
		return nil, err
	}
	chain := []int64{id}
	for _, l := range links {
		if !l.NoConfig {
			chain = append(chain, l.ID)
		}
	}
	first := func(table, key string, more ...string) ([]query.Row, error) {
		c := append(cols("group_id", "g.group_id", "key", key, "blocked", "g.blocked", "tag_name", "tag.name"), cols(more...)...)
		rows, err := query.New(c, "unnest(?::bigint[]) with ordinality chain(id, n)", chain).Join("join "+table+" g on g.tag_id = chain.id").
			Join("join tag on tag.id = g.tag_id").At("g", r.event()).OrderBy("g.group_id, "+key+", chain.n").All(r, r.db)
		rows = slices.CompactFunc(rows, func(a, b query.Row) bool { return a["group_id"] == b["group_id"] && a["key"] == b["key"] })
		return slices.DeleteFunc(rows, func(x query.Row) bool { return x["blocked"] == true }), err
	}
	configs, err := first("group_config", "g.group_id", "name", "(select name from groups where groups.id = g.group_id)", "display_name", "g.display_name", "description", "g.description")
	if err != nil {
		return nil, err
	}
	members, err := first("group_package_listing", "g.package", "type", "g.type")
	if err != nil {
		return nil, err
	}
	needs, err := first("group_req_listing", "g.req_id", "name", "(select name from groups where groups.id = g.req_id)", "type", "g.type")
	if err != nil {
		return nil, err
	}
	out := []*group{}
	for _, c := range configs {
		g := &group{Row: c}
		for _, m := range members {
			if m["group_id"] == c["group_id"] {
				g.Packages = append(g.Packages, m)
			}
		}
		for _, n := range needs {
			if n["group_id"] == c["group_id"] {
				g.Groups = append(g.Groups, n)
			}
		}
		out = append(out, g)
	}
	slices.SortFunc(out, func(a, b *group) int { return strings.Compare(a.Row["name"].(string), b.Row["name"].(string)) })
	return out, nil
}
