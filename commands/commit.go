package commands

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"moromi/events"
)

const (
	// appendRetryFirst and appendRetryMost bound the retries of an append whose outcome is not known: about ten seconds in all, the time a
	// PostgreSQL server takes to come back after a crash.
	appendRetryFirst = 20 * time.Millisecond
	appendRetryMost  = 6 * time.Second
	// exactAfterConflict is how many commits on a stream wait for the one before after another hub wrote there: each of its writes costs a stream
	// that is ahead of the ledger a whole reading.
	exactAfterConflict = 1000
)

// flight is a commit that the states of its streams have taken for granted before its outcome is known.
type flight struct {
	ticket events.Started
	done   chan struct{} // closed when it is known what became of it
	err    error         // then
}

// settled tells whether it is known what became of a flight, and that. Of none all is known.
func (f *flight) settled() (known bool, err error) {
	if f == nil {
		return true, nil
	}
	select {
	case <-f.done:
		return true, f.err
	default:
		return false, nil
	}
}

// wait returns what became of a flight when it is known.
func (f *flight) wait(ctx context.Context) error {
	if f == nil {
		return nil
	}
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return fmt.Errorf("wait for what the decision rests on: %w", ctx.Err())
	}
}

// lost tells whether a commit was not made because something else came in between: the command decides again.
func lost(err error) bool {
	var conflict *events.Conflict
	return errors.As(err, &conflict) || errors.Is(err, events.ErrBefore)
}

// commit appends what was chosen for the streams that are held, in their order and in one commit where the ledger can. again: something came in
// between, and nothing is as it was when they chose.
//
// Where the ledger takes appends in order, the streams are released as soon as these have their place, so that the next command can decide on top
// of them and share their commit; should they fail, so does all that was decided on top.
func (s *Service) commit(ctx context.Context, a Actor, command string, hs ...*hold) (done []events.Appended, again bool, err error) {
	writes := make([]events.Write, len(hs))
	for i, h := range hs {
		if writes[i], err = prepare(a, h.command, h.e.key, h.e.revision, h.chosen); err != nil {
			return nil, false, err
		}
	}
	line, ahead := s.Ledger.(events.Pipeline)
	for _, h := range hs {
		ahead = ahead && !h.exact && h.e.exact.Load() == 0
	}
	if ahead {
		done, err = s.commitAhead(ctx, line, command, writes, hs)
	} else {
		done, err = s.commitExact(ctx, command, writes, hs)
	}
	var conflict *events.Conflict
	if errors.As(err, &conflict) {
		for _, h := range hs {
			if h.e.key == conflict.Stream {
				h.e.exact.Store(exactAfterConflict)
			}
		}
	}
	switch {
	case lost(err):
		return nil, true, nil
	case err != nil:
		return nil, false, ledgerFault(command, err)
	}
	return done, false, nil
}

// commitExact holds the streams until the outcome is known.
func (s *Service) commitExact(ctx context.Context, command string, writes []events.Write, hs []*hold) ([]events.Appended, error) {
	for _, h := range hs {
		if err := h.e.last.wait(ctx); ctx.Err() != nil {
			return nil, err
		} else if err != nil {
			return nil, events.ErrBefore
		}
	}
	done, err := s.appendChain(ctx, command, writes...)
	for i, h := range hs {
		h.e.loaded = err == nil // else what others wrote is read on behind what the state has
		if err != nil {
			continue
		}
		if n := h.e.exact.Load(); n > 0 {
			h.e.exact.Store(n - 1)
		}
		h.e.revision = done[i].Revision
		for _, ev := range h.chosen {
			h.apply(ev, done[i].Position)
		}
	}
	return done, err
}

// commitAhead releases the streams before the outcome is known.
func (s *Service) commitAhead(ctx context.Context, line events.Pipeline, command string, writes []events.Write, hs []*hold) ([]events.Appended, error) {
	var before []*flight
	var after []events.Started
	for _, h := range hs {
		known, err := h.e.last.settled()
		switch {
		case !known:
			before, after = append(before, h.e.last), append(after, h.e.last.ticket)
		case err != nil:
			return nil, events.ErrBefore
		}
	}
	made := context.WithoutCancel(ctx) // others build on it: it is not taken back when the caller goes
	f := &flight{done: make(chan struct{}), ticket: line.Start(made, after, writes...)}
	broken := make([]*atomic.Bool, len(hs))
	for i, h := range hs {
		h.e.last, h.e.loaded, broken[i] = f, true, h.e.broken
		h.e.revision += events.Revision(len(h.chosen))
		for _, ev := range h.chosen {
			h.apply(ev, 0)
		}
		s.release(h)
	}
	done, err := f.ticket.Wait(made)
	if errors.Is(err, events.ErrUnavailable) && ctx.Err() == nil {
		done, err = s.again(ctx, command, before, writes)
	}
	for _, b := range broken {
		if err != nil {
			b.Store(true)
		}
	}
	f.err = err
	close(f.done)
	return done, err
}

// again makes an append of which nobody knows whether it was made, once what it builds on is known to be there.
func (s *Service) again(ctx context.Context, command string, before []*flight, writes []events.Write) ([]events.Appended, error) {
	for _, b := range before {
		switch err := b.wait(ctx); {
		case lost(err):
			return nil, events.ErrBefore
		case err != nil:
			return nil, fmt.Errorf("%w: nor is known what it builds on", events.ErrUnavailable)
		}
	}
	return s.appendChain(ctx, command, writes...)
}

// confirm releases the streams and returns when what a refusal, or a decision to do nothing, rests on is in the ledger. again: it did not get there, or, in a
// command's first attempt, there is more: another hub's, perhaps. Later attempts have read what was there after the command began.
func (s *Service) confirm(ctx context.Context, first bool, hs ...*hold) (again bool, err error) {
	flights, ends := make([]*flight, len(hs)), make([]events.Revision, len(hs))
	for i, h := range hs {
		flights[i], ends[i] = h.e.last, h.e.revision
		s.release(h)
	}
	for i, h := range hs {
		if err := flights[i].wait(ctx); ctx.Err() != nil {
			return false, err
		} else if err != nil {
			return true, nil
		}
		if !first {
			continue
		}
		for _, err := range s.Ledger.Read(ctx, h.e.key, ends[i]+1, 1) {
			if err != nil {
				return false, ledgerFault(h.command, err)
			}
			s.streams.outdate(h.e)
			return true, nil
		}
	}
	return false, nil
}

// prepare makes the append of events that were decided on, with ids made once, so that a retry after an unknown outcome cannot write twice.
func prepare(a Actor, command, stream string, at events.Revision, evs []events.Event) (events.Write, error) {
	ids := make([]uuid.UUID, len(evs))
	for i := range ids {
		id, err := uuid.NewV7()
		if err != nil {
			return events.Write{}, fmt.Errorf("make event id: %w", err)
		}
		ids[i] = id
	}
	recs, err := events.Encode(events.Meta{Actor: a.UserID, Command: command}, ids, evs...)
	return events.Write{Stream: stream, Expected: at, Events: recs}, err
}

// appendChain writes, and tries again while the ledger is not to be reached.
func (s *Service) appendChain(ctx context.Context, command string, writes ...events.Write) ([]events.Appended, error) {
	wait := appendRetryFirst
	for {
		made, err := s.Ledger.AppendChain(ctx, writes...)
		if !errors.Is(err, events.ErrUnavailable) || ctx.Err() != nil || wait > appendRetryMost {
			return made, err
		}
		s.Log.Warn("ledger unavailable, trying again", "command", command, "error", err, "in", wait)
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(wait):
		}
		wait *= 2
	}
}
