// Package repo decides about the repositories of a tag and the requests for them. All of a tag's are in one stream, so that the decision that
// makes a repository READY answers the requests that it satisfies, and a request sees every repository that could answer it.
// Rules are those of kojihub.repos and kojihub.kojihub.repo_set_state of Koji 1.35.
package repo

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"moromi/events"
	"moromi/internal/fault"
	"moromi/internal/koji"
)

// Stream is the stream of a tag's repositories.
func Stream(tag int64) string { return fmt.Sprintf("repos-%d", tag) }

// Tag is the folded state of a tag's repositories and active requests. Deleted repositories and requests that were answered are forgotten.
type Tag struct {
	at       events.Position
	repos    map[int64]*repo
	dist     int64 // the dist repository that "latest" leads to, 0 if there is none
	requests map[int64]*events.RepoRequested
}

type repo struct {
	state        koji.RepoState
	create       int64
	end          *int64
	dist         bool
	opts, custom events.RepoOpts
}

// At tells the position of the event that Apply gets next.
func (t *Tag) At(p events.Position) { t.at = p }

// Apply takes an event of the stream.
func (t *Tag) Apply(e events.Event) {
	if t.repos == nil {
		t.repos, t.requests = map[int64]*repo{}, map[int64]*events.RepoRequested{}
	}
	switch e := e.(type) {
	case events.RepoCreated:
		r := &repo{create: e.CreateEvent, end: e.EndEvent, dist: e.Dist}
		if r.create == 0 {
			r.create = int64(t.at)
		}
		if e.Opts != nil {
			r.opts = *e.Opts
		}
		if e.Custom != nil {
			r.custom = *e.Custom
		}
		t.repos[e.ID] = r
	case events.RepoStateSet:
		if koji.RepoState(e.State) == koji.RepoReady && t.repos[e.ID].dist && t.leads(t.repos[e.ID]) {
			t.dist = e.ID
		}
		t.repos[e.ID].state = koji.RepoState(e.State)
		if koji.RepoState(e.State) == koji.RepoDeleted {
			delete(t.repos, e.ID)
		}
	case events.RepoOutdated:
		if r := t.repos[e.ID]; r != nil {
			r.end = &e.EndEvent
		}
	case events.RepoLatestSet:
		t.dist = e.RepoID
	case events.RepoRequested:
		t.requests[e.ID] = &e
	case events.RepoRequestPrioritized:
		if r := t.requests[e.ID]; r != nil {
			r.Priority = e.Priority
		}
	case events.RepoRequestsFulfilled:
		for _, id := range e.IDs {
			delete(t.requests, id)
		}
	case events.RepoRequestAbandoned:
		delete(t.requests, e.ID)
	}
}

// Create begins a repository.
func (t *Tag) Create(in events.RepoCreated) ([]events.Event, error) {
	if t.repos[in.ID] != nil {
		return nil, fault.New(fault.Generic, "Repo %d exists already", in.ID)
	}
	return []events.Event{in}, nil
}

// SetState takes a repository to another state: upwards, and to DELETED from any other. The one that becomes READY answers the requests that
// it satisfies.
func (t *Tag) SetState(tag, id int64, to koji.RepoState) ([]events.Event, error) {
	r := t.repos[id]
	switch {
	case r == nil && to == koji.RepoDeleted:
		return nil, nil
	case r == nil:
		return nil, fault.New(fault.Generic, "Repo %d is deleted", id)
	case r.state == to:
		return nil, nil
	case r.state > to && to != koji.RepoDeleted:
		return nil, fault.New(fault.Generic, "Invalid repo state transition for repo %d: %s -> %s", id, r.state, to)
	}
	evs := []events.Event{events.RepoStateSet{ID: id, State: int(to)}}
	if to == koji.RepoReady && !r.dist {
		if ids := t.satisfied(r); len(ids) > 0 {
			evs = append(evs, events.RepoRequestsFulfilled{TagID: tag, RepoID: id, IDs: ids})
		}
	}
	return evs, nil
}

// Because adds the reason to what SetState decided on a repository that could not be made.
func (t *Tag) Because(evs []events.Event, why string) []events.Event {
	out := slices.Clone(evs)
	for i, e := range out {
		if s, ok := e.(events.RepoStateSet); ok {
			s.Problem = why
			out[i] = s
		}
	}
	return out
}

// Finish is SetState to READY (or EXPIRED) of a repository that must be INIT.
func (t *Tag) Finish(tag, id int64, to koji.RepoState) ([]events.Event, error) {
	if r := t.repos[id]; r == nil || r.state != koji.RepoInit {
		state := koji.RepoDeleted
		if r != nil {
			state = r.state
		}
		return nil, fault.New(fault.Generic, "Repo %d not in INIT state (got %s)", id, state)
	}
	return t.SetState(tag, id, to)
}

// Delete is SetState to DELETED.
func (t *Tag) Delete(tag, id int64) ([]events.Event, error) {
	return t.SetState(tag, id, koji.RepoDeleted)
}

// Outdate records that the tag changed at event after what the repository has; the first change counts.
func (t *Tag) Outdate(id, event int64) []events.Event {
	if r := t.repos[id]; r == nil || r.end != nil || event <= r.create {
		return nil
	}
	return []events.Event{events.RepoOutdated{ID: id, EndEvent: event}}
}

// Newest is the READY build repository with the newest content that satisfies the request, 0 if none does.
func (t *Tag) Newest(req events.RepoRequested) int64 {
	var best, event int64
	for id, r := range t.repos {
		if r.state == koji.RepoReady && !r.dist && satisfies(r, &req) && (r.create > event || r.create == event && id > best) {
			best, event = id, r.create
		}
	}
	return best
}

// Latest tells whether no READY repository of the tag, of the same kind and with the tag's own options, has newer content than id: whether
// the symlink "latest" goes to it. For dist repositories see leads and Rollback.
func (t *Tag) Latest(id int64) bool {
	r := t.repos[id]
	if r == nil || r.state != koji.RepoReady || !r.dist && r.custom != (events.RepoOpts{}) {
		return false
	}
	if r.dist {
		return t.dist == id
	}
	return t.newest(r)
}

// newest tells whether no READY repository of the same kind and with the tag's own options has newer content than r.
func (t *Tag) newest(r *repo) bool {
	for _, other := range t.repos {
		if other.state == koji.RepoReady && other.dist == r.dist && other.custom == (events.RepoOpts{}) && other.create > r.create {
			return false
		}
	}
	return true
}

// leads tells whether a dist repository that becomes READY is the one that "latest" leads to: if its content is not older than that of the one that is. Those that
// a rollback passed over do not count.
func (t *Tag) leads(r *repo) bool {
	if now := t.repos[t.dist]; now != nil && now.state == koji.RepoReady {
		return r.create >= now.create
	}
	return t.newest(r)
}

// Rollback takes the users of the tag's dist repositories back to another READY one; 0 means the one before. It answers which one they get and which one they had.
func (t *Tag) Rollback(tag, id int64) (to, from int64, evs []events.Event, err error) {
	if id == 0 {
		id = t.before(t.dist)
		if id == 0 {
			return 0, t.dist, nil, fault.New(fault.Generic, "There is no earlier READY dist repo to go back to")
		}
	}
	r := t.repos[id]
	switch {
	case r == nil || !r.dist:
		return 0, t.dist, nil, fault.New(fault.Generic, "Repo %d is no dist repo of this tag", id)
	case r.state != koji.RepoReady:
		return 0, t.dist, nil, fault.New(fault.Generic, "Repo %d is not READY but %s", id, r.state)
	case id == t.dist:
		return id, id, nil, nil
	}
	return id, t.dist, []events.Event{events.RepoLatestSet{TagID: tag, RepoID: id}}, nil
}

// before is the READY dist repository with the newest content that is older than id's, 0 if there is none.
func (t *Tag) before(id int64) (best int64) {
	older := func(a int64, b int64) bool {
		return cmp.Or(cmp.Compare(t.repos[a].create, t.repos[b].create), cmp.Compare(a, b)) < 0
	}
	if t.repos[id] == nil {
		return 0
	}
	for other, r := range t.repos {
		if r.dist && r.state == koji.RepoReady && older(other, id) && (best == 0 || older(best, other)) {
			best = other
		}
	}
	return best
}

// satisfied gives the active requests that r satisfies, in order of their ids.
func (t *Tag) satisfied(r *repo) []int64 {
	var ids []int64
	for _, id := range slices.Sorted(maps.Keys(t.requests)) {
		if satisfies(r, t.requests[id]) {
			ids = append(ids, id)
		}
	}
	return ids
}

// satisfies tells whether r has the content and every option that req asks for, and no option of its own that req does not.
func satisfies(r *repo, req *events.RepoRequested) bool {
	if req.AtEvent != nil {
		if r.create != *req.AtEvent {
			return false
		}
	} else if req.MinEvent != nil && r.create < *req.MinEvent {
		return false
	}
	have, custom, want := r.opts.List(), r.custom.List(), req.Opts.List()
	for i := range want {
		if want[i] != nil && (have[i] == nil || *have[i] != *want[i]) || custom[i] != nil && (want[i] == nil || *want[i] != *custom[i]) {
			return false
		}
	}
	return true
}

// Asked is what became of a request: the repository that answers it, or the request that stands for it, new or there before.
type Asked struct {
	Repo, Request int64
	Duplicate     bool
}

// Request asks for a repository. Force asks even when one is there. The id of in is used only if the request is a new one.
func (t *Tag) Request(in events.RepoRequested, force bool) (Asked, []events.Event) {
	if !force {
		if id := t.Newest(in); id != 0 {
			return Asked{Repo: id}, nil
		}
	}
	if r := t.duplicate(in); r != nil {
		var evs []events.Event
		if in.Priority < r.Priority {
			evs = append(evs, events.RepoRequestPrioritized{ID: r.ID, TagID: in.TagID, Priority: in.Priority})
		}
		return Asked{Request: r.ID, Duplicate: true}, evs
	}
	return Asked{Request: in.ID}, []events.Event{in}
}

// duplicate is the active request that asks for the same or for newer, the most urgent if there are several.
func (t *Tag) duplicate(in events.RepoRequested) *events.RepoRequested {
	var found []*events.RepoRequested
	for _, r := range t.requests {
		event := in.AtEvent != nil && r.AtEvent != nil && *r.AtEvent == *in.AtEvent ||
			in.AtEvent == nil && r.MinEvent != nil && in.MinEvent != nil && *r.MinEvent >= *in.MinEvent
		if event && r.Opts.Equal(in.Opts) {
			found = append(found, r)
		}
	}
	if len(found) == 0 {
		return nil
	}
	return slices.MinFunc(found, func(a, b *events.RepoRequested) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(a.ID, b.ID))
	})
}

// Prioritize gives an active request another priority.
func (t *Tag) Prioritize(tag, id, priority int64) []events.Event {
	if r := t.requests[id]; r == nil || r.Priority == priority {
		return nil
	}
	return []events.Event{events.RepoRequestPrioritized{ID: id, TagID: tag, Priority: priority}}
}

// Tasked records that a task makes the repository of a request, nil that none does any more.
func (t *Tag) Tasked(tag, id int64, task *int64) []events.Event {
	if t.requests[id] == nil {
		return nil
	}
	return []events.Event{events.RepoRequestTasked{ID: id, TagID: tag, TaskID: task}}
}

// Fulfill answers an active request with a repository that satisfies it.
func (t *Tag) Fulfill(tag, id, repoID int64) []events.Event {
	r, req := t.repos[repoID], t.requests[id]
	if r == nil || req == nil || r.state != koji.RepoReady || !satisfies(r, req) {
		return nil
	}
	return []events.Event{events.RepoRequestsFulfilled{TagID: tag, RepoID: repoID, IDs: []int64{id}}}
}

// Abandon gives up an active request.
func (t *Tag) Abandon(tag, id int64) []events.Event {
	if t.requests[id] == nil {
		return nil
	}
	return []events.Event{events.RepoRequestAbandoned{ID: id, TagID: tag}}
}
