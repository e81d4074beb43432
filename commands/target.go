package commands

import (
	"context"

	"moromi/aggregates/name"
	"moromi/aggregates/target"
	"moromi/events"
	"moromi/internal/fault"
	"moromi/internal/koji"
	tagmodel "moromi/projections/tag"
)

// Target is a build target as it is to be: built in the build tag, tagged with the destination tag.
type Target struct {
	Name     string
	BuildTag int64
	DestTag  int64
}

// CreateTarget makes a build target and answers its id. One that was deleted has the id that it had.
func (s *Service) CreateTarget(ctx context.Context, a Actor, in Target) (int64, error) {
	if err := koji.VerifyName(in.Name); err != nil {
		return 0, err
	}
	if there, err := tagmodel.Target(ctx, s.DB, tagmodel.Spec{Name: in.Name}, nil); err != nil || there != nil {
		return 0, orFault(err, fault.New(fault.Generic, "A build target with the name '%s' already exists", in.Name))
	}
	return makeNamed(ctx, s, a, "create target", name.Target, in.Name, target.Stream, func(id int64, t *target.Target) ([]events.Event, error) {
		return t.Create(id, in.Name, in.BuildTag, in.DestTag)
	})
}

// EditTarget changes a build target's name and tags.
func (s *Service) EditTarget(ctx context.Context, a Actor, id int64, in Target) error {
	if err := koji.VerifyName(in.Name); err != nil {
		return err
	}
	there, err := tagmodel.Target(ctx, s.DB, tagmodel.Spec{ID: id}, nil)
	if err != nil || there == nil {
		return orFault(err, fault.New(fault.Generic, "No such build target: %d", id))
	}
	if err := s.rename(ctx, a, name.Target, id, in.Name); err != nil {
		return err
	}
	_, err = Decide(ctx, s, a, "edit target", target.Stream(id), func(t *target.Target) ([]events.Event, error) { return t.Edit(in.BuildTag, in.DestTag) })
	return err
}

// DeleteTarget ends a build target. As in Koji, one that is gone already is fine.
func (s *Service) DeleteTarget(ctx context.Context, a Actor, id int64) error {
	_, err := Decide(ctx, s, a, "delete target", target.Stream(id), func(t *target.Target) ([]events.Event, error) {
		if !t.Exists() {
			return nil, nil
		}
		return t.Delete()
	})
	return err
}
