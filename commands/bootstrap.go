package commands

import (
	"context"

	"moromi/aggregates/catalog"
	"moromi/aggregates/name"
	"moromi/events"
	"moromi/internal/koji"
	usermodel "moromi/projections/user"
)

// BootstrapCatalog brings an empty ledger to the state of a fresh Koji: its built-in permissions, channels, volume, build types and archive
// types, under the ids that Koji's schema gives them. It does what is missing, so it may run at every start and after an interruption.
func (s *Service) BootstrapCatalog(ctx context.Context) error {
	for kind, evs := range builtinCatalog() {
		_, err := Decide(ctx, s, Actor{}, "bootstrap", catalog.Stream(kind), func(c *catalog.Catalog) ([]events.Event, error) {
			if !c.Empty() {
				return nil, nil
			}
			return evs, nil
		})
		if err != nil {
			return err
		}
	}
	for _, n := range builtinChannels() {
		if err := s.ensureChannel(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

// BootstrapAdmin makes an administrator unless somebody holds the permission admin already. The permission is granted last, after equip (which
// may be nil, and gives the user what is not an event, such as a password): what was interrupted is done again at the next start.
func (s *Service) BootstrapAdmin(ctx context.Context, admin string, equip func(id int64) error) error {
	n, err := usermodel.CountHolders(ctx, s.DB, "admin")
	if err != nil || n > 0 {
		return err
	}
	u, err := usermodel.ByName(ctx, s.DB, admin)
	if err != nil {
		return err
	}
	var id int64
	if u != nil {
		id = u["id"].(int64)
	} else if id, err = s.CreateUser(ctx, Actor{}, CreateUser{Name: admin, Type: koji.UserNormal}); err != nil {
		return err
	}
	if equip != nil {
		if err := equip(id); err != nil {
			return err
		}
	}
	return s.GrantPermission(ctx, Actor{UserID: id}, id, adminPermission, "admin") // by itself, as Koji's installation has it
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
