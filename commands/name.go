package commands

import (
	"context"

	"moromi/aggregates/name"
	"moromi/events"
)

// claim gives a name of a kind its id: the next one, or the one that the name has already. What the id stands for may not exist yet, or no
// more: the caller decides that on the thing's own stream.
func (s *Service) claim(ctx context.Context, a Actor, kind, n string) (id int64, err error) {
	_, err = DecideOnly(ctx, s, a, "claim "+kind+" name", name.Stream(kind), func(b *name.Book) ([]events.Event, error) {
		var evs []events.Event
		id, evs = b.Claim(kind, n)
		return evs, nil
	})
	return id, err
}

// rename gives a named thing another name, if it is free.
func (s *Service) rename(ctx context.Context, a Actor, kind string, id int64, n string) error {
	_, err := DecideOnly(ctx, s, a, "rename "+kind, name.Stream(kind), func(b *name.Book) ([]events.Event, error) {
		return b.Rename(kind, id, n)
	})
	return err
}
