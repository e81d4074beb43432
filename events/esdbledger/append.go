package esdbledger

import (
	"context"
	"fmt"
	"strings"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"

	"moromi/events"
)

// Append implements events.Store. The limits are checked before: for an append of many events that is too large the client only says EOF.
// A server configured with a limit below events.MaxAppendBytes makes such appends ErrTooLarge or, when the cause is lost, ErrUnavailable.
func (l *Ledger) Append(ctx context.Context, stream string, expected events.Revision, evs ...events.New) (events.Appended, error) {
	if err := events.Check(stream, evs); err != nil {
		return events.Appended{}, err
	}
	options := esdb.AppendToStreamOptions{ExpectedRevision: expectation(expected)}
	data := make([]esdb.EventData, len(evs))
	for i, e := range evs {
		data[i] = esdb.EventData{EventID: e.ID, EventType: e.Type, ContentType: esdb.ContentTypeJson, Data: e.Data, Metadata: e.Meta}
	}
	w, err := do(ctx, l, "append", func(ctx context.Context) (*esdb.WriteResult, error) {
		return l.client.AppendToStream(ctx, stream, options, data...)
	})
	switch {
	case isCode(err, esdb.ErrorCodeWrongExpectedVersion):
		return events.Appended{}, l.conflict(ctx, stream, expected)
	case err != nil && strings.Contains(err.Error(), "Maximum Append Size"):
		return events.Appended{}, fmt.Errorf("%w: %w", events.ErrTooLarge, err)
	case err != nil:
		return events.Appended{}, err
	}
	p, err := position(w.CommitPosition)
	if err != nil {
		return events.Appended{}, fmt.Errorf("append: %w", err)
	}
	l.saw(p)
	return events.Appended{Revision: events.Revision(w.NextExpectedVersion), Position: p}, nil
}

// AppendChain implements events.Store: the protocol of this client has no commit over several streams.
func (l *Ledger) AppendChain(ctx context.Context, writes ...events.Write) ([]events.Appended, error) {
	for _, w := range writes {
		if err := events.Check(w.Stream, w.Events); err != nil {
			return nil, err
		}
	}
	made := make([]events.Appended, 0, len(writes))
	for _, w := range writes {
		a, err := l.Append(ctx, w.Stream, w.Expected, w.Events...)
		if err != nil {
			return made, err
		}
		made = append(made, a)
	}
	return made, nil
}

// expectation translates a revision. Values, not pointers: the client takes a pointer for no expectation at all.
func expectation(r events.Revision) esdb.ExpectedRevision {
	switch r {
	case events.Any:
		return esdb.Any{}
	case events.NoStream:
		return esdb.NoStream{}
	}
	return esdb.Revision(uint64(r))
}

// conflict says where the stream is: the client tells it only in prose. Without an expectation it is not the revision that is wrong, but
// that some of the ids are known and some are not.
func (l *Ledger) conflict(ctx context.Context, stream string, expected events.Revision) error {
	if expected == events.Any {
		return fmt.Errorf("%w: some of the ids are used already", events.ErrInvalid)
	}
	tail, err := do(ctx, l, "append: read the tail", func(ctx context.Context) (events.Revision, error) {
		page, err := l.page(ctx, 1, func(ctx context.Context) (*esdb.ReadStream, error) {
			return l.client.ReadStream(ctx, stream, esdb.ReadStreamOptions{Direction: esdb.Backwards, From: esdb.End{}}, 1)
		})
		if err != nil || len(page.events) == 0 {
			return events.NoStream, err
		}
		return page.events[0].Revision, nil
	})
	if err != nil {
		return err // nothing was written; a retry meets the conflict again
	}
	return &events.Conflict{Stream: stream, Expected: expected, Current: tail}
}

// saw notes a position that exists.
func (l *Ledger) saw(p events.Position) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.known = max(l.known, p)
}
