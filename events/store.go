// Package events is the vocabulary of the ledger and the port through which it is written and read.
//
// Every change in Moromi is an event: a past-tense struct with a stable wire name, appended to one stream and never
// changed afterwards. The package has the structs (one file per aggregate), their registry and codec, and the Store port that
// events/pgledger and events/esdbledger implement. It must not import anything but the standard library and uuid.
package events

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

// Position is an event's place in the total order of the ledger. It only grows and is never reused; clients know it as Koji's event id.
// 0 is before the first event. PostgreSQL positions are dense, EventStoreDB's (log offsets) are not: compare, never compute.
type Position int64

// Revision is an event's place in its stream, counted from 0. As an expectation it is the revision of the stream's last event.
type Revision int64

// Expectations besides an exact revision. Any gives up the check; a retried Any may be told apart only while the
// EventStoreDB server remembers its ids, so commands use exact expectations.
const (
	NoStream Revision = -1
	Any      Revision = -2
)

// New is an event about to be appended. ID is the idempotency key: made by the command (UUIDv7), the same in every retry.
// Data and Meta are JSON and come back byte for byte.
type New struct {
	ID         uuid.UUID
	Type       string
	Data, Meta []byte
}

// Recorded is an event as the ledger has it. At is the ledger's time in UTC; it never goes back along positions.
type Recorded struct {
	New
	Stream   string
	Revision Revision
	Position Position
	At       time.Time
}

// Appended tells where the last event of an append went.
type Appended struct {
	Revision Revision
	Position Position
}

// Write is an append that is to be made.
type Write struct {
	Stream   string
	Expected Revision
	Events   []New
}

// Conflict says that a stream was not where the append expected it. Current is the revision it is at, NoStream if it does not exist.
type Conflict struct {
	Stream   string
	Expected Revision
	Current  Revision
}

func (c *Conflict) Error() string {
	return fmt.Sprintf("stream %s: expected revision %d, is at %d", c.Stream, c.Expected, c.Current)
}

var (
	// ErrUnavailable: the ledger cannot be reached, or the outcome is not known. Retry with the same ids and expectation.
	ErrUnavailable = errors.New("ledger unavailable")
	// ErrTooLarge: the append is over MaxAppendBytes or MaxAppendEvents. Nothing was written.
	ErrTooLarge = errors.New("append too large")
	// ErrBefore: an append that this one was to follow was not made, or nobody knows. Nothing was written.
	ErrBefore = errors.New("an append before this one was not made")
	// ErrInvalid: no events, an event without id or type, a name that is not text, or an id twice or used already. Nothing was written.
	ErrInvalid = errors.New("invalid append")
)

const (
	// MaxAppendBytes is EventStoreDB's default limit for one append, held on every ledger so that none is more liberal than another.
	MaxAppendBytes = 1 << 20
	// MaxAppendEvents bounds what one transaction writes.
	MaxAppendEvents = 1000
	// MaxStreamName fits a btree key comfortably; EventStoreDB allows far more.
	MaxStreamName = 512
)

// Check is what every ledger runs before an append.
func Check(stream string, evs []New) error {
	if stream == "" || len(stream) > MaxStreamName || stream[0] == '$' || !text(stream) {
		return fmt.Errorf("%w: stream name %.40q", ErrInvalid, stream)
	}
	if len(evs) == 0 {
		return fmt.Errorf("%w: no events", ErrInvalid)
	}
	if len(evs) > MaxAppendEvents {
		return fmt.Errorf("%w: %d events", ErrTooLarge, len(evs))
	}
	n := 0
	seen := make(map[uuid.UUID]bool, len(evs))
	for _, e := range evs {
		if e.ID == uuid.Nil || e.Type == "" || e.Type[0] == '$' || !text(e.Type) || seen[e.ID] {
			return fmt.Errorf("%w: id %s, type %q", ErrInvalid, e.ID, e.Type)
		}
		seen[e.ID] = true
		n += len(e.Data) + len(e.Meta) + 2*len(e.Type)
	}
	if n > MaxAppendBytes {
		return fmt.Errorf("%w: %d bytes", ErrTooLarge, n)
	}
	return nil
}

// text tells whether both ledgers can keep s as a name: UTF-8 without NUL.
func text(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

// Store is the ledger. All methods are safe for concurrent use.
type Store interface {
	// Append writes the events to one stream, all or none, if the stream is where expected says. When it returns nil the events are
	// durable and readable. The same ids at the same place again give the first answer again. Errors: *Conflict, ErrUnavailable,
	// ErrTooLarge, ErrInvalid, or the context's.
	Append(ctx context.Context, stream string, expected Revision, evs ...New) (Appended, error)
	// AppendChain makes appends one after the other, as Append does each of them, to streams of their own. The first that is refused ends it: those
	// before it stand, those after it are not made. It answers for those that were made. A ledger that can makes all of them in one commit.
	AppendChain(ctx context.Context, writes ...Write) ([]Appended, error)
	// Read yields the events of a stream in order, from revision from on, at most limit (0: all). A stream that does not exist yields nothing.
	Read(ctx context.Context, stream string, from Revision, limit int) iter.Seq2[Recorded, error]
	// ReadAll yields the events after a position in order, at most limit (0: all that there are now).
	ReadAll(ctx context.Context, after Position, limit int) iter.Seq2[Recorded, error]
	// Head is the position of the last event, 0 for an empty ledger.
	Head(ctx context.Context) (Position, error)
	// Subscribe delivers every event after a position, history and then live, in order, each at least once, until ctx ends (it then
	// returns ctx.Err()) or h returns an error (which it returns). It rides out outages by itself. Deliveries come in slices of at
	// least one event; an append may be split over two of them.
	Subscribe(ctx context.Context, after Position, h func(context.Context, []Recorded) error) error
	// Close releases what the ledger holds. Calls under way fail with ErrUnavailable.
	Close() error
}

// Pipeline is what a Store may be besides: one that takes appends in order and tells later what became of them, so that those which build on
// each other can share a commit. Safe for concurrent use.
type Pipeline interface {
	// Start is the first half of AppendChain: when it returns, the chain has its place behind all that were started before it. It is made
	// only if all those in after were; else it ends with ErrBefore. after may only have what Start of the same Store returned.
	Start(ctx context.Context, after []Started, writes ...Write) Started
}

// Started is an append that is under way.
type Started interface {
	// Wait is the second half of AppendChain. When ctx, or the one given to Start, ends before the outcome is known it is ErrUnavailable.
	// It is called once.
	Wait(ctx context.Context) ([]Appended, error)
}
