package commands_test

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"moromi/aggregates/host"
	"moromi/commands"
	"moromi/commands/commandtest"
	"moromi/events"
)

// The shared test server has fsync off. For figures that mean something, name a server that has it on in MOROMI_TEST_POSTGRES; scripts/bench.sh
// does.

// reportMedian reports the median and the 99th percentile of what single operations took.
func reportMedian(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	b.ReportMetric(ms(took[len(took)/2]), "p50-ms")
	b.ReportMetric(ms(took[len(took)*99/100]), "p99-ms")
}

// warmUp is how many commands run before any is measured: connections are open and statements prepared then.
const warmUp = 50

// BenchmarkReadYourWrites measures one command at a time, from the call to the answer that its effect can be read.
func BenchmarkReadYourWrites(b *testing.B) {
	s := commandtest.New(b)
	id, err := s.CreateTag(b.Context(), admin, commands.CreateTag{Name: "dist"})
	if err != nil {
		b.Fatal(err)
	}
	arches := []string{"x86_64", "x86_64 aarch64"}
	for _, c := range []struct {
		name string
		run  func(i int) error
	}{
		{"edit_tag", func(i int) error {
			return s.EditTag(b.Context(), admin, id, commands.EditTag{Settings: &events.TagSettings{Arches: &arches[i%2]}})
		}},
		{"create_tag", func(i int) error {
			_, err := s.CreateTag(b.Context(), admin, commands.CreateTag{Name: fmt.Sprintf("tag-%d-%d", b.N, i)})
			return err
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			n := 0
			step := func() time.Duration {
				begin := time.Now()
				if err := c.run(n); err != nil {
					b.Fatal(err)
				}
				n++
				return time.Since(begin)
			}
			for range warmUp {
				step()
			}
			var took []time.Duration
			for b.Loop() {
				took = append(took, step())
			}
			reportMedian(b, took)
		})
	}
}

// submitters is how many clients submit tasks at once.
const submitters = 64

// BenchmarkScheduler measures how many tasks a second are accepted from many clients at once, each answer after the task can be read
// (accepted/s), and how many come to a host (assigned/s, from the first submission to the last assignment).
func BenchmarkScheduler(b *testing.B) {
	s := commandtest.New(b)
	ctx := b.Context()
	const hosts = 32
	for i := range hosts {
		id, err := s.CreateHost(ctx, admin, commands.CreateHost{Name: fmt.Sprintf("b%d", i), Arches: []string{"x86_64"}})
		if err != nil {
			b.Fatal(err)
		}
		capacity := 1e9
		if _, err := s.EditHost(ctx, admin, id, host.Change{Capacity: &capacity}); err != nil {
			b.Fatal(err)
		}
		if err := s.ReportHost(ctx, id, 0, true, map[string]any{"maxjobs": int64(1e9)}); err != nil {
			b.Fatal(err)
		}
	}
	var assigned atomic.Int64
	all := make(chan struct{}, 1)
	s.Models.OnCommit(func(commits []*events.Commit) {
		for _, c := range commits {
			for _, e := range c.Events {
				if _, ok := e.(events.TaskAssigned); ok && assigned.Add(1) == int64(b.N) {
					all <- struct{}{}
				}
			}
		}
	})
	go s.Scheduler.Run(ctx) //nolint:errcheck // it ends with the benchmark
	var next atomic.Int64
	var group sync.WaitGroup
	b.ResetTimer()
	begin := time.Now()
	for range submitters {
		group.Go(func() {
			for next.Add(1) <= int64(b.N) {
				if _, err := s.MakeTask(ctx, admin, commands.MakeTask{Method: "sleep", Params: []any{int64(1)}}); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	accepted := time.Since(begin)
	select {
	case <-all:
	case <-time.After(time.Minute):
		b.Fatalf("%d of %d tasks assigned", assigned.Load(), b.N)
	}
	b.ReportMetric(float64(b.N)/accepted.Seconds(), "accepted/s")
	b.ReportMetric(float64(b.N)/time.Since(begin).Seconds(), "assigned/s")
}
