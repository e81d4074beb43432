package conformance_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"moromi/internal/fault"
	"moromi/internal/xmlrpc"
)

// wantCode fails the test unless err is a fault of that code; 0 is none.
func wantCode(t *testing.T, what string, err error, code fault.Code) {
	t.Helper()
	var f *xmlrpc.Fault
	switch {
	case code == 0 && err != nil:
		t.Errorf("%s: %v", what, err)
	case code != 0 && (!errors.As(err, &f) || f.Code != int(code)):
		t.Errorf("%s: %v, want fault %d", what, err, code)
	}
}

// numbers gives the session's stored number and how many tags there are.
func (c *client) numbers() (callnum, tags int64) {
	c.site.t.Helper()
	c.site.check(c.site.service.DB.QueryRow(c.site.t.Context(), `select coalesce((select callnum from ops.sessions where id = $1), -1), (select count(*) from tag)`, c.id).Scan(&callnum, &tags))
	return callnum, tags
}

// together tells whether the session's number was written in the transaction of the newest event.
func (c *client) together() (same bool) {
	c.site.t.Helper()
	c.site.check(c.site.service.DB.QueryRow(c.site.t.Context(), `select (select xmin::text from ops.sessions where id = $1) = (select xmin::text from ledger.events order by position desc limit 1)`, c.id).Scan(&same))
	return same
}

// A session that changes one thing after the other is not looked up for each, and yet each change is made once, and none that it may not make.
func TestCallNumberRidesWithChange(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	c := s.open(t, "kojiadmin")
	create := func(name string) error { _, err := c.call("createTag", []any{name}); return err }
	for i := range 4 {
		c.n = int64(10 + i)
		wantCode(t, "create", create(fmt.Sprintf("tag-%d", i)), 0)
		if n, tags := c.numbers(); n != c.n-1 || tags != int64(i+1) {
			t.Fatalf("number %d after call %d; %d tags", n, c.n-1, tags)
		}
		if i > 0 && !c.together() {
			t.Errorf("call %d: the number and the event are of two transactions", c.n-1)
		}
	}
	c.n = 13
	wantCode(t, "the last again", create("tag-3"), fault.Retry)
	c.n = 13
	wantCode(t, "the last number for another", create("tag-4"), fault.Retry)
	c.n = 14
	wantCode(t, "a name that is taken", create("tag-3"), fault.Generic)
	if n, _ := c.numbers(); n != 13 {
		t.Errorf("a refused call took number %d", n)
	}
	c.n = 14
	wantCode(t, "its number for another", create("tag-4"), 0)
	wantCode(t, "on the way", create("tag-5"), 0)
	exec := func(sql string) {
		t.Helper()
		_, err := s.service.DB.Exec(t.Context(), sql, c.id)
		s.check(err)
	}
	for _, other := range []struct { // what another hub does to the session
		sql, undo string
		code      fault.Code
	}{
		{`update ops.sessions set expired = true where id = $1`, `update ops.sessions set expired = false where id = $1`, fault.AuthExpired},
		{`update ops.sessions set callnum = 100 where id = $1`, `update ops.sessions set callnum = 15 where id = $1`, fault.Sequence},
		{`insert into ops.sessions (user_id, key_hash, hostip, authtype, start_time, update_time, exclusive) select user_id, key_hash, hostip, authtype, now(), now(), true
			from ops.sessions where id = $1`, `delete from ops.sessions where exclusive and id <> $1`, fault.AuthLock},
		{`update ops.sessions set closed = true where id = $1`, `update ops.sessions set closed = false where id = $1`, fault.Auth},
	} {
		_, before := c.numbers()
		exec(other.sql)
		for i := range 2 {
			c.n = 20
			wantCode(t, other.sql, create(fmt.Sprintf("never-%d", i)), other.code)
		}
		exec(other.undo)
		if _, tags := c.numbers(); tags != before {
			t.Errorf("%s: a tag was made nevertheless", other.sql)
		}
		c.n = 20
		wantCode(t, "after "+other.undo, create(fmt.Sprintf("after-%d", other.code)), 0)
		c.n = 21
		wantCode(t, "and again", create(fmt.Sprintf("again-%d", other.code)), 0)
		exec(`update ops.sessions set callnum = 15 where id = $1`)
	}
}

// Of calls with one number that come at once to two hubs, one is made.
func TestCallNumberOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	hubs := []*site{s, s.other()}
	c := s.open(t, "kojiadmin")
	for i, h := range hubs { // both know the session
		c.site = h
		_, err := c.call("createTag", []any{fmt.Sprintf("first-%d", i)})
		s.check(err)
	}
	const tries = 6
	for round := range 10 {
		var wg sync.WaitGroup
		errs := make([]error, tries)
		for i := range tries {
			wg.Go(func() {
				one := *c
				one.site = hubs[i%len(hubs)]
				_, errs[i] = one.call("createTag", []any{fmt.Sprintf("tag-%d-%d", round, i)})
			})
		}
		wg.Wait()
		made := 0
		for _, err := range errs {
			if err == nil {
				made++
			} else {
				wantCode(t, "a repeat", err, fault.Retry)
			}
		}
		c.n++
		if n, tags := c.numbers(); made != 1 || n != c.n-1 || tags != int64(round+3) {
			t.Fatalf("round %d: %d were made, %d tags in all; number %d is stored, want %d", round, made, tags, n, c.n-1)
		}
	}
}

// A session that was made exclusive after it was remembered is let in as such.
func TestCallNumberOfExclusive(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	other := s.other()
	admin, c := s.open(t, "kojiadmin"), s.open(t, "builder1")
	_, err := admin.call("addHost", []any{"builder1", []any{"x86_64"}})
	s.check(err)
	task, err := admin.call("makeTask", []any{"sleep", []any{int64(1)}})
	s.check(err)
	for range 2 {
		_, err = c.call("host.openTask", []any{task})
		wantCode(t, "not exclusive", err, fault.Auth)
	}
	_, err = c.call("exclusiveSession", nil)
	s.check(err)
	for range 2 {
		_, err = c.call("host.openTask", []any{task})
		wantCode(t, "exclusive", err, 0)
	}
	c.site = other
	_, err = c.call("sharedSession", nil) // the first hub does not hear of it
	s.check(err)
	c.site = s
	_, err = c.call("host.setTaskWeight", []any{task, 3.5})
	wantCode(t, "shared again", err, fault.Lock)
	for range 2 {
		_, err = c.call("host.setTaskWeight", []any{task, 3.5})
		wantCode(t, "shared", err, fault.Auth)
	}
	c.site = other
	_, err = c.call("logout", nil)
	s.check(err)
	c.site = s
	_, err = c.call("host.setTaskWeight", []any{task, 3.5})
	wantCode(t, "logged out", err, fault.Auth)
}

// A builder's reports look at its session where they are written: a repeat is taken, one of a session that has ended is not.
func TestReportRides(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	other := s.other()
	admin, c := s.open(t, "kojiadmin"), s.open(t, "builder1")
	_, err := admin.call("addHost", []any{"builder1", []any{"x86_64"}})
	s.check(err)
	_, err = c.call("exclusiveSession", nil)
	s.check(err)
	load := func() (n float64) {
		t.Helper()
		s.check(s.service.DB.QueryRow(t.Context(), `select coalesce(max(task_load), 0) from ops.host_status`).Scan(&n))
		return n
	}
	for i := range 5 {
		_, err = c.call("host.updateHost", []any{float64(i), true})
		wantCode(t, "report", err, 0)
		if load() != float64(i) {
			t.Errorf("report %d was not taken", i)
		}
	}
	c.n--
	_, err = c.call("host.updateHost", []any{7.0, true})
	wantCode(t, "a repeat", err, 0)
	_, err = c.call("host.updateHost", []any{-1.0, true})
	wantCode(t, "a load below nothing", err, fault.Generic)
	_, err = c.call("host.updateHost", []any{8.0, true})
	wantCode(t, "after that", err, 0)
	c.site = other
	_, err = c.call("logout", nil) // the first hub does not hear of it
	s.check(err)
	c.site = s
	for range 2 {
		_, err = c.call("host.updateHost", []any{9.0, true})
		wantCode(t, "logged out", err, fault.Auth)
	}
	if load() != 8 {
		t.Errorf("the load is %g: a report of an ended session was taken", load())
	}
}
