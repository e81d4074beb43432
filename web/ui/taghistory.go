package ui

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"moromi/projections/query"
	"moromi/projections/tag"
)

// changeKinds are the tables in which a tag's history is, and how a row of each is told. %s in the SQL is "v"; the text may use the joins.
func changeKinds() []struct{ table, made, ended, detail, link, joins string } {
	const pkg = "join package p on p.id = v.package_id"
	return []struct{ table, made, ended, detail, link, joins string }{
		{"tag_listing", "tagged", "untagged", nvrExpr, "'/build/' || v.build_id", "join build on build.id = v.build_id join package on package.id = build.pkg_id"},
		{"tag_packages", "package listed", "package entry ended", "p.name || case when v.blocked then ' (blocked)' else '' end", "'/package/' || p.name", pkg},
		{"tag_package_owners", "package owner set", "package owner ended", "p.name || ': ' || coalesce(o.name, '?')", "'/package/' || p.name", pkg + " left join users o on o.id = v.owner"},
		{"tag_config", "settings", "settings ended", "concat_ws(', ', 'arches ' || coalesce(v.arches, 'none'), case when v.locked then 'locked' end, 'permission ' || pe.name)", "''",
			"left join permissions pe on pe.id = v.perm_id"},
		{"tag_extra", "option set", "option ended", "v.key || ' = ' || left(coalesce(v.value, 'blocked'), 200)", "''", ""},
		{"tag_inheritance", "parent added", "parent removed", "t.name || ' (priority ' || v.priority || ')'", "'/tag/' || t.name", "join tag t on t.id = v.parent_id"},
		{"tag_external_repos", "external repository added", "external repository removed", "e.name || ' (priority ' || v.priority || ')'", "''", "join external_repo e on e.id = v.external_repo_id"},
		{"group_config", "group set", "group ended", "g.name || case when v.blocked then ' (blocked)' else '' end", "''", "join groups g on g.id = v.group_id"},
		{"group_package_listing", "group package set", "group package ended", "g.name || ': ' || v.package || case when v.blocked then ' (blocked)' else '' end", "''",
			"join groups g on g.id = v.group_id"},
		{"group_req_listing", "group requirement set", "group requirement ended", "g.name || ': ' || q.name", "''", "join groups g on g.id = v.group_id join groups q on q.id = v.req_id"},
	}
}

// tagChanges gives the changes of a tag before an event (nil: all), the newest first, as {event, time, user_name, what, detail, href}. One event may
// have several rows. What is replaced at once shows only what it became.
func tagChanges(r *request, id int64, before *int64, limit int) ([]query.Row, bool, error) {
	var parts []string
	for _, k := range changeKinds() {
		parts = append(parts, fmt.Sprintf(`(select v.create_event as event, v.creator_id as actor, '%s' as what, %s as detail, %s as href, true as made
			from %s v %s where v.tag_id = $1 and v.create_event < $2 order by v.create_event desc limit $3)`, k.made, k.detail, k.link, k.table, k.joins))
		parts = append(parts, fmt.Sprintf(`(select v.revoke_event, v.revoker_id, '%s', %s, %s, false
			from %s v %s where v.tag_id = $1 and v.revoke_event < $2 and not exists (select from %s n where n.tag_id = v.tag_id and n.create_event = v.revoke_event %s)
			order by v.revoke_event desc limit $3)`, k.ended, k.detail, k.link, k.table, k.joins, k.table, sameThing(k.table)))
	}
	most := int64(r.ui.cfg.Position()) + 1
	if r.at != nil {
		most = r.at.Event + 1
	}
	if before != nil {
		most = min(most, *before)
	}
	rows, err := r.db.Query(r, `select h.event, e.time, u.name, h.what, h.detail, h.href, h.made from (`+strings.Join(parts, " union all ")+`) h
		left join events e on e.id = h.event left join users u on u.id = h.actor order by h.event desc, h.what, h.detail limit $3`, id, most, limit+1)
	if err != nil {
		return nil, false, fmt.Errorf("history of tag %d: %w", id, err)
	}
	names := []string{"event", "time", "user_name", "what", "detail", "href", "made"}
	out, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (query.Row, error) {
		vals, err := row.Values()
		r := query.Row{}
		for i, v := range vals {
			r[names[i]] = v
		}
		return r, err
	})
	if err != nil {
		return nil, false, fmt.Errorf("history of tag %d: %w", id, err)
	}
	if len(out) > limit {
		return out[:limit], true, nil
	}
	return out, false, nil
}

// sameThing is the condition that two versions are of one thing.
func sameThing(table string) string {
	keys := map[string][]string{"tag_listing": {"build_id"}, "tag_packages": {"package_id"}, "tag_package_owners": {"package_id"}, "tag_extra": {"key"},
		"tag_inheritance": {"parent_id"}, "tag_external_repos": {"external_repo_id"}, "group_config": {"group_id"},
		"group_package_listing": {"group_id", "package"}, "group_req_listing": {"group_id", "req_id"}}[table]
	s := ""
	for _, k := range keys {
		s += " and n." + k + " = v." + k
	}
	return s
}

// historySize is how many changes a page of history shows. One event may have more rows than that; then they follow on the next page.
const historySize = 100

func tagHistory(r *request) (*page, error) {
	t, err := r.findTag()
	if err != nil {
		return nil, err
	}
	rows, left, err := tagChanges(r, t["id"].(int64), r.number("before"), historySize)
	if err != nil {
		return nil, err
	}
	m := more{Rows: rows}
	f, path := frame{At: r.at}, join([]any{"tag", t["name"], "history"})
	whole := int64(0)
	if left {
		before := wholeEvents(&m)
		m.Next = f.link(path, []string{"before", strconv.FormatInt(before, 10)})
		if len(m.Rows) > 0 && m.Rows[0]["event"] == before {
			whole = before
		}
	}
	if r.arg("before") != "" {
		m.Back = f.link(path, nil)
	}
	return &page{Title: "History of " + t["name"].(string), Template: "tag_history", Data: map[string]any{"tag": t, "list": m, "whole": whole}}, nil
}

// wholeEvents takes the last event off a page if others are there, since it may be shown in part, and tells before which event to go on.
func wholeEvents(m *more) int64 {
	last := m.Rows[len(m.Rows)-1]["event"].(int64)
	n := len(m.Rows)
	for n > 0 && m.Rows[n-1]["event"] == last {
		n--
	}
	if n == 0 {
		return last // one event fills the page: its other rows cannot be shown
	}
	m.Rows = m.Rows[:n]
	return last + 1
}

// compared is a package whose builds in a tag differ between two moments.
type compared struct {
	Package  string
	Old, New []query.Row
}

// maxCompared bounds how many packages a comparison shows.
const maxCompared = 1000

// tagCompare shows what builds a tag holds at one moment and not at another.
func tagCompare(r *request) (*page, error) {
	t, err := r.findTag()
	if err != nil {
		return nil, err
	}
	data := map[string]any{"tag": t, "from": r.arg("from"), "to": r.arg("to"), "inherited": r.on("inherited"), "changed": []compared{}, "count": 0,
		"old": (*moment)(nil), "new": (*moment)(nil), "compared": false}
	p := &page{Title: "Changes of " + t["name"].(string), Template: "tag_compare", Data: data}
	if r.arg("from") == "" {
		return p, nil
	}
	old, err := r.moment(r.arg("from"))
	if err != nil {
		return nil, err
	}
	data["old"] = old
	to := r.event()
	if r.arg("to") != "" {
		m, err := r.moment(r.arg("to"))
		if err != nil {
			return nil, err
		}
		data["new"], to = m, &m.Event
	}
	f := tag.BuildFilter{Inherited: r.on("inherited"), Latest: 1}
	before, err := tag.Builds(r, r.db, t["id"].(int64), f, &old.Event)
	if err != nil {
		return nil, err
	}
	after, err := tag.Builds(r, r.db, t["id"].(int64), f, to)
	if err != nil {
		return nil, err
	}
	diff := compare(before, after)
	data["count"], data["compared"] = len(diff), true
	data["changed"] = diff[:min(len(diff), maxCompared)]
	return p, nil
}

// compare gives the packages whose builds differ, by name.
func compare(before, after []query.Row) []compared {
	index := map[int64]int{}
	for _, b := range before {
		index[b["build_id"].(int64)] |= 1
	}
	for _, b := range after {
		index[b["build_id"].(int64)] |= 2
	}
	by := map[string]*compared{}
	var names []query.Row
	at := func(b query.Row) *compared {
		name := b["package_name"].(string)
		if by[name] == nil {
			by[name] = &compared{Package: name}
			names = append(names, query.Row{"name": name})
		}
		return by[name]
	}
	for _, b := range before {
		if index[b["build_id"].(int64)] == 1 {
			c := at(b)
			c.Old = append(c.Old, b)
		}
	}
	for _, b := range after {
		if index[b["build_id"].(int64)] == 2 {
			c := at(b)
			c.New = append(c.New, b)
		}
	}
	byName(names, "name")
	out := []compared{}
	for _, n := range names {
		out = append(out, *by[n["name"].(string)])
	}
	return out
}
