package repoprojector

import (
	"context"
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
		n.graph, n.requests, n.tasks, n.ended = true, true, true, true
	}
	for _, tag := range n.repos {
		if !l.followed[tag] {
			n.cast(tag)
		}
	}
	regraphed, err := l.regraph(ctx, &n)
	if err != nil {
		return err
	}
	if n.ended || regraphed {
		if err := l.loadStandings(ctx); err != nil {
			return err
		}
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

// loadStandings reads which repositories the tags have.
func (p *Projector) loadStandings(ctx context.Context) error {
	rows, err := repomodel.Standings(ctx, p.DB)
	if err != nil {
		return err
	}
	known := map[int64]int64{}
	for id, t := range p.tags {
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
	return nil
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
