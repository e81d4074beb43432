package tag

import "moromi/events"

// group is a comps group as the tag itself has it.
type group struct {
	set      *events.TagGroupSet
	packages map[string]events.TagGroupPackageSet
	needs    map[int64]events.TagGroupRequirementSet
}

func (t *Tag) group(id int64) *group {
	g := t.groups[id]
	if g == nil {
		g = &group{packages: map[string]events.TagGroupPackageSet{}, needs: map[int64]events.TagGroupRequirementSet{}}
		t.groups[id] = g
	}
	return g
}

func (t *Tag) applyGroup(e events.Event) {
	switch e := e.(type) {
	case events.TagGroupSet:
		t.group(e.GroupID).set = &e
	case events.TagGroupRemoved:
		t.group(e.GroupID).set = nil
	case events.TagGroupPackageSet:
		t.group(e.GroupID).packages[e.Package] = e
	case events.TagGroupPackageRemoved:
		delete(t.group(e.GroupID).packages, e.Package)
	case events.TagGroupRequirementSet:
		t.group(e.GroupID).needs[e.RequirementID] = e
	case events.TagGroupRequirementRemoved:
		delete(t.group(e.GroupID).needs, e.RequirementID)
	}
}

// SetGroup lists a group, or changes it.
func (t *Tag) SetGroup(g events.TagGroupSet) ([]events.Event, error) {
	if !t.exists {
		return nil, t.missing()
	}
	g.ID = t.ID
	return []events.Event{g}, nil
}

// HasGroup tells whether the tag itself has the group.
func (t *Tag) HasGroup(id int64) bool { return t.groups[id] != nil && t.groups[id].set != nil }

// BlocksGroup tells whether the tag itself blocks the group.
func (t *Tag) BlocksGroup(id int64) bool { return t.HasGroup(id) && t.groups[id].set.Blocked }

// BlocksGroupPackage tells whether the tag itself blocks the rpm name in the group.
func (t *Tag) BlocksGroupPackage(id int64, pkg string) bool {
	return t.groups[id] != nil && t.groups[id].packages[pkg].Blocked
}

// BlocksGroupRequirement tells whether the tag itself blocks that the group needs the other one.
func (t *Tag) BlocksGroupRequirement(id, need int64) bool {
	return t.groups[id] != nil && t.groups[id].needs[need].Blocked
}

// RemoveGroup takes the tag's own word on a group away; nothing happens if there is none. What the tag lists in the group stays, as in Koji:
// it counts again when the group is there again, by the tag itself or by inheritance.
func (t *Tag) RemoveGroup(id int64) []events.Event {
	if !t.HasGroup(id) {
		return nil
	}
	return []events.Event{events.TagGroupRemoved{ID: t.ID, GroupID: id}}
}

// SetGroupPackage puts an rpm name into a group, or changes how it is there.
func (t *Tag) SetGroupPackage(p events.TagGroupPackageSet) ([]events.Event, error) {
	if !t.exists {
		return nil, t.missing()
	}
	p.ID = t.ID
	return []events.Event{p}, nil
}

// RemoveGroupPackage takes it out; nothing happens if the tag itself does not have it.
func (t *Tag) RemoveGroupPackage(group int64, pkg string) []events.Event {
	if g := t.groups[group]; g == nil || g.packages[pkg].Package == "" {
		return nil
	}
	return []events.Event{events.TagGroupPackageRemoved{ID: t.ID, GroupID: group, Package: pkg}}
}

// SetGroupRequirement makes a group need another, or changes how.
func (t *Tag) SetGroupRequirement(r events.TagGroupRequirementSet) ([]events.Event, error) {
	if !t.exists {
		return nil, t.missing()
	}
	r.ID = t.ID
	return []events.Event{r}, nil
}

// RemoveGroupRequirement ends that; nothing happens if the tag itself does not say it.
func (t *Tag) RemoveGroupRequirement(group, need int64) []events.Event {
	if g := t.groups[group]; g == nil || g.needs[need].RequirementID == 0 {
		return nil
	}
	return []events.Event{events.TagGroupRequirementRemoved{ID: t.ID, GroupID: group, RequirementID: need}}
}
