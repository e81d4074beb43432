package commands

import (
	"context"
	"errors"
	"fmt"

	"moromi/events"
	"moromi/internal/fault"
)

// decideAttempts bounds how often a command decides anew after losing a race for its stream to another process.
const decideAttempts = 20

// Folder is the pointer to an aggregate's state: it takes the events of one stream in order.
type Folder[S any] interface {
	*S
	Apply(events.Event)
}

// Decide loads the state of a stream, lets decide choose events from it, and appends them if nothing came in between; it decides again if
// something did. It returns the position of the append when the read models hold it; 0 when decide chose nothing. decide must not change
// the state, nor anything else: it may run more than once. Decisions on one stream are made one after the other in a process; one may be made
// while the events of those before it are on their way to the ledger, and holds only if they get there.
func Decide[S any, P Folder[S]](ctx context.Context, s *Service, a Actor, command, stream string, decide func(P) ([]events.Event, error)) (events.Position, error) {
	pos, err := DecideOnly[S, P](ctx, s, a, command, stream, decide)
	if err != nil || pos == 0 {
		return 0, err
	}
	return pos, s.Await(ctx, pos)
}

// DecideNew is Decide for a stream that is very likely to be new: it is taken to be empty until the ledger says otherwise. decide must choose
// something for an empty stream.
func DecideNew[S any, P Folder[S]](ctx context.Context, s *Service, a Actor, command, stream string, decide func(P) ([]events.Event, error)) (events.Position, error) {
	h := lockStream[S, P](s, command, stream)
	h.e.loaded = h.e.loaded || h.e.revision == events.NoStream
	s.release(h.hold)
	return Decide[S, P](ctx, s, a, command, stream, decide)
}

// DecideOnly is Decide without the wait for the read models: for the first steps of a command that waits for its last.
func DecideOnly[S any, P Folder[S]](ctx context.Context, s *Service, a Actor, command, stream string, decide func(P) ([]events.Event, error)) (events.Position, error) {
	for n := range decideAttempts {
		pos, again, err := decideOnce[S, P](ctx, s, a, n == 0, command, stream, decide)
		if !again {
			return pos, err
		}
	}
	return 0, fault.New(fault.Lock, "%s: %s is being changed by too many at once; try again", command, stream)
}

// decideOnce is one attempt of DecideOnly.
func decideOnce[S any, P Folder[S]](ctx context.Context, s *Service, a Actor, first bool, command, stream string, decide func(P) ([]events.Event, error)) (pos events.Position, again bool, err error) {
	h := lockStream[S, P](s, command, stream)
	defer s.release(h.hold)
	if err := s.load(ctx, h.hold); err != nil {
		return 0, false, fmt.Errorf("%s: load %s: %w", command, stream, err)
	}
	chosen, err := decide(h.state)
	if err != nil || len(chosen) == 0 {
		again, confirmErr := s.confirm(ctx, first, h.hold)
		if confirmErr != nil {
			err = confirmErr
		}
		return 0, again, err
	}
	h.chosen = chosen
	done, again, err := s.commit(ctx, a, command, h.hold)
	if err != nil || again {
		return 0, again, err
	}
	return done[0].Position, false, nil
}

// positioned is a state that wants to know where its events are.
type positioned interface{ At(events.Position) }

// hold is a stream that a command has to itself, and what it chose to append there.
type hold struct {
	e       *streamEntry
	command string
	apply   func(events.Event, events.Position)
	// exact: the state must know where its events are, which shows when they are written.
	exact    bool
	released bool
	chosen   []events.Event
}

// held is a hold with its state.
type held[P any] struct {
	*hold
	state P
}

// lockStream gives a stream to the caller alone. Of two, that of the names is locked first: nobody waits in a circle.
func lockStream[S any, P Folder[S]](s *Service, command, stream string) held[P] {
	e := s.streams.lock(stream, func() any { return P(new(S)) })
	e.renew()
	state := e.state.(P) // a stream is folded as one type in the whole package
	at, exact := any(state).(positioned)
	return held[P]{&hold{e: e, command: command, exact: exact, apply: func(ev events.Event, pos events.Position) {
		if exact {
			at.At(pos)
		}
		state.Apply(ev)
	}}, state}
}

// release lets the next one have the stream.
func (s *Service) release(h *hold) {
	if !h.released {
		h.released = true
		s.streams.unlock(h.e)
	}
}

// load reads what the cached state does not know yet.
func (s *Service) load(ctx context.Context, h *hold) error {
	if h.e.loaded {
		return nil
	}
	for r, err := range s.Ledger.Read(ctx, h.e.key, h.e.revision+1, 0) {
		if err != nil {
			return err
		}
		ev, _, err := events.Decode(r)
		if err != nil {
			return err
		}
		h.apply(ev, r.Position)
		h.e.revision = r.Revision
	}
	h.e.loaded = true
	return nil
}

func ledgerFault(command string, err error) error {
	switch {
	case errors.Is(err, events.ErrTooLarge):
		return fault.Wrap(err, fault.Generic, "the change is too large for one event; split it")
	case errors.Is(err, events.ErrUnavailable):
		return fault.Wrap(err, fault.ServerOffline, "the ledger cannot be reached; nothing is lost, try again")
	}
	return fmt.Errorf("%s: append: %w", command, err)
}
