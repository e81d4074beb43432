package repoprojector

import (
	"context"
	"maps"
	"slices"
	"sync"

	"moromi/commands"
	repomodel "moromi/projections/repo"
)

// outdater records when repositories ceased to be what their tags are (end_event). A change of a tag from which many inherit concerns many
// repositories: that must not hold up the making of new ones, so it is done beside it. What is not done when the process ends is done at the
// next start. Safe for concurrent use.
type outdater struct {
	mu      sync.Mutex
	changed map[int64][]int64 // by tag: positions, ascending
	wake    chan struct{}
}

func newOutdater() *outdater { return &outdater{wake: make(chan struct{}, 1)} }

func (o *outdater) add(changed map[int64][]int64) {
	o.mu.Lock()
	if o.changed == nil {
		o.changed = map[int64][]int64{}
	}
	for tag, positions := range changed {
		o.changed[tag] = append(o.changed[tag], positions...)
	}
	o.mu.Unlock()
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

func (o *outdater) take() map[int64][]int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	c := o.changed
	o.changed = nil
	return c
}

func (o *outdater) run(ctx context.Context, p *Projector) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-o.wake:
		}
		if err := p.outdate(ctx, o.take()); err != nil && ctx.Err() == nil {
			p.Log.Warn("ends of repositories were not recorded; the next start does it", "error", err)
		}
	}
}

// outdate records for each repository of the tags the first change after what it has.
func (p *Projector) outdate(ctx context.Context, changed map[int64][]int64) error {
	current, err := repomodel.Unended(ctx, p.DB, slices.Collect(maps.Keys(changed)))
	if err != nil {
		return err
	}
	for _, r := range current {
		positions := changed[r.Tag]
		i, found := slices.BinarySearch(positions, r.CreateEvent)
		if found {
			i++
		}
		if i >= len(positions) {
			continue
		}
		if err := p.Service.OutdateRepo(ctx, commands.Actor{}, r.ID, positions[i]); err != nil {
			return err
		}
	}
	return nil
}
