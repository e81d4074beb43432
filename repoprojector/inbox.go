package repoprojector

import (
	"sync"

	"moromi/events"
)

// maxRemembered bounds the positions that wait to be looked at. Past it everything is looked at anew from the read models.
const maxRemembered = 200_000

// inbox collects what Watch is told until the projector takes it. Safe for concurrent use.
type inbox struct {
	mu   sync.Mutex
	wake chan struct{} // holds one when there is something
	open bool          // false: nobody takes anything, so nothing is kept
	in   news
}

// news is what happened since the projector last looked.
type news struct {
	position events.Position   // up to where
	tags     map[int64][]int64 // positions of the changes of each tag itself, ascending
	external map[int64][]int64 // likewise of external repositories
	count    int
	graph    bool               // everything of the following is to be looked at
	relinked map[int64]bool     // tags whose inheritance changed
	recast   map[int64]bool     // tags of which it may have changed whether they are kept
	created  map[int64]bool     // tags that were made, or made again
	targets  []events.TargetSet // of targets that changed; BuildTag is 0 for one that was removed
	requests bool               // requests for repositories changed
	tasks    bool               // a newRepo task is new or free again
	over     []int64            // tasks that ended
	repos    []int64            // tags of new repositories
	states   map[int64]bool     // repositories that are not what they were: ready, expired, deleted, a problem
	builds   []events.RPMsImported
	resync   bool // something was not remembered
}

func newInbox() *inbox { return &inbox{wake: make(chan struct{}, 1)} }

// set opens or closes the inbox and empties it.
func (b *inbox) set(open bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open, b.in = open, news{}
}

// add puts in what the commits tell.
func (b *inbox) add(commits []*events.Commit) {
	b.mu.Lock()
	if b.open {
		for _, c := range commits {
			b.in.position = c.Position
			for _, e := range c.Events {
				b.in.note(int64(c.Position), e)
			}
		}
	}
	open := b.open
	b.mu.Unlock()
	if open {
		b.ring()
	}
}

// ring wakes the projector.
func (b *inbox) ring() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// relink and cast note tags whose inheritance, or whether they are kept, is to be looked at.
func (n *news) relink(tag int64) { n.relinked = n.mark(n.relinked, tag) }
func (n *news) cast(tag int64)   { n.recast = n.mark(n.recast, tag) }

// target notes what became of a target.
func (n *news) target(t events.TargetSet) {
	if n.count++; n.count > maxRemembered {
		n.resync = true
		return
	}
	n.targets = append(n.targets, t)
}

func (n *news) mark(set map[int64]bool, tag int64) map[int64]bool {
	if set == nil {
		set = map[int64]bool{}
	}
	if n.count++; n.count > maxRemembered {
		n.resync = true
		return set
	}
	set[tag] = true
	return set
}

// take empties the inbox.
func (b *inbox) take() news {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.in
	b.in = news{position: n.position}
	return n
}

// touch notes a change of a tag itself.
func (n *news) touch(at int64, tags ...int64) {
	if n.tags == nil {
		n.tags = map[int64][]int64{}
	}
	for _, t := range tags {
		n.tags[t] = n.remember(n.tags[t], at)
	}
}

func (n *news) touchExternal(at, repo int64) {
	if n.external == nil {
		n.external = map[int64][]int64{}
	}
	n.external[repo] = n.remember(n.external[repo], at)
}

// end notes that a task ended.
func (n *news) end(task int64) { n.over = n.remember(n.over, task) }

func (n *news) remember(list []int64, at int64) []int64 {
	if len(list) > 0 && list[len(list)-1] == at {
		return list
	}
	if n.count++; n.count > maxRemembered {
		n.resync = true
		return list
	}
	return append(list, at)
}
