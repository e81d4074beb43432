package commands

import (
	"context"
	"encoding/json"

	"moromi/aggregates/name"
	"moromi/aggregates/tag"
	"moromi/aggregates/target"
	"moromi/events"
	"moromi/internal/koji"
	"moromi/projections/query"
	tagmodel "moromi/projections/tag"
)

// CreateTag is a tag to be made.
type CreateTag struct {
	Name     string
	Settings events.TagSettings
	Extra    map[string]json.RawMessage
	Parents  []events.Inheritance
}

// CreateTag makes a tag and answers its id.
func (s *Service) CreateTag(ctx context.Context, a Actor, in CreateTag) (int64, error) {
	if err := koji.VerifyName(in.Name); err != nil {
		return 0, err
	}
	return makeNamed(ctx, s, a, "create tag", name.Tag, in.Name, tag.Stream, func(id int64, t *tag.Tag) ([]events.Event, error) {
		return t.Create(id, in.Name, in.Settings, in.Extra, in.Parents...)
	})
}

func (s *Service) decideTag(ctx context.Context, a Actor, command string, id int64, f func(*tag.Tag) ([]events.Event, error)) (events.Position, error) {
	return Decide(ctx, s, a, command, tag.Stream(id), f)
}

// EditTag is a change of a tag. Settings nil keeps them; Name "" keeps it. Extra values of nil block their keys.
type EditTag struct {
	Name        string
	Settings    *events.TagSettings
	SetExtra    map[string]json.RawMessage
	RemoveExtra []string
}

// EditTag changes a tag's name, settings and extra settings; what is so already is left alone.
func (s *Service) EditTag(ctx context.Context, a Actor, id int64, in EditTag) error {
	if in.Name != "" {
		if err := koji.VerifyName(in.Name); err != nil {
			return err
		}
		if err := s.rename(ctx, a, name.Tag, id, in.Name); err != nil {
			return err
		}
	}
	_, err := s.decideTag(ctx, a, "edit tag", id, func(t *tag.Tag) ([]events.Event, error) {
		var evs []events.Event
		if in.Settings != nil {
			var err error
			if evs, err = t.Configure(*in.Settings); err != nil {
				return nil, err
			}
		}
		more, err := t.SetExtra(in.SetExtra, in.RemoveExtra)
		return append(evs, more...), err
	})
	if err != nil || in.Name == "" {
		return err
	}
	return s.Models.CatchUp(ctx) // a new name alone is no event of the tag
}

// DeleteTag ends a tag, the links of other tags to it, and the targets that it is part of.
func (s *Service) DeleteTag(ctx context.Context, a Actor, id int64) error {
	children, err := tagmodel.FullInheritance(ctx, s.DB, id, nil, tagmodel.InheritanceOptions{Reverse: true})
	if err != nil {
		return err
	}
	for _, l := range children {
		if l.Depth != 1 {
			continue
		}
		_, err := s.decideTag(ctx, a, "delete tag", l.ID, func(t *tag.Tag) ([]events.Event, error) {
			return t.Inherit([]tag.Link{{Inheritance: events.Inheritance{ParentID: id}, Delete: true}}, false)
		})
		if err != nil {
			return err
		}
	}
	targets, err := query.New([]query.Col{{Name: "id", Expr: "build_target_id"}}, "build_target_config").Where("active and (build_tag = ? or dest_tag = ?)", id, id).All(ctx, s.DB)
	if err != nil {
		return err
	}
	for _, t := range targets {
		if _, err := Decide(ctx, s, a, "delete tag", target.Stream(t["id"].(int64)), func(t *target.Target) ([]events.Event, error) {
			if !t.Exists() {
				return nil, nil
			}
			return t.Delete()
		}); err != nil {
			return err
		}
	}
	_, err = s.decideTag(ctx, a, "delete tag", id, func(t *tag.Tag) ([]events.Event, error) { return t.Delete() })
	return err
}

// SetInheritance changes a tag's links to parents; with clear, links that are not named end.
func (s *Service) SetInheritance(ctx context.Context, a Actor, id int64, changes []tag.Link, clear bool) error {
	_, err := s.decideTag(ctx, a, "set inheritance", id, func(t *tag.Tag) ([]events.Event, error) { return t.Inherit(changes, clear) })
	return err
}

// NoteTagUpdate records that a tag's content changed although nothing was tagged (koji.TAG_UPDATE_TYPES).
func (s *Service) NoteTagUpdate(ctx context.Context, a Actor, id int64, kind int) error {
	_, err := s.decideTag(ctx, a, "note tag update", id, func(t *tag.Tag) ([]events.Event, error) { return t.Update(kind) })
	return err
}

// buildArches are the canonical arches that a build tag builds for, its own or inherited ones.
func (s *Service) buildArches(ctx context.Context, ref any) ([]string, error) {
	id, n, err := reference(ref)
	if err != nil {
		return nil, err
	}
	cfg, err := tagmodel.BuildConfig(ctx, s.DB, tagmodel.Spec{ID: id, Name: n}, nil)
	if err != nil || cfg == nil {
		return nil, err
	}
	arches, _ := cfg["arches"].(string)
	return canonArches(arches), nil
}
