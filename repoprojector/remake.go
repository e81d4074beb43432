package repoprojector

import (
	"context"
	"errors"
	"slices"
	"sync"
)

const (
	// maxRemakes bounds how many repositories are made again at once because somebody asks for their files: to read a large tag of the past takes a second.
	maxRemakes = 2
	// maxWaiting bounds how many more wait for their turn. Who comes then is sent away, to come again.
	maxWaiting = 16
	// maxOfOne bounds how many of these one asker has, so that who asks for one is not kept out by who asks for a thousand.
	maxOfOne = 4
	// maxAsked is how many of the versions that were made again last keep their blocks: who asked for one will want the rest of it.
	maxAsked = 32
)

// ErrBusy says that too many repositories that are no longer at hand are being made again: ask again in some seconds.
var ErrBusy = errors.New("too many repositories of the past are asked for at once")

// WithAsker says on whose behalf files are opened: an address. Of one asker only some repositories are made again at once.
func WithAsker(ctx context.Context, asker string) context.Context {
	return context.WithValue(ctx, askerKey{}, asker)
}

type askerKey struct{}

// remakes lets repositories be made again, few at once. Safe for concurrent use.
type remakes struct {
	slots chan struct{}

	mu     sync.Mutex
	inside int            // that have a slot or wait for one
	of     map[string]int // how many of them by asker
	made   []string       // keys of versions, the last one last
}

func newRemakes() *remakes {
	return &remakes{slots: make(chan struct{}, maxRemakes), of: map[string]int{}}
}

// enter waits for a turn, which ends with leave. Who asks for nobody, which is the projector itself, always waits.
func (r *remakes) enter(ctx context.Context) (leave func(), err error) {
	asker, _ := ctx.Value(askerKey{}).(string)
	if !r.admit(asker) {
		return nil, ErrBusy
	}
	select {
	case r.slots <- struct{}{}:
		return func() {
			<-r.slots
			r.forget(asker)
		}, nil
	case <-ctx.Done():
		r.forget(asker)
		return nil, ctx.Err()
	}
}

// done notes that a version was made again, under a key.
func (r *remakes) done(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.made = append(slices.DeleteFunc(r.made, func(k string) bool { return k == key }), key)
	r.made = r.made[max(0, len(r.made)-maxAsked):]
}

// asked tells whether a version is one of the last that were made again.
func (r *remakes) asked(key string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Contains(r.made, key)
}

func (r *remakes) admit(asker string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if asker != "" && (r.inside >= maxRemakes+maxWaiting || r.of[asker] >= maxOfOne) {
		return false
	}
	r.inside++
	r.of[asker]++
	return true
}

func (r *remakes) forget(asker string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.inside--
	if r.of[asker]--; r.of[asker] == 0 {
		delete(r.of, asker)
	}
}
