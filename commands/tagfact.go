package commands

import (
	"context"

	"moromi/aggregates/name"
	"moromi/events"
	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/projections/event"
	"moromi/projections/query"
	tagmodel "moromi/projections/tag"
)

// ensurePackage gives a package's id, making it known if it is not.
func (s *Service) ensurePackage(ctx context.Context, a Actor, packageName string) (int64, error) {
	if packageName == "" {
		return 0, fault.New(fault.Generic, "No name or package id provided for build")
	}
	if err := koji.VerifyName(packageName); err != nil {
		return 0, err
	}
	return s.claimPackage(ctx, a, packageName, 0)
}

// claimPackage gives a package's name its id: the one that it has, the drawn one, or (drawn 0) one that is drawn now.
func (s *Service) claimPackage(ctx context.Context, a Actor, packageName string, drawn int64) (int64, error) {
	p, err := tagmodel.PackageByName(ctx, s.DB, packageName)
	if err != nil {
		return 0, err
	}
	if p != nil {
		return p["id"].(int64), nil
	}
	if drawn == 0 {
		if drawn, err = s.nextID(ctx, "package"); err != nil {
			return 0, err
		}
	}
	id := drawn
	_, err = DecideOnly(ctx, s, a, "claim package name", name.Stream(name.Package), func(b *name.Book) ([]events.Event, error) {
		var evs []events.Event
		id, evs = b.ClaimAs(name.Package, packageName, drawn)
		return evs, nil
	})
	return id, err
}

// tagLastChange is the last event before another (nil: of all) that changed a tag or what it inherits, nil if there is none.
func (s *Service) tagLastChange(ctx context.Context, tag int64, before *int64) (*int64, error) {
	return event.TagLastChange(ctx, s.DB, tag, before, true)
}

// tagFirstChange is the first event after another that changed a tag or what it inherits; with nil, the one that made the tag.
func (s *Service) tagFirstChange(ctx context.Context, tag int64, after *int64) (*int64, error) {
	return event.TagFirstChange(ctx, s.DB, tag, after, true)
}

// tagInfo gives a tag in getTag's shape by id, name or a struct of these; a fault if there is none.
func (s *Service) tagInfo(ctx context.Context, key any, event *int64) (query.Row, error) {
	if m, ok := key.(map[string]any); ok {
		if key = m["id"]; key == nil {
			key = m["name"]
		}
	}
	var spec tagmodel.Spec
	switch v := key.(type) {
	case int64:
		spec.ID = v
	case string:
		spec.Name = v
	default:
		return nil, fault.New(fault.Parameter, "Invalid name or id value: a tag is an id or a name")
	}
	row, err := tagmodel.Get(ctx, s.DB, spec, event, false)
	if err == nil && row == nil {
		err = tagmodel.Missing(key)
	}
	return row, err
}
