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
	t, err := s.ownedTask(ctx, in.TaskID, in.HostID)
	if err != nil {
		return err
	}
	u, err := usermodel.ByID(ctx, s.DB, t["owner"].(int64))
	if err != nil {
		return err
	}
	if u == nil {
		return fault.New(fault.Generic, "No such user: %v", t["owner"])
	}
	dir, err := storage.ScratchDir(storage.DefaultVolume, u["name"].(string), in.TaskID)
	if err != nil {
		return err
	}
	places, err := s.scratchPlaces(dir, in)
	if err != nil {
		return err
	}
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
