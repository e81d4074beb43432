package commands

import (
	"context"

	"moromi/aggregates/build"
	"moromi/events"
	"moromi/internal/fault"
	"moromi/internal/koji"
	buildmodel "moromi/projections/build"
	"moromi/projections/query"
)

// TypedBuild is a build of another type than rpm that a task begins: one of Maven, Platform (of a Windows build) and Image is set.
type TypedBuild struct {
	NewBuild // with the task; an empty release is the one after the last
	Maven    *events.MavenInfo
	Platform *string
	Image    bool
}

// releaseAttempts bounds how often the next release is looked for while others take it, as in Koji.
const releaseAttempts = 8

// InitTypedBuild begins the build of a task that the host has open, and answers it in getBuild's shape. It belongs to the task's owner.
func (s *Service) InitTypedBuild(ctx context.Context, a Actor, host int64, in TypedBuild) (query.Row, error) {
	if in.Draft {
		return nil, fault.New(fault.Generic, "Draft build not supported")
	}
	t, err := s.ownedTask(ctx, *in.TaskID, host)
	if err != nil {
		return nil, err
	}
	in.Owner, in.State, in.CompletionTime = t["owner"].(int64), koji.BuildBuilding, nil
	switch {
	case in.Maven != nil:
		in.Types = []int64{build.TypeMaven}
	case in.Platform != nil:
		in.Types = []int64{build.TypeWin}
	case in.Image:
		in.Types = []int64{build.TypeImage}
	}
	id, err := s.createNext(ctx, a, in.NewBuild)
	if err != nil {
		return nil, err
	}
	switch {
	case in.Maven != nil:
		err = s.SetMavenBuild(ctx, a, id, *in.Maven)
	case in.Platform != nil:
		err = s.SetWinBuild(ctx, a, id, *in.Platform)
	}
	if err != nil {
		return nil, err
	}
	return buildmodel.MustGet(ctx, s.DB, buildmodel.Spec{ID: id}, nil)
}

// createNext makes a build, with the release after the last one if it has none.
func (s *Service) createNext(ctx context.Context, a Actor, in NewBuild) (int64, error) {
	if in.Release != "" {
		return s.CreateBuild(ctx, a, in)
	}
	before := ""
	for attempt := range releaseAttempts {
		last, err := buildmodel.LastRelease(ctx, s.DB, in.Name, in.Version)
		if err != nil {
			return 0, err
		}
		next, ok := koji.NextRelease(last, 1)
		if !ok {
			return 0, fault.New(fault.Build, "Unable to increment release value: %s", last)
		}
		in.Release = next
		id, refused := s.CreateBuild(ctx, a, in)
		if refused == nil || fault.Of(refused) == nil || attempt > 0 && last == before {
			return id, refused
		}
		before = last // somebody may have taken it: then there is another last one now
	}
	return 0, fault.New(fault.Generic, "Can't find available release")
}
