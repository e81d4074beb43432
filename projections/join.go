package projections

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"moromi/events"
)

// joinEvents bounds what is written with a commit of the ledger, which everybody waits for. More is written beside the next ones.
const joinEvents = 32

// joinCheckpoint is moveCheckpoint that fails if the checkpoint, of which there always is one, was elsewhere.
const joinCheckpoint = `update checkpoint set position = $1 + case position when $2 then 0 else 1 / (position - position) end`

// Join implements pgledger.Follower: the rows of a few events are written in the transaction that appends them, if this engine writes the rows and has them up to
// there. What cannot be applied is left to Run, which says so.
func (e *Engine) Join(before events.Position, recs []events.Recorded, queue func(sql string, args ...any)) (done func(committed bool)) {
	if len(recs) == 0 || len(recs) > joinEvents || !e.writing.TryLock() {
		return nil
	}
	b, commits := e.joined(before, recs)
	if commits == nil {
		e.writing.Unlock()
		return nil
	}
	to := commits[len(commits)-1].Position
	for _, q := range b.pgx.QueuedQueries {
		queue(q.SQL, q.Arguments...)
	}
	queue(joinCheckpoint, int64(to), int64(before))
	e.count(commits) // before the rows are visible, as in page
	return func(committed bool) {
		if committed {
			e.advance(to, commits)
		}
		e.unsure = e.unsure || !committed
		e.writing.Unlock()
	}
}

// joined gives the commits that recs are, and their statements; none if they cannot be written now.
func (e *Engine) joined(before events.Position, recs []events.Recorded) (*Batch, []*events.Commit) {
	e.mu.Lock()
	ready := e.leads && e.stopped == nil && e.position == before
	e.mu.Unlock()
	if !ready {
		return nil, nil
	}
	var asm events.Assembler
	b, commits, whole := &Batch{}, []*events.Commit(nil), false
	for _, r := range recs {
		c, err := asm.Add(r)
		if err != nil {
			return nil, nil
		}
		if whole = c != nil; !whole {
			continue
		}
		if e.apply(b, c) != nil {
			return nil, nil
		}
		commits = append(commits, c)
	}
	if !whole {
		return nil, nil
	}
	return b, commits
}

// after gives those of recs that are behind a position.
func after(recs []events.Recorded, at events.Position) []events.Recorded {
	n, _ := slices.BinarySearchFunc(recs, at+1, func(r events.Recorded, p events.Position) int { return cmp.Compare(r.Position, p) })
	return recs[n:]
}

// settle gives the position up to which there are rows, which is behind the engine's own if a commit was made that it took for failed. writing is held.
func (e *Engine) settle(ctx context.Context, conn *pgx.Conn) (at events.Position, err error) {
	if !e.unsure {
		return 0, nil
	}
	if err := conn.QueryRow(ctx, `select position from checkpoint`).Scan(&at); err != nil {
		return 0, fmt.Errorf("read checkpoint: %w", err)
	}
	e.unsure = false
	return at, nil
}
