package repoprojector

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"moromi/commands"
	repomodel "moromi/projections/repo"
	tagmodel "moromi/projections/tag"
	"moromi/repoprojector/external"
)

const (
	// externalPulse is how often external repositories are looked at by default: a request of a few hundred bytes each, as kojira makes every 15 seconds.
	externalPulse = time.Minute
	// checkers is how many are looked at at once.
	checkers = 4
	// foreignLife is how long the pieces of a package of others are kept without a fetch that has it. They can be made again, for a while of work.
	foreignLife = 30 * 24 * time.Hour
)

// What ExternalRepoDataSet has: kojira's max_ts, and the SHA-256 of the repomd.xml at each address.
const (
	dataNewest = "max_ts"
	dataRepomd = "repomd"
)

// failures are what is wrong with external repositories, by id. Safe for concurrent use.
type failures struct {
	mu   sync.Mutex
	what map[int64]string
}

func (f *failures) set(id int64, problems []error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.what, id)
	for _, err := range problems {
		if err != nil {
			if f.what == nil {
				f.what = map[int64]string{}
			}
			f.what[id] = err.Error()
			return
		}
	}
}

// ExternalFailure says what was wrong with an external repository at the last look, "" if nothing was. Only the hub that makes repositories looks.
func (p *Projector) ExternalFailure(id int64) string {
	p.failures.mu.Lock()
	defer p.failures.mu.Unlock()
	return p.failures.what[id]
}

// usedRepo is an external repository that some tag's repository is merged with.
type usedRepo struct {
	ExternalRepo
	addresses map[string]bool // with $arch replaced
}

// watchExternal looks at external repositories, at once and then in every ExternalPulse, and notes what has changed, which makes the repositories of the tags
// that use them anew (checkExternalRepos of kojira).
func (p *Projector) watchExternal(ctx context.Context) {
	tick := time.NewTicker(p.ExternalPulse)
	defer tick.Stop()
	failing := map[string]bool{}
	for {
		if err := p.checkExternal(ctx, failing); err != nil && ctx.Err() == nil {
			p.Log.Warn("external repositories were not all looked at; the next round tries again", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// checkExternal looks at all external repositories in use once. failing are the addresses with which something is wrong; each is logged when that
// begins and when it ends.
func (p *Projector) checkExternal(ctx context.Context, failing map[string]bool) error {
	used, err := p.usedExternal(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, u := range used {
		addresses := slices.Sorted(maps.Keys(u.addresses))
		states, problems := make([]*external.State, len(addresses)), make([]error, len(addresses))
		var g errgroup.Group
		g.SetLimit(checkers)
		for i, a := range addresses {
			g.Go(func() error {
				states[i], problems[i] = p.external.Check(ctx, a)
				return nil
			})
		}
		_ = g.Wait() // each has its own
		if ctx.Err() != nil {
			return ctx.Err()
		}
		p.failures.set(u.ID, problems)
		for i, a := range addresses {
			switch {
			case problems[i] != nil && !failing[a]:
				failing[a] = true
				p.Log.Warn("external repository cannot be read, what it last was stays in use", "external", u.Name, "error", problems[i])
			case problems[i] == nil && failing[a]:
				delete(failing, a)
				p.Log.Info("external repository can be read again", "external", u.Name, "url", external.Shown(a))
			}
		}
		errs = append(errs, p.noteExternal(ctx, u.ID, states))
	}
	return errors.Join(errs...)
}

// usedExternal gives the external repositories of all tags that have, or shall have, a current repository.
func (p *Projector) usedExternal(ctx context.Context) (map[int64]*usedRepo, error) {
	used := map[int64]*usedRepo{}
	links, err := tagmodel.TagExternalRepos(ctx, p.DB, nil, nil, nil)
	if err != nil || len(links) == 0 {
		return used, err
	}
	kept, err := p.Source.Kept(ctx)
	if err != nil {
		return nil, err
	}
	current, err := repomodel.Unended(ctx, p.DB, nil)
	if err != nil {
		return nil, err
	}
	tags := map[int64]bool{}
	for _, id := range kept {
		tags[id] = true
	}
	for _, r := range current {
		tags[r.Tag] = true
	}
	for id := range tags {
		if err := p.addUsed(ctx, used, id); err != nil {
			return nil, err
		}
	}
	return used, nil
}

// addUsed adds the external repositories of a tag.
func (p *Projector) addUsed(ctx context.Context, used map[int64]*usedRepo, id int64) error {
	list, err := externalRepos(ctx, p.DB, id, nil)
	if err != nil || len(list) == 0 {
		return err
	}
	row, err := tagmodel.GetLast(ctx, p.DB, tagmodel.Spec{ID: id})
	if err != nil || row == nil {
		return err
	}
	for _, e := range list {
		u := used[e.ID]
		if u == nil {
			u = &usedRepo{e, map[string]bool{}}
			used[e.ID] = u
		}
		for _, arch := range archDirs(fields(row["arches"]), false) {
			if e.forArch(arch) {
				u.addresses[external.Expand(e.URL, arch)] = true
			}
		}
	}
	return nil
}

// noteExternal notes the states of an external repository if any is another than the one that was noted.
func (p *Projector) noteExternal(ctx context.Context, id int64, states []*external.State) error {
	noted, err := tagmodel.ExternalRepoData(ctx, p.DB, id)
	if err != nil {
		return err
	}
	old, _ := noted.(map[string]any)
	data := map[string]any{}
	maps.Copy(data, old)
	sums := map[string]any{}
	before, _ := old[dataRepomd].(map[string]any)
	newest, _ := old[dataNewest].(int64)
	for _, s := range states {
		if s == nil {
			continue
		}
		sums[external.Shown(s.URL)] = s.Repomd
		newest = max(newest, s.Newest)
	}
	if len(sums) == 0 {
		return nil
	}
	for a, sum := range before { // what cannot be read has not changed
		if _, ok := sums[a]; !ok {
			sums[a] = sum
		}
	}
	if reflect.DeepEqual(before, sums) {
		return nil
	}
	data[dataNewest], data[dataRepomd] = newest, sums
	return p.Service.SetExternalRepoData(ctx, commands.Actor{}, id, data)
}

// sweepExternal forgets external repositories that are no longer used.
func (p *Projector) sweepExternal(ctx context.Context) error {
	used, err := p.usedExternal(ctx)
	if err != nil {
		return err
	}
	addresses := map[string]bool{}
	for _, u := range used {
		maps.Copy(addresses, u.addresses)
	}
	now := p.Clock()
	_, err = p.store.PruneForeign(now.Add(-foreignLife))
	return errors.Join(err, p.external.Prune(addresses, now.Add(-p.Lifetimes.Repo)))
}
