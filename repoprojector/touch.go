package repoprojector

import (
	"moromi/commands"
	"moromi/events"
	tagmodel "moromi/projections/tag"
)

// tagNames is the kind of the names of tags.
const tagNames = "tag"

// note takes from an event what it means for repositories. What counts as a change of a tag is what tag_last_change_event of kojihub looks at.
func (n *news) note(at int64, e events.Event) {
	if tag, ok := changedTag(e); ok {
		n.touch(at, tag)
	}
	switch e := e.(type) {
	case events.NameChanged:
		if e.Kind == tagNames {
			n.touch(at, e.ID) // the repository must be found under the new name
		}
	case events.TagExtraSet:
		if e.Key == tagmodel.AutoRepo {
			n.cast(e.ID)
		}
	case events.TagExtraRemoved:
		if e.Key == tagmodel.AutoRepo {
			n.cast(e.ID)
		}
	case events.TagCreated:
		n.created = n.mark(n.created, e.ID)
	case events.TagDeleted:
		n.cast(e.ID)
		n.relink(e.ID)
	case events.TagInheritanceChanged:
		n.relink(e.ID)
	case events.TargetSet:
		n.target(e)
	case events.TargetRemoved:
		n.target(events.TargetSet{ID: e.ID})
	case events.ExternalRepoSet:
		n.touchExternal(at, e.ID)
	case events.ExternalRepoRemoved:
		n.touchExternal(at, e.ID)
	case events.ExternalRepoDataSet:
		n.touchExternal(at, e.ID)
	case events.RepoCreated:
		n.repos = append(n.repos, e.TagID)
	case events.RepoStateSet:
		n.states = n.mark(n.states, e.ID)
	case events.RepoRequested, events.RepoRequestPrioritized, events.RepoRequestsFulfilled, events.RepoRequestAbandoned,
		events.RepoRequestTasked:
		n.requests = true
	case events.TaskCreated:
		n.tasks = n.tasks || commands.RunByHub(e.Method)
	case events.TaskFreed:
		n.tasks = true
	case events.TaskClosed:
		n.end(e.ID)
	case events.TaskFailed:
		n.end(e.ID)
	case events.TaskCanceled:
		n.end(e.ID)
	case events.RPMsImported:
		if len(n.builds) < maxBuilds {
			n.builds = append(n.builds, e)
		}
	}
}

// changedTag is the tag that an event changes by itself.
func changedTag(e events.Event) (tag int64, ok bool) {
	switch e := e.(type) {
	case events.TagCreated:
		return e.ID, true
	case events.TagConfigured:
		return e.ID, true
	case events.TagDeleted:
		return e.ID, true
	case events.TagExtraSet:
		return e.ID, true
	case events.TagExtraRemoved:
		return e.ID, true
	case events.TagInheritanceChanged:
		return e.ID, true
	case events.TagPackageSet:
		return e.ID, true
	case events.TagPackageRemoved:
		return e.ID, true
	case events.TagBuildsTagged:
		return e.ID, true
	case events.TagBuildsUntagged:
		return e.ID, true
	case events.TagUpdated:
		return e.ID, true
	case events.TagExternalRepoSet:
		return e.ID, true
	case events.TagExternalRepoRemoved:
		return e.ID, true
	}
	return changedGroup(e)
}

// changedGroup is changedTag for the events of a tag's groups.
func changedGroup(e events.Event) (tag int64, ok bool) {
	switch e := e.(type) {
	case events.TagGroupSet:
		return e.ID, true
	case events.TagGroupRemoved:
		return e.ID, true
	case events.TagGroupPackageSet:
		return e.ID, true
	case events.TagGroupPackageRemoved:
		return e.ID, true
	case events.TagGroupRequirementSet:
		return e.ID, true
	case events.TagGroupRequirementRemoved:
		return e.ID, true
	}
	return 0, false
}
