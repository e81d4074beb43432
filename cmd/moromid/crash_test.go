package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"moromi/internal/hubclient"
	"moromi/internal/koji"
)

// The short form runs with all tests, the long one with `make torture`.
const (
	shortRounds   = 2
	tortureRounds = 300
	// crashWindow is the time in which the crash of a round comes, after the first acknowledged change of each writer.
	crashWindow = 300 * time.Millisecond
	writers     = 4
)

// torture skips a test unless the long ones are wanted.
func torture(t *testing.T) {
	t.Helper()
	if os.Getenv("MOROMI_TORTURE") == "" {
		t.Skip("a long test; make torture runs it")
	}
}

// A crash is one way in which a site is lost; the daemon has ended when it returns.
type crash func(*testing.T, *daemon)

func killHub(_ *testing.T, d *daemon) { d.kill() }

// killPostgres takes PostgreSQL away under the hub, which cannot go on then and has to say so.
func killPostgres(t *testing.T, d *daemon) {
	t.Helper()
	if err := syscall.Kill(d.postgres(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if status := d.wait(); status != exitFailed || !strings.Contains(d.said(), "moromid: PostgreSQL ended: ") {
		t.Errorf("status %d when PostgreSQL was killed:\n%s", status, d.said())
	}
}

// killBoth leaves nobody to write anything down.
func killBoth(t *testing.T, d *daemon) {
	t.Helper()
	if err := syscall.Kill(d.postgres(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	d.kill()
}

func TestHubIsKilled(t *testing.T) {
	t.Parallel()
	crashes(t, shortRounds, killHub)
}

func TestPostgresIsKilled(t *testing.T) {
	t.Parallel()
	crashes(t, shortRounds, killPostgres, killBoth)
}

func TestTortureCrashes(t *testing.T) {
	torture(t)
	crashes(t, tortureRounds, killHub, killPostgres, killBoth)
}

// crashes lets clients change a site, crashes it at some moment, starts it again and looks for everything that was acknowledged.
func crashes(t *testing.T, rounds int, how ...crash) {
	t.Helper()
	dir := siteDir(t)
	var acked acknowledged
	for round := range rounds {
		d := up(t, dir)
		acked.want(t, d)
		var begun, done sync.WaitGroup
		begun.Add(writers)
		sessions := map[int64]string{} // id → how the names of what it makes begin
		for w := range writers {
			c, prefix := d.admin(), fmt.Sprintf("r%d-w%d-", round, w)
			sessions[c.SessionID()] = prefix
			done.Go(func() { acked.write(t.Context(), c, prefix, begun.Done) })
		}
		begun.Wait()
		<-time.After(rand.N(crashWindow)) // the moment must not depend on what the hub is doing
		how[round%len(how)](t, d)
		done.Wait()
		d = up(t, dir)
		wantNumbered(t, d, sessions)
		d.kill()
	}
	d := up(t, dir)
	acked.want(t, d)
	if len(acked.tags) < rounds*writers || len(acked.tasks) < rounds {
		t.Errorf("only %d tags and %d tasks were acknowledged in %d rounds", len(acked.tags), len(acked.tasks), rounds)
	}
	t.Logf("%d tags and %d tasks acknowledged in %d rounds", len(acked.tags), len(acked.tasks), rounds)
	wantSound(t, "--data", dir)
}

// acknowledged is what the hub said it had done.
type acknowledged struct {
	mu    sync.Mutex
	tags  map[string]int64 // name → id
	tasks map[int64]string // id → source
}

// write makes tags and tasks until the hub is gone. begun is called after the first.
func (a *acknowledged) write(ctx context.Context, c *hubclient.Client, prefix string, begun func()) {
	for i := 0; ; i++ {
		name := prefix + strconv.Itoa(i)
		tag, err := c.Call(ctx, "createTag", name)
		if err == nil {
			a.note(func() { a.tags[name] = hubclient.Int(tag) })
		}
		if i == 0 {
			begun()
		}
		if err != nil {
			return
		}
		task, err := c.Call(ctx, "makeTask", "sleep", []any{int64(i), name})
		if err != nil {
			return
		}
		a.note(func() { a.tasks[hubclient.Int(task)] = name })
	}
}

func (a *acknowledged) note(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.tags == nil {
		a.tags, a.tasks = map[string]int64{}, map[int64]string{}
	}
	f()
}

// wantNumbered looks whether each session's call number is that of the last call that it changed something with: who repeats a call that was never answered
// must learn whether it was made. Each call of these sessions makes something; the first has number 0.
func wantNumbered(t *testing.T, d *daemon, sessions map[int64]string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), readFile(t, filepath.Join(d.dir, "postgres", "url")))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context()) //nolint:errcheck // it was only read from
	if _, err := conn.Exec(t.Context(), `select set_config('search_path', (select nspname from pg_namespace where nspname like 'rm\_%'), false)`); err != nil {
		t.Fatal(err)
	}
	for id, prefix := range sessions {
		var stored, made int64
		if err := conn.QueryRow(t.Context(), `select coalesce((select callnum from ops.sessions where id = $1), -1),
			(select count(*) from tag where name like $2 || '%') + (select count(*) from task_document where request like '%<string>' || $2 || '%')`, id, prefix).Scan(&stored, &made); err != nil {
			t.Fatal(err)
		}
		if stored != made-1 {
			t.Errorf("after the crash %d calls of session %d were made, and the last number is %d", made, id, stored)
		}
	}
}

// want asks the hub for everything that was acknowledged.
func (a *acknowledged) want(t *testing.T, d *daemon) {
	t.Helper()
	c := d.client()
	v, err := c.Call(t.Context(), "listTags")
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]int64{}
	for _, row := range hubclient.Structs(v) {
		there[hubclient.String(row["name"])] = hubclient.Int(row["id"])
	}
	for name, id := range a.tags {
		if there[name] != id {
			t.Errorf("tag %s was acknowledged as %d and is %d after the crash", name, id, there[name])
		}
	}
	for id, source := range a.tasks {
		v, err := c.Call(t.Context(), "getTaskInfo", id, true)
		row := hubclient.Struct(v)
		params := hubclient.List(row["request"])
		if err != nil || row["method"] != "sleep" || len(params) != 2 || params[1] != source || koji.TaskState(hubclient.Int(row["state"])) != koji.TaskFree {
			t.Errorf("task %d of %s was acknowledged and is %v, %v after the crash", id, source, row, err)
		}
	}
}
