package repoprojector

import (
	"context"
	"maps"
	"slices"
	"time"

	repomodel "moromi/projections/repo"
)

// graphAge is after how long the graph is read whole again: tags whose repositories are all over are let go then.
const graphAge = time.Hour

// loadGraph reads which tags matter, and what they inherit from.
func (p *Projector) loadGraph(ctx context.Context) error {
	links, err := p.Source.Links(ctx)
	if err != nil {
		return err
	}
	kept, err := p.Source.Kept(ctx)
	if err != nil {
		return err
	}
	current, err := repomodel.Unended(ctx, p.DB, nil)
	if err != nil {
		return err
	}
	if p.targets, err = p.Source.BuildTags(ctx); err != nil {
		return err
	}
	p.followed = map[int64]bool{}
	for _, t := range p.tags {
		t.kept = false
	}
	for _, id := range kept {
		p.followed[id] = true
		p.tag(id).kept = true
	}
	for _, r := range current {
		p.followed[r.Tag] = true
	}
	for id := range p.tags {
		if !p.followed[id] {
			p.letGo(id)
		}
	}
	p.graph, p.graphed = newGraph(links, p.followed), p.Clock()
	return nil
}

// letGo forgets a tag that is not followed, unless something is to be made of it.
func (p *Projector) letGo(id int64) {
	if t := p.tags[id]; t != nil && !t.making && len(t.tasks)+len(t.requests) == 0 {
		delete(p.tags, id)
	}
}

// regraph brings the graph up to date: of the tags that something happened to, or whole if it must. The tags that it finds may be followed now, or not any more, are in n.recast.
func (p *Projector) regraph(ctx context.Context, n *news) error {
	if n.graph || n.resync {
		return p.loadGraph(ctx)
	}
	for _, t := range n.targets {
		for _, tag := range []int64{p.targets[t.ID], t.BuildTag} {
			if tag != 0 {
				n.cast(tag)
			}
		}
		if p.targets[t.ID] = t.BuildTag; t.BuildTag == 0 {
			delete(p.targets, t.ID)
		}
	}
	for _, tag := range p.targets { // a tag that was deleted is made again, and a target still builds in it
		if n.created[tag] {
			n.cast(tag)
		}
	}
	for tag := range n.created { // of any other that is new nothing is to be made yet
		if p.followed[tag] {
			n.cast(tag)
		}
	}
	if len(n.relinked) > 0 {
		if err := p.relinkGraph(ctx, slices.Sorted(maps.Keys(n.relinked))); err != nil {
			return err
		}
	}
	if len(n.recast) == 0 {
		return nil
	}
	return p.recast(ctx, slices.Sorted(maps.Keys(n.recast)))
}

// relinkGraph reads the links of some tags.
func (p *Projector) relinkGraph(ctx context.Context, tags []int64) error {
	links, err := p.Source.LinksOf(ctx, tags)
	if err != nil {
		return err
	}
	of := map[int64][]Link{}
	for _, l := range links {
		of[l.Tag] = append(of[l.Tag], l)
	}
	for _, tag := range tags {
		p.graph.relink(tag, of[tag])
	}
	return nil
}

// recast reads whether some tags are kept, and followed.
func (p *Projector) recast(ctx context.Context, tags []int64) error {
	kept, err := p.Source.KeptOf(ctx, tags)
	if err != nil {
		return err
	}
	current, err := repomodel.Unended(ctx, p.DB, tags)
	if err != nil {
		return err
	}
	follow := map[int64]bool{}
	for _, r := range current {
		follow[r.Tag] = true
	}
	for _, id := range tags {
		isKept := slices.Contains(kept, id)
		if t := p.tags[id]; t != nil || isKept {
			p.tag(id).kept = isKept
		}
		switch {
		case isKept || follow[id]:
			if !p.followed[id] {
				p.followed[id] = true
				p.graph.follow(id)
			}
		default:
			if p.followed[id] {
				delete(p.followed, id)
				p.graph.unfollow(id)
			}
			p.letGo(id)
		}
	}
	return nil
}
