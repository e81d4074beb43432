package storetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"moromi/events"
)

// payload makes an event of 400 bytes of data: what an assignment or a tagging comes to.
var payload = []byte(`{"task_id": 420066, "note": "` + strings.Repeat("x", 370) + `"}`)

func benchEvent() events.New {
	return events.New{ID: uuid.Must(uuid.NewV7()), Type: "task.assigned", Data: payload, Meta: []byte(`{"by": "bench"}`)}
}

// BenchAppend measures appends of one event of 400 bytes to streams of their own, with 1, 8 and 64 writers at once.
// It reports appends as events/s and the median time of one as p50-us.
func BenchAppend(b *testing.B, open func(t testing.TB) events.Store) {
	for _, writers := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("%d_writers", writers), func(b *testing.B) {
			s, ctx := start(b, open), context.Background()
			for range 100 { // statements prepared, pages there
				mustAppend(b, ctx, s, name("warm"), events.NoStream, benchEvent())
			}
			var next atomic.Int64
			var mu sync.Mutex
			var took []time.Duration
			var wg sync.WaitGroup
			b.ResetTimer()
			for range writers {
				wg.Go(func() {
					var mine []time.Duration
					for next.Add(1) <= int64(b.N) {
						began := time.Now()
						if _, err := s.Append(ctx, name("task"), events.NoStream, benchEvent()); err != nil {
							b.Error(err)
							return
						}
						mine = append(mine, time.Since(began))
					}
					mu.Lock()
					took = append(took, mine...)
					mu.Unlock()
				})
			}
			wg.Wait()
			b.StopTimer()
			if b.Failed() {
				return
			}
			slices.Sort(took)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-us")
		})
	}
}

// BenchReplay measures a subscription from the beginning over events of 400 bytes, until it has them all. It reports events/s.
func BenchReplay(b *testing.B, open func(t testing.TB) events.Store) {
	const size = 50_000
	s, ctx := start(b, open), context.Background()
	base := mustHead(b, ctx, s)
	for range size / events.MaxAppendEvents {
		evs := make([]events.New, events.MaxAppendEvents)
		for i := range evs {
			evs[i] = benchEvent()
		}
		for part := range slices.Chunk(evs, events.MaxAppendEvents/2) {
			mustAppend(b, ctx, s, name("task"), events.NoStream, part...)
		}
	}
	total := 0
	b.ResetTimer()
	for b.Loop() {
		n := 0
		err := s.Subscribe(ctx, base, func(_ context.Context, rs []events.Recorded) error {
			if n += len(rs); n >= size {
				return errEnough
			}
			return nil
		})
		if err != errEnough {
			b.Fatal(err)
		}
		total += n
	}
	b.ReportMetric(float64(total)/b.Elapsed().Seconds(), "events/s")
}
