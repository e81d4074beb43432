package commands

import (
	"context"

	"moromi/aggregates/catalog"
	"moromi/events"
	"moromi/internal/fault"
	"moromi/internal/koji"
	archivemodel "moromi/projections/archive"
	catalogmodel "moromi/projections/catalog"
	"moromi/projections/query"
)

// GrantGenerator lets a user import as the content generator of an id (int64) or name (string). With create, one of a new name is made.
func (s *Service) GrantGenerator(ctx context.Context, a Actor, user int64, cg any, create bool) error {
	row, err := catalogmodel.Find(ctx, s.DB, "content generator", cg)
	if err != nil {
		return err
	}
	if row == nil {
		name, isName := cg.(string)
		switch {
		case !create:
			return noGenerator(cg)
		case !isName:
			return fault.New(fault.Generic, "Name must be a string")
		}
		if err := koji.VerifyName(name); err != nil {
			return err
		}
		row = query.Row{"name": name}
	}
	name := row["name"].(string)
	_, err = Decide(ctx, s, a, "grant content generator", catalog.Stream(catalog.ContentGenerator), func(c *catalog.Catalog) ([]events.Event, error) {
		id, known := c.ID(name)
		if known {
			return c.Grant(id, user, name)
		}
		id = c.Next()
		granted, err := c.Grant(id, user, name)
		return append([]events.Event{events.ContentGeneratorDefined{ID: id, Name: name}}, granted...), err
	})
	return err
}

// RevokeGenerator takes that away; nothing happens if the user did not have it.
func (s *Service) RevokeGenerator(ctx context.Context, a Actor, user int64, cg any) error {
	row, err := s.generator(ctx, cg)
	if err != nil {
		return err
	}
	_, err = Decide(ctx, s, a, "revoke content generator", catalog.Stream(catalog.ContentGenerator), func(c *catalog.Catalog) ([]events.Event, error) {
		return c.Revoke(row["id"].(int64), user), nil
	})
	return err
}

func noGenerator(cg any) error {
	return fault.New(fault.Generic, "No such entry in table content_generator: %v", cg)
}

// generator gives a content generator as {id, name} by id (int64) or name (string).
func (s *Service) generator(ctx context.Context, cg any) (query.Row, error) {
	switch cg.(type) {
	case int64, string:
	default:
		return nil, fault.New(fault.Generic, "Invalid type for a content generator: a name or an id is needed")
	}
	row, err := catalogmodel.Find(ctx, s.DB, "content generator", cg)
	if err == nil && row == nil {
		err = noGenerator(cg)
	}
	return row, err
}

// AssertGenerator refuses a user who may not import as a content generator, and gives it as {id, name}.
func (s *Service) AssertGenerator(ctx context.Context, a Actor, cg any) (query.Row, error) {
	row, err := s.generator(ctx, cg)
	if err != nil {
		return nil, err
	}
	if a.UserID == 0 {
		return nil, fault.New(fault.Auth, "Not logged-in")
	}
	ok, err := archivemodel.MayImport(ctx, s.DB, row["id"].(int64), a.UserID)
	if err == nil && !ok {
		err = fault.New(fault.Auth, "Content generator access required (%s)", row["name"])
	}
	return row, err
}
