package commands

import (
	"context"

	"moromi/aggregates/repo"
	"moromi/events"
	"moromi/internal/fault"
	"moromi/internal/koji"
	rootmodel "moromi/projections/buildroot"
	repomodel "moromi/projections/repo"
)

// StartRepo is a repository to be made.
type StartRepo struct {
	TagID int64
	// Event is the event whose content the repository has; 0: what there is now, for which the start itself becomes an event.
	Event  int64
	Opts   events.RepoOpts // that differ from the tag's own
	TaskID *int64
	Dist   bool // of signed packages for users; Opts mean nothing then
}

// StartedRepo is a repository in the state INIT.
type StartedRepo struct {
	ID, Event    int64
	Opts, Custom events.RepoOpts
}

// StartRepo begins a repository of a tag: it is INIT until RepoReady or RepoProblem.
func (s *Service) StartRepo(ctx context.Context, a Actor, in StartRepo) (StartedRepo, error) {
	var at *int64
	if in.Event != 0 {
		at = &in.Event
	}
	t, err := s.repoTag(ctx, in.TagID, at)
	if err != nil {
		return StartedRepo{}, err
	}
	ev := events.RepoCreated{TagID: in.TagID, CreateEvent: in.Event, Dist: in.Dist, TaskID: in.TaskID}
	var out StartedRepo
	if !in.Dist {
		out.Opts, out.Custom = s.repoOpts(t, in.Opts)
		ev.Opts, ev.Custom = &out.Opts, &out.Custom
		if err := s.repoBounds(ctx, &ev); err != nil {
			return out, err
		}
	}
	if ev.ID, err = s.nextID(ctx, "repo"); err != nil {
		return out, err
	}
	pos, err := Decide(ctx, s, a, "start repo", repo.Stream(in.TagID), func(t *repo.Tag) ([]events.Event, error) { return t.Create(ev) })
	out.ID, out.Event = ev.ID, in.Event
	if in.Event == 0 {
		out.Event = int64(pos)
	}
	return out, err
}

// repoBounds finds between which events the tag has the repository's content.
func (s *Service) repoBounds(ctx context.Context, ev *events.RepoCreated) error {
	var before *int64
	if ev.CreateEvent != 0 {
		before = &ev.CreateEvent
	}
	begin, err := s.tagLastChange(ctx, ev.TagID, before)
	if err != nil {
		return err
	}
	if begin == nil {
		begin = &ev.CreateEvent
	}
	ev.BeginEvent = *begin
	if before != nil {
		ev.EndEvent, err = s.tagFirstChange(ctx, ev.TagID, before)
	}
	return err
}

// decideRepoOfTag decides on the stream of the repository's tag.
func (s *Service) decideRepoOfTag(ctx context.Context, a Actor, command string, id int64, f func(*repo.Tag, int64) ([]events.Event, error)) (tag int64, err error) {
	tag, err = repomodel.TagOf(ctx, s.DB, id)
	if err != nil {
		return 0, err
	}
	if tag == 0 {
		return 0, fault.New(fault.Generic, "No such repo: %d", id)
	}
	_, err = Decide(ctx, s, a, command, repo.Stream(tag), func(t *repo.Tag) ([]events.Event, error) { return f(t, tag) })
	return tag, err
}

// RepoReady makes an INIT repository READY; every active request that it satisfies is answered by the same append. It answers whether the
// symlink "latest" should lead to it.
func (s *Service) RepoReady(ctx context.Context, a Actor, id int64) (latest bool, err error) {
	tag, err := s.decideRepoOfTag(ctx, a, "repo ready", id, func(t *repo.Tag, tag int64) ([]events.Event, error) { return t.Finish(tag, id, koji.RepoReady) })
	if err != nil {
		return false, err
	}
	_, err = DecideOnly(ctx, s, a, "look up repo", repo.Stream(tag), func(t *repo.Tag) ([]events.Event, error) {
		latest = t.Latest(id)
		return nil, nil
	})
	return latest, err
}

// RepoExpireNew is RepoReady for a repository that nobody is to use any more (repoDone's old option expire).
func (s *Service) RepoExpireNew(ctx context.Context, a Actor, id int64) error {
	_, err := s.decideRepoOfTag(ctx, a, "expire repo", id, func(t *repo.Tag, tag int64) ([]events.Event, error) { return t.Finish(tag, id, koji.RepoExpired) })
	return err
}

// SetRepoState takes a repository to another state: upwards, and to DELETED from any other.
func (s *Service) SetRepoState(ctx context.Context, a Actor, id int64, state koji.RepoState) error {
	if state < koji.RepoInit || state > koji.RepoProblem {
		return fault.New(fault.Parameter, "Unknown repo state: %d", state)
	}
	_, err := s.decideRepoOfTag(ctx, a, "set repo state", id, func(t *repo.Tag, tag int64) ([]events.Event, error) { return t.SetState(tag, id, state) })
	return err
}

// RepoProblem marks a repository that could not be made or is broken.
func (s *Service) RepoProblem(ctx context.Context, a Actor, id int64) error {
	return s.SetRepoState(ctx, a, id, koji.RepoProblem)
}

// RepoFailed is RepoProblem with the reason, for people.
func (s *Service) RepoFailed(ctx context.Context, a Actor, id int64, why string) error {
	_, err := s.decideRepoOfTag(ctx, a, "repo failed", id, func(t *repo.Tag, tag int64) ([]events.Event, error) {
		evs, err := t.SetState(tag, id, koji.RepoProblem)
		return t.Because(evs, why), err
	})
	return err
}

// ExpireRepo marks a repository that nobody is to use any more.
func (s *Service) ExpireRepo(ctx context.Context, a Actor, id int64) error {
	return s.SetRepoState(ctx, a, id, koji.RepoExpired)
}

// DeleteRepo marks a repository deleted unless buildroots of it are alive or users were taken back to it, and answers how many such references there are.
func (s *Service) DeleteRepo(ctx context.Context, a Actor, id int64) (references int, err error) {
	refs, err := rootmodel.References(ctx, s.DB, id)
	if err != nil || len(refs) > 0 {
		return len(refs), err
	}
	if held, err := s.rolledBackTo(ctx, id); err != nil || held {
		return 1, err
	}
	_, err = s.decideRepoOfTag(ctx, a, "delete repo", id, func(t *repo.Tag, tag int64) ([]events.Event, error) { return t.Delete(tag, id) })
	return 0, err
}

// rolledBackTo tells whether users of dist repositories were taken back to a repository.
func (s *Service) rolledBackTo(ctx context.Context, id int64) (bool, error) {
	tag, err := repomodel.TagOf(ctx, s.DB, id)
	if err != nil || tag == 0 {
		return false, err
	}
	l, ok, err := repomodel.LeadingOf(ctx, s.DB, tag)
	return ok && l.ID == id && l.RolledBack, err
}

// Rollback is what became of "latest" of a tag's dist repositories.
type Rollback struct{ To, From int64 }

// RollbackDistRepo lets "latest" of a tag's dist repositories lead to another READY one, 0 for the one before, until another is made. The symlink is the caller's to set.
func (s *Service) RollbackDistRepo(ctx context.Context, a Actor, tag, id int64) (out Rollback, err error) {
	_, err = Decide(ctx, s, a, "roll back dist repo", repo.Stream(tag), func(t *repo.Tag) (evs []events.Event, err error) {
		out.To, out.From, evs, err = t.Rollback(tag, id)
		return evs, err
	})
	return out, err
}

// OutdateRepo records that a repository's tag changed at event, after what the repository has. Only the first change counts.
func (s *Service) OutdateRepo(ctx context.Context, a Actor, id, event int64) error {
	_, err := s.decideRepoOfTag(ctx, a, "outdate repo", id, func(t *repo.Tag, _ int64) ([]events.Event, error) { return t.Outdate(id, event), nil })
	return err
}

// UpdateRepoEndEvents records for every READY repository whose tag changed since when it first did.
func (s *Service) UpdateRepoEndEvents(ctx context.Context, a Actor) error {
	current, err := repomodel.Currents(ctx, s.DB)
	if err != nil {
		return err
	}
	last := map[int64]int64{} // of tags, where it is known
	for _, r := range current {
		if at, known := last[r.Tag]; known && at <= r.CreateEvent {
			continue
		}
		first, err := s.tagFirstChange(ctx, r.Tag, &r.CreateEvent)
		if err != nil {
			return err
		}
		if first != nil {
			if err := s.OutdateRepo(ctx, a, r.ID, *first); err != nil {
				return err
			}
			continue
		}
		at, err := s.tagLastChange(ctx, r.Tag, nil)
		if err != nil {
			return err
		}
		if at != nil {
			last[r.Tag] = *at
		}
	}
	return nil
}
