package tag

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"moromi/projections/query"
)

// Link is one step of a tag's inheritance, in the order in which Koji follows it (readFullInheritance).
type Link struct {
	ID           int64 // the tag that the step leads to: a parent or, in reverse, a child
	Name         string
	From         int64 // the tag that it leads from
	Priority     int64
	MaxDepth     *int64
	Intransitive bool
	NoConfig     bool
	Filter       string
	Depth        int64    // of the step, 1 for the tag's own links
	NextDepth    *int64   // how many more steps may follow; nil: any number
	Filters      []string // of all steps up to here
}

// Row is the link in getFullInheritance's shape.
func (l Link) Row(reverse bool) query.Row {
	r := query.Row{"name": l.Name, "priority": l.Priority, "maxdepth": ptr(l.MaxDepth), "intransitive": l.Intransitive, "noconfig": l.NoConfig,
		"pkg_filter": l.Filter, "currdepth": l.Depth, "nextdepth": ptr(l.NextDepth), "filter": l.Filters}
	if reverse {
		r["tag_id"], r["parent_id"] = l.ID, l.From
	} else {
		r["parent_id"], r["child_id"] = l.ID, l.From
	}
	return r
}

func ptr(p *int64) any {
	if p == nil {
		return nil
	}
	return *p
}

// InheritanceOptions change what FullInheritance follows.
type InheritanceOptions struct {
	Reverse bool // towards the tags that inherit from this one
}

// edges reads every link that can be reached from a tag, in one indexed query. Keys are the tags that the links lead from.
func edges(ctx context.Context, db query.DB, tag int64, event *int64, o InheritanceOptions) (map[int64][]Link, error) {
	from, to := "tag_id", "parent_id"
	if o.Reverse {
		from, to = to, from
	}
	at := `case when $2::bigint is null then i.active else i.create_event <= $2 and (i.revoke_event is null or i.revoke_event > $2) end`
	rows, err := db.Query(ctx, `with recursive seen(id) as (
			select $1::bigint union select i.`+to+` from tag_inheritance i join seen on seen.id = i.`+from+` where `+at+`)
		select i.`+from+`, i.`+to+`, tag.name, i.priority, i.maxdepth, i.intransitive, i.noconfig, i.pkg_filter
		from tag_inheritance i join seen on seen.id = i.`+from+` join tag on tag.id = i.`+to+` where `+at+` order by i.priority, i.`+to, tag, event)
	if err != nil {
		return nil, fmt.Errorf("inheritance of tag %d: %w", tag, err)
	}
	out := map[int64][]Link{}
	var l Link
	_, err = pgx.ForEachRow(rows, []any{&l.From, &l.ID, &l.Name, &l.Priority, &l.MaxDepth, &l.Intransitive, &l.NoConfig, &l.Filter}, func() error {
		out[l.From] = append(out[l.From], l)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("inheritance of tag %d: %w", tag, err)
	}
	return out, nil
}

// FullInheritance gives everything that a tag inherits from, in order, as of an event if one is given.
func FullInheritance(ctx context.Context, db query.DB, tag int64, event *int64, o InheritanceOptions) ([]Link, error) {
	all, err := edges(ctx, db, tag, event, o)
	if err != nil {
		return nil, err
	}
	w := &walk{edges: all, o: o, seen: map[int64][]step{}}
	w.follow(tag, map[int64]bool{}, 0, nil, false, nil)
	return w.order, nil
}

// Direct gives a tag's own links in order.
func Direct(ctx context.Context, db query.DB, tag int64, event *int64) ([]query.Row, error) {
	cols := []query.Col{{Name: "parent_id", Expr: "i.parent_id"}, {Name: "name", Expr: "tag.name"}, {Name: "priority", Expr: "i.priority"},
		{Name: "maxdepth", Expr: "i.maxdepth"}, {Name: "intransitive", Expr: "i.intransitive"}, {Name: "noconfig", Expr: "i.noconfig"},
		{Name: "pkg_filter", Expr: "i.pkg_filter"}, {Name: "child_id", Expr: "i.tag_id"}}
	return query.New(cols, "tag_inheritance i").Join("join tag on tag.id = i.parent_id").Where("i.tag_id = ?", tag).At("i", event).OrderBy("i.priority").All(ctx, db)
}

// walk follows inheritance depth first. It is Koji's readFullInheritanceRecurse, whose order is part of the protocol: later links lose.
type walk struct {
	edges map[int64][]Link
	o     InheritanceOptions
	seen  map[int64][]step
	order []Link
}

// step is how a tag was reached before.
type step struct {
	nextDepth *int64
	noConfig  bool
	filtered  bool
}

func (w *walk) follow(tag int64, above map[int64]bool, depth int64, maxDepth *int64, noConfig bool, filters []string) {
	if maxDepth != nil && *maxDepth < 1 {
		return
	}
	depth++
	top := make(map[int64]bool, len(above)+1)
	for id := range above {
		top[id] = true
	}
	top[tag] = true
	for _, l := range w.edges[tag] {
		if top[l.ID] || l.Intransitive && len(top) > 1 && !w.o.Reverse {
			continue // a loop, or a link that holds for its own tag only
		}
		if w.o.Reverse {
			if l.MaxDepth != nil && *l.MaxDepth < depth-1 {
				continue
			}
		} else {
			l.NextDepth = nextDepth(l.MaxDepth, maxDepth)
		}
		l.Depth = depth
		// as in Koji, a noconfig link marks the links after it on the same level, too
		noConfig = noConfig || l.NoConfig
		l.Filters = append([]string{}, filters...)
		if l.Filter != "" {
			l.Filters = append(l.Filters, l.Filter)
		}
		if w.redundant(l, noConfig) {
			continue
		}
		w.seen[l.ID] = append(w.seen[l.ID], step{l.NextDepth, l.NoConfig, len(l.Filters) > 0})
		w.order = append(w.order, l)
		if l.Intransitive && w.o.Reverse {
			continue
		}
		w.follow(l.ID, top, depth, l.NextDepth, noConfig, l.Filters)
	}
}

// nextDepth is the smaller of what the link allows and what is left.
func nextDepth(link, left *int64) *int64 {
	switch {
	case left == nil:
		return link
	case link == nil || *left < *link:
		n := *left - 1
		return &n
	}
	n := *link - 1
	return &n
}

// redundant tells whether a tag was reached before in a way that covers this one.
func (w *walk) redundant(l Link, noConfig bool) bool {
	for _, p := range w.seen[l.ID] {
		covered := !p.filtered && (!p.noConfig || noConfig)
		if p.nextDepth != nil && (l.NextDepth == nil || *p.nextDepth < *l.NextDepth) {
			covered = false
		}
		if covered {
			return true
		}
	}
	return false
}
