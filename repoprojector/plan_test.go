package repoprojector

import (
	"testing"
	"time"
)

// TestPlan checks the order of what is to be made.
func TestPlan(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	at := int64(5)
	tests := []struct {
		name string
		tags []*tagPlan
		n    int
		want []int64 // tags
		wake time.Duration
	}{
		{"nothing to do", []*tagPlan{{id: 1, kept: true, made: 9, change: 9}, {id: 2}}, 9, nil, 0},
		{"first repository", []*tagPlan{{id: 1, kept: true}}, 9, []int64{1}, 0},
		{"a tag that is being set up", []*tagPlan{{id: 1, kept: true, settle: settling, change: 2, firstChange: ago(time.Second), lastChange: ago(time.Second)}}, 9, nil, settling - time.Second},
		{"a tag that takes long to set up", []*tagPlan{{id: 1, kept: true, settle: settling, change: 2, firstChange: ago(restless), lastChange: now}}, 9, []int64{1}, 0},
		{"a new task", []*tagPlan{{id: 1, tasks: []repoTask{{id: 8, seen: now}}}}, 9, nil, precedence},
		{"a task that was begun before", []*tagPlan{{id: 1, tasks: []repoTask{{id: 8, seen: now, open: true}}}}, 9, []int64{1}, 0},
		{"change after a rest", []*tagPlan{{id: 1, kept: true, made: 1, change: 2, firstChange: now, lastChange: now, ended: ago(time.Hour)}}, 9, []int64{1}, 0},
		{"change just after another", []*tagPlan{{id: 1, kept: true, made: 1, change: 2, firstChange: ago(50 * time.Millisecond), lastChange: ago(50 * time.Millisecond),
			ended: ago(60 * time.Millisecond)}}, 9, nil, quiet - 50*time.Millisecond},
		{"restless tag", []*tagPlan{{id: 1, kept: true, made: 1, change: 2, firstChange: ago(restless), lastChange: now, ended: ago(restless)}}, 9, []int64{1}, 0},
		{"being made", []*tagPlan{{id: 1, kept: true, making: true, requests: []request{{id: 1}}}}, 9, nil, 0},
		{"waiting people first", []*tagPlan{{id: 1, kept: true}, {id: 2, requests: []request{{id: 7, priority: 20}}, asked: now}, {id: 3, tasks: []repoTask{{id: 8, priority: 15}}}},
			9, []int64{3, 2, 1}, 0},
		{"as many as there are workers", []*tagPlan{{id: 1, requests: []request{{priority: 20}}, asked: now}, {id: 2, requests: []request{{priority: 10}}, asked: now},
			{id: 3, requests: []request{{priority: 15}}, asked: now}}, 2, []int64{2, 3}, 0},
		{"after a failure", []*tagPlan{{id: 1, kept: true, notBefore: now.Add(time.Minute)}}, 9, nil, time.Minute},
		{"another moment waits for nothing", []*tagPlan{{id: 1, requests: []request{{at: &at}}, asked: now, ended: now}}, 9, []int64{1}, 0},
		{"a request just after another", []*tagPlan{{id: 1, requests: []request{{id: 1}}, asked: now, ended: now}}, 9, nil, quiet},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tags := map[int64]*tagPlan{}
			for _, x := range tt.tags {
				tags[x.id] = x
			}
			jobs, wake := plan(tags, now, tt.n, 0)
			var got []int64
			for _, j := range jobs {
				got = append(got, j.tag)
			}
			if len(got) != len(tt.want) {
				t.Fatalf("begun are %v, not %v", got, tt.want)
			}
			for i := range got {
				if got[i] != tt.want[i] {
					t.Fatalf("begun are %v, not %v", got, tt.want)
				}
			}
			if tt.wake == 0 != wake.IsZero() || tt.wake != 0 && !wake.Equal(now.Add(tt.wake)) {
				t.Errorf("wakes at %v, not after %v", wake, tt.wake)
			}
		})
	}
}

// TestUnrest changes a tag all the time, for a while, and counts what is made of it.
func TestUnrest(t *testing.T) {
	t.Parallel()
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		lasts time.Duration
		want  int
	}{{0, 1}, {5 * time.Second, 2}, {24 * time.Second, 3}, {10 * time.Minute, 14}} {
		p := &tagPlan{id: 1, kept: true, made: 1, ended: begin.Add(-time.Hour)}
		tags := map[int64]*tagPlan{1: p}
		made := 0
		for now, event := begin, int64(2); now.Sub(begin) <= tt.lasts+2*quiet; now = now.Add(24 * time.Millisecond) {
			if now.Sub(begin) <= tt.lasts {
				p.changed(event, now)
				event++
			}
			if jobs, _ := plan(tags, now, 1, 0); len(jobs) > 0 {
				p.begun(now)
				p.making, p.made, p.ended = false, p.change, now
				made++
			}
		}
		if made != tt.want || p.stale() {
			t.Errorf("of changes for %v %d repositories were made, not %d; is the last stale: %t", tt.lasts, made, tt.want, p.stale())
		}
		p.changed(p.change+1, begin.Add(time.Hour))
		p.begun(begin.Add(time.Hour))
		if p.unrest != 0 {
			t.Error("a rest is not noticed")
		}
	}
}

// TestLull leaves the first word to kojira, but for tasks that are there.
func TestLull(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	since := now.Add(-time.Second)
	tags := map[int64]*tagPlan{
		1: {id: 1, kept: true, made: 1, change: 2, firstChange: since, lastChange: since, ended: now.Add(-time.Hour)},
		2: {id: 2, requests: []request{{id: 1, priority: 20}}, asked: since},
		3: {id: 3, tasks: []repoTask{{id: 8, priority: 15}}},
		4: {id: 4, kept: true, firstChange: since, lastChange: since},
	}
	jobs, wake := plan(tags, now, len(tags), precedence)
	if len(jobs) != 1 || jobs[0].tag != 3 || !wake.Equal(since.Add(precedence)) {
		t.Errorf("begun are %v, the next at %v", jobs, wake)
	}
	if jobs, _ := plan(tags, now, len(tags), 0); len(jobs) != len(tags) {
		t.Errorf("without kojira begun are %v", jobs)
	}
	if jobs, _ := plan(tags, since.Add(precedence), len(tags), precedence); len(jobs) != len(tags) {
		t.Errorf("what kojira left is not begun: %v", jobs)
	}
}

// TestRetryPause grows, but not for ever.
func TestRetryPause(t *testing.T) {
	t.Parallel()
	var p tagPlan
	now := time.Now()
	last := time.Duration(0)
	for range 100 {
		p.failed(now)
		pause := p.notBefore.Sub(now)
		if pause < last || pause > retryMost || pause < retryFirst {
			t.Fatalf("pause %v after %v", pause, last)
		}
		last = pause
	}
	if last != retryMost {
		t.Errorf("the longest pause is %v", last)
	}
}

// TestHeirs follows inheritance as Koji does.
func TestHeirs(t *testing.T) {
	t.Parallel()
	n := func(i int64) *int64 { return &i }
	tests := []struct {
		name  string
		links []Link
		from  int64 // what changes
		want  bool  // whether tag 1 does
	}{
		{"itself", nil, 1, true},
		{"another", nil, 2, false},
		{"parent", []Link{{Tag: 1, Parent: 2}}, 2, true},
		{"child", []Link{{Tag: 2, Parent: 1}}, 2, false},
		{"far parent", []Link{{Tag: 1, Parent: 2}, {Tag: 2, Parent: 3}, {Tag: 3, Parent: 4}}, 4, true},
		{"loop", []Link{{Tag: 1, Parent: 2}, {Tag: 2, Parent: 1}, {Tag: 2, Parent: 3}}, 3, true},
		{"intransitive, own", []Link{{Tag: 1, Parent: 2, Intransitive: true}}, 2, true},
		{"intransitive, of a parent", []Link{{Tag: 1, Parent: 2}, {Tag: 2, Parent: 3, Intransitive: true}}, 3, false},
		{"depth 0 reaches the parent", []Link{{Tag: 1, Parent: 2, MaxDepth: n(0)}, {Tag: 2, Parent: 3}}, 2, true},
		{"depth 0 ends there", []Link{{Tag: 1, Parent: 2, MaxDepth: n(0)}, {Tag: 2, Parent: 3}}, 3, false},
		{"depth 1", []Link{{Tag: 1, Parent: 2, MaxDepth: n(1)}, {Tag: 2, Parent: 3}, {Tag: 3, Parent: 4}}, 3, true},
		{"depth 1 ends there", []Link{{Tag: 1, Parent: 2, MaxDepth: n(1)}, {Tag: 2, Parent: 3}, {Tag: 3, Parent: 4}}, 4, false},
		{"the longer way counts", []Link{{Tag: 1, Parent: 2, MaxDepth: n(0)}, {Tag: 1, Parent: 5}, {Tag: 5, Parent: 2}, {Tag: 2, Parent: 3}}, 3, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g := newGraph(tt.links, map[int64]bool{1: true})
			if got := len(g.heirs[tt.from]) == 1; got != tt.want {
				t.Errorf("a change of %d reaches 1: %t, want %t", tt.from, got, tt.want)
			}
		})
	}
}
