package repoprojector

import (
	"context"
	"testing"
	"time"

	"moromi/commands/commandtest"
	"moromi/events"
	"moromi/internal/storage"
)

// TestStandingsOfSome: when the state of a repository changes, the repositories of its tag are read and no others'; a resync reads all.
func TestStandingsOfSome(t *testing.T) {
	t.Parallel()
	s := commandtest.New(t)
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	top, err := storage.Open(t.TempDir())
	check(err)
	t.Cleanup(func() { _ = top.Close() })
	p, err := New(Config{Service: s, DB: s.DB, Storage: top, CacheDir: t.TempDir()})
	check(err)
	t.Cleanup(func() { check(p.Close()) })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err = s.DB.Exec(ctx, `insert into tag (id, name) values (1, 'one'), (2, 'two')`)
	check(err)
	_, err = s.DB.Exec(ctx, `insert into repo (id, creation_time, create_event, state_time, tag_id, state, dist, opts, custom_opts, since)
		select n, now(), 100 * n, now(), 1 + n % 2, case when n < 9 then 1 else 2 end, false, '{}', '{}', 0 from generate_series(1, 10) n`)
	check(err)
	l := &leading{Projector: p, outdated: newOutdater()}
	p.tags, p.followed, p.graph = map[int64]*tagPlan{}, map[int64]bool{}, newGraph(nil, nil)
	one, two := p.tag(1), p.tag(2)
	const stale = 5
	one.made, two.made = stale, stale
	note := func(e events.Event) (n news) {
		n.note(1, e)
		return n
	}
	check(l.learn(ctx, note(events.RepoStateSet{ID: 10, State: 2}))) // of the first tag
	if one.made != 800 || two.made != stale {
		t.Errorf("the newest repositories are of %d and %d, want 800 and what was known", one.made, two.made)
	}
	_, err = s.DB.Exec(ctx, `update repo set state = 2 where tag_id = 1`)
	check(err)
	check(l.learn(ctx, note(events.RepoStateSet{ID: 8, State: 2})))
	if one.made != 0 || two.made != stale {
		t.Errorf("the newest repositories are of %d and %d, want none and what was known", one.made, two.made)
	}
	check(l.learn(ctx, note(events.RepoStateSet{ID: 99, State: 2}))) // of no tag
	check(p.loadStandings(ctx))
	if one.made != 0 || two.made != 700 {
		t.Errorf("the newest repositories are of %d and %d, want none and 700", one.made, two.made)
	}
}
