package pgledger

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"moromi/events"
)

const (
	// pollEvery is how long a lost notification can delay an event of another process.
	pollEvery = time.Second
	// Between attempts during an outage.
	firstRetry = 50 * time.Millisecond
	lastRetry  = 5 * time.Second
)

// Subscribe implements events.Store. Events of this process wake it at once, those of others through NOTIFY, and it looks each second
// besides. It returns ErrDamaged when a position is missing: to go on would be to lose an event in silence.
func (l *Ledger) Subscribe(ctx context.Context, after events.Position, h func(context.Context, []events.Recorded) error) error {
	last, retry := max(after, 0), firstRetry
	if err := l.checkStart(ctx, last); err != nil {
		return err
	}
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	ask, told := true, uint64(0) // whether others may have written; the hints before the last time that the database was asked
	for {
		wake, hints := l.known.more() // before the look, so that nothing falls between the two
		ask = ask || hints != told
		page, more, asked, err := l.next(ctx, last, ask)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case l.open.Err() != nil:
			return l.failure(ctx, "subscription", nil)
		case errors.Is(err, ErrDamaged) || permanent(err):
			l.log.Error("ledger subscription stops", "after", last, "error", err)
			return fmt.Errorf("subscription: %w", err)
		case err != nil:
			l.log.Warn("ledger subscription waits", "after", last, "again_in", retry, "error", err)
			l.pause(ctx, retry)
			retry = min(2*retry, lastRetry)
			continue
		}
		retry = firstRetry
		if asked {
			ask, told = false, hints
		}
		if len(page) > 0 {
			if err := h(ctx, page); err != nil {
				return err
			}
			last = page[len(page)-1].Position
		}
		if more {
			continue
		}
		select {
		case <-wake:
		case <-poll.C:
			ask = true
		case <-ctx.Done():
		case <-l.open.Done():
		}
	}
}

// checkStart refuses a start behind the end: whoever stands there has seen events that this ledger does not have.
func (l *Ledger) checkStart(ctx context.Context, after events.Position) error {
	if l.known.covers(after) {
		return nil
	}
	head, err := l.Head(ctx)
	if err == nil {
		l.known.advance(head)
	}
	if err == nil && head < after {
		return fmt.Errorf("subscription: %w: it should start after position %d, and the last is %d", ErrDamaged, after, head)
	}
	return nil // an outage is the loop's to ride out
}

// next gives what follows a position, from memory if it is there. ask: what this process did not write counts too. asked: the database was.
func (l *Ledger) next(ctx context.Context, last events.Position, ask bool) (page []events.Recorded, more, asked bool, err error) {
	page, more, end := l.tail.after(last, pageEvents)
	if len(page) > 0 || end && !ask {
		return page, more, false, nil
	}
	bounded, stop := l.bound(ctx)
	defer stop()
	page, more, err = l.pageAfter(bounded, last, math.MaxInt64, pageEvents)
	return page, more, true, err
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

// listen passes on the notifications of other processes. They are a hint: what is lost here, polling finds.
func (l *Ledger) listen() {
	retry := firstRetry
	for l.open.Err() == nil {
		err := l.listenOnce(func() { retry = firstRetry })
		if l.open.Err() != nil {
			return
		}
		l.log.Warn("ledger notifications", "again_in", retry, "error", err)
		l.pause(l.open, retry)
		retry = min(2*retry, lastRetry)
	}
}

func (l *Ledger) listenOnce(connected func()) error {
	conn, err := pgx.ConnectConfig(l.open, l.connect)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = conn.Close(ctx) // of no consequence: the connection is given up either way
	}()
	if _, err := conn.Exec(l.open, "listen "+channel); err != nil {
		return err
	}
	connected()
	for {
		n, err := conn.WaitForNotification(l.open)
		if err != nil {
			return err
		}
		l.hear(n.Payload)
	}
}
