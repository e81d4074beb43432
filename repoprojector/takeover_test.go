package repoprojector_test

import (
	"context"
	"io"
	"strings"
	"testing"

	"moromi/commands/commandtest"
)

// leader is the connection whose engine writes the read models, 0 if there is none.
func (s *site) leader() (pid int64) {
	s.tb.Helper()
	rows, err := s.DB.Query(s.ctx(), `select l.pid from pg_locks l where l.locktype = 'advisory' and l.granted and l.objsubid = 1
		and l.database = (select oid from pg_database where datname = current_database())
		and l.objid::bigint = hashtext(current_schema())::bigint & 4294967295`)
	s.check(err)
	defer rows.Close()
	for rows.Next() {
		s.check(rows.Scan(&pid))
	}
	s.check(rows.Err())
	return pid
}

// waitLeader waits until another connection leads.
func (s *site) waitLeader(than int64) int64 {
	s.tb.Helper()
	for end := s.ctx(); ; {
		if pid := s.leader(); pid != 0 && pid != than {
			return pid
		}
		if end.Err() != nil {
			s.tb.Fatal("nobody leads")
		}
	}
}

// TestAnotherHubLedMeanwhile: what happened while another hub wrote the read models is in the repositories that are made afterwards.
func TestAnotherHubLedMeanwhile(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.lazy = true
	root := s.makeTag("dist-build", nil)
	s.makeTarget("dist", root, root)
	var builds []int64
	for _, n := range []string{"foo", "bar", "baz"} {
		s.list(root, n, false)
		builds = append(builds, s.importBuild(n, "1", [2]string{n, "x86_64"}))
	}
	s.start()
	s.waitFor(root, s.put(root, builds[0]))

	first := s.leader()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	commandtest.Over(t, ctx, s.Ledger, s.DB)
	_, err := s.DB.Exec(s.ctx(), `select pg_terminate_backend($1)`, first)
	s.check(err)
	second := s.waitLeader(first)
	s.put(root, builds[1])
	cancel()
	s.waitLeader(second)

	repo := s.waitFor(root, s.put(root, builds[2]))
	f, err := s.OpenFile(s.ctx(), "dist-build", repo["id"].(int64), "x86_64/pkglist")
	s.check(err)
	list, err := io.ReadAll(f)
	s.check(err)
	if n := strings.Count(string(list), "\n"); n != 3 {
		t.Errorf("the repository has %d rpms, want 3:\n%s", n, list)
	}
}
