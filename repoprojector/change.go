package repoprojector

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"moromi/events"
)

// What a change may touch of a tag's content.
type extent int

const (
	ofAll      extent = iota // anything
	ofBuilds                 // the packages of the builds in ids
	ofPackages               // the packages in ids, and which are blocked
	ofGroups                 // the comps groups
)

// change is something that happened to what repositories are made of.
type change struct {
	at     int64
	tag    int64 // 0: to any tag that the builds are in
	extent extent
	ids    []int64
}

const (
	// maxChanges bounds how many changes are remembered, about 100 bytes each. Who needs older ones reads everything.
	maxChanges = 100_000
	// changePatience bounds how long one waits to be told of an event that the read models have already.
	changePatience = 250 * time.Millisecond
)

// changes remembers what happened last, in order, so that a repository costs what changed since the one before. Safe for concurrent use.
type changes struct {
	mu   sync.Mutex
	list []change
	from int64         // all changes after this event are in the list
	told int64         // up to this event
	more chan struct{} // closed and replaced when told grows
}

// restart forgets everything: what is told from now on comes after the event.
func (c *changes) restart(at int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list, c.from, c.told = nil, at, at
	c.release()
}

func (c *changes) release() {
	if c.more != nil {
		close(c.more)
	}
	c.more = make(chan struct{})
}

// add takes in commits in order.
func (c *changes) add(commits []*events.Commit) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, commit := range commits {
		at := int64(commit.Position)
		for _, e := range commit.Events {
			if x, ok := changeOf(at, e); ok {
				c.list = append(c.list, x)
			}
		}
		c.told = max(c.told, at)
	}
	if drop := len(c.list) - maxChanges; drop > 0 {
		c.from = c.list[drop-1].at
		c.list = slices.Clone(c.list[drop:])
	}
	c.release()
}

// between gives the changes after one event up to another; ok is false if not all of them are known.
func (c *changes) between(ctx context.Context, after, upTo int64) (list []change, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, changePatience)
	defer cancel()
	for {
		c.mu.Lock()
		told, more, known := c.told, c.more, after >= c.from
		if known && told >= upTo {
			list = c.within(after, upTo)
		}
		c.mu.Unlock()
		if !known || told >= upTo {
			return list, known
		}
		select {
		case <-more:
		case <-ctx.Done():
			return nil, false
		}
	}
}

// within copies what the list has after one event up to another.
func (c *changes) within(after, upTo int64) []change {
	order := func(x change, at int64) int { return cmp.Compare(x.at, at) }
	i, _ := slices.BinarySearchFunc(c.list, after+1, order)
	j, _ := slices.BinarySearchFunc(c.list, upTo+1, order)
	return slices.Clone(c.list[i:max(i, j)])
}

// changeOf is what an event means for the content of tags. What happens to a build of a tag otherwise (it moves, is promoted, gets more rpms) comes with
// a TagUpdated.
func changeOf(at int64, e events.Event) (change, bool) {
	switch e := e.(type) {
	case events.NameChanged:
		return change{at, e.ID, ofAll, nil}, e.Kind == tagNames
	case events.ExternalRepoSet:
		return change{at, 0, ofAll, nil}, true
	case events.ExternalRepoRemoved:
		return change{at, 0, ofAll, nil}, true
	case events.TagBuildsTagged:
		return change{at, e.ID, ofBuilds, e.Builds}, true
	case events.TagBuildsUntagged:
		return change{at, e.ID, ofBuilds, e.Builds}, true
	case events.TagPackageSet:
		return change{at, e.ID, ofPackages, []int64{e.PackageID}}, true
	case events.TagPackageRemoved:
		return change{at, e.ID, ofPackages, []int64{e.PackageID}}, true
	case events.BuildDeleted:
		return change{at, 0, ofBuilds, []int64{e.ID}}, true
	case events.BuildReset:
		return change{at, 0, ofBuilds, []int64{e.ID}}, true
	case events.BuildCompleted:
		return change{at, 0, ofBuilds, []int64{e.ID}}, true
	case events.BuildFailed:
		return change{at, 0, ofBuilds, []int64{e.ID}}, true
	case events.BuildCanceled:
		return change{at, 0, ofBuilds, []int64{e.ID}}, true
	}
	if tag, ok := changedGroup(e); ok {
		return change{at, tag, ofGroups, nil}, true
	}
	if tag, ok := changedTag(e); ok {
		return change{at, tag, ofAll, nil}, true
	}
	return change{}, false
}
