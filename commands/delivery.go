package commands

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"

	"moromi/aggregates/build"
	"moromi/events"
	"moromi/internal/fault"
	"moromi/internal/storage"
	archivemodel "moromi/projections/archive"
	buildmodel "moromi/projections/build"
	"moromi/projections/query"
	taskmodel "moromi/projections/task"
)

// Delivered are files of a task: paths relative to its directory.
type Delivered struct{ TaskID int64 }

// path is a file's path relative to the work directory. The file must be below the task's own directory.
func (d Delivered) path(rel string) (string, error) {
	dir, err := storage.TaskDir(storage.DefaultVolume, d.TaskID)
	if err != nil {
		return "", err
	}
	p, err := storage.Under(dir, rel)
	if err != nil {
		return "", err
	}
	if p == dir {
		return "", fault.New(fault.Generic, "Invalid path: %q", rel)
	}
	return strings.TrimPrefix(p.String(), "work/"), nil
}

// WrapperRPMs are rpms that wrap what a build made, in the output of a task of their own. Logs are of no architecture.
type WrapperRPMs struct {
	Delivered
	BuildrootID *int64
	SRPM        string
	RPMs, Logs  []string
}

// CompleteTyped is what a builder delivers at the end of a build of another type than rpm.
type CompleteTyped struct {
	HostID, TaskID, BuildID int64
	Type                    string // maven, win or image
	Archives                []NewArchive
	// Copies are files that belong to the build's directory of its type and are no archives, by their path in there: Maven's metadata.
	Copies map[string]string
	// Logs are paths below the work directory, by their directory in the build's logs.
	Logs     map[string][]string
	Wrappers []WrapperRPMs
	// Open leaves the build under way, and on its volume: more will come.
	Open bool
}

// delivery is an import under way: of archives, of wrapper rpms, of both.
type delivery struct {
	build    query.Row
	tree     storage.Build
	volume   int64
	archives []*archiveFile
	copies   []copied
	rpms     []*rpmFile
	places   []place        // of copies, rpms and logs
	beside   []storage.Path // checksums of copies and signatures of rpms, as far as they were written
	clean    bool
}

// copied is a file that is no archive and gets checksums beside it, as Maven repositories have them.
type copied struct {
	place
	sums map[string]string
}

// taskFamily makes sure that a task is another one or below it: a host may deliver what its task and those under it put out, and no one else's.
func (s *Service) taskFamily(ctx context.Context, of, task int64) error {
	for id := task; ; {
		if id == of {
			return nil
		}
		t, err := taskmodel.ByID(ctx, s.DB, id, false, nil)
		if err != nil {
			return err
		}
		parent, ok := t["parent"].(int64)
		if !ok {
			return fault.New(fault.ActionNotAllowed, "task %d is no part of task %d", task, of)
		}
		id = parent // parents have smaller ids: this ends
	}
}

// CompleteTyped imports what was built and completes the build, in the manner of CompleteBuild: files first, then the append, then the uploads
// become symlinks.
func (s *Service) CompleteTyped(ctx context.Context, a Actor, in CompleteTyped) error {
	if _, err := s.ownedTask(ctx, in.TaskID, in.HostID); err != nil {
		return err
	}
	b, err := buildmodel.MustGet(ctx, s.DB, buildmodel.Spec{ID: in.BuildID}, nil)
	if err != nil {
		return err
	}
	if err := s.typed(ctx, b, in.Type); err != nil {
		return err
	}
	err = s.withBuildFiles(ctx, in.BuildID, func() error {
		d, completed := &delivery{build: b}, false
		_, err := DecideOnly(ctx, s, a, "look up build", build.Stream(in.BuildID), func(b *build.Build) ([]events.Event, error) {
			if completed = b.Completed(in.TaskID); completed {
				return nil, nil
			}
			d.clean = b.Empty()
			return nil, b.Deliverable(in.TaskID)
		})
		if err != nil {
			return err
		}
		if err := s.prepareDelivery(ctx, a, d, in); err != nil {
			return err
		}
		if completed { // by this task, and the uploads are still there: the hub died before they were replaced
			return s.tidyDelivery(d)
		}
		if err := s.unoccupied(d); err != nil {
			return err
		}
		return s.importDelivery(ctx, a, d, func(archives []events.Archive, rpms []events.RPM) error {
			return s.recordDelivery(ctx, a, in, build.Delivery{Archives: archives, RPMs: rpms, Volume: d.volume, Open: in.Open})
		})
	})
	if err == nil && !in.Open {
		s.notifyBuild(ctx, a, in.TaskID, in.BuildID)
	}
	return err
}

// typed refuses a build that is not of a type.
func (s *Service) typed(ctx context.Context, b query.Row, kind string) error {
	id := b["build_id"].(int64)
	var info query.Row
	var err error
	switch kind {
	case "maven":
		info, err = archivemodel.MavenBuild(ctx, s.DB, id, nil)
	case "win":
		info, err = archivemodel.WinBuild(ctx, s.DB, id, nil)
	case "image":
		info, err = archivemodel.ImageBuild(ctx, s.DB, id)
	}
	if err == nil && info == nil {
		err = fault.New(fault.Generic, "no such %s build: %s", kind, b["nvr"])
	}
	return err
}

// tidyDelivery makes symlinks of the uploads of a build that is complete.
func (s *Service) tidyDelivery(d *delivery) error {
	places := slices.Clone(d.places)
	for _, f := range d.archives {
		places = append(places, *f.place)
	}
	for _, p := range places {
		if _, err := s.Files.Stat(p.to); errors.Is(err, fs.ErrNotExist) {
			return fault.New(fault.Generic, "Unable to complete build: it is complete, without %s", p.to.Base())
		} else if err != nil {
			return err
		}
	}
	s.finishAll(places)
	return nil
}

// importDelivery gives every file its place, has it all recorded, and makes symlinks of the uploads. What record refuses leaves no archives' files.
func (s *Service) importDelivery(ctx context.Context, a Actor, d *delivery, record func([]events.Archive, []events.RPM) error) error {
	archives, err := s.archiveEvents(ctx, a, d.archives)
	if err != nil {
		return err
	}
	ids, err := s.nextIDs(ctx, "rpm", len(d.rpms))
	if err != nil {
		return err
	}
	rpms := make([]events.RPM, len(d.rpms))
	for i, r := range d.rpms {
		rpms[i] = r.event
		rpms[i].ID = ids[i]
	}
	if d.clean {
		if err := s.removeBuildDirs(ctx, d.tree.Name, d.tree.Version, d.tree.Release); err != nil {
			return err
		}
	}
	return s.putArchives(d.archives, func() error {
		if err := s.placeDelivery(d); err != nil {
			s.clearPlaces(d)
			return err
		}
		recorded := func() error { return record(archives, rpms) }
		if len(rpms) > 0 {
			names := nvras(rpms)
			recorded = func() error {
				return s.withRPMNames(ctx, d.build["build_id"].(int64), names, func() error { return record(archives, rpms) })
			}
		}
		if err := recorded(); err != nil {
			s.clearPlaces(d)
			return err
		}
		s.finishAll(d.places)
		return nil
	})
}

// clearPlaces takes away what placeDelivery put there, after a refusal.
func (s *Service) clearPlaces(d *delivery) {
	all := d.beside
	for _, p := range d.places {
		all = append(all, p.to)
	}
	for _, p := range all {
		if err := s.Files.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.Log.Warn("a file of a refused import stays", "path", p.String(), "error", err)
		}
	}
}

// placeDelivery puts everything in its place that is no archive.
func (s *Service) placeDelivery(d *delivery) error {
	for _, p := range d.places {
		if err := s.link(p); err != nil {
			return err
		}
	}
	for _, c := range d.copies {
		for kind, sum := range c.sums {
			p, err := c.to.Dir().Join(c.to.Base() + "." + kind)
			if err != nil {
				return err
			}
			d.beside = append(d.beside, p)
			if err := s.Files.WriteFile(p, []byte(sum)); err != nil {
				return err
			}
		}
	}
	for _, r := range d.rpms {
		p, err := d.tree.SigHeader(r.event.SigKey, r.event.Arch, rpmFileName(r.event))
		if err != nil {
			return err
		}
		d.beside = append(d.beside, p)
		if err := s.writeSigHeader(d.tree, r.event, r.header.Sig.Raw()); err != nil {
			return err
		}
	}
	return s.linkVolume(d.tree)
}

// recordDelivery appends archives, rpms and completion, in several appends for thousands of files. All but the last are taken back by the next
// attempt if this one ends in between.
func (s *Service) recordDelivery(ctx context.Context, a Actor, in CompleteTyped, what build.Delivery) error {
	var parts [][]events.Event
	_, err := DecideOnly(ctx, s, a, "look up build", build.Stream(in.BuildID), func(b *build.Build) ([]events.Event, error) {
		evs, err := b.Deliver(in.TaskID, what)
		if err != nil {
			return nil, err
		}
		parts, err = build.Appends(evs)
		return nil, err
	})
	if err != nil {
		return err
	}
	for _, part := range parts {
		_, err := s.decideBuild(ctx, a, "complete build", in.BuildID, func(b *build.Build) ([]events.Event, error) {
			return part, b.Deliverable(in.TaskID)
		})
		if err != nil {
			return err
		}
	}
	return nil
}
