package events

import (
	"context"
	"fmt"
	"time"
)

// Inspection is what Fsck found. Problems names the first ones; there may be more than it lists.
type Inspection struct {
	Events, Streams int64
	Head            Position
	Problems        []string
}

// maxProblems bounds the list: after that many the ledger needs a look anyway.
const maxProblems = 100

// Fsck reads the whole ledger and checks what every reader relies on: positions grow (densely where dense says so), the revisions of each stream
// follow each other from 0, times never go back, every event is known and can be decoded, and every append is there whole. progress, if
// not nil, is called now and then. It keeps one number for each stream in memory.
func Fsck(ctx context.Context, s Store, dense bool, progress func(Position)) (*Inspection, error) {
	c := &Inspection{}
	next := map[string]Revision{}
	var asm Assembler
	var last time.Time
	for r, err := range s.ReadAll(ctx, 0, 0) {
		if err != nil {
			return nil, fmt.Errorf("read ledger after %d: %w", c.Head, err)
		}
		if r.Position <= c.Head || dense && r.Position != c.Head+1 {
			c.problem("position %d comes after %d", r.Position, c.Head)
		}
		if r.Revision != next[r.Stream] {
			c.problem("event %d: stream %s has revision %d where %d is due", r.Position, r.Stream, r.Revision, next[r.Stream])
		}
		if r.At.Before(last) {
			c.problem("event %d: its time %s is before that of the event before it", r.Position, r.At.Format(time.RFC3339Nano))
		}
		if _, err := asm.Add(r); err != nil {
			c.problem("%v", err)
			asm = Assembler{}
		}
		next[r.Stream], last, c.Head = r.Revision+1, r.At, r.Position
		if c.Events++; progress != nil && c.Events%100_000 == 0 {
			progress(c.Head)
		}
	}
	if len(asm.open.Events) > 0 {
		c.problem("the last append, to %s, is not whole", asm.open.Stream)
	}
	c.Streams = int64(len(next))
	return c, nil
}

func (c *Inspection) problem(format string, args ...any) {
	if len(c.Problems) < maxProblems {
		c.Problems = append(c.Problems, fmt.Sprintf(format, args...))
	}
}
