package repoprojector_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"moromi/aggregates/name"
	"moromi/aggregates/tag"
	"moromi/aggregates/target"
	"moromi/commands"
	"moromi/commands/commandtest"
	"moromi/events"
	"moromi/internal/koji"
	"moromi/internal/rpm/rpmtest"
	"moromi/internal/storage"
	"moromi/projections/query"
	repomodel "moromi/projections/repo"
	"moromi/repoprojector"
	"moromi/repoprojector/repodata"
)

// patience bounds how long a test waits for something that must come; it is only reached when it does not.
const patience = 40 * time.Second

// site is a hub's service with a topdir and a projector that follows it.
type site struct {
	*commands.Service
	tb     testing.TB
	top    string
	cache  string
	admin  commands.Actor
	source repoprojector.Source
	lives  repoprojector.Lifetimes
	lazy   bool
	// lazyFrom is Config.LazyFrom.
	lazyFrom int
	format   repodata.Format
	clock    func() time.Time
	log      logBuffer
	pulse    time.Duration // of external repositories
	signs    func(context.Context, []byte, time.Time) ([]byte, error)
	renews   func(ctx context.Context, repomd, signature []byte) ([]byte, error)
	filled   int64 // builds that fill made

	*repoprojector.Projector
	stop func()
}

func newSite(tb testing.TB) *site {
	tb.Helper()
	s := &site{Service: commandtest.New(tb), tb: tb, top: tb.TempDir(), cache: tb.TempDir(), admin: commands.Actor{UserID: 1, Admin: true}, clock: time.Now}
	var err error
	s.Files, err = storage.Open(s.top)
	s.check(err)
	tb.Cleanup(func() { _ = s.Files.Close() })
	return s
}

func (s *site) check(err error) {
	s.tb.Helper()
	if err != nil {
		s.tb.Fatal(err)
	}
}

// start starts a projector, as a hub's start does; stop ends it.
func (s *site) start() {
	s.tb.Helper()
	p, err := repoprojector.New(repoprojector.Config{Service: s.Service, DB: s.DB, Storage: s.Files, CacheDir: s.cache, Source: s.source, Settling: 50 * time.Millisecond,
		Log: slog.New(slog.NewTextHandler(&s.log, nil)), Clock: s.clock, ExternalPulse: s.pulse, Lifetimes: s.lives, LazyFiles: s.lazy, LazyFrom: s.lazyFrom, Sign: s.signs, Renew: s.renews, Format: s.format})
	s.check(err)
	s.Projector = p
	s.Models.OnCommit(p.Watch)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = p.Run(ctx) // it ends with ctx's error
	}()
	var once sync.Once
	s.stop = func() {
		once.Do(func() {
			cancel()
			<-ended
			s.check(p.Close())
			if s.tb.Failed() {
				s.tb.Log(s.log.String())
			}
		})
	}
	s.tb.Cleanup(s.stop)
}

// logBuffer keeps what a projector logs.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (s *site) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	s.tb.Cleanup(cancel)
	return ctx
}

// claim gives a name its id.
func (s *site) claim(kind, n string) (id int64) {
	s.tb.Helper()
	_, err := commands.Decide(s.ctx(), s.Service, s.admin, "claim", name.Stream(kind), func(b *name.Book) ([]events.Event, error) {
		var evs []events.Event
		id, evs = b.Claim(kind, n)
		return evs, nil
	})
	s.check(err)
	return id
}

// tag makes a tag for x86_64 that inherits from others.
func (s *site) makeTag(n string, extra map[string]json.RawMessage, parents ...int64) int64 {
	s.tb.Helper()
	arches := "x86_64"
	in := commands.CreateTag{Name: n, Settings: events.TagSettings{Arches: &arches}, Extra: extra}
	for i, p := range parents {
		in.Parents = append(in.Parents, events.Inheritance{ParentID: p, Priority: int64(i)})
	}
	id, err := s.CreateTag(s.ctx(), s.admin, in)
	s.check(err)
	return id
}

// makeTarget makes a target that builds in a tag.
func (s *site) makeTarget(n string, buildTag, destTag int64) {
	s.tb.Helper()
	id := s.claim(name.Target, n)
	_, err := commands.Decide(s.ctx(), s.Service, s.admin, "create target", target.Stream(id), func(t *target.Target) ([]events.Event, error) {
		return t.Create(id, n, buildTag, destTag)
	})
	s.check(err)
}

// change changes a tag and answers the event.
func (s *site) change(id int64, f func(*tag.Tag) ([]events.Event, error)) int64 {
	s.tb.Helper()
	at, err := commands.Decide(s.ctx(), s.Service, s.admin, "change tag", tag.Stream(id), f)
	s.check(err)
	return int64(at)
}

// list puts a package on a tag's list.
func (s *site) list(id int64, pkg string, blocked bool) int64 {
	s.tb.Helper()
	p := s.claim(name.Package, pkg)
	return s.change(id, func(t *tag.Tag) ([]events.Event, error) { return t.SetPackage(p, tag.Listing{Blocked: blocked}) })
}

// put tags builds and answers the event.
func (s *site) put(id int64, builds ...int64) int64 {
	s.tb.Helper()
	return s.change(id, func(t *tag.Tag) ([]events.Event, error) { return t.TagBuilds(builds) })
}

// importBuild imports a build: its source rpm, and binary packages of the names and architectures, "NAME.ARCH".
func (s *site) importBuild(n, version string, binaries ...[2]string) int64 {
	s.tb.Helper()
	src := rpmtest.Spec{Name: n, Version: version, Release: "1", Arch: "x86_64", Source: true, BuildTime: 1700000000, Summary: n}
	row := s.importRPM(src)
	for _, b := range binaries {
		s.importRPM(binary(n, version, b[0], b[1]))
	}
	return row["build_id"].(int64)
}

// binary is a package of a source.
func binary(source, version, n, arch string) rpmtest.Spec {
	return rpmtest.Spec{Name: n, Version: version, Release: "1", Arch: arch, SourceRPM: source + "-" + version + "-1.src.rpm", BuildTime: 1700000000, Summary: "It is " + n}
}

func (s *site) importRPM(spec rpmtest.Spec) query.Row {
	s.tb.Helper()
	dir := filepath.Join(s.top, "work", "cli-import")
	s.check(os.MkdirAll(dir, 0o755))
	file := spec.NEVRA().FileName()
	s.check(os.WriteFile(filepath.Join(dir, file), spec.Bytes(), 0o644))
	row, err := s.ImportRPM(s.ctx(), s.admin, "cli-import", file)
	s.check(err)
	return row
}

// waitFor waits for the tag's repository with content not older than the event.
func (s *site) waitFor(tagID, event int64) query.Row {
	s.tb.Helper()
	row, err := s.Wait(s.ctx(), tagID, event)
	s.check(err)
	return row
}

// dir is the directory of a repository.
func (s *site) dir(tagName string, id int64) string {
	return filepath.Join(s.top, "repos", tagName, fmt.Sprint(id))
}

// repos gives all repositories of a tag in a state, oldest first.
func (s *site) repos(tagID int64, state koji.RepoState) []query.Row {
	s.tb.Helper()
	rows, err := repomodel.Query(s.ctx(), s.DB, repomodel.Select{Clauses: []any{[]any{"tag_id", tagID}, []any{"state", int64(state)}}, Fields: []string{"*"}}, nil)
	s.check(err)
	return rows.([]query.Row)
}

// until waits for a condition that some commit makes true.
func (s *site) until(what string, ok func() bool) {
	s.tb.Helper()
	at := s.Models.Position()
	end := s.ctx()
	for !ok() {
		if err := s.Models.Wait(end, at+1); err != nil {
			s.tb.Fatalf("%s: %v\n%s", what, err, s.log.String())
		}
		at = s.Models.Position()
	}
}

func (s *site) read(elem ...string) string {
	s.tb.Helper()
	b, err := os.ReadFile(filepath.Join(elem...))
	s.check(err)
	return string(b)
}
