package repoprojector

import (
	"cmp"
	"slices"
	"time"

	"moromi/events"
	"moromi/projections/query"
	repomodel "moromi/projections/repo"
)

// How changes are waited out.
const (
	// quiet is how long a tag must have been left alone before it is made again, if it changed while or just after it was made. It is below
	// what a person notices and above the distance of the changes of one script.
	quiet = 250 * time.Millisecond
	// restless is how long a tag that does not come to rest is waited for at most; and then twice as long as the time before, up to mostRestless, so that a
	// thousand changes by a slow script make three repositories and not one every few seconds. Who waits for a repository asks for it, and is not kept waiting.
	restless     = 8 * time.Second
	mostRestless = time.Minute
	// settling is, by default, how long a new build tag must have been left alone before its first repository is made unasked: somebody is setting it up,
	// and every step would outdate the one before. Who needs the repository sooner asks for it, as builds do, and has it made at once.
	settling = 2 * time.Second
	// again: a tag that changes after so long a rest is made at once.
	again = 2 * quiet
	// precedence is how long a newRepo task that somebody made waits before the hub takes it up, so that it can be given to a builder instead; and,
	// while kojira looks after the site, what the hub would begin of its own accord: requests are kojira's to give tasks to. Koji's programs ask every
	// 15 seconds.
	precedence = 3 * time.Second
	// kojiraRound is how long kojira is taken to be there after it called: it does every 15 seconds if it is set up as it comes.
	kojiraRound = 20 * time.Second
)

// How failures are tried again.
const (
	retryFirst = time.Second
	retryMost  = 10 * time.Minute
	// autoPriority is that of what nobody waits for: Koji's automatic requests have it.
	autoPriority = 25
)

// request is an active request for a repository that no task makes.
type request struct {
	id, priority int64
	at           *int64
	opts         events.RepoOpts
}

// repoTask is a newRepo task that waits to be carried out.
type repoTask struct {
	id, priority int64
	event        int64
	opts         events.RepoOpts
	open         bool      // a former process had begun it
	seen         time.Time // when this process first saw it
}

// tagPlan is what the projector knows of a tag. Times are of the projector's clock.
type tagPlan struct {
	id     int64
	kept   bool          // to be kept current without being asked
	settle time.Duration // how long it must have been left alone before its first repository
	made   int64         // the event whose content the newest READY repository with the tag's own options has; 0: there is none
	change int64         // the tag's last change, 0 if none is known that made does not have
	making bool
	unrest int // how many repositories in a row were made because the tag did not come to rest

	firstChange, lastChange time.Time // since a repository was last begun
	asked                   time.Time // when the first request that waits came
	ended                   time.Time // when a repository was last made or failed
	failures                int
	notBefore               time.Time // after a failure

	requests []request
	tasks    []repoTask
}

// job is one repository to be made.
type job struct {
	tag      int64
	priority int64
	since    time.Time
	at       int64 // 0: now
	opts     events.RepoOpts
	request  int64      // that gets a task for it; 0: none
	tasks    []repoTask // that the repository answers
}

// unbidden tells whether the job is the hub's own idea, and no task that somebody made.
func (j *job) unbidden() bool { return len(j.tasks) == 0 }

// follows tells whether the repository is made of what is remembered of the one before. Of the past nothing is; and who asks for a repository shall hear
// of every rpm that is not as it should be.
func (j *job) follows() bool { return j.at == 0 && len(j.tasks) == 0 && j.request == 0 }

// stale tells whether the tag has changed since its repository was made.
func (t *tagPlan) stale() bool { return t.made == 0 || t.change > t.made }

// next is the tag's most urgent job and when it may begin; ok is false if there is nothing to do. What nobody made a task for waits for lull.
func (t *tagPlan) next(now time.Time, lull time.Duration) (j job, due time.Time, ok bool) {
	if t.making {
		return job{}, time.Time{}, false
	}
	take := func(x job, at time.Time) {
		xNow, jNow := !at.After(now), !due.After(now)
		switch {
		case !ok:
		case xNow != jNow: // what may begin comes before what must wait
			if jNow {
				return
			}
		case xNow && x.priority >= j.priority, !xNow && !at.Before(due):
			return
		}
		j, due, ok = x, at, true
	}
	if len(t.tasks) > 0 {
		j, at := t.taskJob(), time.Time{}
		if !j.tasks[0].open {
			at = j.tasks[0].seen.Add(precedence)
		}
		take(j, at)
	}
	for _, r := range t.requests {
		at := t.asked.Add(lull)
		if r.at == nil && t.asked.Sub(t.ended) < again { // others like it may be about to come
			at = t.asked.Add(max(quiet, lull))
		}
		x := job{tag: t.id, priority: r.priority, since: t.asked, opts: r.opts, request: r.id}
		if r.at != nil {
			x.at = *r.at
		}
		take(x, later(at, t.notBefore))
	}
	if t.kept && t.stale() {
		at := time.Time{}
		switch {
		case t.firstChange.IsZero(): // from before this process
		case t.made == 0 && t.ended.IsZero():
			at = t.calm(max(t.settle, lull))
		case t.firstChange.Sub(t.ended) < again: // more changes may be about to come
			at = t.calm(max(quiet, lull))
		case lull > 0:
			at = t.calm(lull)
		}
		take(job{tag: t.id, priority: autoPriority, since: t.firstChange}, later(at, t.notBefore))
	}
	return j, due, ok
}

// calm is when the tag will have been left alone for so long, or has been waited for long enough.
func (t *tagPlan) calm(rest time.Duration) time.Time {
	at, most := t.lastChange.Add(rest), t.firstChange.Add(min(restless<<min(t.unrest, 20), mostRestless))
	if most.Before(at) {
		return most
	}
	return at
}

// begun notes that a repository is being made.
func (t *tagPlan) begun(now time.Time) {
	if now.Sub(t.lastChange) < quiet && !t.firstChange.IsZero() && now.Sub(t.firstChange) >= restless {
		t.unrest++
	} else {
		t.unrest = 0
	}
	t.making, t.firstChange = true, time.Time{}
}

// taskJob is the most urgent of the tag's tasks, and those that the same repository answers.
func (t *tagPlan) taskJob() job {
	first := slices.MinFunc(t.tasks, func(a, b repoTask) int { return cmp.Or(cmp.Compare(a.priority, b.priority), cmp.Compare(a.id, b.id)) })
	j := job{tag: t.id, priority: first.priority, at: first.event, opts: first.opts, tasks: []repoTask{first}}
	for _, x := range t.tasks {
		if x.id != first.id && x.event == first.event && x.opts.Equal(first.opts) {
			j.tasks = append(j.tasks, x)
		}
	}
	return j
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// changed notes a change at an event.
func (t *tagPlan) changed(at int64, now time.Time) {
	if at <= t.change {
		return
	}
	if t.firstChange.IsZero() {
		t.firstChange = now
	}
	t.change, t.lastChange = at, now
	t.failures, t.notBefore = 0, time.Time{} // whatever was wrong may be right now
}

// failed puts off the next attempt.
func (t *tagPlan) failed(now time.Time) {
	t.notBefore = now.Add(min(retryFirst<<min(t.failures, 20), retryMost))
	t.failures++
}

// plan picks the jobs that may begin now, the most urgent first, at most n; and says when to look again if nothing happens.
func plan(tags map[int64]*tagPlan, now time.Time, n int, lull time.Duration) (start []job, wake time.Time) {
	var all []job
	for _, t := range tags {
		j, due, ok := t.next(now, lull)
		switch {
		case !ok:
		case !due.After(now):
			all = append(all, j)
		case wake.IsZero() || due.Before(wake):
			wake = due
		}
	}
	slices.SortFunc(all, func(a, b job) int {
		return cmp.Or(cmp.Compare(a.priority, b.priority), a.since.Compare(b.since), cmp.Compare(a.tag, b.tag))
	})
	return all[:min(n, len(all))], wake
}

// readRequests sorts active requests by tag, without those that a task makes.
func readRequests(rows []query.Row) map[int64][]request {
	out := map[int64][]request{}
	for _, r := range rows {
		if repomodel.UnderWay(r) {
			continue
		}
		x := request{id: r["id"].(int64), priority: r["priority"].(int64)}
		if at, ok := r["at_event"].(int64); ok {
			x.at = &at
		}
		o, _ := r["opts"].(map[string]any)
		for k, to := range map[string]**bool{"src": &x.opts.Src, "debuginfo": &x.opts.Debuginfo, "separate_src": &x.opts.SeparateSrc, "maven": &x.opts.Maven} {
			if b, ok := o[k].(bool); ok {
				*to = &b
			}
		}
		tag := r["tag_id"].(int64)
		out[tag] = append(out[tag], x)
	}
	return out
}
