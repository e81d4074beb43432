package commands

import (
	"context"

	"moromi/aggregates/catalog"
	"moromi/aggregates/name"
	"moromi/events"
	"moromi/internal/fault"
	"moromi/internal/koji"
	usermodel "moromi/projections/user"
)

// Bootstrap brings an empty ledger to the state of a fresh Koji: its built-in permissions, channels, volume, build types and archive types,
// under the ids that Koji's schema gives them, and an administrator. It does what is missing, so it may run at every start and after having
// been interrupted. The administrator's id is answered; created tells whether it was made now.
func (s *Service) Bootstrap(ctx context.Context, admin string) (id int64, created bool, err error) {
	for kind, evs := range builtinCatalog() {
		_, err := Decide(ctx, s, Actor{}, "bootstrap", catalog.Stream(kind), func(c *catalog.Catalog) ([]events.Event, error) {
			if !c.Empty() {
				return nil, nil
			}
			return evs, nil
		})
		if err != nil {
			return 0, false, err
		}
	}
	for _, n := range builtinChannels() {
		if err := s.ensureChannel(ctx, n); err != nil {
			return 0, false, err
		}
	}
	return s.ensureAdmin(ctx, admin)
}

// ensureAdmin makes the administrator unless somebody holds the permission admin already.
func (s *Service) ensureAdmin(ctx context.Context, admin string) (int64, bool, error) {
	u, err := usermodel.ByName(ctx, s.DB, admin)
	if err != nil {
		return 0, false, err
	}
	created := false
	if u == nil {
		n, err := usermodel.CountHolders(ctx, s.DB, "admin")
		if err != nil || n > 0 {
			return 0, false, err
		}
		if _, err := s.CreateUser(ctx, Actor{}, CreateUser{Name: admin, Type: koji.UserNormal}); err != nil {
			return 0, false, err
		}
		created = true
		if u, err = usermodel.ByName(ctx, s.DB, admin); err != nil || u == nil {
			return 0, false, orFault(err, fault.New(fault.Generic, "No such user: %s", admin))
		}
	}
	id := u["id"].(int64)
	perms, err := usermodel.Perms(ctx, s.DB, id, false)
	if err != nil {
		return 0, false, err
	}
	for _, p := range perms {
		if p == "admin" {
			return id, created, nil
		}
	}
	return id, created, s.GrantPermission(ctx, Actor{}, id, adminPermission, "admin")
}

// adminPermission is the id of the permission admin in Koji's schema.
const adminPermission = 1

// ensureChannel makes a channel if there is none with this name.
func (s *Service) ensureChannel(ctx context.Context, n string) error {
	id, err := s.claim(ctx, Actor{}, name.Channel, n)
	if err != nil {
		return err
	}
	return s.createChannelOnce(ctx, Actor{}, id, n)
}
