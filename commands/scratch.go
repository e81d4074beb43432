package commands

import (
	"context"
	"errors"
	"io/fs"

	"moromi/internal/fault"
	"moromi/internal/storage"
	usermodel "moromi/projections/user"
)

// ScratchBuild is what a builder delivers of a scratch build: nothing of it enters the database. Paths are relative to the work directory.
type ScratchBuild struct {
	HostID, TaskID int64
	SRPM           string
	RPMs           []string
	Logs           map[string][]string
}

// MoveToScratch moves a scratch build's files to scratch/USER/task_ID and leaves symlinks. A call that a dying hub interrupted can be repeated:
// files that are symlinks already are passed over.
func (s *Service) MoveToScratch(ctx context.Context, a Actor, in ScratchBuild) error {
	owner, err := s.scratchOwner(ctx, in.HostID, in.TaskID)
	if err != nil {
		return err
	}
	dir, err := storage.ScratchDir(storage.DefaultVolume, owner, in.TaskID)
	if err != nil {
		return err
	}
	places, err := s.scratchPlaces(dir, in)
	if err != nil {
		return err
	}
	return s.moveToScratch(places)
}

// scratchOwner is the name of the owner of a task that the host has open.
func (s *Service) scratchOwner(ctx context.Context, host, task int64) (string, error) {
	t, err := s.ownedTask(ctx, task, host)
	if err != nil {
		return "", err
	}
	u, err := usermodel.ByID(ctx, s.DB, t["owner"].(int64))
	if err != nil {
		return "", err
	}
	if u == nil {
		return "", fault.New(fault.Generic, "No such user: %v", t["owner"])
	}
	return u["name"].(string), nil
}

func (s *Service) moveToScratch(places []place) error {
	for _, p := range places {
		if st, err := s.Files.Lstat(p.from); err == nil && st.Mode()&fs.ModeSymlink != 0 {
			continue
		}
		if err := s.link(p); err != nil {
			return err
		}
	}
	s.finishAll(places)
	return nil
}

// ScratchFiles are files of a task that go to a scratch directory as they lie: below the directory of the task Of, in Subdir.
type ScratchFiles struct {
	Delivered
	Of     int64
	Subdir string
	Files  []string
}

// MoveFilesToScratch is MoveToScratch for builds of other types than rpm: what a task and those under it put out moves to scratch/USER/task_ID.
func (s *Service) MoveFilesToScratch(ctx context.Context, host, task int64, files []ScratchFiles) error {
	owner, err := s.scratchOwner(ctx, host, task)
	if err != nil {
		return err
	}
	var places []place
	for _, f := range files {
		for _, id := range []int64{f.TaskID, f.Of} {
			if err := s.taskFamily(ctx, task, id); err != nil {
				return err
			}
		}
		dir, err := storage.ScratchDir(storage.DefaultVolume, owner, f.Of)
		if err != nil {
			return err
		}
		if dir, err = storage.Under(dir, f.Subdir); err != nil {
			return err
		}
		more, err := s.scratchFiles(dir, f)
		if err != nil {
			return err
		}
		places = append(places, more...)
	}
	return s.moveToScratch(places)
}

// scratchFiles decides where the files go.
func (s *Service) scratchFiles(dir storage.Path, f ScratchFiles) ([]place, error) {
	places := make([]place, len(f.Files))
	for i, rel := range f.Files {
		from, err := f.path(rel)
		if err != nil {
			return nil, err
		}
		if err := s.uploaded(from); err != nil {
			return nil, err
		}
		if places[i].from, err = workPath(from); err != nil {
			return nil, err
		}
		if places[i].to, err = storage.Under(dir, rel); err != nil {
			return nil, err
		}
	}
	return places, nil
}

// scratchPlaces checks what is delivered and decides where it goes.
func (s *Service) scratchPlaces(dir storage.Path, in ScratchBuild) ([]place, error) {
	var places []place
	add := func(to storage.Path, rel string) error {
		if err := s.uploaded(rel); err != nil {
			return err
		}
		from, err := workPath(rel)
		if err != nil {
			return err
		}
		dst, err := to.Join(from.Base())
		places = append(places, place{from, dst})
		return err
	}
	rpms, err := s.scratchRPMs(in.RPMs)
	if err != nil {
		return nil, err
	}
	for _, rel := range append([]string{in.SRPM}, rpms...) {
		if err := add(dir, rel); err != nil {
			return nil, err
		}
	}
	for label, list := range in.Logs {
		to, err := dir.Join("logs")
		if err == nil && label != "" {
			to, err = to.Join(label)
		}
		if err != nil {
			return nil, err
		}
		for _, rel := range list {
			if err := add(to, rel); err != nil {
				return nil, err
			}
		}
	}
	return places, nil
}

// scratchRPMs keeps one of several noarch rpms of a name, which must be the same. Those of an interrupted call are not read again.
func (s *Service) scratchRPMs(rels []string) ([]string, error) {
	var files []*rpmFile
	byPath := map[string]string{}
	var out []string
	for _, rel := range rels {
		p, err := workPath(rel)
		if err != nil {
			return nil, err
		}
		st, err := s.Files.Lstat(p)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fault.New(fault.Generic, "No such file: %s", rel)
		}
		if err == nil && st.Mode()&fs.ModeSymlink != 0 {
			out = append(out, rel)
			continue
		}
		f, err := s.readRPM(rel)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
		byPath[f.path.String()] = rel
	}
	kept, err := sameNoarch(files)
	if err != nil {
		return nil, err
	}
	for _, f := range kept {
		out = append(out, byPath[f.path.String()])
	}
	return out, nil
}
