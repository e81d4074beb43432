// Package repo is the read model of repositories and the requests for them.
package repo

import (
	"encoding/json"
	"fmt"
	"time"

	"moromi/events"
	"moromi/internal/koji"
	"moromi/projections"
)

// requestKept is how long a request stays in the queue after it was answered or given up, for whoever asked (Koji's RequestCleanTime). It goes when another
// comes, so that the one with the highest id is always there.
const requestKept = 1440 * time.Minute

// Projection writes repo, repo_past, repo_queue, dist_latest and dist_latest_past.
type Projection struct{ repos projections.Stateful }

// New makes the projection.
func New() *Projection { return &Projection{repos: projections.NewStateful("repo")} }

// Handles lists the events of the repo aggregate.
func (p *Projection) Handles() []string {
	return []string{"repo.created", "repo.state_set", "repo.outdated", "repo.requested", "repo.request_prioritized", "repo.request_tasked",
		"repo.requests_fulfilled", "repo.request_abandoned", "repo.latest_set"}
}

// Apply queues the rows of one event.
func (p *Projection) Apply(b *projections.Batch, c *events.Commit, e events.Event) error {
	switch e := e.(type) {
	case events.RepoCreated:
		return p.create(b, c, e)
	case events.RepoStateSet:
		p.repos.Update(b, c, e.ID, `update repo set since = $2, state = $3, state_time = $4, problem = coalesce(nullif($5::text, ''), problem) where id = $1`,
			e.State, c.At, e.Problem)
		if koji.RepoState(e.State) == koji.RepoReady {
			lead(b, c, e.ID)
		}
	case events.RepoLatestSet:
		relead(b, `values ($1::bigint, $2::bigint, true, $3::bigint)`, e.TagID, e.RepoID, int64(c.Position))
	case events.RepoOutdated:
		p.repos.Update(b, c, e.ID, `update repo set since = $2, end_event = $3 where id = $1`, e.EndEvent)
	case events.RepoRequested:
		opts, err := options(&e.Opts)
		if err != nil {
			return err
		}
		b.Exec(`insert into repo_queue (id, create_time, owner, priority, tag_id, at_event, min_event, opts, update_time, active, tries)
			values ($1, $2, $3, $4, $5, $6, $7, $8, $2, true, 0)`, e.ID, c.At, e.Owner, e.Priority, e.TagID, e.AtEvent, e.MinEvent, opts)
		b.Exec(`delete from repo_queue where not active and update_time < $1`, c.At.Add(-requestKept))
	case events.RepoRequestPrioritized:
		b.Exec(`update repo_queue set priority = $2 where id = $1`, e.ID, e.Priority)
	case events.RepoRequestTasked:
		b.Exec(`update repo_queue set task_id = $2, tries = tries + case when $2::bigint is null then 0 else 1 end, update_time = $3 where id = $1`, e.ID, e.TaskID, c.At)
	case events.RepoRequestsFulfilled:
		b.Exec(`update repo_queue set repo_id = $2, active = false, update_time = $3 where id = any($1)`, e.IDs, e.RepoID, c.At)
	case events.RepoRequestAbandoned:
		b.Exec(`update repo_queue set active = false, update_time = $2 where id = $1`, e.ID, c.At)
	}
	return nil
}

// lead notes that "latest" leads to a dist repository that became READY, if its content is not older than that of the one that it leads to, or of all if that one is
// not READY any more. It is the rule of aggregates/repo.
func lead(b *projections.Batch, c *events.Commit, id int64) {
	relead(b, `select r.tag_id, r.id, false, $2 from repo r left join dist_latest l on l.tag_id = r.tag_id left join repo p on p.id = l.repo_id and p.state = 1
		where r.id = $1 and r.dist and r.create_event >= coalesce(p.create_event,
			(select max(o.create_event) from repo o where o.tag_id = r.tag_id and o.dist and o.state = 1))`, id, int64(c.Position))
}

// relead writes a row of dist_latest, or none, and keeps the one that it takes the place of. All parts of a statement see what was there before it.
func relead(b *projections.Batch, row string, args ...any) {
	b.Exec(`with now as (insert into dist_latest (tag_id, repo_id, rolled_back, since) `+row+`
			on conflict (tag_id) do update set repo_id = excluded.repo_id, rolled_back = excluded.rolled_back, since = excluded.since returning tag_id, since)
		insert into dist_latest_past select l.*, now.since from dist_latest l join now on now.tag_id = l.tag_id where l.since < now.since`, args...)
}

func (p *Projection) create(b *projections.Batch, c *events.Commit, e events.RepoCreated) error {
	opts, err := options(e.Opts)
	if err != nil {
		return err
	}
	custom, err := options(e.Custom)
	if err != nil {
		return err
	}
	if e.CreateEvent == 0 {
		e.CreateEvent = int64(c.Position)
		projections.NoteEvent(b, c)
	}
	b.Exec(`insert into repo (id, creation_time, create_event, state_time, begin_event, end_event, tag_id, state, dist, opts, custom_opts, task_id, since)
		values ($1, $2, $3, $2, nullif($4::bigint, 0), $5, $6, 0, $7, $8, $9, $10, $11)`,
		e.ID, c.At, e.CreateEvent, e.BeginEvent, e.EndEvent, e.TagID, e.Dist, opts, custom, e.TaskID, int64(c.Position))
	return nil
}

// options is o as JSON text, nil if it is nil.
func options(o *events.RepoOpts) (*string, error) {
	if o == nil {
		return nil, nil
	}
	raw, err := json.Marshal(o)
	if err != nil {
		return nil, fmt.Errorf("encode repository options: %w", err)
	}
	s := string(raw)
	return &s, nil
}
