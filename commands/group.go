package commands

import (
	"context"

	"moromi/aggregates/name"
	"moromi/aggregates/tag"
	"moromi/events"
	"moromi/internal/fault"
	"moromi/projections/query"
	tagmodel "moromi/projections/tag"
)

// Field is a field of a change. One that is not given keeps what counts so far, or has its default; Value nil is no value.
type Field[T comparable] struct {
	Given bool
	Value *T
}

// over gives the field's value, or old if it is not given, and tells whether that is another value than old.
func (f Field[T]) over(old any) (value *T, changed bool) {
	var was *T
	if v, ok := old.(T); ok {
		was = &v
	}
	if !f.Given {
		return was, false
	}
	return f.Value, (f.Value == nil) != (was == nil) || was != nil && *f.Value != *was
}

// orElse makes a default of a field that is not given.
func (f Field[T]) orElse(value T) Field[T] {
	if f.Given {
		return f
	}
	return Field[T]{Given: true, Value: &value}
}

// is tells whether a flag is set; no value is not.
func is(flag *bool) bool { return flag != nil && *flag }

// TagGroup is a comps group to be listed in a tag, or blocked. Tag is as tagmodel gives it.
type TagGroup struct {
	Tag          query.Row
	Group        string
	Block, Force bool // Force changes a group that is blocked

	DisplayName, Description, LangOnly           Field[string]
	Exported, IsDefault, UserVisible, BiarchOnly Field[bool]
}

// CreateGroupName gives the id of a comps group's name, making it known if it is new.
func (s *Service) CreateGroupName(ctx context.Context, a Actor, n string) (int64, error) {
	id, err := s.claim(ctx, a, name.Group, n)
	if err != nil {
		return 0, err
	}
	return id, s.Models.CatchUp(ctx)
}

// ListGroup lists a comps group in a tag, blocks it, or changes it; a name that is new makes the group. What the tag has so far, by itself or
// by inheritance, counts for the fields that are not given; nothing happens if nothing is different (kojihub._grplist_add).
func (s *Service) ListGroup(ctx context.Context, a Actor, in TagGroup) error {
	tagID := in.Tag["id"].(int64)
	id, err := s.CreateGroupName(ctx, a, in.Group)
	if err != nil {
		return err
	}
	before, err := s.groupIn(ctx, tagID, id, tagmodel.GroupOptions{Inherit: true})
	if err != nil {
		return err
	}
	set := events.TagGroupSet{GroupID: id, Blocked: in.Block}
	changed := true
	if before == nil {
		in.DisplayName = in.DisplayName.orElse(in.Group)
		in.BiarchOnly, in.Exported, in.UserVisible = in.BiarchOnly.orElse(false), in.Exported.orElse(true), in.UserVisible.orElse(true)
		in.fill(&set, query.Row{})
	} else {
		if before.Blocked && !in.Force {
			return fault.New(fault.Generic, "group %s is blocked in tag %s", in.Group, in.Tag["name"])
		}
		changed = in.fill(&set, before.Row) || before.Blocked != in.Block
	}
	if !changed {
		return nil
	}
	_, err = s.decideTag(ctx, a, "list group", tagID, func(t *tag.Tag) ([]events.Event, error) { return t.SetGroup(set) })
	return err
}

// fill writes the fields over those of a row and tells whether any is different.
func (in TagGroup) fill(set *events.TagGroupSet, old query.Row) bool {
	display, c1 := in.DisplayName.over(old["display_name"])
	if display != nil {
		set.DisplayName = *display
	}
	exported, c2 := in.Exported.over(old["exported"])
	set.Exported = is(exported)
	var c3, c4, c5, c6, c7 bool
	set.IsDefault, c3 = in.IsDefault.over(old["is_default"])
	set.UserVisible, c4 = in.UserVisible.over(old["uservisible"])
	set.Description, c5 = in.Description.over(old["description"])
	set.LangOnly, c6 = in.LangOnly.over(old["langonly"])
	set.BiarchOnly, c7 = in.BiarchOnly.over(old["biarchonly"])
	return c1 || c2 || c3 || c4 || c5 || c6 || c7
}

// groupIn gives a group as it counts in a tag, nil if the tag does not have it.
func (s *Service) groupIn(ctx context.Context, tagID, id int64, o tagmodel.GroupOptions) (*tagmodel.Group, error) {
	groups, err := tagmodel.Groups(ctx, s.DB, tagID, o, nil)
	for _, g := range groups {
		if g.ID == id {
			return g, err
		}
	}
	return nil, err
}

// theGroupIn is groupIn for a group that must be there and not be blocked.
func (s *Service) theGroupIn(ctx context.Context, in GroupEntry, o tagmodel.GroupOptions) (*tagmodel.Group, error) {
	o.Inherit = true
	g, err := s.groupIn(ctx, in.Tag["id"].(int64), in.Group["id"].(int64), o)
	switch {
	case err != nil:
		return nil, err
	case g == nil:
		return nil, fault.New(fault.Generic, "group %s not present in tag %s", in.Group["name"], in.Tag["name"])
	case g.Blocked:
		return nil, fault.New(fault.Generic, "group %s is blocked in tag %s", in.Group["name"], in.Tag["name"])
	}
	return g, nil
}

// RemoveGroup takes the tag's own word on a group away. Unless force, there must be one.
func (s *Service) RemoveGroup(ctx context.Context, a Actor, t, group query.Row, force bool) error {
	id := group["id"].(int64)
	_, err := s.decideTag(ctx, a, "remove group", t["id"].(int64), func(tg *tag.Tag) ([]events.Event, error) {
		if !force && !tg.HasGroup(id) {
			return nil, fault.New(fault.Generic, "No group: %s found for tag: %s", group["name"], t["name"])
		}
		return tg.RemoveGroup(id), nil
	})
	return err
}

// UnblockGroup takes away that the tag itself blocks a group.
func (s *Service) UnblockGroup(ctx context.Context, a Actor, t, group query.Row) error {
	id := group["id"].(int64)
	_, err := s.decideTag(ctx, a, "unblock group", t["id"].(int64), func(tg *tag.Tag) ([]events.Event, error) {
		if !tg.BlocksGroup(id) {
			return nil, fault.New(fault.Generic, "group %s is NOT blocked in tag %s", group["name"], t["name"])
		}
		return tg.RemoveGroup(id), nil
	})
	return err
}

// GroupEntry is where an entry of a group is. Tag is as tagmodel gives it; Group has id and name.
type GroupEntry struct {
	Tag, Group   query.Row
	Block, Force bool // Force changes an entry that is blocked
}

// GroupPackage is an rpm name to be put into a group, or to be blocked there.
type GroupPackage struct {
	GroupEntry
	Package      string
	Type         Field[string]
	BasearchOnly Field[bool]
	Requires     Field[string]
}

// defaultEntryType is how groups have what they list unless something else is said.
const defaultEntryType = "mandatory"

// ListGroupPackage puts an rpm name into a group, blocks it there, or changes how it is there (kojihub._grp_pkg_add).
func (s *Service) ListGroupPackage(ctx context.Context, a Actor, in GroupPackage) error {
	g, err := s.theGroupIn(ctx, in.GroupEntry, tagmodel.GroupOptions{Packages: true})
	if err != nil {
		return err
	}
	old := g.Package(in.Package)
	switch {
	case old == nil:
		in.Type = in.Type.orElse(defaultEntryType)
	case old["blocked"].(bool) && !in.Force:
		return fault.New(fault.Generic, "package %s blocked in group %s, tag %s", in.Package, in.Group["name"], in.Tag["name"])
	}
	set := events.TagGroupPackageSet{GroupID: g.ID, Package: in.Package, Blocked: in.Block}
	kind, c1 := in.Type.over(old["type"])
	if kind == nil {
		return fault.New(fault.Generic, "the type of package %s in group %s must be given", in.Package, in.Group["name"])
	}
	set.Type = *kind
	var c2, c3 bool
	set.BasearchOnly, c2 = in.BasearchOnly.over(old["basearchonly"])
	set.Requires, c3 = in.Requires.over(old["requires"])
	if old != nil && !c1 && !c2 && !c3 && !in.Block && !in.Force {
		return nil
	}
	_, err = s.decideTag(ctx, a, "list package in group", in.Tag["id"].(int64), func(t *tag.Tag) ([]events.Event, error) { return t.SetGroupPackage(set) })
	return err
}

// RemoveGroupPackage takes an rpm name out of the tag's own group; one that is not there is fine.
func (s *Service) RemoveGroupPackage(ctx context.Context, a Actor, in GroupEntry, pkg string) error {
	_, err := s.decideTag(ctx, a, "remove package from group", in.Tag["id"].(int64), func(t *tag.Tag) ([]events.Event, error) {
		return t.RemoveGroupPackage(in.Group["id"].(int64), pkg), nil
	})
	return err
}

// UnblockGroupPackage takes away that the tag itself blocks an rpm name in a group.
func (s *Service) UnblockGroupPackage(ctx context.Context, a Actor, in GroupEntry, pkg string) error {
	id := in.Group["id"].(int64)
	_, err := s.decideTag(ctx, a, "unblock package in group", in.Tag["id"].(int64), func(t *tag.Tag) ([]events.Event, error) {
		if !t.BlocksGroupPackage(id, pkg) {
			return nil, fault.New(fault.Generic, "package %s is NOT blocked in group %s, tag %s", pkg, in.Group["name"], in.Tag["name"])
		}
		return t.RemoveGroupPackage(id, pkg), nil
	})
	return err
}

// GroupRequirement is a group that a group is to need, or that is to be blocked there. Need has id and name.
type GroupRequirement struct {
	GroupEntry
	Need          query.Row
	Type          Field[string]
	IsMetapackage Field[bool]
}

// ListGroupRequirement makes a group need another, blocks that, or changes how (kojihub._grp_req_add).
func (s *Service) ListGroupRequirement(ctx context.Context, a Actor, in GroupRequirement) error {
	g, err := s.theGroupIn(ctx, in.GroupEntry, tagmodel.GroupOptions{Requirements: true})
	if err != nil {
		return err
	}
	old := g.Requirement(in.Need["id"].(int64))
	switch {
	case old == nil:
		in.Type, in.IsMetapackage = in.Type.orElse(defaultEntryType), in.IsMetapackage.orElse(false)
	case old["blocked"].(bool) && !in.Force:
		return fault.New(fault.Generic, "requirement on group %s blocked in group %s, tag %s", in.Need["name"], in.Group["name"], in.Tag["name"])
	}
	kind, c1 := in.Type.over(old["type"])
	if kind == nil {
		return fault.New(fault.Generic, "the type of the requirement on group %s must be given", in.Need["name"])
	}
	meta, c2 := in.IsMetapackage.over(old["is_metapkg"])
	if old != nil && !c1 && !c2 && !in.Block {
		return nil
	}
	set := events.TagGroupRequirementSet{GroupID: g.ID, RequirementID: in.Need["id"].(int64), Blocked: in.Block, Type: *kind, IsMetapackage: is(meta)}
	_, err = s.decideTag(ctx, a, "list requirement in group", in.Tag["id"].(int64), func(t *tag.Tag) ([]events.Event, error) { return t.SetGroupRequirement(set) })
	return err
}

// RemoveGroupRequirement ends that the tag's own group needs another; if it does not, that is fine.
func (s *Service) RemoveGroupRequirement(ctx context.Context, a Actor, in GroupEntry, need query.Row) error {
	_, err := s.decideTag(ctx, a, "remove requirement from group", in.Tag["id"].(int64), func(t *tag.Tag) ([]events.Event, error) {
		return t.RemoveGroupRequirement(in.Group["id"].(int64), need["id"].(int64)), nil
	})
	return err
}

// UnblockGroupRequirement takes away that the tag itself blocks that a group needs another.
func (s *Service) UnblockGroupRequirement(ctx context.Context, a Actor, in GroupEntry, need query.Row) error {
	id, other := in.Group["id"].(int64), need["id"].(int64)
	_, err := s.decideTag(ctx, a, "unblock requirement in group", in.Tag["id"].(int64), func(t *tag.Tag) ([]events.Event, error) {
		if !t.BlocksGroupRequirement(id, other) {
			return nil, fault.New(fault.Generic, "group req %s is NOT blocked in group %s, tag %s", need["name"], in.Group["name"], in.Tag["name"])
		}
		return t.RemoveGroupRequirement(id, other), nil
	})
	return err
}
