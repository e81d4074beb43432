package commands

import (
	"context"
	"fmt"

	"moromi/aggregates/name"
	"moromi/events"
	"moromi/internal/fault"
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

// makeNamed gives a name of a kind its id and makes what bears it, in one commit where the ledger can; it answers when the read models show it. decide
// chooses the events that make the thing with the id.
func makeNamed[S any, P Folder[S]](ctx context.Context, s *Service, a Actor, command, kind, n string, stream func(id int64) string,
	decide func(id int64, thing P) ([]events.Event, error)) (int64, error) {
	for attempt := range decideAttempts {
		id, at, again, err := claimAndMake(ctx, s, a, attempt == 0, command, kind, n, stream, decide)
		switch {
		case again:
		case err != nil:
			return 0, err
		case at != 0:
			return id, s.Await(ctx, at)
		default: // the name has its id already
			_, err := Decide(ctx, s, a, command, stream(id), func(thing P) ([]events.Event, error) { return decide(id, thing) })
			return id, err
		}
	}
	return 0, fault.New(fault.Lock, "%s: the names are being changed by too many at once; try again", command)
}

// claimAndMake is one attempt of makeNamed. at is 0 if the name has its id already.
func claimAndMake[S any, P Folder[S]](ctx context.Context, s *Service, a Actor, first bool, command, kind, n string, stream func(id int64) string,
	decide func(id int64, thing P) ([]events.Event, error)) (id int64, at events.Position, again bool, err error) {
	names := lockStream[name.Book](s, "claim "+kind+" name", name.Stream(kind))
	defer s.release(names.hold)
	if err := s.load(ctx, names.hold); err != nil {
		return 0, 0, false, fmt.Errorf("%s: load %s: %w", command, names.e.key, err)
	}
	if id, names.chosen = names.state.Claim(kind, n); len(names.chosen) == 0 {
		again, err = s.confirm(ctx, first, names.hold)
		return id, 0, again, err
	}
	thing := lockStream[S, P](s, command, stream(id)) // always after the names: nobody waits in a circle
	defer s.release(thing.hold)
	if thing.e.revision != events.NoStream { // the id is taken: another hub gave it away, or a commit that is not known to be lost
		names.e.loaded = false
		_, err := s.confirm(ctx, false, names.hold, thing.hold)
		return 0, 0, err == nil, err
	}
	if thing.chosen, err = decide(id, thing.state); err != nil {
		again, confirmErr := s.confirm(ctx, first, names.hold)
		if confirmErr != nil {
			err = confirmErr
		}
		return 0, 0, again, err
	}
	done, again, err := s.commit(ctx, a, command, names.hold, thing.hold)
	if err != nil || again {
		return 0, 0, again, err
	}
	return id, done[1].Position, false, nil
}

// rename gives a named thing another name, if it is free.
func (s *Service) rename(ctx context.Context, a Actor, kind string, id int64, n string) error {
	_, err := DecideOnly(ctx, s, a, "rename "+kind, name.Stream(kind), func(b *name.Book) ([]events.Event, error) {
		return b.Rename(kind, id, n)
	})
	return err
}
