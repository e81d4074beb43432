package commands

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"moromi/aggregates/build"
	"moromi/aggregates/catalog"
	"moromi/events"
	"moromi/internal/fault"
	"moromi/internal/koji"
	"moromi/internal/storage"
	buildmodel "moromi/projections/build"
	"moromi/projections/query"
)

// AddVolume makes a volume known whose directory is there, and answers its id. Strict refuses one that is known.
func (s *Service) AddVolume(ctx context.Context, a Actor, volumeName string, strict bool) (int64, error) {
	if err := koji.VerifyName(volumeName); err != nil {
		return 0, err
	}
	there, err := buildmodel.Volume(ctx, s.DB, volumeName)
	if err != nil {
		return 0, err
	}
	if volumeName != storage.DefaultVolume {
		if err := s.volumeDir(volumeName); err != nil {
			return 0, err
		}
	}
	if there != nil {
		if strict {
			return 0, fault.New(fault.Generic, "volume %s already exists", volumeName)
		}
		return there["id"].(int64), nil
	}
	var id int64
	_, err = Decide(ctx, s, a, "add volume", catalog.Stream(catalog.Volume), func(c *catalog.Catalog) ([]events.Event, error) {
		var known bool
		if id, known = c.ID(volumeName); known {
			return nil, nil
		}
		id = c.Next()
		return []events.Event{events.VolumeDefined{ID: id, Name: volumeName}}, nil
	})
	return id, err
}

// volumeDir makes sure that a volume's directory is there and has its link to the topdir.
func (s *Service) volumeDir(volumeName string) error {
	dir, err := storage.VolumeDir(volumeName)
	if err != nil {
		return err
	}
	if st, err := s.Files.Stat(dir); err != nil || !st.IsDir() {
		return fault.New(fault.Generic, "please create the volume directory first")
	}
	link, err := dir.Join("toplink")
	if err != nil {
		return err
	}
	if st, err := s.Files.Lstat(link); err == nil && st.Mode()&fs.ModeSymlink == 0 {
		return fault.New(fault.Generic, "Not a symlink: %s", link)
	}
	return s.Files.TopLink(link)
}

// RemoveVolume forgets a volume that no build is on.
func (s *Service) RemoveVolume(ctx context.Context, a Actor, key any) error {
	v, err := s.volume(ctx, key)
	if err != nil {
		return err
	}
	used, err := buildmodel.VolumeUsed(ctx, s.DB, v["id"].(int64))
	if err != nil {
		return err
	}
	if used {
		return fault.New(fault.Generic, "volume %s has build references", v["name"])
	}
	_, err = Decide(ctx, s, a, "remove volume", catalog.Stream(catalog.Volume), func(c *catalog.Catalog) ([]events.Event, error) {
		if _, known := c.ID(v["name"].(string)); !known {
			return nil, nil
		}
		return []events.Event{events.VolumeRemoved{ID: v["id"].(int64)}}, nil
	})
	return err
}

func (s *Service) volume(ctx context.Context, key any) (query.Row, error) {
	v, err := buildmodel.Volume(ctx, s.DB, key)
	if err == nil && v == nil {
		err = fault.New(fault.Generic, "No such entry in table volume: %v", key)
	}
	return v, err
}

// ChangeBuildVolume moves a build's files to another volume. Strict refuses a build that is there already.
func (s *Service) ChangeBuildVolume(ctx context.Context, a Actor, id int64, volumeKey any, strict bool) error {
	v, err := s.volume(ctx, volumeKey)
	if err != nil {
		return err
	}
	return s.moveBuild(ctx, a, id, v, strict)
}

// ApplyVolumePolicy moves a build to where the volume policy says. Without a policy, or without a rule that holds, the build stays; strict
// refuses that.
func (s *Service) ApplyVolumePolicy(ctx context.Context, a Actor, id int64, strict bool) error {
	b, err := buildmodel.MustGet(ctx, s.DB, buildmodel.Spec{ID: id}, nil)
	if err != nil {
		return err
	}
	data := map[string]any{"build": id}
	if task, ok := b["task_id"].(int64); ok {
		if err := s.taskPolicyData(ctx, data, task); err != nil {
			return err
		}
	}
	v, err := s.PolicyVolume(ctx, a, data, strict)
	if err != nil || v == nil {
		return err
	}
	return s.moveBuild(ctx, a, id, v, false)
}

// moveBuild copies the files, records the move, and removes the old ones. A hub that dies before the event leaves a copy that the next move
// replaces; one that dies after it leaves the old files, which no path leads to any more.
func (s *Service) moveBuild(ctx context.Context, a Actor, id int64, to query.Row, strict bool) error {
	moved := false
	err := s.withBuildFiles(ctx, id, func() error {
		b, err := buildmodel.MustGet(ctx, s.DB, buildmodel.Spec{ID: id}, nil)
		if err != nil {
			return err
		}
		if b["volume_id"] == to["id"] {
			if strict {
				return fault.New(fault.Generic, "Build %s already on volume %s", b["nvr"], b["volume_name"])
			}
			return nil
		}
		if st := koji.BuildState(b["state"].(int64)); st != koji.BuildComplete && st != koji.BuildDeleted {
			return fault.New(fault.Generic, "Build %s is %s", b["nvr"], st)
		}
		if err := s.moveFiles(b, to["name"].(string)); err != nil {
			return err
		}
		if _, err := s.decideBuild(ctx, a, "change build volume", id, func(b *build.Build) ([]events.Event, error) { return b.Move(to["id"].(int64)) }); err != nil {
			return err
		}
		moved = true
		return s.settleMove(b, to["name"].(string))
	})
	if err != nil || !moved {
		return err
	}
	return s.noteTagUpdates(ctx, a, id, tagUpdateVolumeChange)
}

// moveFiles copies a build's directory to another volume.
func (s *Service) moveFiles(b query.Row, volumeName string) error {
	if volumeName != storage.DefaultVolume {
		if err := s.volumeDir(volumeName); err != nil {
			return fault.Wrap(err, fault.Generic, "Directory entry missing for volume %s", volumeName)
		}
	}
	tree := treeOf(b)
	from, err := tree.Dir()
	if err != nil {
		return err
	}
	if st, err := s.Files.Stat(from); err != nil || !st.IsDir() {
		return fault.New(fault.Generic, "Build directory missing: %s", from)
	}
	tree.Volume = volumeName
	to, err := tree.Dir()
	if err != nil {
		return err
	}
	st, err := s.Files.Lstat(to)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fmt.Errorf("look at %s: %w", to, err)
	case st.Mode()&fs.ModeSymlink != 0 && volumeName == storage.DefaultVolume: // the way to where it is now
	default:
		return fault.New(fault.Generic, "Destination directory exists: %s", to)
	}
	if err == nil {
		if err := s.Files.Remove(to); err != nil {
			return err
		}
	}
	return s.Files.Copy(from, to)
}

// settleMove removes the old files and makes the link in the main tree right.
func (s *Service) settleMove(b query.Row, volumeName string) error {
	tree := treeOf(b)
	from, err := tree.Dir()
	if err != nil {
		return err
	}
	if err := s.Files.RemoveAll(from); err != nil {
		return err
	}
	tree.Volume = volumeName
	return s.linkVolume(tree)
}

// AddBuildType makes a build type; one that is there is left as it is.
func (s *Service) AddBuildType(ctx context.Context, a Actor, typeName string) error {
	if err := koji.VerifyName(typeName); err != nil {
		return err
	}
	_, err := Decide(ctx, s, a, "add build type", catalog.Stream(catalog.BuildType), func(c *catalog.Catalog) ([]events.Event, error) {
		if _, known := c.ID(typeName); known {
			return nil, fault.New(fault.Generic, "btype %s already exists", typeName)
		}
		return []events.Event{events.BuildTypeDefined{ID: c.Next(), Name: typeName}}, nil
	})
	return err
}
