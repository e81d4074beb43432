package pgledger

import (
	"context"
	"fmt"
	"time"

	"moromi/events"
)

const (
	// queueLength is how many appends may wait before callers wait to be let in: backpressure at a depth that still fills a batch.
	queueLength = 256
	// A group commit takes what waits up to so many events and bytes, so that its memory and its time under the lock are bounded.
	maxBatchEvents = 2000
	maxBatchBytes  = 8 << 20
)

// request is a chain of appends, mostly of one, on its way to the writer. The writer sends exactly one answer.
type request struct {
	ctx    context.Context
	writes []events.Write
	answer chan answer // buffered: the writer never waits for a caller
}

// answer is for the appends of a request that were made, and says what ended them.
type answer struct {
	at  []events.Appended
	err error
}

// Append implements events.Store. When its context ends while the commit is under way the outcome is not known: it returns ErrUnavailable
// together with the context's error, and a retry with the same ids finds out.
func (l *Ledger) Append(ctx context.Context, stream string, expected events.Revision, evs ...events.New) (events.Appended, error) {
	at, err := l.AppendChain(ctx, events.Write{Stream: stream, Expected: expected, Events: evs})
	if err != nil {
		return events.Appended{}, err
	}
	return at[0], nil
}

// AppendChain implements events.Store: one commit.
func (l *Ledger) AppendChain(ctx context.Context, writes ...events.Write) ([]events.Appended, error) {
	for _, w := range writes {
		if err := events.Check(w.Stream, w.Events); err != nil {
			return nil, err
		}
	}
	r := &request{ctx, writes, make(chan answer, 1)}
	if err := ctx.Err(); err != nil {
		return nil, l.failure(ctx, "append", err)
	}
	if l.open.Err() != nil {
		return nil, l.failure(ctx, "append", nil)
	}
	select {
	case l.queue <- r:
	case <-ctx.Done():
		return nil, l.failure(ctx, "append", nil)
	case <-l.open.Done():
		return nil, l.failure(ctx, "append", nil)
	}
	select {
	case a := <-r.answer:
		return a.at, a.err
	case <-ctx.Done():
		return nil, l.failure(ctx, "append", nil)
	case <-l.written: // came after the writer's last look at the queue, or was answered just before
		select {
		case a := <-r.answer:
			return a.at, a.err
		default:
			return nil, l.failure(ctx, "append", nil)
		}
	}
}

// write is the one writer of this process.
func (l *Ledger) write() {
	defer close(l.written)
	w := &writer{connect: l.connect, clock: l.clock}
	defer w.drop()
	for {
		var first *request
		select {
		case first = <-l.queue:
		case <-l.open.Done():
			l.refuseQueued()
			return
		}
		batch := l.collect(first)
		if len(batch) == 0 {
			continue
		}
		ctx, cancel := context.WithTimeout(l.commits, commitTimeout)
		began := time.Now()
		answers, head, added, err := w.commit(ctx, batch)
		cancel()
		if err != nil {
			err = fmt.Errorf("append: %w", unavailable(err))
			l.log.Warn("ledger commit", "appends", len(batch), "took", time.Since(began), "error", err)
		}
		for i, r := range batch {
			if err != nil {
				r.answer <- answer{err: err}
			} else {
				r.answer <- answers[i]
			}
		}
		if err == nil {
			l.tail.add(added)
			l.known.advance(head)
			if len(added) > 0 {
				select {
				case l.wrote <- struct{}{}:
				default:
				}
			}
		}
	}
}

// collect adds to the first request what else waits already. It leaves out callers that have gone: nothing of theirs is written.
func (l *Ledger) collect(first *request) []*request {
	var batch []*request
	n, size := 0, 0
	for r := first; ; {
		if r.ctx.Err() == nil {
			batch = append(batch, r)
			for _, w := range r.writes {
				n += len(w.Events)
				for _, e := range w.Events {
					size += len(e.Data) + len(e.Meta)
				}
			}
		} else {
			r.answer <- answer{err: l.failure(r.ctx, "append", nil)}
		}
		if n >= maxBatchEvents || size >= maxBatchBytes {
			return batch
		}
		select {
		case r = <-l.queue:
		default:
			return batch
		}
	}
}

func (l *Ledger) refuseQueued() {
	for {
		select {
		case r := <-l.queue:
			r.answer <- answer{err: l.failure(r.ctx, "append", nil)}
		default:
			return
		}
	}
}
