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

// ImportRPM imports one uploaded rpm: a source rpm to its build, which is made if it is not there, another to the build of the source rpm that
// it names. dir and name are below the work directory. It answers what importRPM answers.
func (s *Service) ImportRPM(ctx context.Context, a Actor, dir, name string) (query.Row, error) {
	r, err := s.readRPM(dir + "/" + name)
	if err != nil {
		return nil, err
	}
	id, err := s.buildOfRPM(ctx, a, r)
	if err != nil {
		return nil, err
	}
	b, err := buildmodel.MustGet(ctx, s.DB, buildmodel.Spec{ID: id}, nil)
	if err != nil {
		return nil, err
	}
	if err := s.addRPM(ctx, a, b, r); err != nil {
		return nil, err
	}
	if err := s.noteTagUpdates(ctx, a, id, tagUpdateImport); err != nil {
		return nil, err
	}
	return importedRPM(r, b), nil
}

// buildOfRPM gives the build that an rpm belongs to.
func (s *Service) buildOfRPM(ctx context.Context, a Actor, r *rpmFile) (int64, error) {
	if !r.source {
		n, err := koji.ParseNVRA(r.srpm)
		if err != nil {
			return 0, err
		}
		id, err := buildmodel.FindID(ctx, s.DB, buildmodel.Spec{NVR: n.NVR}, nil)
		if err == nil && id == 0 {
			err = fault.New(fault.Generic, "No such build: %s", n.NVR)
		}
		return id, err
	}
	e := r.event
	id, err := buildmodel.FindID(ctx, s.DB, buildmodel.Spec{NVR: koji.NVR{Name: e.Name, Version: e.Version, Release: e.Release}}, nil)
	if err != nil || id != 0 {
		return id, err
	}
	return s.CreateBuild(ctx, a, NewBuild{Name: e.Name, Version: e.Version, Release: e.Release, Epoch: e.Epoch, State: koji.BuildComplete,
		Types: []int64{build.TypeRPM}})
}

// addRPM imports an rpm to a build that is there: the file first, then the event, then the upload becomes a symlink, as in CompleteBuild.
func (s *Service) addRPM(ctx context.Context, a Actor, b query.Row, r *rpmFile) error {
	id := b["build_id"].(int64)
	var err error
	if r.event.ID, err = s.nextID(ctx, "rpm"); err != nil {
		return err
	}
	tree := treeOf(b)
	to, err := tree.RPM(r.event.Arch, r.name())
	if err != nil {
		return err
	}
	return s.withBuildFiles(ctx, id, func() error {
		return s.withRPMNames(ctx, id, nvras([]events.RPM{r.event}), func() error {
			// decide once without effect: a file in place is only touched when its rpm is not on record
			decide := func(b *build.Build) ([]events.Event, error) { return b.Import(build.TypeRPM, r.event) }
			_, err := DecideOnly(ctx, s, a, "look up build", build.Stream(id), func(b *build.Build) ([]events.Event, error) {
				_, err := decide(b)
				return nil, err
			})
			if err != nil {
				return err
			}
			if err := s.link(place{r.path, to}); err != nil {
				return err
			}
			if err := s.writeSigHeader(tree, r.event, r.header.Sig.Raw()); err != nil {
				return err
			}
			if _, err := s.decideBuild(ctx, a, "import rpm", id, decide); err != nil {
				return err
			}
			s.finishAll([]place{{r.path, to}})
			return nil
		})
	})
}

// importedRPM is importRPM's answer.
func importedRPM(r *rpmFile, b query.Row) query.Row {
	e := r.event
	out := query.Row{"id": e.ID, "name": e.Name, "version": e.Version, "release": e.Release, "epoch": nil, "arch": e.Arch, "buildtime": e.BuildTime,
		"size": e.Size, "payloadhash": e.PayloadHash, "draft": b["draft"], "build_id": b["build_id"], "buildroot_id": nil, "brootid": nil,
		"external_repo_id": int64(0), "sourcepackage": nil, "sourcerpm": nil, "build": b}
	if e.Epoch != nil {
		out["epoch"] = *e.Epoch
	}
	if r.source {
		out["sourcepackage"] = int64(1)
	} else {
		out["sourcerpm"] = r.srpm
	}
	return out
}
