package repoprojector_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"moromi/internal/koji"
	"moromi/repoprojector"
)

// TestDistRepoRollback takes users back to an earlier repository, and has the next one lead on again; what is led to is never cleared away.
func TestDistRepoRollback(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	tag := s.makeTag("dist", nil)
	s.start()
	make1 := func() int64 {
		task, id := s.distRepo("dist", nil, map[string]any{"arch": []any{"x86_64"}, "allow_missing_signatures": true})
		s.succeeded(task)
		return id
	}
	leads := func(want int64) {
		t.Helper()
		if to, err := os.Readlink(filepath.Join(s.top, "repos-dist", "dist", "latest")); err != nil || to != fmt.Sprint(want) {
			t.Errorf("latest leads to %s, not %d: %v", to, want, err)
		}
	}
	led := map[int64]int64{} // by event
	note := func(id int64) { led[int64(s.Models.Position())] = id }
	note(0)
	zero := make1()
	note(zero)
	if _, err := s.RollbackDistRepo(s.ctx(), s.admin, tag, 0); err == nil {
		t.Error("there was one to go back to")
	}
	one := make1()
	two := make1()
	leads(two)
	note(two)
	back, err := s.RollbackDistRepo(s.ctx(), s.admin, tag, 0)
	s.check(err)
	if back.To != one || back.From != two {
		t.Errorf("rolled back %+v", back)
	}
	s.check(s.Projector.SetLatestDist(s.ctx(), tag))
	leads(one)
	note(one)
	s.list(tag, "foo", false) // the tag changes
	s.check(s.UpdateRepoEndEvents(s.ctx(), s.admin))
	later, err := repoprojector.New(repoprojector.Config{Service: s.Service, DB: s.DB, Storage: s.Files, CacheDir: t.TempDir(), Clock: func() time.Time { return time.Now().Add(30 * 24 * time.Hour) }})
	s.check(err)
	defer later.Close()
	for range 2 {
		s.check(later.Sweep(s.ctx()))
	}
	for id, want := range map[int64]koji.RepoState{zero: koji.RepoDeleted, one: koji.RepoReady, two: koji.RepoReady} {
		if st := s.repoState(id); st != want {
			t.Errorf("repository %d is %s, not %s", id, st, want)
		}
	}
	leads(one)
	if refs, err := s.DeleteRepo(s.ctx(), s.admin, one); err != nil || refs != 1 {
		t.Errorf("deleting it: %d, %v", refs, err)
	}
	three := make1()
	leads(three)
	note(three)
	if refs, err := s.DeleteRepo(s.ctx(), s.admin, one); err != nil || refs != 0 {
		t.Errorf("deleting it: %d, %v", refs, err)
	}
	for _, bad := range []int64{one, 999} {
		if _, err := s.RollbackDistRepo(s.ctx(), s.admin, tag, bad); err == nil {
			t.Errorf("went back to %d", bad)
		}
	}
	if len(led) != 5 {
		t.Fatalf("it was looked at as of the same event twice: %v", led)
	}
	for at, want := range led {
		if got, err := s.DistAt(s.ctx(), "dist", at); got != want || (want == 0) != errors.Is(err, fs.ErrNotExist) || want != 0 && err != nil {
			t.Errorf("as of %d it led to %d, %v, want %d", at, got, err, want)
		}
	}
}
