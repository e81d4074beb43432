package repoprojector

import (
	"context"
	"maps"
	"slices"
	"time"

	"moromi/commands"
	repomodel "moromi/projections/repo"
)

// tag gives what is known of a tag.
func (p *Projector) tag(id int64) *tagPlan {
	t := p.tags[id]
	if t == nil {
		t = &tagPlan{id: id, settle: p.Settling}
		p.tags[id] = t
	}
	return t
}

// learn takes in what has happened. Changes count by the inheritance that they lead to.
func (l *leading) learn(ctx context.Context, n news) error {
	if n.position > l.position {
		l.position = n.position
	}
	for _, e := range n.builds {
		select {
		case l.imports <- e:
		default: // its rpms are read when they are needed
		}
	}
	if n.resync {
		if err := l.Service.UpdateRepoEndEvents(ctx, commands.Actor{}); err != nil {
			return err
		}
		n.graph, n.requests, n.tasks = true, true, true
	}
	for _, tag := range n.repos {
		if !l.followed[tag] {
			n.cast(tag)
		}
	}
	if err := l.regraph(ctx, &n); err != nil {
		return err
	}
	if err := l.restand(ctx, &n); err != nil {
		return err
	}
	l.welcome()
	if err := l.touch(ctx, n); err != nil {
		return err
	}
	n.requests = n.requests || slices.ContainsFunc(n.over, func(task int64) bool { return l.awaited[task] })
	if n.requests {
		if err := l.loadRequests(ctx); err != nil {
			return err
		}
	}
	if n.tasks {
		return l.loadTasks(ctx)
	}
	return nil
}

// welcome notes when a tag that nothing was known of came to be kept: it counts as changed then.
func (l *leading) welcome() {
	now := l.Clock()
	for _, t := range l.tags {
		if t.kept && t.made == 0 && t.ended.IsZero() && !t.making && t.firstChange.IsZero() {
			t.firstChange, t.lastChange = now, now
		}
	}
}

// touch passes changes on to the followed tags that they change.
func (l *leading) touch(ctx context.Context, n news) error {
	for ext, positions := range n.external {
		tags, err := l.Source.TagsWith(ctx, ext)
		if err != nil {
			return err
		}
		for _, at := range positions {
			n.touch(at, tags...)
		}
	}
	if len(n.tags) == 0 {
		return nil
	}
	now := l.Clock()
	changed := map[int64][]int64{} // by followed tag
	for tag, positions := range n.tags {
		for heir := range l.graph.heirs[tag] {
			changed[heir] = append(changed[heir], positions...)
		}
	}
	for tag, positions := range changed {
		slices.Sort(positions)
		l.tag(tag).changed(positions[len(positions)-1], now)
	}
	if len(changed) > 0 {
		l.outdated.add(changed)
	}
	return nil
}

// restand brings up to date which repositories the tags have: of those whose repositories' states changed, and of those that may be kept now; of all when the graph was read whole.
func (l *leading) restand(ctx context.Context, n *news) error {
	if n.graph || n.resync {
		return l.loadStandings(ctx)
	}
	tags := slices.Collect(maps.Keys(n.recast))
	if len(n.states) > 0 {
		of, err := repomodel.TagsOf(ctx, l.DB, slices.Collect(maps.Keys(n.states)))
		if err != nil {
			return err
		}
		tags = append(tags, of...)
	}
	slices.Sort(tags)
	tags = slices.DeleteFunc(slices.Compact(tags), func(id int64) bool { return l.tags[id] == nil })
	if len(tags) == 0 {
		return nil
	}
	rows, err := repomodel.Standings(ctx, l.DB, tags)
	if err != nil {
		return err
	}
	l.stand(tags, rows)
	return nil
}

// loadStandings reads which repositories all tags have.
func (p *Projector) loadStandings(ctx context.Context) error {
	rows, err := repomodel.Standings(ctx, p.DB, nil)
	if err != nil {
		return err
	}
	p.stand(slices.Collect(maps.Keys(p.tags)), rows)
	return nil
}

// stand takes in what was read of some tags.
func (p *Projector) stand(tags []int64, rows []repomodel.Standing) {
	known := map[int64]int64{}
	for _, id := range tags {
		t := p.tags[id]
		known[id], t.made = t.made, 0
	}
	for _, r := range rows {
		if t := p.tags[r.Tag]; t != nil {
			t.made = r.CreateEvent
			t.change = max(t.change, r.EndEvent)
			if t.made > known[r.Tag] && !t.making { // a builder made it
				t.ended = p.Clock()
			}
		}
	}
}

// loadRequests reads the requests that wait.
func (p *Projector) loadRequests(ctx context.Context) error {
	rows, err := repomodel.Waiting(ctx, p.DB)
	if err != nil {
		return err
	}
	byTag := readRequests(rows)
	now := p.Clock()
	for id, list := range byTag {
		t := p.tag(id)
		t.requests = list
		if t.asked.IsZero() {
			t.asked = now
		}
	}
	for id, t := range p.tags {
		if byTag[id] == nil {
			t.requests, t.asked = nil, time.Time{}
		}
	}
	p.awaited = map[int64]bool{}
	for _, r := range rows {
		if repomodel.UnderWay(r) {
			p.awaited[r["task_id"].(int64)] = true
		}
	}
	return nil
}
