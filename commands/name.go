package commands

import (
	"context"
	"errors"
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
	for range decideAttempts {
		id, at, err := claimAndMake(ctx, s, a, command, kind, n, stream, decide)
		var conflict *events.Conflict
		switch {
		case errors.As(err, &conflict):
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

// claimAndMake is one attempt of makeNamed: a conflict is to be tried again. at is 0 if the name has its id already.
func claimAndMake[S any, P Folder[S]](ctx context.Context, s *Service, a Actor, command, kind, n string, stream func(id int64) string,
	decide func(id int64, thing P) ([]events.Event, error)) (id int64, at events.Position, err error) {
	names := s.streams.lock(name.Stream(kind), func() any { return new(name.Book) })
	defer s.streams.unlock(names)
	book := names.state.(*name.Book)
	if !names.loaded {
		if err := s.load(ctx, names.key, names, applyAt(book, book.Apply)); err != nil {
			return 0, 0, fmt.Errorf("%s: load %s: %w", command, names.key, err)
		}
	}
	id, claimed := book.Claim(kind, n)
	if len(claimed) == 0 {
		return id, 0, nil
	}
	thing := s.streams.lock(stream(id), func() any { return P(new(S)) }) // always after the names: nobody waits in a circle
	defer s.streams.unlock(thing)
	state := thing.state.(P)
	made, err := decide(id, state) // of an id that is new nothing has been heard
	if err != nil {
		return 0, 0, err
	}
	claim, err := prepare(a, "claim "+kind+" name", names.key, names.revision, claimed)
	if err != nil {
		return 0, 0, err
	}
	making, err := prepare(a, command, thing.key, thing.revision, made)
	if err != nil {
		return 0, 0, err
	}
	done, err := s.appendChain(ctx, command, claim, making)
	if err != nil {
		names.loaded, thing.loaded = false, false
		var conflict *events.Conflict
		if errors.As(err, &conflict) {
			return 0, 0, err
		}
		return 0, 0, ledgerFault(command, err)
	}
	names.follow(applyAt(book, book.Apply), claimed, done[0])
	thing.follow(applyAt(state, state.Apply), made, done[1])
	thing.loaded = true
	return id, done[1].Position, nil
}

// rename gives a named thing another name, if it is free.
func (s *Service) rename(ctx context.Context, a Actor, kind string, id int64, n string) error {
	_, err := DecideOnly(ctx, s, a, "rename "+kind, name.Stream(kind), func(b *name.Book) ([]events.Event, error) {
		return b.Rename(kind, id, n)
	})
	return err
}
