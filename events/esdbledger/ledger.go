// Package esdbledger is the ledger in EventStoreDB (KurrentDB), over the client github.com/EventStore/EventStore-Client-Go/v4 v4.2.0.
//
// A position is the event's commit position in the server's transaction file: it grows and has gaps. Times are the server's; that they do
// not go back along positions is as true as its clock. The server checks ids only where an append expects them, so an id of another
// stream is accepted here where events/pgledger refuses it; commands never use an id twice.
//
// The client has defects that this package absorbs; each guard says which. The test double testnode speaks the same protocol in-process
// and is for tests only: no configuration leads to it.
package esdbledger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"moromi/events"
)

const (
	// callTimeout bounds one append, page or head. The client's own deadline (10 s) counts only from when it has a connection.
	callTimeout = 15 * time.Second
	// maxInside bounds the calls inside the client. In an outage they stay there past their contexts (see do), so they must not pile up.
	maxInside = 1024
	// closeGrace is how long Close waits for calls to leave the client.
	closeGrace = time.Second
)

// Config has what the connection string does not.
type Config struct {
	// Log takes outages, and at level debug what the client says; nil means none.
	Log *slog.Logger
}

// Ledger is an events.Store.
type Ledger struct {
	client *esdb.Client
	log    *slog.Logger
	open   context.Context // ends when Close begins
	shut   context.CancelFunc
	slots  chan struct{}

	mu     sync.Mutex
	closed bool
	inside sync.WaitGroup  // calls inside the client; under mu where it may be 0
	known  events.Position // the highest position seen, under mu: where a search for the head may stop
	once   sync.Once
}

var _ events.Store = (*Ledger)(nil)

// Open connects to the server that a string such as esdb://user:password@host:2113?tls=true names, and checks that it answers. ctx bounds
// the opening only.
func Open(ctx context.Context, connection string, c Config) (*Ledger, error) {
	cfg, err := configure(connection)
	if err != nil {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	l := &Ledger{log: c.Log, slots: make(chan struct{}, maxInside)}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	// The client's default prints each error, expected ones included, to the standard log.
	cfg.Logger = func(level esdb.LogLevel, format string, args ...any) {
		l.log.Debug("ledger client", "level", level, "message", fmt.Sprintf(format, args...))
	}
	if l.client, err = esdb.NewClient(cfg); err != nil {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	l.open, l.shut = context.WithCancel(context.WithoutCancel(ctx))
	if _, err := l.Head(ctx); err != nil {
		_ = l.Close() // cannot fail, and err says more
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	return l, nil
}

func configure(connection string) (*esdb.Configuration, error) {
	cfg, err := esdb.ParseConnectionString(connection)
	var u *url.Error
	if errors.As(err, &u) {
		return nil, u.Err // without the string, which may have a password in it
	}
	if err != nil {
		return nil, err
	}
	if cfg.DisableTLS && cfg.Username != "" {
		return nil, errors.New("credentials need TLS: without it the client drops them in silence")
	}
	// When discovery gives up the client is dead for good and those who wait in it hang: so it never gives up.
	cfg.MaxDiscoverAttempts = math.MaxInt32
	return cfg, nil
}

// Close ends the ledger's use. Calls under way fail with ErrUnavailable. To close the client while a call is inside it panics the
// process; where one is stuck there, waiting for a server, the client is closed when it comes out.
func (l *Ledger) Close() error {
	l.once.Do(func() {
		l.mu.Lock()
		l.closed = true
		l.mu.Unlock()
		l.shut()
		done := make(chan struct{})
		go func() {
			defer close(done)
			l.inside.Wait()
			if err := l.client.Close(); err != nil {
				l.log.Warn("close ledger client", "error", err)
			}
		}()
		grace := time.NewTimer(closeGrace)
		defer grace.Stop()
		select {
		case <-done:
		case <-grace.C:
			l.log.Warn("ledger client left open: calls in it still wait for a server")
		}
	})
	return nil
}

// enter takes a place inside the client, which leave gives back.
func (l *Ledger) enter(ctx context.Context) error {
	select {
	case l.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		<-l.slots
		return context.Canceled
	}
	l.inside.Add(1)
	return nil
}

func (l *Ledger) leave() {
	<-l.slots
	l.inside.Done()
}

// bound ends a call with the ledger. The caller must call stop.
func (l *Ledger) bound(ctx context.Context) (bounded context.Context, stop func()) {
	bounded, cancel := context.WithCancel(ctx)
	unlink := context.AfterFunc(l.open, cancel)
	return bounded, func() { unlink(); cancel() }
}

// do runs one call of the client, bounded by ctx, callTimeout and the ledger's end. The client ignores contexts while it has no connection,
// so the call runs beside and is left to itself when the time is up; its own context has ended then, so it does nothing any more.
func do[T any](ctx context.Context, l *Ledger, op string, call func(context.Context) (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	var zero T
	ended, stop := l.bound(ctx)
	defer stop()
	bounded, cancel := context.WithTimeout(ended, callTimeout)
	defer cancel()
	if err := l.enter(bounded); err != nil || bounded.Err() != nil {
		if err == nil {
			l.leave()
		}
		return zero, l.failure(ctx, op, context.DeadlineExceeded)
	}
	results := make(chan result, 1)
	go func() {
		defer l.leave()
		v, err := call(bounded)
		results <- result{v, err}
	}()
	select {
	case r := <-results:
		if r.err != nil {
			return zero, l.failure(ctx, op, r.err)
		}
		return r.value, nil
	case <-bounded.Done():
		return zero, l.failure(ctx, op, context.DeadlineExceeded)
	}
}

// failure says why a call failed: the caller's context, a closed ledger, or the server.
func (l *Ledger) failure(ctx context.Context, op string, err error) error {
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w: %w", op, events.ErrUnavailable, ctx.Err())
	case l.open.Err() != nil:
		return fmt.Errorf("%s: %w: closed", op, events.ErrUnavailable)
	case definite(err):
		return fmt.Errorf("%s: %w", op, err)
	}
	return fmt.Errorf("%s: %w: %w", op, events.ErrUnavailable, err)
}

// definite tells the errors after which trying again does not help and nothing was written. Any other leaves the outcome open: the client
// loses causes, as when a server goes away while an append is being sent (a bare EOF).
func definite(err error) bool {
	if errors.Is(err, errUnknownPosition) {
		return true
	}
	var e *esdb.Error // not esdb.FromError: it does not unwrap
	if errors.As(err, &e) {
		switch e.Code() {
		case esdb.ErrorCodeWrongExpectedVersion, esdb.ErrorCodeAccessDenied, esdb.ErrorCodeUnauthenticated, esdb.ErrorCodeStreamDeleted,
			esdb.ErrorCodeResourceNotFound, esdb.ErrorCodeUnsupportedFeature:
			return true
		}
	}
	switch status.Code(err) { // what the client does not know comes as gRPC has it; subscriptions end with nothing else
	case codes.InvalidArgument, codes.PermissionDenied, codes.Unauthenticated, codes.Unimplemented:
		return true
	}
	return false
}

func isCode(err error, code esdb.ErrorCode) bool {
	var e *esdb.Error
	return errors.As(err, &e) && e.Code() == code
}

// errUnknownPosition: the server does not tell where an event is. It does so for events that were written in explicit transactions over
// its old protocol, which no version of this program used.
var errUnknownPosition = errors.New("event without a position")

func position(commit uint64) (events.Position, error) {
	if commit > math.MaxInt64 {
		return 0, errUnknownPosition
	}
	return events.Position(commit), nil
}

// recorded translates an event. system: it is the server's own and not of the ledger.
func recorded(e *esdb.ResolvedEvent) (r events.Recorded, system bool, err error) {
	o := e.OriginalEvent()
	if strings.HasPrefix(o.EventType, "$") || strings.HasPrefix(o.StreamID, "$") {
		return events.Recorded{}, true, nil
	}
	p, err := position(o.Position.Commit)
	if err != nil {
		return events.Recorded{}, false, fmt.Errorf("stream %s, revision %d: %w", o.StreamID, o.EventNumber, err)
	}
	return events.Recorded{
		New:    events.New{ID: o.EventID, Type: o.EventType, Data: o.Data, Meta: o.UserMetadata},
		Stream: o.StreamID, Revision: events.Revision(o.EventNumber), Position: p, At: o.CreatedDate.UTC().Truncate(time.Microsecond),
	}, false, nil
}
