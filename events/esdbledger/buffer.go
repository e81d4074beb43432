package esdbledger

import (
	"context"
	"sync"

	"moromi/events"
)

// buffer holds events between the one who receives them and the one who handles them, up to bufferEvents and bufferBytes.
type buffer struct {
	mu    sync.Mutex
	held  []events.Recorded
	size  int
	err   error         // why nothing more comes
	ready chan struct{} // there may be something to take
	space chan struct{} // there may be room
}

func newBuffer() *buffer {
	return &buffer{ready: make(chan struct{}, 1), space: make(chan struct{}, 1)}
}

// put waits for room. One caller only.
func (b *buffer) put(ctx context.Context, r events.Recorded) error {
	for !b.add(r) {
		select {
		case <-b.space:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	signal(b.ready)
	return nil
}

func (b *buffer) add(r events.Recorded) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.held) >= bufferEvents || b.size >= bufferBytes {
		return false
	}
	b.held, b.size = append(b.held, r), b.size+len(r.Data)+len(r.Meta)
	return true
}

// end says that nothing more comes, and why.
func (b *buffer) end(err error) {
	b.mu.Lock()
	b.err = err
	b.mu.Unlock()
	signal(b.ready)
}

// take waits for events and gives all there are. With the last of them, or alone, comes the reason why there are no more. One caller only.
func (b *buffer) take(ctx context.Context) ([]events.Recorded, error) {
	for {
		b.mu.Lock()
		rs, err := b.held, b.err
		b.held, b.size = nil, 0
		b.mu.Unlock()
		signal(b.space)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if len(rs) > 0 || err != nil {
			return rs, err
		}
		select {
		case <-b.ready:
		case <-ctx.Done():
		}
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
