package main

import (
	"path/filepath"
	"slices"
	"testing"
	"time"

	"moromi/internal/hubclient"
)

// BenchmarkTaskToRunning measures, on a whole site that writes to the disk, the time from a client's submission of a task until the hub
// has told a builder, over its stream, and the builder has opened the task. All calls go over HTTP.
func BenchmarkTaskToRunning(b *testing.B) {
	d := up(b, filepath.Join(b.TempDir(), "site"))
	ctx, admin := b.Context(), d.admin()
	call := func(c *hubclient.Client, method string, args ...any) any {
		b.Helper()
		v, err := c.Call(ctx, method, args...)
		if err != nil {
			b.Fatalf("%s: %v", method, err)
		}
		return v
	}
	call(admin, "addHost", "b1", []any{"x86_64"})
	mustVerb(b, "b1pw\n", "user", "password", "b1", "--password-stdin", "--data", d.dir)
	host, err := d.login("b1", "b1pw")
	if err != nil {
		b.Fatal(err)
	}
	if err := host.ExclusiveSession(ctx, false); err != nil {
		b.Fatal(err)
	}
	notices, err := host.Stream(ctx)
	if err != nil {
		b.Fatal(err)
	}
	<-notices // hello
	call(host, "host.updateHost", 0.0, true)
	const done = `<?xml version="1.0"?><methodResponse><params><param><value><string>done</string></value></param></params></methodResponse>`
	var took []time.Duration
	for b.Loop() {
		begin := time.Now()
		id := hubclient.Int(call(admin, "makeTask", "sleep", []any{int64(1)}))
		for opened := false; !opened; {
			select {
			case n := <-notices:
				if n.Task == id && n.Reason == "assigned" {
					opened = call(host, "host.openTask", id) != nil
				}
			case <-time.After(patience):
				b.Fatalf("task %d does not come to its host", id)
			}
		}
		took = append(took, time.Since(begin))
		b.StopTimer()
		call(host, "host.closeTask", id, done)
		b.StartTimer()
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
}
