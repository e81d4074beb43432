package projections_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"moromi/events"
	"moromi/events/pgledger"
	"moromi/internal/koji"
	"moromi/internal/pgtest"
	"moromi/migrations"
	"moromi/projections"
	"moromi/projections/readmodel"
)

// fillers is how many builds a ledger is filled with at once: appends that wait together are committed together.
const fillers = 64

// entry is one append of one event.
type entry struct {
	stream string
	event  events.Event
}

// history is build i with its task: what the ledger gets from a package built on one host.
func history(i int64) []entry {
	taskStream, build := fmt.Sprintf("task-%d", i), fmt.Sprintf("build-%d", i)
	version := fmt.Sprintf("1.%d", i)
	var rpms []events.RPM
	for j, arch := range []string{"src", "x86_64", "x86_64", "noarch"} {
		rpms = append(rpms, events.RPM{ID: 4*i + int64(j), Name: fmt.Sprintf("package%d-part%d", i%20_000, j), Version: version, Release: "1.fc40", Arch: arch,
			PayloadHash: "b2e699ff8e269f3ea4d6491ec399e27b", Size: 123_456, BuildTime: 1_700_000_000 + i,
			SHA256: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"})
	}
	return []entry{
		{taskStream, events.TaskCreated{ID: i, Method: "build", Arch: "noarch", ChannelID: 1, Owner: 1, Priority: 20, Weight: 0.2,
			Request: "<?xml version='1.0'?><methodCall><methodName>build</methodName><params><param><value><string>git+https://example.com/rpms/x#main</string></value></param></params></methodCall>"}},
		{taskStream, events.TaskAssigned{ID: i, HostID: 1}},
		{taskStream, events.TaskOpened{ID: i, HostID: 1}},
		{build, events.BuildCreated{BuildStart: events.BuildStart{ID: i, PackageID: i%20_000 + 1, Version: version, Release: "1.fc40", State: int(koji.BuildBuilding), TaskID: &i, Owner: 1}}},
		{build, events.RPMsImported{BuildID: i, RPMs: rpms}},
		{build, events.BuildCompleted{ID: i}},
		{"tag-1", events.TagBuildsTagged{ID: 1, Builds: []int64{i}}},
		{taskStream, events.TaskClosed{ID: i, Result: "<?xml version='1.0'?><methodResponse><params><param><value><string>done</string></value></param></params></methodResponse>"}},
	}
}

// fill writes the histories of builds until there are n events.
func fill(b *testing.B, ctx context.Context, l events.Store, n int) {
	b.Helper()
	var next atomic.Int64
	var group sync.WaitGroup
	for range fillers {
		group.Go(func() {
			for {
				i := next.Add(1)
				h := history(i)
				if int(i) > n/len(h) || b.Failed() {
					return
				}
				for _, e := range h {
					recs, err := events.Encode(events.Meta{Actor: 1, Command: "bench"}, []uuid.UUID{uuid.Must(uuid.NewV7())}, e.event)
					if err == nil {
						_, err = l.Append(ctx, e.stream, events.Any, recs...)
					}
					if err != nil {
						b.Errorf("fill: %v", err)
						return
					}
				}
			}
		})
	}
	group.Wait()
	if b.Failed() {
		b.FailNow()
	}
}

// BenchmarkRebuild builds every read model from a ledger of builds with their tasks, rpms and tagging. events/s is the engine's speed; seconds is
// the time for the whole.
func BenchmarkRebuild(b *testing.B) {
	for _, n := range []int{20_000, 1_000_000} {
		b.Run(fmt.Sprintf("%d_events", n), func(b *testing.B) {
			ctx := b.Context()
			pool := pgtest.DB(b)
			l, err := pgledger.Open(ctx, pgledger.Config{Pool: pool, Readers: 4})
			if err != nil {
				b.Fatal(err)
			}
			defer l.Close() //nolint:errcheck // the database goes
			fill(b, ctx, l, n)
			var total time.Duration
			runs := 0
			for b.Loop() {
				runs++
				schema := fmt.Sprintf("rebuilt_%d", runs)
				if err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error { return migrations.CreateReadModels(ctx, tx, schema) }); err != nil {
					b.Fatal(err)
				}
				begin := time.Now()
				e, err := projections.NewEngine(l, pool, schema, slog.New(slog.DiscardHandler), readmodel.All()...)
				if err != nil {
					b.Fatal(err)
				}
				stop := run(ctx, e)
				if err := e.CatchUp(ctx); err != nil {
					b.Fatal(err)
				}
				total += time.Since(begin)
				if err := stop(); !errors.Is(err, context.Canceled) {
					b.Fatal(err)
				}
				if _, err := pool.Exec(ctx, `drop schema `+pgx.Identifier{schema}.Sanitize()+` cascade`); err != nil {
					b.Fatal(err)
				}
			}
			mean := total.Seconds() / float64(runs)
			b.ReportMetric(mean, "seconds")
			b.ReportMetric(float64(n)/mean, "events/s")
		})
	}
}
