package commands

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"

	"moromi/aggregates/build"
	"moromi/events"
	"moromi/internal/fault"
	"moromi/internal/storage"
	archivemodel "moromi/projections/archive"
	buildmodel "moromi/projections/build"
	rootmodel "moromi/projections/buildroot"
	"moromi/projections/query"
)

// prepareDelivery reads and checks everything that is delivered and decides where it goes. It changes nothing.
func (s *Service) prepareDelivery(ctx context.Context, a Actor, d *delivery, in CompleteTyped) error {
	var roots []int64
	for _, n := range in.Archives {
		if n.BuildrootID != nil {
			roots = append(roots, *n.BuildrootID)
		}
	}
	for _, w := range in.Wrappers {
		if err := s.taskFamily(ctx, in.TaskID, w.TaskID); err != nil {
			return err
		}
	}
	if err := s.rootsExist(ctx, roots); err != nil {
		return err
	}
	if err := s.placeByPolicy(ctx, a, d, in); err != nil {
		return err
	}
	for _, n := range in.Archives {
		f, err := s.deliveredArchive(ctx, n)
		if err != nil {
			return err
		}
		if err := f.locate(d.tree, n.Type); err != nil {
			return err
		}
		d.archives = append(d.archives, f)
	}
	if err := s.planCopies(d, in); err != nil {
		return err
	}
	for _, w := range in.Wrappers {
		if err := s.readWrappers(ctx, d, w); err != nil {
			return err
		}
	}
	return s.planLogs(d, in.Logs)
}

func (s *Service) rootsExist(ctx context.Context, ids []int64) error {
	missing, err := rootmodel.Missing(ctx, s.DB, ids)
	if err == nil && len(missing) > 0 {
		err = fault.New(fault.Generic, "no buildroot with ID: %d", slices.Min(missing))
	}
	return err
}

// deliveredArchive is prepareArchive; a file whose type nobody knows fails the build.
func (s *Service) deliveredArchive(ctx context.Context, n NewArchive) (*archiveFile, error) {
	t, err := archivemodel.TypeByFilename(ctx, s.DB, path.Base(n.Path))
	if err != nil {
		return nil, err
	}
	if t == nil {
		return nil, fault.New(fault.Build, "unsupported file type: %s", path.Base(n.Path))
	}
	return s.prepareArchive(ctx, n)
}

// placeByPolicy asks the volume policy where the build goes, unless it stays where it is.
func (s *Service) placeByPolicy(ctx context.Context, a Actor, d *delivery, in CompleteTyped) error {
	d.tree = treeOf(d.build)
	if in.Open {
		return nil
	}
	data := map[string]any{"build": in.BuildID, "package": d.build["name"], "import": true, "import_type": in.Type}
	if err := s.taskPolicyData(ctx, data, in.TaskID); err != nil {
		return err
	}
	v, err := s.PolicyVolume(ctx, a, data, false)
	if err != nil {
		return err
	}
	if v == nil {
		v = query.Row{"id": int64(0), "name": storage.DefaultVolume}
	}
	d.volume, d.tree.Volume = v["id"].(int64), v["name"].(string)
	return nil
}

// planCopies decides where files go that are no archives.
func (s *Service) planCopies(d *delivery, in CompleteTyped) error {
	dir, err := d.tree.TypeDir(in.Type)
	if err != nil {
		return err
	}
	for _, rel := range slices.Sorted(maps.Keys(in.Copies)) {
		to, err := storage.Under(dir, rel)
		if err != nil {
			return err
		}
		u, err := s.readUpload(in.Copies[rel], "md5", "sha1")
		if err != nil {
			return err
		}
		d.copies = append(d.copies, copied{place{u.path, to}, u.sums})
		d.places = append(d.places, place{u.path, to})
	}
	return nil
}

// readWrappers reads rpms that wrap what a build made. They have whatever names their spec file gives them.
func (s *Service) readWrappers(ctx context.Context, d *delivery, w WrapperRPMs) error {
	if w.BuildrootID != nil {
		if err := s.rootsExist(ctx, []int64{*w.BuildrootID}); err != nil {
			return err
		}
	}
	for _, rel := range append([]string{w.SRPM}, w.RPMs...) {
		p, err := w.path(rel)
		if err != nil {
			return err
		}
		r, err := s.readRPM(p)
		if err != nil {
			return err
		}
		r.event.BuildrootID = w.BuildrootID
		to, err := d.tree.RPM(r.event.Arch, r.name())
		if err != nil {
			return err
		}
		d.rpms, d.places = append(d.rpms, r), append(d.places, place{r.path, to})
	}
	logs := make([]string, len(w.Logs))
	for i, rel := range w.Logs {
		var err error
		if logs[i], err = w.path(rel); err != nil {
			return err
		}
	}
	return s.planLogs(d, map[string][]string{"noarch": logs})
}

// planLogs decides where logs go. Two logs of one name in one directory are refused, and what is no regular file.
func (s *Service) planLogs(d *delivery, logs map[string][]string) error {
	top, err := d.tree.AllLogs()
	if err != nil {
		return err
	}
	taken := map[storage.Path]bool{}
	for _, p := range d.places {
		taken[p.to] = true
	}
	for _, sub := range slices.Sorted(maps.Keys(logs)) {
		dir, err := storage.Under(top, sub)
		if err != nil {
			return err
		}
		for _, rel := range logs[sub] {
			p, err := s.logPlace(rel, dir, taken)
			if err != nil {
				return err
			}
			d.places = append(d.places, p)
		}
	}
	return nil
}

// unoccupied refuses to put files over files of the build that is there. What an attempt left that was not recorded is cleared away anyway.
func (s *Service) unoccupied(d *delivery) error {
	if d.clean {
		return nil
	}
	for _, p := range d.places {
		if _, err := s.Files.Lstat(p.to); err == nil {
			return fault.New(fault.Generic, "Error importing %s: it already exists in the build", p.to.Base())
		} else if !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("look at %s: %w", p.to, err)
		}
	}
	return nil
}

// ImportWrapperRPMs imports rpms that wrap what a complete build made. The build must have no rpms yet.
func (s *Service) ImportWrapperRPMs(ctx context.Context, a Actor, host, task, id int64, w WrapperRPMs) error {
	if _, err := s.ownedTask(ctx, task, host); err != nil {
		return err
	}
	b, err := buildmodel.MustGet(ctx, s.DB, buildmodel.Spec{ID: id}, nil)
	if err != nil {
		return err
	}
	return s.withBuildFiles(ctx, id, func() error {
		name := b["nvr"].(string)
		_, err := DecideOnly(ctx, s, a, "look up build", build.Stream(id), func(b *build.Build) ([]events.Event, error) { return nil, b.Wrappable(name) })
		if err != nil {
			return err
		}
		d := &delivery{build: b, tree: treeOf(b)}
		if err := s.taskFamily(ctx, task, w.TaskID); err != nil {
			return err
		}
		if err := s.readWrappers(ctx, d, w); err != nil {
			return err
		}
		if err := s.unoccupied(d); err != nil {
			return err
		}
		return s.importDelivery(ctx, a, d, func(_ []events.Archive, rpms []events.RPM) error {
			_, err := s.decideBuild(ctx, a, "import wrapper rpms", id, func(b *build.Build) ([]events.Event, error) { return b.Wrap(name, rpms) })
			return err
		})
	})
}
