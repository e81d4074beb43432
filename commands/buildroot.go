package commands

import (
	"context"
	"fmt"
	"regexp"

	"moromi/aggregates/buildroot"
	"moromi/events"
	"moromi/internal/fault"
	"moromi/internal/koji"
	rootmodel "moromi/projections/buildroot"
	"moromi/projections/query"
	repomodel "moromi/projections/repo"
	rpmmodel "moromi/projections/rpm"
)

// archName is what Koji takes for an architecture (koji.parse_arches).
var archName = regexp.MustCompile(`^[a-zA-Z0-9_-]+$`)

// NewBuildroot records that a host makes a buildroot of a repository, for a task that it has open if one is named, and answers its id.
func (s *Service) NewBuildroot(ctx context.Context, a Actor, host, repo int64, arch string, taskID *int64) (int64, error) {
	if taskID != nil {
		if _, err := s.ownedTask(ctx, *taskID, host); err != nil {
			return 0, err
		}
	}
	if !archName.MatchString(arch) {
		return 0, fault.New(fault.Generic, "Architecture can be only [a-zA-Z0-9_-]")
	}
	id, err := s.nextID(ctx, "buildroot")
	if err != nil {
		return 0, err
	}
	tag, err := repomodel.TagOf(ctx, s.DB, repo)
	if err != nil {
		return 0, err
	}
	if tag == 0 {
		return 0, fault.New(fault.Generic, "No such repo: %d", repo)
	}
	_, err = Decide(ctx, s, a, "new buildroot", buildroot.Stream(id), func(*buildroot.Buildroot) ([]events.Event, error) {
		return []events.Event{events.BuildrootCreated{ID: id, HostID: host, RepoID: repo, TaskID: taskID, Arch: arch, ContainerType: "chroot"}}, nil
	})
	return id, err
}

// by is who changes a buildroot, checked against the task that it names.
func (s *Service) by(ctx context.Context, host int64, taskID *int64) (buildroot.By, error) {
	if taskID != nil {
		if _, err := s.ownedTask(ctx, *taskID, host); err != nil {
			return buildroot.By{}, err
		}
	}
	return buildroot.By{Host: host, Task: taskID}, nil
}

// OwnsBuildroot refuses a buildroot that is not there, not the host's or not the task's, and with a task that is not the host's.
func (s *Service) OwnsBuildroot(ctx context.Context, a Actor, host, id int64, taskID *int64) error {
	by, err := s.by(ctx, host, taskID)
	if err != nil {
		return err
	}
	_, err = Decide(ctx, s, a, "look at buildroot", buildroot.Stream(id), func(b *buildroot.Buildroot) ([]events.Event, error) { return nil, b.Owned(id, by) })
	return err
}

// SetBuildrootState takes a buildroot of the host to another state.
func (s *Service) SetBuildrootState(ctx context.Context, a Actor, host, id int64, state koji.BuildrootState, taskID *int64) error {
	by, err := s.by(ctx, host, taskID)
	if err != nil {
		return err
	}
	_, err = Decide(ctx, s, a, "set buildroot state", buildroot.Stream(id), func(b *buildroot.Buildroot) ([]events.Event, error) {
		return b.SetState(id, by, state)
	})
	return err
}

// ListedRPM is an rpm as a builder found it in a buildroot.
type ListedRPM struct {
	rpmmodel.Spec
	// External is what the builder knows of an rpm of the external repository named by Location, or by ExternalRepoID if that is not 0; nil for the
	// others.
	External       *events.ExternalRPM
	ExternalRepoID int64
}

// ListBuildroot records what is in a buildroot of the host: after it was made, or with update, what a build's requirements added (rpms that are
// listed already are left out then). External rpms become known by it.
func (s *Service) ListBuildroot(ctx context.Context, a Actor, host, id int64, rpms []ListedRPM, update bool, taskID *int64) error {
	by, err := s.by(ctx, host, taskID)
	if err != nil {
		return err
	}
	for range decideAttempts {
		known, err := s.listable(ctx, a, id, by, update)
		if err != nil {
			return err
		}
		ids, err := s.listedIDs(ctx, a, rpms)
		if err != nil {
			return err
		}
		if ids, err = s.unlisted(ctx, id, ids, update); err != nil || len(ids) == 0 {
			return err
		}
		if err := s.recordContent(ctx, a, id, ids, update); err != nil {
			return err
		}
		moved := false
		_, err = Decide(ctx, s, a, "list buildroot", buildroot.Stream(id), func(b *buildroot.Buildroot) (evs []events.Event, err error) {
			evs, moved, err = b.List(id, by, buildroot.Digest(ids), len(ids), update, known)
			return evs, err
		})
		if err != nil || !moved {
			return err
		}
	}
	return fault.New(fault.Lock, "buildroot %d is being changed by too many at once; try again", id)
}

// listable checks that the list may be set and answers how many lists there are.
func (s *Service) listable(ctx context.Context, a Actor, id int64, by buildroot.By, update bool) (known int, err error) {
	_, err = DecideOnly(ctx, s, a, "look up buildroot", buildroot.Stream(id), func(b *buildroot.Buildroot) ([]events.Event, error) {
		known = len(b.Content())
		return nil, b.Listable(id, by, update)
	})
	return known, err
}

// listedIDs gives the ids of the rpms, ascending. One that the hub does not know is refused, or made known if it is external.
func (s *Service) listedIDs(ctx context.Context, a Actor, rpms []ListedRPM) ([]int64, error) {
	var ids, given []int64
	var names []koji.NVRA
	external := map[externalRepo][]events.ExternalRPM{}
	for _, r := range rpms {
		switch {
		case r.External != nil:
			from := externalRepo{r.ExternalRepoID, r.Location}
			external[from] = append(external[from], *r.External)
		case r.ID != 0:
			given = append(given, r.ID)
		default:
			names = append(names, r.NVRA)
		}
	}
	there, err := rpmmodel.Exist(ctx, s.DB, given)
	if err != nil {
		return nil, err
	}
	for _, id := range given {
		if !there[id] {
			return nil, fault.New(fault.Generic, "No such rpm: %d", id)
		}
	}
	ids = append(ids, given...)
	found, err := rpmmodel.IDs(ctx, s.DB, names)
	if err != nil {
		return nil, err
	}
	for i, id := range found {
		if id == 0 {
			return nil, fault.New(fault.Generic, "No such rpm: %s", names[i])
		}
		ids = append(ids, id)
	}
	for from, list := range external {
		if err := from.find(ctx, s.DB); err != nil {
			return nil, err
		}
		added, err := s.AddExternalRPMs(ctx, a, from.id, from.name, list, false)
		if err != nil {
			return nil, err
		}
		ids = append(ids, added...)
	}
	return buildroot.Normal(ids), nil
}

// externalRepo is an external repository by id or, without one, by name.
type externalRepo struct {
	id   int64
	name string
}

// find completes it.
func (e *externalRepo) find(ctx context.Context, db query.DB) (err error) {
	if e.id != 0 {
		e.name, err = rpmmodel.ExternalRepoName(ctx, db, e.id)
	} else {
		e.id, err = rpmmodel.ExternalRepoID(ctx, db, e.name)
	}
	return err
}

// unlisted leaves out, of an update, what the buildroot has already; a first list must not repeat anything.
func (s *Service) unlisted(ctx context.Context, id int64, ids []int64, update bool) ([]int64, error) {
	have, err := rootmodel.RPMs(ctx, s.DB, id)
	if err != nil {
		return nil, err
	}
	var out []int64
	for _, x := range ids {
		if !have[x] {
			out = append(out, x)
		} else if !update {
			return nil, fault.New(fault.Generic, "rpm %d is listed in buildroot %d already", x, id)
		}
	}
	return out, nil
}

// recordContent makes sure that the list is on record.
func (s *Service) recordContent(ctx context.Context, a Actor, id int64, ids []int64, update bool) error {
	near, nearIDs, err := rootmodel.Near(ctx, s.DB, id, update)
	if err != nil {
		return err
	}
	_, err = DecideOnly(ctx, s, a, "record content", buildroot.ContentStream(buildroot.Digest(ids)), func(c *buildroot.Content) ([]events.Event, error) {
		return c.Record(ids, near, nearIDs), nil
	})
	if err != nil {
		return fmt.Errorf("record content of buildroot %d: %w", id, err)
	}
	return nil
}
