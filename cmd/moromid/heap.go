package main

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

const (
	// heapRoom is how much garbage a hub may have before it is collected. In Go's own way that is as much as what is in use, which for a hub of
	// 40 MB under load means three collections a second and a fifth of its processor time.
	heapRoom = 192 << 20
	// leastGCPercent is Go's own: larger heaps have that much room anyway.
	leastGCPercent = 100
	// mostGCPercent keeps a heap that is nearly empty, as after the start, from having all the room at once.
	mostGCPercent = 800
)

// giveHeapRoom keeps the collector from running for less than heapRoom, until ctx ends. Who sets GOGC decides.
func giveHeapRoom(ctx context.Context) error {
	if os.Getenv("GOGC") != "" {
		return nil
	}
	defer debug.SetGCPercent(leastGCPercent)
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	for percent := leastGCPercent; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-collected():
		}
		metrics.Read(live)
		// Setting it stops the world for a moment, so small changes are left.
		if p := gcPercent(live[0].Value.Uint64()); p < percent-percent/8 || p > percent+percent/8 {
			percent = p
			debug.SetGCPercent(p)
		}
	}
}

// collected gives a channel that is closed after the next collection: at once, so that a heap that has grown since gets no more room than is its.
func collected() <-chan struct{} {
	done := make(chan struct{})
	type garbage struct{ _ *byte } // with a pointer, lest it share its memory with something that lives on
	runtime.AddCleanup(new(garbage), func(done chan struct{}) { close(done) }, done)
	return done
}

// gcPercent is the collector's percentage that leaves heapRoom beside so many bytes in use.
func gcPercent(live uint64) int {
	return int(min(max(heapRoom*100/max(live, 1), leastGCPercent), mostGCPercent))
}
