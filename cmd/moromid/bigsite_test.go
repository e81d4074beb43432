package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"moromi/aggregates/build"
	"moromi/aggregates/name"
	"moromi/events"
	"moromi/events/pgledger"
	"moromi/internal/koji"
	"moromi/internal/pgserver"
)

// The size of the big site: that of a distribution with a few years behind it.
const (
	bigPackages     = 5_000
	bigVersions     = 20 // builds of each package
	bigBuilds       = bigPackages * bigVersions
	bigRPMs         = 10    // of each build
	bigDepth        = 4     // tags that inherit from one another
	bigFillers      = 64    // appends that wait together are committed together
	bigUncandidated = 4_000 // the first builds, which were not tagged as candidates: 196,000 taggings in all
	bigPatience     = time.Hour
)

// bigEvent is one append.
type bigEvent struct {
	stream string
	event  events.Event
}

// bigParts are the rpms of a build: ten.
var bigParts = [bigRPMs]struct{ suffix, arch string }{
	{"", "src"}, {"", "x86_64"}, {"-libs", "x86_64"}, {"-devel", "x86_64"}, {"-debuginfo", "x86_64"},
	{"-debugsource", "x86_64"}, {"-libs", "i686"}, {"-devel", "i686"}, {"-doc", "noarch"}, {"-data", "noarch"},
}

// bigSite starts a site with 5,000 packages, 100,000 builds with their tasks, 1,000,000 rpms and 196,000 taggings, half of those as candidate
// undone again, in tags that inherit from one another: dist-3 from dist-2 from dist-1 from dist-0. MOROMI_BENCH_SITE names a directory where
// the site stays for the next run; without it, it is made in a temporary one, which takes some minutes.
func bigSite(b *testing.B) *daemon {
	b.Helper()
	dir := os.Getenv("MOROMI_BENCH_SITE")
	if dir == "" {
		dir = filepath.Join(b.TempDir(), "site")
	}
	filled := filepath.Join(dir, "filled")
	if _, err := os.Stat(filled); err == nil {
		return bigStart(b, dir)
	}
	d := up(b, dir)
	bigTags(b, d)
	d.stop()
	begin := time.Now()
	bigFill(b, dir)
	b.Logf("ledger filled in %s", time.Since(begin).Round(time.Second))
	begin = time.Now()
	d = bigStart(b, dir)
	b.Logf("read models made in %s", time.Since(begin).Round(time.Second))
	if err := os.WriteFile(filled, nil, 0o644); err != nil {
		b.Fatal(err)
	}
	return d
}

// bigStart starts the site and waits until its read models are made.
func bigStart(b *testing.B, dir string) *daemon {
	b.Helper()
	d := start(b, dir)
	d.waitReadyFor(bigPatience)
	return d
}

// bigTags makes what clients make: the tags with their inheritance.
func bigTags(b *testing.B, d *daemon) {
	b.Helper()
	admin := d.admin()
	call := func(method string, args ...any) {
		b.Helper()
		if _, err := admin.Call(b.Context(), method, args...); err != nil {
			b.Fatalf("%s: %v", method, err)
		}
	}
	for i := range bigDepth {
		args := []any{fmt.Sprintf("dist-%d", i)}
		if i > 0 {
			args = append(args, fmt.Sprintf("dist-%d", i-1))
		}
		call("createTag", args...)
	}
	call("createTag", "dist-candidate", "dist-0")
	call("createTag", "dist-scratchpad", "dist-0")
}

// bigFill writes the site's past into its ledger while the hub is down.
func bigFill(b *testing.B, dir string) {
	b.Helper()
	ctx := b.Context()
	pg, err := pgserver.Start(ctx, pgserver.Config{Dir: filepath.Join(dir, "postgres")})
	if err != nil {
		b.Fatal(err)
	}
	defer pg.Stop(context.WithoutCancel(ctx)) //nolint:errcheck // the next start tells
	l, err := pgledger.Open(ctx, pgledger.Config{URL: pg.URL()})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // every append was answered
	put := func(stream string, evs ...events.Event) error {
		ids := make([]uuid.UUID, len(evs))
		for i := range ids {
			ids[i] = uuid.Must(uuid.NewV7())
		}
		recs, err := events.Encode(events.Meta{Actor: 1, Command: "bench"}, ids, evs...)
		if err != nil {
			return err
		}
		_, err = l.Append(ctx, stream, events.Any, recs...)
		return err
	}
	for p := int64(1); p <= bigPackages; p++ {
		for _, e := range []bigEvent{
			{name.Stream(name.Package), events.NameClaimed{Kind: name.Package, ID: p, Name: bigPackage(p)}},
			{"tag-1", events.TagPackageSet{ID: 1, PackageID: p}},
			{"tag-1", events.TagPackageOwnerSet{ID: 1, PackageID: p, Owner: 1}},
		} {
			if err := put(e.stream, e.event); err != nil {
				b.Fatal(err)
			}
		}
	}
	var next atomic.Int64
	var group sync.WaitGroup
	for range bigFillers {
		group.Go(func() {
			for id := next.Add(1); id <= bigBuilds; id = next.Add(1) {
				if err := bigBuild(put, id); err != nil {
					b.Errorf("build %d: %v", id, err)
					return
				}
			}
		})
	}
	group.Wait()
	if b.Failed() {
		b.FailNow()
	}
}

func bigPackage(p int64) string { return fmt.Sprintf("package%04d", p) }

// bigBuild is the life of one build and its task. Builds are numbered through the packages' first versions, then their second ones.
func bigBuild(put func(string, ...events.Event) error, id int64) error {
	pkg, version := (id-1)%bigPackages+1, (id-1)/bigPackages
	v, release := fmt.Sprintf("1.%d", version), "1.fc40"
	task, stream := fmt.Sprintf("task-%d", id), fmt.Sprintf("build-%d", id)
	rpms := make([]events.RPM, bigRPMs)
	for i, part := range bigParts {
		rpms[i] = events.RPM{ID: (id-1)*bigRPMs + int64(i) + 1, Name: bigPackage(pkg) + part.suffix, Version: v, Release: release, Arch: part.arch,
			PayloadHash: fmt.Sprintf("%032x", id*bigRPMs+int64(i)), Size: 123_456 + id, BuildTime: 1_700_000_000 + id,
			SHA256: fmt.Sprintf("%064x", id*bigRPMs+int64(i))}
	}
	tag := version%(pkg%bigDepth+1) + 1
	life := []bigEvent{
		{task, events.TaskCreated{ID: id, Method: "build", Arch: "noarch", ChannelID: 1, Owner: 1, Priority: 20, Weight: 0.2,
			Request: `<?xml version='1.0'?><methodCall><methodName>build</methodName><params><param><value><string>git+https://git.example.com/rpms/` + bigPackage(pkg) +
				`#main</string></value></param><param><value><string>dist</string></value></param></params></methodCall>`}},
		{task, events.TaskOpened{ID: id, HostID: 1}},
		{build.NVRStream(pkg), events.NVRClaimed{PackageID: pkg, Version: v, Release: release, BuildID: id}},
		{stream, events.BuildCreated{BuildStart: events.BuildStart{ID: id, PackageID: pkg, Version: v, Release: release, State: int(koji.BuildBuilding), TaskID: &id,
			Owner: 1, Types: []int64{1}}}},
		{stream, events.RPMsImported{BuildID: id, RPMs: rpms}},
		{stream, events.BuildCompleted{ID: id}},
		{fmt.Sprintf("tag-%d", tag), events.TagBuildsTagged{ID: tag, Builds: []int64{id}}},
		{task, events.TaskClosed{ID: id, Result: "<?xml version='1.0'?><methodResponse><params><param><value><string>done</string></value></param></params></methodResponse>"}},
	}
	if candidate := int64(bigDepth + 1); id > bigUncandidated {
		life = append(life, bigEvent{fmt.Sprintf("tag-%d", candidate), events.TagBuildsTagged{ID: candidate, Builds: []int64{id}}})
		if id%2 == 0 {
			life = append(life, bigEvent{fmt.Sprintf("tag-%d", candidate), events.TagBuildsUntagged{ID: candidate, Builds: []int64{id}}})
		}
	}
	for _, e := range life {
		if err := put(e.stream, e.event); err != nil {
			return err
		}
	}
	return nil
}
