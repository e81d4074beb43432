// Package history shows every version of everything that has versions: who made and ended it, and when. Its columns and filters are those of
// Koji's queryHistory; the tables belong to the other projections.
package history

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"moromi/projections/query"
)

// Filter says which versions are meant; nil fields do not filter. A filter leaves out the tables that have nothing to do with it.
type Filter struct {
	Tag, Build, Host, Channel, Package, User, Permission, Generator, ExternalRepo, Target, Group *int64 // ids

	PackageName *string // of an rpm in a comps group; with Package, tables need to know either
	Key         *string // of an extra setting of a tag

	Active      *bool  // that hold now, or that do not
	Editor      *int64 // made or ended by this user; adds _created_by and _revoked_by
	After       *time.Time
	Before      *time.Time
	AfterEvent  *int64
	BeforeEvent *int64
}

// values are the filter's values by what they filter.
func (f Filter) values() map[filter]any {
	out := map[filter]any{}
	for k, v := range map[filter]*int64{byTag: f.Tag, byBuild: f.Build, byHost: f.Host, byChannel: f.Channel, byPackage: f.Package, byUser: f.User,
		byPermission: f.Permission, byGenerator: f.Generator, byExternalRepo: f.ExternalRepo, byTarget: f.Target, byGroup: f.Group} {
		if v != nil {
			out[k] = *v
		}
	}
	for k, v := range map[filter]*string{byPackageName: f.PackageName, byKey: f.Key} {
		if v != nil {
			out[k] = *v
		}
	}
	return out
}

// Names are the tables that have a history, in order.
func Names() []string { return slices.Sorted(maps.Keys(tables)) }

// Has tells whether a table has a history.
func Has(name string) bool {
	_, there := tables[name]
	return there
}

// filterNames are what queryHistory calls the filters.
var filterNames = map[string][]filter{"tag": {byTag}, "build": {byBuild}, "host": {byHost}, "channel": {byChannel}, "package": {byPackage, byPackageName}, "user": {byUser},
	"permission": {byPermission}, "cg": {byGenerator}, "external_repo": {byExternalRepo}, "build_target": {byTarget}, "group": {byGroup}, "xkey": {byKey}}

// With gives those of the tables that the named filter can be used with; all of them if it is no filter by a thing.
func With(names []string, filterName string) []string {
	kinds, known := filterNames[filterName]
	if !known {
		return names
	}
	var out []string
	for _, n := range names {
		if slices.ContainsFunc(kinds, func(k filter) bool { return tables[n].where[k] != nil }) {
			out = append(out, n)
		}
	}
	return out
}

// WantsPackage tells whether one of the tables filters packages by id, and WantsRPMName whether one filters them by the name of an rpm.
func WantsPackage(names []string) bool { return wants(names, byPackage) }

// WantsRPMName see WantsPackage.
func WantsRPMName(names []string) bool { return wants(names, byPackageName) }

func wants(names []string, k filter) bool {
	return slices.ContainsFunc(names, func(n string) bool { return tables[n].where[k] != nil })
}

// Query gives the versions in one table, in the order in which they came to be as they are: with CountOnly, their number.
func Query(ctx context.Context, db query.DB, name string, f Filter, o query.Opts) (any, error) {
	t, there := tables[name]
	if !there {
		return nil, fmt.Errorf("history: no table %q", name)
	}
	q := t.query(name, f)
	for k, value := range f.values() {
		columns := t.where[k]
		if columns == nil {
			continue // package and package name: the table has one of them
		}
		args := make([]any, len(columns))
		for i := range columns {
			args[i] = value
		}
		q.Where(strings.Join(columns, " = ? or ")+" = ?", args...)
	}
	return q.RunJSON(ctx, db, o, "data")
}

// Columns are the names of a table's columns, those that filters add excepted.
func Columns(name string) ([]string, error) {
	t, there := tables[name]
	if !there {
		return nil, fmt.Errorf("history: no table %q", name)
	}
	var out []string
	for _, c := range t.query(name, Filter{}).Cols {
		out = append(out, c.Name)
	}
	return out, nil
}

// query is the table with its columns and with the filters that hold for all tables.
func (t table) query(name string, f Filter) *query.Query {
	cols := []query.Col{{Name: "active", Expr: "v.active"}, {Name: "create_event", Expr: "v.create_event"}, {Name: "revoke_event", Expr: "v.revoke_event"},
		{Name: "creator_id", Expr: "v.creator_id"}, {Name: "revoker_id", Expr: "v.revoker_id"}, {Name: "creator_name", Expr: "creator.name"},
		{Name: "revoker_name", Expr: "revoker.name"}, {Name: "create_ts", Expr: "date_part('epoch', ev1.time)"}, {Name: "revoke_ts", Expr: "date_part('epoch', ev2.time)"}}
	for _, c := range t.own {
		cols = append(cols, query.Col{Name: c, Expr: "v." + c})
	}
	var ofTable []query.Col // the table's columns by their own names, which Koji orders by, too
	for _, c := range cols {
		if own, ok := strings.CutPrefix(c.Expr, "v."); ok {
			ofTable = append(ofTable, query.Col{Name: name + "." + own, Expr: c.Expr})
		}
	}
	for _, c := range t.named {
		cols = append(cols, query.Col{Name: c.name, Expr: c.expr})
	}
	q := query.New(cols, name+" v").Sortable(ofTable...).Join("join events ev1 on ev1.id = v.create_event left join events ev2 on ev2.id = v.revoke_event").
		Join("left join users creator on creator.id = v.creator_id left join users revoker on revoker.id = v.revoker_id").Join(t.joins)
	// The limits are a row of the statement, so that columns and conditions name them without values in between.
	q.Join("cross join (select ?::bigint editor, ?::bigint after_event, ?::bigint before_event, ?::timestamptz after_time, ?::timestamptz before_time) f",
		f.Editor, f.AfterEvent, f.BeforeEvent, f.After, f.Before)
	if f.Active != nil {
		q.Where(map[bool]string{true: "v.active", false: "v.active is null"}[*f.Active])
	}
	for _, l := range []struct {
		set                    bool
		created, revoked, name string
	}{
		{f.Editor != nil, "v.creator_id = f.editor", "v.revoker_id = f.editor", "by"},
		{f.AfterEvent != nil, "v.create_event > f.after_event", "v.revoke_event > f.after_event", "after_event"},
		{f.BeforeEvent != nil, "v.create_event < f.before_event", "v.revoke_event < f.before_event", "before_event"},
		{f.After != nil, "ev1.time > f.after_time", "ev2.time > f.after_time", "after"},
		{f.Before != nil, "ev1.time < f.before_time", "ev2.time < f.before_time", "before"},
	} {
		if l.set {
			q.Where(l.created+" or "+l.revoked).Col("_created_"+l.name, l.created).Col("_revoked_"+l.name, l.revoked)
		}
	}
	return q.OrderBy("coalesce(v.revoke_event, v.create_event), v.create_event")
}
