package main

import (
	"runtime"
	"testing"
)

func TestCollected(t *testing.T) {
	t.Parallel()
	done := collected()
	for range 10 { // what was made just now may outlive the first
		runtime.GC()
	}
	<-done
}

func TestGCPercent(t *testing.T) {
	t.Parallel()
	for live, want := range map[uint64]int{0: mostGCPercent, 4 << 20: mostGCPercent, 64 << 20: 300, 192 << 20: 100, 8 << 30: 100} {
		if got := gcPercent(live); got != want {
			t.Errorf("%d MiB in use: %d percent, want %d", live>>20, got, want)
		}
	}
}
