package commands

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"moromi/events"
)

// Limits of what is kept of decisions.
const (
	// DecisionsKept and DecisionAge bound what is kept: enough to try a changed policy on a month of a large site, and at most about a gigabyte.
	DecisionsKept = 1_000_000
	DecisionAge   = 30 * 24 * time.Hour
	// decisionQueue bounds those that wait to be written. What does not fit is lost and counted: a decision must not wait for its record.
	decisionQueue = 10_000
	// decisionPage and decisionPause gather them for one write.
	decisionPage  = 1000
	decisionPause = 200 * time.Millisecond
	// largestDecision bounds the data and the facts of one, in bytes of JSON. A larger one is kept without them.
	largestDecision = 64 << 10
	// longestBecause bounds the text of the rule.
	longestBecause = 1000
	// decisionSweep is how often old ones are deleted.
	decisionSweep = time.Hour
	// lastWrite bounds the write of what is left at the end.
	lastWrite = 5 * time.Second
)

// Decisions keeps what policies decided, in the table ops.policy_decision, a moment after it happened: a decision does not wait for its record, so
// that what a hub decided in the last moment before it was killed may be missing. It is safe for concurrent use; Run writes.
type Decisions struct {
	db    *pgxpool.Pool
	log   *slog.Logger
	clock func() time.Time
	queue chan any // *decision, or a chan struct{} that is closed when all before it are written
	lost  atomic.Int64
}

// decision is a row.
type decision struct {
	at            time.Time
	event         int64
	user          *int64
	policy        string
	version       int64
	rule, because string
	action        *string
	allowed       *bool
	data, facts   []byte
}

// NewDecisions makes a keeper of decisions.
func NewDecisions(db *pgxpool.Pool, log *slog.Logger, clock func() time.Time) *Decisions {
	return &Decisions{db: db, log: log, clock: clock, queue: make(chan any, decisionQueue)}
}

// keep takes a decision to be written. Position is where the read models were when it was made.
func (d *Decisions) keep(a Actor, r Ruling, data map[string]any, at events.Position) {
	row := &decision{at: d.clock(), event: int64(at), policy: r.Policy, version: r.Version, rule: r.Rule().Number, because: cutText(r.Because(), longestBecause)}
	if a.UserID != 0 {
		row.user = &a.UserID
	}
	if r.Matched {
		row.action = &r.Action
	}
	if r.judged {
		row.allowed = &r.Allowed
	}
	var err error
	if row.data, err = json.Marshal(data); err == nil {
		row.facts, err = json.Marshal(r.Facts)
	}
	if err != nil || len(row.data)+len(row.facts) > largestDecision {
		row.data, row.facts = nil, nil
	}
	select {
	case d.queue <- row:
	default:
		d.lost.Add(1)
	}
}

// cutText keeps a text short.
func cutText(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

// Run writes decisions and deletes old ones until ctx ends; then it writes what is left.
func (d *Decisions) Run(ctx context.Context) error {
	sweep := time.NewTicker(decisionSweep)
	defer sweep.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWrite)
			defer cancel()
			for len(d.queue) > 0 {
				d.write(last, <-d.queue)
			}
			return ctx.Err()
		case first := <-d.queue:
			d.write(ctx, first)
		case <-sweep.C:
			if err := d.sweep(ctx); err != nil && ctx.Err() == nil {
				d.log.WarnContext(ctx, "old decisions of policies not deleted", "error", err)
			}
		}
	}
}

// write gathers what waits, for a moment, and writes it.
func (d *Decisions) write(ctx context.Context, first any) {
	var rows []*decision
	var flushed []chan struct{}
	pause := time.NewTimer(decisionPause)
	defer pause.Stop()
	take := func(v any) (more bool) {
		switch v := v.(type) {
		case *decision:
			rows = append(rows, v)
		case chan struct{}:
			flushed = append(flushed, v)
		}
		return len(rows) < decisionPage && len(flushed) == 0
	}
	for more := take(first); more; {
		select {
		case v := <-d.queue:
			more = take(v)
		case <-pause.C:
			more = false
		case <-ctx.Done():
			more = false
		}
	}
	if err := d.insert(context.WithoutCancel(ctx), rows); err != nil {
		d.lost.Add(int64(len(rows)))
		d.log.ErrorContext(ctx, "decisions of policies not kept", "error", err, "decisions", len(rows))
	}
	for _, c := range flushed {
		close(c)
	}
	if n := d.lost.Swap(0); n > 0 {
		d.log.WarnContext(ctx, "decisions of policies were not kept", "decisions", n)
	}
}

func (d *Decisions) insert(ctx context.Context, rows []*decision) error {
	if len(rows) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, lastWrite)
	defer cancel()
	_, err := d.db.CopyFrom(ctx, pgx.Identifier{"ops", "policy_decision"},
		[]string{"time", "event", "user_id", "policy", "version", "rule", "because", "action", "allowed", "data", "facts"},
		pgx.CopyFromSlice(len(rows), func(i int) ([]any, error) {
			r := rows[i]
			return []any{r.at, r.event, r.user, r.policy, r.version, r.rule, r.because, r.action, r.allowed, r.data, r.facts}, nil
		}))
	if err != nil {
		return fmt.Errorf("keep decisions: %w", err)
	}
	return nil
}

// Flush returns when the decisions that this process has made are written. Run must be running.
func (d *Decisions) Flush(ctx context.Context) error {
	done := make(chan struct{})
	select {
	case d.queue <- done:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// sweep deletes what is too old or too much.
func (d *Decisions) sweep(ctx context.Context) error {
	_, err := d.db.Exec(ctx, `delete from ops.policy_decision where time < $1 or id <= (select max(id) from ops.policy_decision) - $2`, d.clock().Add(-DecisionAge), DecisionsKept)
	if err != nil {
		return fmt.Errorf("delete old decisions: %w", err)
	}
	return nil
}
