package commands

import (
	"context"
	"time"

	"moromi/aggregates/repo"
	"moromi/events"
	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/projections/query"
	repomodel "moromi/projections/repo"
)

// RequestRepo is what someone wants of a tag's repository. With neither event it may lag behind the tag as far as the site allows.
type RequestRepo struct {
	Tag      any // name, id or struct, as clients give it
	MinEvent *int64
	Last     bool // not older than the tag's last change
	AtEvent  *int64
	Opts     events.RepoOpts
	Priority *int64 // relative to the default; negative, more urgent, for administrators only
	Force    bool   // ask even if there is one
}

// RequestRepo answers with a repository that is there, or with the request for one, in repo.request's shape.
func (s *Service) RequestRepo(ctx context.Context, a Actor, in RequestRepo) (query.Row, error) {
	t, err := s.repoTag(ctx, in.Tag, nil)
	if err != nil {
		return nil, err
	}
	if in.Opts.Maven != nil && *in.Opts.Maven && !s.Repos.EnableMaven {
		return nil, fault.New(fault.Generic, "Maven support not enabled")
	}
	ev := events.RepoRequested{TagID: t.id, Owner: a.UserID, Priority: koji.PriorityDefault, Opts: in.Opts}
	if err := s.requestEvents(ctx, t, in, &ev); err != nil {
		return nil, err
	}
	if in.Priority != nil {
		if *in.Priority < 0 && !a.Admin {
			return nil, fault.New(fault.ActionNotAllowed, "only admins may create high-priority requests")
		}
		ev.Priority += *in.Priority
	}
	return s.request(ctx, a, ev, in.Force)
}

// request puts a request to the tag's stream and answers with what became of it.
func (s *Service) request(ctx context.Context, a Actor, ev events.RepoRequested, force bool) (query.Row, error) {
	asked, err := s.ask(ctx, a, ev, force)
	if err != nil {
		return nil, err
	}
	out := query.Row{"repo": nil, "request": nil, "duplicate": asked.Duplicate}
	if asked.Repo != 0 {
		row, err := repomodel.Get(ctx, s.DB, asked.Repo, nil)
		out["repo"] = row
		return out, err
	}
	row, err := repomodel.GetRequest(ctx, s.DB, asked.Request)
	out["request"] = row
	return out, err
}

// ask draws an id only when the request turns out to be a new one.
func (s *Service) ask(ctx context.Context, a Actor, ev events.RepoRequested, force bool) (asked repo.Asked, err error) {
	fresh := false
	decide := func(t *repo.Tag) ([]events.Event, error) {
		var evs []events.Event
		asked, evs = t.Request(ev, force)
		if fresh = ev.ID == 0 && asked.Repo == 0 && !asked.Duplicate; fresh {
			return nil, nil
		}
		return evs, nil
	}
	for range 2 {
		if _, err = Decide(ctx, s, a, "request repo", repo.Stream(ev.TagID), decide); err != nil || !fresh {
			return asked, err
		}
		if ev.ID, err = s.nextID(ctx, "repo_request"); err != nil {
			return asked, err
		}
	}
	return asked, nil
}

// requestEvents sets which content is asked for.
func (s *Service) requestEvents(ctx context.Context, t repoTag, in RequestRepo, ev *events.RepoRequested) error {
	switch {
	case in.AtEvent != nil && (in.MinEvent != nil || in.Last):
		return fault.New(fault.Parameter, "The min_event and at_event options conflict")
	case in.AtEvent != nil:
		ev.AtEvent = in.AtEvent
		return s.ValidEvent(ctx, *in.AtEvent)
	case in.MinEvent != nil:
		ev.MinEvent = in.MinEvent
		return s.ValidEvent(ctx, *in.MinEvent)
	}
	last, err := s.tagLastChange(ctx, t.id, nil)
	if err != nil {
		return err
	}
	if last == nil {
		return fault.New(fault.Generic, "the tag %s has no events", t.name)
	}
	if ev.MinEvent = last; in.Last {
		return nil
	}
	lag := s.Repos.Lag
	if n, ok := t.extra["repo.lag"].(int64); ok {
		lag = n
	}
	base, err := s.laggingEvent(ctx, t.id, lag)
	if err == nil && base != nil && *base < *last {
		ev.MinEvent = base
	}
	return err
}

// laggingEvent is the last event before the window of moments in which now minus lag falls; without one, the tag's first.
func (s *Service) laggingEvent(ctx context.Context, tag, lag int64) (*int64, error) {
	base := s.Clock().Unix() - lag
	base -= base % s.Repos.LagWindow
	ev, err := s.eventBefore(ctx, time.Unix(base, 0))
	if err != nil || ev != nil {
		return ev, err
	}
	return s.tagFirstChange(ctx, tag, nil)
}

// ValidEvent refuses what is no event that clients may know.
func (s *Service) ValidEvent(ctx context.Context, id int64) error {
	var there bool
	if err := s.DB.QueryRow(ctx, `select exists (select from events where id = $1)`, id).Scan(&there); err != nil {
		return err
	}
	if !there {
		return fault.New(fault.Parameter, "Invalid event: %d", id)
	}
	return nil
}

func (s *Service) eventBefore(ctx context.Context, at time.Time) (*int64, error) {
	var id *int64
	err := s.DB.QueryRow(ctx, `select (select id from events where time < $1 order by time desc, id desc limit 1)`, at).Scan(&id)
	return id, err
}

// SetRepoRequestPriority gives an active request another priority.
func (s *Service) SetRepoRequestPriority(ctx context.Context, a Actor, id, priority int64) error {
	return s.decideRequest(ctx, a, "set repo request priority", id, func(t *repo.Tag, tag int64) []events.Event { return t.Prioritize(tag, id, priority) })
}

func (s *Service) decideRequest(ctx context.Context, a Actor, command string, id int64, f func(*repo.Tag, int64) []events.Event) error {
	tag, err := repomodel.TagOfRequest(ctx, s.DB, id)
	if err != nil || tag == 0 {
		return err
	}
	_, err = Decide(ctx, s, a, command, repo.Stream(tag), func(t *repo.Tag) ([]events.Event, error) { return f(t, tag), nil })
	return err
}

// autoPriority is that of automatic requests, relative to the default: they must not hold up people.
const autoPriority = 5

// AutoRequestRepos asks for repositories of the tags that are set to have them always (extra repo.auto).
func (s *Service) AutoRequestRepos(ctx context.Context, a Actor) error {
	tags, err := s.autoTags(ctx)
	if err != nil {
		return err
	}
	for _, t := range tags {
		last, err := s.tagLastChange(ctx, t.id, nil)
		if err != nil {
			return err
		}
		base, err := s.laggingEvent(ctx, t.id, t.lag)
		if err != nil {
			return err
		}
		if last == nil {
			continue
		}
		if base != nil && *base < *last {
			last = base
		}
		ev := events.RepoRequested{TagID: t.id, Owner: a.UserID, Priority: koji.PriorityDefault + autoPriority, MinEvent: last}
		if _, err := s.ask(ctx, a, ev, false); err != nil {
			return err
		}
	}
	return nil
}

// autoTag is a tag with repo.auto.
type autoTag struct{ id, lag int64 }

// autoTags reads the tags' own settings; inherited ones do not count, as in Koji.
func (s *Service) autoTags(ctx context.Context) ([]autoTag, error) {
	cols := []query.Col{{Name: "tag_id", Expr: "tag_id"}, {Name: "key", Expr: "key"}, {Name: "value", Expr: "value"}}
	rows, err := query.New(cols, "tag_extra").Where("key in ('repo.auto', 'repo.lag') and active and value is not null").OrderBy("tag_id, key").All(ctx, s.DB)
	if err != nil {
		return nil, err
	}
	var out []autoTag
	for _, r := range rows { // repo.auto before repo.lag
		v, err := query.JSON(r["value"])
		if err != nil {
			continue // Koji, too, passes over what is not JSON
		}
		id := r["tag_id"].(int64)
		if r["key"] == "repo.auto" {
			if truth(v) {
				out = append(out, autoTag{id, s.Repos.AutoLag})
			}
		} else if n, ok := v.(int64); ok && len(out) > 0 && out[len(out)-1].id == id {
			out[len(out)-1].lag = n
		}
	}
	return out, nil
}
