package commands

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"moromi/aggregates/build"
	"moromi/events"
	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/internal/storage"
	buildmodel "moromi/projections/build"
	"moromi/projections/query"
	taskmodel "moromi/projections/task"
)

// NewBuild is a build to be made. Release is the one that the rpms have, for a draft too. Nil and zero fields take Koji's defaults.
type NewBuild struct {
	Name, Version, Release string
	Epoch                  *int64
	Draft                  bool
	State                  koji.BuildState
	Source                 *string
	Extra                  json.RawMessage
	TaskID                 *int64
	Owner                  int64 // 0: the actor
	VolumeID               int64
	ContentGeneratorID     *int64
	StartTime              *time.Time // nil: now
	CompletionTime         *time.Time // nil: now, if the build is not BUILDING
	Types                  []int64
	// Strict refuses a build that is there already, even if it failed or was canceled.
	Strict bool
}

// claimAttempts bounds how often a build's name is claimed anew when the id that had it was voided meanwhile. Once is the rule.
const claimAttempts = 5

// CreateBuild makes a build and answers its id. A failed or canceled build of that name, of which nothing came, is started again under its id;
// a task that was restarted gets the build it is at.
func (s *Service) CreateBuild(ctx context.Context, a Actor, in NewBuild) (int64, error) {
	id, _, err := s.createBuild(ctx, a, in)
	return id, err
}

// createBuild is CreateBuild that tells whether the build was begun by it, rather than under way already for the same task.
func (s *Service) createBuild(ctx context.Context, a Actor, in NewBuild) (id int64, begun bool, err error) {
	if in.Owner == 0 {
		in.Owner = a.UserID
	}
	pkg, err := s.ensurePackage(ctx, a, in.Name)
	if err != nil {
		return 0, false, err
	}
	for range claimAttempts {
		id, release, err := s.claimNVR(ctx, a, pkg, in)
		if err != nil {
			return 0, false, err
		}
		begun, err := s.startBuild(ctx, a, id, pkg, release, in)
		if !errors.Is(err, build.ErrVoided) {
			return id, begun, err
		}
	}
	return 0, false, fault.New(fault.Lock, "the name %s-%s-%s is being claimed by too many at once; try again", in.Name, in.Version, in.Release)
}

// claimNVR gives the build's name to an id: the one that has it, or a new one. A draft's name has its id in it and is always new.
func (s *Service) claimNVR(ctx context.Context, a Actor, pkg int64, in NewBuild) (id int64, release string, err error) {
	release = in.Release
	_, err = DecideOnly(ctx, s, a, "look up build name", build.NVRStream(pkg), func(n *build.Names) ([]events.Event, error) {
		id = n.ID(in.Version, in.Release)
		return nil, nil
	})
	if err != nil {
		return 0, "", err
	}
	if id != 0 {
		exists, err := s.buildExists(ctx, id)
		switch {
		case err != nil:
			return 0, "", err
		case exists && in.Draft:
			return 0, "", fault.New(fault.Generic, "Target build already exists: %s-%s-%s (id=%d)", in.Name, in.Version, in.Release, id)
		case exists && in.Strict:
			return 0, "", fault.New(fault.Generic, "Existing build found: %s-%s-%s (id=%d)", in.Name, in.Version, in.Release, id)
		case !in.Draft:
			return id, release, nil
		}
	}
	fresh, err := s.nextID(ctx, "build")
	if err != nil {
		return 0, "", err
	}
	if in.Draft {
		release = koji.DraftRelease(in.Release, fresh)
	}
	id, err = s.takeNVR(ctx, a, pkg, in.Version, release, fresh, 0)
	if err == nil && in.Draft && id != fresh {
		err = fault.New(fault.Generic, "The build already exists: %s-%s-%s", in.Name, in.Version, release)
	}
	return id, release, err
}

// takeNVR gives a version and release to an id unless another than voided has it, and answers who has it.
func (s *Service) takeNVR(ctx context.Context, a Actor, pkg int64, version, release string, id, voided int64) (has int64, err error) {
	_, err = DecideOnly(ctx, s, a, "claim build name", build.NVRStream(pkg), func(n *build.Names) ([]events.Event, error) {
		var evs []events.Event
		has, evs = n.Claim(pkg, version, release, id, voided)
		return evs, nil
	})
	return has, err
}

// buildExists asks the build's own stream: an id may be claimed and its build not made yet.
func (s *Service) buildExists(ctx context.Context, id int64) (exists bool, err error) {
	_, err = DecideOnly(ctx, s, Actor{}, "look up build", build.Stream(id), func(b *build.Build) ([]events.Event, error) {
		exists = b.Exists()
		return nil, nil
	})
	return exists, err
}

func (s *Service) startBuild(ctx context.Context, a Actor, id, pkg int64, release string, in NewBuild) (begun bool, err error) {
	tagged, err := buildmodel.HasBeenTagged(ctx, s.DB, id)
	if err != nil {
		return false, err
	}
	start := in.start(id, pkg, release)
	name := koji.NVR{Name: in.Name, Version: in.Version, Release: release}.String()
	recycled := false
	pos, err := Decide(ctx, s, a, "create build", build.Stream(id), func(b *build.Build) ([]events.Event, error) {
		evs, err := b.Start(start, name, build.History{Tagged: tagged})
		recycled = slices.ContainsFunc(evs, func(e events.Event) bool { _, ok := e.(events.BuildRecycled); return ok })
		return evs, err
	})
	if err != nil || !recycled {
		return pos != 0, err
	}
	return true, s.withBuildFiles(ctx, id, func() error {
		empty := false
		_, err := DecideOnly(ctx, s, a, "look up build", build.Stream(id), func(b *build.Build) ([]events.Event, error) {
			empty = b.Empty()
			return nil, nil
		})
		if err != nil || !empty {
			return err
		}
		return s.removeBuildDirs(ctx, in.Name, in.Version, release)
	})
}

// start is the event's part of a new build.
func (in NewBuild) start(id, pkg int64, release string) events.BuildStart {
	return events.BuildStart{ID: id, PackageID: pkg, Version: in.Version, Release: release, Epoch: in.Epoch, Draft: in.Draft, Source: in.Source,
		Extra: in.Extra, State: int(in.State), TaskID: in.TaskID, Owner: in.Owner, VolumeID: in.VolumeID, ContentGeneratorID: in.ContentGeneratorID,
		StartTime: in.StartTime, CompletionTime: in.CompletionTime, Types: in.Types}
}

// removeBuildDirs removes what lies in a build's place on any volume: leftovers of an attempt that did not come to its end.
func (s *Service) removeBuildDirs(ctx context.Context, name, version, release string) error {
	volumes, err := buildmodel.Volumes(ctx, s.DB)
	if err != nil {
		return err
	}
	for _, v := range volumes {
		dir, err := storage.Build{Volume: v["name"].(string), Name: name, Version: version, Release: release}.Dir()
		if err != nil {
			continue // such a name has no place in the tree
		}
		if err := s.Files.RemoveAll(dir); err != nil {
			return err
		}
	}
	return nil
}

// OwnsTask refuses, as Koji does, unless the host has the task open.
func (s *Service) OwnsTask(ctx context.Context, id, host int64) error {
	_, err := s.ownedTask(ctx, id, host)
	return err
}

// ownedTask gives a task that the host has open, or Koji's refusal.
func (s *Service) ownedTask(ctx context.Context, id, host int64) (query.Row, error) {
	t, err := taskmodel.ByID(ctx, s.DB, id, false, nil)
	if err != nil {
		return nil, err
	}
	if t == nil {
		return nil, fault.New(fault.Generic, "No such task: %d", id)
	}
	if by, _ := t["host_id"].(int64); koji.TaskState(t["state"].(int64)) != koji.TaskOpen || by != host {
		return nil, fault.New(fault.ActionNotAllowed, "host %d does not own task %d", host, id)
	}
	return t, nil
}

// InitBuild begins the rpm build of a task that the host has open. It belongs to the task's owner.
func (s *Service) InitBuild(ctx context.Context, a Actor, host int64, in NewBuild) (int64, error) {
	if in.TaskID == nil {
		return 0, fault.New(fault.Generic, "No task_id value for build")
	}
	t, err := s.ownedTask(ctx, *in.TaskID, host)
	if err != nil {
		return 0, err
	}
	in.Owner, in.State, in.CompletionTime = t["owner"].(int64), koji.BuildBuilding, nil
	in.Types = []int64{build.TypeRPM}
	return s.CreateBuild(ctx, a, in)
}

func (s *Service) decideBuild(ctx context.Context, a Actor, command string, id int64, f func(*build.Build) ([]events.Event, error)) (bool, error) {
	pos, err := Decide(ctx, s, a, command, build.Stream(id), f)
	return pos != 0, err
}

// FailBuild ends the build of a task that the host has open without a result.
func (s *Service) FailBuild(ctx context.Context, a Actor, host, taskID, id int64) error {
	if _, err := s.ownedTask(ctx, taskID, host); err != nil {
		return err
	}
	if _, err := buildmodel.MustGet(ctx, s.DB, buildmodel.Spec{ID: id}, nil); err != nil {
		return err
	}
	if _, err := s.decideBuild(ctx, a, "fail build", id, func(b *build.Build) ([]events.Event, error) { return b.Fail() }); err != nil {
		return err
	}
	s.notifyBuild(ctx, a, taskID, id)
	return nil
}

// CancelBuild stops a build, and the task that makes it. It answers whether there was anything to stop.
func (s *Service) CancelBuild(ctx context.Context, a Actor, id int64) (bool, error) {
	b, err := buildmodel.MustGet(ctx, s.DB, buildmodel.Spec{ID: id}, nil)
	if err != nil {
		return false, err
	}
	canceled, err := s.decideBuild(ctx, a, "cancel build", id, func(b *build.Build) ([]events.Event, error) { return b.Cancel() })
	if err != nil || !canceled {
		return false, err
	}
	if task, ok := b["task_id"].(int64); ok {
		s.notifyBuild(ctx, a, task, id)
		err = s.CancelTaskFull(ctx, a, task, false)
	}
	return true, err
}

// cancelBuildsOfTask stops the builds that a canceled task was making; the task is left alone.
func (s *Service) cancelBuildsOfTask(ctx context.Context, a Actor, taskID int64) error {
	state := int64(koji.BuildBuilding)
	rows, err := buildmodel.List(ctx, s.DB, buildmodel.Filter{Task: &taskID, State: &state}, nil, query.Opts{})
	if err != nil {
		return err
	}
	for _, r := range rows.([]query.Row) {
		id := r["build_id"].(int64)
		canceled, err := s.decideBuild(ctx, a, "cancel build", id, func(b *build.Build) ([]events.Event, error) { return b.Cancel() })
		if err != nil {
			return err
		}
		if canceled {
			s.notifyBuild(ctx, a, taskID, id)
		}
	}
	return nil
}

// SetBuildOwner gives a build another owner.
func (s *Service) SetBuildOwner(ctx context.Context, a Actor, id, owner int64) error {
	_, err := s.decideBuild(ctx, a, "set build owner", id, func(b *build.Build) ([]events.Event, error) { return b.SetOwner(owner) })
	return err
}

// SetBuildTimestamp sets when a build counts as completed.
func (s *Service) SetBuildTimestamp(ctx context.Context, a Actor, id int64, at time.Time) error {
	_, err := s.decideBuild(ctx, a, "set build timestamp", id, func(b *build.Build) ([]events.Event, error) { return b.SetTimestamp(at) })
	return err
}
