package repoprojector_test

import (
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"moromi/internal/koji"
	"moromi/internal/rpm/rpmtest"
	"moromi/projections/query"
	taskmodel "moromi/projections/task"
)

// BenchmarkDistRepo measures dist repositories of a tag with thousands of rpms as varied as a distribution's, from the beginning of the task to its end: the first, for which every rpm is
// read, and one afterwards. Beside it stands createrepo_c on the same files.
func BenchmarkDistRepo(b *testing.B) {
	for _, n := range []int{5_000, 20_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) { benchmarkDistRepo(b, n) })
	}
}

func benchmarkDistRepo(b *testing.B, n int) {
	s := newSite(b)
	tag := s.makeTag("dist", nil)
	corpus := rpmtest.NewCorpus(1)
	var ids []int64
	for source := range n / perBuild {
		ids = append(ids, s.fill(tag, corpus, source, 0))
	}
	for from := 0; from < len(ids); from += 500 {
		s.put(tag, ids[from:min(from+500, len(ids))]...)
	}
	s.check(s.SyncCounters(s.ctx()))
	s.start()
	make1 := func() (seconds float64, dir string) {
		task, id := s.distRepo("dist", nil, map[string]any{"arch": []any{"x86_64"}, "allow_missing_signatures": true})
		row := s.watch(task)
		return row["completion_ts"].(float64) - row["start_ts"].(float64), filepath.Join(s.distDir("dist", id), "x86_64")
	}
	b.ResetTimer()
	for range b.N { // one round is long enough: the framework asks for one
		first, dir := make1()
		b.ReportMetric(first, "first-s")
		again, _ := make1()
		b.ReportMetric(again, "again-s")
		if bin, err := exec.LookPath("createrepo_c"); err == nil {
			began := time.Now()
			if out, err := exec.Command(bin, "-q", "--no-database", "-o", b.TempDir(), "-i", filepath.Join(dir, "pkglist"), dir).CombinedOutput(); err != nil {
				b.Fatalf("createrepo_c: %v: %s", err, out)
			}
			b.ReportMetric(time.Since(began).Seconds(), "createrepo_c-s")
		}
	}
}

// watch waits for a task however long it takes.
func (s *site) watch(task int64) query.Row {
	s.tb.Helper()
	for {
		at := s.Models.Position()
		row, err := taskmodel.ByID(s.ctx(), s.DB, task, false, nil)
		s.check(err)
		switch st := koji.TaskState(row["state"].(int64)); {
		case st == koji.TaskClosed:
			return row
		case st.Finished():
			s.tb.Fatalf("task %d is %s\n%s", task, st, s.log.String())
		}
		s.check(s.Models.Wait(s.tb.Context(), at+1))
	}
}
