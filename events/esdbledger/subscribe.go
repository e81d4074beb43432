package esdbledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"

	"moromi/events"
)

const (
	// The server drops a subscriber that lets so few as 32 live events wait. So they are taken from it at once, up to this much, and
	// the handler gets what has come together. A drop is met by subscribing again.
	bufferEvents = 4096
	bufferBytes  = 8 << 20
	// Between attempts during an outage.
	firstRetry = 50 * time.Millisecond
	lastRetry  = 5 * time.Second
	// searchWindow is how many events the server's filter looks at between two checkpoints, which are not used here.
	searchWindow = 1000
)

// Subscribe implements events.Store. The client's subscriptions end with their connection and do not resume; this one does, after the last
// event that was handled.
func (l *Ledger) Subscribe(ctx context.Context, after events.Position, h func(context.Context, []events.Recorded) error) error {
	last, retry := max(after, 0), firstRetry
	for {
		before := last
		err := l.follow(ctx, &last, h)
		var own handlerError
		switch {
		case errors.As(err, &own):
			return own.error
		case ctx.Err() != nil:
			return ctx.Err()
		case l.open.Err() != nil:
			return l.failure(ctx, "subscription", nil)
		case definite(err):
			l.log.Error("ledger subscription stops", "after", last, "error", err)
			return fmt.Errorf("subscription: %w", err)
		}
		if last > before {
			retry = firstRetry
		}
		l.log.Warn("ledger subscription waits", "after", last, "again_in", retry, "error", err)
		l.pause(ctx, retry)
		retry = min(2*retry, lastRetry)
	}
}

// handlerError is the handler's, to be told from the server's.
type handlerError struct{ error }

// follow delivers over one subscription of the client until that ends.
func (l *Ledger) follow(ctx context.Context, last *events.Position, h func(context.Context, []events.Recorded) error) error {
	bounded, stop := l.bound(ctx)
	defer stop()
	b := newBuffer()
	start := *last
	if err := l.enter(bounded); err != nil {
		return err
	}
	go func() { // beside, because the client ignores contexts while it has no connection
		defer l.leave()
		b.end(l.receive(bounded, start, b))
	}()
	for {
		rs, err := b.take(bounded)
		if len(rs) > 0 {
			if err := h(ctx, rs); err != nil {
				return handlerError{err}
			}
			*last = rs[len(rs)-1].Position
			l.saw(*last)
		}
		if err != nil {
			return err
		}
	}
}

// receive moves events from the client into the buffer. Only the position of events counts for a resumption: a checkpoint of the server may
// stand before the last event.
func (l *Ledger) receive(ctx context.Context, last events.Position, b *buffer) error {
	sub, err := l.client.SubscribeToAll(ctx, esdb.SubscribeToAllOptions{
		From: from(last), Filter: esdb.ExcludeSystemEventsFilter(), MaxSearchWindow: searchWindow,
	})
	if err != nil {
		return err
	}
	defer sub.Close()
	for {
		m := sub.Recv()
		if m.SubscriptionDropped != nil {
			return m.SubscriptionDropped.Error // a bare gRPC error, never an *esdb.Error
		}
		if m.EventAppeared == nil {
			continue
		}
		r, system, err := recorded(m.EventAppeared)
		if err != nil {
			return err
		}
		if system || r.Position <= last {
			continue
		}
		last = r.Position
		if err := b.put(ctx, r); err != nil {
			return err
		}
	}
}

func (l *Ledger) pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	case <-l.open.Done():
	}
}
