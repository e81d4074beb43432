package commands

import (
	"context"

	"moromi/aggregates/channel"
	"moromi/aggregates/name"
	"moromi/events"
	"moromi/internal/fault"
	"moromi/internal/koji"
	hostmodel "moromi/projections/host"
)

// CreateChannel makes a channel and answers its id.
func (s *Service) CreateChannel(ctx context.Context, a Actor, n string, description *string) (int64, error) {
	if err := koji.VerifyName(n); err != nil {
		return 0, err
	}
	if there, err := hostmodel.Channel(ctx, s.DB, n); err != nil || there != nil {
		return 0, orFault(err, fault.New(fault.Generic, "channel %s already exists", n))
	}
	return makeNamed(ctx, s, a, "create channel", name.Channel, n, channel.Stream, func(id int64, c *channel.Channel) ([]events.Event, error) {
		return c.Create(id, n, description)
	})
}

// createChannelOnce makes the channel unless it is there.
func (s *Service) createChannelOnce(ctx context.Context, a Actor, id int64, n string) error {
	_, err := Decide(ctx, s, a, "create channel", channel.Stream(id), func(c *channel.Channel) ([]events.Event, error) {
		if c.Exists() {
			return nil, nil
		}
		return c.Create(id, n, nil)
	})
	return err
}

// EditChannel changes a channel; nil keeps.
func (s *Service) EditChannel(ctx context.Context, a Actor, id int64, newName, description, comment *string, enabled *bool) error {
	if newName != nil {
		if err := koji.VerifyName(*newName); err != nil {
			return err
		}
		if err := s.rename(ctx, a, name.Channel, id, *newName); err != nil {
			return err
		}
	}
	_, err := Decide(ctx, s, a, "edit channel", channel.Stream(id), func(c *channel.Channel) ([]events.Event, error) {
		return c.Edit(newName, description, comment, enabled)
	})
	return err
}
