package commands

import (
	"context"
	"maps"
	"slices"

	"moromi/internal/fault"
	"moromi/projections/query"
	tagmodel "moromi/projections/tag"
)

// takeGroups copies the comps groups of a snapshot: what the tag does not have is listed as it is in From; with Remove, what From does not have
// goes, or is blocked where it is inherited.
func (s *Service) takeGroups(ctx context.Context, a Actor, id int64, in Snapshot) error {
	all := tagmodel.GroupOptions{Inherit: true, Packages: true, Requirements: true}
	from, err := tagmodel.Groups(ctx, s.DB, in.From["id"].(int64), all, in.Event)
	if err != nil {
		return err
	}
	present, err := tagmodel.Groups(ctx, s.DB, id, all, nil)
	if err != nil {
		return err
	}
	to, err := tagmodel.Get(ctx, s.DB, tagmodel.Spec{ID: id}, nil, false)
	if err != nil || to == nil {
		return orFault(err, fault.New(fault.Generic, "No such tagInfo: %d", id))
	}
	has := map[int64]*tagmodel.Group{}
	for _, g := range present {
		has[g.ID] = g
	}
	for _, g := range from {
		if old := has[g.ID]; old == nil || old.Blocked != g.Blocked {
			if err := s.ListGroup(ctx, a, copiedGroup(to, g)); err != nil {
				return err
			}
		}
	}
	if in.Remove {
		if err := s.dropGroups(ctx, a, to, from, present); err != nil {
			return err
		}
	}
	for _, g := range from { // after all groups: they may require one another
		old := has[g.ID]
		if old == nil {
			old = &tagmodel.Group{}
		}
		if g.Blocked {
			continue
		}
		if err := s.takeEntries(ctx, a, to, g, old, in.Remove); err != nil {
			return err
		}
	}
	return nil
}

func copiedGroup(to query.Row, g *tagmodel.Group) TagGroup {
	return TagGroup{Tag: to, Group: g.Name, Block: g.Blocked, Force: true,
		DisplayName: fieldOf[string](g.Row, "display_name"), Description: fieldOf[string](g.Row, "description"), LangOnly: fieldOf[string](g.Row, "langonly"),
		Exported: fieldOf[bool](g.Row, "exported"), IsDefault: fieldOf[bool](g.Row, "is_default"), UserVisible: fieldOf[bool](g.Row, "uservisible"),
		BiarchOnly: fieldOf[bool](g.Row, "biarchonly")}
}

// fieldOf is a row's value as a field that is given.
func fieldOf[T comparable](row query.Row, key string) Field[T] {
	if v, ok := row[key].(T); ok {
		return Field[T]{Given: true, Value: &v}
	}
	return Field[T]{Given: true}
}

func (s *Service) dropGroups(ctx context.Context, a Actor, to query.Row, from, present []*tagmodel.Group) error {
	for _, g := range present {
		if slices.ContainsFunc(from, func(x *tagmodel.Group) bool { return x.ID == g.ID }) {
			continue
		}
		var err error
		if g.Row["tag_id"] == to["id"] {
			err = s.RemoveGroup(ctx, a, to, query.Row{"id": g.ID, "name": g.Name}, true)
		} else {
			err = s.ListGroup(ctx, a, TagGroup{Tag: to, Group: g.Name, Block: true, Force: true})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// takeEntries brings the rpm names and requirements of a group to those of g; old is the group as the tag has it.
func (s *Service) takeEntries(ctx context.Context, a Actor, to query.Row, g, old *tagmodel.Group, remove bool) error {
	where := GroupEntry{Tag: to, Group: query.Row{"id": g.ID, "name": g.Name}, Force: true}
	for _, p := range g.Packages {
		before := old.Package(p["package"].(string))
		if before != nil && (!remove || before["blocked"] == p["blocked"]) {
			continue
		}
		e := where
		e.Block = p["blocked"].(bool)
		if err := s.ListGroupPackage(ctx, a, GroupPackage{GroupEntry: e, Package: p["package"].(string), Type: fieldOf[string](p, "type"),
			BasearchOnly: fieldOf[bool](p, "basearchonly"), Requires: fieldOf[string](p, "requires")}); err != nil {
			return err
		}
	}
	for _, r := range g.Requirements {
		if old.Requirement(r["req_id"].(int64)) != nil {
			continue
		}
		e := where
		e.Block = r["blocked"].(bool)
		if err := s.ListGroupRequirement(ctx, a, GroupRequirement{GroupEntry: e, Need: query.Row{"id": r["req_id"], "name": r["name"]},
			Type: fieldOf[string](r, "type"), IsMetapackage: fieldOf[bool](r, "is_metapkg")}); err != nil {
			return err
		}
	}
	if !remove {
		return nil
	}
	return s.dropEntries(ctx, a, where, g, old)
}

// dropEntries takes out, or blocks where it is inherited, what old has and g does not.
func (s *Service) dropEntries(ctx context.Context, a Actor, where GroupEntry, g, old *tagmodel.Group) error {
	block := where
	block.Block = true
	for _, p := range old.Packages {
		n := p["package"].(string)
		if p["blocked"].(bool) || g.Package(n) != nil {
			continue
		}
		var err error
		if p["tag_id"] == where.Tag["id"] {
			err = s.RemoveGroupPackage(ctx, a, where, n)
		} else {
			err = s.ListGroupPackage(ctx, a, GroupPackage{GroupEntry: block, Package: n})
		}
		if err != nil {
			return err
		}
	}
	for _, r := range old.Requirements {
		if r["blocked"].(bool) || g.Requirement(r["req_id"].(int64)) != nil {
			continue
		}
		need := maps.Clone(r)
		need["id"] = r["req_id"]
		var err error
		if r["tag_id"] == where.Tag["id"] {
			err = s.RemoveGroupRequirement(ctx, a, where, need)
		} else {
			err = s.ListGroupRequirement(ctx, a, GroupRequirement{GroupEntry: block, Need: need})
		}
		if err != nil {
			return err
		}
	}
	return nil
}
