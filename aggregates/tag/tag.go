// Package tag decides about one tag: its settings, what it inherits, which packages it lists and which builds it has.
package tag

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"moromi/events"
	"moromi/internal/fault"
)

// Stream is the stream of a tag.
func Stream(id int64) string { return fmt.Sprintf("tag-%d", id) }

// Tag is the folded state of one tag. The zero value does not exist.
type Tag struct {
	ID       int64
	Settings events.TagSettings
	exists   bool
	extra    map[string]json.RawMessage
	parents  map[int64]events.Inheritance
	packages map[int64]Listing
	builds   map[int64]bool
	repos    map[int64]events.TagExternalRepoSet
	groups   map[int64]*group
}

// Listing is what a tag itself says of a package. Owner is kept when the package is removed, as Koji keeps it.
type Listing struct {
	Listed      bool
	Blocked     bool
	ExtraArches *string
	Owner       int64
}

// Exists tells whether the tag is there.
func (t *Tag) Exists() bool { return t.exists }

// Has tells whether a build is in the tag.
func (t *Tag) Has(build int64) bool { return t.builds[build] }

// EmptySideTag tells whether the tag is a side tag with no build in it.
func (t *Tag) EmptySideTag() bool {
	return t.exists && string(t.extra["sidetag"]) == "true" && len(t.builds) == 0
}

// Package is what the tag itself says of a package.
func (t *Tag) Package(id int64) Listing { return t.packages[id] }

// Apply takes an event of the stream.
func (t *Tag) Apply(e events.Event) {
	switch e := e.(type) {
	case events.TagCreated:
		*t = Tag{ID: e.ID, Settings: e.TagSettings, exists: true, extra: map[string]json.RawMessage{}, parents: map[int64]events.Inheritance{},
			packages: map[int64]Listing{}, builds: map[int64]bool{}, repos: map[int64]events.TagExternalRepoSet{}, groups: map[int64]*group{}}
	case events.TagDeleted:
		*t = Tag{ID: e.ID}
	case events.TagConfigured:
		t.Settings = e.TagSettings
	case events.TagExtraSet:
		t.extra[e.Key] = e.Value
	case events.TagExtraRemoved:
		delete(t.extra, e.Key)
	case events.TagInheritanceChanged:
		for _, p := range e.Removed {
			delete(t.parents, p)
		}
		for _, l := range e.Added {
			t.parents[l.ParentID] = l
		}
	case events.TagBuildsTagged:
		for _, b := range e.Builds {
			t.builds[b] = true
		}
	case events.TagBuildsUntagged:
		for _, b := range e.Builds {
			delete(t.builds, b)
		}
	case events.TagExternalRepoSet:
		t.repos[e.ExternalRepoID] = e
	case events.TagExternalRepoRemoved:
		delete(t.repos, e.ExternalRepoID)
	default:
		t.applyPackage(e)
		t.applyGroup(e)
	}
}

func (t *Tag) applyPackage(e events.Event) {
	switch e := e.(type) {
	case events.TagPackageSet:
		l := t.packages[e.PackageID]
		l.Listed, l.Blocked, l.ExtraArches = true, e.Blocked, e.ExtraArches
		t.packages[e.PackageID] = l
	case events.TagPackageOwnerSet:
		l := t.packages[e.PackageID]
		l.Owner = e.Owner
		t.packages[e.PackageID] = l
	case events.TagPackageRemoved:
		l := t.packages[e.PackageID]
		t.packages[e.PackageID] = Listing{Owner: l.Owner}
	}
}

// Missing is Koji's fault for a tag that is not there.
func (t *Tag) missing() error { return fault.New(fault.Generic, "No such tag: %d", t.ID) }

// Create makes the tag with its settings, extra settings and links to parents.
func (t *Tag) Create(id int64, name string, s events.TagSettings, extra map[string]json.RawMessage, parents ...events.Inheritance) ([]events.Event, error) {
	if t.exists {
		return nil, fault.New(fault.Generic, "A tag with the name '%s' already exists", name)
	}
	evs := []events.Event{events.TagCreated{ID: id, TagSettings: s}}
	for _, k := range sortedKeys(extra) {
		evs = append(evs, events.TagExtraSet{ID: id, Key: k, Value: extra[k]})
	}
	if len(parents) > 0 {
		evs = append(evs, events.TagInheritanceChanged{ID: id, Added: parents})
	}
	return evs, nil
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// Configure changes the settings; no events if nothing is different.
func (t *Tag) Configure(s events.TagSettings) ([]events.Event, error) {
	if !t.exists {
		return nil, t.missing()
	}
	if sameText(s.Arches, t.Settings.Arches) && sameID(s.PermissionID, t.Settings.PermissionID) && s.Locked == t.Settings.Locked &&
		s.MavenSupport == t.Settings.MavenSupport && s.MavenIncludeAll == t.Settings.MavenIncludeAll {
		return nil, nil
	}
	return []events.Event{events.TagConfigured{ID: t.ID, TagSettings: s}}, nil
}

func sameText(a, b *string) bool { return a == b || a != nil && b != nil && *a == *b }
func sameID(a, b *int64) bool    { return a == b || a != nil && b != nil && *a == *b }

// SetExtra sets (value nil: blocks) and removes extra settings. What is set so already is left alone; what is not set cannot be removed.
func (t *Tag) SetExtra(set map[string]json.RawMessage, remove []string) ([]events.Event, error) {
	if !t.exists {
		return nil, t.missing()
	}
	var evs []events.Event
	for _, k := range sortedKeys(set) {
		if old, there := t.extra[k]; !there || !bytes.Equal(old, set[k]) {
			evs = append(evs, events.TagExtraSet{ID: t.ID, Key: k, Value: set[k]})
		}
	}
	for _, k := range remove {
		if _, there := t.extra[k]; !there {
			return nil, fault.New(fault.Generic, "the tag has no extra setting %s", k)
		}
		evs = append(evs, events.TagExtraRemoved{ID: t.ID, Key: k})
	}
	return evs, nil
}

// Delete ends the tag.
func (t *Tag) Delete() ([]events.Event, error) {
	if !t.exists {
		return nil, t.missing()
	}
	return []events.Event{events.TagDeleted{ID: t.ID}}, nil
}

// Link is a change to a link: to a parent, or with Delete its end.
type Link struct {
	events.Inheritance
	Delete bool
}

// Inherit changes the links to parents. With clear, links that are not named end.
func (t *Tag) Inherit(changes []Link, clear bool) ([]events.Event, error) {
	if !t.exists {
		return nil, t.missing()
	}
	after := map[int64]events.Inheritance{}
	for id, l := range t.parents {
		after[id] = l
	}
	ev := events.TagInheritanceChanged{ID: t.ID}
	named := map[int64]bool{}
	for _, c := range changes {
		old, there := t.parents[c.ParentID]
		named[c.ParentID] = true
		switch {
		case c.Delete:
			if there {
				delete(after, c.ParentID)
				ev.Removed = append(ev.Removed, c.ParentID)
			}
		case there && !clear && sameLink(old, c.Inheritance):
		default:
			if there {
				ev.Removed = append(ev.Removed, c.ParentID)
			}
			after[c.ParentID] = c.Inheritance
			ev.Added = append(ev.Added, c.Inheritance)
		}
	}
	for id := range t.parents {
		if clear && !named[id] {
			delete(after, id)
			ev.Removed = append(ev.Removed, id)
		}
	}
	if len(ev.Removed) == 0 && len(ev.Added) == 0 {
		return nil, nil
	}
	slices.Sort(ev.Removed)
	if err := uniquePriorities(t.ID, after); err != nil {
		return nil, err
	}
	return []events.Event{ev}, nil
}

func sameLink(a, b events.Inheritance) bool {
	return a.Priority == b.Priority && sameID(a.MaxDepth, b.MaxDepth) && a.Intransitive == b.Intransitive && a.NoConfig == b.NoConfig && a.PackageFilter == b.PackageFilter
}

func uniquePriorities(tag int64, links map[int64]events.Inheritance) error {
	seen := map[int64]int64{}
	for id, l := range links {
		if other, there := seen[l.Priority]; there {
			return fault.New(fault.Generic, "Multiple parent tags ([%d, %d]) cannot have the same priority value (%d) on child tag %d",
				min(id, other), max(id, other), l.Priority, tag)
		}
		seen[l.Priority] = id
	}
	return nil
}

// SetPackage lists or blocks a package, with its owner if that is not 0 or is another one than before.
func (t *Tag) SetPackage(pkg int64, l Listing) ([]events.Event, error) {
	if !t.exists {
		return nil, t.missing()
	}
	evs := []events.Event{events.TagPackageSet{ID: t.ID, PackageID: pkg, Blocked: l.Blocked, ExtraArches: l.ExtraArches}}
	return append(evs, events.TagPackageOwnerSet{ID: t.ID, PackageID: pkg, Owner: l.Owner}), nil
}

// SetPackageOwner gives the package another owner in the tag.
func (t *Tag) SetPackageOwner(pkg, owner int64) ([]events.Event, error) {
	if !t.exists {
		return nil, t.missing()
	}
	return []events.Event{events.TagPackageOwnerSet{ID: t.ID, PackageID: pkg, Owner: owner}}, nil
}

// RemovePackage takes the tag's own word on a package away; nothing happens if there is none.
func (t *Tag) RemovePackage(pkg int64) ([]events.Event, error) {
	if !t.exists {
		return nil, t.missing()
	}
	if !t.packages[pkg].Listed {
		return nil, nil
	}
	return []events.Event{events.TagPackageRemoved{ID: t.ID, PackageID: pkg}}, nil
}

// TagBuild puts a build into the tag. One that is there already is a fault, unless force: then it moves to the front.
func (t *Tag) TagBuild(build int64, nvr, name string, force bool) ([]events.Event, error) {
	if !t.exists {
		return nil, t.missing()
	}
	var evs []events.Event
	if t.builds[build] {
		if !force {
			return nil, fault.New(fault.Tag, "build %s already tagged (%s)", nvr, name)
		}
		evs = append(evs, events.TagBuildsUntagged{ID: t.ID, Builds: []int64{build}})
	}
	return append(evs, events.TagBuildsTagged{ID: t.ID, Builds: []int64{build}}), nil
}

// TagBuilds puts many builds into the tag at once, the last one in front; those that are there already move.
func (t *Tag) TagBuilds(builds []int64) ([]events.Event, error) {
	if !t.exists {
		return nil, t.missing()
	}
	var in, out []int64
	for i, b := range builds {
		if slices.Contains(builds[i+1:], b) {
			continue // named again later: that counts
		}
		in = append(in, b)
		if t.builds[b] {
			out = append(out, b)
		}
	}
	if len(in) == 0 {
		return nil, nil
	}
	evs := []events.Event{events.TagBuildsTagged{ID: t.ID, Builds: in}}
	if len(out) > 0 {
		evs = append([]events.Event{events.TagBuildsUntagged{ID: t.ID, Builds: out}}, evs...)
	}
	return evs, nil
}

// UntagBuild takes a build out of the tag. Unless strict, one that is not there is fine.
func (t *Tag) UntagBuild(build int64, nvr, name string, strict bool) ([]events.Event, error) {
	if !t.builds[build] {
		if strict {
			return nil, fault.New(fault.Tag, "build %s not in tag %s", nvr, name)
		}
		return nil, nil
	}
	return []events.Event{events.TagBuildsUntagged{ID: t.ID, Builds: []int64{build}}}, nil
}

// Update notes that something in the tag changed that is recorded elsewhere.
func (t *Tag) Update(kind int) ([]events.Event, error) {
	if !t.exists {
		return nil, nil
	}
	return []events.Event{events.TagUpdated{ID: t.ID, Type: kind}}, nil
}

// ExternalRepo is the tag's link to an external repository and whether there is one.
func (t *Tag) ExternalRepo(id int64) (events.TagExternalRepoSet, bool) {
	r, ok := t.repos[id]
	return r, ok
}

// SetExternalRepo links an external repository, or changes the link. Priorities are unique in a tag.
func (t *Tag) SetExternalRepo(r events.TagExternalRepoSet) ([]events.Event, error) {
	if !t.exists {
		return nil, t.missing()
	}
	for id, o := range t.repos {
		if id != r.ExternalRepoID && o.Priority == r.Priority {
			return nil, fault.New(fault.Generic, "tag %d already has an external repo at priority %d", t.ID, r.Priority)
		}
	}
	r.ID = t.ID
	return []events.Event{r}, nil
}

// RemoveExternalRepo ends a link; nothing happens if there is none.
func (t *Tag) RemoveExternalRepo(id int64) []events.Event {
	if _, ok := t.repos[id]; !ok {
		return nil
	}
	return []events.Event{events.TagExternalRepoRemoved{ID: t.ID, ExternalRepoID: id}}
}
