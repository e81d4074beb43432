package pgledger

import (
	"context"
	"fmt"
	"runtime"
	"sync"
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
	ledger *Ledger
	ctx    context.Context
	writes []events.Write
	after  []*request
	rider  *events.Rider // nil: none
	answer chan answer   // buffered: the writer never waits for a caller
	failed bool          // not made, or nobody knows; the writer's, and seen by those that come after it
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
	return l.Start(ctx, nil, writes...).Wait(ctx)
}

// Start implements events.Pipeline.
func (l *Ledger) Start(ctx context.Context, after []events.Started, writes ...events.Write) events.Started {
	r := &request{ledger: l, ctx: ctx, writes: writes, answer: make(chan answer, 1)}
	if err := l.enqueue(r, after); err != nil {
		r.end(answer{err: err})
	}
	return r
}

// enqueue gives a request its place in the queue.
func (l *Ledger) enqueue(r *request, after []events.Started) error {
	for _, w := range r.writes {
		if err := events.Check(w.Stream, w.Events); err != nil {
			return err
		}
	}
	for _, a := range after {
		before, ok := a.(*request)
		if !ok || before.ledger != l {
			return fmt.Errorf("%w: it is to follow one of another ledger", events.ErrInvalid)
		}
		r.after = append(r.after, before)
	}
	if err := r.ctx.Err(); err != nil {
		return l.failure(r.ctx, "append", err)
	}
	if l.open.Err() != nil {
		return l.failure(r.ctx, "append", nil)
	}
	r.board()
	select {
	case l.queue <- r:
		return nil
	case <-r.ctx.Done():
	case <-l.open.Done():
	}
	return l.failure(r.ctx, "append", nil)
}

// Wait implements events.Started.
func (r *request) Wait(ctx context.Context) ([]events.Appended, error) {
	l := r.ledger
	select {
	case a := <-r.answer:
		return a.at, a.err
	case <-ctx.Done():
		return nil, l.failure(ctx, "append", nil)
	case <-r.ctx.Done():
		return nil, l.failure(r.ctx, "append", nil)
	case <-l.written: // came after the writer's last look at the queue, or was answered just before
		select {
		case a := <-r.answer:
			return a.at, a.err
		default:
			return nil, l.failure(ctx, "append", nil)
		}
	}
}

// end gives a request its answer.
func (r *request) end(a answer) {
	r.failed = a.err != nil
	r.after = nil // a long row of requests is not kept by its last
	r.alight(a)
	r.answer <- a
}

// ready tells whether all that a request is to follow were made.
func (r *request) ready() bool {
	for _, before := range r.after {
		if before.failed {
			return false
		}
	}
	return true
}

// write is the one writer of this process. While a commit is on its way to the database it tells of the one before: those who asked for that have
// work to do then, and the database has, too.
func (l *Ledger) write() {
	defer close(l.written)
	w := &writer{connect: l.connect, clock: l.clock, follower: l.follower}
	defer w.drop()
	var untold *outcome
	for {
		first := l.await(untold)
		if first == nil {
			l.refuseQueued()
			return
		}
		batch := l.collect(first)
		if len(batch) == 0 {
			l.tell(untold)
			untold = nil
			continue
		}
		ctx, cancel := context.WithTimeout(l.commits, commitTimeout)
		began, before := time.Now(), untold
		o, err := w.commit(ctx, batch, sync.OnceFunc(func() { l.tell(before) }))
		cancel()
		if untold = o; err == nil {
			continue
		}
		err = fmt.Errorf("append: %w", unavailable(err))
		l.log.Warn("ledger commit", "appends", len(batch), "took", time.Since(began), "error", err)
		for _, r := range batch {
			r.end(answer{err: err})
		}
	}
}

// await waits for a request, and tells of the last commit if none is there. It gives nil when the ledger is closed.
func (l *Ledger) await(untold *outcome) *request {
	select {
	case r := <-l.queue:
		return r
	default:
		l.tell(untold)
	}
	select {
	case r := <-l.queue:
		return r
	case <-l.open.Done():
		return nil
	}
}

// outcome is what became of a batch that was committed, as far as it could be.
type outcome struct {
	batch   []*request
	answers []answer
	head    events.Position   // the last position after it
	added   []events.Recorded // what is new
	told    bool
}

// tell gives the requests of a commit their answers, once.
func (l *Ledger) tell(o *outcome) {
	if o == nil || o.told {
		return
	}
	o.told = true
	for i, r := range o.batch {
		r.end(o.answers[i])
	}
	l.tail.add(o.added)
	l.known.advance(o.head)
	if len(o.added) > 0 {
		select {
		case l.wrote <- struct{}{}:
		default:
		}
	}
}

// collect adds to the first request what else waits already. It leaves out callers that have gone: nothing of theirs is written.
func (l *Ledger) collect(first *request) []*request {
	runtime.Gosched() // those who are about to ask come first: what they ask for costs little more in the same commit
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
			r.end(answer{err: l.failure(r.ctx, "append", nil)})
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
			r.end(answer{err: l.failure(r.ctx, "append", nil)})
		default:
			return
		}
	}
}
